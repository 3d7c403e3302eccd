//! The next call of a set: pure. Members are brought up first, then brought in step, then let go.

use std::{collections::HashSet, time::Duration};

use emnify::Lane;
use jiff::{SignedDuration, Timestamp};

use super::{
    Fleet, MemberChange, Rollout,
    assess::{Measure, Need},
    roster::{Counted, Leaver, Roster, Seat, Stand, Trouble},
};
use crate::{
    answer::Disturbed,
    batch::Cohort,
    kind::{BatchKey, Change, Id, Managed, Verb},
    pause, reason,
    role::Doing,
    taken,
};

/// More doubts than this are settled by one listing instead of single reads.
const READS: u64 = 20;
/// Failures without a refused request are kept up to this number: they are found again at every look.
const KEPT_FAILURES: usize = 1000;
/// With no activation left, a look for members that need none ends after so many that do.
const PASSED_OVER: usize = 100;

type Part<F> = <<F as Fleet>::Member as Managed>::Part;

/// What bounds a call.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Bounds<'a> {
    /// How fast changes may reach members.
    pub(crate) rollout: Rollout,
    /// Changes of this key that fit a call.
    pub(crate) fits: &'a dyn Fn(&BatchKey) -> usize,
    /// May so many members more be disturbed? Otherwise the text of the trip.
    pub(crate) guard: &'a dyn Fn(u64) -> Result<(), String>,
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

/// One member's share of a call.
#[derive(Debug)]
pub(crate) struct Load<F: Fleet> {
    /// What it holds; for a leaver its negated id.
    pub(crate) key: i64,
    /// Its own id, if it exists.
    pub(crate) id: Option<Id>,
    /// The change.
    pub(crate) change: MemberChange<F>,
}

/// The next thing to do.
#[derive(Debug)]
pub(crate) enum Next<F: Fleet> {
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
    Send(Vec<Load<F>>, Option<BatchKey>),
}

/// What comes next, how urgent it is, and what holds the rest back.
#[derive(Debug)]
pub(crate) struct Outlook<F: Fleet> {
    pub(crate) next: Next<F>,
    pub(crate) lane: Lane,
    /// Text of the guard's trip.
    pub(crate) tripped: Option<String>,
}

/// Assesses what changed; everyone afterwards stands where they stand.
pub(crate) fn survey<F: Fleet>(roster: &mut Roster, measure: &Measure<'_, F>, rollout: &Rollout) {
    let now = measure.now;
    if roster.due.is_some_and(|due| due <= now) {
        roster.due = None;
        roster.doubt_all();
    }
    if let Some(complete) = measure.members.complete_since() {
        roster.unsure.retain(|_, unsure| complete < unsure.proof);
    }
    for place in 0..roster.seats.len() {
        let seat = roster.seats[place];
        if seat.stand.is_open() {
            assess(roster, measure, place, seat);
        }
    }
    let mut out = HashSet::new();
    for seat in roster.seats.iter_mut().filter(|seat| seat.counted) {
        seat.counted = !serves(measure, seat);
        if seat.counted {
            out.insert(seat.pool);
        }
    }
    let ends = |since: &Timestamp| since.checked_add(duration(rollout)).unwrap_or(Timestamp::MAX);
    roster.disturbed.retain(|pool, since| out.contains(pool) || ends(since) > now);
    roster.leavers.retain(|leaver| !measure.gone(leaver));
    roster.tidy();
}

fn duration(rollout: &Rollout) -> SignedDuration {
    SignedDuration::try_from(rollout.min_ready).unwrap_or(SignedDuration::MAX)
}

/// A disturbed member that is in step and reachable again.
fn serves<F: Fleet>(measure: &Measure<'_, F>, seat: &Seat) -> bool {
    if seat.stand != Stand::Settled {
        return false;
    }
    let id = Id::Int(seat.id);
    let news = measure.members.news(&id).map(|(news, _)| news);
    measure.members.row(&id).is_some_and(|row| F::available(&row, news.as_ref()))
}

