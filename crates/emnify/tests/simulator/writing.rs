//! Writing as the operator does.

use emnify::wire::application_token::ApplicationTokenCreate;
use emnify::wire::endpoint::{EndpointCreate, EndpointOwn, EndpointPatch, SimAssignment, SimChange};
use emnify::wire::endpoint_bulk::{EndpointBatch, EndpointBatchPatch};
use emnify::wire::quota::{Allowance, status};
use emnify::wire::service_profile::{SERVICE_PROFILES, ServiceProfileWrite};
use emnify::wire::tag::{TAGS, TagItem, TagWrite};
use emnify::wire::tariff_profile::{TARIFF_PROFILES, TariffProfileWrite};
use emnify::wire::traffic_limit::DataLimitCreate;
use emnify::{Cursor, Error, Lane, wire::Listing};
use emnify_simulator::{Dialect, Limits, Options, Simulator};

use crate::stage::{client, client_of, example};

#[tokio::test(start_paused = true)]
async fn a_service_profile_is_made_of_many_calls() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let new = ServiceProfileWrite {
        name: Some("Trackers".into()),
        allowed_3g: Some(false),
        ..ServiceProfileWrite::default()
    };
    let id = SERVICE_PROFILES.create(&api, &new).await.unwrap().id;
    api.add_service(id, 38).await.unwrap();
    assert!(matches!(api.add_service(id, 38).await, Err(Error::Conflict { .. })));
    let limit = DataLimitCreate { volume: 10_000_000, warning_percent: Some(80), satellite_only: false };
    api.create_data_limit(id, &limit).await.unwrap();
    let again = api.create_data_limit(id, &limit).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let limits = api.data_limits(id).await.unwrap();
    assert_eq!((limits[0].volume, limits[0].warning_percent), (Some(10_000_000), Some(80)));
    let patch = ServiceProfileWrite { description: Some("d".into()), ..ServiceProfileWrite::default() };
    SERVICE_PROFILES.patch(&api, id, &patch).await.unwrap();
    let profile = SERVICE_PROFILES.get(&api, id).await.unwrap().unwrap();
    assert_eq!((profile.allowed_3g, profile.description.as_deref()), (Some(false), Some("d")));
    assert_eq!(profile.services.unwrap()[0].id, 38);
    assert!(matches!(api.remove_service(id, 38).await, Err(Error::Conflict { .. })), "it has limits");
    api.delete_data_limit(id, limits[0].id).await.unwrap();
    api.remove_service(id, 38).await.unwrap();
    SERVICE_PROFILES.delete(&api, id).await.unwrap();
    assert_eq!(SERVICE_PROFILES.get(&api, id).await, Ok(None));
    assert!(matches!(SERVICE_PROFILES.delete(&api, 101).await, Err(Error::Conflict { .. })), "it is in use");
}

#[tokio::test(start_paused = true)]
async fn a_tariff_profile_gets_zones_and_a_blocklist() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let new = TariffProfileWrite {
        name: Some("World".into()),
        description: Some(String::new()),
        tariff: Some(11.into()),
    };
    let id = TARIFF_PROFILES.create(&api, &new).await.unwrap().id;
    api.select_rate_zone(id, 71).await.unwrap();
    api.select_rate_zone(id, 72).await.unwrap();
    api.deselect_rate_zone(id, 71).await.unwrap();
    let zones = TARIFF_PROFILES.get(&api, id).await.unwrap().unwrap().rate_zones.unwrap();
    let selected: Vec<_> = zones.iter().filter(|zone| zone.selected).map(|zone| zone.id).collect();
    assert_eq!(selected, [72]);
    api.blocklist_operator(id, 552).await.unwrap();
    api.blocklist_rat_types(id, 24, &[1, 6]).await.unwrap();
    api.unblocklist_rat_type(id, 24, 6).await.unwrap();
    let blocked = api.operator_blocklist(id).await.unwrap();
    let shown = |operator: i64| blocked.iter().find(|entry| entry.operator.id == operator).unwrap();
    assert!(shown(552).blocklist.operator);
    let rats = &shown(24).blocklist.rat_types;
    assert_eq!(rats.iter().map(|rat| rat.id).collect::<Vec<_>>(), [1]);
    api.unblocklist_operator(id, 552).await.unwrap();
    TARIFF_PROFILES.delete(&api, id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_application_token_is_minted_found_and_revoked() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let new = ApplicationTokenCreate {
        description: "ci [k8s nonce-1]".into(),
        expires: "2099-01-01T00:00:00Z".parse().ok(),
        ip: None,
    };
    let minted = api.create_application_token(&new).await.unwrap();
    let listed = api.list_application_tokens(Cursor::first()).await.unwrap();
    let row = listed.items.iter().find(|row| row.description == Some(new.description.clone())).unwrap();
    assert_eq!((row.status, row.expiry_date), (Some(0), new.expires));
    let jwt = api.mint_jwt(minted.clone()).await.unwrap();
    assert_eq!(jwt.identity.application_token_id, Some(row.id));
    api.revoke_application_token(row.id).await.unwrap();
    let login = client_of(&simulator, emnify::Credentials::ApplicationToken(minted)).login().await;
    assert!(matches!(login, Err(Error::Unauthorized { .. })));
}

