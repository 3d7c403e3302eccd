//! The reader of the log against a log in memory: single rules first, then anything that may happen.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

use super::*;

#[path = "../../../../harness/src/seed.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared by all tests of the workspace")]
mod seed;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn event(id: i64, seconds: i64) -> Event {
    let value = json!({"id": id, "timestamp": at(seconds).to_string(), "event_type": {"id": 1}});
    serde_json::from_value(value).unwrap()
}

/// The API's side: which events show from when on.
#[derive(Default)]
struct Server {
    /// By id: time, and when it begins to show.
    events: BTreeMap<i64, (i64, i64)>,
    rows: usize,
    /// It says how many there are.
    counts: bool,
    calls: usize,
}

impl Server {
    fn add(&mut self, ids: std::ops::Range<i64>, seconds: i64) {
        self.events.extend(ids.map(|id| (id, (seconds, seconds))));
    }

    fn page(&mut self, window: EventWindow, at: Cursor, now: i64) -> Page<Event> {
        self.calls += 1;
        let inside = |time: i64| window.from.as_second() <= time && time <= window.until.as_second();
        let mut all: Vec<(i64, i64)> = self
            .events
            .iter()
            .filter(|(_, (time, shows))| inside(*time) && *shows <= now)
            .map(|(id, (time, _))| (*time, *id))
            .collect();
        all.sort_unstable_by_key(|(time, id)| (-time, *id));
        let pages = u32::try_from(all.len().div_ceil(self.rows).max(1)).unwrap();
        let skip = (at.page as usize - 1) * self.rows;
        Page {
            items: all.iter().skip(skip).take(self.rows).map(|(time, id)| event(*id, *time)).collect(),
            page: at.page,
            pages,
            total: self.counts.then_some(all.len() as u64),
            server_time: Some(self::at(now)),
            unreadable: vec![],
            nameless: 0,
            cut: false,
        }
    }

    /// One whole reading; ids in the order they are handed on.
    fn read(&mut self, log: &mut Log, now: i64, most: usize) -> Vec<i64> {
        let mut reading = log.begin(at(now), most);
        self.finish(log, &mut reading, now);
        ids(log.close(reading))
    }

    fn finish(&mut self, log: &Log, reading: &mut Reading, now: i64) {
        let mut next = Next::Read(Cursor::first());
        while let Next::Read(cursor) = next {
            let page = self.page(reading.window(), cursor, now);
            next = log.page(reading, page);
        }
    }
}

fn ids(events: Vec<(Event, Timestamp)>) -> Vec<i64> {
    events.into_iter().map(|(event, _)| event.id).collect()
}

fn server() -> Server {
    Server { rows: 10, counts: true, ..Server::default() }
}

const NOON: i64 = 1_700_000_000;

fn log() -> Log {
    Log::resume(Some(at(NOON)), at(NOON))
}

#[test]
fn windows_overlap_and_every_event_counts_once() {
    let (mut server, mut log) = (server(), log());
    assert_eq!(
        log.begin(at(NOON + 10), 9).window(),
        EventWindow { from: at(NOON - 60), until: at(NOON + 10) }
    );
    server.add(1..4, NOON + 5);
    assert_eq!(server.read(&mut log, NOON + 10, 9), [1, 2, 3]);
    server.events.insert(4, (NOON - 20, NOON + 15));
    assert_eq!(server.read(&mut log, NOON + 20, 9), [4], "late events are seen, others not again");
    assert_eq!(log.position(), at(NOON + 20));
}

#[test]
fn a_first_start_looks_back_and_a_restart_continues() {
    let first = Log::resume(None, at(NOON)).begin(at(NOON), 9).window();
    assert_eq!(first.from, at(NOON - 600 - 60));
    let restart = Log::resume(Some(at(NOON - 86_400)), at(NOON)).begin(at(NOON), 9).window();
    assert_eq!(restart.from, at(NOON - 86_400 - 60), "what was missed is read");
    let ahead = Log::resume(Some(at(NOON + 500)), at(NOON)).begin(at(NOON), 9).window();
    assert_eq!(ahead.from, at(NOON - 60), "a clock that was ahead loses nothing");
}

