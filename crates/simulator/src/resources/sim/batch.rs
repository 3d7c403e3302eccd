//! Registering batches of SIMs by their code.

use serde_json::{Value, json};

use super::render;
use crate::http::body::id_of;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Refusal};
use crate::rules::dates;
use crate::state::{Draft, SimBatch, SimState};

/// Whether a code can be registered: 404 unknown, 422 of others, 400 registered already. [S]
pub(super) fn validate(call: &mut Call<'_>) -> Answer {
    let bic = call.param("bic");
    let batch = find(call, bic).ok_or_else(|| Refusal::not_found("BIC"))?;
    if batch.customer_org.is_some_and(|org| org != call.caller.organisation) {
        return Err(Refusal::coded(422, Code::NOT_ALLOWED, "The SIMs belong to another organisation"));
    }
    if batch.registered_by.is_some() {
        return Err(Refusal::bad_request("The BIC is registered already"));
    }
    // Numbers in strings and numbers as they are, as published. [S]
    let caller = call.caller.organisation;
    let sold_by = batch.sims.first().and_then(|sim| sim.issuer_org).unwrap_or(caller);
    let resold_by = batch.sims.first().and_then(|sim| sim.reseller_org).unwrap_or(caller);
    let model = render::model(batch.sims.first().is_some_and(|sim| sim.eid.is_some()));
    Ok(Reply::json(json!({
        "id": batch.id,
        "bic": batch.bic,
        "bsn": batch.id.to_string(),
        "quantity": batch.sims.len().to_string(),
        "sim_batch_status_id": "1",
        "status": {"id": 1, "description": "Produced"},
        "sim_model_id": model["id"].to_string(),
        "model": model,
        "customer_org_id": batch.customer_org,
        "issuer_org_id": sold_by.to_string(),
        "reseller_org_id": resold_by,
        "activated": "0",
        "logistic_center_id": "1",
        "article_id": "1",
    })))
}

/// Registers a batch, once. Every failure is a 422 with an empty body. [R]
/// SIMs come out as Issued, whatever was asked, except for Factory Test, which the plan has to allow. [R][D] Nothing has to be asked: the schema does not
/// require `sim_status` [S], and the vendor's client sends the status beside it [R].
pub(super) fn register(call: &mut Call<'_>) -> Answer {
    let refused = || Refusal::empty(422);
    let wanted = match call.field("sim_status") {
        Value::Null => SimState::Issued,
        status => id_of(status).and_then(SimState::from_id).ok_or_else(refused)?,
    };
    let caller = call.caller.organisation;
    let factory_test = call.org().tariff_plan.factory_test_mode_allowed;
    let batch = find(call, call.param("bic")).ok_or_else(refused)?;
    let foreign = batch.customer_org.is_some_and(|org| org != caller);
    let state = match wanted {
        SimState::Issued | SimState::Activated => SimState::Issued,
        SimState::FactoryTest if factory_test => SimState::FactoryTest,
        _ => return Err(refused()),
    };
    if foreign || batch.registered_by.is_some() {
        return Err(refused());
    }
    let batch = batch.id;
    let now = call.now;
    let row = call.state.sim_batches.get_mut(&batch).expect("found above");
    row.registered_by = Some(caller);
    let sims = std::mem::take(&mut row.sims);
    let detail = json!({"sim_batch": {"id": row.id, "bic": row.bic, "quantity": sims.len(), "date": dates::express(now)}});
    let (org, next) = call.split();
    let mut registered: Vec<Value> = Vec::new();
    for mut sim in sims {
        sim.status = state;
        let iccid = sim.iccid.clone();
        let id = if sim.id == 0 { org.sims.add(next, sim) } else { org.sims.put(sim) };
        org.indexes.sim_by_iccid.insert(iccid.clone(), id);
        registered.push(json!({"id": id, "iccid": iccid}));
    }
    call.emit(Draft::new(48).detail(detail));
    Ok(Reply::json(json!({"sim": registered})))
}

fn find<'c>(call: &'c Call<'_>, bic: &str) -> Option<&'c SimBatch> {
    call.state.sim_batches.values().find(|batch| batch.bic == bic)
}
