//! What this process remembers of one set between two looks.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{claims::Changed, rollout::newest_first};
use crate::{
    cluster::text::Text,
    decide::{
        member::{AssessContext, BetterClaim},
        roster::{Departure, Roster, Slot},
    },
    kind::{
        Id, Invalid, Managed,
        set::{Candidates, CurrentMember, Failure, Marks, MemberRow, MemberWant, ObjectSet},
        spec::Intent,
    },
    session::{mirror::Mirror, past::appeared},
};

/// What a choice was made from; another one is made when this differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basis {
    pub(super) generation: Option<i64>,
    /// Resource version of the text.
    pub(super) text: Option<String>,
    pub(super) pool: Option<Timestamp>,
    pub(super) members: Option<Timestamp>,
}

/// One set.
pub(super) struct SetState<F: ObjectSet> {
    pub(super) roster: Roster,
    pub(super) generation: Option<i64>,
    /// Last date of the spec that had passed.
    date: Option<Timestamp>,
    pub(super) base: Option<MemberWant<F>>,
    /// The spec that `base` is of.
    spec: Option<F>,
    /// What was wanted when creates were sent that nobody has accounted for: what they made looks like that.
    former: Vec<(F, MemberWant<F>)>,
    pub(super) basis: Option<Basis>,
    pub(super) unmet: Vec<Failure>,
    /// What was known when former members without a tag were looked for.
    stripped: Option<Basis>,
    pub(super) text: Text,
    /// Nonce of an intent that this process recorded.
    pub(super) intent: Option<String>,
    /// Ids that the references of the set mean.
    pub(super) meant: String,
    /// What the status keeps of activations and refusals was read.
    pub(super) recalled: bool,
    /// What refused its requests is over, also those of which the status tells.
    pub(super) forgiven: bool,
    /// When counters were written last.
    pub(super) told: Option<Timestamp>,
    /// When a listing was asked for last.
    pub(super) asked: Option<Timestamp>,
}

/// Counters alone are written at most this often.
pub(super) const COUNTERS_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// A listing is not asked for again before this time.
pub(super) const LISTING_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// What members are chosen from, and by whom.
pub(super) struct Chooser<'a, F: ObjectSet> {
    pub(super) set: &'a F,
    pub(super) mark: &'a str,
    pub(super) members: &'a Mirror<F::Member>,
    pub(super) pool: &'a Mirror<F::Pool>,
    /// Creates that may have had no answer.
    pub(super) intent: Option<&'a Intent>,
}

impl<F: ObjectSet> SetState<F> {
    pub(super) fn new() -> Self {
        Self {
            roster: Roster::default(),
            generation: None,
            date: None,
            base: None,
            spec: None,
            former: Vec::new(),
            basis: None,
            unmet: Vec::new(),
            stripped: None,
            text: Text::default(),
            intent: None,
            meant: String::new(),
            recalled: false,
            forgiven: false,
            told: None,
            asked: None,
        }
    }

    /// Counters may be written again.
    pub(super) fn may_tell(&self, now: Timestamp) -> bool {
        self.told.is_none_or(|at| now.duration_since(at) >= COUNTERS_EVERY)
    }

    /// True if a listing may be asked for; it is taken for asked then.
    pub(super) fn ask(&mut self, now: Timestamp) -> bool {
        let may = self.asked.is_none_or(|at| now.duration_since(at) >= LISTING_EVERY);
        if may {
            self.asked = Some(now);
        }
        may
    }

    /// Takes note of what changed since the last look; true if the spec did.
    pub(super) fn refresh(
        &mut self,
        set: &F,
        base: Option<MemberWant<F>>,
        touched: &Changed,
        now: Timestamp,
    ) -> bool {
        let (generation, date) = (set.meta().generation, set.dates(now).passed);
        let edited = self.generation.is_some() && (self.generation, self.date) != (generation, date);
        if self.roster.unsure.is_empty() {
            self.former.clear();
        } else if let (true, Some(spec), Some(base)) = (edited || self.base != base, &self.spec, &self.base) {
            self.former.push((spec.clone(), base.clone()));
        }
        if edited || self.spec.is_none() {
            self.spec = Some(set.clone());
        }
        if edited {
            self.roster.edited();
        }
        (self.generation, self.date) = (generation, date);
        if self.base != base {
            self.roster.doubt_all();
            self.base = base;
        }
        if touched.all {
            self.roster.doubt_all();
        } else {
            self.roster.doubt(&touched.pools, &touched.ids);
        }
        edited
    }

