//! The operator ends and starts again, with ten thousand devices that need nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Result;
use kube::{ResourceExt as _, api::ListParams};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{Worlds, arrivals::Arrivals, rest};
use crate::{
    bench::{
        figure::{Value, count, seconds},
        ground::{Ground, object_name},
        report::Report,
    },
    stage::crds,
};

const DEADLINE: Duration = Duration::from_secs(300);
/// For what happened before to be written, and how long nothing is written then.
const SETTLE: Duration = Duration::from_secs(180);
const QUIET: Duration = Duration::from_secs(20);
/// Which device is edited: one that no other scenario touches.
const EDITED: u64 = 7;

pub(super) async fn restart(worlds: &mut Worlds, report: &mut Report) -> Result<()> {
    let ground = worlds.settled(report).await?;
    if !settle(ground).await? {
        report.note("devices that had moved before were still being reported when the operator was stopped");
    }
    let ended = ground.stop_operator().await?;
    report.shows("from SIGTERM to the end of the process", seconds(ended));
    let (before, status) = (versions(ground).await?, workspace(ground).await?);
    let start = ground.mark().await?;
    ground.start_operator()?;
    let mut edits = Arrivals::default();
    edits.rename(ground, EDITED, format!("After a restart {}", start.at.elapsed().as_nanos())).await?;
    edits.wait(ground, DEADLINE).await?;
    let started = ground.operator()?.started;
    let served = started.elapsed();
    rest::wait(ground, start, DEADLINE).await?;
    let calls = ground.calls(start);
    calls.show_against(report, "emnify calls until every first sweep is done and an edit served", 25);
    report.at_most(
        "from the start of the process to the first edit served",
        seconds(served),
        Value::Seconds(5.0),
    );
    report.is("logins", count(calls.logins()), Value::Count(0));
    report.is("writes to emnify besides the edit", count(calls.writes().saturating_sub(1)), Value::Count(0));
    let after = versions(ground).await?;
    let edited = format!("Endpoint/{}", object_name(EDITED));
    let changed: Vec<_> = before
        .iter()
        .filter(|(name, version)| **name != edited && after.get(*name) != Some(version))
        .map(|(name, _)| name.as_str())
        .collect();
    report.is(
        "objects whose resource version changed, besides the edited one",
        count(changed.len()),
        Value::Count(0),
    );
    if !changed.is_empty() {
        report.note(format!("changed: {}", changed[..changed.len().min(5)].join(", ")));
        let now = workspace(ground).await?;
        report.note(format!("of the Workspace's status: {}", differing(&status, &now).join(", ")));
    }
    ground.show_memory(report, "after the start", Some(120));
    Ok(())
}

/// Waits until nothing is written to Kubernetes any more, so that what is written after the start is its doing; false if
/// that takes too long.
async fn settle(ground: &Ground) -> Result<bool> {
    let begin = Instant::now();
    while begin.elapsed() < SETTLE {
        let mark = ground.mark().await?;
        sleep(QUIET).await;
        if ground.kubernetes_writes_since(mark, 0).await? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `Kind/name` and resource version of everything that is ours, and of Secrets.
async fn versions(ground: &Ground) -> Result<BTreeMap<String, String>> {
    let kinds = crds().into_iter().map(|crd| crd.spec.names.kind).chain(["Secret".to_owned()]);
    let mut versions = BTreeMap::new();
    for kind in kinds {
        for object in ground.stage.api(&kind)?.list(&ListParams::default()).await?.items {
            let version = object.resource_version().unwrap_or_default();
            versions.insert(format!("{kind}/{}", object.name_any()), version);
        }
    }
    Ok(versions)
}

/// The Workspace's status.
async fn workspace(ground: &Ground) -> Result<Json> {
    let workspace = ground.stage.get("Workspace", "default").await?.unwrap_or_default();
    Ok(workspace["status"].clone())
}

/// Fields whose values differ.
fn differing(before: &Json, after: &Json) -> Vec<String> {
    let fields = |object: &Json| object.as_object().cloned().unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_came_went_or_changed_differ() {
        let (before, after) = (json!({"a": 1, "b": 2, "c": 3}), json!({"a": 1, "b": 7, "d": 4}));
        assert_eq!(differing(&before, &after), ["b", "c", "d"]);
        assert!(differing(&before, &before).is_empty());
    }
}