#[test]
fn a_busy_log_costs_one_page_where_nothing_is_new() {
    let (mut server, mut log) = (server(), log());
    server.add(1..48, NOON + 5);
    assert_eq!(server.read(&mut log, NOON + 10, 9).len(), 47);
    assert_eq!(server.calls, 5);
    server.add(48..50, NOON + 15);
    assert_eq!(server.read(&mut log, NOON + 20, 9), [48, 49]);
    assert_eq!(server.calls, 6, "the API's count says that the further pages hold nothing new");
    server.counts = false;
    assert_eq!(server.read(&mut log, NOON + 30, 9), [0i64; 0]);
    assert_eq!(server.calls, 7, "without a count, a page without anything new is the last");
}

#[test]
fn a_late_event_behind_pages_of_known_ones_is_found() {
    let (mut server, mut log) = (server(), log());
    server.add(1..48, NOON + 9);
    server.read(&mut log, NOON + 10, 9);
    server.events.insert(99, (NOON - 30, NOON + 20));
    assert_eq!(server.read(&mut log, NOON + 20, 9), [99], "the count says that one is missing");
}

#[test]
fn too_many_pages_are_jumped_over_at_the_cost_of_one() {
    let (mut server, mut log) = (server(), log());
    server.add(1..200, NOON + 5);
    let handed = server.read(&mut log, NOON + 10, 9);
    assert_eq!((server.calls, handed.len()), (1, 10), "the newest are handed on");
    assert_eq!(log.gap(), Some(Gap { from: at(NOON - 60), until: at(NOON + 10) }));
    assert_eq!(log.position(), at(NOON - 60), "a later process has the gap to make up for, too");
    server.add(200..203, NOON + 15);
    assert_eq!(server.read(&mut log, NOON + 20, 9), [200, 201, 202]);
    let until = log.gap().map(|gap| gap.until);
    assert_eq!((server.calls, until), (2, Some(at(NOON + 10))), "what was jumped over is not met again");
}

#[test]
fn what_was_jumped_over_is_made_up_for_without_repeating_anything() {
    let (mut server, mut log) = (server(), log());
    server.add(1..200, NOON + 5);
    let first = server.read(&mut log, NOON + 10, 1);
    let mut reading = log.begin_gap(9).unwrap();
    assert_eq!(reading.window(), EventWindow { from: at(NOON - 60), until: at(NOON + 10) });
    // what the network said in it
    server.events.retain(|id, _| id % 10 == 0);
    server.finish(&log, &mut reading, NOON + 11);
    let filled = ids(log.close(reading));
    assert!(!filled.is_empty() && filled.iter().all(|id| id % 10 == 0 && !first.contains(id)));
    assert_eq!(log.gap(), None);
    assert_eq!(log.position(), at(NOON + 10));
}

#[test]
fn a_gap_that_grows_while_it_is_made_up_for_stays_open() {
    let (mut server, mut log) = (server(), log());
    server.add(1..200, NOON + 5);
    server.read(&mut log, NOON + 10, 1);
    let reading = log.begin_gap(9).unwrap();
    server.add(200..400, NOON + 15);
    server.read(&mut log, NOON + 20, 1);
    log.close(reading);
    assert_eq!(log.gap(), Some(Gap { from: at(NOON - 60), until: at(NOON + 20) }));
}

#[test]
fn what_the_log_has_forgotten_is_a_gap() {
    let (mut server, now) = (server(), NOON + 40 * 86_400);
    let mut log = log();
    server.add(1..3, now - 5);
    assert_eq!(server.read(&mut log, now, 9), [1, 2]);
    let gap = log.gap().expect("nobody knows what happened before");
    assert_eq!(gap.until, at(now - 29 * 86_400), "the log keeps 30 days");
}

#[test]
fn a_clock_ahead_of_the_servers_moves_nothing_past_it() {
    let (mut server, mut log) = (server(), log());
    let mut reading = log.begin(at(NOON + 500), 9);
    server.finish(&log, &mut reading, NOON + 10);
    log.close(reading);
    assert_eq!(log.position(), at(NOON + 10));
}

