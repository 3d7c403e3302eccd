//! The next call of a set: pure. Members are brought up first, then brought in step, then let go.

use std::{collections::HashSet, time::Duration};

use emnify::Lane;
use jiff::{SignedDuration, Timestamp};

use super::call_item::CallItem;
use crate::{
    decide::{
        member::{AssessContext, Assessed, MemberStep},
        roster::{Departure, MemberKey, MemberState, Roster, Slot, Trouble},
        taken,
    },
    kind::{
        BatchKey, Change, Id, Managed, reason,
        set::{MemberChange, ObjectSet, Rollout},
    },
    session::{batch::RetryGroup, guard::Tripped, pause},
};

/// More doubts than this are settled by one listing instead of single reads.
const READS: u64 = 20;
/// Failures without a refused request are kept up to this number: they are found again at every look.
const KEPT_FAILURES: usize = 1000;
/// With no activation left, a look for members that need none ends after so many that do.
const PASSED_OVER: usize = 100;

type Part<F> = <<F as ObjectSet>::Member as Managed>::Part;

/// What bounds a call.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Bounds<'a> {
    /// How fast changes may reach members.
    pub(crate) rollout: Rollout,
    /// Changes of this key that fit a call.
    pub(crate) fits: &'a dyn Fn(&BatchKey) -> usize,
    /// May so many members more be disturbed?
    pub(crate) guard: &'a dyn Fn(u64) -> Result<(), Tripped>,
    /// The guard counts a member once in this time.
    pub(crate) window: Duration,
    /// An intent is recorded, so creates may be sent.
    pub(crate) intent: bool,
    /// Nothing is sent yet: what would activate may be more than is written down.
    pub(crate) plans: bool,
    /// A listing was complete since one was asked for: what is still in doubt has to be read.
    pub(crate) listed: bool,
    /// The set is being brought up or was edited, rather than drifted.
    pub(crate) edited: bool,
}

/// The next thing to do.
#[derive(Debug)]
pub(crate) enum Next<F: ObjectSet> {
    /// Nothing now.
    Rest,
    /// Write down that creates may follow.
    RecordIntent,
    /// Read one member.
    Read(Id),
    /// Read pieces of one member.
    ReadParts(Id, Vec<Part<F>>),
    /// Ask for a complete listing.
    Sweep,
    /// One call.
    Send(Vec<CallItem<F>>, Option<BatchKey>),
}

/// What comes next, how urgent it is, and what holds the rest back.
#[derive(Debug)]
pub(crate) struct NextCall<F: ObjectSet> {
    pub(crate) next: Next<F>,
    pub(crate) lane: Lane,
    /// Text of the guard's trip.
    pub(crate) tripped: Option<Tripped>,
}

/// Assesses what changed; everyone afterwards stands where they stand.
pub(crate) fn assess_all<F: ObjectSet>(
    roster: &mut Roster,
    context: &AssessContext<'_, F>,
    rollout: &Rollout,
) {
    let now = context.now;
    if roster.due.is_some_and(|due| due <= now) {
        roster.due = None;
        roster.doubt_all();
    }
    if let Some(complete) = context.members.complete_since() {
        roster.unsure.retain(|_, unsure| complete < unsure.proof);
    }
    for place in 0..roster.slots.len() {
        let slot = roster.slots[place];
        if slot.stand.is_open() {
            assess(roster, context, place, slot);
        }
    }
    let mut out = HashSet::new();
    for slot in roster.slots.iter_mut().filter(|slot| slot.counted) {
        slot.counted = !serves(context, slot);
        if slot.counted {
            out.insert(slot.pool);
        }
    }
    let ends = |since: &Timestamp| since.checked_add(duration(rollout)).unwrap_or(Timestamp::MAX);
    roster.disturbed.retain(|pool, since| out.contains(pool) || ends(since) > now);
    roster.departures.retain(|departure| !context.has_left(departure));
    roster.tidy();
}

