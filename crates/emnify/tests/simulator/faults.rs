//! What goes wrong between client and platform.

use std::time::Duration;

use emnify::wire::service_profile::{SERVICE_PROFILES, ServiceProfileWrite};
use emnify::{Cursor, Error, Lane};
use emnify_simulator::{Fault, Simulator};
use tokio::time::Instant;

use crate::stage::{calls, client, example};

fn new_profile() -> ServiceProfileWrite {
    ServiceProfileWrite { name: Some("New".into()), ..ServiceProfileWrite::default() }
}

fn profiles(simulator: &Simulator) -> usize {
    simulator.inspect(|state| state.organisations[&1001].service_profiles.len())
}

fn on_create(fault: Fault) -> Fault {
    Fault { method: Some("POST".into()), route: Some("/api/v1/service_profile".into()), ..fault }
}

#[tokio::test(start_paused = true)]
async fn a_connection_cut_after_the_create_is_ambiguous_and_not_repeated() {
    for (commit, made) in [(true, 2), (false, 1)] {
        let simulator = example();
        simulator.fault(on_create(Fault { reset: true, commit, ..Fault::default() })).unwrap();
        let outcome = SERVICE_PROFILES.create(&client(&simulator).api(Lane::Create), &new_profile()).await;
        assert!(matches!(outcome, Err(Error::Ambiguous { .. })), "{outcome:?}");
        assert_eq!(profiles(&simulator), made, "the client cannot know which it was");
        assert_eq!(calls(&simulator, "POST", "/api/v1/service_profile", 0), 1, "nothing is sent twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_error_is_ambiguous_for_a_create_and_harmless_for_a_read() {
    let simulator = example();
    simulator.fault(Fault { status: Some(502), ..Fault::default() }).unwrap();
    let client = client(&simulator);
    assert!(matches!(client.login().await, Err(Error::Unavailable { .. })));
    simulator.clear_faults();
    client.login().await.unwrap();
    simulator.fault(Fault { status: Some(502), ..Fault::default() }).unwrap();
    let api = client.api(Lane::Create);
    assert!(matches!(SERVICE_PROFILES.create(&api, &new_profile()).await, Err(Error::Ambiguous { .. })));
    let read = SERVICE_PROFILES.list(&api, Cursor::first()).await;
    assert!(matches!(read, Err(Error::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_no_answer() {
    let simulator = example();
    let client = client(&simulator);
    client.login().await.unwrap();
    simulator.fault(Fault { truncate: true, ..Fault::default() }).unwrap();
    let read = SERVICE_PROFILES.list(&client.api(Lane::Sweep), Cursor::first()).await;
    assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_hangs_is_given_up() {
    let simulator = example();
    simulator.fault(on_create(Fault { delay: Some("1h".into()), ..Fault::default() })).unwrap();
    let started = Instant::now();
    let outcome = SERVICE_PROFILES.create(&client(&simulator).api(Lane::Create), &new_profile()).await;
    assert!(matches!(outcome, Err(Error::Ambiguous { .. })));
    assert!(started.elapsed() < Duration::from_secs(70), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_429_with_retry_after_is_obeyed_by_every_lane() {
    let simulator = example();
    let client = client(&simulator);
    client.login().await.unwrap();
    let busy = Fault { status: Some(429), retry_after: Some(45), times: Some(1), ..Fault::default() };
    simulator.fault(busy).unwrap();
    let started = Instant::now();
    let first = client.api(Lane::Sweep).services().await;
    assert_eq!(first, Err(Error::Throttled { retry_after: Some(Duration::from_secs(45)) }));
    client.api(Lane::Safety).services().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(45));
}

#[tokio::test(start_paused = true)]
async fn a_429_without_retry_after_pauses_longer_each_time() {
    let simulator = example();
    let client = client(&simulator);
    client.login().await.unwrap();
    simulator.fault(Fault { status: Some(429), times: Some(4), ..Fault::default() }).unwrap();
    let api = client.api(Lane::Safety);
    let mut waits = Vec::new();
    let mut last = Instant::now();
    for _ in 0..5 {
        let throttled = api.services().await.is_err();
        waits.push((throttled, last.elapsed().as_secs()));
        last = Instant::now();
    }
    assert_eq!(waits, [(true, 0), (true, 5), (true, 10), (true, 20), (false, 40)]);
}
