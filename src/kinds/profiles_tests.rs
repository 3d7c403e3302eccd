//! The profile kinds against the simulator: edits of what was made are accepted, and afterwards nothing differs.

use emnify_engine::kind::{Managed, RecordChange};
use emnify_simulator::{Options, Simulator, State, state::HeldVolume};
use jiff::Timestamp;
use serde_json::json;

use super::{
    ServiceProfile, TariffProfile,
    laws::{api, is_found_again, settle},
    tariff_profile::rows::Zones,
};

#[tokio::test(start_paused = true)]
async fn a_service_profile_is_made_edited_and_deleted() {
    let simulator = Simulator::start(Options::default());
    let api = api(&simulator);
    let full = json!({
        "name": "sensors", "description": "in cellars", "allowed3g": false, "allowedNbIot": true, "smsP2pExt": false,
        "services": [
            {"service": {"externalName": "data"}},
            {"service": {"externalName": "SMS MT"}, "limit": {"volume": 100, "period": "1 month"}},
        ],
        "dataLimits": [{"volume": "500M", "warningPercent": 80}, {"volume": "1M", "satelliteOnly": true}],
        "esmeInterfaceType": {"externalName": "REST API"}, "breakoutRegion": {"id": "2"},
    });
    let id = is_found_again::<ServiceProfile>(&api, &full).await;
    let (_, have) = settle::<ServiceProfile>(&api, &full, &id).await;
    assert_eq!(
        ServiceProfile::mark(&have.row).as_deref(),
        Some("prod/fleet/a"),
        "it can be found after a crash"
    );

    let edited = json!({
        "name": "meters", "services": [{"service": {"id": "38"}}], "dataLimits": [{"volume": "1G"}],
    });
    let (sent, have) = settle::<ServiceProfile>(&api, &edited, &id).await;
    assert!(sent.iter().any(|change| change == "name: sensors -> meters"), "{sent:?}");
    let rules = have.parts.data_limits.as_ref().unwrap();
    assert_eq!((rules.len(), rules[0].rule.volume), (1, 1_000_000_000));
    assert_eq!(rules[0].rule.warning_percent, Some(80), "what the spec no longer mentions stays");

    let empty = json!({"name": "meters", "services": []});
    settle::<ServiceProfile>(&api, &empty, &id).await;
    let delete = RecordChange::Delete { disturbs: 0 };
    ServiceProfile::apply(&api, &id, &delete).await.unwrap();
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
    let full = json!({
        "name": "world", "tariff": {"externalName": "standard"},
        "rateZones": [{"externalName": "World"}, {"id": "71"}],
        "inclusiveVolume": {"id": "81"},
        "operatorBlocklist": [{"operator": {"tapCode": "AFGAW"}}, {"operator": {"mccMnc": "276-02"}, "ratTypes": ["4g", "2G"]}],
    });
    let id = is_found_again::<TariffProfile>(&api, &full).await;
    let (_, have) = settle::<TariffProfile>(&api, &full, &id).await;
    let Zones::Read(zones) = &have.parts.zones else { panic!("the detail shows zones") };
    assert!(zones.iter().all(|zone| zone.selected), "{zones:?}");

    let edited = json!({
        "name": "world", "tariff": {"id": "11"}, "rateZones": [{"id": "72"}], "inclusiveVolume": {"none": true},
        "operatorBlocklist": [{"operator": {"id": "24"}}, {"operator": {"id": "552"}, "ratTypes": ["3G"]}],
    });
    settle::<TariffProfile>(&api, &edited, &id).await;
    let cleared = json!({"name": "world", "id": "1", "operatorBlocklist": []});
    let (_, have) = settle::<TariffProfile>(&api, &cleared, &id).await;
    assert_eq!(have.parts.blocklist.as_ref().map(std::collections::BTreeMap::len), Some(0));

    let delete = RecordChange::Delete { disturbs: 0 };
    TariffProfile::apply(&api, &id, &delete).await.unwrap();
    assert_eq!(TariffProfile::read(&api, &id).await, Ok(None));
}