fn assess<F: Fleet>(roster: &mut Roster, measure: &Measure<'_, F>, place: usize, mut seat: Seat) {
    let pool = seat.pool;
    let assessed = measure.seat(place, &seat, roster.unsure.contains_key(&pool));
    if let Need::Send(_, change) = &assessed.need
        && let Some(until) = roster.undone(pool, taken::correction(change), measure.now)
    {
        let mut trouble = measure.trouble(pool, reason::NOT_TAKEN, taken::message(change));
        (trouble.refused, trouble.until) = (Some(measure.digest(change)), Some(until));
        roster.failures.insert(pool, trouble);
    }
    let was = (seat.id != 0).then_some(seat.id);
    let id = match &assessed.need {
        Need::Send(id, _)
        | Need::Held(id)
        | Need::Settled(id, _)
        | Need::ReadParts(id, _)
        | Need::Drifted(Some(id)) => id.int(),
        Need::Create(_) | Need::Drifted(None) => None,
        Need::Read(id) if assessed.recalled.is_some() => id.int(),
        Need::Wait | Need::Read(_) | Need::Fail(..) => was,
    };
    if id != was {
        // another one, or none: nothing that was known of its predecessor holds
        seat.settled = false;
        seat.counted = false;
        seat.last = Stand::Unknown;
        roster.moved = true;
    }
    seat.id = id.unwrap_or(0);
    if id.is_some() {
        roster.unsure.remove(&pool);
        seat.made |= assessed.made;
    } else {
        // its create may still show
        seat.made &= roster.unsure.contains_key(&pool);
    }
    seat.starts = matches!(&assessed.need, Need::Create(change) if change.class().disturbs > 0);
    seat.stand = match assessed.need {
        Need::Wait => Stand::Waiting,
        Need::Read(_) | Need::ReadParts(..) if read_failed(roster, pool, measure.now) => Stand::Failed,
        Need::Read(_) => Stand::Doubted,
        Need::ReadParts(..) => Stand::Partial,
        Need::Create(change) if blocked(roster, measure, pool, &change) => Stand::Failed,
        Need::Create(_) => Stand::Missing,
        Need::Send(_, change) if blocked(roster, measure, pool, &change) => Stand::Failed,
        Need::Send(_, change) if change.class().disturbs > 0 => Stand::Disturbing,
        Need::Send(..) => Stand::Quiet,
        Need::Held(_) => Stand::Held,
        Need::Drifted(_) => Stand::Drifted,
        Need::Settled(_, due) => {
            roster.due = roster.due.into_iter().chain(due).min();
            seat.settled = true;
            Stand::Settled
        }
        Need::Fail(reason, message) => {
            if roster.failures.len() < KEPT_FAILURES || roster.failures.contains_key(&pool) {
                roster.failures.insert(pool, measure.trouble(pool, reason, message));
            }
            Stand::Failed
        }
    };
    if !seat.stand.is_doubt() {
        seat.last = seat.stand;
    } else if seat.last == Stand::Unknown {
        seat.last = assessed.recalled.unwrap_or_default();
    }
    if matches!(seat.stand, Stand::Settled | Stand::Held | Stand::Drifted) {
        roster.cohorts.remove(&pool);
        roster.failures.remove(&pool);
    }
    roster.seats[place] = seat;
}

/// The pause after a failure is not over; after a refusal it holds up the refused change only.
fn blocked<F: Fleet>(roster: &Roster, measure: &Measure<'_, F>, key: i64, change: &MemberChange<F>) -> bool {
    let refused =
        |trouble: &Trouble| trouble.refused.as_ref().is_none_or(|refused| *refused == measure.digest(change));
    paused(roster, key, measure.now) && roster.failures.get(&key).is_some_and(refused)
}

/// Something failed, and the pause after it is not over.
fn paused(roster: &Roster, key: i64, now: Timestamp) -> bool {
    roster.failures.get(&key).and_then(|trouble| trouble.until).is_some_and(|until| until > now)
}

