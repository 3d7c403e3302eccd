//! Gathers what is known about a set and asks the plan. Synchronous: nothing here waits.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
};

use emnify::Lane;
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

use super::{
    Candidates, Fleet, Rollout, Tally,
    assess::{Measure, Rival},
    controller::{FleetController, Kept},
    plan::{self, Bounds, Next, Outlook},
    refusals, send,
    settle::{self, Stage},
    state::{Basis, Set},
};
use crate::{
    caller::Access,
    controller::{
        object::{named, subject, workspace_of},
        past::{self, HELD},
        resolve::{self, Unresolved},
    },
    decoded::Decoded,
    kind::{BatchKey, Change, Id, Input, Invalid, Kind, Managed, Source, Status},
    plan::{Subject, Told, Trouble, is_young, other_organisation},
    reason,
    role::{self, Doing},
    session::{Session, Shelf},
    spec::{DeletionPolicy, ManagementPolicy, WorkspaceRef},
    verdict::{Effect, Waiting},
};

/// A hundred thousand members take so many calls per round, whatever a single call then takes.
const CALLS_PER_ROUND: usize = 50;

/// What was decided for a set.
pub(super) enum Decided<F: Fleet> {
    /// Nothing, and nothing is written.
    Nothing,
    AddFinalizer,
    RemoveFinalizer {
        orphaned: bool,
    },
    /// Something else has to happen first, or a person must act.
    Say(Stage),
    /// It is worked on.
    Work(Box<Work<F>>),
}

impl<F: Fleet> Decided<F> {
    /// Something else has to happen first, and who is Ready stays so.
    fn keep(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Say(Stage::Wait(Told::new(reason, message), Waiting::Keep))
    }

    /// A person must act.
    fn stall(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Say(Stage::Stall(Told::new(reason, message)))
    }

    /// Its name, and the reason that it tells, for what counts steps.
    pub(super) fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("Nothing", ""),
            Self::AddFinalizer => ("AddFinalizer", ""),
            Self::RemoveFinalizer { .. } => ("RemoveFinalizer", ""),
            Self::Say(stage) => stage.name(),
            Self::Work(work) => work.stage.name(),
        }
    }
}

/// What a set needs, and how it stands.
pub(super) struct Work<F: Fleet> {
    pub(super) kept: Kept<F>,
    pub(super) workspace: WorkspaceRef,
    pub(super) outlook: Outlook<F>,
    pub(super) rollout: Rollout,
    pub(super) stage: Stage,
    pub(super) tally: Tally,
    /// The tally knows what emnify says of each member.
    pub(super) counted: bool,
    /// Every create is accounted for.
    pub(super) accounted: bool,
    pub(super) wake: Option<Timestamp>,
}

/// What a listing that was asked for left in doubt is read one by one within this time.
const LISTING_HOLDS: SignedDuration = SignedDuration::from_secs(600);

type Base<F> = Option<super::MemberWant<F>>;

impl<F: Fleet> FleetController<F> {
    /// Decides what the set needs next; with `look`, also counts it.
    pub(super) fn decide(&self, object: &Decoded<F>, status: &F::Status, look: bool) -> Decided<F> {
        match self.gate(object, status) {
            Ok((valid, access, workspace)) => {
                self.work(object, &valid, status, &access, workspace, look).unwrap_or_else(|step| step)
            }
            Err(step) => step,
        }
    }

