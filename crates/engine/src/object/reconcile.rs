//! The Kubernetes side of a step; the emnify side is queued.

use std::{sync::Arc, time::Duration};

use emnify::Lane;
use jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{Controller, decide::Decision, item, recognise::SecretLook, scrub::Rotating};
use crate::{
    cluster::{
        memory::Attempt,
        reconcile::{Draft, Finding, KindContext},
        secrets,
        watch::Reconciled,
    },
    decide::{
        known::{Explanation, SecretState, Step},
        ready, rules,
    },
    kind::{Change, Have, Id, Managed, Status, Warning, decoded::Decoded, reason, spec::Rejected},
    metrics::Drift,
    session::{Access, Session, mirror::Known, past, pause, queue::BatchHint},
};

/// A step of the work that is over sooner than this is not written into the status.
const PASSING: Duration = Duration::from_secs(2);
/// The same for what an own create made, while its next call is on the way: the intent in the status tells whose it is.
const MADE: Duration = Duration::from_secs(10);
/// A listing that should show what a create made, and did not, is asked for again after this time.
const LISTED_AGAIN: Duration = Duration::from_secs(90);

impl<K: Managed> Controller<K> {
    /// One look at one object.
    pub(super) async fn reconcile_object(
        self: &Arc<Self>,
        object: &Decoded<K>,
    ) -> Result<Reconciled, kube::Error> {
        let now = self.kube.now();
        let mut draft = self.kube.draft(object);
        if let Some(rejected) = self.kube.memory.rejected(object.uid()) {
            draft.status.common_mut().rejected = Some(rejected.into());
        }
        if let Some(carried) = self.kube.memory.carried(object.uid()) {
            draft.status.common_mut().carry(carried);
        }
        if let Some(valid) = object.valid() {
            self.kube.note_references(object, valid.inputs());
        }
        self.handle_refresh(object, &mut draft);
        if self.kube.memory.take_forgiven(object.uid()) {
            draft.status.common_mut().rejected = None;
        }
        if let Some(action) = self.kube.check_definition(object).await? {
            return Ok(Reconciled { action, step: ("Wait", "") });
        }
        let secret = self.read_secret(object).await?;
        let shown = draft.status.common().id.clone();
        let mut decision = self.decide_ahead(object, &mut draft, &secret, now).await?;
        self.note_shown(object, shown.as_deref(), decision.session.as_deref());
        ready::conditions(&decision.step, object.meta().generation, &mut draft.status, now);
        if matches!(decision.step, Step::UpToDate { .. } | Step::Differs { .. }) {
            ready::settle_date(draft.status.common_mut(), decision.dates.passed);
        }
        let tells = self.kube.tell(object, finding(&decision.step), now);
        decision.deferred_until = decision.deferred_until.into_iter().chain(tells).min();
        self.note_drift(object, &decision);
        // what another shard may have written meanwhile is not overwritten
        draft.guarded |= self.kube.shared.settings.sharded && decision.session.is_none();
        let step = decision.step.name();
        Ok(Reconciled { action: self.act(object, decision, draft, now).await?, step })
    }

    /// An edit of an object that is in step otherwise is queued for emnify before its look: looks have no lanes, and
    /// thousands of new objects may be waiting for theirs. The look follows and says what became of it.
    pub(super) fn hurry(self: &Arc<Self>, object: &Decoded<K>) {
        let (status, _) = self.kube.newest(object);
        let (Some(valid), Some(status)) = (object.valid(), status) else { return };
        let common = status.common();
        let edited = common.id.is_some()
            && common.settled_generation.is_some()
            && common.settled_generation != object.meta().generation;
        // a Secret has to be looked at first, and so has the definition of what is being deleted
        let plain = valid.output().is_none() && object.meta().deletion_timestamp.is_none();
        if !(edited && plain && self.kube.shared.is_open()) {
            return;
        }
        let decision = self.decide(object, Some(&status), &(SecretState::NotNeeded, None), self.kube.now());
        if let Step::Apply(..) = decision.step {
            self.enqueue(object, &decision, &status, None);
        }
    }