/// Finds the next call after a [`survey`].
pub(crate) fn next<F: Fleet>(
    roster: &mut Roster,
    measure: &Measure<'_, F>,
    bounds: &Bounds<'_>,
) -> Outlook<F> {
    let mut outlook = Outlook { next: Next::Rest, lane: Lane::Repair, tripped: None };
    let edit = if bounds.edited { Lane::Interactive } else { Lane::Repair };
    // what was begun is finished first: until its marks are on, only the intent tells that a member is ours
    if let Some(send) = gather(roster, measure, bounds, |s| s.stand == Stand::Quiet && !s.settled, None) {
        return Outlook { next: send, lane: Lane::Create, ..outlook };
    }
    close(roster, measure, bounds.window);
    let starts = roster.seats.iter().any(|s| s.stand == Stand::Missing && s.starts);
    if starts {
        outlook.tripped = (bounds.guard)(pending(roster, measure)).err();
    }
    let counted: HashSet<i64> = roster.counts.keys().copied().collect();
    let may = |s: &Seat, tripped: bool| !tripped || counted.contains(&s.pool);
    let tripped = outlook.tripped.is_some();
    let missing = |s: &Seat| s.stand == Stand::Missing && (!s.starts || may(s, tripped));
    if let Some(send) = gather(roster, measure, bounds, missing, None) {
        let next = if bounds.intent { send } else { Next::RecordIntent };
        return Outlook { next, lane: Lane::Create, ..outlook };
    }
    if let Some(next) = doubt(roster, measure, bounds.listed) {
        return Outlook { next, lane: edit, ..outlook };
    }
    if let Some(next) = read(roster, measure, Stand::Partial) {
        let many = roster.count(Stand::Partial) > READS;
        return Outlook { next, lane: if many { Lane::Repair } else { edit }, ..outlook };
    }
    if let Some(send) = gather(roster, measure, bounds, |s| s.stand == Stand::Quiet, None) {
        return Outlook { next: send, lane: edit, ..outlook };
    }
    outlook.tripped = (bounds.guard)(pending(roster, measure)).err();
    let tripped = outlook.tripped.is_some();
    let room = bounds.rollout.max_unavailable.map(|most| most.saturating_sub(roster.unavailable()));
    let begun = |s: &Seat| s.stand == Stand::Disturbing && s.counted && may(s, tripped);
    let fresh = |s: &Seat| s.stand == Stand::Disturbing && !s.counted && may(s, tripped);
    if let Some(send) =
        gather(roster, measure, bounds, begun, None).or_else(|| gather(roster, measure, bounds, fresh, room))
    {
        return Outlook { next: send, lane: edit, ..outlook };
    }
    if let Some((next, urgent)) = retire(roster, measure, bounds, !tripped) {
        let lane = if urgent { Lane::Safety } else { Lane::Interactive };
        return Outlook { next, lane, ..outlook };
    }
    outlook
}

/// The same for a set that is being deleted: nothing is brought up any more.
pub(crate) fn farewell<F: Fleet>(
    roster: &mut Roster,
    measure: &Measure<'_, F>,
    bounds: &Bounds<'_>,
) -> Outlook<F> {
    close(roster, measure, bounds.window);
    let leaving = leaving(roster, measure);
    let tripped = (bounds.guard)(u64::try_from(leaving).unwrap_or(u64::MAX)).err();
    let mut outlook = Outlook { next: Next::Rest, lane: Lane::Interactive, tripped };
    if let Some((next, urgent)) = retire(roster, measure, bounds, outlook.tripped.is_none()) {
        outlook.next = next;
        outlook.lane = if urgent { Lane::Safety } else { Lane::Interactive };
    } else if bounds.intent && roster.seats.iter().any(Seat::is_nameless) {
        // what an interrupted create made may have no mark yet, and then only a read tells whose it is
        outlook.next = doubt(roster, measure, bounds.listed).unwrap_or(Next::Rest);
    }
    outlook
}

/// Members that would be disturbed and are not counted yet.
fn pending<F: Fleet>(roster: &Roster, measure: &Measure<'_, F>) -> u64 {
    let disturbs = |s: &&Seat| s.stand == Stand::Disturbing || (s.stand == Stand::Missing && s.starts);
    let seats = roster.seats.iter().filter(disturbs).filter(|s| !roster.counts.contains_key(&s.pool)).count();
    u64::try_from(seats + leaving(roster, measure)).unwrap_or(u64::MAX)
}

fn leaving<F: Fleet>(roster: &Roster, measure: &Measure<'_, F>) -> usize {
    let fresh = |l: &&Leaver| measure.deletes(l) && !counts(roster, l);
    roster.leavers.iter().filter(fresh).count()
}

/// A leaver that is counted, or was as the member that it has been.
fn counts(roster: &Roster, leaver: &Leaver) -> bool {
    roster.counts.contains_key(&-leaver.id) || (leaver.pool > 0 && roster.counts.contains_key(&leaver.pool))
}

/// What the guard has counted is forgotten when the window is over and no more calls follow.
fn close<F: Fleet>(roster: &mut Roster, measure: &Measure<'_, F>, window: Duration) {
    if roster.counts.is_empty() {
        return;
    }
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    let still = |s: &&Seat| s.counted || !matches!(s.stand, Stand::Settled | Stand::Held | Stand::Drifted);
    let mut open: HashSet<i64> = roster.seats.iter().filter(still).map(|s| s.pool).collect();
    open.extend(roster.leavers.iter().flat_map(|l| [-l.id, l.pool]));
    roster.counts.retain(|key, counted| {
        counted.open &= open.contains(key);
        counted.open || measure.now.duration_since(counted.at) <= window
    });
}

fn doubt<F: Fleet>(roster: &Roster, measure: &Measure<'_, F>, listed: bool) -> Option<Next<F>> {
    if roster.count(Stand::Doubted) > READS && !listed {
        return Some(Next::Sweep);
    }
    read(roster, measure, Stand::Doubted)
}