    /// Chooses anew if anything that the choice is made from changed.
    pub(super) fn choose(
        &mut self,
        basis: Basis,
        Chooser { set, mark, members, pool, intent }: &Chooser<'_, F>,
    ) -> Result<(), Invalid> {
        let (members, pool): (&Mirror<_>, &Mirror<_>) = (members, pool);
        if self.basis.as_ref() == Some(&basis) {
            return Ok(());
        }
        let (mut current, marked) = self.current(mark, members);
        let begun = intent.map_or_else(Vec::new, |intent| self.begun(set, members, pool, intent));
        current.extend(begun.iter().map(|b| CurrentMember { pool: b.pool, id: Some(b.id) }));
        self.seat_beginnings(&mut current);
        oldest_first(&mut current);
        let text = self.text.value.as_deref();
        let choice = set.choose(&Candidates { pool, holders: members, text, members: &current })?;
        self.unmet = choice.unmet;
        let dropped = self.roster.choose(&choice.members);
        let wanted: HashSet<i64> = choice.members.into_iter().collect();
        // what a call made whose slot went meanwhile: nobody else knows of it
        let sent = begun.into_iter().filter(|b| self.roster.unsure.contains_key(&b.pool));
        let sent: Vec<Departure> = sent.collect();
        let leaves = marked.into_iter().chain(sent).filter(|l| !wanted.contains(&l.pool));
        self.leave(leaves.chain(dropped.into_iter().map(|s| made(s.id, s.pool))));
        self.basis = Some(basis);
        Ok(())
    }

    /// The set is being deleted and cannot say any more whom it wanted: whatever its interrupted creates would have
    /// made is taken for a member.
    pub(super) fn recall(&mut self, basis: Basis, chooser: &Chooser<'_, F>, intent: &Intent) {
        let Chooser { set, members, pool, .. } = *chooser;
        if self.basis.as_ref() == Some(&basis) {
            return;
        }
        let mut pools: Vec<i64> = self.roster.slots.iter().map(|slot| slot.pool).collect();
        let seated: HashSet<i64> = pools.iter().copied().collect();
        let begun = self.begun(set, members, pool, intent).into_iter().map(|b| b.pool);
        pools.extend(begun.filter(|pool| !seated.contains(pool)));
        pools.dedup();
        self.roster.choose(&pools);
        self.basis = Some(basis);
    }

    /// Who is wanted again stays.
    pub(super) fn keep_wanted(&mut self) {
        if self.roster.departures.is_empty() {
            return;
        }
        let wanted: HashSet<i64> = self.roster.slots.iter().map(|slot| slot.pool).collect();
        self.roster.departures.retain(|departure| !wanted.contains(&departure.pool));
    }

    /// The set is being deleted: every member has to go.
    pub(super) fn dissolve(&mut self, mark: &str, members: &Mirror<F::Member>) {
        let (_, marked) = self.current(mark, members);
        self.leave(marked.into_iter());
        let slots = self.roster.slots.iter().filter(|s| s.made && s.id != 0);
        let slots: Vec<Departure> = slots.map(|s| made(s.id, s.pool)).collect();
        self.leave(slots.into_iter());
    }

    /// Former members without the set's tag, of a set that is being deleted: the spec means what they hold, this
    /// installation made them, and nobody else here has them. Only of a set that was in step, whose members they were.
    pub(super) fn find_stripped(
        &mut self,
        choice: &[i64],
        installation: &str,
        members: &Mirror<F::Member>,
        rival: &BetterClaim<'_>,
    ) {
        let bare = |row: &MemberRow<F>| {
            F::marks(row).is_some_and(|marks| marks == Marks { made_by: Some(installation), set: None })
        };
        let mut found = Vec::new();
        for pool in choice {
            let ids = members.find(&F::key(*pool));
            let [id] = ids.as_slice() else { continue };
            let ours =
                members.row(id).is_some_and(|row| bare(&row)) && rival(*pool, Some(id), false).is_none();
            found.extend(id.int().filter(|_| ours).map(|id| made(id, *pool)));
        }
        self.leave(found.into_iter());
    }

    /// They are looked for in what is known now.
    pub(super) fn note_stripped(&mut self, basis: Basis) {
        self.stripped = Some(basis);
    }

