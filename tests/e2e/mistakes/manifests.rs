//! Mistakes in manifests.

use emnify_harness::stage::{Stage, condition, is_ready};
use emnify_simulator::state::{Organisation, SimState};
use serde_json::Value;

use crate::support::{ORGANISATION, Result, edited, holds, look, make_ready, options, stage, told};

const DEVICE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  enabled: true
  serviceProfile:
    id: "101"
  tariffProfile:
    id: "201"
  sim:
    iccid: "8988303000000010001"
"#;

/// In step again, and nothing of the mistake is left in the conditions.
async fn healed(stage: &Stage, kind: &str, name: &str) -> Result<Value> {
    let object = stage.wait_for(kind, name, "Ready", is_ready).await?;
    for trouble in ["Stalled", "Reconciling", "Drifted"] {
        let found = condition(&object, trouble);
        assert!(found.is_none(), "{kind} {name}: a Ready object has no condition {trouble}: {found:?}");
    }
    Ok(object)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_reference() -> Result<()> {
    let stage = stage("wrong-reference").await?;
    let manifest =
        edited(DEVICE, &[("serviceProfile:\n    id: \"101\"", "serviceProfile:\n    name: meters")]);
    stage.apply(&manifest).await?;
    let words =
        ["serviceProfile", "no ServiceProfile meters in this namespace", "create it or correct the name"];
    let object = told(&stage, ("Endpoint", "meter-1"), ("Ready", "ReferenceNotReady"), &words).await?;
    assert!(condition(&object, "Stalled").is_none(), "what is applied in another order heals by itself");
    assert!(look(&stage, |platform| platform.endpoints.is_empty()), "nothing is made by halves");
    let profile = "{apiVersion: emnify.io/v1alpha1, kind: ServiceProfile, metadata: {name: meters}, spec: {name: Meters}}";
    stage.apply(profile).await?;
    healed(&stage, "Endpoint", "meter-1").await?;
    let profiles = |platform: &Organisation| {
        let used = platform
            .endpoints
            .values()
            .map(|device| platform.service_profiles[&device.service_profile].name.clone());
        used.collect::<Vec<_>>()
    };
    holds(&stage, "the device has the profile that was created later", profiles, vec!["Meters".to_owned()])
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_names_in_emnify() -> Result<()> {
    let stage = stage("unknown-name").await?;
    let manifest = edited(
        DEVICE,
        &[("tariffProfile:\n    id: \"201\"", "tariffProfile:\n    externalName: Made in the port")],
    );
    stage.apply(&manifest).await?;
    let words = ["tariffProfile", "no TariffProfile", "Made in the port", "correct it"];
    told(&stage, ("Endpoint", "meter-1"), ("Stalled", "InvalidSpec"), &words).await?;
    stage.apply(&edited(&manifest, &[("Made in the port", "Made in the portal")])).await?;
    healed(&stage, "Endpoint", "meter-1").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_iccid() -> Result<()> {
    let stage = stage("unknown-iccid").await?;
    let manifest = edited(DEVICE, &[("8988303000000010001", "8988303000000019999")]);
    stage.apply(&manifest).await?;
    let words = ["sim.iccid", "8988303000000019999", "correct it"];
    told(&stage, ("Endpoint", "meter-1"), ("Stalled", "InvalidSpec"), &words).await?;
    assert!(
        look(&stage, |platform| platform.endpoints.is_empty()),
        "no device without the SIM that it is for"
    );
    stage.apply(DEVICE).await?;
    healed(&stage, "Endpoint", "meter-1").await?;
    let sims =
        |platform: &Organisation| platform.endpoints.values().map(|device| device.sim).collect::<Vec<_>>();
    holds(&stage, "the device has the SIM that was meant", sims, vec![Some(10_000_001)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sim_that_arrives_later() -> Result<()> {
    let mut options = options("late-sim")?;
    options.flags.push("--sweep-interval=10s".to_owned());
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    stage.apply(&edited(DEVICE, &[("8988303000000010001", "8988303000000019999")])).await?;
    told(&stage, ("Endpoint", "meter-1"), ("Stalled", "InvalidSpec"), &["sim.iccid"]).await?;
    stage.simulator().edit(|state| {
        let platform = state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
        let mut sim = platform.sims[&10_000_001].clone();
        (sim.id, sim.iccid, sim.imsi) = (10_000_099, "8988303000000019999".into(), "901430000019999".into());
        platform.sims.insert(sim.id, sim);
    })?;
    healed(&stage, "Endpoint", "meter-1").await?;
    let sims =
        |platform: &Organisation| platform.endpoints.values().map(|device| device.sim).collect::<Vec<_>>();
    holds(&stage, "the device has the SIM that it waited for", sims, vec![Some(10_000_099)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_by_emnify() -> Result<()> {
    let stage = stage("refused").await?;
    // The tariff has it, the organisation does not: only emnify can know.
    let manifest = r#"
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
  inclusiveVolume:
    id: "82"
"#;
    stage.apply(manifest).await?;
    let words = ["inclusiveVolume", "82", "Inclusive volume was not found"];
    let meters = ("TariffProfile", "meters");
    told(&stage, meters, ("Stalled", "Rejected"), &words).await?;
    let sent = || {
        let route = "/api/v1/tariff_profile/{tariff_profile_id}/inclusive_volume/{inclusive_volume_id}";
        stage.simulator().requests().count("PUT", route)
    };
    assert_eq!(sent(), 1, "what was refused is not sent again");
    stage.apply(&edited(manifest, &[("\"82\"", "\"81\"")])).await?;
    healed(&stage, meters.0, meters.1).await?;
    assert_eq!(sent(), 2, "the mended one is");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_iccid_of_a_sim() -> Result<()> {
    let stage = stage("unknown-sim").await?;
    let manifest = r#"
apiVersion: emnify.io/v1alpha1
kind: Sim
metadata:
  name: spare
spec:
  iccid: "8988303000000019999"
"#;
    stage.apply(manifest).await?;
    let words = ["iccid", "8988303000000019999", "correct it"];
    told(&stage, ("Sim", "spare"), ("Stalled", "NotFound"), &words).await?;
    stage.apply(&edited(manifest, &[("8988303000000019999", "8988303000000010001")])).await?;
    healed(&stage, "Sim", "spare").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistyped_iccid() -> Result<()> {
    let stage = stage("mistyped-iccid").await?;
    for (wrong, says) in [
        ("\"898830300000001000\"", "spec.sim.iccid"),
        ("\"8988303000000010001a\"", "spec.sim.iccid"),
        ("\"898830300000001000111\"", "spec.sim.iccid"),
        ("8988303000000010001", "spec.sim.iccid"),
        ("\"8988303000000010001\"\n    none: true", "set exactly one of iccid, eid, name, none"),
    ] {
        let manifest = edited(DEVICE, &[("\"8988303000000010001\"", wrong)]);
        let output = stage.kubectl_with(&["apply", "-f", "-"], &manifest).await?;
        assert!(!output.status.success(), "{wrong} names no SIM, and the API server says so at once");
        assert!(output.stderr.contains(says), "{wrong}: the refusal names the field: {}", output.stderr);
    }
    assert!(stage.get("Endpoint", "meter-1").await?.is_none());
    // The check digit is 3: no schema can know.
    stage.apply(&edited(DEVICE, &[("8988303000000010001", "89883030000000100014")])).await?;
    let words = ["sim.iccid", "a digit is mistyped", "compare with the SIM"];
    told(&stage, ("Endpoint", "meter-1"), ("Stalled", "InvalidSpec"), &words).await?;
    stage.apply(&edited(DEVICE, &[("8988303000000010001", "89883030000000100013")])).await?;
    healed(&stage, "Endpoint", "meter-1").await?;
    Ok(())
}

const SIM: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Sim
metadata:
  name: spare
spec:
  iccid: "8988303000000010001"
  state: Suspended
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn illegal_transition_of_a_sim() -> Result<()> {
    let stage = stage("illegal-sim").await?;
    let state = |platform: &Organisation| platform.sims[&10_000_001].status;
    stage.apply(SIM).await?;
    let words = ["state", "Issued", "remove the state, or set Activated first"];
    told(&stage, ("Sim", "spare"), ("Stalled", "InvalidSpec"), &words).await?;
    assert_eq!(look(&stage, state), SimState::Issued, "nothing is activated on the way");
    let refused = stage.simulator().requests().count("PATCH", "/api/v1/sim/{sim_id}");
    assert_eq!(refused, 0, "what emnify would refuse is not sent");
    stage.apply(&edited(SIM, &[("Suspended", "Activated")])).await?;
    healed(&stage, "Sim", "spare").await?;
    assert_eq!(look(&stage, state), SimState::Activated);
    make_ready(&stage, "Sim", "spare", SIM).await?;
    assert_eq!(look(&stage, state), SimState::Suspended, "from Activated the same spec is legal");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn illegal_transition_of_a_devices_sim() -> Result<()> {
    let stage = stage("illegal-device").await?;
    let state = |platform: &Organisation| platform.sims[&10_000_004].status;
    let sim = ("iccid: \"8988303000000010001\"", "iccid: \"8988303000000010004\"\n    state: FactoryTest");
    let manifest = edited(DEVICE, &[sim]);
    stage.apply(&manifest).await?;
    let words = ["sim.state", "Suspended", "set Suspended or Activated"];
    told(&stage, ("Endpoint", "meter-1"), ("Stalled", "InvalidSpec"), &words).await?;
    assert_eq!(look(&stage, state), SimState::Suspended);
    stage.apply(&edited(&manifest, &[("FactoryTest", "Activated")])).await?;
    healed(&stage, "Endpoint", "meter-1").await?;
    assert_eq!(look(&stage, state), SimState::Activated);
    Ok(())
}
