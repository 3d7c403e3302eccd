//! What all of the family have in common: it is closed to organisations without the beta, and its ids are UUIDs.

use serde_json::{Value, json};

use crate::http::call::Call;
use crate::http::refusal::Refusal;
use crate::reference_data::{Family, number};
use crate::state::{Property, Switch};

/// A route that is closed to organisations without the beta.
macro_rules! beta {
    ($operation:literal, $handler:path) => {
        $crate::resources::route::Route::express($operation, |call| {
            $crate::resources::automation::beta::open(call)?;
            $handler(call)
        })
    };
}
pub(super) use beta;

pub(super) fn open(call: &Call<'_>) -> Result<(), Refusal> {
    match call.org().automation_beta {
        Switch::On => Ok(()),
        Switch::Off => Err(Refusal::forbidden("Automations are not enabled for this organisation")),
    }
}

/// The number of the path parameter `name`, where it is a UUID of the family.
pub(super) fn addressed(call: &Call<'_>, name: &str, family: Family, what: &str) -> Result<u64, Refusal> {
    number(family, call.param(name)).ok_or_else(|| Refusal::not_found(what))
}

fn property(property: &Property) -> Value {
    json!({"property": property.property, "value": property.value, "value_array": property.value_array})
}

pub(super) fn properties(all: &[Property]) -> Vec<Value> {
    all.iter().map(property).collect()
}
