//! The loop of every controller: a watch that feeds a store, a queue of changes that matter and of triggers, one look
//! after another at each object. The same for kinds and for workspaces.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    fmt::Debug,
    marker::PhantomData,
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    future::{BoxFuture, ready},
    stream,
};
use kube::{
    Api, Resource,
    runtime::{
        Predicate, PredicateConfig, WatchStreamExt, applier,
        controller::{Action, Config, Error, ReconcileReason, ReconcileRequest, trigger_self},
        predicates,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher,
    },
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::{gap::Gap, tasks::beside};

/// An object that can be watched.
pub trait Watchable:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<O> Watchable for O where
    O: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

/// What a controller does with what the loop tells it.
pub trait Follower<O: Watchable>: Send + Sync + 'static {
    /// Drops what nobody reads before it reaches the store.
    fn prune(_object: &mut O) {}
    /// The watch told something, which the store has taken already.
    fn heard(&self, event: &watcher::Event<O>);
    /// The watch could not begin, or broke; it is tried again.
    fn not_heard(&self, error: &watcher::Error);
    /// The object is new or changed in a way that matters; a look follows, in its turn.
    fn arrived(&self, _object: &O) {}
    /// Somebody changed what was in step and waits for it: its look comes before those of all that stand in line.
    fn overtakes(&self, _object: &O) -> bool {
        true
    }
    /// The object left the cluster, whether or not somebody watched.
    fn gone(&self, object: &O);
    /// One look at one object.
    fn reconcile(self: Arc<Self>, object: Arc<O>) -> BoxFuture<'static, Action>;
}

/// What was seen in one scope, and the way to ask for a look at it.
#[derive(Debug)]
pub struct Followed<O: Watchable> {
    /// The objects, as last seen.
    pub store: Store<O>,
    trigger: Trigger<O>,
    /// Taken when the loop begins.
    writer: Mutex<Option<Writer<O>>>,
}

/// Asks for looks. However often one object is asked for before its turn, it is one request.
#[derive(Debug)]
pub struct Trigger<O: Watchable>(Arc<Asked>, PhantomData<fn() -> O>);

#[derive(Debug, Default)]
struct Asked {
    lines: Mutex<Lines>,
    more: Notify,
}

/// Who has a look next, by turns: what was begun does not wait until ten thousand new ones have begun.
#[derive(Debug, Default)]
struct Lines {
    /// Asked for inside: a call came back, a reference is there.
    asked: Line,
    /// Told by the watch.
    arrived: Line,
    arrived_next: bool,
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.asked.order.is_empty() && self.arrived.order.is_empty()
    }

    fn pop(&mut self) -> Option<Name> {
        self.arrived_next = !self.arrived_next;
        if self.arrived_next {
            self.arrived.pop().or_else(|| self.asked.pop())
        } else {
            self.asked.pop().or_else(|| self.arrived.pop())
        }
    }
}

/// Namespace and name.
type Name = (Option<String>, String);

/// In the order in which they were asked for, each once: a namespace with thousands keeps no other from its turn.
#[derive(Debug, Default)]
struct Line {
    order: VecDeque<Arc<Name>>,
    all: HashSet<Arc<Name>>,
}

impl Line {
    /// False if it stands in line already.
    fn push(&mut self, name: Name) -> bool {
        let name = Arc::new(name);
        let new = self.all.insert(name.clone());
        if new {
            self.order.push_back(name);
        }
        new
    }

    fn pop(&mut self) -> Option<Name> {
        let next = self.order.pop_front()?;
        self.all.remove(&next);
        if self.order.is_empty() {
            // the room of ten thousand is not needed for the next one
            *self = Self::default();
        }
        Some(Arc::unwrap_or_clone(next))
    }
}

impl<O: Watchable> Clone for Trigger<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<O: Watchable> Default for Trigger<O> {
    fn default() -> Self {
        Self(Arc::default(), PhantomData)
    }
}

impl<O: Watchable> Trigger<O> {
    /// Asks for a look at one object.
    pub fn send(&self, object: ObjectRef<O>, why: &str) {
        tracing::trace!(object = %object, why, "a look is asked for");
        if self.0.lines.lock().asked.push((object.namespace, object.name)) {
            self.0.more.notify_one();
        }
    }

