//! `EndpointSet`: a fleet as one object.

mod growing;
mod leaving;
mod others;
mod rollout;

use std::collections::BTreeMap;

use anyhow::Context as _;
use emnify_harness::stage::Stage;
use emnify_simulator::{
    Seed,
    state::{Endpoint, Organisation, SimState},
};
use serde_json::{Value, json};

use crate::support::{ORGANISATION, Result, look, options};

/// SIMs of these tests have this id and those after it.
const FIRST_SIM: u64 = 20_000_000;

/// The ICCID of a SIM.
fn iccid(n: u64) -> String {
    format!("89883030000002{n:05}")
}

/// A platform with `sims` issued SIMs more, an operator that lists everything every ten seconds, and the Workspace
/// `default`.
async fn stage_with(name: &str, sims: u64) -> Result<Stage> {
    let mut options = options(name)?;
    let mut state = options.simulator.seed.state().clone();
    let platform = state.organisations.get_mut(&ORGANISATION).context("the seed's organisation")?;
    for n in 0..sims {
        let id = FIRST_SIM + n;
        let sim = json!({
            "id": id, "iccid": iccid(n), "imsi": format!("9014300{n:08}"), "msisdn": format!("8823600{n:08}"), "status": "issued",
        });
        platform.sims.insert(id, serde_json::from_value(sim)?);
    }
    options.simulator.seed = Seed::from_state(state)?;
    options.flags.push("--sweep-interval=10s".to_owned());
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    Ok(stage)
}

/// A set named `meters` that activates its SIMs; `spec` adds to it.
fn set(spec: &Value) -> Value {
    let mut all = json!({
        "template": template(101),
        "nameTemplate": "Meter {iccid:last4}",
    });
    all.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": "EndpointSet", "metadata": {"name": "meters"}, "spec": all})
}

/// A template with a service profile.
fn template(service_profile: u64) -> Value {
    json!({
        "enabled": true, "serviceProfile": {"id": service_profile.to_string()}, "tariffProfile": {"id": "201"},
        "sim": {"state": "Activated"}, "tags": ["meters"],
    })
}

/// The SIMs from one to another, both included.
fn range(from: u64, to: u64) -> Value {
    json!({"iccidRanges": [{"from": iccid(from), "to": iccid(to)}]})
}

/// So many of the first hundred SIMs.
fn pool(replicas: u64) -> Value {
    json!({"pool": {"selector": range(0, 99), "replicas": replicas}})
}

/// SIMs by number.
fn list(sims: &[u64]) -> Value {
    json!({"sims": {"list": sims.iter().map(|n| iccid(*n)).collect::<Vec<_>>()}})
}

/// Applies a set and waits until it is Ready with so many members that are as they should be.
async fn apply_settled(stage: &Stage, set: &Value, members: u64) -> Result<Value> {
    stage.apply(&set.to_string()).await?;
    settled(stage, members).await
}

/// Waits until `meters` is Ready with so many members.
async fn settled(stage: &Stage, members: u64) -> Result<Value> {
    let what = format!("Ready with {members} members");
    let settled = |object: &Value| {
        emnify_harness::stage::is_ready(object) && object["status"]["readyReplicas"] == members
    };
    stage.wait_for("EndpointSet", "meters", &what, settled).await
}

/// Devices by the number of their SIM. A SIM in two devices fails.
fn devices(platform: &Organisation) -> BTreeMap<u64, Endpoint> {
    let mut devices = BTreeMap::new();
    for device in platform.endpoints.values() {
        if let Some(sim) = device.sim {
            let twice = devices.insert(sim - FIRST_SIM, device.clone());
            assert!(twice.is_none(), "SIM {sim} is in two devices");
        }
    }
    devices
}

/// Numbers of the SIMs that are in devices.
fn held(stage: &Stage) -> Vec<u64> {
    look(stage, |platform| devices(platform).into_keys().collect())
}

/// Names of the tags of a device.
fn tags(platform: &Organisation, device: &Endpoint) -> Vec<String> {
    let mut names: Vec<_> = device.tag_ids.iter().map(|id| platform.tags[id].name.clone()).collect();
    names.sort();
    names
}

/// State of a SIM.
fn sim_state(platform: &Organisation, n: u64) -> SimState {
    platform.sims[&(FIRST_SIM + n)].status
}

/// Puts a device that somebody else made into the platform, with a SIM.
fn by_hand(stage: &Stage, id: u64, n: u64) -> Result<()> {
    let device = json!({
        "id": id, "name": "by hand", "service_profile": 101, "tariff_profile": 201, "sim": FIRST_SIM + n
    });
    let device = serde_json::from_value(device)?;
    stage.simulator().edit(|state| {
        let platform = state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
        platform.endpoints.insert(id, device);
    })?;
    Ok(())
}
