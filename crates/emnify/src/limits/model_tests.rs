//! The limits against a simple model: random arrivals in random lanes, a server that sometimes asks for a pause.
//!
//! A failing case is repeated by its seed, which every message names.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// One request, before it happens.
#[derive(Debug, Clone)]
struct Planned {
    lane: Lane,
    arrives: Duration,
    class: Option<(i64, Class)>,
    latency: Duration,
    /// The server asks for a pause.
    throttled: bool,
    /// How long, if it says so.
    retry_after: Option<Duration>,
}

/// The same, after it happened. Times since the start.
#[derive(Debug, Clone)]
struct Happened {
    planned: Planned,
    granted: Duration,
}

fn plan(rng: &mut StdRng, requests: usize, within: Duration) -> Vec<Planned> {
    let trouble = *[0.0, 0.002, 0.02].choose(rng).unwrap();
    let classes =
        [None, None, None, Some((1, Class::Listing)), Some((2, Class::Listing)), Some((1, Class::Detail))];
    let one = |rng: &mut StdRng| Planned {
        lane: *Lane::ALL.choose(rng).unwrap(),
        arrives: within.mul_f64(rng.random_range(0.0..1.0)),
        class: *classes.choose(rng).unwrap(),
        latency: Duration::from_millis(rng.random_range(5..2_000)),
        throttled: rng.random_bool(trouble),
        retry_after: rng.random_bool(0.5).then(|| Duration::from_secs(rng.random_range(1..120))),
    };
    let mut all: Vec<Planned> = (0..requests).map(|_| one(rng)).collect();
    all.sort_by_key(|planned| planned.arrives);
    all
}