fn duration(rollout: &Rollout) -> SignedDuration {
    SignedDuration::try_from(rollout.min_ready).unwrap_or(SignedDuration::MAX)
}

/// A disturbed member that is in step and reachable again.
fn serves<F: ObjectSet>(context: &AssessContext<'_, F>, slot: &Slot) -> bool {
    if slot.stand != MemberState::Settled {
        return false;
    }
    let id = Id::Int(slot.id);
    let news = context.members.news(&id).map(|(news, _)| news);
    context.members.row(&id).is_some_and(|row| F::available(&row, news.as_ref()))
}

/// One slot: what its member needs, then who that is, then how it stands. Whoever is another member than before, or none, keeps
/// nothing of what was known of the former; one whose create may still show stays ours; what is only doubted keeps its last state.
fn assess<F: ObjectSet>(roster: &mut Roster, context: &AssessContext<'_, F>, place: usize, mut slot: Slot) {
    let pool = slot.pool;
    let assessed = context.slot(place, &slot, roster.unsure.contains_key(&pool));
    if let MemberStep::Send(_, change) = &assessed.need
        && let Some(until) = roster.undone(slot.key(), taken::correction(change), context.now)
    {
        let mut trouble = context.trouble(slot.key(), reason::NOT_TAKEN, taken::message(change));
        (trouble.refused, trouble.until) = (Some(context.digest(change)), Some(until));
        roster.failures.insert(slot.key(), trouble);
    }
    let was = (slot.id != 0).then_some(slot.id);
    let id = member_id(&assessed, was);
    if id != was {
        // another one, or none: nothing that was known of its predecessor holds
        slot.settled = false;
        slot.counted = false;
        slot.last = MemberState::Unknown;
        roster.moved = true;
    }
    slot.id = id.unwrap_or(0);
    if id.is_some() {
        roster.unsure.remove(&pool);
        slot.made |= assessed.made;
    } else {
        // its create may still show
        slot.made &= roster.unsure.contains_key(&pool);
    }
    slot.starts = matches!(&assessed.need, MemberStep::Create(change) if change.class().disturbs > 0);
    slot.stand = stand(roster, context, &mut slot, assessed.need);
    if !slot.stand.is_doubt() {
        slot.last = slot.stand;
    } else if slot.last == MemberState::Unknown {
        slot.last = assessed.recalled.unwrap_or_default();
    }
    if matches!(slot.stand, MemberState::Settled | MemberState::Partitioned | MemberState::Drifted) {
        roster.retry_groups.remove(&slot.key());
        roster.failures.remove(&slot.key());
    }
    roster.slots[place] = slot;
}

/// The id of the member, as far as it is known now; `was` is what it was before.
fn member_id<F: ObjectSet>(assessed: &Assessed<F>, was: Option<i64>) -> Option<i64> {
    match &assessed.need {
        MemberStep::Send(id, _)
        | MemberStep::Partitioned(id)
        | MemberStep::Settled(id, _)
        | MemberStep::Busy(id, _)
        | MemberStep::ReadParts(id, _)
        | MemberStep::Drifted(Some(id)) => id.int(),
        MemberStep::Create(_) | MemberStep::Drifted(None) => None,
        MemberStep::Read(id) if assessed.recalled.is_some() => id.int(),
        MemberStep::Wait | MemberStep::Read(_) | MemberStep::Fail(..) => was,
    }
}