    /// Does the Kubernetes side of the step, and queues the side of emnify. Finalizers are alone in a look; otherwise the draft of
    /// the status is completed and written before anything is queued, so that nothing is sent that the status does not tell of. A
    /// status that would be overtaken within a moment is not written: what follows is queued, and the look comes again. Where
    /// the status has moved (an intent, an id), the next look goes on from there.
    async fn act(
        self: &Arc<Self>,
        object: &Decoded<K>,
        decision: Decision<K>,
        mut draft: Draft<K>,
        now: Timestamp,
    ) -> Result<Action, kube::Error> {
        match &decision.step {
            Step::Nothing => return Ok(Action::await_change()),
            Step::AddFinalizer => return self.kube.set_finalizer(object, true).await,
            Step::RemoveFinalizer { orphaned } => {
                let left = orphaned.then_some(Left::AsTold);
                return self.remove_finalizer(object, &draft, left).await;
            }
            Step::LeaveBehind(users) => {
                return self.remove_finalizer(object, &draft, Some(Left::UsedBy(users))).await;
            }
            Step::ReserveSecret => {
                if let (Some(valid), Some(to)) = (object.valid(), object.valid().and_then(Managed::output)) {
                    secrets::reserve(&self.kube.shared.client, valid, &to).await?;
                }
            }
            _ => self.tell_step(object, &decision, &mut draft, now),
        }
        let again = matches!(
            decision.step,
            Step::ReserveSecret | Step::RecordIntent | Step::ClearIntent | Step::Bind { .. }
        );
        if let Some(pause) = self.may_pass(object, &draft, &decision, now) {
            self.enqueue(object, &decision, &draft.status, None);
            return Ok(Action::requeue(pause));
        }
        if let Some(again) = self.kube.write(object, &draft).await? {
            return Ok(again);
        }
        self.written(object, &decision, &draft, now);
        if again {
            self.trigger_again(object);
            return Ok(Action::await_change());
        }
        self.enqueue(object, &decision, &draft.status, None);
        Ok(self.next_look(&decision, &draft.status, object, now))
    }

    /// What the step says of the object goes into the draft.
    fn tell_step(&self, object: &Decoded<K>, decision: &Decision<K>, draft: &mut Draft<K>, now: Timestamp) {
        match &decision.step {
            Step::Differs { have, .. } => Self::report(object, have.as_ref(), decision, draft, now),
            Step::UpToDate { have, .. } => {
                self.kube.memory.in_step(object.uid(), now);
                if let Some(caller) = &decision.caller {
                    caller.guard.finish(object.uid());
                }
                Self::carried_out(decision, have);
                Self::report(object, Some(have), decision, draft, now);
                let used = decision.inputs.digests();
                draft.status.common_mut().keep_inputs(|path| used.contains_key(path));
            }
            Step::Busy { have, busy, .. } => {
                Self::withdraw(object, decision, &busy.told);
                Self::report(object, Some(have), decision, draft, now);
            }
            Step::Broken { have, told, .. } => {
                Self::withdraw(object, decision, told);
                Self::carried_out(decision, have);
                Self::report(object, Some(have), decision, draft, now);
            }
            Step::Wait(told, _) | Step::Stall(told) => Self::withdraw(object, decision, told),
            // of Kubernetes alone
            Step::Nothing
            | Step::AddFinalizer
            | Step::RemoveFinalizer { .. }
            | Step::LeaveBehind(_)
            | Step::ReserveSecret
            // the draft holds them
            | Step::RecordIntent
            | Step::ClearIntent
            | Step::Bind { .. }
            // emnify's side, which is queued
            | Step::Read(_)
            | Step::ReadParts(..)
            | Step::Create(_)
            | Step::Apply(..)
            | Step::Retire(..) => {}
        }
    }

    /// The status is written: what it tells is known from now on, by people too.
    fn written(&self, object: &Decoded<K>, decision: &Decision<K>, draft: &Draft<K>, now: Timestamp) {
        let uid = object.uid();
        self.kube.memory.not_passing(uid);
        self.kube.memory.told_of(uid, draft.status.common());
        self.tell_concern(object, draft, now);
        if let Some(bound) = &decision.bound {
            self.kube.memory.end_attempt(uid);
            if let Some(session) = decision.session.as_ref().filter(|_| bound.made) {
                session.hints.bound();
            }
            self.tell_bound(object, bound);
            self.note_shown(object, draft.status.common().id.as_deref(), decision.session.as_deref());
        }
    }

