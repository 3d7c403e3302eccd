//! Reading what the platform shows, in its three dialects.

use std::time::Duration;

use emnify::wire::Listing;
use emnify::wire::event::EventWindow;
use emnify::wire::integration::{ADDRESS_SPACES, API_CALLBACKS, API_SECRETS, DNS};
use emnify::wire::service_profile::SERVICE_PROFILES;
use emnify::wire::tag::TAGS;
use emnify::wire::tariff_profile::TARIFF_PROFILES;
use emnify::{Cursor, Error, Lane};
use emnify_simulator::{Limits, Options, Seed, Signal, Simulator};
use jiff::SignedDuration;
use tokio::time::Instant;

use crate::stage::{calls, client, example, start};

#[tokio::test(start_paused = true)]
async fn every_lookup_is_read() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Hints);
    assert!(api.services().await.unwrap().iter().any(|service| service.id == 38));
    assert!(!api.breakout_regions().await.unwrap().is_empty());
    assert!(!api.esme_interface_types().await.unwrap().is_empty());
    assert!(!api.rat_types().await.unwrap().is_empty());
    assert!(!api.tag_colors().await.unwrap().is_empty());
    assert!(!api.traffic_limits_of(5).await.unwrap().is_empty());
    assert_eq!(DNS.lookup(&api).await.unwrap(), []);
    assert_eq!(API_CALLBACKS.lookup(&api).await.unwrap(), []);
    assert_eq!(API_SECRETS.lookup(&api).await.unwrap(), []);
    let spaces = ADDRESS_SPACES.lookup(&api).await.unwrap();
    assert_eq!((spaces[0].id, spaces[0].ip_address_space.as_str()), (31, "10.199.0.0/24"));
    assert!(spaces[0].available_count.is_some());
}

#[tokio::test(start_paused = true)]
async fn operators_are_found_by_their_codes() {
    let simulator = example();
    let operators = client(&simulator).api(Lane::Hints).operators().await.unwrap();
    let by_tap: Vec<_> = operators.iter().filter(|operator| operator.settles_as("AFGAW")).collect();
    assert_eq!(by_tap.iter().map(|operator| operator.id).collect::<Vec<_>>(), [552]);
    assert!(by_tap[0].runs("412", "01"));
}

#[tokio::test(start_paused = true)]
async fn profiles_are_read_from_list_and_detail() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Sweep);
    let listed = SERVICE_PROFILES.list(&api, Cursor::first()).await.unwrap();
    assert_eq!((listed.items[0].id, listed.next()), (101, None));
    let detail = SERVICE_PROFILES.get(&api, 101).await.unwrap().unwrap();
    assert_eq!(detail.name, "Meters");
    assert_eq!(detail.services.unwrap()[0].id, 38);
    assert_eq!((detail.allowed_4g, detail.allowed_nb_iot_geo), (Some(true), Some(false)));
    assert_eq!(listed.items[0].allowed_4g, Some(true), "text flags are flags");
    let tariff = TARIFF_PROFILES.list(&api, Cursor::first()).await.unwrap().items.remove(0);
    assert_eq!((tariff.id, tariff.tariff.unwrap().id, tariff.rate_zones), (201, 11, None));
    let zones = TARIFF_PROFILES.get(&api, 201).await.unwrap().unwrap().rate_zones.unwrap();
    let selected: Vec<_> = zones.iter().filter(|zone| zone.selected).map(|zone| zone.id).collect();
    assert_eq!((zones.len(), selected), (2, vec![71]));
    assert_eq!(SERVICE_PROFILES.get(&api, 999).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn tokens_and_tags_are_listed() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Sweep);
    let tokens = api.list_application_tokens(Cursor::first()).await.unwrap();
    assert_eq!((tokens.items[0].id, tokens.items[0].status), (501, Some(0)));
    let tags = TAGS.list(&api, Cursor::first()).await.unwrap();
    assert_eq!((tags.items[0].id, tags.items[0].name.as_str(), tags.total), (41, "lab", Some(1)));
}

#[tokio::test(start_paused = true)]
async fn an_organisation_and_its_plan_are_read() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Hints);
    let stats = api.monthly_stats().await.unwrap();
    let data = stats.current_month.and_then(|month| month.data).unwrap();
    assert_eq!(
        (data.volume, data.currency.unwrap().code.as_str()),
        (Some(0.0), "EUR"),
        "nothing was used yet"
    );
    assert!(stats.active_chargeable_sims.is_some_and(|sims| sims >= 0.0));
    let organisation = api.my_organisation().await.unwrap();
    assert_eq!((organisation.id, organisation.name.as_str()), (1001, "Example"));
    assert!(!api.active_tariff_plan().await.unwrap().unwrap().tariff_plan.unwrap().name.is_empty());
}