/// The state of a member that needs this. The roster notes when to look again and what failed.
fn stand<F: ObjectSet>(
    roster: &mut Roster,
    context: &AssessContext<'_, F>,
    slot: &mut Slot,
    need: MemberStep<F>,
) -> MemberState {
    match need {
        MemberStep::Wait => MemberState::Waiting,
        MemberStep::Read(_) | MemberStep::ReadParts(..) if read_failed(roster, slot.key(), context.now) => {
            MemberState::Failed
        }
        MemberStep::Read(_) => MemberState::Doubted,
        MemberStep::ReadParts(..) => MemberState::Partial,
        MemberStep::Create(change) if blocked(roster, context, slot.key(), &change) => MemberState::Failed,
        MemberStep::Create(_) => MemberState::Missing,
        MemberStep::Send(_, change) if blocked(roster, context, slot.key(), &change) => MemberState::Failed,
        MemberStep::Send(_, change) if change.class().disturbs > 0 => MemberState::Disturbing,
        MemberStep::Send(..) => MemberState::Quiet,
        MemberStep::Partitioned(_) => MemberState::Partitioned,
        MemberStep::Drifted(_) => MemberState::Drifted,
        MemberStep::Busy(_, due) => {
            roster.due = roster.due.into_iter().chain([due]).min();
            MemberState::Waiting
        }
        MemberStep::Settled(_, due) => {
            roster.due = roster.due.into_iter().chain(due).min();
            slot.settled = true;
            MemberState::Settled
        }
        MemberStep::Fail(reason, message) => {
            if roster.failures.len() < KEPT_FAILURES || roster.failures.contains_key(&slot.key()) {
                roster.failures.insert(slot.key(), context.trouble(slot.key(), reason, message));
            }
            MemberState::Failed
        }
    }
}

/// The pause after a failure is not over; after a refusal it holds up the refused change only.
fn blocked<F: ObjectSet>(
    roster: &Roster,
    context: &AssessContext<'_, F>,
    key: MemberKey,
    change: &MemberChange<F>,
) -> bool {
    let refused =
        |trouble: &Trouble| trouble.refused.as_ref().is_none_or(|refused| *refused == context.digest(change));
    paused(roster, key, context.now) && roster.failures.get(&key).is_some_and(refused)
}

/// Something failed, and the pause after it is not over.
fn paused(roster: &Roster, key: MemberKey, now: Timestamp) -> bool {
    roster.failures.get(&key).and_then(|trouble| trouble.until).is_some_and(|until| until > now)
}

/// Finds the next call after [`assess_all`]; the first of these that there is: members that were begun get their marks; members that
/// are missing are made, once an intent is written down; what is doubted or was not read is read, for the decisions below rest on
/// it; what disturbs nobody is sent; what disturbs is sent to those whom it began to disturb, then to as many more as the
/// rollout leaves room for; former members are retired. The guard is asked for all that would be disturbed before the first, and
/// where it is tripped only members go on that are counted already.
pub(crate) fn next<F: ObjectSet>(
    roster: &mut Roster,
    context: &AssessContext<'_, F>,
    bounds: &Bounds<'_>,
) -> NextCall<F> {
    let mut next_call = NextCall { next: Next::Rest, lane: Lane::Repair, tripped: None };
    let edit = if bounds.edited { Lane::Interactive } else { Lane::Repair };
    // what was begun is finished first: until its marks are on, only the intent tells that a member is ours
    if let Some(send) = gather(roster, context, bounds, |s| s.stand == MemberState::Quiet && !s.settled, None)
    {
        return NextCall { next: send, lane: Lane::Create, ..next_call };
    }
    close(roster, context, bounds.window);
    let starts = roster.slots.iter().any(|s| s.stand == MemberState::Missing && s.starts);
    if starts {
        next_call.tripped = (bounds.guard)(pending(roster, context)).err();
    }
    let counted: HashSet<MemberKey> = roster.counts.keys().copied().collect();
    let may = |s: &Slot, tripped: bool| !tripped || counted.contains(&s.key());
    let tripped = next_call.tripped.is_some();
    let missing = |s: &Slot| s.stand == MemberState::Missing && (!s.starts || may(s, tripped));
    if let Some(send) = gather(roster, context, bounds, missing, None) {
        let next = if bounds.intent { send } else { Next::RecordIntent };
        return NextCall { next, lane: Lane::Create, ..next_call };
    }
    if let Some(next) = doubt(roster, context, bounds.listed) {
        return NextCall { next, lane: edit, ..next_call };
    }
    if let Some(next) = read(roster, context, MemberState::Partial) {
        let many = roster.count(MemberState::Partial) > READS;
        return NextCall { next, lane: if many { Lane::Repair } else { edit }, ..next_call };
    }
    if let Some(send) = gather(roster, context, bounds, |s| s.stand == MemberState::Quiet, None) {
        return NextCall { next: send, lane: edit, ..next_call };
    }
    next_call.tripped = (bounds.guard)(pending(roster, context)).err();
    let tripped = next_call.tripped.is_some();
    let room = bounds.rollout.max_unavailable.map(|most| most.saturating_sub(roster.unavailable()));
    let begun = |s: &Slot| s.stand == MemberState::Disturbing && s.counted && may(s, tripped);
    let fresh = |s: &Slot| s.stand == MemberState::Disturbing && !s.counted && may(s, tripped);
    if let Some(send) =
        gather(roster, context, bounds, begun, None).or_else(|| gather(roster, context, bounds, fresh, room))
    {
        return NextCall { next: send, lane: edit, ..next_call };
    }
    if let Some((next, urgent)) = retire(roster, context, bounds, !tripped) {
        let lane = if urgent { Lane::Safety } else { Lane::Interactive };
        return NextCall { next, lane, ..next_call };
    }
    next_call
}

