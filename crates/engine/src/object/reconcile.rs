//! The Kubernetes side of a step; the emnify side is queued.

use std::{sync::Arc, time::Duration};

use emnify::Lane;
use jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{
    Controller,
    decide::{Decision, SecretLook},
    draft::Draft,
    item, named,
};
use crate::{
    cluster::{
        definition,
        memory::Attempt,
        object::{fallback_status, patch_finalizers, workspace_of},
        secrets,
        status::WriteError,
        watch::Reconciled,
    },
    decide::{
        error_policy,
        known::{Explanation, SecretState, Step},
        object, ready,
    },
    kind::{
        Change, FINALIZER, Have, Id, Managed, Status,
        decoded::Decoded,
        reason::{self, annotation},
        spec::Rejected,
    },
    metrics::Drift,
    session::{Access, Session, mirror::Known, past, pause, queue::BatchHint},
};

/// A step of the work that is over sooner than this is not written into the status.
const PASSING: Duration = Duration::from_secs(2);
/// The same for what an own create made, while its next call is on the way: the intent in the status tells whose it is.
const MADE: Duration = Duration::from_secs(10);
/// After a conflict with another writer.
const SOON: Duration = Duration::from_secs(1);
/// A listing that should show what a create made, and did not, is asked for again after this time.
const LISTED_AGAIN: Duration = Duration::from_secs(90);

impl<K: Managed> Controller<K> {
    /// One look at one object.
    pub(super) async fn reconcile_object(
        self: &Arc<Self>,
        object: &Decoded<K>,
    ) -> Result<Reconciled, kube::Error> {
        let now = self.shared.now();
        let mut draft = self.draft(object);
        self.note_references(object);
        self.handle_refresh(object, &mut draft);
        if self.memory.take_forgiven(&object.uid().unwrap_or_default()) {
            draft.status.common_mut().rejected = None;
        }
        if let Some(action) =
            definition::check(object, (&self.shared, &self.memory), &self.terminating).await?
        {
            return Ok(Reconciled { action, step: ("Wait", "") });
        }
        let secret = self.read_secret(object).await?;
        let shown = draft.status.common().id.clone();
        let mut decision = self.decide_ahead(object, &mut draft, &secret, now).await?;
        self.note_shown(object, shown.as_deref(), decision.session.as_deref());
        ready::conditions(&decision.step, object.meta().generation, &mut draft.status, now);
        let tells = self.tell_events(object, &decision.step, now);
        decision.deferred_until = decision.deferred_until.into_iter().chain(tells).min();
        self.note_drift(object, &decision);
        // what another shard may have written meanwhile is not overwritten
        draft.guarded |= self.shared.settings.sharded && decision.session.is_none();
        let step = decision.step.name();
        Ok(Reconciled { action: self.act(object, decision, draft, now).await?, step })
    }

    /// An edit of an object that is in step otherwise is queued for emnify before its look: looks have no lanes, and
    /// thousands of new objects may be waiting for theirs. The look follows and says what became of it.
    pub(super) fn hurry(self: &Arc<Self>, object: &Decoded<K>) {
        let (status, _) = self.overlay.newest(object);
        let (Some(valid), Some(status)) = (object.valid(), status) else { return };
        let common = status.common();
        let edited = common.id.is_some()
            && common.settled_generation.is_some()
            && common.settled_generation != object.meta().generation;
        // a Secret has to be looked at first, and so has the definition of what is being deleted
        let plain = valid.output().is_none() && object.meta().deletion_timestamp.is_none();
        if !(edited && plain && self.shared.is_open()) {
            return;
        }
        let decision = self.decide(object, Some(&status), &(SecretState::NotNeeded, None), self.shared.now());
        if let Step::Apply(..) = decision.step {
            self.enqueue(object, &decision, &status, self.shared.now(), None);
        }
    }

