//! One call: who shares it, how many fit, and sending it.

use std::{sync::Arc, time::Duration};

use emnify::{Api, Error, Lane};
use kube::Resource;
use tokio::time::Instant;
use tracing::Span;

use crate::{
    cluster::{memory::Attempt, observer::Share},
    decide::{
        error_policy::{Verdict, uncounted},
        known::Step,
    },
    kind::{
        Batch, BatchKey, Change, Id, Inputs, Managed, Status, Verb, decoded::Decoded, managed::largest_batch,
    },
    object::{Controller, decide::Decision},
    session::{
        Access, Session,
        caller::Caller,
        pause,
        queue::{BatchHint, Item, Ticket},
        response::{self, Disturbed},
        role::Doing,
    },
};

/// The API's front door gives up on a request after this time: what got no answer may be under way until then.
const GATEWAY: Duration = Duration::from_secs(30);

/// One object's share of a call.
pub(super) struct CallItem<K: Managed> {
    pub(super) object: Arc<Decoded<K>>,
    pub(super) status: Option<K::Status>,
    pub(super) id: Option<Id>,
    pub(super) change: K::Change,
    pub(super) inputs: Inputs,
    /// The last change of a retirement: its success is the end of the object.
    pub(super) ends: bool,
    /// The spec says something new; else it is emnify that changed.
    pub(super) edited: bool,
    ticket: Option<Ticket>,
    /// Leads from its own trace to the call of somebody else that takes it along.
    batch_hint: Span,
}

/// Who sends a call, and what it shares with others.
struct Call<'a> {
    access: &'a Access,
    api: &'a Api,
    /// What its changes have in common.
    key: Option<&'a BatchKey>,
    /// What goes one after another.
    group: Option<&'static str>,
}

/// What became of a call that failed.
pub(super) struct Failure<'a> {
    /// What was tried.
    pub(super) doing: Doing,
    pub(super) error: &'a Error,
    /// What follows from it.
    pub(super) verdict: &'a Verdict,
    pub(super) spread: pause::Spread,
}