/// The same for a set that is being deleted: nothing is brought up any more.
pub(crate) fn plan_deletion<F: ObjectSet>(
    roster: &mut Roster,
    context: &AssessContext<'_, F>,
    bounds: &Bounds<'_>,
) -> NextCall<F> {
    close(roster, context, bounds.window);
    let leaving = leaving(roster, context);
    let tripped = (bounds.guard)(u64::try_from(leaving).unwrap_or(u64::MAX)).err();
    let mut next_call = NextCall { next: Next::Rest, lane: Lane::Interactive, tripped };
    if let Some((next, urgent)) = retire(roster, context, bounds, next_call.tripped.is_none()) {
        next_call.next = next;
        next_call.lane = if urgent { Lane::Safety } else { Lane::Interactive };
    } else if bounds.intent && roster.slots.iter().any(Slot::is_nameless) {
        // what an interrupted create made may have no mark yet, and then only a read tells whose it is
        next_call.next = doubt(roster, context, bounds.listed).unwrap_or(Next::Rest);
    }
    next_call
}

/// Members that would be disturbed and are not counted yet.
fn pending<F: ObjectSet>(roster: &Roster, context: &AssessContext<'_, F>) -> u64 {
    let disturbs =
        |s: &&Slot| s.stand == MemberState::Disturbing || (s.stand == MemberState::Missing && s.starts);
    let slots =
        roster.slots.iter().filter(disturbs).filter(|s| !roster.counts.contains_key(&s.key())).count();
    u64::try_from(slots + leaving(roster, context)).unwrap_or(u64::MAX)
}

fn leaving<F: ObjectSet>(roster: &Roster, context: &AssessContext<'_, F>) -> usize {
    let fresh = |l: &&Departure| context.deletes(l) && !counts(roster, l);
    roster.departures.iter().filter(fresh).count()
}

/// A departure that is counted, or was as the member that it has been.
fn counts(roster: &Roster, departure: &Departure) -> bool {
    roster.counts.contains_key(&departure.key())
        || (departure.pool > 0 && roster.counts.contains_key(&MemberKey::Wanted(departure.pool)))
}

/// What the guard has counted is forgotten when the window is over and no more calls follow.
fn close<F: ObjectSet>(roster: &mut Roster, context: &AssessContext<'_, F>, window: Duration) {
    if roster.counts.is_empty() {
        return;
    }
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    let still = |s: &&Slot| {
        s.counted
            || !matches!(s.stand, MemberState::Settled | MemberState::Partitioned | MemberState::Drifted)
    };
    let mut open: HashSet<MemberKey> = roster.slots.iter().filter(still).map(Slot::key).collect();
    open.extend(roster.departures.iter().flat_map(|l| [l.key(), MemberKey::Wanted(l.pool)]));
    roster.counts.retain(|key, counted| {
        counted.open &= open.contains(key);
        counted.open || context.now.duration_since(counted.at) <= window
    });
}

