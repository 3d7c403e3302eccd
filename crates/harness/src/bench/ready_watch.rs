//! Which objects of a kind are Ready, as a user who watches them sees it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    core::Object,
    runtime::{WatchStreamExt as _, watcher},
};
use serde::Deserialize;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::stage::{Stage, resource};

/// How many objects a failure names.
const NAMED: usize = 5;

/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_secs(30);

/// An object as far as it matters here: reading whole ones would cost the machine that is measured.
type Seen = Object<Anything, Status>;

/// A spec that nobody looks at.
#[derive(Clone, Debug, Deserialize)]
struct Anything {}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
    observed_generation: Option<i64>,
}

#[derive(Debug)]
struct Row {
    ready: bool,
    /// Reason and message of `Ready`.
    says: String,
}

#[derive(Debug, Default)]
struct Rows(HashMap<String, Row>);

impl Rows {
    fn see(&mut self, object: &Seen) {
        let status = object.status.iter().flat_map(|status| &status.conditions);
        let condition = status.into_iter().find(|condition| condition.kind == "Ready");
        let ready = condition.is_some_and(|condition| {
            condition.status == "True" && condition.observed_generation == object.metadata.generation
        });
        let says = match condition {
            Some(condition) if !ready => format!("{}: {}", condition.reason, condition.message),
            Some(_) => String::new(),
            None => "no condition yet".to_owned(),
        };
        self.0.insert(object.name_any(), Row { ready, says });
    }

    fn ready(&self) -> usize {
        self.0.values().filter(|row| row.ready).count()
    }
}

/// Follows all objects of a kind in the namespace.
#[derive(Debug)]
pub(super) struct ReadyWatch {
    rows: Arc<Mutex<Rows>>,
    /// Moves with every event.
    moved: watch::Receiver<()>,
    task: JoinHandle<()>,
}

impl ReadyWatch {
    /// Starts to follow.
    pub(super) fn of(stage: &Stage, kind: &str) -> Result<Self> {
        let (resource, _) = resource(kind)?;
        let api: Api<Seen> = Api::namespaced_with(stage.client().clone(), stage.namespace(), &resource);
        let rows = Arc::new(Mutex::new(Rows::default()));
        let (moves, moved) = watch::channel(());
        let noted = Arc::clone(&rows);
        let task = tokio::spawn(async move {
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                let mut rows = noted.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                        rows.see(&object);
                    }
                    Ok(watcher::Event::Delete(object)) => drop(rows.0.remove(&object.name_any())),
                    Ok(watcher::Event::Init) => rows.0.clear(),
                    // The watcher mends itself.
                    Ok(watcher::Event::InitDone) | Err(_) => {}
                }
                moves.send_replace(());
            }
        });
        Ok(Self { rows, moved, task })
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this many are Ready; the failure names some that are not.
    pub(super) async fn ready(&self, wanted: usize, within: Duration) -> Result<()> {
        let began = Instant::now();
        let (end, mut told) = (began + within, began);
        let mut moved = self.moved.clone();
        loop {
            moved.mark_unchanged();
            let ready = self.rows().ready();
            if ready >= wanted {
                return Ok(());
            }
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                println!("  ... {ready} of {wanted} are Ready after {} s", began.elapsed().as_secs());
            }
            // Counting again after each of thousands of events would cost more than they do.
            tokio::time::sleep(Duration::from_millis(20)).await;
            if timeout_at(end, moved.changed()).await.is_err() || Instant::now() > end {
                bail!("{ready} of {wanted} are Ready after {} s; {}", within.as_secs(), self.accuse());
            }
        }
    }

    /// Names some that are not Ready, and why.
    fn accuse(&self) -> String {
        let rows = self.rows();
        let named = rows.0.iter().filter(|(_, row)| !row.ready).take(NAMED);
        let named: Vec<_> = named.map(|(name, row)| format!("{name} ({})", row.says)).collect();
        if named.is_empty() {
            "the others do not exist".to_owned()
        } else {
            format!("not: {}", named.join(", "))
        }
    }

    /// How many are Ready now.
    pub(super) fn ready_now(&self) -> usize {
        self.rows().ready()
    }
}

impl Drop for ReadyWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(generation: i64, observed: i64) -> Seen {
        serde_json::from_value(json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint",
            "metadata": {"name": "meter-1", "generation": generation, "resourceVersion": "7"},
            "spec": {"name": "Meter"},
            "status": {"id": "1", "conditions": [{
                "type": "Ready", "status": "True", "reason": "Settled", "message": "", "observedGeneration": observed,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        }))
        .expect("an object of the API server")
    }

    #[test]
    fn ready_is_counted_of_the_present_generation_and_each_object_once() {
        let mut rows = Rows::default();
        rows.see(&object(2, 1));
        assert_eq!(rows.ready(), 0, "an edit that was not seen yet is not Ready");
        rows.see(&object(2, 2));
        rows.see(&object(2, 2));
        assert_eq!(rows.ready(), 1);
    }
}
