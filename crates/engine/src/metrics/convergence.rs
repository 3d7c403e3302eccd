//! Objects on their way to being in step: from their making or an edit until their status says so.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::Span;

use super::Metrics;
use crate::kind::{Kind, Status, decoded::Decoded};

#[derive(Debug)]
struct Convergence {
    began: Instant,
    /// How long it was under way before this process saw it.
    before: Duration,
    /// Root of its trace; everything done for the object on its way is below it.
    span: Span,
}

impl Convergence {
    /// A trace takes a span to end when it was last entered.
    fn over(&self) {
        self.span.in_scope(|| {});
    }
}

/// Open journeys by uid: those of objects that are not in step.
#[derive(Debug, Default)]
pub struct Convergences(Mutex<HashMap<String, Convergence>>);

impl Convergences {
    /// The object is new or was edited. One that never was in step is under way since it was made.
    pub(crate) fn begin<K: Kind>(&self, object: &Decoded<K>, now: Timestamp) {
        let settled = object.valid().and_then(Kind::status).and_then(|s| s.common().settled_generation);
        let made = object.creation_timestamp().filter(|_| settled.is_none());
        let before =
            made.and_then(|at| Duration::try_from(now.duration_since(at.0)).ok()).unwrap_or_default();
        let open = || Convergence { began: Instant::now(), before, span: root(object, settled.is_some()) };
        self.lock().entry(object.uid().to_owned()).or_insert_with(open);
    }

    pub(crate) fn is_open<K: Kind>(&self, object: &Decoded<K>) -> bool {
        self.lock().contains_key(object.uid())
    }

    /// Root of the trace of an object that is on its way; else nothing.
    pub(crate) fn span(&self, uid: &str) -> Span {
        self.lock().get(uid).map_or_else(Span::none, |convergence| convergence.span.clone())
    }

    /// The object is in step.
    pub(crate) fn end<K: Kind>(&self, object: &Decoded<K>, metrics: &Metrics) {
        if let Some(convergence) = self.lock().remove(object.uid()) {
            convergence.over();
            metrics.ready(K::KIND, convergence.before + convergence.began.elapsed());
        }
    }

    /// The object is gone, or let go.
    pub(crate) fn cancel<K: Kind>(&self, object: &Decoded<K>) {
        if let Some(convergence) = self.lock().remove(object.uid()) {
            convergence.over();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Convergence>> {
        self.0.lock()
    }
}

fn root<K: Kind>(object: &Decoded<K>, known: bool) -> Span {
    let deleting = object.meta().deletion_timestamp.is_some();
    let what = if deleting {
        "deleted"
    } else if known {
        "edited"
    } else {
        "made"
    };
    tracing::info_span!(
        target: emnify::SPANS,
        parent: None,
        "object",
        otel.name = format_args!("{} {what}", K::KIND),
        k8s.kind = K::KIND,
        k8s.namespace.name = object.namespace(),
        k8s.object.name = object.name_any(),
        k8s.object.uid = object.uid(),
        generation = object.meta().generation.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Toy, ToySpec, ToyStatus};

    fn toy(settled: Option<i64>) -> Decoded<Toy> {
        let mut toy = Toy::new("a", ToySpec::default());
        toy.metadata.uid = Some("u".into());
        toy.metadata.namespace = Some("ns".into());
        toy.metadata.creation_timestamp = serde_json::from_str("\"2026-01-01T00:00:00Z\"").ok();
        let mut status = ToyStatus::default();
        status.common.settled_generation = settled;
        toy.status = Some(status);
        Decoded::Valid(Box::new(toy))
    }

    fn took(settled: Option<i64>) -> f64 {
        let (convergences, metrics) = (Convergences::default(), Metrics::default());
        let now = "2026-01-01T00:00:20Z".parse().unwrap();
        convergences.begin(&toy(settled), now);
        convergences.end(&toy(settled), &metrics);
        metrics.snapshot().ready_time["Toy"].sum().floor()
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_was_in_step_is_under_way_since_it_was_made() {
        assert!((took(None) - 20.0).abs() < 0.5, "a restart in between is no excuse");
        assert!(took(Some(1)) < 0.5, "an edit counts from when it was seen");
    }

    #[tokio::test(start_paused = true)]
    async fn an_edit_on_the_way_does_not_start_anew() {
        let (convergences, metrics) = (Convergences::default(), Metrics::default());
        let (toy, now) = (toy(Some(1)), Timestamp::UNIX_EPOCH);
        convergences.begin(&toy, now);
        tokio::time::advance(Duration::from_secs(3)).await;
        convergences.begin(&toy, now);
        assert!(convergences.is_open(&toy));
        convergences.end(&toy, &metrics);
        assert!(!convergences.is_open(&toy));
        assert!((metrics.snapshot().ready_time["Toy"].sum() - 3.0).abs() < 0.01);
    }
}
