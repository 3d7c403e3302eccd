//! The profile kinds against the simulator: what they ask for is accepted, and afterwards nothing differs.

use std::sync::Arc;

use emnify::{Api, BaseUrl, Client, Config, Credentials, HostLimits, Lane, ServiceTransport};
use emnify_engine::kind::{Have, Id, Inputs, Managed, Source};
use emnify_simulator::{Options, Simulator, State, state::HeldVolume};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ServiceProfile, TariffProfile, service_profile,
    tariff_profile::{self, rows::Zones},
};

fn api(simulator: &Simulator) -> Api {
    let transport = Arc::new(ServiceTransport::new(simulator.router()));
    let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    let credentials = Credentials::ApplicationToken("example-token".to_owned().into());
    Client::new(Config::new(base, credentials, transport, HostLimits::new(1.0))).api(Lane::Create)
}

/// Finds what the spec names, as the engine does.
async fn inputs<K: Managed>(api: &Api, object: &K) -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    for input in object.inputs() {
        let Source::Lookup { table, name, .. } = &input.source else { continue };
        let rows = (table.load)(api.clone()).await.unwrap();
        let mut named =
            rows.iter().filter(|row| row.names.iter().any(|known| known.eq_ignore_ascii_case(name)));
        let row = named.next().unwrap_or_else(|| panic!("no {} {name:?}", table.name));
        assert!(named.next().is_none(), "{name} is ambiguous");
        inputs.put(input.path, row.id.clone());
    }
    inputs
}

type Diff<K> = fn(&<K as Managed>::Want, &Have<K>) -> Vec<<K as Managed>::Change>;

/// Brings an object in step, creating it if it has no id. Returns its id, what was sent, and what is there now.
async fn settle<K: Managed>(
    api: &Api,
    object: &K,
    id: Option<Id>,
    diff: Diff<K>,
) -> (Id, Vec<String>, Have<K>) {
    let want = object.want(&inputs(api, object).await).unwrap();
    let mut sent = Vec::new();
    let id = if let Some(id) = id {
        id
    } else {
        let create = K::create(&want, None).expect("this kind can be created");
        let reply = K::send(api, &[(None, create)]).await.unwrap().remove(0);
        reply.id.expect("a create names the new id")
    };
    for _ in 0..5 {
        let row = K::read(api, &id).await.unwrap().expect("it is there");
        let mut parts = K::Parts::default();
        for part in K::parts(&want) {
            K::read_part(api, &id, part, &mut parts).await.unwrap();
        }
        let have = Have { row: Arc::new(row), parts: Arc::new(parts), output: None };
        let changes = diff(&want, &have);
        if changes.is_empty() {
            return (id, sent, have);
        }
        for change in changes {
            sent.push(change.to_string());
            K::send(api, &[(Some(id.clone()), change.clone())])
                .await
                .unwrap_or_else(|e| panic!("{change}: {e}"));
        }
    }
    panic!("{} does not settle: {sent:?}", K::KIND);
}

fn profile(spec: Value) -> ServiceProfile {
    ServiceProfile::new("a", serde_json::from_value(spec).unwrap())
}

fn tariff(spec: Value) -> TariffProfile {
    TariffProfile::new("a", serde_json::from_value(spec).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_service_profile_is_made_edited_and_deleted() {
    let simulator = Simulator::start(Options::default());
    let api = api(&simulator);
    let diff: Diff<ServiceProfile> = |want, have| service_profile::differences(want, have);
    let full = profile(json!({
        "name": "sensors", "description": "in cellars", "allowed3g": false, "allowedNbIot": true, "smsP2pExt": false,
        "services": [
            {"service": {"externalName": "data"}},
            {"service": {"externalName": "SMS MT"}, "limit": {"volume": 100, "period": "1 month"}},
        ],
        "dataLimits": [{"volume": "500M", "warningPercent": 80}, {"volume": "1M", "satelliteOnly": true}],
        "esmeInterfaceType": {"externalName": "REST API"}, "breakoutRegion": {"id": "2"},
    }));
    let (id, _, have) = settle(&api, &full, None, diff).await;
    assert_eq!(
        ServiceProfile::mark(&have.row).as_deref(),
        Some("prod/fleet/a"),
        "it can be found after a crash"
    );

    let edited = profile(json!({
        "name": "meters", "services": [{"service": {"id": "38"}}], "dataLimits": [{"volume": "1G"}],
    }));
    let (_, sent, have) = settle(&api, &edited, Some(id.clone()), diff).await;
    assert!(sent.iter().any(|change| change == "name: sensors -> meters"), "{sent:?}");
    let rules = have.parts.data_limits.as_ref().unwrap();
    assert_eq!((rules.len(), rules[0].rule.volume), (1, 1_000_000_000));
    assert_eq!(rules[0].rule.warning_percent, Some(80), "what the spec no longer mentions stays");

    let empty = profile(json!({"name": "meters", "services": []}));
    settle(&api, &empty, Some(id.clone()), diff).await;
    let delete = service_profile::change::Change::Delete;
    ServiceProfile::send(&api, &[(Some(id.clone()), delete)]).await.unwrap();
    assert_eq!(ServiceProfile::read(&api, &id).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_tariff_profile_gets_its_zones_volume_and_blocklist() {
    let simulator = Simulator::start(Options::default());
    let held =
        HeldVolume { inclusive_volume: 81, start_date: Timestamp::UNIX_EPOCH, end_date: None, pooled: true };
    let hold = |state: &mut State| state.organisations.get_mut(&1001).unwrap().inclusive_volumes.push(held);
    simulator.edit(hold).unwrap();
    let api = api(&simulator);
    let diff: Diff<TariffProfile> = |want, have| tariff_profile::differences(want, have);
    let full = tariff(json!({
        "name": "world", "tariff": {"externalName": "standard"},
        "rateZones": [{"externalName": "World"}, {"id": "71"}],
        "inclusiveVolume": {"id": "81"},
        "operatorBlocklist": [{"operator": {"tapCode": "AFGAW"}}, {"operator": {"mccMnc": "276-02"}, "ratTypes": ["4g", "2G"]}],
    }));
    let (id, _, have) = settle(&api, &full, None, diff).await;
    let Zones::Read(zones) = &have.parts.zones else { panic!("the detail shows zones") };
    assert!(zones.iter().all(|zone| zone.selected), "{zones:?}");

    let edited = tariff(json!({
        "name": "world", "tariff": {"id": "11"}, "rateZones": [{"id": "72"}], "inclusiveVolume": {"none": true},
        "operatorBlocklist": [{"operator": {"id": "24"}}, {"operator": {"id": "552"}, "ratTypes": ["3G"]}],
    }));
    settle(&api, &edited, Some(id.clone()), diff).await;
    let cleared = tariff(json!({"name": "world", "id": "1", "operatorBlocklist": []}));
    let (_, _, have) = settle(&api, &cleared, Some(id.clone()), diff).await;
    assert_eq!(have.parts.blocklist.as_ref().map(std::collections::BTreeMap::len), Some(0));

    let delete = tariff_profile::change::Change::Delete;
    TariffProfile::send(&api, &[(Some(id.clone()), delete)]).await.unwrap();
    assert_eq!(TariffProfile::read(&api, &id).await, Ok(None));
}
