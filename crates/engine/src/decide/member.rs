//! What one member needs: pure. The rows of the plan's table that can happen to a member, in the same order.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    error_policy::Waiting,
    known::Explanation,
    refusals, rejected,
    roster::{Departure, MemberKey, MemberState, Slot, Trouble},
    rules::{self, Absent, Compared, Found, Mark, Taker, Whose, some_of},
};
use crate::{
    kind::{
        Context, Have, Id, Kind, Managed, reason,
        set::{Failure, Marks, MemberChange, MemberRow, MemberWant, ObjectSet, Pool},
        spec::{CommonSpec, DeletionPolicy, Provenance},
    },
    session::{
        claims::Owner,
        mirror::{Known, Mirror},
        past::appeared,
        pause,
    },
};

type Status<F> = <<F as ObjectSet>::Member as Kind>::Status;
type Part<F> = <<F as ObjectSet>::Member as Managed>::Part;

/// Says who else has a better right to what a member holds, and to the member; the flag says that it is the set's already.
pub(crate) type BetterClaim<'a> = dyn Fn(i64, Option<&Id>, bool) -> Option<Owner> + 'a;

/// What members are assessed by; the same for all of them.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the set")]
pub(crate) struct AssessContext<'a, F: ObjectSet> {
    /// What all members share; unknown while a reference has no id.
    pub(crate) base: Option<&'a MemberWant<F>>,
    /// Policies of the set.
    pub(crate) common: &'a CommonSpec,
    /// What is known of members.
    pub(crate) members: &'a Mirror<F::Member>,
    /// What is known of what they hold.
    pub(crate) pool: &'a dyn Pool<F::Pool>,
    pub(crate) set: &'a F,
    /// Its mark: `installation/namespace/name`.
    pub(crate) mark: &'a str,
    /// The installation's mark.
    pub(crate) installation: &'a str,
    /// The status that rules are shown for a member that the set made.
    pub(crate) made: &'a Status<F>,
    /// The status that rules are shown for a member that the set adopted.
    pub(crate) adopted: &'a Status<F>,
    /// Since when creates of ours may have had no answer.
    pub(crate) intent: Option<Timestamp>,
    /// Nothing was sent by this process yet, so any create of an open intent may be under way.
    pub(crate) inherited: bool,
    /// The organisation activates SIMs into Factory Test.
    pub(crate) factory_test: bool,
    /// Wall clock.
    pub(crate) now: Timestamp,
    /// So many slots are left as they are.
    pub(crate) partition: usize,
    /// The set was in step with this generation: what differs on a member with its mark is drift.
    pub(crate) calm: bool,
    /// Others with a better right.
    pub(crate) rival: &'a BetterClaim<'a>,
    /// The object here that a mark names is being deleted.
    pub(crate) goes: &'a dyn Fn(&str) -> bool,
    /// Ids that the references of the set mean.
    pub(crate) meant: &'a str,
    /// The set was made a moment ago: what was applied with it may not have come, or gone, yet.
    pub(crate) young: bool,
}

/// What a member needs.
#[derive(Debug)]
pub(crate) enum MemberStep<F: ObjectSet> {
    /// Nothing can be said yet.
    Wait,
    /// A read of the member.
    Read(Id),
    /// Pieces of the member that no listing shows.
    ReadParts(Id, Vec<Part<F>>),
    /// To be made.
    Create(MemberChange<F>),
    /// A change.
    Send(Id, MemberChange<F>),
    /// Nothing: the partition holds it back.
    Partitioned(Id),
    /// Nothing: the difference is reported only.
    Drifted(Option<Id>),
    /// Nothing before this time: emnify is not done with it.
    Busy(Id, Timestamp),
    /// Nothing.
    Settled(Id, Option<Timestamp>),
    /// A person.
    Fail(&'static str, String),
}

/// What a member needs, and whether the set made it.
#[derive(Debug)]
pub(crate) struct Assessed<F: ObjectSet> {
    pub(crate) need: MemberStep<F>,
    pub(crate) made: bool,
    /// The state that the member had when it was last seen, where it has to be read before anything else is known.
    pub(crate) recalled: Option<MemberState>,
}

impl<F: ObjectSet> MemberStep<F> {
    fn fail(told: Explanation) -> Self {
        Self::Fail(told.reason, told.message)
    }
}

impl<F: ObjectSet> From<MemberStep<F>> for Assessed<F> {
    fn from(need: MemberStep<F>) -> Self {
        Self { need, made: false, recalled: None }
    }
}

/// A slot whose member is there.
struct Member<'a, F: ObjectSet> {
    /// Its place in the rollout order.
    place: usize,
    slot: &'a Slot,
    want: &'a MemberWant<F>,
    id: &'a Id,
}

