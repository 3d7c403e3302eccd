//! What the answer to a call means: for the mirror, the memory of the object, and who goes alone from now on.

use emnify::Error;
use kube::{Resource, ResourceExt};

use super::{
    super::{Controller, decide::digest, memory::Attempt, named},
    call::Load,
};
use crate::{
    answer,
    caller::{Access, Caller},
    decoded::Decoded,
    kind::{BatchKey, Change, Managed, Reply, Status, Verb},
    pause, reason, refusal, rejected,
    role::Doing,
    secrets,
    spec::Rejected,
    taken,
    verdict::Verdict,
};

impl<K: Managed> Controller<K> {
    pub(super) async fn succeeded(&self, access: &Access, load: &Load<K>, reply: Reply<K>) {
        let session = &*access.session;
        self.shared.allowed::<K>(&access.caller, load.doing());
        let shelf = session.shelf::<K>();
        let uid = load.object.uid().unwrap_or_default();
        self.keep_secret(load, &reply).await;
        self.memory.succeeded(&uid);
        if load.id.is_some() && load.change.class().verb == Verb::Update {
            let (generation, what) = (load.object.meta().generation, taken::correction(&load.change));
            self.memory.accepted(&uid, generation, what, self.shared.now());
        }
        let settled = load.status.as_ref().is_some_and(|s| s.common().settled_generation.is_some());
        // until it is in step for the first time, what is sent belongs to its making
        if load.change.class().verb == Verb::Update && settled {
            self.shared.events.say(&*load.object, false, reason::UPDATED, &load.change.to_string());
        }
        if load.makes() {
            match (&reply.id, load.nonce()) {
                (Some(id), Some(nonce)) => self.memory.set_attempt(&uid, nonce, Attempt::Made(id.clone())),
                _ => Self::sweep_since(&shelf, self.shared.now()),
            }
        }
        let id = load.id.as_ref();
        answer::learn::<K>(session, id, &load.change, reply, load.ends);
        if let Some(id) = id {
            self.wake_waiting(session, id);
        }
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
        loads: &[Load<K>],
        error: &Error,
    ) {
        let session = &access.session;
        let shelf = session.shelf::<K>();
        if let (Error::Capacity { .. }, Some(key)) = (error, key) {
            shelf.forget_room(key);
        }
        let halves = loads.len() > 1 && answer::may_be_one_items_fault(error);
        let in_part = halves || (loads.len() > 1 && matches!(error, Error::Capacity { .. }));
        let cohorts = if halves { answer::parted(&session.cohorts, loads.len(), error) } else { Vec::new() };
        if halves {
            tracing::warn!(kind = K::KIND, items = loads.len(), %error, "bulk call failed, halved");
        }
        let spread = pause::Spread::draw();
        for (i, load) in loads.iter().enumerate() {
            let uid = load.object.uid().unwrap_or_default();
            let doubtful = self.note_attempt(load, &uid, in_part, error);
            match cohorts.get(i) {
                Some(cohort) => {
                    self.memory.set_cohort(&uid, *cohort);
                    // some of the batch may have been carried out
                    if let (Some(id), false) = (&load.id, load.change.repeatable()) {
                        shelf.mirror.doubt(id);
                    }
                }
                None => self.refused(access, load, error, doubtful, spread),
            }
        }
    }

    /// Writes down what is known of a create that failed; true if it may have taken effect.
    fn note_attempt(&self, load: &Load<K>, uid: &str, in_part: bool, error: &Error) -> bool {
        let doubtful = answer::may_have_happened(error, load.change.repeatable());
        if let (true, false, Some(nonce)) = (load.makes(), doubtful, load.nonce()) {
            let in_part = in_part || self.memory.cohort(uid).is_some();
            let attempt = if in_part { Attempt::Refused(self.shared.now()) } else { Attempt::Unsent };
            self.memory.set_attempt(uid, nonce, attempt);
        }
        doubtful
    }

    fn refused(&self, access: &Access, load: &Load<K>, error: &Error, doubtful: bool, spread: pause::Spread) {
        let shelf = access.session.shelf::<K>();
        if let Some(id) = &load.id {
            if load.ends && matches!(error, Error::NotFound { .. }) {
                return shelf.mirror.forget(id);
            }
            // what was refused may have been asked for because of a row that is old
            if doubtful
                || matches!(error, Error::NotFound { .. } | Error::Conflict { .. } | Error::Rejected { .. })
            {
                shelf.mirror.doubt(id);
                shelf.mirror.doubt_parts(id);
            }
        } else if doubtful || matches!(error, Error::Conflict { .. }) {
            Self::sweep_since(&shelf, self.shared.now());
        }
        let mut verdict = Verdict::from(error);
        if let Error::Rejected { .. } = error {
            // emnify's text rarely names the field; the change does
            verdict.message = format!("{}: {error}", load.change);
            self.reject(load, &load.object.uid().unwrap_or_default(), verdict.message.clone());
        }
        self.fail(&access.caller, load.doing(), &load.object, error, &verdict, spread);
    }

    /// Remembers a refused request, and for how long it is not sent again.
    fn reject(&self, load: &Load<K>, uid: &str, message: String) {
        let digest = digest(&load.change, &load.inputs);
        let before = load.status.as_ref().and_then(|s| s.common().rejected.clone());
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