    /// The generation has come in step: what is doubtful about it is told, once however often the process starts.
    fn tell_concern(&self, object: &Decoded<K>, draft: &Draft<K>, now: Timestamp) {
        let settled = |status: &K::Status| status.common().settled_generation;
        let came = draft.before.as_ref().and_then(settled) != settled(&draft.status);
        let Some(generation) =
            object.meta().generation.filter(|generation| came && settled(&draft.status) == Some(*generation))
        else {
            return;
        };
        if let Some((reason, note)) = object.valid().and_then(Managed::concern) {
            let key = format!("{reason}-{generation}");
            self.kube.shared.events.say_once(object, &Warning { reason, note: &note, key: &key }, now);
        }
    }

    /// A difference that nobody made by editing the object is counted when it is first seen, and when it is gone.
    fn note_drift(&self, object: &Decoded<K>, decision: &Decision<K>) {
        let uid = object.uid();
        let drift = match &decision.step {
            Step::Apply(..) if decision.edited => return,
            Step::Apply(..) | Step::Differs { have: Some(_), .. } => Drift::Found,
            Step::UpToDate { .. } => Drift::Corrected,
            _ => return,
        };
        if self.kube.memory.differs_anew(uid, drift == Drift::Found) {
            self.kube.shared.metrics.drifted(K::KIND, drift, 1);
        }
    }

    /// Referrers hear of a new id and of a deletion; so do those who want what it has.
    fn note_shown(&self, object: &Decoded<K>, id: Option<&str>, session: Option<&Session>) {
        let uid = object.uid();
        let deleting = object.meta().deletion_timestamp.is_some();
        if self.kube.memory.shows_anew(uid, id, deleting) {
            for referrer in self.kube.shared.references.referrers(&object.key()) {
                self.kube.shared.trigger(&referrer, "an object it refers to changed");
            }
            for other in session.filter(|_| deleting).into_iter().flat_map(|s| s.claims.sharers(uid)) {
                self.kube.shared.trigger(&other, "an object that has what it wants goes");
            }
        }
    }

    /// A new value of the refresh annotation: refusals are forgotten and everything is read anew. It is a person's consent,
    /// and is handled only once it is known what it is given to.
    fn handle_refresh(&self, object: &Decoded<K>, draft: &mut Draft<K>) {
        let common = draft.status.common_mut();
        let Some(asked) = KindContext::refresh_asked(object, common) else { return };
        let Ok(access) = self.kube.access(object) else { return };
        let id = common.id.as_deref().map(Id::parse);
        let kind_state = access.session.kind_state::<K>();
        let known = id.as_ref().map(|id| kind_state.mirror.get(id));
        let unseen = id.as_ref().is_some_and(|id| !K::FACTS.has_read && kind_state.mirror.row(id).is_none());
        let uid = object.uid();
        let trouble = || self.kube.memory.trouble(uid, object.meta().generation);
        let read = || trouble().is_none_or(|trouble| trouble.reason == reason::OBSERVING);
        match known {
            Some(Known::Unknown) => return,
            // its read is on the way, unless it fails
            Some(Known::Doubt) if !unseen && read() => return,
            _ => {}
        }
        common.last_handled_refresh_at = Some(asked);
        common.rejected = None;
        self.kube.memory.refresh(uid);
        let (Some(id), Some(known)) = (id, known) else { return };
        kind_state.mirror.carried_out(&id);
        let unseen = unseen && matches!(known, Known::Doubt);
        if unseen || matches!(known, Known::Absent) {
            // gone for good, and a person wants it anew
            common.id = None;
            common.provenance = None;
            draft.guarded = true;
        } else {
            kind_state.mirror.doubt(&id);
            kind_state.mirror.doubt_parts(&id);
        }
    }

