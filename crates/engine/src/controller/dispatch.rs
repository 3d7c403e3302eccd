//! The emnify side: when the turn of an object has come, it is planned again and one call is sent.

use std::sync::Arc;

use emnify::{Api, Error};
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use super::{
    Controller,
    decide::{Decision, SecretLook, digest},
    memory::Attempt,
};
use crate::{
    decoded::Decoded,
    kind::{BatchKey, Change, Id, Inputs, Managed, Reply, Status, Verb},
    plan::{SecretState, Step},
    queue::Ticket,
    reason, secrets,
    session::{Session, Shelf},
    spec::Rejected,
    verdict::{Next, Verdict},
};

/// Events of our own write carry times up to this long after its answer.
const ECHO: SignedDuration = SignedDuration::from_secs(5);

/// One object's share of a call.
struct Load<K: Managed> {
    object: Arc<Decoded<K>>,
    status: Option<K::Status>,
    id: Option<Id>,
    change: K::Change,
    inputs: Inputs,
    /// The last change of a retirement: its success is the end of the object.
    ends: bool,
    ticket: Option<Ticket>,
}

impl<K: Managed> Controller<K> {
    /// Plans the object of a ticket again and makes the call that it needs.
    pub(super) async fn dispatch(self: Arc<Self>, session: Arc<Session>, api: Api, ticket: Ticket) -> Ticket {
        let place = (ticket.item.namespace.clone(), ticket.item.name.clone());
        let Some(object) =
            self.object(&place.0, &place.1).filter(|o| o.uid().as_deref() == Some(&ticket.item.uid))
        else {
            return ticket;
        };
        let (status, _) = self.overlay.newest(&object);
        let secret = match self.look_secret(&object).await {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(kind = K::KIND, %error, "output Secret not read");
                (SecretState::Unknown, None)
            }
        };
        let decision = self.decide(&object, status.as_ref(), &secret, self.shared.now());
        match &decision.step {
            Step::Read(id) => self.read(&session, &api, &object, id).await,
            Step::ReadParts(id, parts) => self.read_parts(&session, &api, &object, id, parts).await,
            Step::UpToDate { have, .. } => {
                let id = K::id(&have.row);
                let due = Self::due_parts(&session, &id, &object, status.as_ref(), &decision.inputs);
                self.read_parts(&session, &api, &object, &id, &due).await;
            }
            Step::Create(_) | Step::Apply(..) | Step::Retire(..) => {
                self.send(&session, &api, &object, status, decision, &ticket).await;
            }
            _ => {}
        }
        self.poke(&place.0, &place.1, "its call is over");
        ticket
    }

    async fn read(&self, session: &Session, api: &Api, object: &Decoded<K>, id: &Id) {
        let shelf = session.shelf::<K>();
        if !K::FACTS.has_read {
            shelf.sweep.notify_one();
            Self::wait_on_sweep(session, &super::named(object));
            return;
        }
        let sent = Instant::now();
        match K::read(api, id).await {
            Ok(Some(row)) => {
                shelf.mirror.put(row, sent);
            }
            Ok(None) => shelf.mirror.forget(id),
            Err(error) => self.failed(session, object, &error),
        }
    }

    async fn read_parts(
        &self,
        session: &Session,
        api: &Api,
        object: &Decoded<K>,
        id: &Id,
        parts: &[K::Part],
    ) {
        let shelf = session.shelf::<K>();
        for part in parts {
            let sent = Instant::now();
            let mut into = K::Parts::clone(&shelf.mirror.parts(id, &[], None).0);
            match K::read_part(api, id, *part, &mut into).await {
                Ok(()) => shelf.mirror.put_parts(id, into, &[*part], sent),
                Err(Error::NotFound { .. }) => {
                    shelf.mirror.doubt(id);
                    return;
                }
                Err(error) => return self.failed(session, object, &error),
            }
        }
    }

    /// Sends the first change of the object, together with those of others that may share the call.
    async fn send(
        self: &Arc<Self>,
        session: &Arc<Session>,
        api: &Api,
        object: &Arc<Decoded<K>>,
        status: Option<K::Status>,
        decision: Decision<K>,
        ticket: &Ticket,
    ) {
        let Some(first) = load(object.clone(), status, decision, None) else { return };
        let mut loads = vec![first];
        if let Some(key) = loads[0].change.batch().filter(|_| !self.memory.is_alone(&ticket.item.uid)) {
            self.take_along(session, &key, &mut loads).await;
        }
        for load in &loads {
            self.before_send(session, load);
        }
        let batch: Vec<_> = loads.iter().map(|l| (l.id.clone(), l.change.clone())).collect();
        let sent = K::send(api, &batch).await;
        let several = loads.len() > 1;
        match sent {
            Ok(replies) => {
                for (load, reply) in loads.iter().zip(replies) {
                    self.succeeded(session, load, reply).await;
                }
            }
            Err(error) => loads.iter().for_each(|load| self.refused(session, load, &error, several)),
        }
        for load in loads {
            if let Some(ticket) = load.ticket {
                self.poke(&ticket.item.namespace, &ticket.item.name, "its call is over");
                session.queue.done(ticket);
            }
        }
    }

    /// Adds waiting objects whose next change has the same batch key.
    async fn take_along(self: &Arc<Self>, session: &Arc<Session>, key: &BatchKey, loads: &mut Vec<Load<K>>) {
        for item in session.queue.peers(K::KIND, K::FACTS.max_batch.saturating_mul(2)) {
            if loads.len() >= K::FACTS.max_batch {
                return;
            }
            let Some(object) =
                self.object(&item.namespace, &item.name).filter(|o| o.uid().as_ref() == Some(&item.uid))
            else {
                continue;
            };
            if self.memory.is_alone(&item.uid) {
                continue;
            }
            let (status, _) = self.overlay.newest(&object);
            let Ok(secret): Result<SecretLook, _> = self.look_secret(&object).await else { continue };
            let decision = self.decide(&object, status.as_ref(), &secret, self.shared.now());
            let Some(mut load) = load(object, status, decision, None) else { continue };
            if load.change.batch().as_ref() != Some(key) {
                continue;
            }
            load.ticket = session.queue.take(&item);
            if load.ticket.is_some() {
                loads.push(load);
            }
        }
    }

    fn before_send(&self, session: &Session, load: &Load<K>) {
        let uid = load.object.uid().unwrap_or_default();
        let class = load.change.class();
        session.guard.sent(&uid, class.disturbs);
        if let (Verb::Create, Some(nonce)) = (class.verb, load.nonce()) {
            self.memory.set_attempt(&uid, nonce, Attempt::Sent(self.shared.now()));
        }
        tracing::info!(kind = K::KIND, object = %super::named(&load.object), change = %load.change, "sending");
    }

    async fn succeeded(&self, session: &Session, load: &Load<K>, reply: Reply<K>) {
        let shelf = session.shelf::<K>();
        let uid = load.object.uid().unwrap_or_default();
        let now = Instant::now();
        self.keep_secret(load, &reply).await;
        self.memory.succeeded(&uid);
        if load.change.class().verb == Verb::Update {
            self.shared.events.say(&*load.object, false, reason::UPDATED, &load.change.to_string());
        }
        if let Some(table) = load.change.refreshes() {
            session.tables.refresh(table);
        }
        if load.makes() {
            match (&reply.id, load.nonce()) {
                (Some(id), Some(nonce)) => self.memory.set_attempt(&uid, nonce, Attempt::Made(id.clone())),
                _ => Self::sweep_since(&shelf, self.shared.now()),
            }
        }
        let id = reply.id.as_ref().or(load.id.as_ref());
        match (reply.row, &load.id) {
            (Some(row), _) => {
                shelf.mirror.wrote(row, now);
            }
            (None, Some(id)) if load.ends => shelf.mirror.forget(id),
            (None, Some(id)) => Self::assume(&shelf, id, &load.change, now),
            (None, None) => {}
        }
        if let Some(id) = id {
            shelf
                .mirror
                .expect_echo(id, session.client.server_time().saturating_add(ECHO).unwrap_or(Timestamp::MAX));
        }
        if let (Some(id), true) = (&load.id, load.change.unsettles()) {
            shelf.mirror.doubt(id);
            shelf.mirror.doubt_parts(id);
        }
    }

    /// What a bodiless success means for what we know.
    fn assume(shelf: &Shelf<K>, id: &Id, change: &K::Change, at: Instant) {
        let Some(row) = shelf.mirror.row(id) else { return };
        let (mut row, mut parts) =
            (K::Row::clone(&row), K::Parts::clone(&shelf.mirror.parts(id, &[], None).0));
        K::assume(change, &mut row, &mut parts);
        shelf.mirror.wrote(row, at);
        shelf.mirror.put_parts(id, parts, &[], at);
    }

    /// Values shown once go into the Secret before anything else; what cannot be stored is made anew and revoked.
    async fn keep_secret(&self, load: &Load<K>, reply: &Reply<K>) {
        let Some((valid, to)) = load.object.valid().and_then(|v| Some((v, v.output()?))) else { return };
        if reply.secret.is_empty() {
            return;
        }
        let nonce = load.nonce().filter(|_| load.makes());
        for attempt in 1..=3 {
            match secrets::store(&self.shared.client, valid, &to, &reply.secret, nonce).await {
                Ok(()) => return,
                Err(error) => tracing::error!(kind = K::KIND, %error, attempt, "output Secret not written"),
            }
        }
    }

    fn refused(&self, session: &Session, load: &Load<K>, error: &Error, several: bool) {
        let uid = load.object.uid().unwrap_or_default();
        let shelf = session.shelf::<K>();
        let ambiguous = matches!(error, Error::Ambiguous { .. })
            || (matches!(error, Error::Unavailable { .. }) && !load.change.repeatable());
        if let (true, false, Some(nonce)) = (load.makes(), ambiguous, load.nonce()) {
            self.memory.set_attempt(&uid, nonce, Attempt::Unsent);
        }
        if several && may_be_one_items_fault(error) {
            // one bad item must not hold up the others: from now on each goes alone
            self.memory.isolate(&uid);
            return;
        }
        if let Some(id) = &load.id {
            if load.ends && matches!(error, Error::NotFound { .. }) {
                return shelf.mirror.forget(id);
            }
            if ambiguous || matches!(error, Error::NotFound { .. } | Error::Conflict { .. }) {
                shelf.mirror.doubt(id);
                shelf.mirror.doubt_parts(id);
            }
        } else if ambiguous || matches!(error, Error::Conflict { .. }) {
            Self::sweep_since(&shelf, self.shared.now());
        }
        if let Error::Rejected { .. } = error {
            // emnify's text rarely names the field; the change does
            let message = format!("{}: {error}", load.change);
            let rejected = Rejected { digest: digest(&load.change, &load.inputs), message };
            self.memory.reject(&uid, rejected);
        }
        self.failed(session, &load.object, error);
    }

    /// One table decides what follows from an error.
    fn failed(&self, session: &Session, object: &Decoded<K>, error: &Error) {
        let verdict = Verdict::from(error);
        tracing::warn!(kind = K::KIND, object = %super::named(object), %error, "call failed");
        match verdict.next {
            Next::Workspace => session.report_refusal(error),
            // the door is closed for everybody, and the object waits behind it without a mark
            Next::Reopen => return,
            Next::OnChange | Next::Backoff(_) | Next::Observe | Next::Absent => {}
        }
        let uid = object.uid().unwrap_or_default();
        self.memory.failed(&uid, &verdict, object.meta().generation, self.shared.now());
    }
}

impl<K: Managed> Load<K> {
    fn nonce(&self) -> Option<&str> {
        self.status.as_ref()?.common().intent.as_ref().map(|i| i.nonce.as_str())
    }

    /// It makes the object itself, not a sub-resource of it.
    fn makes(&self) -> bool {
        self.change.class().verb == Verb::Create && self.id.is_none()
    }
}

/// A bulk call failed for what may be wrong with one of its items only.
fn may_be_one_items_fault(error: &Error) -> bool {
    match error {
        Error::Rejected { .. } | Error::NotFound { .. } | Error::Capacity { .. } | Error::Conflict { .. } => {
            true
        }
        Error::Unauthorized { .. }
        | Error::Throttled { .. }
        | Error::Ambiguous { .. }
        | Error::Unavailable { .. }
        | Error::Unreadable { .. } => false,
    }
}

/// The first change of a step.
fn load<K: Managed>(
    object: Arc<Decoded<K>>,
    status: Option<K::Status>,
    decision: Decision<K>,
    ticket: Option<Ticket>,
) -> Option<Load<K>> {
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
    Some(Load { object, status, id, change, inputs: decision.inputs, ends, ticket })
}
