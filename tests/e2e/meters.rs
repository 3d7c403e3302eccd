//! Many devices: their platform, their objects, and waiting for them.

use std::time::Duration;

use emnify_harness::stage::{Options, Stage, is_ready};
use emnify_simulator::fleet::iccid;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    api::{ListParams, PostParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use crate::support::{ORGANISATION, Result, options};

/// Requests to Kubernetes that are under way at once.
const AT_ONCE: usize = 16;
/// Only a broken system takes as long.
const DEADLINE: Duration = Duration::from_secs(420);

/// A platform with SIMs for so many devices.
pub(crate) fn platform(name: &str, sims: u64) -> Result<Options> {
    let mut options = options(name)?;
    options.simulator.seed = options.simulator.seed.with_fleet(ORGANISATION, sims)?;
    // The log of many devices helps nobody.
    "info".clone_into(&mut options.log);
    Ok(options)
}

/// The object of the `n`th device.
pub(crate) fn meter(n: u64) -> Value {
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": format!("meter-{n}")},
        "spec": {
            "name": format!("Meter {n}"), "enabled": true,
            "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
            "sim": {"iccid": iccid(n), "state": "Activated"},
        },
    })
}

/// Creates objects, many at once.
pub(crate) async fn make(stage: &Stage, objects: impl IntoIterator<Item = Value>) -> Result<()> {
    let api = stage.api("Endpoint")?;
    let params = PostParams::default();
    let made = stream::iter(objects).map(|object| {
        let (api, params) = (&api, &params);
        async move {
            let object: DynamicObject = serde_json::from_value(object)?;
            anyhow::Ok(api.create(params, &object).await.map(drop)?)
        }
    });
    made.buffer_unordered(AT_ONCE).try_collect().await
}

/// Polls until so many objects are Ready and `also` holds of each of them.
pub(crate) async fn ready(stage: &Stage, count: u64, also: impl Fn(&Value) -> bool) -> Result<()> {
    let api = stage.api("Endpoint")?;
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        let mut found = 0;
        for object in &api.list(&ListParams::default()).await?.items {
            let object = serde_json::to_value(object)?;
            found += u64::from(is_ready(&object) && also(&object));
        }
        if found == count {
            return Ok(());
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < end,
            "{found} of {count} are Ready\n{}",
            stage.operator_log_tail()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
