//! Why an object is not ready, in sentences: from the object through what it names, its workspace and the guard to emnify's words.

mod runbook;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use emnify_engine::kind::{
    Input, Kind, Managed, Source,
    reason::condition::{COMPLETE, DRIFTED, FAILED, GUARD_TRIPPED, READY, RESTRICTED, STALLED, SYNCED},
    set::ObjectSet,
    task::Task,
    trigger::Trigger,
};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Event, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Api, ResourceExt, api::ListParams, core::DynamicObject, runtime::watcher::watch_object};
use serde::de::DeserializeOwned;

use super::{
    cli::ExplainArgs,
    cluster::{Cluster, Found},
    printer::Printer,
    steer,
};
use crate::kinds::{Visitor, for_each};

/// So many events are told.
const EVENTS: usize = 10;

pub(super) async fn run(args: &ExplainArgs, cluster: &Cluster, printer: &mut Printer<'_>) -> Result<()> {
    let found = cluster.find(&args.object).await?;
    if !args.watch {
        for line in page(cluster, &found).await? {
            printer.line(&line)?;
        }
        return Ok(());
    }
    let api = cluster.api(&found.family, found.object.namespace().as_deref());
    let name = found.object.name_any();
    let mut seen = Box::pin(watch_object(api, &name));
    let mut told = Vec::new();
    while let Some(object) = seen.next().await {
        let Some(object) = object.context("the object cannot be watched")? else {
            printer.line(&format!("{found} is gone."))?;
            return Ok(());
        };
        let now = Found::of(&found.family, object);
        let page = page(cluster, &now).await?;
        if page != told {
            printer.line(&format!("--- {}", Timestamp::now().strftime("%H:%M:%SZ")))?;
            for line in &page {
                printer.line(line)?;
            }
            told = page;
        }
        if is_well(&now) {
            return Ok(());
        }
    }
    Ok(())
}

/// Everything that is said of an object, and of what it waits for.
async fn page(cluster: &Cluster, found: &Found) -> Result<Vec<String>> {
    let (mut page, mut told) = (Vec::new(), BTreeSet::new());
    let mut open = vec![(0, found.clone())];
    while let Some((depth, next)) = open.pop() {
        if !told.insert(next.to_string()) {
            continue;
        }
        let margin = "  ".repeat(depth);
        page.extend(sentences(&next).into_iter().map(|sentence| format!("{margin}{sentence}")));
        for (what, named) in named(cluster, &next).await? {
            match named {
                Some(named) if is_well(&named) => {}
                Some(named) => {
                    page.push(format!("{margin}It needs {named} ({what}):"));
                    open.push((depth + 1, named));
                }
                None => page.push(format!("{margin}{what} does not exist: make it, or correct the name.")),
            }
        }
    }
    page.extend(events(cluster, found).await);
    Ok(page)
}

/// It works, as far as its status says.
fn is_well(found: &Found) -> bool {
    let is_true = |kind| found.condition(kind).is_some_and(|condition| condition.status == "True");
    found.is_observed()
        && found.object.metadata.deletion_timestamp.is_none()
        && (is_true(READY) || is_true(COMPLETE))
}

/// What the status of an object says, for people.
fn sentences(found: &Found) -> Vec<String> {
    let mut all = Vec::new();
    let conditions = found.conditions();
    let get = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    if found.object.metadata.deletion_timestamp.is_some() {
        all.push(format!("{found} is being deleted."));
    }
    if let Some(field) = steer::suspended_by(found) {
        all.push(format!(
            "{found} is suspended by {field}: the operator leaves it alone until it is resumed."
        ));
    }
    let Some(ready) = get(COMPLETE).or(get(FAILED)).filter(|over| over.status == "True").or(get(READY))
    else {
        all.push(format!(
            "{found} was not looked at yet: no operator serves its namespace, or none runs (kubectl emnify status tells)."
        ));
        return all;
    };
    if !found.is_observed() {
        all.push(format!("{found} was edited, and the operator has not looked at the edit yet. Before it:"));
    }
    all.push(match ready.status.as_str() {
        "True" => format!("{found} is {}{}.", lower(&ready.type_), since(ready)),
        _ => format!("{found} is not ready{}: {}.", since(ready), ready.reason),
    });
    if let Some(id) = found.text("/status/id") {
        all.push(format!("It is {id} in emnify."));
    }
    let mut said = BTreeSet::new();
    for condition in
        [Some(ready), get(STALLED), get(SYNCED), get(DRIFTED), get(RESTRICTED), get(GUARD_TRIPPED)]
            .into_iter()
            .flatten()
    {
        let speaks = condition.type_ != SYNCED || condition.status == "False";
        if speaks && !condition.message.is_empty() && said.insert(condition.message.clone()) {
            all.push(format!("{}: {}", condition.reason, condition.message));
        }
    }
    let reason = get(STALLED).filter(|stalled| stalled.status == "True").unwrap_or(ready);
    if let Some(entry) =
        runbook::entry(&reason.reason).filter(|_| ready.status != "True" || reason.type_ != ready.type_)
    {
        all.push(format!("What it means: {}", entry.means));
        all.push(format!("What to do: {}", entry.action));
        all.push(format!("It ends: {}", entry.ends));
    }
    all
}