    pub(super) async fn read_secret(&self, object: &Decoded<K>) -> Result<SecretLook, kube::Error> {
        match object.valid().and_then(|valid| Some((valid, valid.output()?))) {
            Some((valid, to)) => match secrets::read(&self.kube.shared.client, valid, &to).await {
                // the right to read it may go before the object, with its namespace
                Err(kube::Error::Api(e)) if e.code == 403 && object.meta().deletion_timestamp.is_some() => {
                    Ok((SecretState::Missing, None))
                }
                read => read,
            },
            None => Ok((SecretState::NotNeeded, None)),
        }
    }

    /// What emnify accepted shows.
    fn carried_out(decision: &Decision<K>, have: &Have<K>) {
        if let Some(session) = &decision.session {
            session.kind_state::<K>().mirror.carried_out(&K::id(&have.row));
        }
    }

    fn report(
        object: &Decoded<K>,
        have: Option<&Have<K>>,
        decision: &Decision<K>,
        draft: &mut Draft<K>,
        now: Timestamp,
    ) {
        let (Some(valid), Some(have), Some(session)) = (object.valid(), have, &decision.session) else {
            return;
        };
        let id = K::id(&have.row);
        let news = session.kind_state::<K>().mirror.news(&id).map(|(news, _)| news);
        K::note(have, now, &mut draft.status);
        valid.report(have, news.as_ref(), &mut draft.status);
    }

    /// The object has nothing to send now, so it no longer counts towards the guard.
    fn withdraw(object: &Decoded<K>, decision: &Decision<K>, told: &Explanation) {
        let Some(caller) = decision.caller.as_ref().filter(|_| told.reason != reason::GUARD_TRIPPED) else {
            return;
        };
        let (uid, generation) = (object.uid(), object.meta().generation.unwrap_or_default());
        match decision.step {
            // it may want the same again as soon as emnify is read, or a pause is over
            Step::Wait(..) | Step::Busy { .. } if told.reason != reason::SUSPENDED => {
                caller.guard.pause(uid, generation);
            }
            _ => caller.guard.withdraw(uid),
        }
    }

    /// What is different is only which step is under way, and the next one is likely to follow soon: for how long nothing
    /// is written.
    fn may_pass(
        &self,
        object: &Decoded<K>,
        draft: &Draft<K>,
        decision: &Decision<K>,
        now: Timestamp,
    ) -> Option<Duration> {
        let passes = |before: &K::Status| *before != draft.status && ready::is_passing(before, &draft.status);
        let made = decision.bound.as_ref().is_some_and(|bound| bound.made);
        let goes_on = made && matches!(decision.step, Step::Apply(..));
        let most = match &draft.before {
            _ if goes_on => MADE,
            Some(before) if !draft.guarded && passes(before) => PASSING,
            _ => return None,
        };
        let passed = now.duration_since(self.kube.memory.passing_since(object.uid(), now)).unsigned_abs();
        most.checked_sub(passed).filter(|rest| !rest.is_zero())
    }