    /// What has to be so before anything is sent: the first rows of the plan's table.
    fn gate<'a>(
        &self,
        object: &'a Decoded<F>,
        status: &F::Status,
    ) -> Result<(Cow<'a, F>, Access, WorkspaceRef), Decided<F>> {
        let common = status.common();
        let subject = subject(object, common);
        if subject.deleting && !subject.finalizer {
            return Err(Decided::Nothing);
        }
        if subject.deleting && self.orphans(&subject) {
            return Err(Decided::RemoveFinalizer { orphaned: common.organisation_id.is_some() });
        }
        let resolved = workspace_of(&self.shared, object, common);
        if let (Ok(Access { session, .. }), Some(pinned)) = (&resolved.state, &common.organisation_id)
            && session.organisation != *pinned
        {
            return Err(Decided::Say(Stage::Stall(other_organisation(pinned, &session.organisation))));
        }
        let valid = match object {
            Decoded::Valid(valid) => Cow::Borrowed(&**valid),
            // whoever is of the set is marked so, and may leave whatever the spec says
            Decoded::Invalid(set) if subject.deleting && common.intent.is_none() => {
                Cow::Owned(F::salvage(set))
            }
            Decoded::Invalid(set) => {
                let message =
                    format!("the object cannot be decoded, update the CRD or the operator: {}", set.error);
                return Err(Decided::stall(reason::UNDECODABLE, message));
            }
        };
        let suspended = subject.suspended || subject.common.management() == ManagementPolicy::Suspend;
        if suspended && !subject.deleting {
            return Err(Decided::keep(reason::SUSPENDED, "suspended on request"));
        }
        let access = resolved.state.map_err(|why| Decided::keep(reason::WORKSPACE_NOT_READY, why))?;
        let observes = subject.common.management() == ManagementPolicy::Observe;
        if !subject.finalizer && !observes {
            return Err(Decided::AddFinalizer);
        }
        Ok((valid, access, resolved.workspace))
    }

    /// Nothing is to be retired, or nothing may be.
    fn orphans(&self, subject: &Subject<'_>) -> bool {
        subject.force_orphan
            || self.terminating.load(Ordering::Relaxed)
            || subject.common.management() == ManagementPolicy::Observe
            || subject.common.deletion_policy == Some(DeletionPolicy::Orphan)
            || subject.status.organisation_id.is_none()
    }

    /// What all members share, with the ids that references mean; while the set is being deleted it may be unknown.
    fn base(
        &self,
        object: &Decoded<F>,
        valid: &F,
        session: &Arc<Session>,
        deleting: bool,
    ) -> Result<(Base<F>, String), Decided<F>> {
        let who = named(object);
        for kind in [F::Member::KIND, F::Pool::KIND] {
            if let Some(kind) = self.shared.kind(kind) {
                kind.demand(session, &who);
            }
        }
        let wanted = valid.inputs();
        // rows of tables that come with the members, such as their tags, change nothing of what was refused
        let is_reference = |input: &&Input| !matches!(input.source, Source::Lookup { .. });
        let references: Vec<String> = wanted.iter().filter(is_reference).map(|i| i.path.clone()).collect();
        let (found, inputs) = resolve::inputs(&self.shared, session, &who, wanted, None);
        let meant: Vec<_> = inputs.ids().iter().filter(|(path, _)| references.contains(path)).collect();
        let meant = format!("{meant:?}");
        let base = found.and_then(|()| valid.base(&inputs).map_err(Unresolved::Invalid));
        match base {
            Ok(base) => Ok((Some(base), meant)),
            Err(_) if deleting => Ok((None, meant)),
            Err(Unresolved::Observing(what)) => Err(Decided::keep(reason::OBSERVING, what)),
            Err(Unresolved::ReferenceNotReady(what)) => Err(Decided::keep(reason::REFERENCE_NOT_READY, what)),
            Err(Unresolved::Invalid(invalid)) => {
                Err(Decided::stall(reason::INVALID_SPEC, invalid.to_string()))
            }
        }
    }

    /// Takes note of what changed, chooses, and plans.
    fn work(
        &self,
        object: &Decoded<F>,
        valid: &F,
        status: &F::Status,
        access: &Access,
        workspace: WorkspaceRef,
        look: bool,
    ) -> Result<Decided<F>, Decided<F>> {
        let session = &access.session;
        let deleting = object.meta().deletion_timestamp.is_some();
        let (base, meant) = self.base(object, valid, session, deleting)?;
        if base.is_none() && status.common().intent.is_some() {
            let why = "what an interrupted create made cannot be recognised while a reference is missing";
            return Err(Decided::Say(Stage::Wait(
                Told::new(reason::REFERENCE_NOT_READY, why),
                Waiting::Working,
            )));
        }
        let (members, pool) = (session.shelf::<F::Member>(), session.shelf::<F::Pool>());
        if members.mirror.complete_since().is_none() || pool.mirror.complete_since().is_none() {
            let told = Told::new(reason::OBSERVING, "waiting for a complete listing");
            return Err(Decided::Say(Stage::Wait(told, Waiting::Keep)));
        }
        let kept = self.keep(object, access);
        let who = named(object);
        let mark = format!("{}/{}/{}", self.shared.settings.installation, who.namespace, who.name);
        let now = self.shared.now();
        let view = View {
            object,
            valid,
            status,
            session,
            kept: &kept,
            mark: &mark,
            deleting,
            look,
            now,
            members: &members,
            pool: &pool,
        };
        let mut set = kept.set.lock();
        set.meant = meant;
        if set.refresh(valid, base, &kept.touched.take()) {
            kept.caller.guard.withdraw(&object.uid().unwrap_or_default());
        }
        view.choose(&mut set)?;
        view.recall(&mut set);
        let work = self.plan(&view, &mut set, workspace);
        drop(set);
        let done = deleting && work.accounted && work.tally.leaving == 0;
        Ok(if done { Decided::RemoveFinalizer { orphaned: false } } else { Decided::Work(Box::new(work)) })
    }

    fn plan(&self, view: &View<'_, F>, set: &mut Set<F>, workspace: WorkspaceRef) -> Work<F> {
        let View { session, kept, now, .. } = *view;
        let ground = view.ground(set, past::acts_since(&self.shared, session, now));
        let observes = view.object.common().management() == ManagementPolicy::Observe;
        set.roster.moved |= kept.holding.set_observes(observes);
        let rival = |pool, id: Option<&Id>, bound| {
            if observes {
                return None;
            }
            let rights = kept.holding.rights_of(pool, id);
            session.claims.outranked(&kept.holding.rank_of(bound), &rights).map(|who| self.shared.owner(&who))
        };
        let goes = |mark: &str| self.shared.marked_goes(mark);
        let measure = view.measure(&ground, &self.shared.settings.installation, &rival, &goes);
        send::learn_from(kept, set, now);
        plan::survey(&mut set.roster, &measure, &ground.rollout);
        if view.deleting {
            view.find_stripped(set, &self.shared.settings.installation, &ground, &rival);
            // what the last creates made is known now, and has to go as well
            set.dissolve(view.mark, &view.members.mirror);
            // seats are not assessed while a reference is missing, and would bring back whoever is gone
            set.roster.leavers.retain(|leaver| !measure.gone(leaver));
        }
        self.tell_rights(session, kept, set, &measure);
        kept.holding.set_leaving(&set.roster.leavers);
        let mut outlook = view.outlook(set, &measure, &ground);
        let uid = view.object.uid().unwrap_or_default();
        let trouble = self.memory.trouble(&uid, view.object.meta().generation).filter(|t| t.until > now);
        let trouble = trouble.or_else(|| held(&outlook.next, kept, now));
        if trouble.is_some() {
            outlook = Outlook { next: Next::Rest, lane: Lane::Repair, ..outlook };
        }
        let mut tally = settle::tally(set);
        // the door is closed for everybody, which is nobody's condition
        let told = trouble.as_ref().filter(|trouble| trouble.reason != reason::THROTTLED);
        let stage = settle::stage(set, &tally, &outlook, told, view.deleting, ground.calm);
        // counting what emnify says of each takes a while, and is not written more often
        let counted = view.look && (!stage.moves() || set.may_tell(now));
        if counted {
            settle::count(&mut tally, set, &measure);
        }
        let proof = Some(ground.proof).filter(|at| measure.inherited && *at > now);
        let wake = plan::wake_at(&set.roster, &ground.rollout, now);
        Work {
            kept: kept.clone(),
            workspace,
            outlook,
            rollout: ground.rollout,
            stage,
            tally,
            counted,
            accounted: set.accounted(&measure, view.deleting),
            wake: wake.into_iter().chain(proof).chain(trouble.map(|t| t.until)).min(),
        }
    }

    /// Others hear what the set claims now, and what it has let go of.
    fn tell_rights(&self, session: &Session, kept: &Kept<F>, set: &mut Set<F>, measure: &Measure<'_, F>) {
        if !std::mem::replace(&mut set.roster.moved, false) {
            return;
        }
        let freed = kept.holding.set(&set.roster.seats, measure.rights(&set.roster.seats));
        if freed.is_empty() {
            return;
        }
        let freed: std::collections::HashSet<i64> = freed.into_iter().collect();
        let named = |right: &str| {
            right.rsplit_once('=').and_then(|(_, v)| v.parse().ok()).is_some_and(|pool| freed.contains(&pool))
        };
        for next in session.claims.claimants(&named) {
            self.shared.poke(&next.into(), "claims changed");
        }
    }
}

