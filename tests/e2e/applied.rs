//! Every example applied, edited, taken back as kubectl, Argo CD and Flux do it, by one tool and by one after the other: every
//! time the objects become Ready, no difference is left, and nobody writes any more.

use std::time::Duration;

use anyhow::ensure;
use emnify_engine::kind::{Managed, set::ObjectSet, task::Task, trigger::Trigger};
use emnify_harness::stage::{Options, Place, Stage};
use emnify_operator::kinds::{Visitor, for_each};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    manifests::{ARGO_CD, CLIENT, FLUX, Manifests, Way, name_of, stage},
    portal::Traffic,
    support::{Result, no_diff, versions},
};

/// Paths of the listings that statuses are made from, of every kind.
fn listed() -> Vec<String> {
    struct Paths(Vec<String>);
    impl Visitor for Paths {
        fn visit<K: Managed>(&mut self) {
            self.0.push(match K::KIND {
                "Tag" => "/api/v2/tags".to_owned(),
                "DataStream" => "/api/v2/data_stream".to_owned(),
                "CloudConnect" => "/api/v1/cnc/breakout".to_owned(),
                "CustomEvent" => "/api/v1/event/custom/configuration".to_owned(),
                kind => format!("/api/v1/{}", collection(kind)),
            });
        }
        fn visit_set<F: ObjectSet>(&mut self) {}
        fn visit_task<T: Task>(&mut self) {}
        fn visit_trigger<T: Trigger>(&mut self) {}
    }
    let mut paths = Paths(Vec::new());
    for_each(&mut paths);
    paths.0
}

/// What emnify calls the objects of a kind.
fn collection(kind: &str) -> String {
    if kind == "DnsConfig" {
        return "dns".to_owned();
    }
    let upper = |c: char| if c.is_uppercase() { format!("_{}", c.to_lowercase()) } else { c.to_string() };
    kind.chars().map(upper).collect::<String>().trim_start_matches('_').to_owned()
}

/// What a commit changes: a value, a list item more and one less, a field that goes.
pub(crate) fn commit(object: &mut Value) {
    let (kind, name) = name_of(object);
    let spec = &mut object["spec"];
    match (kind.as_str(), name.as_str()) {
        ("Endpoint", "meter-1") => {
            spec["name"] = json!("Meter 1, cellar");
            spec["tags"] = json!(["cellar", "north"]);
        }
        // used by no device, so no guard asks for approval
        ("ServiceProfile", "sensors") => {
            spec["dataLimits"][0]["volume"] = json!("200M");
            spec.as_object_mut().expect("a spec is an object").remove("description");
        }
        ("EndpointSet", "spares") => spec["pool"]["replicas"] = json!(18),
        _ => {}
    }
}

/// Over two complete listings of the platform nobody writes to either side, although the manifests are applied once more;
/// and there is still no difference.
async fn quiet(stage: &Stage, way: Way, manifests: &Manifests) -> Result<()> {
    at_rest(stage).await?;
    let before = versions(stage).await?;
    let traffic = Traffic::from_now(stage);
    let said = manifests.apply(stage, way).await?;
    if way == CLIENT {
        let changed: Vec<_> = said.lines().filter(|line| !line.ends_with(" unchanged")).collect();
        assert!(changed.is_empty(), "kubectl finds nothing to change: {changed:?}");
    }
    traffic.two_sweeps("/api/v1/endpoint").await?;
    assert_eq!(traffic.writes(), Vec::<String>::new(), "nothing is written to emnify");
    let after = versions(stage).await?;
    let changed: Vec<_> = before.iter().filter(|(name, version)| after.get(*name) != Some(version)).collect();
    assert!(
        changed.is_empty() && before.len() == after.len(),
        "nothing is written to Kubernetes: {changed:?}"
    );
    no_diff(stage, way, &manifests.yaml()).await
}

/// Listings of one kind, 10 s apart, that together take longer than the 30 s for which a write of ours is not
/// contradicted by what listings show.
const LONG_ENOUGH: usize = 5;
/// How often a change is looked for, and how long rest is waited for.
const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(600);

/// What follows from the last change beside `Ready`, such as how many devices use a profile, has been written: complete
/// listings of every kind since then brought nothing new.
async fn at_rest(stage: &Stage) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let (mut seen, mut since) = (versions(stage).await?, Traffic::from_now(stage));
    let listed = listed();
    while let Some(path) = listed.iter().find(|path| since.listings(path) < LONG_ENOUGH) {
        let late = "the operator does not come to rest, or does not list";
        ensure!(Instant::now() < end, "{late} {path}: {:?}", since.writes());
        sleep(EVERY).await;
        let now = versions(stage).await?;
        if now != seen || !since.writes().is_empty() {
            (seen, since) = (now, Traffic::from_now(stage));
        }
    }
    Ok(())
}

/// The life of manifests in Git: applied, changed, taken back.
async fn life(stage: &Stage, way: Way) -> Result<()> {
    let manifests = Manifests::examples(false)?;
    manifests.converge(stage, way).await?;
    manifests.edited(commit).converge(stage, way).await?;
    let tags = stage.get("Endpoint", "meter-1").await?.unwrap_or_default()["spec"]["tags"].clone();
    ensure!(tags == json!(["cellar", "north"]), "a list is as the commit has it, not merged: {tags}");
    manifests.converge(stage, way).await?;
    quiet(stage, way, &manifests).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn argo_cd_applies_every_example_once() -> Result<()> {
    life(&stage(Options::shared("argo-cd"), &Manifests::examples(false)?).await?, ARGO_CD).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flux_applies_every_example_once() -> Result<()> {
    life(&stage(Options::shared("flux"), &Manifests::examples(false)?).await?, FLUX).await
}

/// With cluster-scoped examples too, so in a control plane of its own. Who starts with kubectl and moves to a tool, and
/// from one tool to the other, has objects with fields of several managers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tool_after_the_other_applies_every_example() -> Result<()> {
    let place = Place::Own { namespace: "fleet".to_owned(), keep: false };
    let mut options = Options::at(place);
    options.flags.push("--namespaces=".to_owned());
    let manifests = Manifests::examples(true)?;
    let stage = stage(options, &manifests).await?;
    for way in [CLIENT, ARGO_CD, FLUX] {
        manifests.converge(&stage, way).await?;
        quiet(&stage, way, &manifests).await?;
    }
    stage.finish().await
}
