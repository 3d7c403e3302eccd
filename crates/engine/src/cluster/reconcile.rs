//! The Kubernetes side of a look at an object: the same whatever the object stands for in emnify.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use kube::{ResourceExt, runtime::controller::Action};

use super::{
    context::Shared,
    definition, input_reader,
    memory::Memory,
    object::{self, fallback_status},
    status::{Overlay, WriteError},
    watches::Watches,
    workspaces::{NotServed, Resolved},
};
use crate::{
    decide::{
        error_policy::{self, Waiting},
        known::Explanation,
    },
    kind::{
        FINALIZER, Input, Kind, Source, Status,
        decoded::Decoded,
        object_key::ObjectKey,
        reason::annotation,
        spec::{CommonStatus, WorkspaceKey},
    },
    session::{Access, Session},
};

/// After a conflict with another writer.
const SOON: Duration = Duration::from_secs(1);

/// One kind in Kubernetes: its objects, and what is remembered of each.
pub(crate) struct KindContext<K: Kind> {
    /// What all kinds share.
    pub(crate) shared: Arc<Shared>,
    pub(crate) watches: Watches<K>,
    pub(crate) memory: Memory,
    /// What was written last.
    pub(crate) overlay: Overlay<K>,
    /// The kind's definition is being deleted.
    terminating: AtomicBool,
}

/// The status of an object under construction.
pub(crate) struct Draft<K: Kind> {
    /// What is in the cluster.
    pub(crate) before: Option<K::Status>,
    pub(crate) status: K::Status,
    /// The version of the object that `before` belongs to.
    version: String,
    /// Holds an id or an intent: nothing may have changed meanwhile.
    pub(crate) guarded: bool,
}

