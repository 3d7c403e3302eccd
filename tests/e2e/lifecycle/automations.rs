//! `CustomEvent`, and the `Automation` that waits for it.

use emnify_simulator::state::{Automation, Organisation, Switch, Trigger};
use http::Method;
use serde_json::{Value, json};

use crate::{
    portal::PortalClient,
    support::{Result, apply_ready, delete, edited, holds, look, make_ready, says, stage},
};

const EVENT: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: CustomEvent
metadata:
  name: silent
spec:
  template:
    externalName: Device offline
  properties:
    - name: hours
      value: "24"
"#;

const AUTOMATION: &str = r"
apiVersion: emnify.io/v1alpha1
kind: Automation
metadata:
  name: silent
spec:
  event:
    customEvent:
      name: silent
  actions:
    - action:
        externalName: Send email
      properties:
        - name: email
          values: [operations@example.com]
  targeting:
    - name: tags
      values: [roof]
";

fn text(object: &Value) -> String {
    object["status"]["id"].as_str().expect("a Ready object has an id").to_owned()
}

/// Automations that carry our mark.
fn ours(platform: &Organisation) -> Vec<Automation> {
    let ours =
        platform.automations.values().filter(|automation| automation.description.ends_with("/silent]"));
    ours.cloned().collect()
}

fn events(platform: &Organisation) -> Vec<String> {
    platform.custom_events.values().map(|event| event.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn automation() -> Result<()> {
    let mut stage = stage("automation").await?;
    let event = apply_ready(&stage, "CustomEvent", "silent", EVENT).await?;
    assert_eq!(event["status"]["supportedTargeting"], json!(["tags"]));
    assert!(look(&stage, events)[0].starts_with("silent [k8s "), "called as its object, with our mark");
    let automation = text(&apply_ready(&stage, "Automation", "silent", AUTOMATION).await?);
    let made = look(&stage, ours).remove(0);
    let waits = look(&stage, |platform| platform.custom_events.keys().next().copied());
    assert_eq!(
        Some(made.actionable_event),
        waits.map(Trigger::CustomEvent),
        "it waits for the event of that name"
    );
    assert_eq!((made.name.as_str(), made.status.as_str()), ("silent", "ACTIVE"));

    let mails =
        edited(AUTOMATION, &[("[operations@example.com]", "[operations@example.com, night@example.com]")]);
    make_ready(&stage, "Automation", "silent", &mails).await?;
    let recipients = |platform: &Organisation| ours(platform)[0].configured_actions[0].recipients().len();
    assert_eq!(look(&stage, recipients), 2, "changed in place");
    assert_eq!(text(&stage.get("Automation", "silent").await?.expect("it is there")), automation);

    let portal = PortalClient::open(&stage).await?;
    let mut body = portal.send(Method::GET, &format!("/api/v1/automation/{automation}"), Value::Null).await?;
    body["targeting_properties"] = json!([]);
    body["status"] = json!("PAUSED");
    portal.patch(&format!("/api/v1/automation/{automation}"), body).await?;
    stage.kubectl_ok(&["annotate", "automations.emnify.io", "silent", "emnify.io/refresh=now"]).await?;
    let targets = |platform: &Organisation| ours(platform)[0].targeting_properties.len();
    holds(&stage, "what it is meant for is corrected", targets, 1).await?;
    assert_eq!(
        look(&stage, |platform| ours(platform)[0].status.clone()),
        "PAUSED",
        "what is unset is left alone"
    );

    let days = edited(&mails, &[("name: tags", "name: country")]);
    stage.apply(&days).await?;
    let words = ["targeting[0].name", "country", "there is tags"];
    says(&stage, ("Automation", "silent"), ("Stalled", "InvalidSpec"), &words).await?;
    make_ready(&stage, "Automation", "silent", &mails).await?;

    stage.kubectl_ok(&["delete", "customevents.emnify.io", "silent", "--wait=false"]).await?;
    says(&stage, ("CustomEvent", "silent"), ("Ready", "InUse"), &["Automation"]).await?;
    delete(&stage, "Automation", "silent").await?;
    stage.wait_gone("CustomEvent", "silent").await?;
    assert!(
        look(&stage, |platform| ours(platform).is_empty() && events(platform).is_empty()),
        "nothing is left"
    );

    // the answer to the create is lost, and the operator dies before it hears of it
    let lost = json!({"method": "POST", "route": "/api/v1/automation", "times": 1, "delay": "2s", "reset": true, "commit": true});
    stage.simulator().fault(serde_json::from_value(lost)?).map_err(anyhow::Error::msg)?;
    make_ready(&stage, "CustomEvent", "silent", EVENT).await?;
    stage.apply(AUTOMATION).await?;
    holds(&stage, "emnify has made it", |platform| ours(platform).len(), 1).await?;
    stage.crash_operator().await?;
    stage.start_operator()?;
    make_ready(&stage, "Automation", "silent", AUTOMATION).await?;
    assert_eq!(look(&stage, ours).len(), 1, "what a crash left is found again by its mark, not made twice");
    stage.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn automations_without_the_beta() -> Result<()> {
    let stage = stage("automation-beta").await?;
    let close = |state: &mut emnify_simulator::State| {
        state.organisations.values_mut().for_each(|org| org.automation_beta = Switch::Off);
    };
    stage.simulator().edit(close)?;
    let system = edited(
        AUTOMATION,
        &[("customEvent:\n      name: silent", "systemEvent:\n      externalName: Device blocked")],
    );
    for n in 0..5 {
        stage.apply(&system.replace("name: silent", &format!("name: silent-{n}"))).await?;
    }
    let words = ["list Automation", "Automations are not enabled"];
    says(&stage, ("Workspace", "default"), ("Restricted", "Unauthorized"), &words).await?;
    let stalled = stage.kubectl_ok(&["get", "automations.emnify.io", "-o", "json"]).await?;
    assert!(!stalled.contains("\"Stalled\""), "there is nothing to mend on the objects:\n{stalled}");
    let open = |state: &mut emnify_simulator::State| {
        state.organisations.values_mut().for_each(|org| org.automation_beta = Switch::On);
    };
    stage.simulator().edit(open)?;
    stage.finish().await
}