/// The example workspace with so many devices.
fn fleet(devices: u64) -> Simulator {
    let mut state = Seed::example().state().clone();
    let organisation = state.organisations.get_mut(&1001).unwrap();
    let space = organisation.ip_address_spaces.get_mut(&31).unwrap();
    space.ip_address_space = "10.192.0.0/12".parse().unwrap();
    let template = organisation.endpoints.get(&11_000_001).unwrap().clone();
    for id in 1..devices {
        let endpoint = emnify_simulator::state::Endpoint {
            id,
            name: format!("device-{id}"),
            sim: None,
            ip_address: None,
            ..template.clone()
        };
        organisation.endpoints.insert(id, endpoint);
    }
    start(Seed::from_state(state).unwrap())
}

#[tokio::test(start_paused = true)]
async fn two_and_a_half_thousand_devices_are_three_pages() {
    let simulator = fleet(2_500);
    let api = client(&simulator).api(Lane::Sweep);
    let (mut next, mut ids) = (Some(Cursor::first()), std::collections::BTreeSet::new());
    while let Some(at) = next {
        let page = api.list_endpoints(at, &Listing::all()).await.unwrap();
        assert_eq!((page.total, page.pages), (Some(2_500), 3));
        assert!(page.server_time.is_some());
        ids.extend(page.items.iter().map(|endpoint| endpoint.id));
        next = page.next();
    }
    assert_eq!(ids.len(), 2_500, "every device once");
    assert_eq!(calls(&simulator, "GET", "/api/v1/endpoint", 200), 3);
}

#[tokio::test(start_paused = true)]
async fn a_device_is_read_with_its_sim() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Sweep);
    let page = api.list_endpoints(Cursor::first(), &Listing::all()).await.unwrap();
    let detail = api.endpoint(11_000_001).await.unwrap().unwrap();
    for endpoint in [&page.items[0], &detail] {
        assert_eq!((endpoint.id, endpoint.status), (11_000_001, Some(0)));
        assert_eq!(endpoint.sim.as_ref().unwrap().id, 10_000_003);
        assert_eq!(endpoint.ip_address_space, Some(31));
        assert!(endpoint.last_updated.is_some());
    }
    let sim = api.sim(10_000_003).await.unwrap().unwrap();
    assert_eq!(sim.endpoint.unwrap().id, 11_000_001);
    let connectivity = api.connectivity(11_000_001).await.unwrap().unwrap();
    assert_eq!(connectivity.status, "OFFLINE");
    assert_eq!(api.endpoint(5).await, Ok(None));
    assert_eq!(api.data_quota(11_000_001).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_real_limits_are_never_hit() {
    let simulator = example();
    let client = client(&simulator);
    let api = client.api(Lane::Safety);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(700) {
        SERVICE_PROFILES.list(&api, Cursor::first()).await.unwrap();
    }
    let requests = simulator.requests();
    assert!(requests.counts.iter().all(|count| count.status != 429), "no request was refused");
    assert!(requests.total > 3_500, "and the budget was used: {}", requests.total);
}

#[tokio::test(start_paused = true)]
async fn bursts_of_listings_keep_their_class() {
    let simulator = fleet(10);
    let api = client(&simulator).api(Lane::Safety);
    let listing = Listing::all();
    let all = futures::future::join_all((0..60).map(|_| api.list_endpoints(Cursor::first(), &listing))).await;
    assert!(all.iter().all(Result::is_ok), "10 a second with a burst of 5 hold for any number of callers");
}

#[tokio::test(start_paused = true)]
async fn an_operation_the_platform_lacks_changes_nothing() {
    let simulator = Simulator::start(Options { limits: Limits::Off, ..Options::default() });
    let wrong = client(&simulator).api(Lane::Repair).set_sim_status(1, 77).await;
    assert!(matches!(wrong, Err(Error::Rejected { .. } | Error::NotFound { .. })), "{wrong:?}");
}

#[tokio::test(start_paused = true)]
async fn a_device_on_the_network_tells_where_it_is_and_leaves_events() {
    let simulator = example();
    simulator.device(11_000_001, Signal::Online).unwrap();
    let api = client(&simulator).api(Lane::Hints);
    let online = api.connectivity(11_000_001).await.unwrap().unwrap();
    assert_eq!(online.status, "ONLINE");
    let (location, session) = (online.location.unwrap(), online.session.unwrap());
    assert!(location.operator.unwrap().name.is_some());
    assert!(location.country.unwrap().name.is_some());
    assert!(session.created.is_some() && session.rat_type.unwrap().description.is_some());
    let now = simulator.now();
    let window = |from: i64, until: i64| {
        let at = |seconds| now + SignedDuration::from_secs(seconds);
        Some(EventWindow { from: at(from), until: at(until) })
    };
    let recent = api.list_events(Cursor::first(), window(-60, 60), Listing::all()).await.unwrap();
    let session = recent.items.iter().find(|event| event.kind() == Some(3)).unwrap();
    assert_eq!(session.endpoint_id(), Some(11_000_001));
    assert!(session.id > 1 << 32 && session.timestamp.is_some(), "event ids are large, events are dated");
    let past = api.list_events(Cursor::first(), window(-600, -300), Listing::all()).await.unwrap();
    assert_eq!(past.items, [], "nothing happened before");
    simulator.device(11_000_001, Signal::Offline).unwrap();
    assert_eq!(api.connectivity(11_000_001).await.unwrap().unwrap().status, "OFFLINE");
}
