//! Tasks at work: their watches, what is remembered of each, and their part in what all kinds share.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use emnify::Api;
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use kube::ResourceExt;
use parking_lot::Mutex;
use tokio::sync::watch::Receiver;

use crate::{
    cluster::{
        context::{AnyKind, Shared},
        reconcile::KindContext,
        text::Text,
        watch::{self, Reconciled, Reconciler},
    },
    decide::{conditions, task::window::OpenWindow, trigger::Made},
    kind::{
        Id, Status,
        decoded::Decoded,
        message::{Message, MessageNews},
        object_key::ObjectKey,
        reason::condition::{COMPLETE, FAILED},
        relations::RefState,
        spec::WorkspaceKey,
        task::{Again, Task, Window},
    },
    metrics::snapshot::ObjectsSnapshot,
    session::{Access, Session, queue::Ticket},
};

/// What is kept of one task in one session.
pub(super) struct TaskEntry {
    pub(super) access: Access,
    pub(super) window: Option<OpenWindow>,
    /// Windows that were written, or perhaps were: nothing of them was sent.
    written: HashSet<String>,
    /// Devices that the guard has counted, by target.
    pub(super) counted: HashMap<Id, u64>,
}

impl TaskEntry {
    fn new(access: Access) -> Self {
        Self { access, window: None, written: HashSet::new(), counted: HashMap::new() }
    }

    /// Nothing of this window is sent before the status holds it.
    pub(super) fn writes(&mut self, window: &Window) {
        self.written.insert(window.nonce.clone());
    }

    /// The window is in the status: nothing of it was sent, which is true once.
    pub(super) fn wrote(&mut self, window: &Window) {
        self.window = Some(OpenWindow::own(window));
        self.written.clear();
    }

    /// Takes over what the status says is open. A window that this process did not write may have been sent. Only a look of the
    /// controller does so, one of a task at a time: whoever sends may have a status in hand that is no longer true.
    pub(super) fn follow(
        &mut self,
        window: Option<&Window>,
        again: Again,
        believed: Timestamp,
        now: Timestamp,
    ) {
        let Some(window) = window else {
            self.window = None;
            return;
        };
        if self.window.as_ref().is_some_and(|open| open.nonce == window.nonce) {
            return;
        }
        if self.written.contains(&window.nonce) {
            self.wrote(window);
        } else {
            self.window = Some(OpenWindow::inherited(window, again, believed, now));
            self.written.clear();
        }
    }

    /// What is open, if it is what the status in hand says.
    pub(super) fn open(&mut self, window: Option<&Window>) -> Option<&mut OpenWindow> {
        self.window.as_mut().filter(|open| window.is_some_and(|window| window.nonce == open.nonce))
    }
}

/// All tasks of one kind.
pub(crate) struct TaskController<T: Task> {
    pub(super) kube: KindContext<T>,
    pub(super) entries: Mutex<HashMap<String, TaskEntry>>,
    /// Texts that tasks read, by uid.
    texts: Mutex<HashMap<String, Arc<Text>>>,
}

impl<T: Task> TaskController<T> {
    /// A controller that watches nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { kube: KindContext::new(shared), entries: Mutex::default(), texts: Mutex::default() })
    }

    /// Watches and reconciles until `shutdown` says true.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Receiver<bool>) {
        watch::run(self, shutdown).await;
    }

    /// Does something with what is kept of a task; another session means that nothing is known yet.
    pub(super) fn with<R>(&self, uid: &str, access: &Access, does: impl FnOnce(&mut TaskEntry) -> R) -> R {
        let mut entries = self.entries.lock();
        let entry = entries.entry(uid.to_owned()).or_insert_with(|| TaskEntry::new(access.clone()));
        if !Arc::ptr_eq(&entry.access.session, &access.session) {
            entry.access.caller.guard.finish(uid);
            *entry = TaskEntry::new(access.clone());
        } else if !Arc::ptr_eq(&entry.access.caller, &access.caller) {
            // another workspace of the same organisation: what is known stays
            entry.access.caller.guard.withdraw(uid);
            entry.access = access.clone();
        }
        does(entry)
    }

    /// Work has moved on, as somebody says: the tasks that follow it in this session, and have something to ask now.
    fn moved(&self, session: &Arc<Session>, work: &str) -> HashSet<String> {
        let now = self.kube.now();
        let mut entries = self.entries.lock();
        let follows = entries.iter_mut().filter_map(|(uid, entry)| {
            let here = Arc::ptr_eq(&entry.access.session, session);
            let window = entry.window.as_mut().filter(|_| here)?;
            window.moved(work, now).then(|| uid.clone())
        });
        follows.collect()
    }

    /// The text of a task, as it was read last.
    pub(super) fn text(&self, uid: &str) -> Arc<Text> {
        self.texts.lock().get(uid).cloned().unwrap_or_default()
    }

    /// Reads the text of a task again if it is due.
    pub(super) async fn read_text(&self, object: &Decoded<T>) -> Result<(), kube::Error> {
        let (Some(of), now) = (object.valid().and_then(Task::text), self.kube.now()) else { return Ok(()) };
        if self.text(object.uid()).is_fresh(&of, now) {
            return Ok(());
        }
        let text = Text::read(&self.kube.shared.client, object.namespace(), of, now).await?;
        self.texts.lock().insert(object.uid().to_owned(), Arc::new(text));
        Ok(())
    }

    /// What made the task looks how it goes.
    pub(super) fn wake_maker(&self, object: &Decoded<T>) {
        let Some(owner) = object.owner_references().iter().find(|owner| owner.controller == Some(true))
        else {
            return;
        };
        let Some(kind) = self.kube.shared.kind(&owner.kind) else { return };
        let namespace = object.namespace().to_owned();
        kind.trigger(
            &ObjectKey { kind: kind.name(), namespace, name: owner.name.clone() },
            "a task of it changed",
        );
    }

    /// Tasks that the object of this uid made.
    fn made_by(&self, owner: &str) -> Vec<Made> {
        let its = |object: &Arc<Decoded<T>>| object.owner_references().iter().any(|one| one.uid == owner);
        let objects = self.kube.objects().into_iter().filter(its);
        objects.filter_map(|object| made(&object, self.kube.newest(&object).0.as_ref())).collect()
    }

    /// The task is over or gone: it asks for nothing more.
    pub(super) fn release(&self, uid: &str) {
        self.texts.lock().remove(uid);
        if let Some(entry) = self.entries.lock().remove(uid) {
            entry.access.caller.guard.finish(uid);
        }
    }
}

