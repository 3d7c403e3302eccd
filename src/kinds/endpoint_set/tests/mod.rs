//! Rules of sets, each a test.

mod choose;
mod manifest;
mod member;
mod report;

use emnify_engine::kind::{Id, Inputs};
use serde_json::{Value, json};

use crate::kinds::{endpoint::rows::Tag, endpoint_set::*, sim::state::status as sim_status};

/// ICCIDs of the tests: this number and those after it.
const FIRST: u64 = 8_988_303_000_000_010_000;

fn iccid(number: u64) -> String {
    (FIRST + number).to_string()
}

/// A set by its manifest; template and SIMs are there unless `spec` says otherwise.
fn set(spec: &Value) -> EndpointSet {
    let mut all = json!({
        "template": {"serviceProfile": {"id": "1"}, "tariffProfile": {"id": "2"}},
    });
    let object = all.as_object_mut().unwrap();
    object.extend(spec.as_object().unwrap().clone());
    if !object.contains_key("sims") && !object.contains_key("pool") {
        object.insert("sims".into(), json!({"list": []}));
    }
    serde_json::from_value(json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "EndpointSet",
        "metadata": {"name": "meters", "namespace": "prod", "uid": "6a1b"}, "spec": all
    }))
    .unwrap()
}

/// A SIM with id `number` and the ICCID of that number.
fn sim(number: u32) -> SimRow {
    SimRow {
        id: number.into(),
        iccid: Some(iccid(number.into()).into()),
        status: sim_status::ISSUED,
        ..SimRow::default()
    }
}

fn inputs() -> Inputs {
    let mut inputs = Inputs::new("eu", "prod/meters", None);
    inputs.put("mark", Id::Int(5));
    inputs
}

fn tag(name: &str) -> Tag {
    Tag { id: None, name: name.into() }
}
