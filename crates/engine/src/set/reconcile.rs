//! The Kubernetes side of a set: finalizer, text, status, and a place in the queue.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Resource, ResourceExt, runtime::controller::Action};

use super::{
    controller::SetController,
    counts::{self, SetPhase},
    decide::{Decided, Work},
    rollout::Next,
    state::{COUNTERS_EVERY, LISTING_EVERY},
};
use crate::{
    cluster::{
        definition,
        object::{item, named, patch_finalizers},
        status::WriteError,
        watch::Reconciled,
    },
    decide::error_policy,
    kind::{
        Change, FINALIZER, Managed, Source, Status,
        decoded::Decoded,
        object_key::Named,
        reason::{self, annotation},
        set::ObjectSet,
    },
    session::{past::new_intent, pause},
};

/// Text from a `ConfigMap` is read again when it is older than this.
const TEXT_KEPT: SignedDuration = SignedDuration::from_secs(30);
/// After a conflict with another writer.
const SOON: Duration = Duration::from_secs(1);

/// The status under construction.
struct Draft<F: ObjectSet> {
    before: Option<F::Status>,
    status: F::Status,
    version: String,
    /// Holds an intent: nothing may have changed meanwhile.
    guarded: bool,
    /// Has to be written before anything is sent.
    urgent: bool,
}

impl<F: ObjectSet> SetController<F> {
    /// One look at one set.
    pub(super) async fn reconcile_object(
        self: &Arc<Self>,
        object: &Decoded<F>,
    ) -> Result<Reconciled, kube::Error> {
        let (before, version) = self.overlay.newest(object);
        let status = before.clone().unwrap_or_default();
        // what another shard may have written meanwhile is not overwritten
        let guarded = self.shared.settings.sharded && self.access_of(object).is_err();
        let mut draft = Draft { before, status, version, guarded, urgent: false };
        self.note_references(object);
        self.handle_refresh(object, &mut draft);
        if let Some(action) =
            definition::check(object, (&self.shared, &self.memory), &self.terminating).await?
        {
            return Ok(Reconciled { action, step: ("Wait", "") });
        }
        self.look_text(object).await?;
        let decided = self.decide(object, &draft.status, true);
        self.note_going(object);
        let step = decided.name();
        let action = match decided {
            Decided::Nothing => Ok(Action::await_change()),
            Decided::AddFinalizer => {
                let mut finalizers = object.finalizers().to_vec();
                finalizers.push(FINALIZER.to_owned());
                patch_finalizers(&self.shared.client, object, &draft.version, finalizers).await
            }
            Decided::RemoveFinalizer { orphaned } => self.let_go(object, &draft, orphaned).await,
            Decided::Say(phase) => self.say(object, draft, &phase).await,
            Decided::Work(work) => self.carry_out(object, draft, *work).await,
        };
        Ok(Reconciled { action: action?, step })
    }

    /// Nothing can be done now; text that is missing is looked for again.
    async fn say(
        &self,
        object: &Decoded<F>,
        mut draft: Draft<F>,
        phase: &SetPhase,
    ) -> Result<Action, kube::Error> {
        let now = self.shared.now();
        let tells = self.tell(object, phase, now);
        counts::conditions(phase, object.meta().generation, draft.status.common_mut(), now);
        if let Some(again) = self.write(object, &draft).await? {
            return Ok(again);
        }
        // what ends a wait for a listing is certain to come, and yet nothing hangs on it alone
        let observing = (phase.name().1 == reason::OBSERVING).then(pause::a_minute);
        let again = Self::text_wake(object).into_iter().chain(observing).chain(tells).min();
        Ok(again.map_or_else(net, Action::requeue))
    }

    async fn carry_out(
        self: &Arc<Self>,
        object: &Decoded<F>,
        mut draft: Draft<F>,
        work: Work<F>,
    ) -> Result<Action, kube::Error> {
        let now = self.shared.now();
        Self::account(object, &mut draft, &work);
        Self::keep_activations(&mut draft, &work, now);
        Self::keep_refused(&mut draft, &work);
        counts::conditions(&work.phase, object.meta().generation, draft.status.common_mut(), now);
        if let Some(valid) = object.valid().filter(|_| work.counted) {
            valid.report(&work.tally, &mut draft.status);
        }
        let tells = self.tell(object, &work.phase, now);
        let wait = Self::counters_wait(object, &draft, &work, now);
        if wait.is_none()
            && let Some(again) = self.write(object, &draft).await?
        {
            return Ok(again);
        }
        if draft.guarded {
            self.trigger_again(object, "an intent was written");
            return Ok(Action::await_change());
        }
        let asks = Self::enqueue(object, &work, now);
        let wake = work.wake.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        let again =
            wake.into_iter().chain(wait).chain(asks).chain(tells).chain(Self::text_wake(object)).min();
        Ok(again.map_or_else(net, |wait| Action::requeue(wait.max(Duration::from_millis(100)))))
    }

