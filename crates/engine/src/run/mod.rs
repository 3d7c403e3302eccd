//! All kinds together: registration, start, sessions.

mod recount;
mod snapshot;

use std::{collections::HashMap, sync::Arc};

use emnify::Lane;
use futures::future::{BoxFuture, join_all, pending};
use jiff::Timestamp;
use kube::Client;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tracing::{Instrument, Span};

use crate::{
    cluster::{
        context::{AnyKind, EngineSettings, Shared},
        observer::Observer,
        tasks::{self, Ended},
    },
    kind::{Managed, set::ObjectSet, task::Task, trigger::Trigger},
    object::{Controller, Handle},
    session::{Session, queue::Ticket},
    set::{SetController, SetHandle},
    task::{TaskController, TaskHandle},
    trigger::{TriggerController, TriggerHandle},
};

/// Calls of one session under way at once; writes of a serial group still go one after another.
const SENDERS: usize = 8;

type Runner = Box<dyn FnOnce(watch::Receiver<bool>) -> BoxFuture<'static, ()> + Send>;

/// Collects the kinds before the engine starts.
pub struct Builder {
    shared: Arc<Shared>,
    kinds: HashMap<&'static str, Arc<dyn AnyKind>>,
    runners: Vec<(&'static str, Runner)>,
}

/// The kinds at work.
#[derive(Clone, Debug)]
pub struct Engine {
    /// What all kinds share.
    pub shared: Arc<Shared>,
}

impl Builder {
    /// No kinds yet.
    pub fn new(client: Client, settings: EngineSettings) -> Self {
        Self { shared: Shared::new(client, settings), kinds: HashMap::new(), runners: Vec::new() }
    }

    /// Takes the time of day from `clock` instead of the system, so that pauses can be stepped over.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let set = self.shared.clock.set(Box::new(clock));
        debug_assert!(set.is_ok(), "an engine has one clock");
        self
    }

    /// Tells `observer` of every call that is made for an object.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        let set = self.shared.observer.set(observer);
        debug_assert!(set.is_ok(), "an engine has one observer");
        self
    }

    /// Adds a kind.
    #[must_use]
    pub fn with<K: Managed>(mut self) -> Self {
        let controller = Controller::<K>::new(self.shared.clone());
        self.kinds.insert(K::KIND, Arc::new(Handle(controller.clone())));
        self.runners.push((K::KIND, Box::new(move |shutdown| Box::pin(controller.run(shutdown)))));
        self
    }

    /// Adds a kind whose objects stand for many members. The kinds of its members and of what they hold are added too.
    #[must_use]
    pub fn with_fleet<F: ObjectSet>(mut self) -> Self {
        let controller = SetController::<F>::new(self.shared.clone());
        self.kinds.insert(F::KIND, Arc::new(SetHandle(controller.clone())));
        self.runners.push((F::KIND, Box::new(move |shutdown| Box::pin(controller.run(shutdown)))));
        self
    }

    /// Adds a kind whose objects are carried out once.
    #[must_use]
    pub fn with_task<T: Task>(mut self) -> Self {
        let controller = TaskController::<T>::new(self.shared.clone());
        self.kinds.insert(T::KIND, Arc::new(TaskHandle(controller.clone())));
        self.runners.push((T::KIND, Box::new(move |shutdown| Box::pin(controller.run(shutdown)))));
        self
    }

    /// Adds a kind whose objects make tasks. The kind of the tasks is added too.
    #[must_use]
    pub fn with_trigger<T: Trigger>(mut self) -> Self {
        let controller = TriggerController::<T>::new(self.shared.clone());
        self.kinds.insert(T::KIND, Arc::new(TriggerHandle(controller.clone())));
        self.runners.push((T::KIND, Box::new(move |shutdown| Box::pin(controller.run(shutdown)))));
        self
    }

    /// Starts every watch. Nothing is reconciled before [`Engine::open`]. The tasks end when `shutdown` says true;
    /// one that ends before is fatal for the process.
    pub fn start(self, tasks: &mut JoinSet<Ended>, shutdown: &watch::Receiver<bool>) -> Engine {
        let set = self.shared.kinds.set(self.kinds);
        debug_assert!(set.is_ok(), "an engine is started once");
        for (name, run) in self.runners {
            tasks.spawn(tasks::named(name, run(shutdown.clone())));
        }
        Engine { shared: self.shared }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("kinds", &self.kinds.keys()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Waits until every object of every kind was listed.
    pub async fn listed(&self) {
        join_all(self.shared.kinds().map(|kind| kind.listed())).await;
    }

    /// Lets reconciling begin.
    pub fn open(&self) {
        let _first = self.shared.opened.get_or_init(Instant::now);
        self.shared.gate.send_replace(true);
    }

    /// Begins nothing at emnify any more, and returns when what is under way has ended and its answers are dealt with.
    pub async fn drained(&self) {
        self.shared.turns.send_modify(|turns| turns.ending = true);
        let mut turns = self.shared.turns.subscribe();
        // the sender lives in shared, so this only ends with none
        let _ended = turns.wait_for(|turns| turns.under_way == 0).await.is_ok();
    }

    /// Starts the senders of a session and the reader of its event log; they end when the session is stopped.
    pub fn serve(&self, session: &Arc<Session>) {
        crate::hints::follow(&self.shared, session);
        crate::hints::rotate::follow(&self.shared, session);
        crate::run::recount::follow(&self.shared, session);
        for _ in 0..SENDERS {
            let sender = send_for_ever(self.shared.clone(), session.clone());
            self.shared.tasks.of_session(session, "sender", sender);
        }
    }
}

/// What is done in an object's turn, in the object's own trace where it has one.
fn dispatch_span(shared: &Shared, ticket: &Ticket) -> Span {
    let root = shared.convergences.span(&ticket.item.uid);
    let parent = root.id();
    tracing::info_span!(
        target: emnify::SPANS,
        parent: parent,
        "dispatch",
        k8s.kind = ticket.item.object.kind,
        lane = ticket.lane.as_str(),
        waited_ms = u64::try_from(ticket.since.elapsed().as_millis()).unwrap_or(u64::MAX),
    )
}

/// Takes one turn after another; a turn waited for in a slow lane is given up when something more urgent comes.
async fn send_for_ever(shared: Arc<Shared>, session: Arc<Session>) {
    let mut lane: Option<Lane> = None;
    loop {
        let wanted = match lane.take() {
            Some(lane) => lane,
            None => session.queue.ready(None).await,
        };
        let api = tokio::select! {
            // all callers draw on one budget; whose call it is shows when the object is planned
            api = async { session.reader().client.turn(wanted).await } => api,
            urgent = session.queue.ready(Some(wanted)) => {
                lane = Some(urgent);
                continue;
            }
        };
        let Some(ticket) = session.queue.pop() else { continue };
        let Some(kind) = shared.kind(ticket.item.object.kind) else { continue };
        // the process is ending: nothing begins any more
        let Some(_turn) = shared.begin_turn() else { return pending().await };
        shared.metrics.waited(&ticket);
        let span = dispatch_span(&shared, &ticket);
        let ticket = kind.dispatch(session.clone(), api, ticket).instrument(span).await;
        shared.metrics.answered(&ticket);
    }
}
