//! Gathers what is known about a set and asks the plan. Synchronous: nothing here waits.

use std::{borrow::Cow, sync::Arc};

use emnify::Lane;
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

use super::{
    call_item,
    controller::{SetController, SetEntry},
    counts::{self, Look, SetPhase},
    partial,
    rollout::{self, Bounds, Next, NextCall},
    state::{Basis, Chooser, SetState},
};
use crate::{
    cluster::{
        object::{subject, workspace_of},
        resolve::{self, Unresolved},
    },
    decide::{
        barred::barred,
        error_policy::{Effect, Waiting},
        known::{Explanation, Trouble, Workspace},
        member::{AssessContext, BetterClaim},
        refusals, rejected,
        rules::{self, Closed, Gate},
    },
    kind::{
        BatchKey, Change, Id, Input, Invalid, Kind, Source, Status,
        decoded::Decoded,
        managed::largest_batch,
        reason,
        set::{Candidates, ObjectSet, Rollout, Tally},
        spec::{ManagementPolicy, WorkspaceRef},
    },
    session::{
        Access, KindState, Session,
        claims::Right,
        past::{self, FORMER_LEADER},
        role::{self, Doing},
    },
};

/// A hundred thousand members take so many calls per round, whatever a single call then takes.
const CALLS_PER_ROUND: usize = 50;

/// What was decided for a set.
pub(super) enum Decided<F: ObjectSet> {
    /// Nothing, and nothing is written.
    Nothing,
    AddFinalizer,
    RemoveFinalizer {
        orphaned: bool,
    },
    /// Something else has to happen first, or a person must act.
    Say(SetPhase),
    /// It is worked on.
    Work(Box<Work<F>>),
}

impl<F: ObjectSet> Decided<F> {
    /// Something else has to happen first, and who is Ready stays so.
    fn keep(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Say(SetPhase::Wait(Explanation::new(reason, message), Waiting::Keep))
    }

    /// A person must act.
    fn stall(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Say(SetPhase::Stall(Explanation::new(reason, message)))
    }

    /// Its name, and the reason that it tells, for what counts steps.
    pub(super) fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("Nothing", ""),
            Self::AddFinalizer => ("AddFinalizer", ""),
            Self::RemoveFinalizer { .. } => ("RemoveFinalizer", ""),
            Self::Say(phase) => phase.name(),
            Self::Work(work) => work.phase.name(),
        }
    }
}

/// What a set needs, and how it stands.
pub(super) struct Work<F: ObjectSet> {
    pub(super) entry: SetEntry<F>,
    pub(super) workspace: WorkspaceRef,
    pub(super) next_call: NextCall<F>,
    pub(super) rollout: Rollout,
    pub(super) phase: SetPhase,
    pub(super) tally: Tally,
    /// The tally knows what emnify says of each member.
    pub(super) counted: bool,
    /// Every create is accounted for.
    pub(super) accounted: bool,
    pub(super) wake: Option<Timestamp>,
}

/// What a listing that was asked for left in doubt is read one by one within this time.
const LISTING_HOLDS: SignedDuration = SignedDuration::from_secs(600);

/// A set that may be worked on.
struct Opened<'a, F: ObjectSet> {
    valid: Cow<'a, F>,
    access: Access,
    workspace: WorkspaceRef,
}

type Base<F> = Option<crate::kind::set::MemberWant<F>>;

impl<F: ObjectSet> SetController<F> {
    /// Decides what the set needs next; with `look`, also counts it.
    pub(super) fn decide(&self, object: &Decoded<F>, status: &F::Status, look: bool) -> Decided<F> {
        match self.gate(object, status) {
            Ok(opened) => self.work(object, status, opened, look).unwrap_or_else(|step| step),
            Err(step) => step,
        }
    }

