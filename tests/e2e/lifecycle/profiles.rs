//! `ServiceProfile` and `TariffProfile`.

use emnify_simulator::state::{BlockedOperator, ProfileService};

use crate::support::{Result, apply_ready, delete, edited, holds, id, look, stage};

const SERVICE_PROFILE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: meters
spec:
  name: Meters
  description: Electricity meters
  allowed2g: false
  allowed3g: false
  allowed4g: true
  allowedNbIot: true
  smsP2pExt: false
  services:
    - service:
        externalName: Data
    - service:
        externalName: SMS MT
      limit:
        volume: 100
  dataLimits:
    - volume: 100M
      warningPercent: 80
  dns:
    externalName: 9.9.9.9, 149.112.112.112
  breakoutRegion:
    externalName: Europe (Ireland)
";

const DATA: u64 = 38;
const SMS_MT: u64 = 4;
const SMS_MO: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_profile() -> Result<()> {
    let stage = stage("service-profile").await?;
    let object = apply_ready(&stage, "ServiceProfile", "meters", SERVICE_PROFILE).await?;
    let id = id(&object)?;
    let made = look(&stage, |platform| platform.service_profiles[&id].clone());
    assert_eq!(made.name, "Meters");
    assert!(made.description.starts_with("Electricity meters [k8s "), "{}", made.description);
    let radio = (made.allowed_2g, made.allowed_3g, made.allowed_4g, made.allowed_nb_iot);
    assert_eq!(radio, (false, false, true, true), "radio technologies are as written");
    assert!(!made.sms_p2p_ext && made.sms_p2p_int, "smsP2pExt is as written, smsP2pInt is left alone");
    let services = vec![
        ProfileService { service: SMS_MT, traffic_limits: vec![403] },
        ProfileService { service: DATA, traffic_limits: vec![] },
    ];
    assert_eq!(sorted(made.services), services, "services and their limits are as written");
    let limits: Vec<_> =
        made.data_limits.values().map(|l| (l.service, l.volume, l.warning_percent)).collect();
    assert_eq!(limits, [(DATA, 100_000_000, Some(80))], "the data limit is as written");
    assert_eq!((made.dns, made.breakout_region), (Some(21), Some(1)), "names became ids");

    let edit = edited(
        SERVICE_PROFILE,
        &[
            ("name: Meters", "name: Water meters"),
            ("allowed3g: false", "allowed3g: true"),
            ("externalName: SMS MT\n      limit:\n        volume: 100", "externalName: SMS MO"),
            ("volume: 100M", "volume: 200M"),
            ("dns:\n    externalName: 9.9.9.9, 149.112.112.112", "dns:\n    none: true"),
        ],
    );
    apply_ready(&stage, "ServiceProfile", "meters", &edit).await?;
    let now = look(&stage, |platform| platform.service_profiles[&id].clone());
    assert_eq!((now.name.as_str(), now.allowed_3g, now.dns), ("Water meters", true, None));
    let services: Vec<_> = sorted(now.services).iter().map(|service| service.service).collect();
    assert_eq!(services, [SMS_MO, DATA], "one service went, another came");
    let limits: Vec<_> = now.data_limits.values().map(|l| (l.volume, l.warning_percent)).collect();
    assert_eq!(limits, [(200_000_000, Some(80))], "a changed data limit replaces the old one");
    assert_eq!(now.breakout_region, Some(1), "what was not edited stays");

    delete(&stage, "ServiceProfile", "meters").await?;
    holds(&stage, "a deleted ServiceProfile is gone", |p| p.service_profiles.contains_key(&id), false)
        .await?;
    let portal = look(&stage, |platform| platform.service_profiles.contains_key(&101));
    assert!(portal, "the profile of the portal's making is none of our business");
    Ok(())
}

fn sorted(mut services: Vec<ProfileService>) -> Vec<ProfileService> {
    services.sort_by_key(|service| service.service);
    services
}

const TARIFF_PROFILE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: TariffProfile
metadata:
  name: meters
spec:
  name: Meters
  description: Home only
  tariff:
    externalName: Pay as you go
  rateZones:
    - externalName: Europe
  operatorBlocklist:
    - operator:
        tapCode: DEUD2
    - operator:
        mccMnc: 228-01
      ratTypes:
        - 2G
        - 3G
  inclusiveVolume:
    id: "81"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tariff_profile() -> Result<()> {
    let stage = stage("tariff-profile").await?;
    let object = apply_ready(&stage, "TariffProfile", "meters", TARIFF_PROFILE).await?;
    let id = id(&object)?;
    let made = look(&stage, |platform| platform.tariff_profiles[&id].clone());
    assert_eq!((made.name.as_str(), made.tariff, made.rate_zones), ("Meters", 11, vec![71]));
    assert!(made.description.starts_with("Home only [k8s "), "{}", made.description);
    assert_eq!(made.inclusive_volume, Some(81), "the inclusive volume is assigned");
    let whole = BlockedOperator { operator: 2036, completely: true, rat_types: vec![] };
    let part = BlockedOperator { operator: 2092, completely: false, rat_types: vec![1, 2] };
    assert_eq!(blocked(made.operator_blocklist), [whole.clone(), part], "operators are blocked as written");

    let edit = edited(
        TARIFF_PROFILE,
        &[
            ("    - externalName: Europe", "    - externalName: Europe\n    - externalName: World"),
            ("    - operator:\n        mccMnc: 228-01\n      ratTypes:\n        - 2G\n        - 3G\n", ""),
            ("id: \"81\"", "none: true"),
        ],
    );
    apply_ready(&stage, "TariffProfile", "meters", &edit).await?;
    let now = look(&stage, |platform| platform.tariff_profiles[&id].clone());
    let mut zones = now.rate_zones;
    zones.sort_unstable();
    assert_eq!((zones, now.inclusive_volume), (vec![71, 72], None));
    let left: Vec<_> =
        now.operator_blocklist.into_iter().filter(|b| b.completely || !b.rat_types.is_empty()).collect();
    assert_eq!(blocked(left), [whole], "an operator that left the list is no longer blocked");

    delete(&stage, "TariffProfile", "meters").await?;
    holds(&stage, "a deleted TariffProfile is gone", |p| p.tariff_profiles.contains_key(&id), false).await
}

fn blocked(mut list: Vec<BlockedOperator>) -> Vec<BlockedOperator> {
    list.sort_by_key(|blocked| blocked.operator);
    for blocked in &mut list {
        blocked.rat_types.sort_unstable();
    }
    list
}