    /// Queues what has to be sent or read in emnify: the one door. Nobody comes through whose last attempt failed before
    /// its pause is over, whatever it was and whatever asks for more. Where so many are queued `together`, they wait for no
    /// others.
    pub(super) fn enqueue(
        &self,
        object: &Decoded<K>,
        decision: &Decision<K>,
        status: &K::Status,
        together: Option<usize>,
    ) {
        let (Some(session), Some(caller)) = (&decision.session, &decision.caller) else { return };
        let now = self.kube.now();
        let uid = object.uid();
        let paused = self.kube.memory.paused(uid, object.meta().generation, now);
        let deleting = object.meta().deletion_timestamp.is_some();
        let edit = if status.common().settled_generation.is_none() && !deleting {
            // still being brought up: nobody relies on it yet
            Lane::Create
        } else if decision.edited || deleting {
            Lane::Interactive
        } else {
            Lane::Repair
        };
        let lane_of = |changes: &[K::Change]| {
            if changes.iter().any(|c| c.class().urgent) { Lane::Safety } else { edit }
        };
        let batch_hint = |changes: &[K::Change]| {
            let batch_hint =
                changes.first().and_then(|change| self.batch_hint(session, caller, uid, change))?;
            Some(BatchHint {
                full: together.map_or(batch_hint.full, |all| all.min(batch_hint.full)),
                ..batch_hint
            })
        };
        let (lane, group, batch_hint) = match &decision.step {
            Step::UpToDate { have, .. } | Step::Differs { have: Some(have), .. } => {
                let pause = paused.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
                let inputs = &decision.inputs;
                let status = Some(status);
                return Rotating { session, caller, object, have, status, inputs, now }.put(pause);
            }
            _ if paused.is_some() => return,
            Step::Busy { have, busy, .. } => {
                let kind_state = session.kind_state::<K>();
                if !busy.rest(kind_state.mirror.age(&K::id(&have.row))).is_zero() {
                    return;
                }
                if !K::FACTS.has_read {
                    Self::wait_on_sweep(session, &object.key());
                    return kind_state.sweep.notify_one();
                }
                (edit, None, None)
            }
            // only a listing shows what it is like, and wakes it
            Step::Read(_) if !K::FACTS.has_read => {
                Self::wait_on_sweep(session, &object.key());
                return session.kind_state::<K>().sweep.notify_one();
            }
            // an event or a listing asks for it, and nobody waits
            Step::Read(_) if edit == Lane::Repair => (Lane::Hints, None, None),
            Step::Read(_) | Step::ReadParts(..) => (edit, None, None),
            Step::Create(change) => (Lane::Create, K::FACTS.serial, batch_hint(std::slice::from_ref(change))),
            Step::Apply(_, changes) | Step::Retire(_, changes) => {
                (lane_of(changes), K::FACTS.serial, batch_hint(changes))
            }
            _ => return,
        };
        session.queue.push(item(object), lane, group, batch_hint);
    }

    fn next_look(
        &self,
        decision: &Decision<K>,
        status: &K::Status,
        object: &Decoded<K>,
        now: Timestamp,
    ) -> Action {
        let uid = object.uid();
        if decision.open {
            if decision.session.as_ref().is_some_and(|s| s.queue.carries(uid)) {
                // its answer is on the way, and wakes the object
                return Action::requeue(pause::until_look(None));
            }
            return self.account_for(decision, object, now).map_or_else(Action::await_change, |at| {
                Action::requeue(pause::until_look(Some(pause::until(at, now))))
            });
        }
        let ends = match &decision.step {
            Step::UpToDate { wake_at, .. } | Step::Broken { wake_at, .. } => *wake_at,
            Step::Busy { have, busy, .. } => {
                let mirror = decision.session.as_ref().map(|session| session.kind_state::<K>());
                let age = mirror.and_then(|kind_state| kind_state.mirror.age(&K::id(&have.row)));
                Some(pause::after(now, busy.rest(age))).into_iter().chain(busy.wake_at).min()
            }
            Step::Stall(told) if told.reason == reason::UNSETTLED => {
                let id = status.common().id.as_deref().map(Id::parse);
                let kind_state = decision.session.as_ref().map(|session| session.kind_state::<K>());
                let again = id.zip(kind_state).and_then(|(id, state)| state.mirror.sent_again_in(&id));
                again.map(|again| pause::after(now, again))
            }
            Step::Stall(told) if told.reason == reason::REJECTED => {
                status.common().rejected.as_deref().and_then(Rejected::until)
            }
            Step::Stall(told) if told.reason == reason::NOT_TAKEN => self.kube.memory.undone_until(uid, now),
            // it ends with a change of another object, which not everything tells of
            Step::Stall(told) if told.reason == reason::OWNERSHIP_CONFLICT => {
                Some(pause::after(now, pause::a_minute()))
            }
            // what ends these is certain to come, and yet nothing hangs on it alone
            Step::Wait(told, _) if [reason::OBSERVING, reason::IN_USE].contains(&told.reason) => {
                let grown = rules::grows_up(object_created(object))
                    .filter(|at| *at > now && told.reason == reason::IN_USE);
                Some(pause::after(now, pause::a_minute())).into_iter().chain(grown).min()
            }
            Step::Read(_) if !K::FACTS.has_read => Some(pause::after(now, pause::a_minute())),
            _ => None,
        };
        let paused = self.kube.memory.paused(uid, object.meta().generation, now);
        let others = paused.into_iter().chain(decision.deferred_until).chain(decision.dates.next);
        let next = ends.into_iter().chain(others).filter(|at| *at > now).min();
        Action::requeue(pause::until_look(next.map(|at| pause::until(at, now))))
    }