    /// Pins where the set lives, opens an intent before creates, and closes it when all of them are accounted for.
    fn account(object: &Decoded<F>, draft: &mut Draft<F>, work: &Work<F>) {
        let common = draft.status.common_mut();
        if common.organisation_id.is_none() {
            common.organisation_id = Some(work.entry.session.organisation.clone());
            common.workspace = Some(work.workspace.clone());
            draft.guarded = true;
        }
        let deleting = object.meta().deletion_timestamp.is_some();
        let mut set = work.entry.set.lock();
        if matches!(work.next_call.next, Next::RecordIntent) && common.intent.is_none() {
            let intent = new_intent(&work.entry.session);
            set.intent = Some(intent.nonce.clone());
            common.intent = Some(intent);
            draft.guarded = true;
        } else if work.accounted && !deleting && common.intent.take().is_some() {
            set.intent = None;
            draft.guarded = true;
        }
    }

    /// Activations are written down before they are sent, so that a restart allows no second window of them.
    fn keep_activations(draft: &mut Draft<F>, work: &Work<F>, now: Timestamp) {
        let starting = match &work.next_call.next {
            Next::Send(items, _) => {
                items.iter().filter(|call_item| call_item.change.activates()).map(|_| 1).sum()
            }
            _ => 0,
        };
        let mut set = work.entry.set.lock();
        let entry = match work.rollout.max_activations {
            Some(limit) => {
                set.roster.reserve(starting, limit.window, now);
                set.roster.kept_activations()
            }
            None => Vec::new(),
        };
        drop(set);
        let before = F::activated(&draft.status);
        F::keep_activated(&mut draft.status, &entry);
        let more = |all: &[(Timestamp, u64)]| all.iter().map(|(_, n)| n).sum::<u64>();
        draft.urgent |= more(&entry) > more(&before);
    }

    /// What emnify refused is written down as soon as it is known.
    fn keep_refused(draft: &mut Draft<F>, work: &Work<F>) {
        let entry = work.entry.set.lock().roster.kept_refusals();
        let before = F::refused(&draft.status);
        draft.urgent |= entry.iter().any(|refused| !before.contains(refused));
        F::keep_refused(&mut draft.status, entry);
    }

    /// Who the set refers to, by name.
    fn note_references(&self, object: &Decoded<F>) {
        let Some(valid) = object.valid() else { return };
        let namespace = object.namespace().unwrap_or_default();
        let targets = valid.inputs().into_iter().filter_map(|input| match input.source {
            Source::Object { kind, name } => Some(Named { kind, namespace: namespace.clone(), name }),
            _ => None,
        });
        for target in self.shared.references.set(&named(object), targets.collect()) {
            self.shared.trigger(&target, "an object no longer refers to it");
        }
    }

    /// A new value of the refresh annotation: refusals are forgotten and everybody is assessed anew.
    fn handle_refresh(&self, object: &Decoded<F>, draft: &mut Draft<F>) {
        let Some(asked) = object.annotations().get(annotation::REFRESH).cloned() else { return };
        let common = draft.status.common_mut();
        if common.last_handled_refresh_at.as_ref() == Some(&asked) {
            return;
        }
        let Ok(access) = self.access_of(object) else { return };
        common.last_handled_refresh_at = Some(asked);
        F::keep_refused(&mut draft.status, Vec::new());
        self.memory.refresh(&object.uid().unwrap_or_default());
        let entry = self.keep(object, &access);
        let mut set = entry.set.lock();
        set.roster.failures.clear();
        set.roster.accepted.clear();
        set.roster.doubt_all();
        set.basis = None;
        drop(set);
        entry.session.kind_state::<F::Member>().sweep.notify_one();
    }

    /// Reads the text of the choice, by name, unless it is fresh.
    async fn look_text(&self, object: &Decoded<F>) -> Result<(), kube::Error> {
        let Some(of) = object.valid().and_then(ObjectSet::text) else { return Ok(()) };
        let Ok(access) = self.access_of(object) else { return Ok(()) };
        let (entry, now) = (self.keep(object, &access), self.shared.now());
        let fresh = {
            let set = entry.set.lock();
            let read = set.text.read.filter(|_| set.text.of.as_ref() == Some(&of));
            read.is_some_and(|at| now.duration_since(at) < TEXT_KEPT)
        };
        if fresh {
            return Ok(());
        }
        let api: Api<ConfigMap> =
            Api::namespaced(self.shared.client.clone(), &object.namespace().unwrap_or_default());
        let (found, forbidden) = match api.get_opt(&of.config_map).await {
            Ok(found) => (found, false),
            Err(kube::Error::Api(e)) if e.code == 403 => (None, true),
            Err(error) => return Err(error),
        };
        let mut set = entry.set.lock();
        set.text.version = found.as_ref().and_then(ResourceExt::resource_version);
        set.text.value = found.and_then(|map| map.data?.remove(&of.key));
        set.text.forbidden = forbidden;
        set.text.of = Some(of);
        set.text.read = Some(now);
        Ok(())
    }

