//! The operator ends and starts again, with ten thousand devices that need nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Result;
use emnify_operator::definitions::families;
use kube::{ResourceExt as _, api::ListParams};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{arrivals::Arrivals, rest};
use crate::bench::{
    environment::{Environment, object_name},
    environments::Environments,
    figure::{Value, count, seconds},
    report::Report,
};

const DEADLINE: Duration = Duration::from_secs(300);
/// For what happened before to be written, and how long nothing is written then.
const SETTLE: Duration = Duration::from_secs(180);
const QUIET: Duration = Duration::from_secs(20);
/// Which device is edited: one that no other scenario touches.
const EDITED: u64 = 7;

pub(super) async fn restart(environments: &mut Environments, report: &mut Report) -> Result<()> {
    let environment = environments.settled(report).await?;
    if !settle(environment).await? {
        report.note("devices that had moved before were still being reported when the operator was stopped");
    }
    let ended = environment.stop_operator().await?;
    report.shows("from SIGTERM to the end of the process", seconds(ended));
    let before = versions(environment).await?;
    let start = environment.mark().await?;
    environment.start_operator()?;
    let mut edits = Arrivals::default();
    edits.rename(environment, EDITED, format!("After a restart {}", start.at.elapsed().as_nanos())).await?;
    edits.wait(environment, DEADLINE).await?;
    let started = environment.operator()?.started();
    let served = started.elapsed();
    rest::wait(environment, start, DEADLINE).await?;
    let calls = environment.calls(start);
    calls.show_against(report, "emnify calls until every first sweep is done and an edit served", 25);
    report.at_most(
        "from the start of the process to the first edit served",
        seconds(served),
        Value::Seconds(5.0),
    );
    report.is("logins", count(calls.logins()), Value::Count(0));
    report.is("writes to emnify besides the edit", count(calls.writes().saturating_sub(1)), Value::Count(0));
    let after = versions(environment).await?;
    let edited = format!("Endpoint/{}", object_name(EDITED));
    let changed: Vec<_> = before
        .iter()
        .filter(|(name, (version, _))| **name != edited && after.get(*name).map(|(v, _)| v) != Some(version))
        .collect();
    report.is(
        "objects whose resource version changed, besides the edited one and the workspace",
        count(changed.len()),
        Value::Count(0),
    );
    for (name, (_, status)) in changed.iter().take(3) {
        let now = after.get(*name).map(|(_, status)| status.clone()).unwrap_or_default();
        report.note(format!("changed in the status of {name}: {}", differing(status, &now).join(", ")));
    }
    environment.show_memory(report, "after the start", Some(120));
    Ok(())
}

/// Waits until nothing is written to Kubernetes any more, so that what is written after the start is its doing; false if
/// that takes too long.
async fn settle(environment: &Environment) -> Result<bool> {
    let begin = Instant::now();
    while begin.elapsed() < SETTLE {
        let mark = environment.mark().await?;
        sleep(QUIET).await;
        if environment.kubernetes_writes_since(mark, 0).await? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// By `Kind/name`: resource version and status of everything that is ours, and of Secrets; without workspaces, whose
/// status says how far the event log was read.
async fn versions(environment: &Environment) -> Result<BTreeMap<String, (String, Json)>> {
    let kinds =
        families().into_iter().map(|family| family.resource.kind).filter(|kind| !kind.ends_with("Workspace"));
    let mut versions = BTreeMap::new();
    for kind in kinds.chain(["Secret".to_owned()]) {
        for object in environment.stage.api(&kind)?.list(&ListParams::default()).await?.items {
            let version = object.resource_version().unwrap_or_default();
            let name = format!("{kind}/{}", object.name_any());
            versions.insert(name, (version, object.data["status"].clone()));
        }
    }
    Ok(versions)
}

/// Fields whose values differ.
fn differing(before: &Json, after: &Json) -> Vec<String> {
    let fields = |object: &Json| object.as_object().cloned().unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let shown =
        |object: &serde_json::Map<String, Json>, name| object.get(name).unwrap_or(&Json::Null).to_string();
    differ.map(|name| format!("{name} {} -> {}", shown(&before, name), shown(&after, name))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_came_went_or_changed_differ() {
        let (before, after) = (json!({"a": 1, "b": 2, "c": 3}), json!({"a": 1, "b": 7, "d": 4}));
        assert_eq!(differing(&before, &after), ["b 2 -> 7", "c 3 -> null", "d null -> 4"]);
        assert!(differing(&before, &before).is_empty());
    }
}
