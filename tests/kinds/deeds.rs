//! The actions of operations, and how the effects of each are counted.

use emnify_simulator::state::{Organisation, SimState, Sms, SmsState, State};
use jiff::SignedDuration;
use serde_json::{Value, from_value, json};

use crate::{
    clock,
    wire::{Asked, Wire},
};

pub(crate) const DEVICES: [u64; 3] = [11_000_001, 11_000_002, 11_000_003];
/// The SIMs in them: issued, activated, suspended.
pub(crate) const SIMS: [u64; 3] = [10_000_001, 10_000_003, 10_000_004];
/// The eUICC of the first.
pub(crate) const EID: &str = "89049032000001000000000000000001";
const STREAM: u64 = 61;
const ATTACHMENT: u64 = 62;
const PERSON: u64 = 302;
const VOLUME: u64 = 82;

/// What the Secret of the tests holds.
pub(crate) const TOKEN: &str = "a token that was mailed";

/// What is done for a target whose answer is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Twice is as good as once.
    Yes,
    /// A reading tells.
    Proof,
    /// Nobody will know.
    Never,
}

/// One action, and how its effects are counted.
pub(crate) struct Deed {
    pub(crate) name: &'static str,
    /// The kind that carries it out.
    pub(crate) kind: &'static str,
    pub(crate) target: fn() -> Value,
    /// The action, or the whole spec of a kind that has one.
    pub(crate) action: fn() -> Value,
    /// What emnify has before.
    before: fn(&mut Organisation),
    /// Ids of its targets, by which effects are counted.
    pub(crate) targets: &'static [u64],
    /// How often it took effect for a target.
    pub(crate) effects: fn(&Wire, &Organisation, u64) -> usize,
    pub(crate) again: Again,
    /// The requests that carry it out.
    pub(crate) sends: fn(&Asked) -> bool,
    /// The operator logs in as a person.
    pub(crate) person: bool,
}

/// An action on the three devices that can be done twice.
const ON_DEVICES: Deed = Deed {
    name: "",
    kind: "Operation",
    target: || {
        let endpoints: Vec<Value> = DEVICES.iter().map(|id| json!({"id": id.to_string()})).collect();
        json!({"endpoints": endpoints})
    },
    action: || json!(null),
    before: |_| {},
    targets: &DEVICES,
    effects: |_, _, _| 0,
    again: Again::Yes,
    sends: |_| false,
    person: false,
};