    /// An open create: a listing begun after it was sent, and one begun after its deadline, settle the matter.
    fn account_for(&self, decision: &Decision<K>, object: &Decoded<K>, now: Timestamp) -> Option<Timestamp> {
        let session = decision.session.as_ref()?;
        let (status, _) = self.kube.newest(object);
        let intent = status?.common().intent.clone()?;
        let since: Timestamp = match self.kube.memory.attempt(object.uid(), &intent.nonce) {
            Some(Attempt::Made(_)) => return None, // its row is being read
            Some(Attempt::Sent(at)) => at,
            Some(Attempt::Refused(at)) => {
                Self::sweep_since(&session.kind_state::<K>(), at);
                return Some(pause::after(now, LISTED_AGAIN));
            }
            _ => past::acts_since(self.kube.shared.opened_at(), session, now),
        };
        let kind_state = session.kind_state::<K>();
        let deadline = past::proof(since);
        if now >= deadline {
            Self::sweep_since(&kind_state, deadline);
            return Some(pause::after(now, LISTED_AGAIN));
        }
        Self::sweep_since(&kind_state, since);
        Some(deadline)
    }

    async fn remove_finalizer(
        &self,
        object: &Decoded<K>,
        draft: &Draft<K>,
        left: Option<Left<'_>>,
    ) -> Result<Action, kube::Error> {
        if let Some(id) = &draft.status.common().id {
            let kind = K::KIND;
            let (warns, reason, what) = match left {
                None => (false, reason::DELETED, format!("deleted {kind} {id} in emnify")),
                Some(Left::AsTold) => (false, reason::ORPHANED, format!("left behind {kind} {id} in emnify")),
                Some(Left::UsedBy(users)) => {
                    let what = format!(
                        "left behind {kind} {id} in emnify: it is used there by {users}, which no object here manages; delete it there when nothing uses it any more"
                    );
                    tracing::warn!(kind, object = %object.key(), "{what}");
                    (true, reason::ORPHANED, what)
                }
            };
            self.kube.shared.events.say(object, warns, reason, &what);
        }
        let done = self.kube.set_finalizer(object, false).await?;
        self.forget(object);
        Ok(done)
    }

    fn trigger_again(&self, object: &Decoded<K>) {
        self.kube.trigger(&object.key(), "next step");
    }

    /// The object is gone or let go.
    pub(super) fn forget(&self, object: &Decoded<K>) {
        let (uid, common) = (object.uid(), self.kube.common(object));
        if let (Some(id), Some(organisation)) = (&common.id, &common.organisation_id) {
            self.drop_owner(organisation, &Id::parse(id), object);
        }
        if let Ok(Access { session, caller }) = self.kube.access(object) {
            caller.guard.finish(uid);
            session.scrub.remove(uid);
            for next in session.claims.release(uid) {
                self.kube.shared.trigger(&next, "a claim was released");
            }
        }
        self.waits_no_more(&object.key());
        self.kube.forget(uid);
    }
}

/// What of a step people may have to hear of.
fn finding<K: Managed>(step: &Step<K>) -> Finding<'_> {
    match step {
        Step::Wait(told, waiting) => Finding::Waits(told, *waiting),
        Step::Busy { busy, .. } => Finding::Waits(&busy.told, busy.waiting),
        Step::Stall(told) | Step::Broken { told, .. } | Step::Differs { told, .. } => Finding::Says(told),
        _ => Finding::Fine,
    }
}

/// When the object was made.
fn object_created<K: Managed>(object: &Decoded<K>) -> Option<Timestamp> {
    object.creation_timestamp().map(|at| at.0)
}

/// Why an emnify object stays when its object goes.
enum Left<'a> {
    /// Its policy or an annotation says so.
    AsTold,
    /// emnify does not delete it, because of these that are nobody's here.
    UsedBy(&'a str),
}