    /// A look at an object that the watch told of, in its turn.
    fn arrived(&self, object: ObjectRef<O>) {
        if self.0.lines.lock().arrived.push((object.namespace, object.name)) {
            self.0.more.notify_one();
        }
    }

    /// What is asked for, while the share of looks lasts.
    fn requests(&self, share: Arc<Share>) -> impl Stream<Item = ReconcileRequest<O>> + Send + use<O> {
        stream::unfold((self.0.clone(), share), |(asked, share)| async {
            loop {
                if asked.lines.lock().is_empty() {
                    asked.more.notified().await;
                    continue;
                }
                let seat = share.seat().await;
                let next = asked.lines.lock().pop();
                if let Some((namespace, name)) = next {
                    let mut obj_ref = ObjectRef::new(&name);
                    obj_ref.namespace.clone_from(&namespace);
                    share.taken.lock().insert((namespace, name), seat);
                    let request = ReconcileRequest { obj_ref, reason: ReconcileReason::Unknown };
                    return Some((request, (asked, share)));
                }
            }
        })
    }
}

/// The looks that those in line may have at a time: three of four. Ten thousand that are new, or a thousand whose call came
/// back at once, leave some to edits, which would wait until all their statuses are written.
#[derive(Debug)]
struct Share {
    seats: Arc<Semaphore>,
    /// Namespace and name of whoever was let through, and whose look is not over.
    taken: Mutex<HashMap<Name, OwnedSemaphorePermit>>,
}

impl Share {
    /// Of so many looks at a time, 0 for any number.
    fn of(most: u16) -> Arc<Self> {
        let seats = if most == 0 { Semaphore::MAX_PERMITS } else { usize::from(most).div_ceil(4) * 3 };
        Arc::new(Self { seats: Arc::new(Semaphore::new(seats)), taken: Mutex::default() })
    }

    async fn seat(&self) -> OwnedSemaphorePermit {
        self.seats.clone().acquire_owned().await.expect("it is never closed")
    }

    /// A look is over, whoever asked for it.
    fn over(&self, namespace: Option<&String>, name: &str) {
        self.taken.lock().remove(&(namespace.cloned(), name.to_owned()));
    }
}

impl<O: Watchable> Default for Followed<O> {
    /// A scope that nothing is known of.
    fn default() -> Self {
        let (store, writer) = reflector::store::<O>();
        Self { store, trigger: Trigger::default(), writer: Mutex::new(Some(writer)) }
    }
}

impl<O: Watchable> Followed<O> {
    /// The way to ask for looks.
    pub fn trigger(&self) -> &Trigger<O> {
        &self.trigger
    }