/// What a look found that people may have to hear of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finding<'a> {
    /// Nothing.
    Fine,
    /// Something else has to happen first.
    Waits(&'a Explanation, Waiting),
    /// A person must act, or may want to know.
    Says(&'a Explanation),
}

impl<K: Kind> KindContext<K> {
    /// A kind of which nothing is watched yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let watches = Watches::new(&shared.settings.namespaces);
        Self {
            shared,
            watches,
            memory: Memory::default(),
            overlay: Overlay::default(),
            terminating: AtomicBool::new(false),
        }
    }

    /// The wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// The definition of the kind is being deleted.
    pub(crate) fn terminating(&self) -> bool {
        self.terminating.load(Ordering::Relaxed)
    }

    /// The object of that name, as last seen.
    pub(crate) fn object(&self, key: &ObjectKey) -> Option<Arc<Decoded<K>>> {
        self.watches.object(&key.namespace, &key.name)
    }

    /// The object sets the field of its spec that this JSON pointer names.
    pub(crate) fn sets(&self, key: &ObjectKey, pointer: &str) -> bool {
        let Some(object) = self.object(key) else { return false };
        let Some(spec) = object.valid().and_then(|valid| serde_json::to_value(valid).ok()) else {
            return false;
        };
        spec["spec"].pointer(pointer).is_some_and(|value| !value.is_null())
    }

    /// Every object, as last seen.
    pub(crate) fn objects(&self) -> Vec<Arc<Decoded<K>>> {
        self.watches.objects()
    }

    /// Asks for a look at one object.
    pub(crate) fn trigger(&self, key: &ObjectKey, why: &str) {
        self.watches.trigger(&key.namespace, &key.name, why);
    }

    /// Asks for a look at every object that may belong to a workspace.
    pub(crate) fn trigger_all(&self, workspace: &WorkspaceKey) {
        for object in self.objects() {
            if workspace.namespace.as_ref().is_none_or(|namespace| *namespace == object.namespace()) {
                self.trigger(&object.key(), "its workspace changed");
            }
        }
    }

    /// The newest status, whatever the age of `object`, and the resource version that a guarded write has to meet.
    pub(crate) fn newest(&self, object: &Decoded<K>) -> (Option<K::Status>, String) {
        self.overlay.newest(object, || self.object(&object.key()))
    }

    /// The newest common status, or as much of it as could be read.
    pub(crate) fn common(&self, object: &Decoded<K>) -> CommonStatus {
        let common = self.overlay.common(object, || self.object(&object.key()));
        common.unwrap_or_else(|| fallback_status(object))
    }

    /// The workspace of the object.
    pub(crate) fn workspace(&self, object: &Decoded<K>) -> Resolved {
        object::workspace_of(&self.shared, object, &self.common(object))
    }

    /// The session that the object lives in, and who acts for it there; else why there is none.
    pub(crate) fn access(&self, object: &Decoded<K>) -> Result<Access, NotServed> {
        self.workspace(object).state
    }

    /// What the object is bound to lives in that session's organisation, on its host.
    pub(crate) fn lives_in(&self, object: &Decoded<K>, session: &Session) -> bool {
        object::lives_in(&self.shared, object, &self.common(object), session)
    }

    /// Objects that live, or may live, in emnify through a workspace; `lives` tells by the status.
    pub(crate) fn dependents(
        &self,
        workspace: &WorkspaceKey,
        lives: impl Fn(&CommonStatus) -> bool,
    ) -> Vec<String> {
        let depends = |object: &Decoded<K>| {
            let common = self.common(object);
            lives(&common)
                && object.finalizers().iter().any(|f| f == FINALIZER)
                && object::workspace_key(&self.shared, object, &common) == *workspace
        };
        self.objects()
            .iter()
            .filter(|object| depends(object))
            .map(|object| object.key().to_string())
            .collect()
    }

    /// The status to begin a look with.
    pub(crate) fn draft(&self, object: &Decoded<K>) -> Draft<K> {
        let (mut before, version) = self.newest(object);
        if before.is_none()
            && let Decoded::Invalid(undecodable) = object
        {
            let mut status = K::Status::default();
            *status.common_mut() = undecodable.status.clone();
            before = Some(status);
        }
        Draft { status: before.clone().unwrap_or_default(), before, version, guarded: false }
    }

    /// Notes whom the object refers to, by name, and which Secrets it uses.
    pub(crate) fn note_references(&self, object: &Decoded<K>, inputs: Vec<Input>) {
        let (mut targets, mut secrets) = (Vec::new(), BTreeSet::new());
        for input in inputs {
            match input.source {
                Source::Object { kind, name } => {
                    targets.push(ObjectKey { kind, namespace: object.namespace().to_owned(), name });
                }
                Source::Secret { name, .. } => {
                    secrets.insert(name);
                }
                Source::Mirror { .. }
                | Source::Workspace { .. }
                | Source::Lookup { .. }
                | Source::Masked { .. } => {}
            }
        }
        input_reader::note(&self.shared, &object.key(), &secrets);
        for target in self.shared.references.set(&object.key(), targets) {
            self.shared.trigger(&target, "an object no longer refers to it");
        }
    }

    /// A value of the annotation for a refresh that was not handled yet. It is a person's consent.
    pub(crate) fn refresh_asked(object: &Decoded<K>, common: &CommonStatus) -> Option<String> {
        let asked = object.annotations().get(annotation::REFRESH);
        asked.filter(|asked| common.last_handled_refresh_at.as_ref() != Some(*asked)).cloned()
    }

    /// Looks once per deleted object whether its kind goes as a whole; when to look again while that is not clear.
    pub(crate) async fn check_definition(&self, object: &Decoded<K>) -> Result<Option<Action>, kube::Error> {
        definition::check(object, (&self.shared, &self.memory), &self.terminating).await
    }

    /// Writes the status if it differs; when to look again if the object changed meanwhile.
    pub(crate) async fn write(
        &self,
        object: &Decoded<K>,
        draft: &Draft<K>,
    ) -> Result<Option<Action>, kube::Error> {
        if draft.before.as_ref() == Some(&draft.status) {
            return Ok(None);
        }
        let version = draft.guarded.then_some(draft.version.as_str());
        let api = object::api(&self.shared.client, object);
        match self.shared.writer.write(&api, object, version, &draft.status).await {
            Ok(stored) => {
                self.overlay.wrote(&stored);
                Ok(None)
            }
            Err(WriteError::Changed) => Ok(Some(Action::requeue(SOON))),
            Err(WriteError::Kube(error)) => Err(error),
        }
    }

    /// Puts the finalizer on the object or takes it off.
    pub(crate) async fn set_finalizer(
        &self,
        object: &Decoded<K>,
        present: bool,
    ) -> Result<Action, kube::Error> {
        let (_, version) = self.newest(object);
        object::set_finalizer(&object::api(&self.shared.client, object), object, &version, present).await
    }

    /// Says what a person should know; when to look again, if that is later.
    pub(crate) fn tell(
        &self,
        object: &Decoded<K>,
        finding: Finding<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let waits = if let Finding::Waits(told, _) = finding { Some(told.reason) } else { None };
        let since = self.memory.waits_since(object.uid(), waits, now);
        let told = match finding {
            Finding::Fine => return None,
            Finding::Says(told) => told,
            Finding::Waits(told, waiting) => {
                let at = error_policy::told_at(told.reason, waiting, since)?;
                if at > now {
                    return Some(at);
                }
                told
            }
        };
        self.shared.events.say(object, true, told.reason, &told.message);
        None
    }

    /// Whoever the object referred to hears that it is gone.
    pub(crate) fn drop_references(&self, object: &Decoded<K>) {
        input_reader::note(&self.shared, &object.key(), &BTreeSet::new());
        for target in self.shared.references.set(&object.key(), Vec::new()) {
            self.shared.trigger(&target, "an object that referred to it is gone");
        }
    }

    /// Nothing is remembered of the object any more.
    pub(crate) fn forget(&self, uid: &str) {
        self.memory.forget(uid);
        self.overlay.forget(uid);
    }
}

impl<K: Kind> fmt::Debug for KindContext<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindContext").field("kind", &K::KIND).finish_non_exhaustive()
    }
}