/// A read for the first member that stands so.
fn read<F: Fleet>(roster: &Roster, measure: &Measure<'_, F>, stand: Stand) -> Option<Next<F>> {
    let (place, seat) = roster.seats.iter().enumerate().find(|(_, s)| s.stand == stand)?;
    match measure.seat(place, seat, roster.unsure.contains_key(&seat.pool)).need {
        Need::Read(id) => Some(Next::Read(id)),
        Need::ReadParts(id, parts) => Some(Next::ReadParts(id, parts)),
        _ => None,
    }
}

/// The changes of members that may share a call with that of the first one, in rollout order.
fn gather<F: Fleet>(
    roster: &mut Roster,
    measure: &Measure<'_, F>,
    bounds: &Bounds<'_>,
    pick: impl Fn(&Seat) -> bool,
    room: Option<u64>,
) -> Option<Next<F>> {
    let mut call = Call::<F>::new(room);
    let mut activations = activations_left(roster, bounds, measure.now);
    let mut passed_over = 0;
    for (place, seat) in roster.seats.iter().enumerate() {
        if call.full() {
            break;
        }
        if !pick(seat) {
            continue;
        }
        let (id, change) = match measure.seat(place, seat, roster.unsure.contains_key(&seat.pool)).need {
            Need::Create(change) => (None, change),
            Need::Send(id, change) => (Some(id), change),
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
        if call.offer(bounds, roster.cohorts.get(&seat.pool), Load { key: seat.pool, id, change }) && starts {
            activations = activations.map(|left| left - 1);
        }
    }
    call.finish()
}

/// A read failed, and the pause after it is not over. What was refused is read at once: its row may be old.
fn read_failed(roster: &Roster, key: i64, now: Timestamp) -> bool {
    paused(roster, key, now) && roster.failures.get(&key).is_some_and(|trouble| trouble.refused.is_none())
}

/// What lets members go, newest first; and whether it is urgent.
fn retire<F: Fleet>(
    roster: &Roster,
    measure: &Measure<'_, F>,
    bounds: &Bounds<'_>,
    free: bool,
) -> Option<(Next<F>, bool)> {
    let mut call = Call::<F>::new(None);
    for leaver in &roster.leavers {
        if call.full() {
            break;
        }
        if !(free || counts(roster, leaver) || !measure.deletes(leaver)) {
            continue;
        }
        let key = -leaver.id;
        match measure.leaver(leaver) {
            Need::Send(_, change)
                if blocked(roster, measure, key, &change)
                    || roster.undone(key, taken::correction(&change), measure.now).is_some() => {}
            Need::Send(id, change) => {
                call.offer(bounds, roster.cohorts.get(&key), Load { key, id: Some(id), change });
            }
            Need::Read(_) if read_failed(roster, key, measure.now) => {}
            Need::Read(id) if call.loads.is_empty() => return Some((Next::Read(id), false)),
            _ => {}
        }
    }
    let urgent = call.loads.iter().any(|load| load.change.class().urgent);
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
struct Call<F: Fleet> {
    loads: Vec<Load<F>>,
    shared: Option<(Option<BatchKey>, Option<Cohort>)>,
    most: usize,
    room: usize,
}

impl<F: Fleet> Call<F> {
    fn new(room: Option<u64>) -> Self {
        let room = room.map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        Self { loads: Vec::new(), shared: None, most: usize::MAX, room }
    }

    fn full(&self) -> bool {
        self.loads.len() >= self.most.min(self.room)
    }

    /// Takes it along if it may share the call.
    fn offer(&mut self, bounds: &Bounds<'_>, cohort: Option<&Cohort>, load: Load<F>) -> bool {
        let of = (load.change.batch(), cohort.copied());
        match &self.shared {
            Some(shared) if *shared != of => return false,
            Some(_) => {}
            None => {
                self.most = of.0.as_ref().map_or(1, |key| (bounds.fits)(key).max(1));
                self.shared = Some(of);
            }
        }
        self.loads.push(load);
        true
    }

    fn finish(self) -> Option<Next<F>> {
        let (key, _) = self.shared?;
        Some(Next::Send(self.loads, key))
    }
}

/// When something may be done that cannot be done now; `None` when nothing waits for a time.
pub(crate) fn wake_at(roster: &Roster, rollout: &Rollout, now: Timestamp) -> Option<Timestamp> {
    let pauses = roster.failures.values().filter_map(|trouble| trouble.until);
    let undone = roster.accepted.values().filter_map(|accepted| accepted.until(now));
    // ends with a change of another object, which not everything tells of
    let rivals = [reason::OWNERSHIP_CONFLICT, reason::ALREADY_EXISTS, reason::IN_USE];
    let rival = roster.failures.values().any(|trouble| rivals.contains(&trouble.failure.reason));
    let rival = rival.then(|| pause::after(now, pause::a_minute()));
    let ready = roster.disturbed.values().filter_map(|since| since.checked_add(duration(rollout)).ok());
    let unsure = roster.unsure.values().map(|unsure| unsure.proof);
    let waiting = roster.seats.iter().any(|s| s.stand == Stand::Missing || s.stand == Stand::Quiet);
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

/// What a call adds to the guard's count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Members that were not counted.
    pub(crate) more: u64,
    /// Others, and when they were counted last.
    pub(crate) again: Vec<Timestamp>,
}

/// What was sent, before the answer: the guard, the window of activations and the rolling update count it.
pub(crate) fn sent<F: Fleet>(
    roster: &mut Roster,
    loads: &[Load<F>],
    rollout: &Rollout,
    now: Timestamp,
) -> Added {
    let started = loads.iter().filter(|load| load.change.activates()).map(|_| 1).sum::<u64>();
    if started > 0 {
        roster.activated.push_back((now, started));
        roster.reserved = roster.reserved.filter(|(_, n)| *n > started).map(|(at, n)| (at, n - started));
    }
    let mut added = Added::default();
    let disturbing: HashSet<i64> = loads.iter().filter(|load| load.disturbs()).map(|load| load.key).collect();
    if disturbing.is_empty() {
        return added;
    }
    for leaver in &roster.leavers {
        // it is the same device as the member that it was
        if let (true, Some(was)) = (disturbing.contains(&-leaver.id), roster.counts.remove(&leaver.pool)) {
            roster.counts.entry(-leaver.id).or_insert(was);
        }
    }
    for key in &disturbing {
        match roster.counts.insert(*key, Counted { at: now, sure: false, open: true, approved: false }) {
            Some(before) => {
                added.again.push(before.at);
                roster.counts.insert(*key, Counted { at: now, open: true, ..before });
            }
            None => added.more += 1,
        }
    }
    let exist: HashSet<i64> = loads.iter().filter(|load| load.id.is_some()).map(|load| load.key).collect();
    let seats = roster.seats.iter_mut().filter(|seat| disturbing.contains(&seat.pool));
    for seat in seats.filter(|seat| exist.contains(&seat.pool)) {
        seat.counted = true;
        if rollout.max_unavailable.is_some() {
            roster.disturbed.insert(seat.pool, now);
        }
    }
    added
}

/// What the answer to a call tells of those whom it disturbs; returns how many were not disturbed after all.
pub(crate) fn answered<F: Fleet>(roster: &mut Roster, loads: &[Load<F>], disturbed: Disturbed) -> u64 {
    let mut refunded = 0;
    if disturbed == Disturbed::No {
        // the latest first: it is those that were refused
        let mut refused = loads.iter().filter(|load| load.change.activates()).map(|_| 1).sum::<u64>();
        for (_, n) in roster.activated.iter_mut().rev() {
            let less = refused.min(*n);
            *n -= less;
            refused -= less;
        }
        roster.activated.retain(|(_, n)| *n > 0);
    }
    for load in loads.iter().filter(|load| load.disturbs()) {
        let Some(counted) = roster.counts.get_mut(&load.key) else { continue };
        match disturbed {
            Disturbed::Yes => counted.sure = true,
            Disturbed::No if !counted.sure => {
                roster.counts.remove(&load.key);
                refunded += 1;
            }
            Disturbed::No | Disturbed::Unsure => {}
        }
    }
    refunded
}

impl<F: Fleet> Load<F> {
    fn disturbs(&self) -> bool {
        self.change.class().disturbs > 0
    }
}

/// Nothing of the call's member is left after it.
pub(crate) fn ends<F: Fleet>(load: &Load<F>) -> bool {
    load.id.is_some() && load.change.class().verb == Verb::Delete
}

/// What the login needs to be allowed for it.
pub(crate) fn doing<F: Fleet>(load: &Load<F>) -> Doing {
    match (&load.id, ends(load)) {
        (None, _) => Doing::Create,
        (_, true) => Doing::Delete,
        _ => Doing::Update,
    }
}

/// Sorts members that have to go, newest first: ids grow.
pub(crate) fn newest_first(leavers: &mut Vec<Leaver>) {
    leavers.sort_unstable_by_key(|leaver| std::cmp::Reverse(leaver.id));
    leavers.dedup_by_key(|leaver| leaver.id);
}
