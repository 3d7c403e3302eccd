//! A thousand devices: what they cost to make, to keep and to find again after a restart.

use emnify_harness::stage::{Stage, condition};

use crate::{
    meters::{make, meter, platform, ready},
    portal::{Traffic, last_request},
    support::{Result, look, versions},
};

const DEVICES: u64 = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_devices() -> Result<()> {
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
