use std::collections::{HashMap, HashSet};

use super::*;

const START: Timestamp = Timestamp::constant(1_777_636_800, 0);
const WINDOW: Duration = Duration::from_secs(60);

fn guard(devices: u64) -> Guard {
    let guard = Guard::default();
    guard.set_limit(GuardLimit { devices, window: WINDOW }, "Workspace ns/default");
    guard
}

/// One process after another.
fn restarted(before: &Guard, devices: u64, later: i64) -> Guard {
    let state = before.state().0.map(|state| {
        let text = serde_json::to_string(&state).unwrap();
        serde_json::from_str(&text).unwrap()
    });
    let guard = guard(devices);
    let passed = before.lock().now() - START.as_second();
    let now = START.saturating_add(SignedDuration::from_secs(passed + later)).unwrap();
    guard.restore(state.as_ref(), now);
    guard
}

fn begun(devices: u64) -> Guard {
    let guard = guard(devices);
    guard.restore(None, START);
    guard
}

/// One call with its answer.
fn does(guard: &Guard, uid: &str, generation: i64, devices: u64) -> bool {
    let may = guard.ask(uid, generation, devices).is_ok();
    if may {
        guard.sent(uid, generation, devices);
        guard.landed(uid);
    }
    may
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

fn hash(guard: &Guard) -> String {
    guard.tripped().and_then(|trip| trip.hash).expect("it is tripped")
}

#[tokio::test(start_paused = true)]
async fn pending_and_done_count_together_and_the_window_slides() {
    let guard = begun(2);
    assert!(does(&guard, "a", 1, 1) && does(&guard, "b", 1, 1));
    assert!(guard.ask("c", 1, 1).is_err());
    guard.withdraw("c");
    pass(30).await;
    assert!(guard.ask("c", 1, 1).is_err(), "the window is not over");
    guard.withdraw("c");
    pass(31).await;
    assert!(guard.ask("c", 1, 1).is_ok(), "the window has passed");
}

#[tokio::test(start_paused = true)]
async fn an_object_counts_once_however_many_calls_it_takes_and_however_long() {
    let guard = begun(2);
    for uid in ["a", "b"] {
        assert!(does(&guard, uid, 2, 1), "suspend {uid}");
    }
    assert!(guard.ask("c", 1, 1).is_err(), "two devices are disturbed");
    assert!(
        does(&guard, "a", 2, 1) && does(&guard, "b", 2, 1),
        "disable, though the guard is tripped by somebody else"
    );
    pass(3_600).await;
    assert!(does(&guard, "a", 2, 1), "delete, an hour later");
    guard.finish("a");
    guard.withdraw("c");
    assert!(does(&guard, "d", 1, 1), "of two one is over, and one was continued within the window");
}

#[tokio::test(start_paused = true)]
async fn a_second_edit_within_the_window_is_the_same_device() {
    let guard = begun(1);
    assert!(does(&guard, "a", 1, 1));
    guard.finish("a");
    assert!(does(&guard, "a", 2, 1), "it is the same device");
    guard.finish("a");
    pass(40).await;
    assert!(does(&guard, "a", 3, 1));
    guard.finish("a");
    pass(40).await;
    assert!(!does(&guard, "b", 1, 1), "it counts from the last time");
}

#[tokio::test(start_paused = true)]
async fn only_what_grew_is_asked_for_anew() {
    let guard = begun(12);
    assert!(does(&guard, "profile", 1, 10));
    assert!(does(&guard, "profile", 1, 12), "two devices joined the profile meanwhile");
    assert!(guard.ask("profile", 1, 13).is_err());
}

#[tokio::test(start_paused = true)]
async fn refused_calls_do_not_count_and_unanswered_ones_do() {
    let guard = begun(1);
    for _ in 0..5 {
        assert!(guard.ask("a", 1, 1).is_ok(), "nothing was disturbed yet");
        guard.sent("a", 1, 1);
        guard.refund("a");
    }
    guard.withdraw("a");
    assert!(does(&guard, "b", 1, 1));
    guard.sent("b", 1, 1);
    guard.refund("b");
    assert!(guard.ask("c", 1, 1).is_err(), "its first call was not refused");
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_its_approval_back() {
    let guard = begun(1);
    assert!(guard.ask("a", 1, 3).is_err() && guard.approve(&hash(&guard)));
    guard.sent("a", 1, 3);
    guard.refund("a");
    assert!(guard.ask("a", 1, 3).is_ok(), "what was approved was not done");
    assert!(guard.ask_more("set", 1, 5).is_err() && guard.approve(&hash(&guard)));
    guard.sent_more("set", 1, 2, &[]);
    guard.refund_more("set", 1);
    assert!(guard.ask_more("set", 1, 4).is_ok(), "one of two was refused");
    assert!(guard.ask_more("set", 1, 5).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_approval_covers_a_disturbance_that_is_sent_bit_by_bit() {
    let guard = begun(1);
    assert!(guard.ask_more("set", 1, 5).is_err());
    assert!(guard.approve(&hash(&guard)));
    for left in (1..=5).rev() {
        assert!(guard.ask_more("set", 1, left).is_ok(), "{left} of five are left");
        guard.sent_more("set", 1, 1, &[]);
    }
    assert!(guard.ask_more("set", 1, 1).is_err(), "a sixth was not approved");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_disturbed_again_counts_once_and_from_then_on() {
    let guard = begun(2);
    guard.sent_more("set", 1, 2, &[]);
    let first = START;
    pass(40).await;
    guard.sent_more("set", 2, 0, &[first]);
    assert!(guard.ask_more("set", 2, 1).is_err(), "two of two");
    guard.withdraw("set");
    pass(25).await;
    assert!(guard.ask_more("set", 2, 1).is_ok(), "one is over");
    assert!(guard.ask_more("set", 2, 2).is_err(), "and one was disturbed 25 s ago");
}

#[tokio::test(start_paused = true)]
async fn an_approval_releases_exactly_what_waits() {
    let guard = begun(1);
    assert!(guard.ask("a", 1, 2).is_err());
    let first = hash(&guard);
    assert!(guard.ask("b", 1, 1).is_err(), "tripped holds everybody");
    assert!(!guard.approve(&first), "the set grew since that hash was shown");
    assert!(guard.approve(&hash(&guard)) && guard.tripped().is_none());
    assert!(guard.ask("a", 1, 2).is_ok() && guard.ask("b", 1, 1).is_ok());
    assert!(guard.ask("a", 1, 3).is_err(), "more than was approved");
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_stays_approves_the_same_wishes_only_once() {
    let guard = begun(1);
    assert!(guard.ask("a", 1, 2).is_err());
    let approval = hash(&guard);
    assert!(guard.approve(&approval) && does(&guard, "a", 1, 2));
    guard.finish("a");
    pass(3_600).await;
    assert!(guard.ask("a", 1, 2).is_err(), "the same drift at the same generation");
    assert!(!guard.approve(&approval), "is another trip");
    assert_ne!(hash(&guard), approval);
    assert!(!guard.approve(&approval) && guard.ask("a", 1, 2).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_approval_covers_no_other_edit_of_the_same_devices() {
    let guard = begun(1);
    assert!(guard.ask("a", 1, 3).is_err() && guard.approve(&hash(&guard)) && does(&guard, "a", 1, 3));
    assert!(does(&guard, "a", 1, 3), "its next call");
    guard.finish("a");
    assert!(
        guard.ask("a", 2, 3).is_err(),
        "who approved an activation did not approve the deletion that follows"
    );
    assert!(guard.approve(&hash(&guard)));
    assert!(!guard.sent_more("set", 1, 1, &[]), "nobody approved anything for it");
}

#[tokio::test(start_paused = true)]
async fn a_trip_ends_with_the_last_wish_and_not_with_the_window() {
    let guard = begun(1);
    assert!(guard.ask("a", 1, 1).is_ok());
    assert!(guard.ask("b", 1, 1).is_err() && guard.ask("a", 1, 1).is_err());
    pass(3_600).await;
    assert!(guard.ask("a", 1, 1).is_err(), "time alone releases nothing");
    guard.pause("a", 1);
    guard.pause("b", 1);
    assert!(guard.tripped().is_some(), "a moment in which nothing can be said releases nothing either");
    guard.pause("b", 2);
    guard.withdraw("a");
    assert!(guard.tripped().is_none(), "all of it was taken back");
    assert!(guard.ask("a", 1, 1).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_window_and_what_was_begun() {
    let guard = begun(2);
    assert!(does(&guard, "a", 2, 1) && does(&guard, "b", 1, 1));
    guard.finish("b");
    let guard = restarted(&guard, 2, 5);
    assert!(does(&guard, "a", 2, 1), "the next call of what was begun counts nothing");
    assert!(guard.ask("c", 1, 1).is_err(), "two were disturbed before the restart");
    guard.withdraw("c");
    let guard = restarted(&guard, 2, 62);
    assert!(guard.ask("c", 1, 1).is_ok() && guard.ask("d", 1, 1).is_ok(), "the window has passed");
    let guard = restarted(&guard, 2, 3_600);
    assert!(guard.ask("a", 2, 1).is_ok(), "what was begun an hour ago is still begun");
}

#[tokio::test(start_paused = true)]
async fn a_trip_survives_a_restart_with_its_hash() {
    let guard = begun(1);
    assert!(guard.ask("a", 1, 1).is_ok() && guard.ask("b", 1, 1).is_err());
    assert!(guard.ask("a", 1, 1).is_err());
    let approval = hash(&guard);
    let guard = restarted(&guard, 1, 5);
    let trip = guard.tripped().expect("it is still tripped");
    assert_eq!(trip.hash, None, "nobody has asked again yet");
    assert!(!guard.approve(&approval));
    assert!(guard.ask("b", 1, 1).is_err(), "alone it would fit, but it was held back");
    assert!(guard.ask("a", 1, 1).is_err());
    assert_eq!(hash(&guard), approval, "the same wishes have the same name");
    assert!(guard.approve(&approval) && guard.ask("a", 1, 1).is_ok() && guard.ask("b", 1, 1).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_trip_that_nobody_asks_for_after_a_restart_ends() {
    let guard = begun(1);
    assert!(guard.ask("a", 1, 2).is_err());
    let guard = restarted(&guard, 1, 5);
    pass(601).await;
    assert!(guard.ask("b", 1, 1).is_ok(), "what was held back was taken back meanwhile");
    assert!(guard.tripped().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_holds_nobody_up_for_long() {
    let guard = begun(1);
    assert!(does(&guard, "a", 1, 1));
    guard.finish("a");
    let guard = restarted(&guard, 1, -86_400);
    assert!(guard.ask("b", 1, 1).is_err(), "it counts as of now");
    guard.withdraw("b");
    pass(62).await;
    assert!(guard.ask("b", 1, 1).is_ok(), "and not for a day");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_small_and_moves_only_with_what_is_sent() {
    let guard = guard(1_000_000);
    guard.set_limit(GuardLimit { devices: 1_000_000, window: Duration::from_secs(3_600) }, "");
    guard.restore(None, START);
    assert_eq!(guard.state().0, None, "nothing to tell before the first");
    for n in 0..5_000 {
        assert!(does(&guard, &format!("uid-{n}"), 1, 1));
        guard.sent_more("set", 1, 3, &[]);
        pass(1).await;
    }
    let state = guard.state().0.unwrap();
    assert!(state.done.len() <= 62 && state.begun.len() <= 100, "{} spans", state.done.len());
    assert!(serde_json::to_string(&state).unwrap().len() < 8_000);
    pass(100).await;
    assert_eq!(guard.state().0.as_ref(), Some(&state), "time alone is no reason to write");
    for n in 0..5_000 {
        guard.finish(&format!("uid-{n}"));
    }
    pass(3_700).await;
    assert_eq!(guard.state().0, None, "when all of it is over there is nothing to tell");
}

#[test]
fn what_somebody_broke_in_the_status_is_left_out() {
    let told = |since: String, devices| Disturbed { since, devices };
    let done = vec![told("yesterday".into(), 5), told(START.to_string(), -3)];
    let begun = ["", "x@y=z", "0@1", "00000000000000ff@1=9"].map(String::from).to_vec();
    let state = GuardState { trip: -1, tripped: false, done, begun };
    let guard = guard(1);
    guard.restore(Some(&state), START);
    assert!(guard.ask("a", 1, 1).is_ok());
}

#[test]
fn numbers_too_great_to_be_added_up_hold_back_and_break_nothing() {
    let done = (0..3).map(|n| Disturbed {
        since: START.saturating_sub(SignedDuration::from_secs(n)).unwrap().to_string(),
        devices: i64::MAX,
    });
    let begun = vec![format!("00000000000000ff@1={}", u64::MAX), "00000000000000fe@1=1".to_owned()];
    let state = GuardState { trip: 0, tripped: false, done: done.collect(), begun };
    let guard = guard(1);
    guard.restore(Some(&state), START);
    assert!(guard.ask("a", 1, 1).is_err());
    assert!(state.counted(Duration::from_secs(600), START) >= 3_000_000_000);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_counts_is_sent_before_it_is_written_down() {
    let guard = guard(5);
    guard.sent("a", 1, 1);
    assert!(guard.written().await, "nobody keeps its books");
    guard.restore(None, START);
    let mut moves = guard.moves();
    moves.borrow_and_update();
    guard.sent("a", 1, 2);
    assert!(moves.has_changed().unwrap(), "whoever keeps the books hears of it");
    assert!(!guard.written().await, "it is not sent");
    let (state, version) = guard.state();
    assert_eq!(state.unwrap().done.iter().map(|d| d.devices).sum::<i64>(), 2);
    guard.kept(version);
    assert!(guard.written().await);
    guard.sent("a", 1, 2);
    assert!(guard.written().await, "the next call of the same object adds nothing");
    assert!(guard.ask("b", 1, 9).is_err() && guard.approve(&hash(&guard)));
    guard.sent("b", 1, 9);
    assert!(guard.written().await, "what was approved is bounded by the approval");
}

#[test]
fn people_read_how_many_it_would_have_been_and_whose_limit_it_is() {
    let guard = begun(5);
    assert!(does(&guard, "a", 1, 3) && guard.ask("b", 1, 2).is_ok());
    let text = guard.ask("c", 1, 2).unwrap_err().to_string();
    assert_eq!(
        text,
        "7 devices would be disturbed within 1m, 2 devices of them by this object, and maxDevices of Workspace ns/default is \
         5; its condition GuardTripped says how to approve"
    );
    assert!(guard.ask("d", 1, 1).is_err());
    assert_eq!(guard.ask("c", 1, 2).unwrap_err().to_string(), text, "who looks again reads the same");
    let trip = guard.tripped().unwrap();
    assert_eq!((trip.done, trip.asked, trip.objects), (3, 5, 3));
}

/// A generator of numbers for tests: the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What the world saw of one play.
struct World {
    guard: Guard,
    /// When each piece of work first disturbed a device, in seconds since the start, and which one.
    disturbed: Vec<(u64, String)>,
    /// Counted level of the present piece of work, and its generation.
    work: HashMap<String, (i64, u64)>,
    passed: u64,
}

const LIMIT: u64 = 5;

impl World {
    fn step(&mut self, dice: &mut Dice) {
        let (uid, generation) = (format!("uid-{}", dice.roll(6)), 1);
        match dice.roll(9) {
            0..=3 => {
                let devices = 1 + dice.roll(3);
                if self.guard.ask(&uid, generation, devices).is_ok() {
                    self.send(dice, &uid, generation, devices);
                }
            }
            4 => {
                let more = dice.roll(4);
                if self.guard.ask_more("set", generation, more).is_ok() && more > 0 {
                    let sent = 1 + dice.roll(more);
                    self.guard.sent_more("set", generation, sent, &[]);
                    if dice.roll(3) == 0 {
                        self.guard.refund_more("set", sent);
                    } else {
                        let member = self.disturbed.len();
                        self.disturbs("set", member..member + usize::try_from(sent).unwrap());
                    }
                }
            }
            5 => self.guard.withdraw(&uid),
            6 => {
                self.guard.finish(&uid);
                self.work.remove(&uid);
            }
            7 => self.guard.pause(&uid, generation),
            _ => assert!(!self.guard.approve("0123456789ab"), "a guess approves nothing"),
        }
    }

    fn send(&mut self, dice: &mut Dice, uid: &str, generation: i64, devices: u64) {
        self.guard.sent(uid, generation, devices);
        if dice.roll(3) == 0 {
            return self.guard.refund(uid);
        }
        self.guard.landed(uid);
        let level = self.work.get(uid).filter(|w| w.0 == generation).map_or(0, |w| w.1);
        self.work.insert(uid.to_owned(), (generation, level.max(devices)));
        self.disturbs(uid, usize::try_from(level).unwrap()..usize::try_from(devices).unwrap());
    }

    fn disturbs(&mut self, uid: &str, which: std::ops::Range<usize>) {
        let (at, called) = (self.passed, |n| format!("{uid}/{n}"));
        self.disturbed.extend(which.map(|n| (at, called(n))));
    }

    /// Most devices that any window saw. One object that is disturbed twice within a window is one device.
    fn most(&self) -> usize {
        let within = |from: u64| {
            let seen = self.disturbed.iter().filter(|(at, _)| (from..from + WINDOW.as_secs()).contains(at));
            seen.map(|(_, device)| device).collect::<HashSet<_>>().len()
        };
        self.disturbed.iter().map(|(at, _)| within(*at)).max().unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn no_play_lets_more_through_in_a_window_than_the_limit() {
    let mut through = HashSet::new();
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let guard = begun(LIMIT);
        let (disturbed, work) = (Vec::new(), HashMap::new());
        let mut world = World { guard, disturbed, work, passed: 0 };
        for _ in 0..150 {
            world.step(&mut dice);
            if dice.roll(4) == 0 {
                let seconds = dice.roll(40);
                world.passed += seconds;
                pass(seconds).await;
            }
            if dice.roll(40) == 0 {
                world.guard = restarted(&world.guard, LIMIT, 0);
            }
        }
        assert!(world.most() <= 5, "seed {seed}: {} devices within a window, nobody approved", world.most());
        through.insert(world.most());
    }
    assert!(through.contains(&5), "the limit itself is reached");
}
