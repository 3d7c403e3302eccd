//! One call: who shares it, how many fit, and sending it.

use std::{sync::Arc, time::Duration};

use emnify::{Api, Error, Lane};
use kube::{Resource, ResourceExt};
use tokio::time::Instant;
use tracing::Span;

use super::super::{Controller, decide::Decision, memory::Attempt, named};
use crate::{
    answer::{self, Disturbed, uncounted},
    caller::{Access, Caller},
    decoded::Decoded,
    kind::{BatchKey, Change, Id, Inputs, Managed, Status, Verb},
    pause,
    plan::Step,
    queue::{Item, Ride, Ticket},
    role::Doing,
    session::Session,
    verdict::Verdict,
};

/// The API's front door gives up on a request after this time: what got no answer may be under way until then.
const GATEWAY: Duration = Duration::from_secs(30);

/// One object's share of a call.
pub(super) struct Load<K: Managed> {
    pub(super) object: Arc<Decoded<K>>,
    pub(super) status: Option<K::Status>,
    pub(super) id: Option<Id>,
    pub(super) change: K::Change,
    pub(super) inputs: Inputs,
    /// The last change of a retirement: its success is the end of the object.
    pub(super) ends: bool,
    ticket: Option<Ticket>,
    /// Leads from its own trace to the call of somebody else that takes it along.
    ride: Span,
}

impl<K: Managed> Load<K> {
    /// The first change of a decided step.
    fn first(object: Arc<Decoded<K>>, status: Option<K::Status>, decision: Decision<K>) -> Option<Self> {
        let (id, change, ends) = match decision.step {
            Step::Create(change) => (None, change, false),
            Step::Apply(id, changes) => (Some(id), changes.into_iter().next()?, false),
            Step::Retire(id, changes) => {
                let last = changes.len() == 1;
                let change = changes.into_iter().next()?;
                let ends = last && change.class().verb == Verb::Delete;
                (Some(id), change, ends)
            }
            _ => return None,
        };
        Some(Self {
            object,
            status,
            id,
            change,
            inputs: decision.inputs,
            ends,
            ticket: None,
            ride: Span::none(),
        })
    }

    pub(super) fn nonce(&self) -> Option<&str> {
        self.status.as_ref()?.common().intent.as_ref().map(|i| i.nonce.as_str())
    }

    /// Who disturbs how many devices, if any.
    fn disturbs(&self) -> Option<(String, i64, u64)> {
        let devices = Some(self.change.class().disturbs).filter(|devices| *devices > 0)?;
        Some((self.object.uid()?, self.object.meta().generation.unwrap_or_default(), devices))
    }

    /// What the login needs to be allowed for it.
    pub(super) fn doing(&self) -> Doing {
        match (self.makes(), self.ends) {
            (true, _) => Doing::Create,
            (_, true) => Doing::Delete,
            _ => Doing::Update,
        }
    }

    /// It makes the object itself, not a sub-resource of it.
    pub(super) fn makes(&self) -> bool {
        self.change.class().verb == Verb::Create && self.id.is_none()
    }
}

impl<K: Managed> Controller<K> {
    /// Who may share a call with this change of the object, and how many fill one.
    pub(in crate::controller) fn ride(
        &self,
        session: &Session,
        caller: &Caller,
        uid: &str,
        change: &K::Change,
    ) -> Option<Ride> {
        let key = change.batch()?;
        let full = session.shelf::<K>().pace(&key, K::FACTS.max_batch, session.queue.edits());
        Some(Ride { key: self.among(caller, uid, &key), full })
    }

    /// Calls are shared by objects of one caller, and after a failed call by those of one half only.
    fn among(&self, caller: &Caller, uid: &str, key: &BatchKey) -> BatchKey {
        let own = format!("{}@{}", key.0, caller.tag());
        BatchKey(match self.memory.cohort(uid) {
            Some(cohort) => format!("{own}#{cohort}"),
            None => own,
        })
    }

    /// Sends the first change of the object, together with those of others that may share the call.
    pub(super) async fn send(
        self: &Arc<Self>,
        access: &Access,
        api: &Api,
        object: &Arc<Decoded<K>>,
        status: Option<K::Status>,
        decision: Decision<K>,
        ticket: &Ticket,
    ) {
        let Some(first) = Load::first(object.clone(), status, decision) else { return };
        let mut loads = vec![first];
        let key = loads[0].change.batch();
        if let Some(key) = &key {
            self.take_along(access, key, &ticket.item, &mut loads).await;
        }
        let left_out = self.leave_out(access, api, key.as_ref(), &mut loads).await;
        self.call(access, api, key.as_ref(), &loads, ticket).await;
        // while all of them are still in this call, so that nobody is sent before the last one is queued
        self.follow_up(loads.iter().map(|load| load.object.clone()));
        for Load { ticket, ride, .. } in loads.into_iter().chain(left_out) {
            drop(ride);
            if let Some(ticket) = ticket {
                self.shared.meters.answered(&ticket);
                self.poke(&ticket.item.namespace, &ticket.item.name, "its call is over");
            }
        }
    }