    /// What has to be so before anything is sent: the first rows of the plan's table.
    fn gate<'a>(&self, object: &'a Decoded<F>, status: &F::Status) -> Result<Opened<'a, F>, Decided<F>> {
        let common = status.common();
        let subject = subject(object, common);
        let resolved = workspace_of(&self.kube.shared, object, common);
        let facts = Gate {
            subject: &subject,
            workspace: &Workspace::of(&resolved.state),
            claims_nothing: common.organisation_id.is_none(),
            stays: self.kube.terminating(),
            // whoever is of the set is marked so, and may leave whatever the spec says; what a create made is not
            reads_to_retire: common.intent.is_some(),
        };
        rules::gate(&facts).map_err(|closed| match closed {
            Closed::Nothing => Decided::Nothing,
            Closed::AddFinalizer => Decided::AddFinalizer,
            Closed::RemoveFinalizer { orphaned } => Decided::RemoveFinalizer { orphaned },
            Closed::Wait(told) => Decided::Say(SetPhase::Wait(told, Waiting::Keep)),
            Closed::Stall(told) => Decided::Say(SetPhase::Stall(told)),
        })?;
        let access =
            resolved.state.map_err(|why| Decided::keep(reason::WORKSPACE_NOT_READY, why.to_string()))?;
        let valid = match object {
            Decoded::Valid(valid) => Cow::Borrowed(&**valid),
            Decoded::Invalid(set) => Cow::Owned(F::salvage(set)),
        };
        Ok(Opened { valid, access, workspace: resolved.workspace })
    }

    /// What all members share, with the ids that references mean; while the set is being deleted it may be unknown.
    fn base(
        &self,
        object: &Decoded<F>,
        valid: &F,
        access: &Access,
        deleting: bool,
    ) -> Result<(Base<F>, String), Decided<F>> {
        let (who, session) = (object.key(), &access.session);
        for kind in [F::Member::KIND, F::Pool::KIND] {
            if let Some(kind) = self.kube.shared.kind(kind) {
                kind.demand(session, &who);
            }
        }
        let wanted = valid.inputs();
        // rows of tables that come with the members, such as their tags, change nothing of what was refused
        let is_reference = |input: &&Input| !matches!(input.source, Source::Lookup { .. });
        let references: Vec<String> = wanted.iter().filter(is_reference).map(|i| i.path.clone()).collect();
        let (found, inputs) = resolve::inputs(&self.kube.shared, access, &who, wanted, None);
        let meant = inputs.ids().iter().filter(|(path, _)| references.contains(path));
        let meant = rejected::meant(meant);
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
        status: &F::Status,
        Opened { valid, access, workspace }: Opened<'_, F>,
        look: bool,
    ) -> Result<Decided<F>, Decided<F>> {
        let (valid, session) = (&*valid, &access.session);
        let deleting = object.meta().deletion_timestamp.is_some();
        let (base, meant) = self.base(object, valid, &access, deleting)?;
        if base.is_none() && status.common().intent.is_some() {
            let why = "what an interrupted create made cannot be recognised while a reference is missing";
            return Err(Decided::Say(SetPhase::Wait(
                Explanation::new(reason::REFERENCE_NOT_READY, why),
                Waiting::Working,
            )));
        }
        let (members, pool) = (session.kind_state::<F::Member>(), session.kind_state::<F::Pool>());
        if members.mirror.complete_since().is_none() || pool.mirror.complete_since().is_none() {
            let told = Explanation::new(reason::OBSERVING, "waiting for a complete listing");
            return Err(Decided::Say(SetPhase::Wait(told, Waiting::Keep)));
        }
        let entry = self.keep(object, &access);
        let who = object.key();
        let mark = format!("{}/{}/{}", self.kube.shared.settings.installation, who.namespace, who.name);
        let now = self.kube.now();
        let view = View {
            object,
            valid,
            status,
            session,
            entry: &entry,
            mark: &mark,
            deleting,
            look,
            now,
            members: &members,
            pool: &pool,
        };
        let mut set = entry.set.lock();
        set.meant = meant;
        if set.refresh(valid, base, &entry.touched.take(), now) {
            entry.caller.guard.withdraw(object.uid());
        }
        view.choose(&mut set)?;
        view.recall(&mut set);
        let work = self.plan(&view, &mut set, workspace);
        drop(set);
        let done = deleting && work.accounted && work.tally.leaving == 0;
        Ok(if done { Decided::RemoveFinalizer { orphaned: false } } else { Decided::Work(Box::new(work)) })
    }

    fn plan(&self, view: &View<'_, F>, set: &mut SetState<F>, workspace: WorkspaceRef) -> Work<F> {
        let View { session, entry, now, .. } = *view;
        let assess_inputs =
            view.assess_inputs(set, past::acts_since(self.kube.shared.opened_at(), session, now));
        let observes = view.object.common().management() == ManagementPolicy::Observe;
        set.roster.moved |= entry.claims.set_observes(observes);
        let rival = |pool, id: Option<&Id>, bound| {
            if observes {
                return None;
            }
            let rights = entry.claims.rights_of(pool, id);
            session
                .claims
                .outranked(&entry.claims.rank_of(bound), &rights)
                .map(|who| self.kube.shared.owner(&who))
        };
        let goes = |mark: &str| self.kube.shared.marked_goes(mark);
        let context = view.context(&assess_inputs, &self.kube.shared.settings.installation, &rival, &goes);
        partial::learn_from(entry, set, now);
        rollout::assess_all(&mut set.roster, &context, &assess_inputs.rollout);
        if view.deleting {
            view.find_stripped(set, &self.kube.shared.settings.installation, &assess_inputs, &rival);
            // what the last creates made is known now, and has to go as well
            set.dissolve(view.mark, &view.members.mirror);
            // slots are not assessed while a reference is missing, and would bring back whoever is gone
            set.roster.departures.retain(|departure| !context.has_left(departure));
        }
        self.tell_rights(session, entry, set, &context);
        entry.claims.set_leaving(&set.roster.departures);
        let mut next_call = view.next_call(set, &context, &assess_inputs);
        let uid = view.object.uid();
        let trouble = self.kube.memory.trouble(uid, view.object.meta().generation).filter(|t| t.until > now);
        let trouble = trouble.or_else(|| blocked(&next_call.next, entry, now));
        if trouble.is_some() {
            next_call = NextCall { next: Next::Rest, lane: Lane::Repair, ..next_call };
        }
        let mut tally = counts::tally(set);
        // the door is closed for everybody, which is nobody's condition
        let told = trouble.as_ref().filter(|trouble| trouble.reason != reason::THROTTLED);
        let phase = counts::phase(
            set,
            &Look {
                tally: &tally,
                next_call: &next_call,
                trouble: told,
                deleting: view.deleting,
                calm: assess_inputs.calm,
            },
        );
        // counting what emnify says of each takes a while, and is not written more often
        let counted = view.look && (!phase.moves() || set.may_tell(now));
        if counted {
            counts::count(&mut tally, set, &context);
        }
        let proof = Some(assess_inputs.proof).filter(|at| context.inherited && *at > now);
        let wake = rollout::wake_at(&set.roster, &assess_inputs.rollout, now);
        Work {
            entry: entry.clone(),
            workspace,
            next_call,
            rollout: assess_inputs.rollout,
            phase,
            tally,
            counted,
            accounted: set.accounted(&context, view.deleting),
            wake: wake.into_iter().chain(proof).chain(trouble.map(|t| t.until)).min(),
        }
    }

    /// Claims of the set are told to other objects: those that now have a rival, and those that wait for what it let go of.
    fn tell_rights(
        &self,
        session: &Session,
        entry: &SetEntry<F>,
        set: &mut SetState<F>,
        context: &AssessContext<'_, F>,
    ) {
        if !std::mem::replace(&mut set.roster.moved, false) {
            return;
        }
        let freed = entry.claims.set(&set.roster.slots, context.rights(&set.roster.slots));
        if freed.is_empty() {
            return;
        }
        let freed: std::collections::HashSet<i64> = freed.into_iter().collect();
        let named = |right: &Right| match right {
            Right::Key(_, key) | Right::Shared(key) => {
                key.value.parse().is_ok_and(|pool| freed.contains(&pool))
            }
            Right::Object(..) => false,
        };
        for next in session.claims.claimants(&named) {
            self.kube.shared.trigger(&next, "claims changed");
        }
    }
}

