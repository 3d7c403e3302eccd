use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

async fn take(limits: &Arc<HostLimits>, lane: Lane) -> Instant {
    limits.turn(lane, Ask::REQUEST).await.spend()
}

/// Takes turns in `lane` until one does not come at once.
async fn burst(limits: &Arc<HostLimits>, lane: Lane) -> u32 {
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_millis(1), take(limits, lane)).await.is_ok() {
        taken += 1;
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn five_minutes_never_hold_more_than_the_window() {
    let limits = HostLimits::new(1.0);
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < Duration::from_secs(1200) {
        times.push(take(&limits, Lane::Safety).await);
    }
    for (first, at) in times.iter().enumerate() {
        let inside =
            times[first..].iter().take_while(|later| **later - *at < Duration::from_secs(300)).count();
        assert!(inside <= 2_000, "{inside} requests within five minutes");
    }
    assert!(times.len() >= 6_700, "the budget is used, not wasted: {}", times.len());
}

#[tokio::test(start_paused = true)]
async fn a_lane_leaves_its_reserve_to_more_urgent_ones() {
    let reserves = [(Lane::Scrub, 100), (Lane::Sweep, 50), (Lane::Create, 40), (Lane::Safety, 10)];
    let limits = HostLimits::new(1.0);
    for (lane, want) in reserves {
        assert_eq!(burst(&limits, lane).await, want, "{lane} takes only what is above its reserve");
    }
}

#[tokio::test(start_paused = true)]
async fn an_urgent_request_overtakes_ten_thousand_waiting_ones() {
    let limits = HostLimits::new(1.0);
    burst(&limits, Lane::Safety).await;
    let served = Arc::new(AtomicUsize::new(0));
    for _ in 0..10_000 {
        let (limits, served) = (Arc::clone(&limits), Arc::clone(&served));
        tokio::spawn(async move {
            take(&limits, Lane::Create).await;
            served.fetch_add(1, Ordering::Relaxed);
        });
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let waited = Instant::now();
    take(&limits, Lane::Interactive).await;
    assert!(waited.elapsed() <= Duration::from_secs(1), "an edit waited {:?}", waited.elapsed());
    let waiting = limits.snapshot().waiting[Lane::Create as usize];
    assert_eq!(waiting + served.load(Ordering::Relaxed), 10_000, "nobody is lost");
}

#[tokio::test(start_paused = true)]
async fn within_a_lane_first_come_is_first_served() {
    let limits = HostLimits::new(1.0);
    burst(&limits, Lane::Safety).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..20 {
        let (limits, order) = (Arc::clone(&limits), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            take(&limits, Lane::Interactive).await;
            order.lock().push(number);
        }));
        tokio::task::yield_now().await;
    }
    futures::future::join_all(tasks).await;
    assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_place_given_up_costs_nothing() {
    let limits = HostLimits::new(1.0);
    burst(&limits, Lane::Safety).await;
    for _ in 0..100 {
        drop(tokio::time::timeout(Duration::from_millis(1), take(&limits, Lane::Safety)).await);
    }
    let unused = limits.turn(Lane::Safety, Ask::REQUEST).await;
    assert!(limits.snapshot().available < 1.0);
    drop(unused);
    assert!(limits.snapshot().available >= 1.0, "an unused turn is given back");
    let start = Instant::now();
    for _ in 0..11 {
        take(&limits, Lane::Safety).await;
    }
    assert!(
        start.elapsed() <= Duration::from_secs(2),
        "abandoned places take no tokens: {:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_closes_all_lanes() {
    let limits = HostLimits::new(1.0);
    let granted = take(&limits, Lane::Safety).await;
    limits.throttled(granted, Some(Duration::from_secs(30)));
    let start = Instant::now();
    assert_eq!(limits.snapshot().closed_for, Duration::from_secs(30));
    take(&limits, Lane::Safety).await;
    assert!(start.elapsed() >= Duration::from_secs(30), "even the most urgent lane waits");
    assert!(start.elapsed() < Duration::from_secs(31), "but not longer than asked");
    assert_eq!(burst(&limits, Lane::Scrub).await, 0, "a host that counts more than we do leaves no burst");
}

#[tokio::test(start_paused = true)]
async fn a_class_holds_only_its_own_requests() {
    let limits = HostLimits::new(1.0);
    let listing = |organisation| Ask { class: Some((organisation, Class::Listing)), ..Ask::REQUEST };
    let start = Instant::now();
    for _ in 0..25 {
        limits.turn(Lane::Sweep, listing(1)).await.spend();
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "25 listings: 4 at once, then 9 a second");
    let start = Instant::now();
    let held = tokio::spawn({
        let limits = Arc::clone(&limits);
        async move { limits.turn(Lane::Safety, listing(1)).await.spend() }
    });
    tokio::task::yield_now().await;
    limits.turn(Lane::Sweep, listing(2)).await.spend();
    take(&limits, Lane::Sweep).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "others do not wait for a full class");
    held.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn logins_have_a_window_of_their_own() {
    let limits = HostLimits::new(1.0);
    let start = Instant::now();
    let mut logins = 0;
    while start.elapsed() < Duration::from_secs(300) {
        limits.turn(Lane::Safety, Ask::LOGIN).await.spend();
        logins += 1;
    }
    assert!(logins <= 100, "{logins} logins in five minutes");
    assert!(burst(&limits, Lane::Safety).await > 100, "waiting logins hold no request");
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_window_is_a_share_of_everything() {
    let limits = HostLimits::new(0.5);
    assert_eq!(burst(&limits, Lane::Safety).await, 100, "half of the burst");
    let tiny = HostLimits::new(0.0);
    take(&tiny, Lane::Scrub).await;
    assert_eq!(tiny.snapshot().waiting, [0; 7], "even the smallest share serves every lane");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_granting_reaches_those_who_wait_and_leaves_nothing_behind() {
    let limits = HostLimits::new(1.0);
    burst(&limits, Lane::Interactive).await;
    limits.lock().throttled(Instant::now(), Some(Duration::from_secs(60)), Instant::now());
    let waiting = tokio::spawn({
        let limits = limits.clone();
        async move { take(&limits, Lane::Interactive).await }
    });
    tokio::task::yield_now().await;
    let granting = tokio::spawn({
        let limits = limits.clone();
        async move {
            let _serving = Serving { limits: &limits, over: false };
            panic!("a bucket without a floor");
        }
    });
    assert!(granting.await.is_err_and(|end| end.is_panic()));
    assert!(waiting.await.is_err_and(|end| end.is_panic()), "it does not wait for ever");
    tokio::time::advance(Duration::from_secs(120)).await;
    take(&limits, Lane::Interactive).await;
}