impl<K: Managed> CallItem<K> {
    /// The first change of a decided step.
    pub(super) fn first(
        object: Arc<Decoded<K>>,
        status: Option<K::Status>,
        decision: Decision<K>,
    ) -> Option<Self> {
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
            edited: decision.edited,
            ticket: None,
            batch_hint: Span::none(),
        })
    }

    pub(super) fn nonce(&self) -> Option<&str> {
        self.status.as_ref()?.common().intent.as_ref().map(|i| i.nonce.as_str())
    }

    /// Who disturbs how many devices, if any.
    fn disturbs(&self) -> Option<(String, i64, u64)> {
        let devices = Some(self.change.class().disturbs).filter(|devices| *devices > 0)?;
        Some((self.object.uid().to_owned(), self.object.meta().generation.unwrap_or_default(), devices))
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
    pub(in crate::object) fn batch_hint(
        &self,
        session: &Session,
        caller: &Caller,
        uid: &str,
        change: &K::Change,
    ) -> Option<BatchHint> {
        let key = change.batch()?;
        let full = session.kind_state::<K>().pace(&key, largest_batch::<K>(), session.queue.edits());
        Some(BatchHint { key: self.among(caller, uid, &key), full })
    }

    /// Calls are shared by objects of one caller, and after a failed call by those of one half only.
    fn among(&self, caller: &Caller, uid: &str, key: &BatchKey) -> BatchKey {
        let own = format!("{}@{}", key.0, caller.tag());
        BatchKey(match self.kube.memory.retry_group(uid) {
            Some(retry_group) => format!("{own}#{retry_group}"),
            None => own,
        })
    }

    /// Sends the first change of the object, together with those of others that may share the call.
    pub(super) async fn send(
        self: &Arc<Self>,
        access: &Access,
        api: &Api,
        first: CallItem<K>,
        ticket: &Ticket,
    ) {
        let mut call_items = vec![first];
        let key = call_items[0].change.batch();
        if let Some(key) = &key {
            self.take_along(access, key, &ticket.item, &mut call_items).await;
        }
        let left_out = self.leave_out(access, api, key.as_ref(), &mut call_items).await;
        let call = Call { access, api, key: key.as_ref(), group: ticket.group() };
        self.call(&call, &call_items).await;
        // while all of them are still in this call, so that nobody is sent before the last one is queued
        self.follow_up(call_items.iter().map(|call_item| call_item.object.clone()));
        for CallItem { ticket, batch_hint, .. } in call_items.into_iter().chain(left_out) {
            drop(batch_hint);
            if let Some(ticket) = ticket {
                self.kube.shared.metrics.answered(&ticket);
                self.kube.trigger(&ticket.item.object, "its call is over");
            }
        }
    }

    async fn call(&self, call: &Call<'_>, call_items: &[CallItem<K>]) {
        let Call { access, api, key, group } = *call;
        let session = &access.session;
        let Some(doing) = call_items.first().map(CallItem::doing) else { return };
        let items = call_items.iter().map(|call_item| (call_item.id.as_ref(), &call_item.change));
        let Some(batch) = Batch::of(items) else { return };
        if !access.caller.may_try::<K>(doing.clone(), self.kube.now()) {
            return;
        }
        if !self.count_disturbed(access, call_items).await {
            return access.caller.not_tried::<K>(doing, self.kube.now());
        }
        for call_item in call_items {
            self.before_send(access, call_item);
        }
        Self::tell_sending(api.lane(), call_items);
        let began = Instant::now();
        let answer = batch.send::<K>(api).await.map_err(|error| masked(call_items, error));
        settle_guard(&access.caller, call_items, answer.as_ref().err());
        self.kube.shared.tell(|| shares(call_items), answer.as_ref().err());
        match answer {
            Ok(replies) => {
                if let Some(key) = key {
                    session.kind_state::<K>().took(
                        key,
                        largest_batch::<K>(),
                        call_items.len(),
                        began.elapsed(),
                    );
                }
                for (call_item, reply) in call_items.iter().zip(replies) {
                    self.succeeded(access, call_item, reply).await;
                }
            }
            Err(error) => {
                if let (Error::Ambiguous { .. }, Some(group)) = (&error, group) {
                    session.queue.pause_group(group, began + GATEWAY);
                }
                self.all_refused(access, key, call_items, &error);
            }
        }
    }

    /// Adds waiting objects whose next change has the same batch key.
    async fn take_along(
        self: &Arc<Self>,
        access: &Access,
        key: &BatchKey,
        first: &Item,
        call_items: &mut Vec<CallItem<K>>,
    ) {
        let session = &access.session;
        let most = session.kind_state::<K>().pace(key, largest_batch::<K>(), session.queue.edits());
        let shared = self.among(&access.caller, &first.uid, key);
        for item in session.queue.peers(K::KIND, &shared, most) {
            if call_items.len() >= most {
                return;
            }
            let Some(object) = self.kube.object(&item.object).filter(|o| o.uid() == item.uid) else {
                continue;
            };
            let (status, _) = self.kube.newest(&object);
            let Ok(secret) = self.read_secret(&object).await else { continue };
            let (status, decision) = self.decide_bound(&object, status, &secret, self.kube.now());
            let same = decision.access().is_some_and(|its| its.is(access));
            let Some(mut call_item) = CallItem::first(object, status, decision).filter(|_| same) else {
                continue;
            };
            let shares = call_item.id.is_some() == call_items[0].id.is_some();
            if !shares || call_item.change.batch().as_ref() != Some(key) {
                continue;
            }
            call_item.ticket = session.queue.take(&item);
            if let Some(ticket) = &call_item.ticket {
                self.kube.shared.metrics.waited(ticket);
                call_item.batch_hint = ride_span(&self.kube.shared.convergences.span(&item.uid));
                call_items.push(call_item);
            }
        }
    }

    /// Takes those out for which the API has no room, before it refuses all of them for the sake of one.
    async fn leave_out(
        &self,
        access: &Access,
        api: &Api,
        key: Option<&BatchKey>,
        call_items: &mut Vec<CallItem<K>>,
    ) -> Vec<CallItem<K>> {
        let Some(key) = key.filter(|_| call_items.len() > 1 && call_items[0].makes()) else {
            return Vec::new();
        };
        let kind_state = access.session.kind_state::<K>();
        let Some(room) =
            kind_state.room_for((&access.caller, api), key, &call_items[0].change, call_items.len()).await
        else {
            return Vec::new();
        };
        let left_out = call_items.split_off(room.min(call_items.len()));
        let error = Error::Capacity { message: format!("there is room for {room} more") };
        let (verdict, spread) = (Verdict::from(&error), pause::Spread::draw());
        for call_item in &left_out {
            let failure = Failure { doing: call_item.doing(), error: &error, verdict: &verdict, spread };
            self.fail(&access.caller, &call_item.object, &failure);
        }
        left_out
    }

    /// Counts whom the call disturbs, before it is sent; false if that cannot be written down now, and it is not sent.
    async fn count_disturbed(&self, access: &Access, call_items: &[CallItem<K>]) -> bool {
        for (uid, generation, devices) in call_items.iter().filter_map(CallItem::disturbs) {
            access.caller.guard.sent(&uid, generation, devices);
        }
        if call_items.iter().all(|call_item| call_item.disturbs().is_none())
            || access.caller.guard.written().await
        {
            return true;
        }
        let now = self.kube.now();
        for call_item in call_items {
            let uid = call_item.object.uid();
            access.caller.guard.refund(uid);
            self.kube.memory.failed(uid, &uncounted(), call_item.object.meta().generation, now);
        }
        false
    }

    fn before_send(&self, access: &Access, call_item: &CallItem<K>) {
        let uid = call_item.object.uid();
        if let (true, Some(nonce)) = (call_item.makes(), call_item.nonce()) {
            if let Some(Attempt::Refused(_)) = self.kube.memory.attempt(uid, nonce) {
                access.session.kind_state::<K>().learn_whole();
            }
            self.kube.memory.set_attempt(uid, nonce, Attempt::Sent(self.kube.now()));
        }
    }

    /// One line for a call, however many share it; each of them at debug level.
    fn tell_sending(lane: Lane, call_items: &[CallItem<K>]) {
        let Some(first) = call_items.first() else { return };
        let (object, change, others) = (first.object.key(), &first.change, call_items.len() - 1);
        tracing::info!(kind = K::KIND, %object, %change, others, %lane, "sending");
        for call_item in &call_items[1..] {
            tracing::debug!(kind = K::KIND, object = %call_item.object.key(), change = %call_item.change, "in the same call");
        }
    }
}