/// What is not sent now, whoever it is for.
fn blocked<F: ObjectSet>(next: &Next<F>, entry: &SetEntry<F>, now: Timestamp) -> Option<Trouble> {
    let doing = match next {
        Next::Read(_) => vec![Doing::Read],
        Next::ReadParts(_, parts) => parts.iter().map(role::piece::<F::Member>).collect(),
        Next::Send(items, _) => items.first().map(call_item::doing).into_iter().collect(),
        Next::Rest | Next::RecordIntent | Next::Sweep => Vec::new(),
    };
    let refused = doing.into_iter().find_map(|doing| barred::<F::Member>(&entry.caller, doing, now));
    refused.or_else(|| waits_for_former_leader(next, entry, now))
}

/// Creates that have to wait for what a former leader may have under way.
fn waits_for_former_leader<F: ObjectSet>(
    next: &Next<F>,
    entry: &SetEntry<F>,
    now: Timestamp,
) -> Option<Trouble> {
    let Next::Send(items, _) = next else { return None };
    items.first().filter(|call_item| !call_item.change.repeatable())?;
    let creates = items.iter().any(|call_item| call_item.id.is_none());
    let until = past::blocked_until(&entry.caller, &entry.session.kind_state::<F::Member>(), creates, now)?;
    Some(Trouble {
        reason: reason::PROGRESSING,
        message: FORMER_LEADER.to_owned(),
        effect: Effect::Keep,
        until,
    })
}

