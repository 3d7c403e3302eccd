use super::*;
use crate::kind::object_key::ObjectKey;

/// A rotation, and a clock that only the test moves.
struct Walk {
    rotation: Rotation,
    start: Instant,
    now: Instant,
    busy: bool,
}

fn item(name: &str) -> Item {
    let object = ObjectKey { kind: "Toy", namespace: "ns".into(), name: name.into() };
    Item { object, uid: name.into() }
}

const HOUR: Duration = Duration::from_secs(3_600);
const FIVE: Duration = Duration::from_secs(300);

impl Walk {
    fn new() -> Self {
        let now = Instant::now();
        Self { rotation: Rotation::new(now), start: now, now, busy: false }
    }

    fn put(&mut self, name: &str, turn: Turn, every: Duration, last: Instant) {
        let due = Due { turn, at: last + every, pieces: 1, every, asked_for: false };
        self.rotation.put(item(name), &[due]);
    }

    fn first(&mut self, name: &str) {
        let due = Due { turn: Turn::First, at: self.now, pieces: 1, every: Duration::ZERO, asked_for: false };
        self.rotation.put(item(name), &[due]);
    }

    /// Reads for so long; each object is put back as `again` says. Returns when what was read, in seconds.
    fn run(&mut self, time: Duration, mut again: impl FnMut(&mut Self, &str)) -> Vec<(u64, String)> {
        let end = self.now + time;
        let mut read = Vec::new();
        while self.now < end {
            match self.rotation.next(self.now, self.busy) {
                Next::Take(taken) => {
                    assert!(self.rotation.turn(&taken.uid).is_some(), "it knows whose turn it is");
                    read.push(((self.now - self.start).as_secs(), taken.uid.clone()));
                    again(self, &taken.uid);
                    self.rotation.put(item(&taken.uid), &self.dues(&taken.uid));
                }
                Next::At(at) => self.now = at.max(self.now + Duration::from_millis(1)),
                Next::Changed => self.now = end,
            }
        }
        read
    }

    /// What is registered for an object now.
    fn dues(&self, uid: &str) -> Vec<Due> {
        let number = self.rotation.numbers.get(uid);
        number.map(|n| self.rotation.objects[n].dues.clone()).unwrap_or_default()
    }
}

fn names(read: &[(u64, String)]) -> Vec<&str> {
    read.iter().map(|(_, name)| name.as_str()).collect()
}

#[test]
fn oldest_first_within_the_share_and_one_at_a_time() {
    let mut walk = Walk::new();
    let last = walk.now;
    walk.now += HOUR * 2;
    walk.start = walk.now;
    walk.rotation = Rotation::new(walk.now);
    for n in 0..200_u64 {
        walk.put(&format!("d{n:03}"), Turn::Again, HOUR, last + Duration::from_secs(n));
    }
    let read = walk.run(HOUR * 2, |walk, name| {
        let now = walk.now;
        walk.put(name, Turn::Again, HOUR, now);
    });
    assert!(read[0].0 >= 10, "a session that has just begun has better things to do");
    let in_order: Vec<String> = (0..150).map(|n| format!("d{n:03}")).collect();
    assert_eq!(names(&read)[..150], in_order, "the oldest first");
    let steady = read.iter().filter(|(at, _)| *at > 1_000).count();
    let share = f64::from(u32::try_from(steady).unwrap()) / 6_200.0;
    assert!((0.019..=0.0201).contains(&share), "two in a hundred seconds: {share}");
    let snapshot = walk.rotation.snapshot();
    assert_eq!((snapshot.pieces, snapshot.rotation.as_secs()), (200, 10_000), "200 pieces, 50 s each");
}

#[test]
fn few_pieces_of_profiles_are_as_fresh_as_their_listing_even_beside_ten_thousand_devices() {
    let mut walk = Walk::new();
    let now = walk.now;
    for n in 0..10_000 {
        walk.first(&format!("d{n}"));
    }
    for name in ["service", "tariff", "zones"] {
        walk.put(name, Turn::Sweep, FIVE, now);
    }
    let read = walk.run(HOUR * 6, |walk, name| {
        if !name.starts_with('d') {
            let now = walk.now;
            walk.put(name, Turn::Sweep, FIVE, now);
        }
    });
    for name in ["service", "tariff", "zones"] {
        let times: Vec<u64> = read.iter().filter(|(_, n)| n == name).map(|(at, _)| *at).collect();
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest <= 400, "{name} is read about every five minutes, at worst after {longest} s");
    }
    let devices = names(&read).into_iter().filter(|name| name.starts_with('d')).count();
    assert!(devices > 150, "and devices come up too: {devices}");
    assert!(read.len() <= 10 + 432, "never more than the share: {}", read.len());
    assert!(read.iter().any(|(_, name)| name == "d9999"), "the newest device first");
}

