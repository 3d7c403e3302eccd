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

fn event(name: &str) -> Value {
    json!({"name": name, "template": {"externalName": "Device offline"}, "properties": [{"name": "hours", "value": "24"}]})
}

fn automation(name: &str) -> Value {
    let mail = json!({"action": {"externalName": "Send email"}, "properties": [{"name": "email", "value": "a@example.com"}]});
    json!({"name": name, "event": {"systemEvent": {"externalName": "Device blocked"}}, "actions": [mail]})
}

fn tunnel(drift: &str) -> Value {
    let vpn = json!({"publicIp": "203.0.113.10", "onPremCidrs": ["192.0.2.0/24"]});
    json!({"region": "eu-west-1", "vpn": vpn, "acknowledgeMonthlyFee": true, "deletionPolicy": "Delete", "driftPolicy": drift})
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
    Case {
        kind: "DnsConfig",
        spec: || json!({"primary": "10.0.0.1", "secondary": "10.0.0.2"}),
        // the pair stays: emnify has no update
        edited: || json!({"primary": "10.0.0.1", "secondary": "10.0.0.2", "driftPolicy": "Warn"}),
        asks: |step| (step != Step::Change).then_some("/dns"),
    },
    Case {
        kind: "ApiCallback",
        spec: || json!({"url": "https://sms.example.com/emnify", "purpose": "Device messages"}),
        // the callback stays: emnify has no update
        edited: || json!({"url": "https://sms.example.com/emnify", "driftPolicy": "Warn"}),
        asks: |step| (step != Step::Change).then_some("/api_callback"),
    },
    Case {
        kind: "CustomEvent",
        spec: || event("Ready"),
        // the event stays: emnify has no update
        edited: || {
            let mut spec = event("Ready");
            spec["driftPolicy"] = json!("Warn");
            spec
        },
        asks: |step| (step != Step::Change).then_some("/event/custom"),
    },
    Case {
        kind: "Automation",
        spec: || automation("blocked"),
        edited: || automation("blocked devices"),
        asks: |_| Some("/automation"),
    },
    Case {
        kind: "ApiSecret",
        spec: || json!({"secretRef": {"name": "signing", "key": "key"}}),
        // another key in its place
        edited: || json!({"secretRef": {"name": "signing", "key": "key"}, "purpose": "Device messages"}),
        asks: |_| Some("/api_secret"),
    },
    Case {
        kind: "IpAddressSpace",
        spec: || json!({"cidr": "10.192.4.0/24"}),
        // the space stays: emnify has no update
        edited: || json!({"cidr": "10.192.4.0/24", "driftPolicy": "Warn"}),
        asks: |step| (step != Step::Change).then_some("/ip_address_space"),
    },
    Case {
        kind: "Tag",
        spec: || json!({"name": "attic", "color": "Blue"}),
        edited: || json!({"name": "loft", "color": "Green"}),
        asks: |_| Some("/tags"),
    },
    Case {
        kind: "User",
        spec: || json!({"username": "jo@example.com", "name": "Jo", "roles": ["User"]}),
        edited: || json!({"username": "jo@example.com", "name": "Jo Doe", "roles": ["User", "Observer"]}),
        asks: |_| Some("/user"),
    },
];

/// Apart from the others: what emnify accepts is carried out while the clock goes on.
pub(crate) const STREAMS: &[Case] = &[
    Case {
        kind: "DataStream",
        spec: || json!({"type": "Events", "destination": {"webhook": {"url": "https://events.example.com", "batchSize": 1}}}),
        edited: || json!({"type": "Events", "destination": {"webhook": {"url": "https://events.example.com", "batchSize": 2}}}),
        asks: |_| Some("/data_stream"),
    },
    Case {
        kind: "CloudConnect",
        spec: || tunnel("Correct"),
        // the attachment stays: emnify has no update
        edited: || tunnel("Warn"),
        asks: |step| (step != Step::Change).then_some("/cnc/breakout"),
    },
];

pub(crate) const SETS: &[Case] = &[Case {
    kind: "EndpointSet",
    spec: || set("meter"),
    edited: || set("gauge"),
    asks: |step| Some(of_a_device(step)),
}];