/// Lets everything happen. Nothing may wait longer than `patience` after it came.
async fn happen(
    limits: &Arc<HostLimits>,
    plan: Vec<Planned>,
    patience: Duration,
    seed: u64,
) -> Vec<Happened> {
    let start = Instant::now();
    let tasks = plan.into_iter().map(|planned| {
        let limits = Arc::clone(limits);
        tokio::spawn(async move {
            tokio::time::sleep_until(start + planned.arrives).await;
            let ask = Ask { class: planned.class, ..Ask::REQUEST };
            let turn = tokio::time::timeout(patience, limits.turn(planned.lane, ask)).await;
            let turn = turn.unwrap_or_else(|_| panic!("seed {seed}: {planned:?} waits for ever"));
            let granted = turn.spend();
            tokio::time::sleep(planned.latency).await;
            if planned.throttled {
                limits.throttled(granted, planned.retry_after);
            } else {
                limits.served(granted);
            }
            Happened { granted: granted - start, planned }
        })
    });
    let mut all: Vec<Happened> =
        futures::future::join_all(tasks.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    all.sort_by_key(|happened| happened.granted);
    all
}

/// Most of `times`, which are in order, within any span of this length.
fn most_within(times: &[Duration], span: Duration) -> usize {
    let within = |first: usize| times[first..].partition_point(|at| *at < times[first] + span);
    (0..times.len()).map(within).max().unwrap_or_default()
}

fn windows_hold(all: &[Happened], share: f64, seed: u64) {
    let times: Vec<Duration> = all.iter().map(|happened| happened.granted).collect();
    let most = most_within(&times, Duration::from_secs(300));
    assert!(
        f64::from(u32::try_from(most).unwrap()) <= 2_000.0 * share,
        "seed {seed}: {most} requests in five minutes"
    );
    for class in [(1, Class::Listing), (2, Class::Listing), (1, Class::Detail)] {
        let (burst, rate) = class.1.burst_and_rate();
        let of_class = all.iter().filter(|happened| happened.planned.class == Some(class));
        let times: Vec<Duration> = of_class.map(|happened| happened.granted).collect();
        let most = most_within(&times, Duration::from_secs(1));
        assert!(
            f64::from(u32::try_from(most).unwrap()) <= burst + rate,
            "seed {seed}: {most} of {class:?} in a second"
        );
    }
}

/// More urgent first, then earlier first, among those that only the common window holds up.
fn order_is_kept(all: &[Happened], seed: u64) {
    let free: Vec<&Happened> = all.iter().filter(|happened| happened.planned.class.is_none()).collect();
    for (place, went) in free.iter().enumerate() {
        for waited in free[place + 1..].iter().filter(|waited| waited.granted > went.granted) {
            let (a, b) = (&went.planned, &waited.planned);
            let first = (b.lane, b.arrives) < (a.lane, a.arrives) && b.arrives < went.granted;
            assert!(!first, "seed {seed}: {went:?} went before {waited:?}");
        }
    }
}

/// While the model's door is closed nothing goes out.
fn the_door_holds(all: &[Happened], seed: u64) {
    let mut answers: Vec<&Happened> = all.iter().filter(|happened| happened.planned.throttled).collect();
    answers.sort_by_key(|happened| happened.granted + happened.planned.latency);
    let mut open = Duration::ZERO;
    for answer in answers {
        let at = answer.granted + answer.planned.latency;
        match answer.planned.retry_after {
            Some(asked) => open = open.max(at + asked),
            // of one burst of refusals only the first says something; a pause is five seconds at least
            None if answer.granted >= open => open = at + Duration::from_secs(5),
            None => continue,
        }
        let early = all.iter().find(|happened| happened.granted > at && happened.granted < open);
        assert!(
            early.is_none(),
            "seed {seed}: {early:?} went out while the door was closed from {at:?} to {open:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn random_traffic_keeps_every_rule() {
    for seed in 0..12 {
        let mut rng = StdRng::seed_from_u64(seed);
        let share = *[0.1, 0.5, 1.0].choose(&mut rng).unwrap();
        let requests = rng.random_range(200..2_000);
        let within = Duration::from_secs(rng.random_range(30..900));
        let limits = HostLimits::new(share);
        let plan = plan(&mut rng, requests, within);
        let all = happen(&limits, plan, Duration::from_secs(86_400), seed).await;
        assert_eq!(all.len(), requests);
        windows_hold(&all, share, seed);
        order_is_kept(&all, seed);
        the_door_holds(&all, seed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_month_is_never_exceeded_and_urgent_work_is_not_slowed_before_its_end() {
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let limits = HostLimits::new(1.0);
        limits.set_clock("2026-11-20T00:00:00Z".parse().unwrap());
        let left: u64 = rng.random_range(20..200);
        limits.set_month_share(7, 1);
        let earlier = Ledger { month: "2026-11".into(), used: 100_000 - left, ..Ledger::default() };
        limits.restore_ledger(7, &earlier);
        let start = Instant::now();
        let tasks = (0..300).map(|_| {
            let (limits, lane) = (Arc::clone(&limits), *Lane::ALL.choose(&mut rng).unwrap());
            let arrives = start + Duration::from_secs(rng.random_range(0..86_400));
            tokio::spawn(async move {
                tokio::time::sleep_until(arrives).await;
                let granted = limits.turn(lane, Ask { month: Some(7), ..Ask::REQUEST }).await.spend();
                (granted - start, lane, granted - arrives)
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut all: Vec<_> =
            futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        all.sort();
        let december = Duration::from_secs(11 * 86_400);
        let november = all.iter().filter(|(granted, ..)| *granted < december).count();
        assert_eq!(november as u64, left, "seed {seed}: all of the share is used, and not one more");
        let urgent = all.iter().take(november).filter(|(_, lane, _)| *lane <= Lane::Repair);
        for (granted, lane, waited) in urgent {
            assert!(*waited < Duration::from_secs(1), "seed {seed}: {lane} waited {waited:?} at {granted:?}");
        }
        let slowed =
            all.iter().any(|(_, lane, waited)| *lane > Lane::Repair && *waited > Duration::from_secs(60));
        assert!(slowed, "seed {seed}: what can wait was slowed down");
        assert_eq!(all.len(), 300, "and in December the rest goes out");
    }
}
