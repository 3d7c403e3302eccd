//! `Endpoint` and `Sim`.

use emnify_simulator::state::{Organisation, SimState};
use serde_json::Value;

use crate::support::{Result, apply_ready, delete, edited, holds, id, look, make_ready, stage};

/// The profiles come with it, in the order in which a person would not write them.
const DEVICE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  name: Meter 1
  enabled: true
  serviceProfile:
    name: meters
  tariffProfile:
    name: meters
  sim:
    iccid: "89883030000000100013"
    state: Activated
  imei: "356938035643809"
  imeiLock: true
  ipAddress: 10.192.0.20
  ipAddressSpace:
    cidr: 10.192.0.0/24
  tags:
    - roof
    - north
  operatorBlocklist:
    - tapCode: DEUD2
    - id: "2031"
  quota:
    data:
      allowance: 500M
      period: 720h
      thresholdPercentage: 75
    sms:
      allowance: 100
      expiry: "2027-12-31T23:59:59Z"
      autoRefill: true
---
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: meters
spec:
  name: Meters
  services:
    - service:
        externalName: Data
---
apiVersion: emnify.io/v1alpha1
kind: TariffProfile
metadata:
  name: meters
spec:
  name: Meters
  tariff:
    externalName: Pay as you go
  rateZones:
    - externalName: Europe
"#;

const ISSUED: u64 = 10_000_001;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint() -> Result<()> {
    let stage = stage("endpoint").await?;
    let object = apply_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    let id = id(&object)?;
    as_written(&object, &look(&stage, Clone::clone), id);

    let edit = edited(
        DEVICE,
        &[
            ("name: Meter 1", "name: Meter 1, cellar"),
            ("enabled: true", "enabled: false"),
            ("    - north\n", "    - cellar\n"),
            ("    - id: \"2031\"\n", ""),
            ("imeiLock: true", "imeiLock: false"),
            ("allowance: 500M", "allowance: 600M"),
            (
                "    sms:\n      allowance: 100\n      expiry: \"2027-12-31T23:59:59Z\"\n      autoRefill: true\n",
                "",
            ),
        ],
    );
    apply_ready(&stage, "Endpoint", "meter-1", &edit).await?;
    let platform = look(&stage, Clone::clone);
    let device = &platform.endpoints[&id];
    assert_eq!((device.name.as_str(), device.enabled, device.imei_lock), ("Meter 1, cellar", false, false));
    assert_eq!(tags(&platform, id), ["cellar".to_owned(), mark(stage.namespace()), "roof".to_owned()]);
    assert_eq!(device.operator_blacklist, [2036], "an operator that left the list is allowed again");
    assert_eq!(device.data_quota.as_ref().map(|quota| quota.last_volume_added), Some(600.0));
    assert!(device.sms_quota.is_none(), "an allowance that left the spec is deleted");
    assert_eq!(device.sim, Some(ISSUED), "what was not edited stays");
    assert_eq!(platform.sims[&ISSUED].status, SimState::Activated);

    stage.simulator().clear_requests();
    delete(&stage, "Endpoint", "meter-1").await?;
    let log = stage.simulator().requests().log;
    let writes = log.iter().filter(|call| call.method != "GET");
    let writes: Vec<_> = writes.map(|call| (call.method.as_str(), call.route.as_str())).collect();
    assert_eq!(
        writes.first(),
        Some(&("PATCH", "/api/v1/sim/{sim_id}")),
        "first the SIM is suspended: {writes:?}"
    );
    assert_eq!(writes.last().map(|last| last.0), Some("DELETE"), "the device goes last: {writes:?}");
    let platform = look(&stage, Clone::clone);
    assert!(!platform.endpoints.contains_key(&id), "a deleted Endpoint is deleted in emnify");
    assert_eq!(
        platform.sims[&ISSUED].status,
        SimState::Suspended,
        "a SIM that we activated is suspended, not deleted"
    );
    assert!(platform.endpoints.values().all(|device| device.sim != Some(ISSUED)), "and released");
    Ok(())
}

