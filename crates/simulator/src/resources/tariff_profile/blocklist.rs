//! Operators a tariff profile refuses (v2): as a whole, by radio technology, or both. Neither overrides the other. [S]

use serde_json::{Value, json};

use super::path::{profile, profile_mut};
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Issue, Refusal};
use crate::reference_data::{self, Operator};
use crate::resources::route::Route;
use crate::state::{BlockedOperator, TariffProfile};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("tariff-profile-operator-block-list-operator-get", list),
        Route::express("tariff-profile-operator-block-operator-by-id-get", read),
        Route::express("tariff-profile-operator-block-operator-by-id-put", block),
        Route::express("tariff-profile-operator-block-operator-by-id-delete", unblock),
        Route::express("tariff-profile-operator-block-operator-by-id-rat-type-post", block_rat_types),
        Route::express(
            "tariff-profile-operator-block-operator-by-id-rat-type-by-id-delete",
            unblock_rat_type,
        ),
    ]
}

fn show(entry: &BlockedOperator, profile: &TariffProfile) -> Value {
    let name = Operator::get(entry.operator).map(|operator| operator.name.as_str());
    let rat_types: Vec<_> =
        entry.rat_types.iter().filter_map(|id| reference_data::row("rat_type", *id)).collect();
    json!({
        "operator": {"id": entry.operator, "name": name},
        "tariff_profile": {"id": profile.id},
        "blocklist": {"operator": entry.completely, "rat_types": rat_types},
    })
}

/// An array, although the specification types it as one object. [S][?]
fn list(call: &mut Call<'_>) -> Answer {
    let profile = profile(call)?;
    Ok(Reply::json(profile.operator_blocklist.iter().map(|entry| show(entry, profile)).collect::<Vec<_>>()))
}

fn operator(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.id("operator_id")?;
    Operator::get(id).map(|operator| operator.id).ok_or_else(|| Refusal::not_found("Operator"))
}

/// An operator that is not refused reads as not blocked. [?]
fn read(call: &mut Call<'_>) -> Answer {
    let operator = operator(call)?;
    let profile = profile(call)?;
    let none = BlockedOperator { operator, ..BlockedOperator::default() };
    let entry = profile.operator_blocklist.iter().find(|entry| entry.operator == operator).unwrap_or(&none);
    Ok(Reply::json(show(entry, profile)))
}

/// Changes an operator's entry, which goes when it refuses nothing any more.
fn change(call: &mut Call<'_>, change: impl FnOnce(&mut BlockedOperator)) -> Answer {
    let operator = operator(call)?;
    let list = &mut profile_mut(call)?.operator_blocklist;
    let position = list.iter().position(|entry| entry.operator == operator).unwrap_or_else(|| {
        list.push(BlockedOperator { operator, ..BlockedOperator::default() });
        list.len() - 1
    });
    change(&mut list[position]);
    list.retain(|entry| entry.completely || !entry.rat_types.is_empty());
    Ok(Reply::done())
}

fn block(call: &mut Call<'_>) -> Answer {
    change(call, |entry| entry.completely = true)
}

fn unblock(call: &mut Call<'_>) -> Answer {
    change(call, |entry| entry.completely = false)
}

fn block_rat_types(call: &mut Call<'_>) -> Answer {
    let required = || Refusal::invalid(vec![Issue::required("rat_types")]);
    let wanted = call.field("rat_types").as_array().ok_or_else(required)?;
    let known =
        |value: &Value| body::id_of(value).filter(|id| reference_data::row("rat_type", *id).is_some());
    let unknown = || Refusal::invalid(vec![Issue::reference("rat_types")]);
    let ids = wanted.iter().map(|value| known(value).ok_or_else(unknown)).collect::<Result<Vec<_>, _>>()?;
    change(call, |entry| {
        entry.rat_types.extend(ids);
        entry.rat_types.sort_unstable();
        entry.rat_types.dedup();
    })
}

fn unblock_rat_type(call: &mut Call<'_>) -> Answer {
    let id = call.id("rate_type_id")?;
    change(call, |entry| entry.rat_types.retain(|rat_type| *rat_type != id))
}