    /// They were looked for in what is known now.
    pub(super) fn found_stripped(&self, basis: &Basis) -> bool {
        self.stripped.as_ref() == Some(basis)
    }

    /// These have to go as well.
    pub(super) fn leave(&mut self, more: impl Iterator<Item = Departure>) {
        let known: HashSet<i64> = self.roster.departures.iter().map(|departure| departure.id).collect();
        self.roster.departures.extend(more.filter(|departure| !known.contains(&departure.id)));
        newest_first(&mut self.roster.departures);
    }

    /// Devices that creates of an intent made, before they carry any mark: of an earlier process those that look so, of
    /// this one those that it sent and has no answer to.
    fn begun(
        &self,
        set: &F,
        members: &Mirror<F::Member>,
        pool: &Mirror<F::Pool>,
        intent: &Intent,
    ) -> Vec<Departure> {
        let mut begun = Vec::new();
        let (Some(base), Ok(since)) = (&self.base, intent.since.parse()) else { return begun };
        let inherited = self.intent.as_ref() != Some(&intent.nonce);
        members.each(&mut |row| {
            let bare = F::marks(row).is_some_and(|marks| marks == Marks::default());
            let recent = F::Member::created(row).is_some_and(|at| at >= appeared(since));
            let (Some(id), Some(current)) = (F::Member::id(row).int(), F::pool_entry(row)) else { return };
            if bare && recent && (inherited || self.roster.unsure.contains_key(&current)) {
                let Some(entry) = pool.row(&Id::Int(current)) else { return };
                let alike = |set: &F, base| set.member(base, &entry).is_ok_and(|w| F::resembles(&w, row));
                if alike(set, base) || self.former.iter().any(|(set, base)| alike(set, base)) {
                    begun.push(made(id, current));
                }
            }
        });
        begun
    }

    /// Creates under way keep their slots, as the newest members: what they take may be shown as taken before they are.
    fn seat_beginnings(&self, current: &mut Vec<CurrentMember>) {
        let mut begun: Vec<CurrentMember> =
            self.roster.begun().map(|s| CurrentMember { pool: s.pool, id: None }).collect();
        if !begun.is_empty() {
            let known: HashSet<i64> = current.iter().map(|current| current.pool).collect();
            begun.retain(|begun| !known.contains(&begun.pool));
            current.append(&mut begun);
        }
    }

    /// Members now, and those of them that carry the set's mark.
    fn current(&self, mark: &str, members: &Mirror<F::Member>) -> (Vec<CurrentMember>, Vec<Departure>) {
        let (installation, _) = mark.split_once('/').unwrap_or((mark, ""));
        let mut marked = Vec::new();
        members.each(&mut |row| {
            let Some(marks) = F::marks(row).filter(|marks| marks.set == Some(mark)) else { return };
            let Some(id) = F::Member::id(row).int() else { return };
            let pool = F::pool_entry(row).unwrap_or(0);
            marked.push(Departure { id, pool, made: marks.made_by == Some(installation) });
        });
        let mut current: Vec<CurrentMember> =
            marked.iter().map(|l| CurrentMember { pool: l.pool, id: Some(l.id) }).collect();
        let slots = self.roster.slots.iter().filter(|s| s.id != 0);
        current.extend(slots.map(|s| CurrentMember { pool: s.pool, id: Some(s.id) }));
        current.retain(|current| current.pool != 0);
        (current, marked)
    }

    /// Every create that may have been sent is accounted for; with `leaving` no more are sent.
    pub(super) fn accounted(&self, context: &AssessContext<'_, F>, leaving: bool) -> bool {
        let open = |slot: &Slot| {
            if leaving {
                context.intent.is_some() && slot.is_nameless()
            } else {
                slot.stand.is_beginning() && !slot.settled
            }
        };
        !context.inherited && self.roster.unsure.is_empty() && !self.roster.slots.iter().any(open)
    }
}

/// A member that has to go and that the set made.
pub(super) fn made(id: i64, pool: i64) -> Departure {
    Departure { id, pool, made: true }
}

fn oldest_first(current: &mut Vec<CurrentMember>) {
    // who has no id yet is the youngest
    current.sort_by_key(|current| (current.id.is_none(), current.id));
    current.dedup_by(|a, b| a.id == b.id && a.id.is_some());
}
