//! Why an object is not ready, in sentences: from the object through what it names, its workspace and the guard to emnify's words.

mod corrections;
mod mend;
mod people;
mod runbook;

use std::collections::BTreeSet;

use anyhow::Result;
use emnify_engine::kind::{
    Input, Kind, Managed, Source,
    reason::condition::{
        BUDGET_LOW, DRIFTED, GUARD_TRIPPED, ORGANISATION_BLOCKED, RESTRICTED, STALLED, SYNCED,
    },
    set::ObjectSet,
    task::Task,
    trigger::Trigger,
};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Event, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Api, ResourceExt, api::ListParams, core::DynamicObject};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use self::corrections::Corrections;
use super::{
    cli::{ExplainArgs, Place},
    cluster::{Change, Cluster, Found},
    emnify::Emnify,
    printer::Printer,
    steer,
};
use crate::kinds::{Visitor, for_each};

/// So many events are told.
const EVENTS: usize = 10;

/// Where is looked.
struct Desk<'a> {
    cluster: &'a Cluster,
    args: &'a ExplainArgs,
    place: &'a Place,
    /// emnify, once it was asked for; none where there is nothing to read it with.
    emnify: OnceCell<Option<Emnify>>,
}

impl Desk<'_> {
    async fn emnify(&self) -> Option<&Emnify> {
        let connect = async || Emnify::connect(&self.args.read, self.place).await.ok();
        self.emnify.get_or_init(connect).await.as_ref()
    }

    /// How often the object was set back, and by whom that was needed.
    async fn corrected(&self, found: &Found, events: &[Event]) -> Option<String> {
        let all = Corrections::of(events)?;
        let Some(first) = all.first.filter(|_| people::log(found).is_some()) else {
            return Some(all.told(found, &[]));
        };
        let who = match self.emnify().await {
            Some(emnify) => people::who(emnify, found, first).await,
            None => Vec::new(),
        };
        Some(all.told(found, &who))
    }
}

pub(super) async fn run(args: &ExplainArgs, place: &Place, printer: &mut Printer<'_>) -> Result<()> {
    let cluster = &Cluster::connect(place).await?;
    let desk = &Desk { cluster, args, place, emnify: OnceCell::new() };
    let found = cluster.find(&args.object).await?;
    if !args.watch {
        for line in page(desk, &found).await? {
            printer.line(&line)?;
        }
        return Ok(());
    }
    let mut told = Vec::new();
    let mut changes = Box::pin(cluster.changes(&found));
    while let Some(change) = changes.next().await {
        let now = match change? {
            Change::Now(now) => now,
            Change::Gone => {
                printer.line(&format!("{found} is gone."))?;
                return Ok(());
            }
            Change::Silent(why) => {
                printer.note(&format!("the API server is not heard, and tried again: {why}"))?;
                continue;
            }
        };
        let page = page(desk, &now).await?;
        if page != told {
            printer.line(&format!("--- {}", Timestamp::now().strftime("%H:%M:%SZ")))?;
            for line in &page {
                printer.line(line)?;
            }
            told = page;
        }
        if now.is_settled() {
            return Ok(());
        }
    }
    Ok(())
}

/// Everything that is said of an object, and of what it waits for.
async fn page(desk: &Desk<'_>, found: &Found) -> Result<Vec<String>> {
    let cluster = desk.cluster;
    let (mut page, mut seen, mut happened) = (Vec::new(), BTreeSet::new(), Ok(Vec::new()));
    let mut open = vec![(0, found.clone())];
    while let Some((depth, next)) = open.pop() {
        if !seen.insert(next.to_string()) {
            continue;
        }
        let margin = "  ".repeat(depth);
        let told = events(cluster, &next).await;
        let corrected = match &told {
            Ok(events) => desk.corrected(&next, events).await,
            Err(_) => None,
        };
        let said = sentences(&next).into_iter().chain(corrected);
        page.extend(said.map(|sentence| format!("{margin}{sentence}")));
        if depth == 0 {
            happened = told;
        }
        for Named { what, kind, name, object } in named(cluster, &next).await? {
            match object {
                Ok(Some(named)) if named.is_settled() => {
                    page.extend(mend::held_up(&named).into_iter().map(|told| format!("{margin}{told}")));
                }
                Ok(Some(named)) => {
                    page.push(format!("{margin}It needs {named} ({what}):"));
                    open.push((depth + 1, named));
                }
                Ok(None) if is_told(&page, &kind, &name) => {}
                Ok(None) => {
                    page.push(format!("{margin}{what} does not exist: make it, or correct the name."));
                }
                // a tenant may not read what belongs to all, and the rest is told
                Err(error) => page.push(format!("{margin}{what}: {error:#}")),
            }
        }
    }
    match happened {
        Ok(events) => page.extend(events[events.len().saturating_sub(EVENTS)..].iter().map(said)),
        Err(error) => page.push(format!("Its events cannot be read: {error}")),
    }
    Ok(page)
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
    let Some(ready) = found.standing() else {
        all.push(format!(
            "{found} was not looked at yet: no operator serves its namespace, or none runs (kubectl emnify status tells)."
        ));
        return all;
    };
    if !found.is_observed() {
        all.push(format!("{found} was edited, and the operator has not looked at the edit yet. Before it:"));
    }
    all.push(match ready.status.as_str() {
        "True" => format!("{found} is {}{}.", ready.type_.to_lowercase(), since(&ready)),
        _ => format!("{found} is not ready{}: {}.", since(&ready), ready.reason),
    });
    if let Some(id) = found.text("/status/id") {
        all.push(format!("It is {id} in emnify."));
    }
    let mut said = BTreeSet::new();
    let holds = |kind: &str| get(kind).filter(|condition| condition.status == "True");
    let held = [RESTRICTED, GUARD_TRIPPED, BUDGET_LOW, ORGANISATION_BLOCKED].map(holds);
    for condition in [Some(&ready), get(STALLED), get(SYNCED), get(DRIFTED)].into_iter().chain(held).flatten()
    {
        let speaks = condition.type_ != SYNCED || condition.status == "False";
        if speaks && !condition.message.is_empty() && said.insert(condition.message.clone()) {
            all.push(format!("{}: {}", condition.reason, condition.message));
        }
    }
    let reason = get(STALLED).filter(|stalled| stalled.status == "True").unwrap_or(&ready);
    let stalled = reason.type_ == STALLED;
    if let Some(entry) = runbook::entry(&reason.reason).filter(|_| stalled || !found.is_well()) {
        all.push(format!("What it means: {}", entry.means));
        all.push(format!("What to do: {}", entry.action));
        all.push(format!("It ends: {}", entry.ends));
    }
    all.extend(mend::command(found, &reason.reason));
    all
}

