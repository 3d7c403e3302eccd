//! Creating, changing and deleting one device.

use super::change::Change;
use super::path::addressed;
use super::render;
use crate::Dialect;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Issue, Refusal};
use crate::state::{Actor, Organisation};

/// A new device: with the object in the body today, an empty body before. [S][R]
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let mut issues = Vec::new();
    let change = Change::read(call.body, &mut issues);
    change.check_complete(&mut issues);
    change.check(call.org(), None, &mut issues);
    refuse(call, issues)?;
    let activates = call.options.activates();
    let (org, mut actor) = call.act();
    let id = change.create(org, &mut actor, activates)?;
    let reply = Reply::created(format!("/api/v1/endpoint/{id}"));
    if call.options.dialect < Dialect::D2026 {
        return Ok(reply);
    }
    let org = call.org();
    let body = render::created(&org.endpoints[&id], org, call.options);
    Ok(Reply { body: Some(body), ..reply })
}

/// Changes a device. The existence check comes before everything else. [R]
pub(super) fn patch(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let mut issues = Vec::new();
    let change = Change::read(call.body, &mut issues);
    change.check(call.org(), Some(id), &mut issues);
    if !issues.is_empty() {
        return Err(Refusal::invalid_update(issues));
    }
    let (org, mut actor) = call.act();
    change.apply(org, &mut actor, id)?;
    Ok(Reply::done())
}

/// Deletes a device that has no SIM.
pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    if call.org().endpoints[&id].sim.is_some() {
        return Err(Refusal::conflict("A SIM is assigned to the endpoint"));
    }
    let (org, mut actor) = call.act();
    remove(org, &mut actor, id);
    Ok(Reply::done())
}

/// Takes a device without SIM away.
pub(super) fn remove(org: &mut Organisation, actor: &mut Actor<'_>, id: u64) {
    org.drop_connection(actor, id);
    org.free_place(id);
    org.endpoints.remove(&id);
}

/// Today's create puts the status beside the errors. [S]
fn refuse(call: &Call<'_>, issues: Vec<Issue>) -> Result<(), Refusal> {
    if issues.is_empty() {
        Ok(())
    } else if call.options.dialect == Dialect::D2026 {
        Err(Refusal::invalid_with_status(issues))
    } else {
        Err(Refusal::invalid(issues))
    }
}
