//! An object of each kind that is in step soon, an edit of it, and what it asks of emnify.

use serde_json::{Value, json};

use crate::repeats::Step;

/// One kind.
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) spec: fn() -> Value,
    pub(crate) edited: fn() -> Value,
    /// Part of the path of what a step sends or reads, if it does.
    pub(crate) asks: fn(Step) -> Option<&'static str>,
}

fn device(name: &str) -> Value {
    json!({
        "name": name,
        "enabled": true,
        "serviceProfile": {"id": "101"},
        "tariffProfile": {"id": "201"},
        "sim": {"iccid": "8988303000000010001", "state": "Activated"},
        "tags": ["roof"],
        "operatorBlocklist": [{"mccMnc": "262-01"}],
        "quota": {"data": {"allowance": "500M", "period": "720h"}},
    })
}

fn set(name: &str) -> Value {
    let template = json!({
        "enabled": true, "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}, "tags": ["meters"],
        "sim": {"state": "Activated"},
    });
    let sims = json!({"list": ["8988303000000010001"]});
    json!({"template": template, "nameTemplate": format!("{name} {{iccid:last6}}"), "sims": sims})
}

/// A device is let go SIM first.
fn of_a_device(step: Step) -> &'static str {
    if step == Step::Retire { "/sim" } else { "/endpoint" }
}

fn tariff(name: &str, zone: &str) -> Value {
    json!({"name": name, "tariff": {"id": "11"}, "rateZones": [{"id": zone}], "operatorBlocklist": [
        {"operator": {"mccMnc": "262-01"}, "ratTypes": ["2G"]},
    ]})
}

fn profile(name: &str, limits: &[&str]) -> Value {
    let limits: Vec<_> = limits.iter().map(|volume| json!({"volume": volume})).collect();
    json!({"name": name, "services": [{"service": {"externalName": "Data"}}], "dataLimits": limits})
}

pub(crate) const OBJECTS: &[Case] = &[
    Case {
        kind: "ServiceProfile",
        spec: || profile("sensors", &["500M"]),
        edited: || profile("gauges", &["1G"]),
        asks: |_| Some("/service"),
    },
    Case {
        kind: "TariffProfile",
        spec: || tariff("europe", "71"),
        edited: || tariff("world", "72"),
        asks: |_| Some("/tariff"),
    },
    Case {
        kind: "Sim",
        spec: || json!({"iccid": "8988303000000010003", "state": "Activated"}),
        edited: || json!({"iccid": "8988303000000010003", "state": "Suspended"}),
        // it is there already, and stays
        asks: |step| (!matches!(step, Step::Create | Step::Retire)).then_some("/sim"),
    },
    Case {
        kind: "Endpoint",
        spec: || device("meter"),
        edited: || device("gauge"),
        asks: |step| Some(of_a_device(step)),
    },
    Case {
        kind: "ApplicationToken",
        spec: || json!({"description": "Build job", "cidr": "203.0.113.0/24"}),
        edited: || json!({"description": "Build jobs", "cidr": "203.0.113.0/25"}),
        asks: |_| Some("/application_token"),
    },
];

pub(crate) const SETS: &[Case] = &[Case {
    kind: "EndpointSet",
    spec: || set("meter"),
    edited: || set("gauge"),
    asks: |step| Some(of_a_device(step)),
}];
