//! `Operation`: carried out once, waited for with kubectl.

use emnify_harness::stage::Stage;
use emnify_simulator::{
    Seed,
    state::{Organisation, SimState, State},
};
use serde_json::{Value, from_value, json};

use crate::{
    logins::{PASSWORD, workspace},
    support::{DEVICE, Result, edited, id, look, make_ready, options, stage},
};

const MESSAGE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Operation
metadata:
  name: apn
spec:
  target:
    endpointSelector:
      matchLabels:
        site: north
  action:
    sendSms:
      payload: "APN=em {name}"
"#;

const RESET: &str = "
apiVersion: emnify.io/v1alpha1
kind: Operation
metadata:
  name: reset
spec:
  target:
    endpoints:
      - name: meter-1
  action:
    resetConnectivity:
      data: true
  ttlSecondsAfterFinished: 1
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operation() -> Result<()> {
    let stage = stage("operation").await?;
    let labelled = edited(DEVICE, &[("name: meter-1\n", "name: meter-1\n  labels: {site: north}\n")]);
    let device = id(&make_ready(&stage, "Endpoint", "meter-1", &labelled).await?)?;
    stage.apply(MESSAGE).await?;
    stage.kubectl_ok(&["wait", "--for=condition=Complete", "emop/apn", "--timeout=120s"]).await?;
    let sent = |platform: &Organisation| -> Vec<String> {
        platform.endpoints[&device].sms.values().map(|sms| sms.payload.clone()).collect()
    };
    assert_eq!(look(&stage, sent), ["APN=em Meter 1"], "each device of the selector gets it once");
    let shown = stage.kubectl_ok(&["get", "emop", "apn"]).await?;
    let row: Vec<_> = shown.lines().last().unwrap_or_default().split_whitespace().take(5).collect();
    assert_eq!(row, ["apn", "Complete", "sendSms", "1", "0"], "{shown}");

    let other = edited(MESSAGE, &[("APN=em {name}", "another")]);
    let refused = stage.kubectl_with(&["apply", "-f", "-"], &other).await?;
    assert!(refused.stderr.contains("give a new one another name"), "{}", refused.stderr);
    stage.apply(MESSAGE).await?;

    stage.apply(RESET).await?;
    stage.wait_gone("Operation", "reset").await?;
    stage.kubectl_ok(&["delete", "emop", "apn"]).await?;
    assert_eq!(look(&stage, sent).len(), 1, "nothing is sent twice, and nothing is taken back");
    Ok(())
}

/// A device that nobody here manages, before the second organisation of the seed.
const METER: &str = "    endpoints:
      - {id: 11000001, name: meter, enabled: true, service_profile: 101, tariff_profile: 201, sim: 10000003}
  - id: 1002
";

/// What else operations are on.
fn furnish(state: &mut State) {
    let org = state.organisations.get_mut(&1001).expect("the seed's");
    let written = "written as the simulator has it";
    let limit = json!({"id": 7001, "service": 38, "period": 2, "volume": 500_000_000});
    let profile = org.service_profiles.get_mut(&101).expect("the seed's");
    profile.data_limits.insert(7001, from_value(limit).expect(written));
    let stream = json!({"id": 61, "name": "usage", "kind": 1, "connection_type": "RestAPI", "status": 3,
        "credentials": {"url": "https://hook.example"}});
    org.data_streams.insert(61, from_value(stream).expect(written));
    let recipient = json!({"id": 1, "email": "alarm@example.com", "token": "mailed"});
    org.recipients.insert(1, from_value(recipient).expect(written));
    let ada = state.users.get_mut(&301).expect("the seed's");
    ada.workspaces.push(from_value(json!({"organisation": 1002, "roles": [1]})).expect(written));
}

