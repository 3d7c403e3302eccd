//! What the answer to a call means: for the mirror, the memory of the object, and who goes alone from now on.

use emnify::Error;
use kube::Resource;
use tokio::time::Instant;

use super::call::{CallItem, Failure};
use crate::{
    cluster::{memory::Attempt, refusal, secrets},
    decide::{
        error_policy::{self, Verdict},
        rejected,
    },
    kind::{BatchKey, Change, Managed, Reply, Status, Verb, decoded::Decoded, reason, spec::Rejected},
    object::{
        Controller,
        decide::{carried, correction, digest},
    },
    session::{Access, caller::Caller, pause, response, role::Doing},
};

/// Why a call was not carried out for one object.
struct Refused<'a> {
    error: &'a Error,
    /// It may have been carried out all the same.
    doubtful: bool,
    spread: pause::Spread,
}

/// Something that is there already is in the way, which a listing from after the refusal may name.
fn clashes(error: &Error) -> bool {
    matches!(error, Error::Conflict { .. } | Error::Rejected { status: 409, .. })
}

impl<K: Managed> Controller<K> {
    pub(super) async fn succeeded(&self, access: &Access, call_item: &CallItem<K>, reply: Reply<K>) {
        let session = &*access.session;
        self.kube.shared.allowed::<K>(&access.caller, call_item.doing());
        let kind_state = session.kind_state::<K>();
        let uid = call_item.object.uid();
        self.keep_secret(call_item, &reply).await;
        self.kube.memory.succeeded(uid);
        self.kube.memory.carry(uid, carried(&call_item.change, &call_item.inputs));
        if call_item.id.is_some() && call_item.change.class().verb == Verb::Update {
            let (generation, what) =
                (call_item.object.meta().generation, correction(&call_item.change, &call_item.inputs));
            self.kube.memory.accepted(uid, generation, what, self.kube.now());
        }
        let settled = call_item.status.as_ref().is_some_and(|s| s.common().settled_generation.is_some());
        // until it is in step for the first time, what is sent belongs to its making
        if call_item.change.class().verb == Verb::Update && settled {
            let (events, what) = (&self.kube.shared.events, call_item.change.to_string());
            if call_item.edited {
                events.say(&*call_item.object, false, reason::UPDATED, &what);
            } else {
                events.say_correction(&*call_item.object, &what);
            }
        }
        if call_item.makes() {
            match (&reply.id, call_item.nonce()) {
                (Some(id), Some(nonce)) => {
                    self.kube.memory.set_attempt(uid, nonce, Attempt::Made(id.clone()));
                }
                _ => Self::sweep_since(&kind_state, self.kube.now()),
            }
        }
        let id = call_item.id.as_ref();
        response::learn::<K>(session, id, &call_item.change, reply, call_item.ends);
        if let Some(id) = id {
            self.wake_waiting(session, id);
        }
    }