impl<F: ObjectSet> AssessContext<'_, F> {
    /// Assesses the slot at `place` of the rollout order, by the rows of the table that can happen to a member, first match
    /// wins. `unsure`: a create of it has no answer, so that absence proves nothing before a listing begun after its
    /// deadline.
    pub(crate) fn slot(&self, place: usize, slot: &Slot, unsure: bool) -> Assessed<F> {
        let Some(base) = self.base else { return MemberStep::Wait.into() };
        let want = match self.want(base, slot.pool) {
            Ok(want) => want,
            Err((reason, message)) => return MemberStep::Fail(reason, message).into(),
        };
        let ids = self.members.find(&F::key(slot.pool));
        match ids.as_slice() {
            [] => self.absent(slot, &want, unsure).into(),
            [id] => {
                let member = Member { place, slot, want: &want, id };
                match self.members.get(id) {
                    Known::Unknown => MemberStep::Wait.into(),
                    Known::Doubt => self.doubted(&member),
                    Known::Absent => self.absent(slot, &want, unsure).into(),
                    Known::Present(row) => self.present(&member, row),
                }
            }
            several => {
                let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                let message = format!("several emnify objects hold it: {}", some_of(&ids));
                MemberStep::Fail(reason::AMBIGUOUS_CREATE, message).into()
            }
        }
    }

    /// What retires a former member; `None` when nothing is left to do. `all`: also what was adopted.
    pub(crate) fn departure(&self, departure: &Departure) -> MemberStep<F> {
        let id = Id::Int(departure.id);
        let row = match self.members.get(&id) {
            Known::Unknown => return MemberStep::Wait,
            Known::Doubt => return MemberStep::Read(id),
            Known::Absent => return MemberStep::Settled(id, None),
            Known::Present(row) => row,
        };
        let (parts, _) = self.members.parts(&id, &[], None);
        let have = Have { row, parts, output: None };
        let changes = if self.deletes(departure) {
            F::Member::retire(&have, &self.context(departure.made, false))
        } else {
            self.set.release(&have)
        };
        let progress = |change: &MemberChange<F>| self.members.under_way(&id, change);
        match rules::accepted(&changes, &progress, (reason::DELETING, Waiting::Working)) {
            Some(Err(told)) => return MemberStep::fail(told),
            Some(Ok(busy)) => {
                return match busy.rest(self.members.age(&id)) {
                    Duration::ZERO => MemberStep::Read(id),
                    rest => MemberStep::Busy(id, pause::after(self.now, rest)),
                };
            }
            None => {}
        }
        match changes.into_iter().next() {
            Some(change) => MemberStep::Send(id, change),
            None => MemberStep::Settled(id, None),
        }
    }

    /// The member is deleted in emnify, rather than let go.
    pub(crate) fn deletes(&self, departure: &Departure) -> bool {
        match self.common.deletion_policy {
            Some(policy) => policy == DeletionPolicy::Delete,
            None => departure.made,
        }
    }

    /// Nothing is left to do for a former member.
    pub(crate) fn has_left(&self, departure: &Departure) -> bool {
        match self.members.get(&Id::Int(departure.id)) {
            Known::Absent => true,
            Known::Present(row) if !self.deletes(departure) => {
                F::marks(&row).is_some_and(|marks| marks.set != Some(self.mark))
            }
            Known::Present(_) | Known::Doubt | Known::Unknown => false,
        }
    }

    /// Names of the rights that each member claims besides itself.
    pub(crate) fn rights(&self, slots: &[Slot]) -> Vec<&'static str> {
        let want = self.base.and_then(|base| slots.iter().find_map(|slot| self.want(base, slot.pool).ok()));
        want.map_or_else(Vec::new, |want| F::Member::claims(&want, None).iter().map(|key| key.name).collect())
    }

    fn want(&self, base: &MemberWant<F>, pool: i64) -> Result<MemberWant<F>, (&'static str, String)> {
        let mut want = None;
        self.pool.with(pool, &mut |row| want = Some(self.set.member(base, row)));
        match want {
            Some(Ok(want)) => Ok(want),
            Some(Err(invalid)) => Err((reason::INVALID_SPEC, invalid.to_string())),
            None => {
                Err((reason::NOT_FOUND, format!("the organisation has no {} {pool} any more", F::Pool::KIND)))
            }
        }
    }

    fn absent(&self, slot: &Slot, want: &MemberWant<F>, unsure: bool) -> MemberStep<F> {
        if self.members.complete_since().is_none() || unsure || self.inherited {
            return MemberStep::Wait;
        }
        if let Some(owner) = (self.rival)(slot.pool, None, false) {
            let message =
                format!("{} already manages the same emnify object; delete one of the two", owner.name);
            return MemberStep::fail(rules::contested(&owner, self.newcomer(slot), message));
        }
        match rules::absent::<F::Member>(self.common, want, None, slot.settled, false) {
            Absent::Observed | Absent::Vanished => MemberStep::Drifted(None),
            Absent::Create(create) => MemberStep::Create(create),
            Absent::Stall(told) => MemberStep::fail(told),
        }
    }

    /// The member is not the set's yet, and the set was applied a moment ago.
    fn newcomer(&self, slot: &Slot) -> bool {
        self.young && slot.id == 0
    }

    /// Whose the member is: `Ok(made)` if it is, or may become, the set's.
    fn whose(
        &self,
        member: &Member<'_, F>,
        row: &MemberRow<F>,
        marks: Marks<'_>,
    ) -> Result<bool, Explanation> {
        let Member { slot, want, id, .. } = *member;
        let known = Id::Int(slot.id) == *id || (slot.id == 0 && slot.made);
        let bound = known || marks.set == Some(self.mark);
        let mine = marks.made_by == Some(self.installation);
        // the mark of another set stands against us whatever we know, as another object's mark does
        let stranger = match marks.set {
            Some(set) => Some(set).filter(|set| *set != self.mark),
            None => marks.made_by.filter(|_| !mine && !known),
        };
        // an interrupted create of ours: it appeared since, and is what we would have made
        let since = self.intent.map(appeared);
        let appeared = since.is_some_and(|since| F::Member::created(row).is_some_and(|at| at >= since));
        let facts = Found {
            kind: F::Member::KIND,
            id,
            bound,
            mark: match stranger {
                Some(owner) => Mark::Foreign(owner),
                None if mine || (appeared && F::resembles(want, row)) => Mark::Ours,
                None => Mark::None,
            },
            named: false,
            taker: Taker::Set,
        };
        match rules::whose(self.common, F::Member::FACTS.adoption, &facts) {
            Whose::Bound => Ok(mine || (known && slot.made)),
            Whose::Free(provenance) => Ok(provenance == Provenance::Created),
            Whose::Marked { owner, message } => {
                let owner = Owner { goes: (self.goes)(&owner), name: owner };
                Err(rules::contested(&owner, self.newcomer(slot), message))
            }
            Whose::Exists(told) => Err(told),
        }
    }

    /// It has to be read. Of a member not looked at before, what was seen last tells how it stands until then.
    fn doubted(&self, member: &Member<'_, F>) -> Assessed<F> {
        let Member { slot, id, .. } = *member;
        let row = self.members.row(id).filter(|row| {
            let marked = F::marks(row).is_some_and(|marks| marks.set == Some(self.mark));
            marked && slot.last == MemberState::Unknown
        });
        let seen = row.map(|row| self.present(member, row));
        let recalled = seen.as_ref().and_then(|seen| match seen.need {
            MemberStep::Settled(..) => Some(MemberState::Settled),
            MemberStep::ReadParts(..) => seen.recalled,
            MemberStep::Partitioned(_) => Some(MemberState::Partitioned),
            MemberStep::Drifted(Some(_)) => Some(MemberState::Drifted),
            MemberStep::Send(..) => Some(MemberState::Quiet),
            _ => None,
        });
        Assessed { need: MemberStep::Read(id.clone()), made: seen.is_some_and(|seen| seen.made), recalled }
    }

    fn present(&self, member: &Member<'_, F>, row: std::sync::Arc<MemberRow<F>>) -> Assessed<F> {
        let Member { place, slot, want, id } = *member;
        let Some(marks) = F::marks(&row) else { return MemberStep::Read(id.clone()).into() };
        let marked = marks.set == Some(self.mark);
        if let Some(owner) = (self.rival)(slot.pool, Some(id), marked || Id::Int(slot.id) == *id) {
            let message =
                format!("{} already manages {} {id}; delete one of the two", owner.name, F::Member::KIND);
            return MemberStep::fail(rules::contested(&owner, self.newcomer(slot), message)).into();
        }
        let made = match self.whose(member, &row, marks) {
            Ok(made) => made,
            Err(told) => return MemberStep::fail(told).into(),
        };
        // those without the set's mark are still being brought up
        if place < self.partition && marked {
            return Assessed { need: MemberStep::Partitioned(id.clone()), made, recalled: None };
        }
        let (parts, missing) = self.members.parts(id, &F::Member::parts(want), None);
        if !missing.is_empty() {
            let recalled = (self.calm && marked).then_some(MemberState::Settled);
            return Assessed { need: MemberStep::ReadParts(id.clone(), missing), made, recalled };
        }
        let settled = slot.settled || (self.calm && marked);
        let have = Have { row, parts, output: None };
        Assessed { need: self.differs(member, &have, made, settled), made, recalled: None }
    }

    fn differs(
        &self,
        member: &Member<'_, F>,
        have: &Have<F::Member>,
        made: bool,
        settled: bool,
    ) -> MemberStep<F> {
        let Member { want, id, .. } = *member;
        let progress = |change: &MemberChange<F>| self.members.under_way(id, change);
        let context = self.context(made, !settled);
        match rules::compare::<F::Member>(self.common, want, have, &context, &progress) {
            Compared::Reported(_) => MemberStep::Drifted(Some(id.clone())),
            Compared::Stall(told) | Compared::Broken(told, _) => MemberStep::fail(told),
            Compared::Changes(changes) => changes
                .into_iter()
                .next()
                .map_or(MemberStep::Wait, |change| MemberStep::Send(id.clone(), change)),
            Compared::Waits(_) => MemberStep::Wait,
            Compared::Busy(busy) => match busy.rest(self.members.age(id)) {
                Duration::ZERO => MemberStep::Read(id.clone()),
                rest => MemberStep::Busy(id.clone(), pause::after(self.now, rest)),
            },
            // no member is replaced by another one
            Compared::Renew(wake_at) | Compared::InStep(wake_at) => {
                self.members.carried_out(id);
                MemberStep::Settled(id.clone(), wake_at)
            }
        }
    }

    /// What a refusal of the change is remembered by.
    pub(crate) fn digest(&self, change: &MemberChange<F>) -> String {
        rejected::digest(change, self.meant)
    }

    fn context(&self, made: bool, edited: bool) -> Context<'_, F::Member> {
        Context {
            now: self.now,
            object_created: None,
            status: Some(if made { self.made } else { self.adopted }),
            edited,
            factory_test: self.factory_test,
            own_tokens: Vec::new(),
            own_users: Vec::new(),
            as_user: false,
        }
    }

    /// The name of what a member holds, for people.
    pub(crate) fn display_name(&self, key: MemberKey) -> String {
        refusals::display_name::<F>(self.pool, key)
    }

    /// What stands in a member's way, for its failure.
    pub(crate) fn trouble(&self, key: MemberKey, reason: &'static str, message: String) -> Trouble {
        let failure = Failure { member: self.display_name(key), reason, message };
        Trouble { failure, refused: None, until: None, tries: 0 }
    }
}