fn since(condition: &Condition) -> String {
    format!(" since {}", condition.last_transition_time.0)
}

/// What an object names.
struct Named {
    /// Where, for people.
    what: String,
    kind: String,
    name: String,
    /// If it is there and may be read.
    object: Result<Option<Found>>,
}

/// A line speaks of the object of this kind and name already.
fn is_told(lines: &[String], kind: &str, name: &str) -> bool {
    lines.iter().any(|line| {
        let words = line.split_whitespace().map(|word| word.trim_end_matches([',', ';', ':', '.']));
        let words: Vec<_> = words.filter(|word| *word != "named").collect();
        words.windows(2).any(|pair| pair == [kind, name])
    })
}

/// What an object names, and its workspace.
async fn named(cluster: &Cluster, found: &Found) -> Result<Vec<Named>> {
    let of_the_spec = references(&found.family.resource.kind, &found.object).into_iter();
    let of_the_spec =
        of_the_spec.map(|(path, kind, name)| (format!("spec.{path}: {kind} {name}"), kind, name));
    let workspace = found.workspace();
    let workspace = workspace.map(|(kind, name)| (format!("{kind} {name}"), kind.to_owned(), name));
    let mut all = Vec::new();
    for (what, kind, name) in of_the_spec.chain(workspace) {
        let family = cluster.kind(&kind)?;
        let object = cluster.get(family, &name, &found.namespace()).await;
        let object = object.map(|object| object.map(|object| Found::of(family, object)));
        all.push(Named { what, kind, name, object });
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
async fn events(cluster: &Cluster, found: &Found) -> kube::Result<Vec<Event>> {
    let namespace = found.object.namespace().unwrap_or_else(|| "default".to_owned());
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &namespace);
    let of = format!("involvedObject.uid={}", found.object.uid().unwrap_or_default());
    let mut events = api.list(&ListParams::default().fields(&of)).await?.items;
    events.sort_by_key(corrections::happened);
    Ok(events)
}

fn said(event: &Event) -> String {
    let times = corrections::times(event);
    let times = if times > 1 { format!(", {times} times") } else { String::new() };
    let when = corrections::happened(event).map(|at| at.to_string()).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{when}{times}: {}: {}", text(&event.reason), text(&event.message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::families;

    fn operation(conditions: &serde_json::Value) -> Found {
        let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Operation",
            "metadata": {"name": "apn", "namespace": "iot", "generation": 1},
            "spec": {}, "status": {"observedGeneration": 1, "conditions": conditions}});
        let family = families().into_iter().find(|family| family.resource.kind == "Operation").unwrap();
        Found::of(&family, serde_json::from_value(object).unwrap())
    }

    fn condition(kind: &str, status: &str, reason: &str) -> serde_json::Value {
        json!({"type": kind, "status": status, "reason": reason, "message": "2 of 3 targets failed",
            "lastTransitionTime": "2026-05-01T12:00:00Z"})
    }

    #[test]
    fn an_operation_that_failed_is_over_and_not_well() {
        let failed = operation(&json!([
            condition("Complete", "False", "TargetsFailed"),
            condition("Ready", "True", "UpToDate"),
            condition("Failed", "True", "TargetsFailed")
        ]));
        assert!(!failed.is_well() && !failed.is_settled());
        let told = sentences(&failed).join("\n");
        assert!(told.contains("is failed since") && told.contains("2 of 3 targets failed"), "{told}");
        assert!(told.contains("What to do: "), "{told}");
        let done = operation(&json!([condition("Complete", "True", "Complete")]));
        assert!(done.is_settled() && !sentences(&done).join("\n").contains("What to do"));
        let new = operation(&json!([]));
        assert!(!new.is_well() && sentences(&new)[0].contains("was not looked at yet"));
    }

    #[test]
    fn what_the_operator_said_is_missing_is_not_said_again() {
        let said = [
            "ReferenceNotReady: target.endpoints[0]: there is no Endpoint meter-10 in this namespace; create it",
        ];
        let said = said.map(str::to_owned);
        assert!(is_told(&said, "Endpoint", "meter-10"));
        assert!(!is_told(&said, "Endpoint", "meter-1") && !is_told(&said, "Tag", "meter-10"));
        let default = ["there is no Workspace named default in this namespace".to_owned()];
        assert!(is_told(&default, "Workspace", "default"));
    }
}