fn doubt<F: ObjectSet>(roster: &Roster, context: &AssessContext<'_, F>, listed: bool) -> Option<Next<F>> {
    if roster.count(MemberState::Doubted) > READS && !listed {
        return Some(Next::Sweep);
    }
    read(roster, context, MemberState::Doubted)
}

/// A read for the first member that stands so.
fn read<F: ObjectSet>(
    roster: &Roster,
    context: &AssessContext<'_, F>,
    stand: MemberState,
) -> Option<Next<F>> {
    let (place, slot) = roster.slots.iter().enumerate().find(|(_, s)| s.stand == stand)?;
    match context.slot(place, slot, roster.unsure.contains_key(&slot.pool)).need {
        MemberStep::Read(id) => Some(Next::Read(id)),
        MemberStep::ReadParts(id, parts) => Some(Next::ReadParts(id, parts)),
        _ => None,
    }
}

/// The changes of members that may share a call with that of the first one, in rollout order.
fn gather<F: ObjectSet>(
    roster: &mut Roster,
    context: &AssessContext<'_, F>,
    bounds: &Bounds<'_>,
    pick: impl Fn(&Slot) -> bool,
    room: Option<u64>,
) -> Option<Next<F>> {
    let mut call = Call::<F>::new(room);
    let mut activations = activations_left(roster, bounds, context.now);
    let mut passed_over = 0;
    for (place, slot) in roster.slots.iter().enumerate() {
        if call.full() {
            break;
        }
        if !pick(slot) {
            continue;
        }
        let (id, change) = match context.slot(place, slot, roster.unsure.contains_key(&slot.pool)).need {
            MemberStep::Create(change) => (None, change),
            MemberStep::Send(id, change) => (Some(id), change),
            _ => continue,
        };
        let starts = change.activates();
        if starts && activations == Some(0) {
            passed_over += 1;
            if passed_over > PASSED_OVER {
                break;
            }
            continue;
        }
        if call.offer(bounds, roster.retry_groups.get(&slot.key()), CallItem { key: slot.key(), id, change })
            && starts
        {
            activations = activations.map(|left| left - 1);
        }
    }
    call.finish()
}

/// A read failed, and the pause after it is not over. What was refused is read at once: its row may be old.
fn read_failed(roster: &Roster, key: MemberKey, now: Timestamp) -> bool {
    paused(roster, key, now) && roster.failures.get(&key).is_some_and(|trouble| trouble.refused.is_none())
}

/// What lets members go, newest first; and whether it is urgent.
fn retire<F: ObjectSet>(
    roster: &mut Roster,
    context: &AssessContext<'_, F>,
    bounds: &Bounds<'_>,
    free: bool,
) -> Option<(Next<F>, bool)> {
    let mut call = Call::<F>::new(None);
    let mut due = roster.due;
    for departure in &roster.departures {
        if call.full() {
            break;
        }
        if !(free || counts(roster, departure) || !context.deletes(departure)) {
            continue;
        }
        let key = departure.key();
        match context.departure(departure) {
            MemberStep::Busy(_, poll) => due = due.into_iter().chain([poll]).min(),
            MemberStep::Send(_, change)
                if blocked(roster, context, key, &change)
                    || roster.undone(key, taken::correction(&change), context.now).is_some() => {}
            MemberStep::Send(id, change) => {
                call.offer(bounds, roster.retry_groups.get(&key), CallItem { key, id: Some(id), change });
            }
            MemberStep::Read(_) if read_failed(roster, key, context.now) => {}
            MemberStep::Read(id) if call.items.is_empty() => return Some((Next::Read(id), false)),
            _ => {}
        }
    }
    roster.due = due;
    let urgent = call.items.iter().any(|call_item| call_item.change.class().urgent);
    Some((call.finish()?, urgent))
}

