//! Calls that carry many devices: who overtakes them, what one bad item or a lost answer does to the others, and what a
//! thousand devices cost.

use std::collections::BTreeSet;

use emnify_harness::stage::{Stage, condition};
use emnify_simulator::{Fault, Seed};
use http::Method;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    meters::{make, meter, platform, ready},
    portal::{PortalClient, Traffic, last_request},
    support::{ORGANISATION, Result, look, told, versions},
};

const MULTI: &str = "/api/v2/endpoint/multi";

/// Bulk creates so far.
fn creates(traffic: &Traffic) -> usize {
    traffic.all().iter().filter(|entry| entry.method == "POST" && entry.path == MULTI).count()
}

/// One device for each object: as many devices with a SIM as objects, and no SIM in two.
fn one_each(stage: &Stage) -> (usize, usize) {
    look(stage, |platform| {
        let sims: Vec<u64> = platform.endpoints.values().filter_map(|device| device.sim).collect();
        (sims.len(), sims.iter().collect::<BTreeSet<_>>().len())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_overtakes_a_thousand_queued_creates() -> Result<()> {
    const QUEUED: u64 = 1000;
    let options = platform("overtakes", QUEUED + 1)?;
    // two sorts, which do not share a call however long the queue gathers them
    let of_two_sorts = |n: u64| {
        let mut object = meter(n);
        object["spec"]["enabled"] = json!(n.is_multiple_of(2));
        object
    };
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    make(&stage, [meter(QUEUED)]).await?;
    ready(&stage, 1, |_| true).await?;

    stage.stop_operator().await?;
    make(&stage, (0..QUEUED).map(of_two_sorts)).await?;
    // until the edit is there the first create is under way, and emnify takes one at a time
    let slow = Fault {
        method: Some("POST".to_owned()),
        route: Some(MULTI.to_owned()),
        nth: Some(1),
        delay: Some("20s".to_owned()),
        commit: true,
        ..Fault::default()
    };
    stage.simulator().fault(slow).map_err(anyhow::Error::msg)?;
    let last = last_request(&stage);
    stage.start_operator()?;
    let traffic = Traffic::since(&stage, last);
    stage.eventually("the creates begin", async || Ok(creates(&traffic) > 0)).await?;
    let edit = Patch::Merge(json!({"spec": {"name": "Overtaken"}}));
    stage.api("Endpoint")?.patch(&format!("meter-{QUEUED}"), &PatchParams::default(), &edit).await?;
    ready(&stage, QUEUED + 1, |_| true).await?;

    let calls = traffic.all();
    let edited = calls.iter().position(|call| call.method == "PATCH").expect("the edit was sent");
    let later = calls[edited..].iter().filter(|call| call.method == "POST" && call.path == MULTI).count();
    assert!(later >= 1, "the edit went before creates that were queued earlier: {later} came after it");
    assert_eq!(one_each(&stage), (1001, 1001));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_item_holds_up_nobody_else_in_its_batch() -> Result<()> {
    const DEVICES: u64 = 40;
    const BAD: u64 = 17;
    let mut stage = Stage::start(platform("bad-item", DEVICES)?).await?;
    let taken = json!({
        "name": "In the way", "status": {"id": 1}, "service_profile": {"id": 101}, "tariff_profile": {"id": 201},
        "ip_address_space": {"id": 31}, "ip_address": "10.192.0.99",
    });
    PortalClient::open(&stage).await?.send(Method::POST, "/api/v1/endpoint", taken).await?;
    let in_space = |n: u64| {
        let mut object = meter(n);
        object["spec"]["ipAddressSpace"] = json!({"id": "31"});
        if n == BAD {
            object["spec"]["ipAddress"] = json!("10.192.0.99");
        }
        object
    };
    // all of them are there when the operator looks, so they go in one call
    make(&stage, (0..DEVICES).map(in_space)).await?;
    let last = last_request(&stage);
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    let traffic = Traffic::since(&stage, last);
    ready(&stage, DEVICES - 1, |_| true).await?;
    told(&stage, ("Endpoint", "meter-17"), ("Stalled", "Rejected"), &["ip"]).await?;
    assert_eq!(one_each(&stage), (39, 39), "each once, and the bad one not at all");
    let calls: Vec<String> = traffic
        .writes()
        .into_iter()
        .filter(|call| call.starts_with("POST /api/v") && call.contains("/endpoint"))
        .collect();
    // forty are halved until one is left, six times, and those that were made get their tags together; a machine that is
    // slow to show them to the operator makes more calls of fewer, and never one for each
    let (tags, creates): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.ends_with("/add-tags"));
    assert!(creates.len() <= 20 && tags.len() <= 20, "halved until one is left: {calls:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_devices_than_addresses_are_not_asked_for() -> Result<()> {
    const DEVICES: u64 = 20;
    let mut options = platform("addresses", DEVICES)?;
    let mut state = options.simulator.seed.state().clone();
    let spaces = json!([{"id": 31, "ip_address_space": "10.192.0.0/28"}]);
    let organisation = state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
    organisation.ip_address_spaces = serde_json::from_value(spaces)?;
    options.simulator.seed = Seed::from_state(state)?;
    let mut stage = Stage::start(options).await?;
    make(&stage, (0..DEVICES).map(meter)).await?;
    let last = last_request(&stage);
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    ready(&stage, 14, |_| true).await?;
    let traffic = Traffic::since(&stage, last);
    let bulk: Vec<u16> =
        traffic.all().iter().filter(|call| call.path == MULTI).map(|call| call.status).collect();
    assert!(!bulk.is_empty() && bulk.iter().all(|status| *status == 201), "no call was refused: {bulk:?}");
    assert_eq!(one_each(&stage), (14, 14), "as many as the space has addresses");
    let waits =
        |object: &Value| condition(object, "Ready").is_some_and(|c| c["reason"] == "NoAddressAvailable");
    let api = stage.api("Endpoint")?;
    let rest = async || {
        let all = api.list(&ListParams::default()).await?.items;
        let all = all.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        Ok(all.iter().filter(|object| waits(object)).count() == 6)
    };
    stage.eventually("the others say what they wait for", rest).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_create_whose_answer_is_lost_makes_nothing_twice() -> Result<()> {
    const DEVICES: u64 = 40;
    let mut stage = Stage::start(platform("lost-answer", DEVICES)?).await?;
    let fault = Fault {
        method: Some("POST".to_owned()),
        route: Some(MULTI.to_owned()),
        nth: Some(1),
        commit: true,
        reset: true,
        ..Fault::default()
    };
    stage.simulator().fault(fault).map_err(anyhow::Error::msg)?;
    make(&stage, (0..DEVICES).map(meter)).await?;
    let last = last_request(&stage);
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    let traffic = Traffic::since(&stage, last);
    let created = |device: &Value| device["status"]["provenance"] == "Created";
    ready(&stage, DEVICES, created).await?;
    assert_eq!(one_each(&stage), (40, 40), "what the lost call made was found");
    // a machine that is slow to show them to the operator makes more than one call of them; what is asked for again is refused
    let statuses: Vec<u16> =
        traffic.all().iter().filter(|call| call.path == MULTI).map(|call| call.status).collect();
    let (lost, others) = statuses.split_first().expect("they were asked for");
    assert_eq!(*lost, 0, "the answer never came: {statuses:?}");
    assert!(others.iter().all(|status| *status == 201), "and nothing is asked for again: {statuses:?}");
    assert_eq!(look(&stage, |platform| platform.endpoints.len()), 40, "also none without its SIM");
    Ok(())
}

/// What they cost to make, to keep and to find again after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_devices() -> Result<()> {
    const DEVICES: u64 = 1000;
    let mut options = platform("scale", DEVICES)?;
    options.flags.push("--sweep-interval=10s".to_owned());
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    let start = Traffic::from_now(&stage);
    make(&stage, (0..DEVICES).map(meter)).await?;
    ready(&stage, DEVICES, |device| condition(device, "Connected").is_some()).await?;
    let writes = start.writes().len();
    println!("{DEVICES} devices took {} requests, {writes} of them writes", start.all().len());
    // how many wait together depends on the machine; the benchmark has the figure
    assert!(writes < 200, "devices that wait together are made and marked together: {writes} writes");
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
        steady.all().len() < 200,
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
    assert!(again.all().len() < 200, "nor does it read every object: {}", again.all().len());
    Ok(())
}
