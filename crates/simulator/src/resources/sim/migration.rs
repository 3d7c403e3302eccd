//! Moving SIMs from one workspace of a person to another. [S]

use serde_json::{Value, json};

use super::render;
use crate::http::body::{flag, id_of};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::state::{Actor, Draft, Organisation, Sim, SimState};

/// Most SIMs of a call. [S]
const MOST: usize = 500;
/// Mobile country code of Brazil, at whose border migrations end. [S]
const BRAZIL: &str = "724";
/// SIMs may be in any of these states unless the call says which. [?]
const MOVABLE: [SimState; 4] =
    [SimState::Issued, SimState::Activated, SimState::Suspended, SimState::FactoryTest];

/// What a call asks for.
struct Wanted {
    sims: Vec<u64>,
    target: u64,
    allowed: Vec<SimState>,
    detach: bool,
    dry: bool,
}

/// Moves all SIMs or none; a dry run, which it is unless the call says otherwise, only looks.
pub(super) fn migrate(call: &mut Call<'_>) -> Answer {
    let wanted = read(call)?;
    let obstacles = obstacles(call, &wanted);
    if !obstacles.is_empty() {
        return Err(Refusal::migration("The SIMs cannot be migrated", obstacles.into()));
    }
    let org = call.org();
    let rows: Vec<Value> = wanted.sims.iter().map(|id| show(&org.sims[id], org)).collect();
    let target = &call.state.organisations[&wanted.target];
    let state = |state: &SimState| json!({"id": state.id(), "description": state.name()});
    let body = json!({
        "sim_count": rows.len(),
        "dry_run": wanted.dry,
        "allowed_sim_statuses": wanted.allowed.iter().map(state).collect::<Vec<_>>(),
        "target_workspace": {"id": target.id, "name": target.name},
        "auto_detach_devices": wanted.detach,
        "sims": rows,
    });
    if !wanted.dry {
        carry_over(call, &wanted);
    }
    Ok(Reply::json(body))
}

fn read(call: &Call<'_>) -> Result<Wanted, Refusal> {
    let bad = |message: &str| Refusal::bad_request(message);
    let yes = |name: &str, otherwise: bool| match call.field(name) {
        Value::Null => Ok(otherwise),
        value => flag(value).ok_or_else(|| bad("dry_run and auto_detach_devices are true or false")),
    };
    let target = call.reference("target_workspace").ok_or_else(|| bad("target_workspace is required"))?;
    if target == call.caller.organisation {
        return Err(bad("The SIMs are in the target workspace already"));
    }
    let sims = named(call)?;
    if !(1..=MOST).contains(&sims.len()) {
        return Err(bad("1 to 500 SIMs can be migrated at once"));
    }
    let allowed = match call.field("allowed_sim_statuses") {
        Value::Null => MOVABLE.to_vec(),
        Value::Array(all) if all.is_empty() => MOVABLE.to_vec(),
        all => {
            let state = |value: &Value| id_of(value).and_then(SimState::from_id);
            let all = all.as_array().and_then(|all| all.iter().map(state).collect());
            all.ok_or_else(|| bad("allowed_sim_statuses must be SIM statuses"))?
        }
    };
    if roles(call, target).is_none() {
        return Err(Refusal::not_found("Target workspace"));
    }
    Ok(Wanted {
        sims,
        target,
        allowed,
        detach: yes("auto_detach_devices", false)?,
        dry: yes("dry_run", true)?,
    })
}