fn as_written(object: &Value, platform: &Organisation, id: u64) {
    let device = &platform.endpoints[&id];
    let name = |id: u64| platform.service_profiles[&id].name.clone();
    assert_eq!((device.name.as_str(), device.enabled), ("Meter 1", true));
    assert_eq!(name(device.service_profile), "Meters", "the profile of the object of that name");
    assert_eq!(platform.tariff_profiles[&device.tariff_profile].name, "Meters");
    assert_eq!(device.sim, Some(ISSUED), "20 digits name the SIM of the first 19");
    assert_eq!(platform.sims[&ISSUED].status, SimState::Activated);
    assert_eq!(device.imei.as_ref().map(|imei| &imei[..14]), Some("35693803564380"));
    assert!(device.imei_lock);
    let address = device.ip_address.map(|address| address.to_string());
    assert_eq!((address.as_deref(), device.ip_address_space), (Some("10.192.0.20"), Some(31)));
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    assert_eq!(tags(platform, id), [mark(namespace), "north".to_owned(), "roof".to_owned()]);
    let mut blocked = device.operator_blacklist.clone();
    blocked.sort_unstable();
    assert_eq!(blocked, [2031, 2036]);
    let data = device.data_quota.as_ref().expect("a data quota is set");
    assert_eq!((data.volume, data.threshold_percentage, data.auto_refill), (500.0, Some(75.0), false));
    let sms = device.sms_quota.as_ref().expect("an SMS quota is set");
    assert_eq!((sms.volume, sms.auto_refill), (100.0, true));
    assert_eq!(sms.expiry_date.to_string(), "2027-12-31T23:59:59Z");
    let status = &object["status"];
    assert_eq!(status["address"], "10.192.0.20");
    assert_eq!(status["sim"]["state"], "Activated");
}

/// Names of a device's tags, sorted.
fn tags(platform: &Organisation, id: u64) -> Vec<String> {
    let ids = &platform.endpoints[&id].tag_ids;
    let mut names: Vec<_> = ids.iter().map(|id| platform.tags[id].name.clone()).collect();
    names.sort();
    names
}

/// The tag that marks devices of an installation; each test's is named after its namespace.
fn mark(installation: &str) -> String {
    format!("k8s:{installation}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_whose_sim_state_is_not_ours() -> Result<()> {
    const ACTIVATED: u64 = 10_000_003;
    const MANIFEST: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: camera
spec:
  serviceProfile:
    externalName: Made in the portal
  tariffProfile:
    id: "201"
  sim:
    iccid: "8988303000000010003"
"#;
    let stage = stage("endpoint-sim").await?;
    let object = apply_ready(&stage, "Endpoint", "camera", MANIFEST).await?;
    let id = id(&object)?;
    let device = look(&stage, |platform| platform.endpoints[&id].clone());
    assert_eq!(device.name, "camera", "without a name the device gets the object's");
    assert!(!device.enabled, "nothing starts billing unless a manifest says so");
    assert_eq!((device.service_profile, device.tariff_profile), (101, 201), "profiles by name and by id");
    delete(&stage, "Endpoint", "camera").await?;
    let platform = look(&stage, Clone::clone);
    assert!(!platform.endpoints.contains_key(&id), "the device is ours and deleted");
    assert_eq!(
        platform.sims[&ACTIVATED].status,
        SimState::Activated,
        "a state that is not ours is left alone"
    );
    Ok(())
}

const SIM: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Sim
metadata:
  name: spare-1
spec:
  iccid: "8988303000000010001"
  state: Activated
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sim() -> Result<()> {
    let stage = stage("sim").await?;
    let state = |platform: &Organisation| platform.sims[&ISSUED].status;
    let object = apply_ready(&stage, "Sim", "spare-1", SIM).await?;
    assert_eq!(id(&object)?, ISSUED);
    assert_eq!(object["status"]["provenance"], "Adopted", "a SIM is never created");
    assert_eq!(look(&stage, state), SimState::Activated);
    assert_eq!(object["status"]["state"], "Activated");

    make_ready(&stage, "Sim", "spare-1", &edited(SIM, &[("Activated", "Suspended")])).await?;
    assert_eq!(look(&stage, state), SimState::Suspended);

    make_ready(&stage, "Sim", "spare-1", SIM).await?;
    assert_eq!(look(&stage, state), SimState::Activated, "an edit may activate again");

    delete(&stage, "Sim", "spare-1").await?;
    holds(&stage, "a SIM is left as it is", state, SimState::Activated).await
}
