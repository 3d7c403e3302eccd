//! The tariff plan: prices of SIMs and bounds of the account. One is active; earlier ones are not kept.

use serde_json::{Value, json};

use super::path::own;
use crate::http::call::{Answer, Call, Reply};
use crate::reference_data;
use crate::resources::route::Route;
use crate::rules::dates;
use crate::state::Organisation;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::php("get-active-tariff-plan", active),
        Route::php("get-organisation-active-tariff-plan", active_of),
        Route::php("organisation-tariff-plan-by-org-id-get", list),
    ]
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn active(call: &mut Call<'_>) -> Answer {
    Ok(Reply::json(show(call.org())))
}

fn active_of(call: &mut Call<'_>) -> Answer {
    own(call, "org_id_or_my")?;
    active(call)
}

fn list(call: &mut Call<'_>) -> Answer {
    own(call, "org_id")?;
    let mut row = show(call.org());
    row["organisation_id"] = call.org().id.to_string().into();
    for flag in ["api_access_allowed", "vpn_access"] {
        row["tariff_plan"][flag] = 1.into();
    }
    Ok(Reply::json(vec![row]))
}

/// Field names of the specification. [S]
fn show(org: &Organisation) -> Value {
    let plan = &org.tariff_plan;
    let currency = reference_data::row("currency", plan.currency);
    let service_level = reference_data::row("service_level", plan.service_level);
    json!({
        "id": plan.id,
        "organisation_id": org.id,
        "start_date": dates::php(plan.start_date),
        "expiry_date": plan.expiry_date.map(dates::php),
        "active": true,
        "sim_activated_rate": plan.sim_activated_rate,
        "sim_activated_idle_rate": plan.sim_activated_rate,
        "sim_suspended_rate": plan.sim_suspended_rate,
        "sim_suspended_active_rate": plan.sim_activated_rate,
        "applied_rate": 0,
        "federation_allowed": false,
        "factory_test_mode_allowed": plan.factory_test_mode_allowed,
        "workspaces_enabled": plan.workspaces_enabled,
        "currency_id": plan.currency.to_string(),
        "service_level": service_level,
        "tariff_plan_runtime": {"id": 1, "number_of_units": 1, "time_unit_id": 2},
        "tariff_plan": {
            "id": plan.id,
            "name": plan.name,
            "description": plan.description,
            "creation_date": dates::php(plan.start_date),
            "activation_date": dates::php(plan.start_date),
            "deprecation_date": null,
            "max_active_sims": plan.max_active_sims,
            "max_service_profiles": plan.max_service_profiles,
            "max_tariff_profiles": plan.max_tariff_profiles,
            "max_users": plan.max_users,
            "api_access_allowed": true,
            "vpn_access": true,
            "evaluation": plan.evaluation,
            "currency": currency,
            "service_level": service_level,
            "federation_allowed": false,
            "factory_test_mode_allowed": plan.factory_test_mode_allowed,
            "workspaces_enabled": plan.workspaces_enabled,
        },
    })
}