impl<T: Task> fmt::Debug for TaskController<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskController").field("kind", &T::KIND).finish_non_exhaustive()
    }
}

impl<T: Task> Reconciler<T> for TaskController<T> {
    fn kube(&self) -> &KindContext<T> {
        &self.kube
    }

    async fn reconcile(self: &Arc<Self>, object: &Decoded<T>) -> Result<Reconciled, kube::Error> {
        self.reconcile_object(object).await
    }

    fn arrived(self: &Arc<Self>, object: &Decoded<T>) {
        self.wake_maker(object);
    }

    fn deleted(&self, object: &Decoded<T>) {
        self.wake_maker(object);
        self.kube.drop_references(object);
        self.release(object.uid());
        self.kube.forget(object.uid());
    }
}

fn made<T: Task>(object: &Decoded<T>, status: Option<&T::Status>) -> Option<Made> {
    let finished = |kind: &str| {
        let conditions = status.map(|status| &status.common().conditions);
        conditions.is_some_and(|all| conditions::get(all, kind).is_some_and(|one| one.status == "True"))
    };
    let succeeded = finished(COMPLETE).then_some(true).or(finished(FAILED).then_some(false));
    let at = object.creation_timestamp()?.0;
    Some(Made { name: object.name_any(), uid: object.uid().to_owned(), at, succeeded })
}

/// A controller of tasks behind [`AnyKind`]. Nobody refers to a task, and emnify has no object that it is.
pub(crate) struct TaskHandle<T: Task>(pub(crate) Arc<TaskController<T>>);

impl<T: Task> AnyKind for TaskHandle<T> {
    fn reference(&self, namespace: &str, name: &str) -> RefState {
        match self.0.kube.watches.object(namespace, name) {
            Some(_) => RefState::Unbound,
            None => RefState::Missing,
        }
    }

    fn trigger(&self, key: &ObjectKey, why: &str) {
        self.0.kube.trigger(key, why);
    }

    fn trigger_all(&self, workspace: &WorkspaceKey) {
        self.0.kube.trigger_all(workspace);
    }

    /// Whoever follows a message asks about it; what the receipt says is not believed.
    fn on_messages(&self, session: &Arc<Session>, messages: &[Message]) {
        let receipts = messages.iter().filter(|message| message.news != MessageNews::Received);
        let follow: HashSet<String> =
            receipts.flat_map(|receipt| self.0.moved(session, &receipt.id.to_string())).collect();
        if follow.is_empty() {
            return;
        }
        for object in self.0.kube.watches.objects().iter().filter(|object| follow.contains(object.uid())) {
            self.0.kube.trigger(&object.key(), "what it follows has moved on");
        }
    }

    fn dispatch(&self, session: Arc<Session>, api: Api, ticket: Ticket) -> BoxFuture<'static, Ticket> {
        self.0.clone().dispatch(session, api, ticket).boxed()
    }

    fn name(&self) -> &'static str {
        T::KIND
    }

    fn made_by(&self, owner: &str) -> Vec<Made> {
        self.0.made_by(owner)
    }

    fn objects(&self, now: Timestamp) -> ObjectsSnapshot {
        ObjectsSnapshot::count(&self.0.kube.watches.objects(), now, |_| None)
    }

    fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String> {
        self.0.kube.dependents(workspace, |common| common.organisation_id.is_some())
    }

    fn listed(&self) -> BoxFuture<'_, ()> {
        self.0.kube.watches.listed().boxed()
    }
}