/// What is not sent now, whoever it is for.
fn held<F: Fleet>(next: &Next<F>, kept: &Kept<F>, now: Timestamp) -> Option<Trouble> {
    let doing = match next {
        Next::Read(_) => vec![Doing::Read],
        Next::ReadParts(_, parts) => parts.iter().map(role::piece::<F::Member>).collect(),
        Next::Send(loads, _) => loads.first().map(plan::doing).into_iter().collect(),
        Next::Rest | Next::RecordIntent | Next::Sweep => Vec::new(),
    };
    let barred = doing.into_iter().find_map(|doing| kept.caller.barred::<F::Member>(doing, now));
    barred.or_else(|| held_for_former(next, kept, now))
}

/// Creates that have to wait for what a former leader may have under way.
fn held_for_former<F: Fleet>(next: &Next<F>, kept: &Kept<F>, now: Timestamp) -> Option<Trouble> {
    let Next::Send(loads, _) = next else { return None };
    loads.first().filter(|load| !load.change.repeatable())?;
    let creates = loads.iter().any(|load| load.id.is_none());
    let until = past::held_until(&kept.caller, &kept.session.shelf::<F::Member>(), creates, now)?;
    Some(Trouble { reason: reason::PROGRESSING, message: HELD.to_owned(), effect: Effect::Keep, until })
}

