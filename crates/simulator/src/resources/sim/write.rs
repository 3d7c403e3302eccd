//! Changing and deleting SIMs.

use serde_json::Value;

use super::path::addressed;
use crate::http::body::{id_of, unsigned};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Refusal};
use crate::state::{Organisation, SimState};

/// Most SIMs of a call; not published. [?]
const MOST: usize = 2_500;

/// Moves a SIM to another state; an illegal step answers 400. [S] Only `status` is an enterprise's to write.
pub(super) fn patch(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let status = call.field("status");
    if status.is_null() {
        return Ok(Reply::done());
    }
    let to = id_of(status)
        .and_then(SimState::from_id)
        .ok_or_else(|| Refusal::bad_request("status.id is no SIM status"))?;
    let from = call.org().sims[&id].status;
    if to == SimState::Deleted && from != to || !from.may_become(to) {
        let message = format!("SIM status transition from {} to {} is not allowed", from.name(), to.name());
        return Err(Refusal::coded(400, Code::NOT_ALLOWED, message));
    }
    let (org, mut actor) = call.act();
    org.set_sim_state(&mut actor, id, to);
    Ok(Reply::done())
}

/// Deletes a SIM for ever: not while assigned, not one sold on by the caller. [S]
pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    deletable(call.org(), id)?;
    let (org, mut actor) = call.act();
    org.set_sim_state(&mut actor, id, SimState::Deleted);
    Ok(Reply::done())
}

/// Deletes SIMs, all or none.
pub(super) fn delete_many(call: &mut Call<'_>) -> Answer {
    let items = call.body.as_array().filter(|items| (1..=MOST).contains(&items.len()));
    let items = items.ok_or_else(|| Refusal::bad_request("An array of SIMs is required"))?;
    let read = |item: &Value| id_of(item).or_else(|| unsigned(item));
    let ids: Option<Vec<u64>> = items.iter().map(read).collect();
    let ids = ids.ok_or_else(|| Refusal::bad_request("id must be a number"))?;
    for id in &ids {
        deletable(call.org(), *id)?;
    }
    let (org, mut actor) = call.act();
    for id in ids {
        org.set_sim_state(&mut actor, id, SimState::Deleted);
    }
    Ok(Reply::done())
}

fn deletable(org: &Organisation, id: u64) -> Result<(), Refusal> {
    let sim = org.sims.get(&id).filter(|sim| sim.status != SimState::Deleted);
    let sim = sim.ok_or_else(|| Refusal::not_found("SIM"))?;
    if sim.reseller_org == Some(org.id) {
        return Err(Refusal::forbidden("The SIM is sold by the organisation itself"));
    }
    if org.endpoint_of_sim(id).is_some() {
        return Err(Refusal::coded(403, Code::NOT_ALLOWED, "The SIM is assigned to an endpoint"));
    }
    Ok(())
}