    /// Values shown once go into the Secret before anything else; what cannot be stored is made anew and revoked.
    async fn keep_secret(&self, call_item: &CallItem<K>, reply: &Reply<K>) {
        let Some((valid, to)) = call_item.object.valid().and_then(|v| Some((v, v.output()?))) else { return };
        if reply.secret.is_empty() {
            return;
        }
        let nonce = call_item.nonce().filter(|_| call_item.makes());
        for attempt in 1..=3 {
            match secrets::store(&self.kube.shared.client, valid, &to, &reply.secret, nonce).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(kind = K::KIND, error = %refusal::brief(&error), attempt, "output Secret not written");
                    self.kube.shared.events.say_refusal(valid, &error);
                }
            }
        }
    }

    /// The call failed. What may be the fault of one item is found by halving; the others go on in their own half.
    pub(super) fn all_refused(
        &self,
        access: &Access,
        key: Option<&BatchKey>,
        call_items: &[CallItem<K>],
        error: &Error,
    ) {
        let session = &access.session;
        let kind_state = session.kind_state::<K>();
        if let (Error::Capacity { .. }, Some(key)) = (error, key) {
            kind_state.forget_room(key);
        }
        let halves = call_items.len() > 1 && response::may_be_one_items_fault(error);
        let in_part = halves || (call_items.len() > 1 && matches!(error, Error::Capacity { .. }));
        let retry_groups = if halves {
            response::parted(&session.retry_groups, call_items.len(), error)
        } else {
            Vec::new()
        };
        if halves {
            tracing::warn!(kind = K::KIND, items = call_items.len(), %error, "bulk call failed, halved");
        }
        let spread = pause::Spread::draw();
        for (i, call_item) in call_items.iter().enumerate() {
            let uid = call_item.object.uid();
            let doubtful = self.note_attempt(call_item, uid, in_part, error);
            match retry_groups.get(i) {
                Some(retry_group) => {
                    self.kube.memory.set_cohort(uid, *retry_group);
                    // some of the batch may have been carried out
                    if let (Some(id), false) = (&call_item.id, call_item.change.repeatable()) {
                        kind_state.mirror.doubt(id);
                    }
                }
                None => self.refused(access, call_item, &Refused { error, doubtful, spread }),
            }
        }
    }

    /// Writes down what is known of a create that failed; true if it may have taken effect.
    fn note_attempt(&self, call_item: &CallItem<K>, uid: &str, in_part: bool, error: &Error) -> bool {
        let doubtful = response::may_have_happened(error, call_item.change.repeatable());
        if let (true, false, Some(nonce)) = (call_item.makes(), doubtful, call_item.nonce()) {
            let in_part = in_part || self.kube.memory.retry_group(uid).is_some();
            let attempt = if in_part { Attempt::Refused(self.kube.now()) } else { Attempt::Unsent };
            self.kube.memory.set_attempt(uid, nonce, attempt);
        }
        doubtful
    }

    /// What was refused may have been asked for because of a row that is old. What may be repeated is, by the same row, where
    /// that was read since it was refused alike: reading before each repetition would only double the calls.
    fn misled(&self, call_item: &CallItem<K>, error: &Error, doubtful: bool) -> bool {
        if doubtful && !call_item.change.repeatable() {
            return true;
        }
        let (uid, generation) = (call_item.object.uid(), call_item.object.meta().generation);
        let refused =
            matches!(error, Error::NotFound { .. } | Error::Conflict { .. } | Error::Rejected { .. });
        let reason = Verdict::from(error).reason;
        (doubtful || refused) && self.kube.memory.doubts_anew(uid, generation, reason, self.kube.now())
    }

    fn refused(&self, access: &Access, call_item: &CallItem<K>, refused: &Refused<'_>) {
        let Refused { error, doubtful, spread } = *refused;
        let kind_state = access.session.kind_state::<K>();
        if let Some(id) = &call_item.id {
            if call_item.ends && matches!(error, Error::NotFound { .. }) {
                if !kind_state.mirror.denied(id, Instant::now()) {
                    self.unconfirmed(&call_item.object);
                }
                return;
            }
            if self.misled(call_item, error, doubtful) {
                kind_state.mirror.doubt(id);
                kind_state.mirror.doubt_parts(id);
            }
        } else if doubtful || clashes(error) {
            Self::sweep_since(&kind_state, self.kube.now());
        }
        let mut verdict = Verdict::from(error);
        if let Error::Rejected { .. } = error {
            // emnify's text rarely names the field; the change does
            verdict.message = format!("{}: {error}", call_item.change);
            self.reject(call_item, call_item.object.uid(), verdict.message.clone());
        }
        let failure = Failure { doing: call_item.doing(), error, verdict: &verdict, spread };
        self.fail(&access.caller, &call_item.object, &failure);
    }

    /// Remembers a refused request, and for how long it is not sent again.
    fn reject(&self, call_item: &CallItem<K>, uid: &str, message: String) {
        let digest = digest(&call_item.change, &call_item.inputs);
        let before = call_item.status.as_ref().and_then(|s| s.common().rejected.as_deref().cloned());
        let before = self.kube.memory.rejected(uid).or(before).filter(|r| r.digest == digest);
        let tries = before.map_or(1, |r| r.tries.unwrap_or(1).saturating_add(1));
        let until = pause::after(self.kube.now(), pause::slow_net(u32::try_from(tries).unwrap_or(u32::MAX)));
        let not_before = Some(rejected::date(until));
        self.kube.memory.reject(uid, Rejected { digest, message, tries: Some(tries), not_before });
    }

    /// Nothing is asked about the object until a second answer proves that it is gone.
    pub(super) fn unconfirmed(&self, object: &Decoded<K>) {
        let uid = object.uid();
        self.kube.memory.failed(uid, &error_policy::unconfirmed(), object.meta().generation, self.kube.now());
    }

    /// One table decides what follows from an error.
    pub(super) fn failed(&self, caller: &Caller, doing: Doing, object: &Decoded<K>, error: &Error) {
        let (verdict, spread) = (Verdict::from(error), pause::Spread::draw());
        self.fail(caller, object, &Failure { doing, error, verdict: &verdict, spread });
    }

    /// The same where several failed together.
    pub(super) fn fail(&self, caller: &Caller, object: &Decoded<K>, failure: &Failure<'_>) {
        let Failure { doing, error, verdict, spread } = failure;
        let (uid, generation, now) = (object.uid(), object.meta().generation, self.kube.now());
        caller.failed::<K>(doing.clone(), uid, error, now);
        let news = self.kube.memory.failed_with((uid, generation), verdict, now, *spread);
        // what the login may not do is told once for all who want it
        if news && !caller.may_not::<K>(doing) {
            tracing::warn!(kind = K::KIND, object = %object.key(), %error, "call failed");
        } else {
            tracing::debug!(kind = K::KIND, object = %object.key(), %error, "call failed again");
        }
    }
}