    /// Does the Kubernetes side of the step.
    async fn act(
        self: &Arc<Self>,
        object: &Decoded<K>,
        decision: Decision<K>,
        mut draft: Draft<K>,
        now: Timestamp,
    ) -> Result<Action, kube::Error> {
        let uid = object.uid().unwrap_or_default();
        match &decision.step {
            Step::Nothing => return Ok(Action::await_change()),
            Step::AddFinalizer => return self.add_finalizer(object).await,
            Step::RemoveFinalizer { orphaned } => {
                let left = orphaned.then_some(Left::AsTold);
                return self.remove_finalizer(object, &draft, left).await;
            }
            Step::LeaveBehind(users) => {
                return self.remove_finalizer(object, &draft, Some(Left::UsedBy(users))).await;
            }
            Step::ReserveSecret => {
                if let (Some(valid), Some(to)) = (object.valid(), object.valid().and_then(Managed::output)) {
                    secrets::reserve(&self.shared.client, valid, &to).await?;
                }
            }
            Step::Differs { have, .. } => Self::report(object, have.as_ref(), &decision, &mut draft),
            Step::UpToDate { have, .. } => {
                self.memory.in_step(&uid, now);
                if let Some(caller) = &decision.caller {
                    caller.guard.finish(&uid);
                }
                Self::report(object, Some(have), &decision, &mut draft);
            }
            Step::Wait(told, _) | Step::Stall(told) => Self::withdraw(object, &decision, told),
            // the draft holds them
            Step::RecordIntent
            | Step::ClearIntent
            | Step::Bind { .. }
            // emnify's side, queued below
            | Step::Read(_)
            | Step::ReadParts(..)
            | Step::Create(_)
            | Step::Apply(..)
            | Step::Retire(..) => {}
        }
        let again = matches!(
            decision.step,
            Step::ReserveSecret | Step::RecordIntent | Step::ClearIntent | Step::Bind { .. }
        );
        if let Some(pause) = self.may_pass(&draft, &decision.step, &uid, now) {
            self.enqueue(object, &decision, &draft.status, now, None);
            return Ok(Action::requeue(pause));
        }
        match self.write(object, &draft).await {
            Ok(()) => self.memory.not_passing(&uid),
            Err(WriteError::Changed) => return Ok(Action::requeue(SOON)),
            Err(WriteError::Kube(error)) => return Err(error),
        }
        if let Some(bound) = &draft.bound {
            self.memory.end_attempt(&uid);
            if let Some(session) = decision.session.as_ref().filter(|_| bound.made) {
                session.hints.bound();
            }
            self.tell_bound(object, bound);
            self.note_shown(object, draft.status.common().id.as_deref(), decision.session.as_deref());
        }
        if again {
            self.trigger_again(object);
            return Ok(Action::await_change());
        }
        self.enqueue(object, &decision, &draft.status, now, None);
        Ok(self.next_look(&decision, &draft.status, object, now))
    }

    /// A difference that nobody made by editing the object is counted when it is first seen, and when it is gone.
    fn note_drift(&self, object: &Decoded<K>, decision: &Decision<K>) {
        let uid = object.uid().unwrap_or_default();
        let drift = match &decision.step {
            Step::Apply(..) if decision.edited => return,
            Step::Apply(..) | Step::Differs { have: Some(_), .. } => Drift::Found,
            Step::UpToDate { .. } => Drift::Corrected,
            _ => return,
        };
        if self.memory.differs_anew(&uid, drift == Drift::Found) {
            self.shared.metrics.drifted(K::KIND, drift, 1);
        }
    }

    fn draft(&self, object: &Decoded<K>) -> Draft<K> {
        let (mut before, version) = self.overlay.newest(object);
        if before.is_none()
            && let Decoded::Invalid(u) = object
        {
            let mut status = K::Status::default();
            *status.common_mut() = u.status.clone();
            before = Some(status);
        }
        let mut status = before.clone().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        if let Some(rejected) = self.memory.rejected(&uid) {
            status.common_mut().rejected = Some(rejected);
        }
        Draft { before, status, version, guarded: false, bound: None }
    }