fn since(condition: &Condition) -> String {
    format!(" since {}", condition.last_transition_time.0)
}

fn lower(word: &str) -> String {
    word.to_lowercase()
}

/// What an object names, and its workspace: what people call it, and the object if it is there.
async fn named(cluster: &Cluster, found: &Found) -> Result<Vec<(String, Option<Found>)>> {
    let mut all = Vec::new();
    let namespace = found.namespace();
    for (path, kind, name) in references(&found.family.resource.kind, &found.object) {
        let family = cluster.kind(&kind)?;
        let object = cluster.get(family, &name, &namespace).await?;
        all.push((format!("spec.{path}: {kind} {name}"), object.map(|object| Found::of(family, object))));
    }
    if let Some((kind, name)) = found.workspace() {
        let family = cluster.kind(kind)?;
        let object = cluster.get(family, &name, &namespace).await?;
        all.push((format!("{kind} {name}"), object.map(|object| Found::of(family, object))));
    }
    Ok(all)
}

/// Objects that a spec names, as its own kind tells: path, kind and name.
fn references(kind: &str, object: &DynamicObject) -> Vec<(String, String, String)> {
    struct Look<'a> {
        kind: &'a str,
        object: &'a DynamicObject,
        found: Vec<(String, String, String)>,
    }
    impl Look<'_> {
        fn read<K: Kind + DeserializeOwned>(&mut self, inputs: impl FnOnce(&K) -> Vec<Input>) {
            if K::KIND != self.kind {
                return;
            }
            let value = serde_json::to_value(self.object).ok();
            let read = value.and_then(|value| serde_json::from_value::<K>(value).ok());
            let named = read.as_ref().map(inputs).unwrap_or_default().into_iter();
            self.found.extend(named.filter_map(|input| match input.source {
                Source::Object { kind, name } => Some((input.path, kind.to_owned(), name)),
                _ => None,
            }));
        }
    }
    impl Visitor for Look<'_> {
        fn visit<K: Managed>(&mut self) {
            self.read(K::inputs);
        }
        fn visit_set<F: ObjectSet>(&mut self) {
            self.read(F::inputs);
        }
        fn visit_task<T: Task>(&mut self) {
            self.read(T::inputs);
        }
        fn visit_trigger<T: Trigger>(&mut self) {
            self.read(T::inputs);
        }
    }
    let mut look = Look { kind, object, found: Vec::new() };
    for_each(&mut look);
    look.found
}

/// What happened lately, the newest last.
async fn events(cluster: &Cluster, found: &Found) -> Vec<String> {
    let namespace = found.object.namespace().unwrap_or_else(|| "default".to_owned());
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &namespace);
    let of = format!("involvedObject.uid={}", found.object.uid().unwrap_or_default());
    let mut events = match api.list(&ListParams::default().fields(&of)).await {
        Ok(events) => events.items,
        Err(error) => return vec![format!("Its events cannot be read: {error}")],
    };
    events.sort_by_key(happened);
    let skipped = events.len().saturating_sub(EVENTS);
    events[skipped..].iter().map(said).collect()
}

fn happened(event: &Event) -> Option<Timestamp> {
    let last = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    last.or(event.last_timestamp.as_ref().map(|time| time.0)).or(event.event_time.as_ref().map(|time| time.0))
}

fn said(event: &Event) -> String {
    let times = event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1);
    let times = if times > 1 { format!(", {times} times") } else { String::new() };
    let when = happened(event).map(|at| at.to_string()).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{when}{times}: {}: {}", text(&event.reason), text(&event.message))
}