/// What one decision is made from.
struct View<'a, F: ObjectSet> {
    object: &'a Decoded<F>,
    valid: &'a F,
    status: &'a F::Status,
    session: &'a Arc<Session>,
    entry: &'a SetEntry<F>,
    mark: &'a str,
    deleting: bool,
    look: bool,
    now: Timestamp,
    members: &'a KindState<F::Member>,
    pool: &'a KindState<F::Pool>,
}

/// What an [`AssessContext`] borrows.
struct AssessInputs<F: ObjectSet> {
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

type MemberStatus<F> = <<F as ObjectSet>::Member as Kind>::Status;

impl<F: ObjectSet> View<'_, F> {
    /// Whom the set wants now; while it is being deleted that matters only for what interrupted creates made.
    fn choose(&self, set: &mut SetState<F>) -> Result<(), Decided<F>> {
        let intent = self.status.common().intent.as_deref();
        let (members, pool) = (&self.members.mirror, &self.pool.mirror);
        let basis = self.basis(set);
        let invalid = |e: Invalid| Decided::stall(reason::INVALID_SPEC, e.to_string());
        let chooser = Chooser { set: self.valid, mark: self.mark, members, pool, intent };
        let chosen = |set: &mut SetState<F>, basis| {
            text_stands(self.valid, set).map_err(|told| Decided::Say(SetPhase::Wait(told, Waiting::Keep)))?;
            set.choose(basis, &chooser).map_err(invalid)
        };
        if !self.deleting {
            chosen(set, basis)?;
            set.keep_wanted();
            return Ok(());
        }
        if let Some(intent) = intent
            && chosen(set, basis.clone()).is_err()
        {
            set.recall(basis, &chooser, intent);
        }
        set.dissolve(self.mark, members);
        Ok(())
    }

    /// Adds former members that somebody took the set's tag off while nobody looked.
    fn find_stripped(
        &self,
        set: &mut SetState<F>,
        installation: &str,
        assess_inputs: &AssessInputs<F>,
        rival: &BetterClaim<'_>,
    ) {
        let (members, pool) = (&self.members.mirror, &self.pool.mirror);
        let basis = self.basis(set);
        // its deletion counts as a generation
        let last = self.object.meta().generation.map(|generation| generation - 1);
        let was_in_step =
            assess_inputs.calm || (last.is_some() && self.status.common().settled_generation == last);
        if !was_in_step || set.found_stripped(&basis) || text_stands(self.valid, set).is_err() {
            return;
        }
        let text = set.text.value.as_deref();
        let from = Candidates { pool, holders: members, text, members: &[] };
        let choice = self.valid.choose(&from).map_or_else(|_| Vec::new(), |choice| choice.members);
        set.note_stripped(basis);
        set.find_stripped(&choice, installation, members, rival);
    }

    fn basis(&self, set: &SetState<F>) -> Basis {
        Basis {
            generation: self.object.meta().generation,
            text: set.text.version.clone(),
            pool: self.pool.mirror.complete_since(),
            members: self.members.mirror.complete_since(),
        }
    }

    /// Takes up what the status keeps from before this process, once it is known who is a member.
    fn recall(&self, set: &mut SetState<F>) {
        if std::mem::replace(&mut set.recalled, true) {
            return;
        }
        // a clock that was ahead holds nobody up for longer than the window
        let entry = F::activated(self.status).into_iter().map(|(at, n)| (at.min(self.now), n));
        set.roster.activated.extend(entry);
        // an edit is tried, whoever saw it first
        let edited = self.status.common().observed_generation != self.object.meta().generation;
        if !(edited || set.forgiven) {
            let called = |key| refusals::display_name::<F>(&self.pool.mirror, key);
            set.roster.recall_refusals(F::refused(self.status), &called, self.now);
        }
    }

