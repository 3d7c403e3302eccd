//! Writes statuses, and remembers what was written until the watch echoes it.

use std::{borrow::Cow, collections::HashMap, fmt::Debug, sync::Arc};

use kube::{
    Api, Resource as _, ResourceExt,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::follow::Watchable;
use crate::kind::{Kind, Status as _, decoded::Decoded, spec::CommonStatus};

/// Field manager of everything the operator writes.
pub const MANAGER: &str = "emnify-operator";

/// Parameters of every patch the operator sends. Without a manager the API server would call it `unknown`.
pub fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() }
}

/// Status writes in flight per process.
const IN_FLIGHT: usize = 16;

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object changed or was replaced meanwhile: look again.
    #[error("the object changed meanwhile")]
    Changed,
    /// The API server refused or failed.
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

/// Last writes by uid, and the door that all kinds share.
pub struct StatusWriter {
    slots: Semaphore,
}

impl std::fmt::Debug for StatusWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusWriter").finish_non_exhaustive()
    }
}

impl Default for StatusWriter {
    fn default() -> Self {
        Self { slots: Semaphore::new(IN_FLIGHT) }
    }
}

impl StatusWriter {
    /// Replaces the status of exactly this object, not of a namesake made meanwhile; with a `version`, only if nothing else
    /// about it changed since. Returns the object as stored.
    pub async fn write<O: Watchable>(
        &self,
        api: &Api<O>,
        object: &O,
        version: Option<&str>,
        status: &impl Serialize,
    ) -> Result<O, WriteError> {
        let uid = json!({"op": "test", "path": "/metadata/uid", "value": object.meta().uid});
        let version = version
            .map(|version| json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
        let status = json!({"op": "add", "path": "/status", "value": status});
        let all: Vec<_> = [Some(uid), version, Some(status)].into_iter().flatten().collect();
        let patch = serde_json::from_value(json!(all)).expect("these are JSON patch operations");
        self.patch(api, &object.name_any(), &Patch::<()>::Json(patch)).await
    }

    /// Merges fields into the status of the object of this name and uid, and leaves the others as they are.
    pub async fn merge<O: Watchable>(
        &self,
        api: &Api<O>,
        (name, uid): (&str, Option<&str>),
        fields: &impl Serialize,
    ) -> Result<O, WriteError> {
        let patch = json!({"metadata": {"uid": uid}, "status": fields});
        self.patch(api, name, &Patch::Merge(patch)).await
    }

    async fn patch<O: Watchable>(
        &self,
        api: &Api<O>,
        name: &str,
        patch: &Patch<impl Serialize + Debug>,
    ) -> Result<O, WriteError> {
        let _turn = self.slots.acquire().await.expect("the door is never closed");
        let kind = O::kind(&());
        let span = tracing::info_span!(
            target: emnify::SPANS,
            "status",
            otel.name = format_args!("write status of {kind}"),
            otel.kind = "client",
            k8s.kind = &*kind,
        );
        match api.patch_status(name, &patch_params(), patch).instrument(span).await {
            Ok(stored) => Ok(stored),
            Err(kube::Error::Api(e)) if e.code == 404 || e.code == 409 => Err(WriteError::Changed),
            Err(kube::Error::Api(e)) if e.code == 422 && !is_schema(&e.message) => Err(WriteError::Changed),
            Err(error) => Err(error.into()),
        }
    }
}

/// A failed `test` and a schema violation are both 422; only the first is ours to retry.
fn is_schema(message: &str) -> bool {
    message.contains("is invalid:")
}

/// What was written last and not seen in the watch yet.
#[derive(Debug)]
pub struct Overlay<K: Kind>(Mutex<HashMap<String, Written<K>>>);

#[derive(Debug)]
struct Written<K: Kind> {
    version: u64,
    status: Box<K::Status>,
}

impl<K: Kind> Default for Overlay<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Kind> Overlay<K> {
    /// The newest status of an object, and the resource version that a guarded write of who looks at `seen` has to meet. `shown` looks
    /// up what the watch shows by now: a look that began before a write of our own must not see what was before it, also when somebody
    /// else has seen the echo.
    pub fn newest(
        &self,
        seen: &Decoded<K>,
        shown: impl FnOnce() -> Option<Arc<Decoded<K>>>,
    ) -> (Option<K::Status>, String) {
        self.look(seen, shown, |status, version| (status.map(Cow::into_owned), version.to_owned()))
    }

    /// What every kind has of the newest status: ten thousand objects are asked for it at once, and nothing else of it is copied.
    pub fn common(
        &self,
        seen: &Decoded<K>,
        shown: impl FnOnce() -> Option<Arc<Decoded<K>>>,
    ) -> Option<CommonStatus> {
        self.look(seen, shown, |status, _| status.map(|status| status.common().clone()))
    }

