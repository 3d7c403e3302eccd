//! The table row by row, and windows whose process dies between any two steps.

use std::collections::BTreeMap;

use super::{
    finish,
    window::{Next, OpenWindow, OverWhy, Slot, Stop},
    *,
};
use crate::kind::task::{Again, Failures, Note, Outcome, TargetCounts, Window, Work};

const TERMS: Terms = Terms {
    suspend: false,
    window: 2,
    max_failed: None,
    not_before: None,
    valid_until: None,
    active_seconds: None,
    ttl_seconds: None,
    irreversible: false,
    confirmed: None,
    disturbs: 1,
    serial: None,
    again: Again::Yes,
    lone: false,
};

fn at(text: &str) -> Timestamp {
    format!("2026-01-01T{text}Z").parse().unwrap()
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn facts<'a>(progress: &'a Progress, workspace: &'a Workspace) -> Facts<'a> {
    Facts {
        deleting: false,
        finalizer: true,
        carried: false,
        tracked: false,
        suspended: false,
        invalid: None,
        pinned: None,
        progress,
        terms: TERMS,
        workspace,
        now: at("12:00:00"),
    }
}

fn works() -> Workspace {
    Workspace::Ready { organisation: "1001".into() }
}

fn started() -> Progress {
    let targets = Some(TargetCounts { total: 4, ..TargetCounts::default() });
    Progress { started_at: Some(at("11:59:00").to_string()), targets, ..Progress::default() }
}

fn finished() -> Progress {
    Progress { finished_at: Some(at("11:00:00").to_string()), ..started() }
}

/// Reason of the step that a closed gate leads to.
fn closed(facts: &Facts<'_>) -> (&'static str, &'static str) {
    gate(facts).unwrap_err().name()
}

#[test]
fn what_is_finished_stays_until_its_time_is_over_and_goes_only_where_nobody_makes_it_anew() {
    let (progress, workspace) = (finished(), works());
    let kept = Facts { finalizer: false, ..facts(&progress, &workspace) };
    assert_eq!(closed(&facts(&progress, &workspace)).0, "RemoveFinalizer", "it holds nothing any more");
    assert_eq!(gate(&kept), Err(Step::Nothing(None)));
    let with = |ttl, tracked| {
        let terms = Terms { ttl_seconds: Some(ttl), ..TERMS };
        gate(&Facts { terms, tracked, finalizer: false, ..facts(&progress, &workspace) }).unwrap_err()
    };
    assert_eq!(with(3600, false), Step::Delete);
    assert_eq!(with(3601, false), Step::Nothing(Some(at("12:00:01"))));
    assert!(matches!(with(0, true), Step::Nothing(_)), "a GitOps tool would make it, and carry it out, anew");
}

#[test]
fn a_task_that_is_deleted_goes_as_soon_as_nothing_of_it_is_under_way() {
    let (progress, workspace) = (started(), works());
    let deleting = |carried, finalizer| {
        gate(&Facts { deleting: true, carried, finalizer, ..facts(&progress, &workspace) }).unwrap_err()
    };
    assert_eq!(deleting(false, true), Step::RemoveFinalizer);
    assert_eq!(deleting(true, true), Step::Nothing(None), "the end of its call is told");
    assert_eq!(deleting(false, false), Step::Nothing(None));
}

#[test]
fn before_the_start_dates_and_suspension_hold_and_after_it_the_organisation() {
    let (fresh, workspace) = (Progress::default(), works());
    let with = |terms: Terms| gate(&Facts { terms, ..facts(&fresh, &workspace) });
    let over = with(Terms { valid_until: Some(at("12:00:00")), ..TERMS }).unwrap_err();
    assert_eq!(over.name(), ("Finish", reason::DEADLINE_EXCEEDED));
    let early = with(Terms { not_before: Some(at("12:00:01")), ..TERMS }).unwrap_err();
    assert!(matches!(early, Step::Wait(_, Some(wake)) if wake == at("12:00:01")), "{early:?}");
    assert_eq!(closed(&Facts { suspended: true, ..facts(&fresh, &workspace) }), ("Wait", reason::SUSPENDED));
    let begun = started();
    let over = Terms { valid_until: Some(at("12:00:00")), ..TERMS };
    assert_eq!(gate(&Facts { terms: over, ..facts(&begun, &workspace) }), Ok(()), "it has begun in time");
    let moved = Facts { pinned: Some("7"), ..facts(&begun, &workspace) };
    assert_eq!(closed(&moved), ("Stall", reason::WORKSPACE_CHANGED));
    let down = Workspace::NotReady("no login".into());
    assert_eq!(closed(&facts(&begun, &down)), ("Wait", reason::WORKSPACE_NOT_READY));
    let late = Facts { terms: over, ..facts(&fresh, &down) };
    assert_eq!(
        closed(&late),
        ("Finish", reason::DEADLINE_EXCEEDED),
        "also while its workspace does not work"
    );
}

#[test]
fn what_cannot_be_taken_back_needs_the_number_and_everything_the_guards_leave() {
    let (progress, workspace) = (Progress::default(), works());
    let targets: Vec<Id> = (1..=3).map(Id::Int).collect();
    let with = |terms: Terms, guard: &dyn Fn(u64) -> Result<(), String>| {
        let left = Left { targets: &targets, disturbed: 3, guard };
        next_window(&Facts { terms, ..facts(&progress, &workspace) }, &left)
    };
    let may = |_: u64| Ok(());
    let dangerous = Terms { irreversible: true, ..TERMS };
    let stalled = with(dangerous, &may);
    assert!(
        matches!(&stalled, Step::Stall(told) if told.reason == reason::CONFIRMATION_NEEDED && told.message.contains("confirm.targets: 3")),
        "{stalled:?}"
    );
    let wrong = with(Terms { confirmed: Some(2), ..dangerous }, &may);
    assert_eq!(wrong.name().1, reason::CONFIRMATION_NEEDED, "another number is none");
    assert_eq!(with(Terms { confirmed: Some(3), ..dangerous }, &may).name().0, "Open");
    let asked = std::cell::Cell::new(0);
    let trips = |devices: u64| {
        asked.set(devices);
        Err("too many".to_owned())
    };
    assert_eq!(with(TERMS, &trips), Step::Stall(Explanation::new(reason::GUARD_TRIPPED, "too many")));
    assert_eq!(asked.get(), 3, "the guard hears of all that is left");
    assert_eq!(with(TERMS, &may), Step::Open(vec![Id::Int(1), Id::Int(2)]), "one window of the lowest ids");
    let none = Left { targets: &[], disturbed: 0, guard: &may };
    let end = next_window(&facts(&progress, &workspace), &none);
    assert_eq!(
        end,
        Step::Finish(End::Complete(Explanation::new(reason::COMPLETE, "no target"))),
        "a selector may mean nobody"
    );
}

#[test]
fn deadlines_and_failures_end_it_and_suspension_does_not() {
    let mut progress = started();
    let (terms, now) = (Terms { active_seconds: Some(60), ..TERMS }, at("12:00:00"));
    assert_eq!(stop(&progress, &terms, true, now), Stop::Over(now, OverWhy::Deadline));
    assert_eq!(stop(&progress, &terms, true, at("11:59:59")), Stop::Suspended);
    let terms = Terms { max_failed: Some(Failures::Percent(25)), ..TERMS };
    if let Some(counts) = &mut progress.targets {
        counts.failed = 1;
    }
    assert_eq!(stop(&progress, &terms, false, now), Stop::No, "as many as are allowed");
    if let Some(counts) = &mut progress.targets {
        counts.unknown = 1;
    }
    assert_eq!(stop(&progress, &terms, false, now), Stop::Over(now, OverWhy::Failures));
}

fn window(ids: std::ops::RangeInclusive<i64>, nonce: &str) -> Window {
    let targets = ids.map(|id| id.to_string()).collect();
    Window { targets, since: at("12:00:00").to_string(), nonce: nonce.to_owned() }
}

#[test]
fn a_status_of_thousands_of_targets_stays_small_and_names_what_went_wrong() {
    let mut progress = started();
    progress.targets = Some(TargetCounts { total: 5_000, ..TargetCounts::default() });
    for first in (1..=5_000).step_by(50) {
        let mut open = OpenWindow::own(&window(first..=first + 49, "n"));
        for id in (first..first + 50).map(Id::Int) {
            let failed = Outcome::Failed { reason: reason::REJECTED, message: "ä".repeat(5_000) };
            let outcome = if id.int().is_some_and(|id| id % 7 == 0) { failed } else { Outcome::DONE };
            open.answered(&id, outcome, at("12:00:00"));
        }
        finish::close(&mut progress, &open, &|id| Some(format!("a device with a long name {id}")));
        progress.window = Some(window(first..=first + 49, "n"));
    }
    let size = serde_json::to_string(&progress).unwrap().len();
    assert!(size < 64 * 1024, "{size} bytes");
    let counts = progress.targets.unwrap();
    assert_eq!((counts.succeeded, counts.failed, counts.answered()), (4_286, 714, 5_000));
    assert_eq!(progress.results.len(), 100);
    assert!(progress.results.iter().all(|result| result.state == "Failed"), "the others are counted");
    assert_eq!(progress.cursor.as_deref(), Some("5000"));
}

/// emnify, and a process that works on one window and may die between any two steps.
struct Model {
    again: Again,
    random: u64,
    now: Timestamp,
    effects: BTreeMap<Id, u32>,
    open: OpenWindow,
    written: Window,
}

impl Model {
    fn new(again: Again, random: u64) -> Self {
        let written = window(1..=4, "first");
        let open = OpenWindow::own(&written);
        Self { again, random, now: at("12:00:00"), effects: BTreeMap::new(), open, written }
    }

    /// One of so many ways.
    fn way(&mut self, ways: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % ways
    }

    fn dies(&mut self) {
        self.now = later(self.now, 1);
        self.open = OpenWindow::inherited(&self.written, self.again, later(self.now, 90), self.now);
    }

    fn send(&mut self, id: &Id) {
        assert!(self.open.sending(id), "it is due");
        let doubt = Slot::Doubted { since: self.now, believed: later(self.now, 90), due: later(self.now, 5) };
        match self.way(6) {
            // before it is sent, and after without hearing
            0 => self.dies(),
            1 => {
                *self.effects.entry(id.clone()).or_default() += 1;
                self.dies();
            }
            // the answer is lost, with or without an effect
            2 => {
                *self.effects.entry(id.clone()).or_default() += 1;
                self.open.doubted(id, doubt, self.again);
            }
            3 => self.open.doubted(id, doubt, self.again),
            // it was not sent
            4 => self.open.not_sent(id),
            _ => {
                *self.effects.entry(id.clone()).or_default() += 1;
                self.taken(id);
            }
        }
    }

    /// emnify has done it, or works on it from now on.
    fn taken(&mut self, id: &Id) {
        let work = Work { id: id.to_string(), within: None };
        let outcome = if self.way(2) == 0 { Outcome::UnderWay(work) } else { Outcome::DONE };
        self.open.answered(id, outcome, self.now);
    }

    fn run(&mut self, stop: Stop) {
        for _ in 0..10_000 {
            match self.open.next(self.again, stop, self.now) {
                Next::Send(id) => self.send(&id),
                Next::Prove(id, _) => match (self.way(4), self.effects.get(&id)) {
                    (0, _) => self.dies(),
                    (1, _) => self.open.unread(&id, later(self.now, 10)),
                    (_, Some(_)) => self.taken(&id),
                    (_, None) => self.open.no_trace(&id, self.now),
                },
                Next::Follow(id, work, since) => {
                    assert!(self.effects.contains_key(&id) && work.id == id.to_string() && since < self.now);
                    match self.way(4) {
                        0 => self.dies(),
                        1 => self.open.answered(&id, Outcome::DONE, self.now),
                        _ => self.open.goes_on(&id, self.now),
                    }
                }
                Next::Wait(Some(at)) => self.now = at,
                Next::Closed | Next::Wait(None) => return,
            }
        }
        panic!("it never ends: {:?}", self.open);
    }
}

#[test]
fn wherever_a_process_dies_each_target_is_done_once_or_said_to_be_unknown() {
    for seed in 0..5_000 {
        for again in [Again::Yes, Again::Proof, Again::Never] {
            let mut model = Model::new(again, seed);
            model.run(Stop::No);
            let answers: Vec<_> = model.open.answers().collect();
            assert_eq!(answers.len(), 4, "{again:?}, {seed}: every target has its answer");
            for (id, outcome) in answers {
                let times = model.effects.get(id).copied().unwrap_or_default();
                let unknown = matches!(outcome, Outcome::Unknown(_));
                match again {
                    Again::Yes => assert!(times >= 1 && !unknown, "{seed}: {id} {times}"),
                    Again::Proof => assert_eq!((times, unknown), (1, false), "{seed}: {id}"),
                    Again::Never => assert!(times == 1 || (unknown && times == 0), "{seed}: {id} {times}"),
                }
            }
        }
    }
}

#[test]
fn what_is_stopped_sends_nothing_and_gives_up_only_what_was_not_sent() {
    let mut open = OpenWindow::own(&window(1..=4, "n"));
    open.answered(&Id::Int(1), Outcome::DONE, at("12:00:00"));
    let doubt = Slot::Doubted { since: at("12:00:00"), believed: at("12:01:30"), due: at("12:00:05") };
    open.doubted(&Id::Int(2), doubt, Again::Proof);
    for stop in [Stop::Suspended, Stop::Over(at("12:00:00"), OverWhy::Deadline)] {
        assert_eq!(open.next(Again::Proof, stop, at("12:00:00")), Next::Wait(Some(at("12:00:05"))));
        assert!(matches!(open.next(Again::Proof, stop, at("12:00:05")), Next::Prove(..)), "it is looked for");
    }
    assert!(open.cut());
    assert_eq!(open.targets(), ["1", "2"], "what was not sent leaves the window");
    assert!(
        !open.sending(&Id::Int(3)) && !open.sending(&Id::Int(1)),
        "its turn had come before, and is lost"
    );
    let work = Work { id: "work-1".into(), within: None };
    open.answered(&Id::Int(1), Outcome::UnderWay(work.clone()), at("12:00:00"));
    open.answered(&Id::Int(2), Outcome::DONE, at("12:00:00"));
    for stop in [Stop::Suspended, Stop::Over(at("12:00:00"), OverWhy::Failures)] {
        let follows = Next::Follow(Id::Int(1), work.clone(), at("12:00:00"));
        assert_eq!(
            open.next(Again::Proof, stop, at("12:00:05")),
            follows,
            "what emnify took is followed to its end"
        );
    }
    open.goes_on(&Id::Int(1), at("12:10:00"));
    assert_eq!(
        open.next(Again::Proof, Stop::No, at("12:10:00")),
        Next::Wait(Some(at("12:11:00"))),
        "ever less often"
    );
    open.give_up("nobody knows");
    assert_eq!(open.next(Again::Proof, Stop::Suspended, at("12:00:00")), Next::Closed);
    assert_eq!(open.answers().filter(|(_, outcome)| matches!(outcome, Outcome::Unknown(_))).count(), 1);
}

#[test]
fn what_is_said_to_have_moved_is_asked_about_once_and_by_whoever_follows_it() {
    let mut open = OpenWindow::own(&window(1..=2, "n"));
    let work = Work { id: "9012".into(), within: None };
    open.answered(&Id::Int(1), Outcome::UnderWay(work), at("12:00:00"));
    open.answered(&Id::Int(2), Outcome::Succeeded { id: Some("9013".into()), detail: None }, at("12:00:00"));
    open.goes_on(&Id::Int(1), at("12:10:00"));
    assert!(!open.moved("9013", at("12:10:10")), "it has its answer");
    assert!(open.moved("9012", at("12:10:10")));
    assert!(matches!(open.next(Again::Proof, Stop::No, at("12:10:10")), Next::Follow(..)));
    assert!(!open.moved("9012", at("12:10:10")), "it is due already");
    open.goes_on(&Id::Int(1), at("12:10:10"));
    assert!(open.moved("9012", at("12:10:11")), "whoever forges receipts");
    let wait = open.next(Again::Proof, Stop::No, at("12:10:11"));
    assert_eq!(wait, Next::Wait(Some(at("12:10:12"))), "has it asked about every other second at most");
}

#[test]
fn what_became_of_a_lone_target_is_what_became_of_the_task() {
    let lone = Terms { lone: true, ..TERMS };
    let ended = |outcome: Outcome| {
        let targets = Some(TargetCounts { total: 1, ..TargetCounts::default() });
        let mut progress = Progress { targets, ..started() };
        let mut open = OpenWindow::own(&Window { targets: vec!["batch".into()], ..window(1..=1, "n") });
        open.answered(&Id::Text("batch".into()), outcome, at("12:00:00"));
        finish::close(&mut progress, &open, &|_| None);
        (End::of(&progress, &lone, Stop::No), End::of(&progress, &TERMS, Stop::No))
    };
    let message = "the batch is registered already".to_owned();
    let note = Note { reason: reason::ALREADY_REGISTERED, message: message.clone(), kept: None };
    let (own, counted) = ended(Outcome::Noted(note));
    assert_eq!(own, End::Complete(Explanation::new(reason::ALREADY_REGISTERED, message)));
    assert_eq!(counted, End::Complete(Explanation::new(reason::COMPLETE, "1 of 1 targets done")));
    let (own, counted) = ended(Outcome::Failed { reason: reason::NOT_FOUND, message: "no such code".into() });
    assert_eq!(own, End::Failed(Explanation::new(reason::NOT_FOUND, "no such code")));
    assert_eq!(counted.told().reason, reason::TARGETS_FAILED);
}