#[test]
fn slow_pieces_do_not_stand_still_beside_many_profiles() {
    let mut walk = Walk::new();
    let now = walk.now;
    for n in 0..100 {
        walk.put(&format!("p{n}"), Turn::Sweep, FIVE, now);
        walk.put(&format!("d{n}"), Turn::Again, HOUR, now);
        walk.first(&format!("f{n}"));
    }
    walk.now += HOUR;
    let read = walk.run(HOUR * 10, |walk, name| {
        let now = walk.now;
        match name.as_bytes()[0] {
            b'p' => walk.put(name, Turn::Sweep, FIVE, now),
            b'd' => walk.put(name, Turn::Again, HOUR, now),
            _ => {}
        }
    });
    let share = |letter: char| names(&read).into_iter().filter(|name| name.starts_with(letter)).count();
    let (profiles, devices, first) = (share('p'), share('d'), share('f'));
    assert!(profiles > 4 * devices - 20 && devices + 5 > read.len() / 6, "{profiles} {devices} {first}");
    assert!(first >= 95, "first reads get their part: {first}");
}

#[test]
fn a_busy_session_is_left_alone_but_not_for_ever() {
    let mut walk = Walk::new();
    walk.first("a");
    walk.first("b");
    walk.busy = true;
    let read = walk.run(Duration::from_secs(620), |_, _| {});
    let times: Vec<u64> = read.iter().map(|(at, _)| *at).collect();
    assert!(times.len() == 2 && times[0] >= 300 && times[1] >= 600, "one in five minutes: {times:?}");
}

#[test]
fn a_small_workspace_is_read_at_once_and_a_lost_turn_blocks_nobody() {
    let mut walk = Walk::new();
    for n in 0..5 {
        walk.first(&n.to_string());
    }
    let read = walk.run(Duration::from_secs(30), |_, _| {});
    assert_eq!(names(&read), ["4", "3", "2", "1", "0"], "what was saved up is used, newest first");
    walk.first("lost");
    walk.first("next");
    assert!(matches!(walk.rotation.next(walk.now, false), Next::Take(taken) if taken.uid == "next"));
    assert!(matches!(walk.rotation.next(walk.now, false), Next::At(_)), "one at a time");
    walk.now += LOST;
    assert!(matches!(walk.rotation.next(walk.now, false), Next::Take(taken) if taken.uid == "lost"));
}

#[test]
fn what_is_gone_is_forgotten_and_frequent_listings_raise_the_share() {
    let mut walk = Walk::new();
    let now = walk.now;
    for name in ["a", "b"] {
        walk.put(name, Turn::Sweep, FIVE, now);
    }
    walk.rotation.remove("a");
    walk.rotation.put(item("b"), &[]);
    let empty = ScrubSnapshot { pieces: 0, rotation: Duration::ZERO, asked_for: 0, share: SHARE };
    assert_eq!(walk.rotation.snapshot(), empty);
    assert_eq!(walk.rotation.next(walk.now, false), Next::Changed);
    walk.rotation.set_sweep_every(Some(Duration::from_secs(10)));
    assert!(
        (walk.rotation.snapshot().share - 0.6).abs() < 1e-9,
        "thirty times as often, thirty times as much"
    );
    walk.rotation.set_sweep_every(Some(HOUR));
    assert!((walk.rotation.snapshot().share - SHARE).abs() < 1e-9, "rarer listings leave it as it is");
}

#[test]
fn what_people_ask_for_is_read_in_its_time_and_takes_nothing_from_the_rest() {
    let mut walk = Walk::new();
    let asked = |at: Instant| Due { turn: Turn::Again, at, pieces: 1, every: HOUR, asked_for: true };
    let start = walk.now;
    for n in 0..500_u64 {
        walk.rotation.put(item(&format!("u{n:03}")), &[asked(start + Duration::from_secs(n * 7))]);
    }
    let snapshot = walk.rotation.snapshot();
    assert_eq!((snapshot.asked_for, snapshot.pieces), (500, 500));
    assert!((snapshot.share - (SHARE + 500.0 / 3_600.0)).abs() < 1e-9, "{snapshot:?}");
    let read = walk.run(HOUR * 4, |walk, name| {
        let due = asked(walk.now + HOUR);
        walk.rotation.put(item(name), &[due]);
    });
    assert!((1_900..=2_010).contains(&read.len()), "500 pieces, four hours: {}", read.len());
    for n in 0..500 {
        walk.rotation.remove(&format!("u{n:03}"));
    }
    let empty = ScrubSnapshot { pieces: 0, rotation: Duration::ZERO, asked_for: 0, share: SHARE };
    assert_eq!(walk.rotation.snapshot(), empty, "nothing is left of it");
}

#[test]
fn however_much_people_ask_for_the_rotation_has_an_end() {
    let mut walk = Walk::new();
    let now = walk.now;
    let due = Due { turn: Turn::First, at: now, pieces: 1_000_000, every: HOUR, asked_for: true };
    walk.rotation.put(item("u"), &[due]);
    assert!((walk.rotation.snapshot().share - LARGEST_SHARE).abs() < 1e-9);
}