fn one_device(sim: Option<i64>) -> EndpointOwn {
    let sim = sim.map(|id| SimAssignment { id, activate: false, status: None });
    EndpointOwn { name: Some("d".into()), sim, ..EndpointOwn::default() }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_created_changed_and_retired_in_every_dialect() {
    for dialect in [Dialect::D2022, Dialect::D2024, Dialect::D2026] {
        let simulator = Simulator::start(Options { dialect, limits: Limits::Real, ..Options::default() });
        let api = client(&simulator).api(Lane::Create);
        let new = EndpointCreate {
            status: 0.into(),
            service_profile: 101.into(),
            tariff_profile: 201.into(),
            ip_address_space: None,
            own: one_device(Some(10_000_001)),
        };
        let id = api.create_endpoint(&new).await.unwrap().id;
        let made = api.endpoint(id).await.unwrap().unwrap();
        assert_eq!(made.sim.map(|sim| sim.status), Some(Some(0)), "{dialect:?}: activation is never implied");
        let rename = EndpointPatch { name: Some("e".into()), ..EndpointPatch::default() };
        api.patch_endpoint(id, &rename).await.unwrap();
        api.set_sim_status(10_000_001, 1).await.unwrap();
        let illegal = api.set_sim_status(10_000_001, 0).await;
        assert!(matches!(illegal, Err(Error::Rejected { .. })), "{illegal:?}");
        let held = api.delete_endpoint(id).await;
        assert!(matches!(held, Err(Error::Conflict { .. })), "{held:?}");
        api.set_sim_status(10_000_001, 2).await.unwrap();
        let retire = EndpointPatch {
            status: Some(1.into()),
            sim: Some(SimChange::Release),
            ..EndpointPatch::default()
        };
        api.patch_endpoint(id, &retire).await.unwrap();
        api.delete_endpoint(id).await.unwrap();
        assert_eq!(api.endpoint(id).await, Ok(None), "{dialect:?}");
        let gone = api.patch_endpoint(id, &rename).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn devices_are_made_changed_and_deleted_in_bulk() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let batch = EndpointBatch {
        status: 1.into(),
        service_profile: 101.into(),
        tariff_profile: 201.into(),
        ip_address_space: None,
        endpoints: vec![one_device(None); 50],
    };
    let made = api.create_endpoints(&batch).await.unwrap();
    let ids: Vec<i64> = made.iter().map(|endpoint| endpoint.id).collect();
    let patch = EndpointPatch { name: Some("renamed".into()), ..EndpointPatch::default() };
    let patches: Vec<_> = ids.iter().map(|id| EndpointBatchPatch { id: *id, patch: patch.clone() }).collect();
    api.patch_endpoints(&patches).await.unwrap();
    let tag = TAGS.create(&api, &TagWrite::named("fleet")).await.unwrap().id;
    let items: Vec<_> = ids.iter().map(|id| TagItem { endpoint: *id, tags: vec![tag] }).collect();
    api.add_tags(&items).await.unwrap();
    let page = api.list_endpoints(Cursor::first(), &Listing::all().sort("-id")).await.unwrap();
    let first = &page.items[0];
    assert_eq!(first.name.as_deref(), Some("renamed"));
    assert_eq!(first.tag_assignments.as_ref().unwrap()[0].name, "fleet");
    api.remove_tags(&items).await.unwrap();
    assert!(api.endpoint_tags(ids[0]).await.unwrap().is_empty());
    api.delete_endpoints(&ids).await.unwrap();
    let left = api.list_endpoints(Cursor::first(), &Listing::all()).await.unwrap();
    assert_eq!(left.total, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_address_space_runs_out() {
    let simulator = example();
    let shrink = |state: &mut emnify_simulator::State| {
        let spaces = &mut state.organisations.get_mut(&1001).unwrap().ip_address_spaces;
        spaces.get_mut(&31).unwrap().ip_address_space = "10.199.0.0/30".parse().unwrap();
    };
    simulator.edit(shrink).unwrap();
    let api = client(&simulator).api(Lane::Create);
    let new = EndpointCreate {
        status: 1.into(),
        service_profile: 101.into(),
        tariff_profile: 201.into(),
        ip_address_space: None,
        own: one_device(None),
    };
    let mut last = Ok(0);
    for _ in 0..5 {
        last = api.create_endpoint(&new).await.map(|made| made.id);
    }
    assert!(matches!(last, Err(Error::Capacity { .. })), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn quotas_and_blocklists_of_a_device() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let device = 11_000_001;
    let allowance = Allowance {
        volume: 100.0,
        last_volume_added: None,
        status: status::ACTIVE,
        expires: "2099-01-01T00:00:00Z".parse().unwrap(),
        auto_refill: Some(true),
        threshold_percentage: Some(80),
    };
    api.set_data_quota(device, &allowance).await.unwrap();
    api.set_sms_quota(device, &allowance).await.unwrap();
    for quota in [api.data_quota(device).await, api.sms_quota(device).await] {
        let quota = quota.unwrap().unwrap();
        assert_eq!((quota.volume, quota.auto_refill), (Some(100.0), Some(true)));
        assert_eq!(quota.expiry_date, Some(allowance.expires));
    }
    api.delete_data_quota(device).await.unwrap();
    assert!(matches!(api.delete_data_quota(device).await, Err(Error::NotFound { .. })));
    api.block_operator(device, 24).await.unwrap();
    assert!(matches!(api.block_operator(device, 24).await, Err(Error::Conflict { code: Some(1405), .. })));
    assert_eq!(api.blocked_operators(device).await.unwrap()[0].id, 24);
    api.unblock_operator(device, 24).await.unwrap();
    assert!(matches!(api.unblock_operator(device, 24).await, Err(Error::NotFound { .. })));
    let events = api.list_events(Cursor::first(), None, Listing::all()).await.unwrap();
    assert!(events.items.iter().any(|event| event.endpoint_id() == Some(device)), "writes leave events");
}