/// Activations that the window still allows; `None`: all.
fn activations_left(roster: &mut Roster, bounds: &Bounds<'_>, now: Timestamp) -> Option<u64> {
    let limit = bounds.rollout.max_activations?;
    let window = SignedDuration::try_from(limit.window).unwrap_or(SignedDuration::MAX);
    roster.activated.retain(|(at, _)| now.duration_since(*at) < window);
    let sent: u64 = roster.activated.iter().map(|(_, n)| n).sum();
    let left = limit.members.saturating_sub(sent);
    let reserved = roster.reserved.map_or(0, |(_, n)| n);
    Some(if bounds.plans { left } else { left.min(reserved) })
}

/// A call that is being filled.
struct Call<F: ObjectSet> {
    items: Vec<CallItem<F>>,
    shared: Option<(Option<BatchKey>, Option<RetryGroup>)>,
    most: usize,
    room: usize,
}

impl<F: ObjectSet> Call<F> {
    fn new(room: Option<u64>) -> Self {
        let room = room.map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        Self { items: Vec::new(), shared: None, most: usize::MAX, room }
    }

    fn full(&self) -> bool {
        self.items.len() >= self.most.min(self.room)
    }

    /// Takes it along if it may share the call.
    fn offer(
        &mut self,
        bounds: &Bounds<'_>,
        retry_group: Option<&RetryGroup>,
        call_item: CallItem<F>,
    ) -> bool {
        let of = (call_item.change.batch(), retry_group.copied());
        match &self.shared {
            Some(shared) if *shared != of => return false,
            Some(_) => {}
            None => {
                self.most = of.0.as_ref().map_or(1, |key| (bounds.fits)(key).max(1));
                self.shared = Some(of);
            }
        }
        self.items.push(call_item);
        true
    }

    fn finish(self) -> Option<Next<F>> {
        let (key, _) = self.shared?;
        Some(Next::Send(self.items, key))
    }
}

/// When something may be done that cannot be done now; `None` when nothing waits for a time.
pub(crate) fn wake_at(roster: &Roster, rollout: &Rollout, now: Timestamp) -> Option<Timestamp> {
    let pauses = roster.failures.values().filter_map(|trouble| trouble.until);
    let undone = roster.accepted.values().filter_map(|accepted| accepted.until(now));
    // ends with a change of another object, which not everything tells of, or with a new try
    let rivals = [reason::OWNERSHIP_CONFLICT, reason::ALREADY_EXISTS, reason::IN_USE, reason::UNSETTLED];
    let rival = roster.failures.values().any(|trouble| rivals.contains(&trouble.failure.reason));
    let rival = rival.then(|| pause::after(now, pause::a_minute()));
    let ready = roster.disturbed.values().filter_map(|since| since.checked_add(duration(rollout)).ok());
    let unsure = roster.unsure.values().map(|unsure| unsure.proof);
    let waiting =
        roster.slots.iter().any(|s| s.stand == MemberState::Missing || s.stand == MemberState::Quiet);
    let window = rollout.max_activations.filter(|_| waiting).and_then(|limit| {
        let window = SignedDuration::try_from(limit.window).ok()?;
        roster.activated.front()?.0.checked_add(window).ok()
    });
    pauses
        .chain(undone)
        .chain(rival)
        .chain(roster.due)
        .chain(ready)
        .chain(unsure)
        .chain(window)
        .filter(|at| *at > now)
        .min()
}

/// Sorts members that have to go, newest first: ids grow.
pub(crate) fn newest_first(departures: &mut Vec<Departure>) {
    departures.sort_unstable_by_key(|departure| std::cmp::Reverse(departure.id));
    departures.dedup_by_key(|departure| departure.id);
}