    /// Sets that read text look again when it may have changed.
    fn text_wake(object: &Decoded<F>) -> Option<Duration> {
        object.valid().and_then(ObjectSet::text).map(|_| TEXT_KEPT.unsigned_abs() + SOON)
    }

    /// While only counters changed: how long to wait before they are written.
    fn counters_wait(
        object: &Decoded<F>,
        draft: &Draft<F>,
        work: &Work<F>,
        now: Timestamp,
    ) -> Option<Duration> {
        let before = draft.before.as_ref()?;
        let says = |common: &crate::kind::spec::CommonStatus| {
            let of = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
                (c.type_.clone(), c.status.clone(), c.reason.clone())
            };
            let mut all: Vec<_> = common.conditions.iter().map(of).collect();
            all.sort();
            (all, common.observed_generation)
        };
        if draft.guarded
            || draft.urgent
            || draft.status == *before
            || object.meta().deletion_timestamp.is_some()
        {
            return None;
        }
        let mut set = work.entry.set.lock();
        let due = set.told.and_then(|at| at.checked_add(COUNTERS_EVERY).ok()).filter(|at| *at > now);
        match due {
            Some(at) if says(before.common()) == says(draft.status.common()) => {
                Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
            }
            _ => {
                set.told = Some(now);
                None
            }
        }
    }

    async fn write(&self, object: &Decoded<F>, draft: &Draft<F>) -> Result<Option<Action>, kube::Error> {
        if draft.before.as_ref() == Some(&draft.status) {
            return Ok(None);
        }
        match self.shared.writer.write(object, &draft.version, &draft.status, draft.guarded).await {
            Ok(stored) => {
                self.overlay.wrote(&stored);
                Ok(None)
            }
            Err(WriteError::Changed) => Ok(Some(Action::requeue(SOON))),
            Err(WriteError::Kube(error)) => Err(error),
        }
    }

    /// Queues what has to be sent or read in emnify; how long a listing is waited for, if one is asked for.
    fn enqueue(object: &Decoded<F>, work: &Work<F>, now: Timestamp) -> Option<Duration> {
        let session = &work.entry.session;
        let group = match &work.next_call.next {
            Next::Rest | Next::RecordIntent => return None,
            Next::Sweep => {
                let mut set = work.entry.set.lock();
                if set.ask(now) {
                    session.kind_state::<F::Member>().sweep.notify_one();
                }
                return Some(LISTING_EVERY.unsigned_abs());
            }
            Next::Read(_) | Next::ReadParts(..) => None,
            Next::Send(..) => F::Member::FACTS.serial,
        };
        session.queue.push(item(object), work.next_call.lane, group, None);
        None
    }

    /// Says what a person should know; how long until the set has to look again, if that is later.
    fn tell(&self, object: &Decoded<F>, phase: &SetPhase, now: Timestamp) -> Option<Duration> {
        let waits = if let SetPhase::Wait(told, _) = phase { Some(told.reason) } else { None };
        let since = self.memory.waits_since(&object.uid().unwrap_or_default(), waits, now);
        let told = match phase {
            SetPhase::Wait(told, waiting) => {
                let at = error_policy::told_at(told.reason, *waiting, since)?;
                if at > now {
                    return Duration::try_from(at.duration_since(now)).ok();
                }
                told
            }
            SetPhase::Stall(told) => told,
            SetPhase::Drifted(_) | SetPhase::Settled => return None,
        };
        self.shared.events.say(object, true, told.reason, &told.message);
        None
    }

    /// When the set begins to go, those who want what it has hear of it.
    fn note_going(&self, object: &Decoded<F>) {
        let (uid, goes) = (object.uid().unwrap_or_default(), object.meta().deletion_timestamp.is_some());
        if !(self.memory.shows_anew(&uid, None, goes) && goes) {
            return;
        }
        for other in self.sharers(&uid) {
            self.shared.trigger(&other.into(), "a set that has what it wants goes");
        }
    }

    async fn let_go(
        &self,
        object: &Decoded<F>,
        draft: &Draft<F>,
        orphaned: bool,
    ) -> Result<Action, kube::Error> {
        let finalizers: Vec<String> =
            object.finalizers().iter().filter(|f| *f != FINALIZER).cloned().collect();
        if orphaned {
            self.shared.events.say(object, false, reason::ORPHANED, "left its members behind in emnify");
        }
        let done = patch_finalizers(&self.shared.client, object, &draft.version, finalizers).await?;
        self.forget(&object.uid().unwrap_or_default());
        Ok(done)
    }

    fn trigger_again(&self, object: &Decoded<F>, why: &str) {
        self.trigger(&object.namespace().unwrap_or_default(), &object.name_any(), why);
    }
}

fn net() -> Action {
    Action::requeue(pause::safety_net())
}
