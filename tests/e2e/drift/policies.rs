//! `managementPolicy`, `driftPolicy`, `ignoreFields`, suspension and adoption.

use emnify_harness::stage::{Stage, condition, is_ready};
use emnify_simulator::state::Organisation;
use serde_json::{Value, json};

use super::quick_stage;
use crate::{
    portal::{PortalClient, Traffic},
    support::{ORGANISATION, Result, delete, edited, holds, id, look, make_ready, told},
};

const PROFILES: &str = "/api/v1/service_profile";

fn profile(name: &str, spec: &Value) -> String {
    let metadata = json!({"name": name});
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": "ServiceProfile", "metadata": metadata, "spec": spec})
        .to_string()
}

fn name_of(id: u64) -> impl Fn(&Organisation) -> String {
    move |platform| platform.service_profiles[&id].name.clone()
}

/// Waits for the condition `Drifted` with this reason and words.
async fn drifted(stage: &Stage, (kind, name): (&str, &str), reason: &str, words: &[&str]) -> Result<Value> {
    let says = |object: &Value| {
        condition(object, "Drifted").is_some_and(|found| {
            let message = found["message"].as_str().unwrap_or_default();
            found["status"] == "True"
                && found["reason"] == reason
                && words.iter().all(|word| message.contains(word))
        })
    };
    stage.wait_for(kind, name, &format!("Drifted {reason} with the words {words:?}"), says).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observe_reports_and_never_writes() -> Result<()> {
    let stage = quick_stage("observe").await?;
    let traffic = Traffic::from_now(&stage);
    let there = json!({"id": "101", "name": "As it should be", "managementPolicy": "Observe"});
    stage.apply(&profile("there", &there)).await?;
    stage.apply(&profile("missing", &json!({"name": "Nowhere", "managementPolicy": "Observe"}))).await?;
    let object = drifted(
        &stage,
        ("ServiceProfile", "there"),
        "Drifted",
        &["name", "Made in the portal", "As it should be"],
    )
    .await?;
    assert!(is_ready(&object), "what only observes is Ready when it has seen: {object:#}");
    drifted(&stage, ("ServiceProfile", "missing"), "WouldCreate", &[]).await?;

    PortalClient::open(&stage).await?.patch(&format!("{PROFILES}/101"), json!({"name": "Renamed"})).await?;
    drifted(&stage, ("ServiceProfile", "there"), "Drifted", &["Renamed"]).await?;
    traffic.two_sweeps(PROFILES).await?;
    let written: Vec<_> =
        traffic.writes().into_iter().filter(|write| !write.contains("authenticate")).collect();
    assert_eq!(written, [format!("PATCH {PROFILES}/101")], "the portal's change is the only one");

    delete(&stage, "ServiceProfile", "there").await?;
    assert_eq!(look(&stage, name_of(101)), "Renamed", "what was observed is not deleted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_objects_rest_until_they_are_resumed() -> Result<()> {
    let stage = quick_stage("suspend").await?;
    let portal = PortalClient::open(&stage).await?;
    let ours = ["in-spec", "by-annotation"];
    let mut ids = Vec::new();
    for name in ours {
        ids.push(id(
            &make_ready(&stage, "ServiceProfile", name, &profile(name, &json!({"name": name}))).await?
        )?);
    }
    stage.apply(&profile("in-spec", &json!({"name": "edited", "managementPolicy": "Suspend"}))).await?;
    stage
        .kubectl_ok(&["annotate", "serviceprofile.emnify.io", "by-annotation", "emnify.io/suspend=true"])
        .await?;
    let seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
    stage.wait_for("ServiceProfile", "in-spec", "seen by the operator", seen).await?;

    let traffic = Traffic::from_now(&stage);
    for id in &ids {
        portal.patch(&format!("{PROFILES}/{id}"), json!({"name": "Renamed"})).await?;
    }
    traffic.two_sweeps(PROFILES).await?;
    let patches: Vec<_> = ids.iter().map(|id| format!("PATCH {PROFILES}/{id}")).collect();
    assert_eq!(traffic.writes(), patches, "while suspended only the portal writes");
    for name in ours {
        let object = stage.get("ServiceProfile", name).await?.unwrap_or_default();
        let ready = condition(&object, "Ready").map(|ready| ready["status"].clone());
        assert_eq!(ready, Some(json!("True")), "{name}: suspension does not lower Ready");
    }

    stage.apply(&profile("in-spec", &json!({"name": "edited"}))).await?;
    stage
        .kubectl_ok(&["annotate", "serviceprofile.emnify.io", "by-annotation", "emnify.io/suspend-"])
        .await?;
    holds(&stage, "a resumed object follows its spec", name_of(ids[0]), "edited".into()).await?;
    holds(&stage, "without the annotation drift is corrected", name_of(ids[1]), "by-annotation".into()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warn_reports_drift_and_applies_edits() -> Result<()> {
    let stage = quick_stage("warn").await?;
    let portal = PortalClient::open(&stage).await?;
    let spec = json!({"name": "Meters", "allowed3g": true, "driftPolicy": "Warn"});
    let id = id(&make_ready(&stage, "ServiceProfile", "meters", &profile("meters", &spec)).await?)?;
    portal.patch(&format!("{PROFILES}/{id}"), json!({"name": "Renamed"})).await?;
    let object =
        drifted(&stage, ("ServiceProfile", "meters"), "Drifted", &["name", "Renamed", "Meters"]).await?;
    assert!(is_ready(&object), "drift that is only reported does not lower Ready: {object:#}");
    let traffic = Traffic::from_now(&stage);
    traffic.two_sweeps(PROFILES).await?;
    assert_eq!(traffic.writes(), Vec::<String>::new(), "drift is not corrected");

    let edit = json!({"name": "Meters", "allowed3g": false, "driftPolicy": "Warn"});
    let object = make_ready(&stage, "ServiceProfile", "meters", &profile("meters", &edit)).await?;
    let now = look(&stage, |platform| platform.service_profiles[&id].clone());
    assert_eq!((now.name.as_str(), now.allowed_3g), ("Meters", false), "an edit applies the whole spec");
    let cleared =
        |object: &Value| condition(object, "Drifted").is_none_or(|found| found["status"] == "False");
    assert!(cleared(&object), "and ends the report: {object:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignored_fields_are_set_once() -> Result<()> {
    let stage = quick_stage("ignore").await?;
    let portal = PortalClient::open(&stage).await?;
    let spec = json!({"name": "Meters", "allowed3g": true, "ignoreFields": ["name"]});
    let id = id(&make_ready(&stage, "ServiceProfile", "meters", &profile("meters", &spec)).await?)?;
    assert_eq!(look(&stage, name_of(id)), "Meters", "an ignored field is set on creation");
    portal.patch(&format!("{PROFILES}/{id}"), json!({"name": "Renamed", "allowed_3g": false})).await?;
    holds(&stage, "other fields are set back", |p| p.service_profiles[&id].allowed_3g, true).await?;
    let traffic = Traffic::from_now(&stage);
    traffic.two_sweeps(PROFILES).await?;
    assert_eq!(look(&stage, name_of(id)), "Renamed", "an ignored field is left alone");
    assert_eq!(traffic.writes(), Vec::<String>::new(), "nothing is left to write");
    Ok(())
}

const CLAIM: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  name: Meter 1
  serviceProfile:
    id: "101"
  tariffProfile:
    id: "201"
  sim:
    iccid: "8988303000000010003"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_exists_is_taken_over_with_consent_and_left_behind() -> Result<()> {
    const DEVICE: u64 = 11_000_001;
    let stage = quick_stage("adoption").await?;
    stage.simulator().edit(|state| {
        let device = json!({
            "id": DEVICE, "name": "By hand", "service_profile": 101, "tariff_profile": 201, "sim": 10_000_003, "enabled": true,
        });
        let platform = state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
        platform.endpoints.insert(DEVICE, serde_json::from_value(device).expect("a device of a seed"));
    })?;
    let traffic = Traffic::from_now(&stage);
    stage.apply(CLAIM).await?;
    let line = format!("id: \"{DEVICE}\"");
    told(&stage, ("Endpoint", "meter-1"), ("Stalled", "AlreadyExists"), &[&line]).await?;
    traffic.two_sweeps("/api/v1/endpoint").await?;
    let written: Vec<_> =
        traffic.writes().into_iter().filter(|write| !write.contains("authenticate")).collect();
    assert_eq!(written, Vec::<String>::new(), "nothing is written without consent");

    let consent = edited(CLAIM, &[("spec:\n", &format!("spec:\n  {line}\n"))]);
    let object = make_ready(&stage, "Endpoint", "meter-1", &consent).await?;
    assert_eq!(object["status"]["provenance"], "Adopted");
    assert_eq!(
        look(&stage, |p| p.endpoints[&DEVICE].name.clone()),
        "Meter 1",
        "what was adopted follows the spec"
    );
    delete(&stage, "Endpoint", "meter-1").await?;
    let (left, devices) = look(&stage, |p| (p.endpoints[&DEVICE].clone(), p.endpoints.len()));
    assert_eq!(
        (left.sim, left.enabled, devices),
        (Some(10_000_003), true, 1),
        "what was adopted is left behind as it is"
    );
    Ok(())
}