    async fn call(
        &self,
        access: &Access,
        api: &Api,
        key: Option<&BatchKey>,
        loads: &[Load<K>],
        ticket: &Ticket,
    ) {
        let session = &access.session;
        let Some(doing) = loads.first().map(Load::doing) else { return };
        if !access.caller.may_try::<K>(doing.clone(), self.shared.now()) {
            return;
        }
        if !self.count_disturbed(access, loads).await {
            return access.caller.not_tried::<K>(doing, self.shared.now());
        }
        for load in loads {
            self.before_send(access, load);
        }
        Self::tell_sending(api.lane(), loads);
        let batch: Vec<_> = loads.iter().map(|l| (l.id.clone(), l.change.clone())).collect();
        let began = Instant::now();
        let answer = K::send(api, &batch).await;
        settle_guard(&access.caller, loads, answer.as_ref().err());
        match answer {
            Ok(replies) => {
                if let Some(key) = key {
                    session.shelf::<K>().took(key, K::FACTS.max_batch, loads.len(), began.elapsed());
                }
                for (load, reply) in loads.iter().zip(replies) {
                    self.succeeded(access, load, reply).await;
                }
            }
            Err(error) => {
                if let (Error::Ambiguous { .. }, Some(group)) = (&error, ticket.group()) {
                    session.queue.hold(group, began + GATEWAY);
                }
                self.all_refused(access, key, loads, &error);
            }
        }
    }

    /// Adds waiting objects whose next change has the same batch key.
    async fn take_along(
        self: &Arc<Self>,
        access: &Access,
        key: &BatchKey,
        first: &Item,
        loads: &mut Vec<Load<K>>,
    ) {
        let session = &access.session;
        let most = session.shelf::<K>().pace(key, K::FACTS.max_batch, session.queue.edits());
        let shared = self.among(&access.caller, &first.uid, key);
        for item in session.queue.peers(K::KIND, &shared, most) {
            if loads.len() >= most {
                return;
            }
            let Some(object) =
                self.object(&item.namespace, &item.name).filter(|o| o.uid().as_ref() == Some(&item.uid))
            else {
                continue;
            };
            let (status, _) = self.overlay.newest(&object);
            let Ok(secret) = self.look_secret(&object).await else { continue };
            let (status, decision) = self.decide_bound(&object, status, &secret, self.shared.now());
            let same = decision.access().is_some_and(|its| its.is(access));
            let Some(mut load) = Load::first(object, status, decision).filter(|_| same) else { continue };
            if load.change.batch().as_ref() != Some(key) {
                continue;
            }
            load.ticket = session.queue.take(&item);
            if let Some(ticket) = &load.ticket {
                self.shared.meters.waited(ticket);
                load.ride = ride_span(&self.shared.journeys.span(&item.uid));
                loads.push(load);
            }
        }
    }

    /// Takes those out for which the API has no room, before it refuses all of them for the sake of one.
    async fn leave_out(
        &self,
        access: &Access,
        api: &Api,
        key: Option<&BatchKey>,
        loads: &mut Vec<Load<K>>,
    ) -> Vec<Load<K>> {
        let Some(key) = key.filter(|_| loads.len() > 1 && loads[0].makes()) else { return Vec::new() };
        let shelf = access.session.shelf::<K>();
        let Some(room) = shelf.room_for(api, key, &loads[0].change, loads.len()).await else {
            return Vec::new();
        };
        let left_out = loads.split_off(room.min(loads.len()));
        let error = Error::Capacity { message: format!("there is room for {room} more") };
        let (verdict, spread) = (Verdict::from(&error), pause::Spread::draw());
        for load in &left_out {
            self.fail(&access.caller, load.doing(), &load.object, &error, &verdict, spread);
        }
        left_out
    }

    /// Counts whom the call disturbs, before it is sent; false if that cannot be written down now, and it is not sent.
    async fn count_disturbed(&self, access: &Access, loads: &[Load<K>]) -> bool {
        for (uid, generation, devices) in loads.iter().filter_map(Load::disturbs) {
            access.caller.guard.sent(&uid, generation, devices);
        }
        if loads.iter().all(|load| load.disturbs().is_none()) || access.caller.guard.written().await {
            return true;
        }
        let now = self.shared.now();
        for load in loads {
            let uid = load.object.uid().unwrap_or_default();
            access.caller.guard.refund(&uid);
            self.memory.failed(&uid, &uncounted(), load.object.meta().generation, now);
        }
        false
    }

    fn before_send(&self, access: &Access, load: &Load<K>) {
        let uid = load.object.uid().unwrap_or_default();
        if let (true, Some(nonce)) = (load.makes(), load.nonce()) {
            if let Some(Attempt::Refused(_)) = self.memory.attempt(&uid, nonce) {
                access.session.shelf::<K>().learn_whole();
            }
            self.memory.set_attempt(&uid, nonce, Attempt::Sent(self.shared.now()));
        }
    }

    /// One line for a call, however many share it; each of them at debug level.
    fn tell_sending(lane: Lane, loads: &[Load<K>]) {
        let Some(first) = loads.first() else { return };
        let (object, change, others) = (named(&first.object), &first.change, loads.len() - 1);
        tracing::info!(kind = K::KIND, %object, %change, others, %lane, "sending");
        for load in &loads[1..] {
            tracing::debug!(kind = K::KIND, object = %named(&load.object), change = %load.change, "in the same call");
        }
    }
}

/// What was refused did not disturb anybody. Of several that were refused for what may be the fault of one, some may have
/// been carried out: they count until each of them has an answer of its own.
fn settle_guard<K: Managed>(caller: &Caller, loads: &[Load<K>], error: Option<&Error>) {
    let Some(first) = loads.first() else { return };
    let disturbed = answer::disturbed(error, loads.len(), first.change.repeatable());
    for (uid, ..) in loads.iter().filter_map(Load::disturbs) {
        match disturbed {
            Disturbed::Yes => caller.guard.landed(&uid),
            Disturbed::No => caller.guard.refund(&uid),
            Disturbed::Unsure => {}
        }
    }
}

/// Below the object's own root, linked with the call that is under way.
fn ride_span(root: &Span) -> Span {
    if root.is_none() {
        return Span::none();
    }
    let ride = tracing::info_span!(target: emnify::SPANS, parent: root, "taken along");
    let call = Span::current();
    ride.follows_from(&call);
    call.follows_from(root);
    ride
}