/// Each of an own family: its name, its target, its action.
fn families() -> Vec<(&'static str, Value, Value)> {
    let device = json!({"endpoints": [{"id": "11000001"}]});
    let sim = |iccid: &str| json!({"sims": {"list": [iccid]}});
    let token = json!({"tokenSecretRef": {"name": "mail", "key": "token"}});
    let moved = json!({"targetWorkspace": {"workspaceRef": {"name": "there"}}});
    let listed = json!({"sims": {"configMapRef": {"name": "scrap", "key": "iccids"}}});
    vec![
        ("messages", device.clone(), json!({"cancelSms": {}})),
        ("networks", device.clone(), json!({"unblockOperators": {"all": true}})),
        ("limits", device.clone(), json!({"extendTrafficLimit": {"volume": "100M"}})),
        ("states", device, json!({"setState": {"enabled": false}})),
        ("esim", sim("8988303000000010003"), json!({"simOperation": {"action": "reset"}})),
        ("scrap", listed, json!({"deleteSims": {}})),
        ("move", sim("8988303000000010002"), json!({"migrateSims": moved})),
        ("stream", json!({"dataStream": {"externalName": "usage"}}), json!({"restartDataStream": {}})),
        ("quotas", json!({"serviceProfile": {"id": "101"}}), json!({"removeQuotas": {"kind": "Sms"}})),
        ("person", json!({"user": {"externalName": "grace@example.com"}}), json!({"resetMfa": {}})),
        ("volume", Value::Null, json!({"assignInclusiveVolume": {"id": "82"}})),
        ("mail", Value::Null, json!({"verifyRecipient": token})),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_of_every_family() -> Result<()> {
    let mut options = options("operations")?;
    let seed = [include_str!("seed.yaml"), include_str!("users.yaml")].concat();
    options.simulator.seed = Seed::from_yaml(&seed.replacen("  - id: 1002\n", METER, 1))?;
    let mut stage = Stage::start(options).await?;
    stage.simulator().edit(furnish)?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    stage.apply_secret("mail", &[("token", "mailed")]).await?;
    stage.apply(&workspace(&stage, "default", "ada@example.com", &Value::Null)).await?;
    let mut there: Value =
        serde_json::from_str(&workspace(&stage, "there", "ada@example.com", &Value::Null))?;
    there["spec"]["credentials"]["user"]["switchTo"] = json!("1002");
    stage.apply(&there.to_string()).await?;
    let scrap = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scrap"},
        "data": {"iccids": "8988303000000010001"}});
    stage.apply(&scrap.to_string()).await?;
    for (name, target, action) in families() {
        let mut spec = json!({"action": action, "confirm": {"targets": 1}});
        if !target.is_null() {
            spec["target"] = target;
        }
        let (version, metadata) = ("emnify.io/v1alpha1", json!({"name": name}));
        let object = json!({"apiVersion": version, "kind": "Operation", "metadata": metadata, "spec": spec});
        stage.apply(&object.to_string()).await?;
    }
    for (name, ..) in families() {
        let object = format!("emop/{name}");
        stage.kubectl_ok(&["wait", "--for=condition=Complete", &object, "--timeout=180s"]).await?;
    }
    look(&stage, |org| {
        let device = &org.endpoints[&11_000_001];
        assert!(!device.enabled && device.limit_extensions.len() == 1, "{device:?}");
        assert_eq!(org.sims[&10_000_001].status, SimState::Deleted);
        assert!(!org.sims.contains_key(&10_000_002), "it is in the other workspace");
        assert_eq!(org.sim_operations.values().count(), 1);
        assert!(org.recipients.values().all(|recipient| recipient.verified));
        assert!(org.inclusive_volumes.iter().any(|held| held.inclusive_volume == 82));
    });
    let keys = stage.simulator().inspect(|state| state.users[&302].mfa_keys.values().count());
    assert_eq!(keys, 0, "the person logs in with the password alone");
    Ok(())
}

const DELIVERY: &str = "
apiVersion: emnify.io/v1alpha1
kind: SimBatch
metadata:
  name: delivery
spec:
  bic: 0123-4567-89
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_registered_once() -> Result<()> {
    let stage = stage("delivery").await?;
    let activated = edited(DELIVERY, &[("89\n", "89\n  state: Activated\n")]);
    let refused = stage.kubectl_with(&["apply", "-f", "-"], &activated).await?;
    assert!(
        refused.stderr.contains("activate them with an EndpointSet or an Operation"),
        "{}",
        refused.stderr
    );
    stage.apply(DELIVERY).await?;
    stage.kubectl_ok(&["wait", "--for=condition=Complete", "emsb/delivery", "--timeout=120s"]).await?;
    let shown = stage.kubectl_ok(&["get", "emsb", "delivery"]).await?;
    let row: Vec<_> = shown.lines().last().unwrap_or_default().split_whitespace().take(4).collect();
    assert_eq!(row, ["delivery", "0123-4567-89", "3", "Complete"], "{shown}");

    // what the status tells is what a set takes
    let status = stage.get("SimBatch", "delivery").await?.unwrap_or_default()["status"].clone();
    let selector = json!({"sims": {"selector": {"iccidRanges": status["iccidRanges"]}}});
    let set = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Operation", "metadata": {"name": "activate"},
        "spec": {"target": selector, "action": {"setState": {"sim": "Activated"}}}});
    stage.apply(&set.to_string()).await?;
    stage.kubectl_ok(&["wait", "--for=condition=Complete", "emop/activate", "--timeout=120s"]).await?;
    let activated = |org: &Organisation| {
        let new = org.sims.values().filter(|sim| sim.iccid.starts_with("898830300000005"));
        new.filter(|sim| sim.status == SimState::Activated).count()
    };
    assert_eq!(look(&stage, activated), 3, "the SIMs of the delivery are on");

    let other = edited(DELIVERY, &[("0123-4567-89", "0123-4567-91")]);
    let refused = stage.kubectl_with(&["apply", "-f", "-"], &other).await?;
    assert!(refused.stderr.contains("give a new one another name"), "{}", refused.stderr);
    let again = edited(DELIVERY, &[("name: delivery", "name: rebuilt")]);
    stage.apply(&again).await?;
    stage.kubectl_ok(&["wait", "--for=condition=Complete", "emsb/rebuilt", "--timeout=120s"]).await?;
    let rebuilt = stage.get("SimBatch", "rebuilt").await?.unwrap_or_default();
    assert!(rebuilt["status"].to_string().contains("AlreadyRegistered"), "{rebuilt:#}");
    stage.kubectl_ok(&["delete", "emsb", "delivery", "rebuilt"]).await?;
    assert_eq!(look(&stage, activated), 3, "nothing is taken back");
    Ok(())
}
