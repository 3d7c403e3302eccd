//! `/api/v2/endpoint/multi`: up to 2,000 devices in one call. [S]

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::change::Change;
use super::{render, write};
use crate::Bulk;
use crate::http::body::{flag, id_of, unsigned};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::state::{Actor, Endpoint, Organisation, Sim, SimState};

/// Most devices of a call. [S]
const MOST: usize = 2_000;

/// Fields all new devices of a call share. [S]
const SHARED: [&str; 4] = ["service_profile", "tariff_profile", "status", "ip_address_space"];

/// Creates devices that share profiles, status and address space.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let items = rows(call.field("endpoints"))?;
    let shared = call.body.clone();
    let mut sims = HashSet::new();
    let mut imeis = HashSet::new();
    let mut created = Vec::new();
    let activates = call.options.activates();
    each(call, &items, |org, actor, item| {
        let mut item = item.clone();
        for field in SHARED {
            if let (Some(value), Some(item)) = (shared.get(field), item.as_object_mut()) {
                item.entry(field).or_insert_with(|| value.clone());
            }
        }
        let mut issues = Vec::new();
        let change = Change::read(&item, &mut issues);
        change.check_complete(&mut issues);
        change.check(org, None, &mut issues);
        if change.sim().is_some_and(|sim| !sims.insert(sim)) {
            issues.push(Issue::new(Code::DUPLICATED, "sim is named twice"));
        }
        if change.imei().is_some_and(|imei| !imeis.insert(imei.to_owned())) {
            issues.push(Issue::new(Code::DUPLICATED, "imei is named twice"));
        }
        if !issues.is_empty() {
            return Err(Refusal::invalid(issues));
        }
        created.push(change.create(org, actor, activates)?);
        Ok(())
    })?;
    let org = call.org();
    let bodies = created.iter().map(|id| render::created(&org.endpoints[id], org, call.options));
    Ok(Reply::json(bodies.collect::<Vec<_>>()))
}

/// Changes devices: each item needs its id and what changes. [D]
pub(super) fn patch(call: &mut Call<'_>) -> Answer {
    let items = rows(call.body)?;
    each(call, &items, |org, actor, item| {
        let id = existing(org, item)?;
        let mut issues = Vec::new();
        let change = Change::read(item, &mut issues);
        change.check(org, Some(id), &mut issues);
        if !issues.is_empty() {
            return Err(Refusal::invalid(issues));
        }
        change.apply(org, actor, id)
    })?;
    Ok(Reply::done())
}

/// Deletes devices; their SIMs are released and suspended, or deleted with `delete_sims`. [S]
pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let items = rows(call.body)?;
    let delete_sims = call.query("delete_sims").and_then(|text| flag(&text.into())).unwrap_or(false);
    each(call, &items, |org, actor, item| {
        let id = existing(org, item)?;
        let sim = org.endpoints[&id].sim;
        org.reassign_sim(actor, id, None);
        if let Some(sim) = sim {
            let to = if delete_sims { SimState::Deleted } else { SimState::Suspended };
            if delete_sims || org.sims[&sim].status.may_become(to) {
                org.set_sim_state(actor, sim, to);
            }
        }
        write::remove(org, actor, id);
        Ok(())
    })?;
    Ok(Reply::done())
}

fn rows(items: &Value) -> Result<Vec<Value>, Refusal> {
    let items = items.as_array().ok_or_else(|| Refusal::bad_request("An array is required"))?;
    if items.is_empty() || items.len() > MOST {
        return Err(Refusal::bad_request(format!("1 to {MOST} endpoints are allowed")));
    }
    Ok(items.clone())
}

fn existing(org: &Organisation, item: &Value) -> Result<u64, Refusal> {
    let id = id_of(item)
        .or_else(|| unsigned(item))
        .ok_or_else(|| Refusal::invalid(vec![Issue::required("id")]))?;
    if org.endpoints.contains_key(&id) { Ok(id) } else { Err(Refusal::missing("Endpoint", id)) }
}

/// Does the items in order. The first refusal is the answer; by the switch it undoes the items before it.
fn each(
    call: &mut Call<'_>,
    items: &[Value],
    mut one: impl FnMut(&mut Organisation, &mut Actor<'_>, &Value) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let atomic = call.options.bulk == Bulk::Atomic;
    let (org, mut actor) = call.act();
    let before = Before::of(org, &actor, items);
    let outcome = items.iter().try_for_each(|item| one(org, &mut actor, item));
    if outcome.is_err() && atomic {
        before.restore(org);
    }
    outcome
}

/// The rows a bulk call may touch, as they were.
struct Before {
    next_endpoint: u64,
    next_event: u64,
    endpoints: BTreeMap<u64, Endpoint>,
    sims: BTreeMap<u64, Sim>,
}

impl Before {
    fn of(org: &Organisation, actor: &Actor<'_>, items: &[Value]) -> Self {
        let named = items.iter().filter_map(id_of).filter_map(|id| org.endpoints.get(&id));
        let endpoints: BTreeMap<_, _> = named.map(|row| (row.id, row.clone())).collect();
        let held = endpoints.values().filter_map(|row| row.sim);
        let wanted = items.iter().filter_map(|item| id_of(item.get("sim")?));
        let sims = held.chain(wanted).filter_map(|id| org.sims.get(&id));
        Self {
            next_endpoint: actor.next.endpoint,
            next_event: actor.next.event,
            sims: sims.map(|row| (row.id, row.clone())).collect(),
            endpoints,
        }
    }

    /// Puts the rows back and forgets what came since. Ids that were given stay given.
    fn restore(self, org: &mut Organisation) {
        org.endpoints.retain(|id, _| *id < self.next_endpoint);
        org.events.retain(|id, _| *id < self.next_event);
        org.endpoints.extend(self.endpoints);
        org.sims.extend(self.sims);
        org.index().expect("the rows fitted together before");
    }
}