/// The SIMs that a call names, in one of three ways.
fn named(call: &Call<'_>) -> Result<Vec<u64>, Refusal> {
    let org = call.org();
    let (sims, iccids, range) = (call.field("sims"), call.field("iccids"), call.field("iccid_range"));
    let missing = |what: &str| Refusal::missing("SIM", what);
    let by_iccid = |text: &str| {
        let iccid = text.get(..19).filter(|_| text.len() <= 20);
        iccid.and_then(|iccid| org.indexes.sim_by_iccid.get(iccid)).copied().ok_or_else(|| missing(text))
    };
    let found: Result<Vec<u64>, Refusal> = match (sims, iccids, range) {
        (Value::Array(sims), Value::Null, Value::Null) => {
            let known = |value: &Value| {
                let id = id_of(value).ok_or_else(|| Refusal::bad_request("id must be a number"))?;
                org.sims.contains_key(&id).then_some(id).ok_or_else(|| missing(&id.to_string()))
            };
            sims.iter().map(known).collect()
        }
        (Value::Null, Value::Array(iccids), Value::Null) => {
            iccids.iter().map(|value| by_iccid(value.as_str().unwrap_or_default())).collect()
        }
        (Value::Null, Value::Null, Value::Object(range)) => {
            let bound = |name: &str| range.get(name).and_then(Value::as_str).and_then(|text| text.get(..19));
            let (Some(start), Some(end)) = (bound("start"), bound("end")) else {
                return Err(Refusal::bad_request("iccid_range has a start and an end"));
            };
            let within = |sim: &&Sim| (start..=end).contains(&sim.iccid.as_str());
            Ok(org.sims.values().filter(within).map(|sim| sim.id).collect())
        }
        _ => Err(Refusal::bad_request("Exactly one of sims, iccids and iccid_range is required")),
    };
    let mut found = found?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The caller's roles in a workspace.
fn roles<'a>(call: &'a Call<'_>, organisation: u64) -> Option<&'a [u64]> {
    let user = call.state.users.get(&call.caller.user?)?;
    let here = user.workspaces.iter().find(|membership| membership.organisation == organisation);
    here.filter(|_| call.state.organisations.contains_key(&organisation)).map(|row| row.roles.as_slice())
}

/// A code, what it means, and the SIMs that it holds for.
type Reason<'a> = (u64, &'a str, &'a dyn Fn(&Sim) -> bool);

/// Why not, each reason with the SIMs that have it. [S]
fn obstacles(call: &Call<'_>, wanted: &Wanted) -> Vec<Value> {
    let org = call.org();
    let administers = |id: u64| roles(call, id).is_some_and(|roles| roles.contains(&1));
    let may = administers(org.id) && administers(wanted.target);
    let reasons: [Reason<'_>; 4] = [
        (1502, "SIMs are attached to devices", &|sim| {
            !wanted.detach && org.endpoint_of_sim(sim.id).is_some()
        }),
        (1503, "SIMs have a status that is not allowed", &|sim| !wanted.allowed.contains(&sim.status)),
        (1504, "The user does not administer both workspaces", &|_| !may),
        (1505, "SIMs cannot be moved into or out of Brazil", &|sim| sim.imsi.starts_with(BRAZIL)),
    ];
    let sims = || wanted.sims.iter().map(|id| &org.sims[id]);
    let told = |(code, message, meets): Reason<'_>| {
        let sims: Vec<Value> = sims().filter(|sim| meets(sim)).map(|sim| show(sim, org)).collect();
        (!sims.is_empty()).then(|| json!({"error_code": code, "message": message, "sims": sims}))
    };
    reasons.into_iter().filter_map(told).collect()
}

fn show(sim: &Sim, org: &Organisation) -> Value {
    let device = org.endpoint_of_sim(sim.id).and_then(|id| org.endpoints.get(&id));
    let mut row = json!({
        "id": sim.id,
        "iccid": sim.iccid,
        "iccid_with_luhn": render::with_luhn(&sim.iccid),
        "status": {"id": sim.status.id(), "description": sim.status.name()},
        "source_workspace": {"id": org.id, "name": org.name},
    });
    if let Some(device) = device {
        row["endpoint"] = json!({"id": device.id, "name": device.name});
    }
    row
}

/// Devices let go of the SIMs, activated ones are suspended, and both workspaces are told. [S][D]
fn carry_over(call: &mut Call<'_>, wanted: &Wanted) {
    let (source, target) = (call.caller.organisation, wanted.target);
    let detail =
        json!({"source_workspace": source, "target_workspace": target, "sim_count": wanted.sims.len()});
    let told = || Draft::new(69).detail(detail.clone());
    let (org, mut actor) = call.act();
    for id in &wanted.sims {
        if let Some(device) = org.endpoint_of_sim(*id) {
            org.reassign_sim(&mut actor, device, None);
        }
        if org.sims[id].status == SimState::Activated {
            org.set_sim_state(&mut actor, *id, SimState::Suspended);
        }
    }
    actor.emit(org, told());
    let moved: Vec<Sim> = wanted.sims.iter().filter_map(|id| org.sims.remove(id)).collect();
    for sim in &moved {
        org.indexes.sim_by_iccid.remove(&sim.iccid);
    }
    let (user, now) = (call.acting_user(), call.now);
    let (org, next) = call.state.split(target);
    for sim in moved {
        let iccid = sim.iccid.clone();
        let id = org.sims.put(sim);
        org.indexes.sim_by_iccid.insert(iccid, id);
    }
    Actor { next, now, user }.emit(org, told());
}