    /// Who this object refers to, by name.
    fn note_references(&self, object: &Decoded<K>) {
        let Some(valid) = object.valid() else { return };
        let namespace = object.namespace().unwrap_or_default();
        let targets = valid.inputs().into_iter().filter_map(|input| match input.source {
            crate::kind::Source::Object { kind, name } => {
                Some(crate::kind::object_key::Named { kind, namespace: namespace.clone(), name })
            }
            _ => None,
        });
        for target in self.shared.references.set(&named(object), targets.collect()) {
            self.shared.trigger(&target, "an object no longer refers to it");
        }
    }

    /// Referrers hear of a new id and of a deletion; so do those who want what it has.
    fn note_shown(&self, object: &Decoded<K>, id: Option<&str>, session: Option<&Session>) {
        let uid = object.uid().unwrap_or_default();
        let deleting = object.meta().deletion_timestamp.is_some();
        if self.memory.shows_anew(&uid, id, deleting) {
            for referrer in self.shared.references.referrers(&named(object)) {
                self.shared.trigger(&referrer, "an object it refers to changed");
            }
            for other in session.filter(|_| deleting).into_iter().flat_map(|s| s.claims.sharers(&uid)) {
                self.shared.trigger(&other.into(), "an object that has what it wants goes");
            }
        }
    }

