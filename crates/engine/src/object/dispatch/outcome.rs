//! What the answer to a call means: for the mirror, the memory of the object, and who goes alone from now on.

use emnify::Error;
use kube::{Resource, ResourceExt};

use super::call::CallItem;
use crate::{
    cluster::{memory::Attempt, refusal, secrets},
    decide::{error_policy::Verdict, rejected, taken},
    kind::{BatchKey, Change, Managed, Reply, Status, Verb, decoded::Decoded, reason, spec::Rejected},
    object::{Controller, decide::digest, named},
    session::{Access, caller::Caller, pause, response, role::Doing},
};

impl<K: Managed> Controller<K> {
    pub(super) async fn succeeded(&self, access: &Access, call_item: &CallItem<K>, reply: Reply<K>) {
        let session = &*access.session;
        self.shared.allowed::<K>(&access.caller, call_item.doing());
        let kind_state = session.kind_state::<K>();
        let uid = call_item.object.uid().unwrap_or_default();
        self.keep_secret(call_item, &reply).await;
        self.memory.succeeded(&uid);
        if call_item.id.is_some() && call_item.change.class().verb == Verb::Update {
            let (generation, what) =
                (call_item.object.meta().generation, taken::correction(&call_item.change));
            self.memory.accepted(&uid, generation, what, self.shared.now());
        }
        let settled = call_item.status.as_ref().is_some_and(|s| s.common().settled_generation.is_some());
        // until it is in step for the first time, what is sent belongs to its making
        if call_item.change.class().verb == Verb::Update && settled {
            self.shared.events.say(&*call_item.object, false, reason::UPDATED, &call_item.change.to_string());
        }
        if call_item.makes() {
            match (&reply.id, call_item.nonce()) {
                (Some(id), Some(nonce)) => self.memory.set_attempt(&uid, nonce, Attempt::Made(id.clone())),
                _ => Self::sweep_since(&kind_state, self.shared.now()),
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
            match secrets::store(&self.shared.client, valid, &to, &reply.secret, nonce).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(kind = K::KIND, error = %refusal::brief(&error), attempt, "output Secret not written");
                    self.shared.events.say_refusal(valid, &error);
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
            let uid = call_item.object.uid().unwrap_or_default();
            let doubtful = self.note_attempt(call_item, &uid, in_part, error);
            match retry_groups.get(i) {
                Some(retry_group) => {
                    self.memory.set_cohort(&uid, *retry_group);
                    // some of the batch may have been carried out
                    if let (Some(id), false) = (&call_item.id, call_item.change.repeatable()) {
                        kind_state.mirror.doubt(id);
                    }
                }
                None => self.refused(access, call_item, error, doubtful, spread),
            }
        }
    }

    /// Writes down what is known of a create that failed; true if it may have taken effect.
    fn note_attempt(&self, call_item: &CallItem<K>, uid: &str, in_part: bool, error: &Error) -> bool {
        let doubtful = response::may_have_happened(error, call_item.change.repeatable());
        if let (true, false, Some(nonce)) = (call_item.makes(), doubtful, call_item.nonce()) {
            let in_part = in_part || self.memory.retry_group(uid).is_some();
            let attempt = if in_part { Attempt::Refused(self.shared.now()) } else { Attempt::Unsent };
            self.memory.set_attempt(uid, nonce, attempt);
        }
        doubtful
    }

    fn refused(
        &self,
        access: &Access,
        call_item: &CallItem<K>,
        error: &Error,
        doubtful: bool,
        spread: pause::Spread,
    ) {
        let kind_state = access.session.kind_state::<K>();
        if let Some(id) = &call_item.id {
            if call_item.ends && matches!(error, Error::NotFound { .. }) {
                return kind_state.mirror.forget(id);
            }
            // what was refused may have been asked for because of a row that is old
            if doubtful
                || matches!(error, Error::NotFound { .. } | Error::Conflict { .. } | Error::Rejected { .. })
            {
                kind_state.mirror.doubt(id);
                kind_state.mirror.doubt_parts(id);
            }
        } else if doubtful || matches!(error, Error::Conflict { .. }) {
            Self::sweep_since(&kind_state, self.shared.now());
        }
        let mut verdict = Verdict::from(error);
        if let Error::Rejected { .. } = error {
            // emnify's text rarely names the field; the change does
            verdict.message = format!("{}: {error}", call_item.change);
            self.reject(call_item, &call_item.object.uid().unwrap_or_default(), verdict.message.clone());
        }
        self.fail(&access.caller, call_item.doing(), &call_item.object, error, &verdict, spread);
    }

    /// Remembers a refused request, and for how long it is not sent again.
    fn reject(&self, call_item: &CallItem<K>, uid: &str, message: String) {
        let digest = digest(&call_item.change, &call_item.inputs);
        let before = call_item.status.as_ref().and_then(|s| s.common().rejected.clone());
        let before = self.memory.rejected(uid).or(before).filter(|r| r.digest == digest);
        let tries = before.map_or(1, |r| r.tries.unwrap_or(1).saturating_add(1));
        let until =
            pause::after(self.shared.now(), pause::slow_net(u32::try_from(tries).unwrap_or(u32::MAX)));
        let not_before = Some(rejected::date(until));
        self.memory.reject(uid, Rejected { digest, message, tries: Some(tries), not_before });
    }

    /// One table decides what follows from an error.
    pub(super) fn failed(&self, caller: &Caller, doing: Doing, object: &Decoded<K>, error: &Error) {
        self.fail(caller, doing, object, error, &Verdict::from(error), pause::Spread::draw());
    }

    /// The same where several failed together.
    pub(super) fn fail(
        &self,
        caller: &Caller,
        doing: Doing,
        object: &Decoded<K>,
        error: &Error,
        verdict: &Verdict,
        spread: pause::Spread,
    ) {
        tracing::warn!(kind = K::KIND, object = %named(object), %error, "call failed");
        let uid = object.uid().unwrap_or_default();
        caller.failed::<K>(doing, &uid, error, self.shared.now());
        self.memory.failed_with(&uid, verdict, object.meta().generation, self.shared.now(), spread);
    }
}