    fn look<T>(
        &self,
        seen: &Decoded<K>,
        shown: impl FnOnce() -> Option<Arc<Decoded<K>>>,
        take: impl FnOnce(Option<Cow<'_, K::Status>>, &str) -> T,
    ) -> T {
        let (uid, own) = (seen.uid(), version(seen));
        let mut written = self.0.lock();
        // under the lock: nobody takes the write away between the two looks
        let shown = shown().filter(|shown| shown.uid() == uid && number(version(shown)) > number(own));
        let object = shown.as_deref().unwrap_or(seen);
        match written.get(uid) {
            Some(last) if last.version > number(version(object)) => {
                take(Some(Cow::Borrowed(&last.status)), &last.version.to_string())
            }
            Some(_) => {
                written.remove(uid);
                take(object.as_status(), own)
            }
            None => take(object.as_status(), own),
        }
    }

    /// Remembers a write.
    pub fn wrote(&self, stored: &Decoded<K>) {
        let (Some(version), Some(status)) = (stored.resource_version(), stored.status()) else {
            return;
        };
        let mut written = self.0.lock();
        let status = Box::new(status);
        written.insert(stored.uid().to_owned(), Written { version: number(&version), status });
    }

    /// Forgets what these objects, as the watch shows them, have echoed: it would be a second copy of every status.
    pub fn settle<'a>(&self, seen: impl IntoIterator<Item = &'a Decoded<K>>) {
        let mut written = self.0.lock();
        for object in seen {
            let version = number(version(object));
            let uid = object.uid();
            if written.get(uid).is_some_and(|last| last.version <= version) {
                written.remove(uid);
            }
        }
        written.shrink_to_fit();
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

fn version<K: Kind>(object: &Decoded<K>) -> &str {
    object.meta().resource_version.as_deref().unwrap_or_default()
}

/// Resource versions of one resource are comparable numbers (Kubernetes 1.35 makes that official).
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Toy, ToySpec, ToyStatus};

    /// A toy as the watch or an answer shows it.
    fn toy(uid: &str, version: &str, name: &str) -> Decoded<Toy> {
        let mut toy = Toy::new("a", ToySpec::default());
        toy.metadata.uid = Some(uid.into());
        toy.metadata.resource_version = Some(version.into());
        toy.status = Some(ToyStatus { name: Some(name.into()), ..ToyStatus::default() });
        Decoded::Valid(Box::new(toy))
    }

    fn newest(overlay: &Overlay<Toy>, seen: &Decoded<Toy>) -> (Option<String>, String) {
        let (status, version) = overlay.newest(seen, || None);
        (status.and_then(|s| s.name), version)
    }

    #[test]
    fn our_last_write_covers_the_time_until_the_watch_echoes_it() {
        let overlay = Overlay::default();
        let seen = toy("u", "9", "old");
        assert_eq!(newest(&overlay, &seen), (Some("old".into()), "9".into()));
        overlay.wrote(&toy("u", "10", "ours"));
        assert_eq!(newest(&overlay, &seen), (Some("ours".into()), "10".into()), "10 is later than 9");
        assert_eq!(newest(&overlay, &toy("u", "10", "ours")), (Some("ours".into()), "10".into()));
    }

    #[test]
    fn a_look_that_began_before_our_write_sees_it_also_when_another_has_seen_the_echo() {
        let overlay = Overlay::default();
        let (seen, echo) = (toy("u", "9", "old"), Arc::new(toy("u", "10", "ours")));
        overlay.wrote(&echo);
        assert_eq!(newest(&overlay, &echo).0, Some("ours".into()));
        let (status, version) = overlay.newest(&seen, || Some(echo.clone()));
        assert_eq!(status.and_then(|status| status.name), Some("ours".into()));
        assert_eq!(
            version, "9",
            "somebody may have changed the spec since: nothing that is guarded is written"
        );
        let namesake = Arc::new(toy("other", "12", "its own"));
        let (status, _) = overlay.newest(&seen, || Some(namesake));
        assert_eq!(status.and_then(|status| status.name), Some("old".into()));
    }

    #[test]
    fn a_namesake_never_sees_the_status_of_its_predecessor() {
        let overlay = Overlay::default();
        overlay.wrote(&toy("u", "10", "ours"));
        assert_eq!(newest(&overlay, &toy("other", "9", "its own")).0, Some("its own".into()));
        overlay.forget("u");
        assert_eq!(newest(&overlay, &toy("u", "9", "old")).0, Some("old".into()));
    }

    #[test]
    fn what_was_echoed_takes_no_room() {
        let overlay = Overlay::default();
        overlay.wrote(&toy("echoed", "10", "ours"));
        overlay.wrote(&toy("late", "20", "ours"));
        overlay.settle([&toy("echoed", "10", "ours"), &toy("late", "19", "old")]);
        assert_eq!(overlay.0.lock().keys().collect::<Vec<_>>(), ["late"], "what is not echoed yet stays");
    }

    #[test]
    fn a_schema_violation_is_not_taken_for_a_change() {
        assert!(is_schema("Toy.emnify.io \"a\" is invalid: status.name: too long"));
        assert!(!is_schema("the server rejected our request due to an error in our request"));
    }
}