    /// A new value of the refresh annotation: refusals are forgotten and everything is read anew. It is a person's consent,
    /// and is handled only once it is known what it is given to.
    fn handle_refresh(&self, object: &Decoded<K>, draft: &mut Draft<K>) {
        let Some(asked) = object.annotations().get(annotation::REFRESH).cloned() else { return };
        let common = draft.status.common_mut();
        if common.last_handled_refresh_at.as_ref() == Some(&asked) {
            return;
        }
        let Ok(access) = workspace_of(&self.shared, object, common).state else { return };
        let id = common.id.as_deref().map(Id::parse);
        let kind_state = access.session.kind_state::<K>();
        let known = id.as_ref().map(|id| kind_state.mirror.get(id));
        let unseen = id.as_ref().is_some_and(|id| !K::FACTS.has_read && kind_state.mirror.row(id).is_none());
        let uid = object.uid().unwrap_or_default();
        let read = || self.memory.trouble(&uid, object.meta().generation).is_none();
        match known {
            Some(Known::Unknown) => return,
            // its read is on the way, unless it fails
            Some(Known::Doubt) if !unseen && read() => return,
            _ => {}
        }
        common.last_handled_refresh_at = Some(asked);
        common.rejected = None;
        self.memory.refresh(&uid);
        let (Some(id), Some(known)) = (id, known) else { return };
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
            Some((valid, to)) => match secrets::read(&self.shared.client, valid, &to).await {
                // the right to read it may go before the object, with its namespace
                Err(kube::Error::Api(e)) if e.code == 403 && object.meta().deletion_timestamp.is_some() => {
                    Ok((SecretState::Missing, None))
                }
                read => read,
            },
            None => Ok((SecretState::NotNeeded, None)),
        }
    }

    fn report(object: &Decoded<K>, have: Option<&Have<K>>, decision: &Decision<K>, draft: &mut Draft<K>) {
        let (Some(valid), Some(have), Some(session)) = (object.valid(), have, &decision.session) else {
            return;
        };
        let id = K::id(&have.row);
        let news = session.kind_state::<K>().mirror.news(&id).map(|(news, _)| news);
        valid.report(have, news.as_ref(), &mut draft.status);
    }

    /// The object has nothing to send now, so it no longer counts towards the guard.
    fn withdraw(object: &Decoded<K>, decision: &Decision<K>, told: &Explanation) {
        let Some(caller) = decision.caller.as_ref().filter(|_| told.reason != reason::GUARD_TRIPPED) else {
            return;
        };
        let (uid, generation) =
            (object.uid().unwrap_or_default(), object.meta().generation.unwrap_or_default());
        match decision.step {
            // it may want the same again as soon as emnify is read, or a pause is over
            Step::Wait(..) if told.reason != reason::SUSPENDED => caller.guard.pause(&uid, generation),
            _ => caller.guard.withdraw(&uid),
        }
    }

    async fn write(&self, object: &Decoded<K>, draft: &Draft<K>) -> Result<(), WriteError> {
        if draft.before.as_ref() == Some(&draft.status) {
            return Ok(());
        }
        let stored = self.shared.writer.write(object, &draft.version, &draft.status, draft.guarded).await?;
        self.overlay.wrote(&stored);
        Ok(())
    }

    /// What is different is only which step is under way, and the next one is likely to follow soon: for how long nothing
    /// is written.
    fn may_pass(&self, draft: &Draft<K>, step: &Step<K>, uid: &str, now: Timestamp) -> Option<Duration> {
        let passes = |before: &K::Status| *before != draft.status && ready::is_passing(before, &draft.status);
        let goes_on = draft.bound.as_ref().is_some_and(|bound| bound.made) && matches!(step, Step::Apply(..));
        let most = match &draft.before {
            _ if goes_on => MADE,
            Some(before) if !draft.guarded && passes(before) => PASSING,
            _ => return None,
        };
        let passed = now.duration_since(self.memory.passing_since(uid, now)).unsigned_abs();
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
        now: Timestamp,
        together: Option<usize>,
    ) {
        let (Some(session), Some(caller)) = (&decision.session, &decision.caller) else { return };
        let uid = object.uid().unwrap_or_default();
        let paused = self.memory.paused(&uid, object.meta().generation, now);
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
                changes.first().and_then(|change| self.batch_hint(session, caller, &uid, change))?;
            Some(BatchHint {
                full: together.map_or(batch_hint.full, |all| all.min(batch_hint.full)),
                ..batch_hint
            })
        };
        let (lane, group, batch_hint) = match &decision.step {
            Step::UpToDate { have, .. } | Step::Differs { have: Some(have), .. } => {
                let pause = paused.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
                return Self::rotate(session, object, have, status, &decision.inputs, pause);
            }
            _ if paused.is_some() => return,
            // only a listing shows what it is like, and wakes it
            Step::Read(_) if !K::FACTS.has_read => {
                Self::wait_on_sweep(session, &named(object));
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
        let uid = object.uid().unwrap_or_default();
        if decision.open {
            if decision.session.as_ref().is_some_and(|s| s.queue.carries(&uid)) {
                // its answer is on the way, and wakes the object
                return net();
            }
            return self
                .account_for(decision, object, now)
                .map_or_else(Action::await_change, |at| Action::requeue(until(at, now)));
        }
        let ends = match &decision.step {
            Step::UpToDate { wake_at, .. } => *wake_at,
            Step::Stall(told) if told.reason == reason::REJECTED => {
                status.common().rejected.as_ref().and_then(Rejected::until)
            }
            Step::Stall(told) if told.reason == reason::NOT_TAKEN => self.memory.undone_until(&uid, now),
            // it ends with a change of another object, which not everything tells of
            Step::Stall(told) if told.reason == reason::OWNERSHIP_CONFLICT => {
                Some(pause::after(now, pause::a_minute()))
            }
            // what ends these is certain to come, and yet nothing hangs on it alone
            Step::Wait(told, _) if [reason::OBSERVING, reason::IN_USE].contains(&told.reason) => {
                let grown = object::grows_up(object_created(object))
                    .filter(|at| *at > now && told.reason == reason::IN_USE);
                Some(pause::after(now, pause::a_minute())).into_iter().chain(grown).min()
            }
            Step::Read(_) if !K::FACTS.has_read => Some(pause::after(now, pause::a_minute())),
            _ => None,
        };
        let paused = self.memory.paused(&uid, object.meta().generation, now);
        let next = ends.into_iter().chain(paused).chain(decision.deferred_until).filter(|at| *at > now).min();
        next.map_or_else(net, |at| Action::requeue(until(at, now)))
    }

    /// An open create: a listing begun after it was sent, and one begun after its deadline, settle the matter.
    fn account_for(&self, decision: &Decision<K>, object: &Decoded<K>, now: Timestamp) -> Option<Timestamp> {
        let session = decision.session.as_ref()?;
        let (status, _) = self.overlay.newest(object);
        let intent = status?.common().intent.clone()?;
        let since: Timestamp = match self.memory.attempt(&object.uid()?, &intent.nonce) {
            Some(Attempt::Made(_)) => return None, // its row is being read
            Some(Attempt::Sent(at)) => at,
            Some(Attempt::Refused(at)) => {
                Self::sweep_since(&session.kind_state::<K>(), at);
                return Some(pause::after(now, LISTED_AGAIN));
            }
            _ => past::acts_since(self.shared.opened_at(), session, now),
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

    /// Says what a person should know; returns when to look again, if that is later.
    fn tell_events(&self, object: &Decoded<K>, step: &Step<K>, now: Timestamp) -> Option<Timestamp> {
        let waits = if let Step::Wait(told, _) = step { Some(told.reason) } else { None };
        let since = self.memory.waits_since(&object.uid().unwrap_or_default(), waits, now);
        let told = match step {
            Step::Wait(told, waiting) => {
                let at = error_policy::told_at(told.reason, *waiting, since)?;
                if at > now {
                    return Some(at);
                }
                told
            }
            Step::Stall(told) | Step::Differs { told, .. } => told,
            _ => return None,
        };
        self.shared.events.say(object, true, told.reason, &told.message);
        None
    }

    async fn add_finalizer(&self, object: &Decoded<K>) -> Result<Action, kube::Error> {
        let mut finalizers = object.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        let (_, version) = self.overlay.newest(object);
        patch_finalizers(&self.shared.client, object, &version, finalizers).await
    }

    async fn remove_finalizer(
        &self,
        object: &Decoded<K>,
        draft: &Draft<K>,
        left: Option<Left<'_>>,
    ) -> Result<Action, kube::Error> {
        let finalizers: Vec<String> =
            object.finalizers().iter().filter(|f| *f != FINALIZER).cloned().collect();
        if let Some(id) = &draft.status.common().id {
            let kind = K::KIND;
            let (warns, reason, what) = match left {
                None => (false, reason::DELETED, format!("deleted {kind} {id} in emnify")),
                Some(Left::AsTold) => (false, reason::ORPHANED, format!("left behind {kind} {id} in emnify")),
                Some(Left::UsedBy(users)) => {
                    let what = format!(
                        "left behind {kind} {id} in emnify: it is used there by {users}, which no object here manages; delete it there when nothing uses it any more"
                    );
                    tracing::warn!(kind, object = %named(object), "{what}");
                    (true, reason::ORPHANED, what)
                }
            };
            self.shared.events.say(object, warns, reason, &what);
        }
        let (_, version) = self.overlay.newest(object);
        let done = patch_finalizers(&self.shared.client, object, &version, finalizers).await?;
        self.forget(object, &object.uid().unwrap_or_default());
        Ok(done)
    }

    fn trigger_again(&self, object: &Decoded<K>) {
        self.trigger(&object.namespace().unwrap_or_default(), &object.name_any(), "next step");
    }

    /// The object is gone or let go.
    pub(super) fn forget(&self, object: &Decoded<K>, uid: &str) {
        let (status, _) = self.overlay.newest(object);
        if let Some(common) = status.as_ref().map(Status::common)
            && let (Some(id), Some(organisation)) = (&common.id, &common.organisation_id)
        {
            self.drop_owner(organisation, &Id::parse(id), object);
        }
        let fallback = fallback_status(object);
        let resolved = workspace_of(&self.shared, object, status.as_ref().map_or(&fallback, Status::common));
        if let Ok(Access { session, caller }) = resolved.state {
            caller.guard.finish(uid);
            session.scrub.remove(uid);
            for next in session.claims.release(uid) {
                self.shared.trigger(&next.into(), "a claim was released");
            }
        }
        self.waits_no_more(&named(object));
        self.memory.forget(uid);
        self.overlay.forget(uid);
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

/// From now until then, and never nothing.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default().max(Duration::from_millis(100))
}

fn net() -> Action {
    Action::requeue(pause::safety_net())
}
