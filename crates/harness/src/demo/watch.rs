//! Watches every object of the operator in the namespace.

use anyhow::{Context as _, Result};
use emnify_operator::definitions::families;
use futures::{Stream, StreamExt as _, future::ready, stream};
use kube::{
    ResourceExt,
    core::DynamicObject,
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::Value;

use crate::stage::Stage;

/// Something that was seen, by `kubectl`'s name.
#[derive(Debug)]
pub(super) enum Sight {
    Is(String, Value),
    Gone(String),
}

/// What is there and what changes, of all namespaced kinds. A watch that fails is started again.
pub(super) fn everything(stage: &Stage) -> impl Stream<Item = Result<Sight>> + use<> {
    let watches = families().into_iter().filter(|family| family.namespaced).filter_map(|family| {
        let api = stage.api(&family.resource.kind).ok()?;
        let kind = format!("{}.{}", family.resource.kind.to_lowercase(), family.resource.group);
        let events = watcher(api, watcher::Config::default()).default_backoff();
        // An error is mended by the watcher itself: it lists again.
        let sights = events.filter_map(move |event| ready(event.ok().and_then(|event| sight(&kind, event))));
        Some(sights.boxed())
    });
    stream::select_all(watches.collect::<Vec<_>>())
}

fn sight(kind: &str, event: watcher::Event<DynamicObject>) -> Option<Result<Sight>> {
    let name = |object: &DynamicObject| format!("{kind}/{}", object.name_any());
    match event {
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
            let name = name(&object);
            let value = serde_json::to_value(object).context("an object is JSON");
            Some(value.map(|value| Sight::Is(name, value)))
        }
        watcher::Event::Delete(object) => Some(Ok(Sight::Gone(name(&object)))),
        watcher::Event::Init | watcher::Event::InitDone => None,
    }
}
