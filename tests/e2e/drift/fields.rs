//! Which fields are set back.

use http::Method;
use serde_json::{Value, json};

use super::quick_stage;
use crate::{
    portal::{PortalClient, Traffic},
    support::{Result, holds, id, look, make_ready},
};

const PROFILE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: meters
spec:
  name: Meters
  smsP2pExt: false
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_service_profile() -> Result<()> {
    let stage = quick_stage("drift-service").await?;
    let id = id(&make_ready(&stage, "ServiceProfile", "meters", PROFILE).await?)?;
    let path = format!("/api/v1/service_profile/{id}");
    let portal = PortalClient::open(&stage).await?;

    portal.patch(&path, json!({"name": "Renamed", "allowed_3g": false})).await?;
    holds(
        &stage,
        "a managed field that the listing shows is set back",
        |p| p.service_profiles[&id].name.clone(),
        "Meters".into(),
    )
    .await?;
    portal.patch(&path, json!({"sms_p2p_ext": true, "nipdp": true})).await?;
    holds(
        &stage,
        "a managed field that only the detail shows is set back",
        |p| p.service_profiles[&id].sms_p2p_ext,
        false,
    )
    .await?;

    let traffic = Traffic::from_now(&stage);
    traffic.two_sweeps("/api/v1/service_profile").await?;
    let now = look(&stage, |platform| platform.service_profiles[&id].clone());
    assert_eq!((now.allowed_3g, now.nipdp), (false, true), "unmanaged fields stay as the portal set them");
    assert_eq!(traffic.writes(), Vec::<String>::new(), "nothing is left to write");
    Ok(())
}

const TARIFF_PROFILE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: TariffProfile
metadata:
  name: meters
spec:
  name: Meters
  tariff:
    id: "11"
  rateZones:
    - externalName: Europe
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_tariff_profile() -> Result<()> {
    let stage = quick_stage("drift-tariff").await?;
    let id = id(&make_ready(&stage, "TariffProfile", "meters", TARIFF_PROFILE).await?)?;
    let portal = PortalClient::open(&stage).await?;

    let blocked = format!("/api/v2/tariff_profile/{id}/operator_blocklist/operator/2036");
    portal.send(Method::PUT, &blocked, Value::Null).await?;
    portal
        .send(Method::PUT, &format!("/api/v1/tariff_profile/{id}/ratezone_selection/72"), Value::Null)
        .await?;
    portal
        .send(Method::DELETE, &format!("/api/v1/tariff_profile/{id}/ratezone_selection/71"), Value::Null)
        .await?;
    holds(
        &stage,
        "exactly the zones of the spec are selected again",
        |p| p.tariff_profiles[&id].rate_zones.clone(),
        vec![71],
    )
    .await?;

    let traffic = Traffic::from_now(&stage);
    traffic.two_sweeps("/api/v1/tariff_profile").await?;
    let blocked = look(&stage, |platform| platform.tariff_profiles[&id].operator_blocklist.clone());
    assert!(blocked.iter().any(|blocked| blocked.operator == 2036), "an unmanaged blocklist is left alone");
    assert_eq!(traffic.writes(), Vec::<String>::new(), "nothing is left to write");
    Ok(())
}

const DEVICE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  name: Meter 1
  enabled: false
  serviceProfile:
    id: "101"
  tariffProfile:
    id: "201"
  tags:
    - roof
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_device() -> Result<()> {
    let stage = quick_stage("drift-device").await?;
    let id = id(&make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?)?;
    let path = format!("/api/v1/endpoint/{id}");
    let portal = PortalClient::open(&stage).await?;
    let tag =
        |name: &'static str| look(&stage, |p| p.tags.values().find(|tag| tag.name == name).map(|tag| tag.id));
    let roof = tag("roof").expect("the spec's tag was made");

    portal.send(Method::POST, "/api/v2/tags", json!({"name": "by hand"})).await?;
    let by_hand = tag("by hand").expect("the portal's tag was made");
    let tags = format!("/api/v2/endpoint/{id}/tags");
    portal.send(Method::POST, &tags, json!({"id": by_hand})).await?;
    portal.send(Method::DELETE, &format!("{tags}/{roof}"), Value::Null).await?;
    holds(&stage, "a tag of the spec is put back", |p| p.endpoints[&id].tag_ids.contains(&roof), true)
        .await?;

    portal.patch(&path, json!({"name": "Renamed", "status": {"id": 0}, "imei": "3569380356438091"})).await?;
    let seen =
        |p: &emnify_simulator::state::Organisation| (p.endpoints[&id].name.clone(), p.endpoints[&id].enabled);
    holds(&stage, "name and status are set back", seen, ("Meter 1".into(), false)).await?;

    let blocked = format!("{path}/operator_blacklist/2036");
    portal.send(Method::PUT, &blocked, Value::Null).await?;
    let traffic = Traffic::from_now(&stage);
    traffic.two_sweeps("/api/v1/endpoint").await?;
    let now = look(&stage, |platform| platform.endpoints[&id].clone());
    assert!(now.tag_ids.contains(&by_hand), "a tag of somebody else stays");
    assert_eq!(now.imei.as_deref(), Some("3569380356438091"), "an unmanaged IMEI stays as the portal set it");
    assert_eq!(now.operator_blacklist, [2036], "an unmanaged blocklist is left alone");
    assert_eq!(traffic.writes(), Vec::<String>::new(), "nothing is left to write");
    Ok(())
}