impl Deed {
    /// Makes emnify as it has to be.
    pub(crate) fn prepare(&self, state: &mut State) {
        (self.before)(state.organisations.get_mut(&1001).unwrap());
        let key = json!({"id": 1, "secret_key": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"});
        let device = json!({"id": 1, "fingerprint": "laptop", "activation_date": "2026-01-01T00:00:00Z"});
        let person = json!({"id": PERSON, "username": "grace@example.com", "password_sha1": "", "mfa_keys": [key],
            "trusted_devices": [device], "workspaces": [{"organisation": 1001, "roles": [1], "default": true}]});
        state.users.insert(PERSON, from_value(person).unwrap());
        if self.person {
            let operator = json!({"id": 301, "username": PEOPLE.0, "password_sha1": PEOPLE.1, "workspaces": [
                {"organisation": 1001, "roles": [1], "default": true}, {"organisation": 1002, "roles": [1]}]});
            state.users.insert(301, from_value(operator).unwrap());
        }
    }

    pub(crate) fn named(name: &str) -> &'static Self {
        DEEDS.iter().find(|deed| deed.name == name).unwrap()
    }
}

/// Whom the operator logs in as where emnify knows them, and the digest of their password.
pub(crate) const PEOPLE: (&str, &str) = ("ada@example.com", "2f9e53523b62abc141a2b4d6019d23cba835dbd0");

pub(crate) fn carried(wire: &Wire, method: &str, path: &str) -> usize {
    wire.carried().iter().filter(|asked| **asked == format!("{method} {path}")).count()
}

pub(crate) const DEEDS: &[Deed] = &[
    Deed {
        name: "sendSms",
        action: || json!({"sendSms": {"payload": "APN=em {name}", "sourceAddress": "12345"}}),
        effects: |_, org, id| org.endpoints[&id].sms.values().count(),
        again: Again::Proof,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/sms"),
        ..ON_DEVICES
    },
    Deed {
        name: "resetConnectivity",
        action: || json!({"resetConnectivity": {"data": true}}),
        effects: |wire, _, id| carried(wire, "PATCH", &format!("/api/v1/endpoint/{id}/connectivity")),
        sends: |asked| asked.method == "PATCH" && asked.path.ends_with("/connectivity"),
        ..ON_DEVICES
    },
    Deed {
        name: "cancelSms",
        action: || json!({"cancelSms": {}}),
        before: |org| {
            for device in DEVICES {
                let sms = json!({"id": device, "payload": "late", "source_address_type": 145, "status": "buffered",
                    "submit_date": clock::now().to_string(), "expiry_date": "2027-01-01T00:00:00Z", "sim": null});
                org.endpoints.get_mut(&device).unwrap().sms.insert(device, from_value(sms).unwrap());
            }
        },
        effects: |_, org, id| {
            let waits = |sms: &&Sms| sms.status == SmsState::Buffered;
            usize::from(org.endpoints[&id].sms.values().find(waits).is_none())
        },
        sends: |asked| asked.method == "DELETE" && asked.is("/sms/"),
        ..ON_DEVICES
    },
    Deed {
        name: "blockCurrentOperator",
        action: || json!({"blockCurrentOperator": {"reattach": true}}),
        before: attached,
        effects: |_, org, id| {
            // one, and the one that it was in
            let blocked = &org.endpoints[&id].operator_blacklist;
            blocked.len() * usize::from(blocked.contains(&2035))
        },
        again: Again::Proof,
        sends: |asked| asked.method == "PUT" && asked.is("/operator_blacklist/"),
        ..ON_DEVICES
    },
    Deed {
        name: "unblockOperators",
        action: || json!({"unblockOperators": {"all": true}}),
        before: |org| {
            for id in DEVICES {
                org.endpoints.get_mut(&id).unwrap().operator_blacklist = vec![2035, 2004];
            }
        },
        effects: |_, org, id| usize::from(org.endpoints[&id].operator_blacklist.is_empty()),
        sends: |asked| asked.method == "DELETE" && asked.is("/operator_blacklist/"),
        ..ON_DEVICES
    },
    Deed {
        name: "setState",
        action: || json!({"setState": {"enabled": false, "sim": "Activated"}}),
        effects: |_, org, id| {
            let device = &org.endpoints[&id];
            let activated = device.sim.is_some_and(|sim| org.sims[&sim].status == SimState::Activated);
            usize::from(!device.enabled && activated)
        },
        sends: |asked| {
            asked.method == "PATCH" && DEVICES.iter().any(|id| asked.path.ends_with(&id.to_string()))
        },
        ..ON_DEVICES
    },
    Deed {
        name: "extendTrafficLimit",
        action: || json!({"extendTrafficLimit": {"volume": "100M"}}),
        before: limited,
        effects: |_, org, id| org.endpoints[&id].limit_extensions.len(),
        again: Again::Proof,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/traffic_limit_extension"),
        ..ON_DEVICES
    },
    Deed {
        name: "endTrafficLimitExtensions",
        action: || json!({"endTrafficLimitExtensions": {}}),
        effects: |wire, _, id| {
            carried(wire, "DELETE", &format!("/api/v1/endpoint/{id}/traffic_limit_extension"))
        },
        sends: |asked| asked.method == "DELETE" && asked.path.ends_with("/traffic_limit_extension"),
        ..ON_DEVICES
    },
    Deed {
        name: "deleteSims",
        action: || json!({"deleteSims": {}}),
        targets: &SIMS,
        effects: |wire, _, id| {
            let sims = |state: &State| state.organisations[&1001].sims[&id].status;
            usize::from(wire.simulator.inspect(sims) == SimState::Deleted)
        },
        again: Again::Proof,
        sends: |asked| asked.method == "DELETE" && asked.is("/api/v1/sim/"),
        ..ON_DEVICES
    },
    Deed {
        name: "sendSms with waitForDelivery",
        action: || json!({"sendSms": {"payload": "hello", "waitForDelivery": true}}),
        before: attached,
        effects: |_, org, id| org.endpoints[&id].sms.values().count(),
        again: Again::Proof,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/sms"),
        ..ON_DEVICES
    },
    Deed {
        name: "migrateSims",
        action: || json!({"migrateSims": {"targetWorkspace": {"id": "1002"}, "detachDevices": true}}),
        targets: &SIMS,
        effects: |wire, _, id| {
            wire.simulator.inspect(|state| usize::from(state.organisations[&1002].sims.contains_key(&id)))
        },
        again: Again::Proof,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/sim/migration/workspace"),
        person: true,
        ..ON_DEVICES
    },
    Deed {
        name: "simOperation",
        action: || json!({"simOperation": {"action": "Reset"}}),
        targets: &SIMS,
        effects: |_, org, id| {
            let on = |target: &emnify_simulator::state::SimTarget| target.sim == Some(id);
            org.sim_operations.values().filter(|row| row.targets.iter().any(on)).count()
        },
        again: Again::Proof,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/sim/operation"),
        ..ON_DEVICES
    },
    Deed {
        name: "euicc",
        target: || json!({"euiccs": [EID]}),
        action: || json!({"euicc": {"action": "Audit"}}),
        before: |org| {
            let polled = clock::now() - SignedDuration::from_hours(24) + SignedDuration::from_mins(4);
            let profile = json!({"iccid": org.sims[&SIMS[1]].iccid, "status": 2});
            let euicc =
                json!({"id": 1, "eid": EID, "profiles": [profile], "last_polled": polled.to_string()});
            org.euiccs.insert(1, from_value(euicc).unwrap());
            let at = json!({"operator": 2035, "since": clock::now().to_string(), "rat_type": 6});
            let device = org.endpoints.get_mut(&DEVICES[1]).unwrap();
            device.connectivity.location = from_value(at).unwrap();
        },
        targets: &[1],
        effects: |_, org, id| org.euiccs[&id].operations.values().count(),
        again: Again::Proof,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/euicc/1/operation"),
        ..ON_DEVICES
    },
    Deed {
        name: "restartDataStream",
        target: || json!({"dataStream": {"id": emnify_simulator::state::DataStream::name_of(STREAM)}}),
        action: || json!({"restartDataStream": {}}),
        before: |org| {
            let stream = json!({"id": STREAM, "name": "usage", "kind": 1, "connection_type": "RestAPI", "status": 3,
                "credentials": {"url": "https://hook.example"}});
            org.data_streams.insert(STREAM, from_value(stream).unwrap());
        },
        targets: &[STREAM],
        effects: |_, org, id| usize::from(org.data_streams[&id].status == 1),
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/restart"),
        ..ON_DEVICES
    },
    Deed {
        name: "retryCloudConnect",
        target: || json!({"cloudConnect": {"id": ATTACHMENT.to_string()}}),
        action: || json!({"retryCloudConnect": {}}),
        before: |org| {
            let attachment = json!({"id": ATTACHMENT, "name": "dc", "type": 1, "status": 2, "region": "eu-west-1",
                "accept_by": (clock::now() - SignedDuration::from_hours(1)).to_string()});
            org.attachments.insert(ATTACHMENT, from_value(attachment).unwrap());
        },
        targets: &[ATTACHMENT],
        effects: |wire, _, id| carried(wire, "PATCH", &format!("/api/v1/cnc/breakout/{id}")),
        again: Again::Proof,
        sends: |asked| asked.method == "PATCH" && asked.is("/cnc/breakout/"),
        ..ON_DEVICES
    },
    Deed {
        name: "removeQuotas",
        target: || json!({"serviceProfile": {"id": "101"}}),
        action: || json!({"removeQuotas": {"kind": "Data"}}),
        before: |org| {
            let quota = json!({"status": 1, "volume": 100.0, "expiry_date": "2030-01-01T00:00:00Z", "action_on_exhaustion": 1,
                "last_status_change_date": "2026-01-01T00:00:00Z", "refilled": "2026-01-01"});
            for device in DEVICES {
                org.endpoints.get_mut(&device).unwrap().data_quota = from_value(quota.clone()).unwrap();
            }
        },
        targets: &[101],
        effects: |_, org, _| usize::from(DEVICES.iter().all(|id| org.endpoints[id].data_quota.is_none())),
        sends: |asked| asked.method == "DELETE" && asked.is("/quota/data"),
        ..ON_DEVICES
    },
    Deed {
        name: "resetMfa",
        target: || json!({"user": {"id": PERSON.to_string()}}),
        action: || json!({"resetMfa": {}}),
        targets: &[PERSON],
        effects: |wire, _, id| {
            wire.simulator.inspect(|state| {
                let person = &state.users[&id];
                usize::from(person.mfa_keys.is_empty() && person.trusted_devices.is_empty())
            })
        },
        sends: |asked| asked.method == "DELETE" && asked.is("/mfa/"),
        person: true,
        ..ON_DEVICES
    },
    Deed {
        name: "assignInclusiveVolume",
        target: || json!(null),
        action: || json!({"assignInclusiveVolume": {"id": VOLUME.to_string(), "pooled": false}}),
        targets: &[VOLUME],
        effects: |wire, _, id| {
            carried(wire, "PUT", &format!("/api/v1/organisation/my/inclusive_volume/{id}"))
        },
        again: Again::Proof,
        sends: |asked| asked.method == "PUT" && asked.is("/inclusive_volume/"),
        person: true,
        ..ON_DEVICES
    },
    Deed {
        name: "verifyRecipient",
        target: || json!(null),
        action: || json!({"verifyRecipient": {"tokenSecretRef": {"name": "signing", "key": "key"}}}),
        before: |org| {
            let recipient = json!({"id": 1, "email": "alarm@example.com", "token": TOKEN});
            org.recipients.insert(1, from_value(recipient).unwrap());
        },
        targets: &[1],
        effects: |wire, _, _| carried(wire, "POST", "/api/v1/automation/recipient/email/verification"),
        again: Again::Never,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/verification"),
        ..ON_DEVICES
    },
    Deed {
        name: "SimBatch",
        kind: "SimBatch",
        action: || json!({"bic": BIC}),
        targets: &[61],
        effects: |wire, org, id| {
            let registered =
                wire.simulator.inspect(|state| state.sim_batches[&id].registered_by == Some(1001));
            let events = org.events.values().filter(|event| event.event_type == 48).count();
            usize::from(registered) * events
        },
        sends: |asked| asked.method == "PATCH" && asked.is("/sim_batch/"),
        ..ON_DEVICES
    },
];

/// A batch of the seed that nobody has registered.
pub(crate) const BIC: &str = "0123-4567-89";

/// The devices are in a network.
fn attached(org: &mut Organisation) {
    let at = json!({"operator": 2035, "since": clock::now().to_string(), "rat_type": 6});
    for (device, sim) in DEVICES.iter().zip(SIMS) {
        org.sims.get_mut(&sim).unwrap().status = SimState::Activated;
        let location = &mut org.endpoints.get_mut(device).unwrap().connectivity.location;
        *location = from_value(at.clone()).unwrap();
        let about = json!({"id": device, "name": "", "tags": null, "ip_address": null, "imei": null});
        let event = json!({"id": device, "timestamp": clock::now() - SignedDuration::from_hours(1), "event_type": 1,
            "source": 0, "severity": 0, "description": "Update location", "endpoint": about, "detail": {"id": 2035}});
        org.events.insert(*device, from_value(event).unwrap());
    }
}

/// The profile of the devices limits their data.
fn limited(org: &mut Organisation) {
    let limit = json!({"id": 7001, "service": 38, "period": 2, "volume": 500_000_000});
    let limits = &mut org.service_profiles.get_mut(&101).unwrap().data_limits;
    limits.insert(7001, from_value(limit).unwrap());
}