/// What one decision is made from.
struct View<'a, F: Fleet> {
    object: &'a Decoded<F>,
    valid: &'a F,
    status: &'a F::Status,
    session: &'a Arc<Session>,
    kept: &'a Kept<F>,
    mark: &'a str,
    deleting: bool,
    look: bool,
    now: Timestamp,
    members: &'a Shelf<F::Member>,
    pool: &'a Shelf<F::Pool>,
}

/// What the measure of a set borrows.
struct Ground<F: Fleet> {
    base: Base<F>,
    meant: String,
    made: MemberStatus<F>,
    adopted: MemberStatus<F>,
    rollout: Rollout,
    /// A listing begun after this shows what an earlier process made.
    proof: Timestamp,
    inherited: bool,
    calm: bool,
}

type MemberStatus<F> = <<F as Fleet>::Member as Kind>::Status;

impl<F: Fleet> View<'_, F> {
    /// Whom the set wants now; while it is being deleted that matters only for what interrupted creates made.
    fn choose(&self, set: &mut Set<F>) -> Result<(), Decided<F>> {
        let intent = self.status.common().intent.as_ref();
        let (members, pool) = (&self.members.mirror, &self.pool.mirror);
        let basis = self.basis(set);
        let invalid = |e: Invalid| Decided::stall(reason::INVALID_SPEC, e.to_string());
        let chosen = |set: &mut Set<F>, basis| {
            text_stands(self.valid, set).map_err(|told| Decided::Say(Stage::Wait(told, Waiting::Keep)))?;
            set.choose(self.valid, basis, self.mark, members, pool, intent).map_err(invalid)
        };
        if !self.deleting {
            chosen(set, basis)?;
            set.keep_wanted();
            return Ok(());
        }
        if let Some(intent) = intent
            && chosen(set, basis.clone()).is_err()
        {
            set.recall(self.valid, basis, members, pool, intent);
        }
        set.dissolve(self.mark, members);
        Ok(())
    }

    /// Adds former members that somebody took the set's tag off while nobody looked.
    fn find_stripped(&self, set: &mut Set<F>, installation: &str, ground: &Ground<F>, rival: &Rival<'_>) {
        let (members, pool) = (&self.members.mirror, &self.pool.mirror);
        let basis = self.basis(set);
        // its deletion counts as a generation
        let last = self.object.meta().generation.map(|generation| generation - 1);
        let was_in_step = ground.calm || (last.is_some() && self.status.common().settled_generation == last);
        if !was_in_step || set.found_stripped(&basis) || text_stands(self.valid, set).is_err() {
            return;
        }
        let text = set.text.value.as_deref();
        let from = Candidates { pool, holders: members, text, members: &[] };
        let choice = self.valid.choose(&from).map_or_else(|_| Vec::new(), |choice| choice.members);
        set.find_stripped(&choice, basis, installation, members, rival);
    }

    fn basis(&self, set: &Set<F>) -> Basis {
        Basis {
            generation: self.object.meta().generation,
            text: set.text.version.clone(),
            pool: self.pool.mirror.complete_since(),
            members: self.members.mirror.complete_since(),
        }
    }

    /// Takes up what the status keeps from before this process, once it is known who is a member.
    fn recall(&self, set: &mut Set<F>) {
        if std::mem::replace(&mut set.recalled, true) {
            return;
        }
        // a clock that was ahead holds nobody up for longer than the window
        let kept = F::activated(self.status).into_iter().map(|(at, n)| (at.min(self.now), n));
        set.roster.activated.extend(kept);
        // an edit is tried, whoever saw it first
        let edited = self.status.common().observed_generation != self.object.meta().generation;
        if !(edited || set.forgiven) {
            let called = |key| refusals::called::<F>(&self.pool.mirror, key);
            set.roster.recall_refusals(F::refused(self.status), &called, self.now);
        }
    }

    /// Since when creates may have been sent that are not accounted for.
    fn intent(&self) -> Option<Timestamp> {
        self.status.common().intent.as_ref().and_then(|i| i.since.parse().ok())
    }

    fn ground(&self, set: &Set<F>, acts_since: Timestamp) -> Ground<F> {
        let common = self.status.common();
        let foreign = common.intent.as_ref().is_some_and(|i| set.intent.as_ref() != Some(&i.nonce));
        let proof = past::proof(acts_since);
        let shown = self.members.mirror.complete_since().is_some_and(|at| at >= proof);
        let desired = u64::try_from(set.roster.seats.len()).unwrap_or(u64::MAX);
        Ground {
            base: set.base.clone(),
            meant: set.meant.clone(),
            made: self.valid.memory(Some(self.status), true),
            adopted: self.valid.memory(Some(self.status), false),
            rollout: self.valid.rollout(desired),
            proof,
            inherited: foreign && !shown,
            calm: common.settled_generation == self.object.meta().generation,
        }
    }

    fn measure<'b>(
        &'b self,
        ground: &'b Ground<F>,
        installation: &'b str,
        rival: &'b Rival<'b>,
        goes: &'b dyn Fn(&str) -> bool,
    ) -> Measure<'b, F> {
        Measure {
            base: ground.base.as_ref(),
            common: self.object.common(),
            members: &self.members.mirror,
            pool: &self.pool.mirror,
            set: self.valid,
            mark: self.mark,
            installation,
            made: &ground.made,
            adopted: &ground.adopted,
            intent: self.intent(),
            inherited: ground.inherited,
            factory_test: self.session.factory_test(),
            now: self.now,
            partition: usize::try_from(ground.rollout.partition).unwrap_or(usize::MAX),
            calm: ground.calm,
            rival,
            goes,
            meant: &ground.meant,
            young: is_young(self.object.creation_timestamp().map(|at| at.0), self.now),
        }
    }

    fn outlook(&self, set: &mut Set<F>, measure: &Measure<'_, F>, ground: &Ground<F>) -> Outlook<F> {
        let uid = self.object.uid().unwrap_or_default();
        let generation = self.object.meta().generation.unwrap_or_default();
        let guard = |devices| self.kept.caller.guard.ask_more(&uid, generation, devices);
        let share = set.roster.seats.len().max(set.roster.leavers.len()).div_ceil(CALLS_PER_ROUND);
        let most = F::Member::FACTS.max_batch;
        let listed = |asked: Timestamp| {
            let fresh = self.now.duration_since(asked) < LISTING_HOLDS;
            fresh && self.members.mirror.complete_since().is_some_and(|at| at >= asked)
        };
        let bounds = Bounds {
            rollout: ground.rollout,
            fits: &|key: &BatchKey| {
                self.members.pace(key, most, self.session.queue.edits()).max(share).min(most)
            },
            guard: &guard,
            window: self.kept.caller.guard.window(),
            plans: self.look,
            listed: set.asked.is_some_and(listed),
            intent: self.status.common().intent.is_some(),
            edited: !ground.calm,
        };
        let mut outlook = if self.deleting {
            plan::farewell(&mut set.roster, measure, &bounds)
        } else {
            plan::next(&mut set.roster, measure, &bounds)
        };
        let unproven = set.roster.unsure.values().any(|unsure| unsure.proof <= self.now)
            || (measure.inherited && ground.proof <= self.now);
        if matches!(outlook.next, Next::Rest) && unproven {
            outlook.next = Next::Sweep;
        }
        outlook
    }
}

/// The text the choice is made from was read.
fn text_stands<F: Fleet>(valid: &F, set: &Set<F>) -> Result<(), Told> {
    let Some(of) = valid.text() else { return Ok(()) };
    if set.text.of.as_ref() != Some(&of) {
        return Err(Told::new(reason::OBSERVING, format!("reading the ConfigMap {}", of.config_map)));
    }
    let why = match (&set.text.value, set.text.forbidden) {
        (Some(_), _) => return Ok(()),
        (None, true) => {
            format!(
                "the operator may not read the ConfigMap {}: allow it to get configmaps here",
                of.config_map
            )
        }
        (None, false) => {
            format!("there is no ConfigMap {} with the key {} in this namespace", of.config_map, of.key)
        }
    };
    Err(Told::new(reason::REFERENCE_NOT_READY, why))
}
