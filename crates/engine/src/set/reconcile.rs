//! The Kubernetes side of a set: finalizer, text, status, and a place in the queue.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Resource, runtime::controller::Action};

use super::{
    controller::SetController,
    counts::{self, SetPhase},
    decide::{Decided, Work},
    rollout::Next,
    state::{COUNTERS_EVERY, LISTING_EVERY},
};
use crate::{
    cluster::{
        object::item,
        reconcile::{Draft, KindContext},
        text::{TEXT_KEPT, Text},
        watch::Reconciled,
    },
    kind::{
        Change, Managed, Status,
        decoded::Decoded,
        reason::{self},
        set::ObjectSet,
    },
    session::{past::new_intent, pause},
};

/// After a conflict with another writer.
const SOON: Duration = Duration::from_secs(1);

impl<F: ObjectSet> SetController<F> {
    /// One look at one set.
    pub(super) async fn reconcile_object(
        self: &Arc<Self>,
        object: &Decoded<F>,
    ) -> Result<Reconciled, kube::Error> {
        let mut draft = self.kube.draft(object);
        // what another shard may have written meanwhile is not overwritten
        draft.guarded = self.kube.shared.settings.sharded && self.kube.access(object).is_err();
        if let Some(valid) = object.valid() {
            self.kube.note_references(object, valid.inputs());
        }
        self.handle_refresh(object, &mut draft);
        if let Some(action) = self.kube.check_definition(object).await? {
            return Ok(Reconciled { action, step: ("Wait", "") });
        }
        self.look_text(object).await?;
        let decided = self.decide(object, &draft.status, true);
        self.note_going(object);
        let step = decided.name();
        let action = match decided {
            Decided::Nothing => Ok(Action::await_change()),
            Decided::AddFinalizer => self.kube.set_finalizer(object, true).await,
            Decided::RemoveFinalizer { orphaned } => self.let_go(object, orphaned).await,
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
        let now = self.kube.now();
        let tells = self.kube.tell(object, phase.finding(), now).map(|at| pause::until(at, now));
        let dates = object.valid().map(|valid| valid.dates(now)).unwrap_or_default();
        counts::conditions(phase, object.meta().generation, draft.status.common_mut(), dates, now);
        if let Some(again) = self.kube.write(object, &draft).await? {
            return Ok(again);
        }
        // what ends a wait for a listing is certain to come, and yet nothing hangs on it alone
        let observing = (phase.name().1 == reason::OBSERVING).then(pause::a_minute);
        let again = Self::text_wake(object).into_iter().chain(observing).chain(tells).min();
        Ok(Action::requeue(pause::until_look(again)))
    }

    async fn carry_out(
        self: &Arc<Self>,
        object: &Decoded<F>,
        mut draft: Draft<F>,
        work: Work<F>,
    ) -> Result<Action, kube::Error> {
        let now = self.kube.now();
        Self::account(object, &mut draft, &work);
        let activates = Self::keep_activations(&mut draft, &work, now);
        let refused = Self::keep_refused(&mut draft, &work);
        let dates = object.valid().map(|valid| valid.dates(now)).unwrap_or_default();
        counts::conditions(&work.phase, object.meta().generation, draft.status.common_mut(), dates, now);
        if let Some(valid) = object.valid().filter(|_| work.counted) {
            valid.report(&work.tally, &mut draft.status);
        }
        let tells = self.kube.tell(object, work.phase.finding(), now).map(|at| pause::until(at, now));
        let urgent = activates || refused || draft.guarded;
        let wait = if urgent { None } else { Self::counters_wait(object, &draft, &work, now) };
        if wait.is_none()
            && let Some(again) = self.kube.write(object, &draft).await?
        {
            return Ok(again);
        }
        if draft.guarded {
            self.kube.trigger(&object.key(), "an intent was written");
            return Ok(Action::await_change());
        }
        let asks = Self::enqueue(object, &work, now);
        let wake = work.wake.into_iter().chain(dates.next).min();
        let wake = wake.map(|at| pause::until(at, now));
        let again =
            wake.into_iter().chain(wait).chain(asks).chain(tells).chain(Self::text_wake(object)).min();
        Ok(Action::requeue(pause::until_look(again)))
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
            common.intent = Some(intent.into());
            draft.guarded = true;
        } else if work.accounted && !deleting && common.intent.take().is_some() {
            set.intent = None;
            draft.guarded = true;
        }
    }

    /// Activations are written down before they are sent, so that a restart allows no second window of them; true if there
    /// are more.
    fn keep_activations(draft: &mut Draft<F>, work: &Work<F>, now: Timestamp) -> bool {
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
        more(&entry) > more(&before)
    }

    /// What emnify refused is written down as soon as it is known; true if there is more.
    fn keep_refused(draft: &mut Draft<F>, work: &Work<F>) -> bool {
        let entry = work.entry.set.lock().roster.kept_refusals();
        let before = F::refused(&draft.status);
        let more = entry.iter().any(|refused| !before.contains(refused));
        F::keep_refused(&mut draft.status, entry);
        more
    }

    /// A new value of the refresh annotation: refusals are forgotten and everybody is assessed anew.
    fn handle_refresh(&self, object: &Decoded<F>, draft: &mut Draft<F>) {
        let common = draft.status.common_mut();
        let Some(asked) = KindContext::refresh_asked(object, common) else { return };
        let Ok(access) = self.kube.access(object) else { return };
        common.last_handled_refresh_at = Some(asked);
        F::keep_refused(&mut draft.status, Vec::new());
        self.kube.memory.refresh(object.uid());
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
        let Ok(access) = self.kube.access(object) else { return Ok(()) };
        let (entry, now) = (self.keep(object, &access), self.kube.now());
        if entry.set.lock().text.is_fresh(&of, now) {
            return Ok(());
        }
        let text = Text::read(&self.kube.shared.client, object.namespace(), of, now).await?;
        entry.set.lock().text = text;
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
        if draft.status == *before || object.meta().deletion_timestamp.is_some() {
            return None;
        }
        let mut set = work.entry.set.lock();
        let due = set.told.and_then(|at| at.checked_add(COUNTERS_EVERY).ok()).filter(|at| *at > now);
        match due {
            Some(at) if says(before.common()) == says(draft.status.common()) => Some(pause::until(at, now)),
            _ => {
                set.told = Some(now);
                None
            }
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

    /// When the set begins to go, those who want what it has hear of it.
    fn note_going(&self, object: &Decoded<F>) {
        let (uid, goes) = (object.uid(), object.meta().deletion_timestamp.is_some());
        if !(self.kube.memory.shows_anew(uid, None, goes) && goes) {
            return;
        }
        for other in self.sharers(uid) {
            self.kube.shared.trigger(&other, "a set that has what it wants goes");
        }
    }

    async fn let_go(&self, object: &Decoded<F>, orphaned: bool) -> Result<Action, kube::Error> {
        if orphaned {
            self.kube.shared.events.say(object, false, reason::ORPHANED, "left its members behind in emnify");
        }
        let done = self.kube.set_finalizer(object, false).await?;
        self.forget(object.uid());
        Ok(done)
    }
}