/// What a long life may bring: bursts, quiet, late events, failures in the middle of a reading, restarts, few and many
/// pages, servers with and without counts.
struct Life {
    rng: StdRng,
    server: Server,
    log: Log,
    now: i64,
    /// Handed on by this process: id to the number of the reading.
    handed: BTreeMap<i64, usize>,
    readings: usize,
    /// Times that sweeps stand in for.
    swept: Vec<(i64, i64)>,
    /// When this process began to read, and from where.
    from: i64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let server =
            Server { rows: rng.random_range(1..20), counts: rng.random_bool(0.7), ..Server::default() };
        Self {
            rng,
            server,
            log: log(),
            now: NOON,
            handed: BTreeMap::new(),
            readings: 0,
            swept: Vec::new(),
            from: NOON,
        }
    }

    fn happen(&mut self) {
        let count = match self.rng.random_range(0..10) {
            0..5 => 0,
            5..9 => self.rng.random_range(1..15),
            _ => self.rng.random_range(100..400),
        };
        for _ in 0..count {
            let id = self.rng.random_range(1..1_000_000_000);
            // without a count, only what is newer than a page of known events can be found: nothing may come late
            let (ago, late) = if self.server.counts {
                (self.rng.random_range(0..10), self.rng.random_range(0..40))
            } else {
                (0, 0)
            };
            let time = self.now - ago;
            let shows = if self.rng.random_bool(0.9) { time } else { time + late };
            self.server.events.insert(id, (time, shows));
        }
    }

    fn step(&mut self) {
        self.now += self.rng.random_range(1..15);
        self.happen();
        let most = if self.rng.random_bool(0.2) { 1 } else { 10 };
        let mut reading = self.log.begin(at(self.now), most);
        let fails_at = self.rng.random_bool(0.2).then(|| self.rng.random_range(0..3));
        let mut next = Next::Read(Cursor::first());
        let mut page = 0;
        while let Next::Read(cursor) = next {
            if fails_at == Some(page) {
                return;
            }
            let rows = self.server.page(reading.window(), cursor, self.now);
            next = self.log.page(&mut reading, rows);
            page += 1;
        }
        let events = self.log.close(reading);
        self.readings += 1;
        let sorted = events.windows(2).all(|w| (w[0].1, w[0].0.id) < (w[1].1, w[1].0.id));
        assert!(sorted, "events are handed on oldest first");
        for (event, _) in events {
            let again = self.handed.insert(event.id, self.readings);
            assert_eq!(again, None, "event {} is handed on once", event.id);
        }
        if let Some(gap) = self.log.gap() {
            self.swept.push((gap.from.as_second(), gap.until.as_second()));
            if self.rng.random_bool(0.3) {
                self.fill();
            }
        }
    }

    /// Makes up for some of what was jumped over.
    fn fill(&mut self) {
        let mut reading = self.log.begin_gap(10).expect("the caller saw it");
        self.server.finish(&self.log, &mut reading, self.now);
        for (event, _) in self.log.close(reading) {
            assert_eq!(
                self.handed.insert(event.id, self.readings),
                None,
                "event {} is handed on once",
                event.id
            );
        }
        assert_eq!(self.log.gap(), None, "made up for");
    }

    fn restart(&mut self) {
        let position = self.log.position();
        self.log = Log::resume(Some(position), at(self.now));
        self.handed.clear();
        self.from = position.as_second();
    }

    /// Everything that happened since this process began and shows by now was handed on, or a sweep stands in for it.
    fn check(&mut self) {
        self.now += 1;
        let mut reading = self.log.begin(at(self.now), 10);
        self.server.finish(&self.log, &mut reading, self.now);
        for (event, _) in self.log.close(reading) {
            assert_eq!(self.handed.insert(event.id, 0), None, "event {} is handed on once", event.id);
        }
        if let Some(gap) = self.log.gap() {
            self.swept.push((gap.from.as_second(), gap.until.as_second()));
        }
        for (id, (time, shows)) in &self.server.events {
            let covered = self.swept.iter().any(|(from, until)| from <= time && time <= until);
            let due = *time >= self.from && *shows <= self.now && *time < self.now;
            let told = self.handed.contains_key(id);
            assert!(!due || told || covered, "event {id} of {time} is neither handed on nor swept over");
        }
    }
}

#[test]
fn whatever_happens_each_event_is_handed_on_once_or_a_sweep_was_asked_for() {
    let (_, mut seeds) = seed::seeded("whatever_happens_each_event_is_handed_on_once");
    for case in 0..300 {
        let seed = seeds.random();
        println!("case {case}: {seed}");
        let mut life = Life::new(seed);
        for _ in 0..life.rng.random_range(1..40) {
            life.step();
            if life.rng.random_bool(0.05) {
                life.restart();
            }
        }
        life.check();
    }
}
