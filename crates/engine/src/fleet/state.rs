//! What this process remembers of one set between two looks.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    Candidates, Failure, Fleet, Held, Marks, MemberRow, MemberWant,
    assess::{Measure, Rival},
    holder::Marks as Touched,
    plan::newest_first,
    roster::{Leaver, Roster, Seat},
};
use crate::{
    controller::past::appeared,
    kind::{Id, Invalid, Managed},
    mirror::Mirror,
    spec::Intent,
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

/// A value read from a `ConfigMap`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// Name and key it was read from.
    pub(super) of: Option<super::TextRef>,
    pub(super) version: Option<String>,
    pub(super) value: Option<String>,
    /// The API server does not let the operator read it.
    pub(super) forbidden: bool,
    pub(super) read: Option<Timestamp>,
}

/// One set.
pub(super) struct Set<F: Fleet> {
    pub(super) roster: Roster,
    pub(super) generation: Option<i64>,
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

impl<F: Fleet> Set<F> {
    pub(super) fn new() -> Self {
        Self {
            roster: Roster::default(),
            generation: None,
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
    pub(super) fn refresh(&mut self, set: &F, base: Option<MemberWant<F>>, touched: &Touched) -> bool {
        let generation = set.meta().generation;
        let edited = self.generation.is_some() && self.generation != generation;
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
        self.generation = generation;
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
        set: &F,
        basis: Basis,
        mark: &str,
        members: &Mirror<F::Member>,
        pool: &Mirror<F::Pool>,
        intent: Option<&Intent>,
    ) -> Result<(), Invalid> {
        if self.basis.as_ref() == Some(&basis) {
            return Ok(());
        }
        let (mut held, marked) = self.held(mark, members);
        let begun = intent.map_or_else(Vec::new, |intent| self.begun(set, members, pool, intent));
        held.extend(&begun);
        self.seat_beginnings(&mut held);
        oldest_first(&mut held);
        let text = self.text.value.as_deref();
        let choice = set.choose(&Candidates { pool, holders: members, text, members: &held })?;
        self.unmet = choice.unmet;
        let dropped = self.roster.choose(&choice.members);
        let wanted: HashSet<i64> = choice.members.into_iter().collect();
        // what a call made whose seat went meanwhile: nobody else knows of it
        let sent = begun.into_iter().filter(|b| self.roster.unsure.contains_key(&b.pool));
        let sent: Vec<Leaver> = sent.map(|b| made(b.id, b.pool)).collect();
        let leaves = marked.into_iter().chain(sent).filter(|l| !wanted.contains(&l.pool));
        self.leave(leaves.chain(dropped.into_iter().map(|s| made(s.id, s.pool))));
        self.basis = Some(basis);
        Ok(())
    }

    /// The set is being deleted and cannot say any more whom it wanted: whatever its interrupted creates would have
    /// made is taken for a member.
    pub(super) fn recall(
        &mut self,
        set: &F,
        basis: Basis,
        members: &Mirror<F::Member>,
        pool: &Mirror<F::Pool>,
        intent: &Intent,
    ) {
        if self.basis.as_ref() == Some(&basis) {
            return;
        }
        let mut pools: Vec<i64> = self.roster.seats.iter().map(|seat| seat.pool).collect();
        let seated: HashSet<i64> = pools.iter().copied().collect();
        let begun = self.begun(set, members, pool, intent).into_iter().map(|b| b.pool);
        pools.extend(begun.filter(|pool| !seated.contains(pool)));
        pools.dedup();
        self.roster.choose(&pools);
        self.basis = Some(basis);
    }

    /// Who is wanted again stays.
    pub(super) fn keep_wanted(&mut self) {
        if self.roster.leavers.is_empty() {
            return;
        }
        let wanted: HashSet<i64> = self.roster.seats.iter().map(|seat| seat.pool).collect();
        self.roster.leavers.retain(|leaver| !wanted.contains(&leaver.pool));
    }

    /// The set is being deleted: every member has to go.
    pub(super) fn dissolve(&mut self, mark: &str, members: &Mirror<F::Member>) {
        let (_, marked) = self.held(mark, members);
        self.leave(marked.into_iter());
        let seats = self.roster.seats.iter().filter(|s| s.made && s.id != 0);
        let seats: Vec<Leaver> = seats.map(|s| made(s.id, s.pool)).collect();
        self.leave(seats.into_iter());
    }

    /// Former members without the set's tag, of a set that is being deleted: the spec means what they hold, this
    /// installation made them, and nobody else here has them. Only of a set that was in step, whose members they were.
    pub(super) fn find_stripped(
        &mut self,
        choice: &[i64],
        basis: Basis,
        installation: &str,
        members: &Mirror<F::Member>,
        rival: &Rival<'_>,
    ) {
        self.stripped = Some(basis);
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

    /// They were looked for in what is known now.
    pub(super) fn found_stripped(&self, basis: &Basis) -> bool {
        self.stripped.as_ref() == Some(basis)
    }

    /// These have to go as well.
    pub(super) fn leave(&mut self, more: impl Iterator<Item = Leaver>) {
        let known: HashSet<i64> = self.roster.leavers.iter().map(|leaver| leaver.id).collect();
        self.roster.leavers.extend(more.filter(|leaver| !known.contains(&leaver.id)));
        newest_first(&mut self.roster.leavers);
    }

    /// Devices that creates of an intent made, before they carry any mark: of an earlier process those that look so, of
    /// this one those that it sent and has no answer to.
    fn begun(
        &self,
        set: &F,
        members: &Mirror<F::Member>,
        pool: &Mirror<F::Pool>,
        intent: &Intent,
    ) -> Vec<Held> {
        let mut begun = Vec::new();
        let (Some(base), Ok(since)) = (&self.base, intent.since.parse()) else { return begun };
        let inherited = self.intent.as_ref() != Some(&intent.nonce);
        members.each(&mut |row| {
            let bare = F::marks(row).is_some_and(|marks| marks == Marks::default());
            let recent = F::Member::created(row).is_some_and(|at| at >= appeared(since));
            let (Some(id), Some(held)) = (F::Member::id(row).int(), F::holds(row)) else { return };
            if bare && recent && (inherited || self.roster.unsure.contains_key(&held)) {
                let Some(entry) = pool.row(&Id::Int(held)) else { return };
                let alike = |set: &F, base| set.member(base, &entry).is_ok_and(|w| F::resembles(&w, row));
                if alike(set, base) || self.former.iter().any(|(set, base)| alike(set, base)) {
                    begun.push(Held { pool: held, id });
                }
            }
        });
        begun
    }

    /// Creates under way keep their seats, as the newest members: what they take may be shown as taken before they are.
    fn seat_beginnings(&self, held: &mut Vec<Held>) {
        let mut begun: Vec<Held> = self.roster.begun().map(|s| Held { pool: s.pool, id: i64::MAX }).collect();
        if !begun.is_empty() {
            let known: HashSet<i64> = held.iter().map(|held| held.pool).collect();
            begun.retain(|begun| !known.contains(&begun.pool));
            held.append(&mut begun);
        }
    }

    /// Members now, and those of them that carry the set's mark.
    fn held(&self, mark: &str, members: &Mirror<F::Member>) -> (Vec<Held>, Vec<Leaver>) {
        let (installation, _) = mark.split_once('/').unwrap_or((mark, ""));
        let mut marked = Vec::new();
        members.each(&mut |row| {
            let Some(marks) = F::marks(row).filter(|marks| marks.set == Some(mark)) else { return };
            let Some(id) = F::Member::id(row).int() else { return };
            let pool = F::holds(row).unwrap_or(0);
            marked.push(Leaver { id, pool, made: marks.made_by == Some(installation) });
        });
        let mut held: Vec<Held> = marked.iter().map(|l| Held { pool: l.pool, id: l.id }).collect();
        let seats = self.roster.seats.iter().filter(|s| s.id != 0);
        held.extend(seats.map(|s| Held { pool: s.pool, id: s.id }));
        held.retain(|held| held.pool != 0);
        (held, marked)
    }

    /// Every create that may have been sent is accounted for; with `leaving` no more are sent.
    pub(super) fn accounted(&self, measure: &Measure<'_, F>, leaving: bool) -> bool {
        let open = |seat: &Seat| {
            if leaving {
                measure.intent.is_some() && seat.is_nameless()
            } else {
                seat.stand.is_beginning() && !seat.settled
            }
        };
        !measure.inherited && self.roster.unsure.is_empty() && !self.roster.seats.iter().any(open)
    }
}

/// A member that has to go and that the set made.
pub(super) fn made(id: i64, pool: i64) -> Leaver {
    Leaver { id, pool, made: true }
}

fn oldest_first(held: &mut Vec<Held>) {
    held.sort_by_key(|held| held.id);
    held.dedup_by(|a, b| a.id == b.id && a.id != i64::MAX);
}