    /// Watches and looks until `shutdown` says true; looks under way are finished. `most`: looks at a time, 0 for any
    /// number. Does nothing the second time.
    pub async fn run<F: Follower<O>>(
        &self,
        api: Api<O>,
        follower: Arc<F>,
        most: u16,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let taken = self.writer.lock().take();
        let Some(writer) = taken else { return };
        let changed = predicates::generation
            .combine(predicates::finalizers)
            .combine(predicates::annotations)
            .combine(predicates::labels);
        let (hearing, watched, arrived, door) =
            (follower.clone(), follower.clone(), follower.clone(), follower.clone());
        let line = self.trigger.clone();
        let (store, trigger, mut gap) = (self.store.clone(), self.trigger.clone(), Gap::default());
        let events = watcher(api, watcher::Config::default())
            .modify(F::prune)
            .default_backoff()
            .reflect(writer)
            .inspect_err(move |error| hearing.not_heard(error))
            .inspect_ok(move |event| {
                watched.heard(event);
                if let watcher::Event::Delete(object) = event {
                    watched.gone(object);
                }
                let Some(missed) = gap.observe(event, &store) else { return };
                missed.gone.iter().for_each(|object| watched.gone(&**object));
                for object in missed.changed {
                    trigger.send(ObjectRef::from_obj(&*object), "it changed while nobody watched");
                }
            })
            .touched_objects()
            .predicate_filter(changed, PredicateConfig::default())
            .inspect_ok(move |object| arrived.arrived(object))
            .try_filter_map(move |object| {
                let overtakes = door.overtakes(&object);
                if !overtakes {
                    line.arrived(ObjectRef::from_obj(&object));
                }
                ready(Ok(overtakes.then_some(object)))
            });
        let own = trigger_self(events, ());
        let share = Share::of(most);
        let foreign = self.trigger.requests(share.clone()).map(Ok);
        let end = async move {
            // an error means that the sender is gone, which is a shutdown too
            let _ended = shutdown.wait_for(|s| *s).await.is_ok();
        };
        let queue = stream::select(own.boxed(), foreign.boxed()).take_until(Box::pin(end));
        applier(
            // looks of thousands keep the watch, which tells of edits, from nothing
            |object, follower: Arc<F>| beside(follower.reconcile(object)).map(Ok::<_, Infallible>).boxed(),
            |_, _: &Infallible, _| Action::requeue(Duration::from_secs(5)),
            follower,
            self.store.clone(),
            Box::pin(queue),
            Config::default().concurrency(most),
        )
        .for_each(|result| {
            match &result {
                Ok((object, _)) => share.over(object.namespace.as_ref(), &object.name),
                Err(Error::ObjectNotFound(object)) => share.over(object.namespace.as_ref(), &object.name),
                Err(_) => {}
            }
            if let Err(error) = result {
                // a trigger for something just deleted is normal
                tracing::debug!(kind = %O::kind(&()), %error, "not reconciled");
            }
            ready(())
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kind::decoded::Decoded, toy::Toy};

    fn object(name: &str) -> ObjectRef<Decoded<Toy>> {
        ObjectRef::new(name).within("ns")
    }

    #[tokio::test]
    async fn what_is_asked_for_often_is_looked_at_once() {
        let trigger = Trigger::<Decoded<Toy>>::default();
        for _ in 0..10_000 {
            trigger.send(object("a"), "a hint");
            trigger.send(object("b"), "its workspace changed");
        }
        let mut requests = Box::pin(trigger.requests(Share::of(0)));
        let both = [requests.next().await, requests.next().await].map(|request| request.unwrap().obj_ref);
        assert_eq!(both, [object("a"), object("b")], "in the order in which they were asked for");
        assert!(requests.next().now_or_never().is_none(), "and nothing is left");
        trigger.send(object("a"), "another hint");
        assert_eq!(
            requests.next().await.unwrap().obj_ref,
            object("a"),
            "asked for again, it is looked at again"
        );
    }

    #[tokio::test]
    async fn what_was_begun_has_its_turn_among_thousands_that_are_new() {
        let trigger = Trigger::<Decoded<Toy>>::default();
        for n in 0..1_000 {
            trigger.arrived(object(&format!("{n:03}")));
        }
        trigger.send(object("z"), "its call came back");
        let requests = trigger.requests(Share::of(0)).take(4).map(|request| request.obj_ref.name);
        assert_eq!(requests.collect::<Vec<_>>().await, ["000", "z", "001", "002"]);
    }

    #[tokio::test]
    async fn a_thousand_that_are_asked_for_leave_room_for_what_the_watch_tells() {
        let (trigger, share) = (Trigger::<Decoded<Toy>>::default(), Share::of(64));
        for n in 0..1_000 {
            trigger.send(object(&format!("{n:03}")), "its call came back");
        }
        let mut requests = Box::pin(trigger.requests(share.clone()));
        let mut let_through = Vec::new();
        while let Some(request) = requests.next().now_or_never() {
            let_through.push(request.unwrap().obj_ref);
        }
        assert_eq!(let_through.len(), 48, "a quarter of the looks is the watch's");
        for (over, object) in let_through.iter().enumerate().take(3) {
            share.over(object.namespace.as_ref(), &object.name);
            let next = requests.next().now_or_never().expect("one look less, one request more").unwrap();
            assert_eq!(next.obj_ref, self::object(&format!("{:03}", 48 + over)));
            assert!(requests.next().now_or_never().is_none(), "and no further one");
        }
    }
}