/// What each object has in the call, for whoever hears of it.
fn shares<K: Managed>(call_items: &[CallItem<K>]) -> Vec<Share> {
    let share = |item: &CallItem<K>| Share::of(&item.object.key(), K::KIND, item.id.as_ref(), &item.change);
    call_items.iter().map(share).collect()
}

/// What was refused did not disturb anybody. Of several that were refused for what may be the fault of one, some may have
/// been carried out: they count until each of them has an answer of its own.
fn settle_guard<K: Managed>(caller: &Caller, call_items: &[CallItem<K>], error: Option<&Error>) {
    let Some(first) = call_items.first() else { return };
    let disturbed = response::disturbed(error, call_items.len(), first.change.repeatable());
    for (uid, ..) in call_items.iter().filter_map(CallItem::disturbs) {
        match disturbed {
            Disturbed::Yes => caller.guard.landed(&uid),
            Disturbed::No => caller.guard.refund(&uid),
            Disturbed::Unsure => {}
        }
    }
}

/// What emnify said, without the values of Secrets that were sent: it may repeat what it does not like.
fn masked<K: Managed>(call_items: &[CallItem<K>], error: Error) -> Error {
    error.map_message(|said| call_items.iter().fold(said, |said, item| item.inputs.mask(&said)))
}

/// Below the object's own root, linked with the call that is under way.
fn ride_span(root: &Span) -> Span {
    if root.is_none() {
        return Span::none();
    }
    let batch_hint = tracing::info_span!(target: emnify::SPANS, parent: root, "taken along");
    let call = Span::current();
    batch_hint.follows_from(&call);
    call.follows_from(root);
    batch_hint
}