    /// Since when creates may have been sent that are not accounted for.
    fn intent(&self) -> Option<Timestamp> {
        self.status.common().intent.as_ref().and_then(|i| i.since.parse().ok())
    }

    fn assess_inputs(&self, set: &SetState<F>, acts_since: Timestamp) -> AssessInputs<F> {
        let common = self.status.common();
        let foreign = common.intent.as_ref().is_some_and(|i| set.intent.as_ref() != Some(&i.nonce));
        let proof = past::proof(acts_since);
        let shown = self.members.mirror.complete_since().is_some_and(|at| at >= proof);
        let desired = u64::try_from(set.roster.slots.len()).unwrap_or(u64::MAX);
        AssessInputs {
            base: set.base.clone(),
            meant: set.meant.clone(),
            made: self.valid.memory(Some(self.status), true),
            adopted: self.valid.memory(Some(self.status), false),
            rollout: self.valid.rollout(desired),
            proof,
            inherited: foreign && !shown,
            calm: common.settled_generation == self.object.meta().generation
                && self.valid.dates(self.now).are_settled(common),
        }
    }

    fn context<'b>(
        &'b self,
        assess_inputs: &'b AssessInputs<F>,
        installation: &'b str,
        rival: &'b BetterClaim<'b>,
        goes: &'b dyn Fn(&str) -> bool,
    ) -> AssessContext<'b, F> {
        AssessContext {
            base: assess_inputs.base.as_ref(),
            common: self.object.common(),
            members: &self.members.mirror,
            pool: &self.pool.mirror,
            set: self.valid,
            mark: self.mark,
            installation,
            made: &assess_inputs.made,
            adopted: &assess_inputs.adopted,
            intent: self.intent(),
            inherited: assess_inputs.inherited,
            factory_test: self.session.factory_test(),
            now: self.now,
            partition: usize::try_from(assess_inputs.rollout.partition).unwrap_or(usize::MAX),
            calm: assess_inputs.calm,
            rival,
            goes,
            meant: &assess_inputs.meant,
            young: rules::is_young(self.object.creation_timestamp().map(|at| at.0), self.now),
        }
    }

    fn next_call(
        &self,
        set: &mut SetState<F>,
        context: &AssessContext<'_, F>,
        assess_inputs: &AssessInputs<F>,
    ) -> NextCall<F> {
        let uid = self.object.uid();
        let generation = self.object.meta().generation.unwrap_or_default();
        let guard = |devices| self.entry.caller.guard.ask_more(uid, generation, devices);
        let share = set.roster.slots.len().max(set.roster.departures.len()).div_ceil(CALLS_PER_ROUND);
        let most = largest_batch::<F::Member>();
        let listed = |asked: Timestamp| {
            let fresh = self.now.duration_since(asked) < LISTING_HOLDS;
            fresh && self.members.mirror.complete_since().is_some_and(|at| at >= asked)
        };
        let bounds = Bounds {
            rollout: assess_inputs.rollout,
            fits: &|key: &BatchKey| {
                self.members.pace(key, most, self.session.queue.edits()).max(share).min(most)
            },
            guard: &guard,
            window: self.entry.caller.guard.window(),
            plans: self.look,
            listed: set.asked.is_some_and(listed),
            intent: self.status.common().intent.is_some(),
            edited: !assess_inputs.calm,
        };
        let mut next_call = if self.deleting {
            rollout::plan_deletion(&mut set.roster, context, &bounds)
        } else {
            rollout::next(&mut set.roster, context, &bounds)
        };
        let unproven = set.roster.unsure.values().any(|unsure| unsure.proof <= self.now)
            || (context.inherited && assess_inputs.proof <= self.now);
        if matches!(next_call.next, Next::Rest) && unproven {
            next_call.next = Next::Sweep;
        }
        next_call
    }
}

/// The text the choice is made from was read.
fn text_stands<F: ObjectSet>(valid: &F, set: &SetState<F>) -> Result<(), Explanation> {
    valid.text().map_or(Ok(()), |of| set.text.stands(&of))
}
