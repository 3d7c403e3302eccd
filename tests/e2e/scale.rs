//! A thousand devices: what they cost to make, to keep and to find again after a restart.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use emnify_harness::stage::{Stage, condition, crds, is_ready};
use emnify_simulator::Seed;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    ResourceExt as _,
    api::{ListParams, PostParams},
    core::DynamicObject,
};
use serde_json::json;

use crate::{
    portal::{Traffic, last_request},
    support::{ORGANISATION, Result, look, options},
};

const DEVICES: u64 = 1000;
const FIRST_SIM: u64 = 20_000_000;
/// Requests to Kubernetes that are under way at once.
const AT_ONCE: usize = 16;
/// Only a broken system takes as long.
const DEADLINE: Duration = Duration::from_secs(420);

fn iccid(n: u64) -> String {
    format!("89883030000002{n:05}")
}

/// A platform with a SIM for every device, and an operator that lists everything every ten seconds.
async fn fleet() -> Result<Stage> {
    let mut options = options("scale")?;
    let mut state = options.simulator.seed.state().clone();
    let platform = state.organisations.get_mut(&ORGANISATION).context("the seed's organisation")?;
    platform.ip_address_spaces =
        serde_json::from_value(json!([{"id": 31, "ip_address_space": "10.192.0.0/20"}]))?;
    for n in 0..DEVICES {
        let id = FIRST_SIM + n;
        let sim = json!({
            "id": id, "iccid": iccid(n), "imsi": format!("9014300{n:08}"), "msisdn": format!("8823600{n:08}"), "status": "issued",
        });
        platform.sims.insert(id, serde_json::from_value(sim)?);
    }
    options.simulator.seed = Seed::from_state(state)?;
    options.flags.push("--sweep-interval=10s".to_owned());
    // The log of a thousand devices helps nobody.
    "info".clone_into(&mut options.log);
    Stage::start(options).await
}

fn device(n: u64) -> Result<DynamicObject> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": format!("meter-{n}")},
        "spec": {
            "name": format!("Meter {n}"), "enabled": true,
            "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
            "sim": {"iccid": iccid(n), "state": "Activated"},
        },
    }))?)
}

async fn make_devices(stage: &Stage) -> Result<()> {
    let api = stage.api("Endpoint")?;
    let params = PostParams::default();
    let made = stream::iter(0..DEVICES).map(|n| {
        let (api, params) = (&api, &params);
        async move { anyhow::Ok(api.create(params, &device(n)?).await.map(drop)?) }
    });
    made.buffer_unordered(AT_ONCE).try_collect().await
}

/// Polls until every device is Ready and its connectivity was read.
async fn settled(stage: &Stage) -> Result<()> {
    let api = stage.api("Endpoint")?;
    let what = async || {
        let all = api.list(&ListParams::default()).await?;
        let mut settled = 0;
        for object in &all.items {
            let object = serde_json::to_value(object)?;
            settled += u64::from(is_ready(&object) && condition(&object, "Connected").is_some());
        }
        anyhow::Ok(settled == DEVICES)
    };
    let end = tokio::time::Instant::now() + DEADLINE;
    while !what().await? {
        anyhow::ensure!(
            tokio::time::Instant::now() < end,
            "not all are Ready\n{}",
            stage.operator_log_tail()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// `Kind/name` and resource version of everything that is ours.
async fn versions(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let kinds = crds().into_iter().map(|crd| crd.spec.names.kind).chain(["Secret".to_owned()]);
    let mut versions = BTreeMap::new();
    for kind in kinds {
        for object in stage.api(&kind)?.list(&ListParams::default()).await?.items {
            let version = object.resource_version().unwrap_or_default();
            versions.insert(format!("{kind}/{}", object.name_any()), version);
        }
    }
    Ok(versions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_devices() -> Result<()> {
    let mut stage = fleet().await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    let start = Traffic::from_now(&stage);
    make_devices(&stage).await?;
    settled(&stage).await?;
    let writes = start.writes().len();
    println!("{DEVICES} devices took {} requests, {writes} of them writes", start.all().len());
    assert!(
        (writes as u64) < DEVICES,
        "devices that wait together are made and marked together: {writes} writes"
    );
    let made =
        look(&stage, |platform| platform.endpoints.values().filter(|device| device.sim.is_some()).count());
    assert_eq!(made as u64, DEVICES, "one device for each object");

    let steady = Traffic::from_now(&stage);
    steady.two_sweeps("/api/v1/endpoint").await?;
    let of_one_object = |route: &str| route.contains('{');
    let singular: Vec<_> =
        steady.all().into_iter().filter(|entry| of_one_object(&entry.route)).map(|e| e.path).collect();
    assert_eq!(
        singular,
        Vec::<String>::new(),
        "steady state asks for listings and events, not for single objects"
    );
    assert_eq!(steady.writes(), Vec::<String>::new(), "and writes nothing");
    assert!(
        steady.all().len() < 60,
        "a few pages per kind, not one request per object: {}",
        steady.all().len()
    );

    stage.stop_operator().await?;
    let before = versions(&stage).await?;
    let last = last_request(&stage);
    stage.start_operator()?;
    let again = Traffic::since(&stage, last);
    again.two_sweeps("/api/v1/endpoint").await?;
    assert_eq!(again.writes(), Vec::<String>::new(), "a second start writes nothing to emnify");
    let after = versions(&stage).await?;
    let changed: Vec<_> = before.iter().filter(|(name, version)| after.get(*name) != Some(version)).collect();
    assert!(changed.is_empty(), "a second start writes nothing to Kubernetes: {changed:?}");
    assert!(again.all().len() < 80, "nor does it read every object: {}", again.all().len());
    Ok(())
}
