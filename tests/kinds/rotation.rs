//! Values of Secrets: whatever field they come from, another value reaches emnify within a minute.

use std::{collections::BTreeSet, time::Duration};

use emnify_operator::definitions;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::stage::{SIGNING, Stage, secret};

/// The longest that another value may be on its way.
const WITHIN: Duration = Duration::from_secs(60);

const BEFORE: &str = "value-before-0123456789";
const AFTER: &str = "value-after-9876543210";

/// A field that takes a value from a Secret.
struct Row {
    kind: &'static str,
    /// Where it is in the schema.
    path: &'static str,
    /// A spec that uses it; the reference is to the key of the Secret that tests have.
    spec: fn(Value) -> Value,
}

fn stream(destination: &Value) -> Value {
    json!({"type": "Events", "destination": destination})
}

const ROWS: &[Row] = &[
    Row { kind: "ApiSecret", path: "spec.secretRef", spec: |of| json!({"secretRef": of}) },
    Row {
        kind: "DataStream",
        path: "spec.destination.webhook.headers[].valueFrom",
        spec: |of| {
            let headers = [json!({"name": "Authorization", "valueFrom": of})];
            stream(&json!({"webhook": {"url": "https://events.example.com", "headers": headers}}))
        },
    },
    Row {
        kind: "DataStream",
        path: "spec.destination.keenIo.writeKeySecretRef",
        spec: |of| {
            stream(&json!({"keenIo": {"projectId": "p", "collectionName": "c", "writeKeySecretRef": of}}))
        },
    },
    Row {
        kind: "DataStream",
        path: "spec.destination.datadog.apiKeySecretRef",
        spec: |of| stream(&json!({"datadog": {"apiKeySecretRef": of}})),
    },
    Row {
        kind: "DataStream",
        path: "spec.destination.eventHubs.connectionStringSecretRef",
        spec: |of| stream(&json!({"eventHubs": {"connectionStringSecretRef": of}})),
    },
];

/// Workspaces log in with theirs, which their own tests show.
const LOGINS: [&str; 2] = ["Workspace", "ClusterWorkspace"];

/// What is ordered, or carried out, once and never changed: another key stalls an order, as its own tests show, and is not sent again.
/// What a trigger makes reads its Secrets itself.
const NEVER_CHANGED: [&str; 7] = [
    "CloudConnect spec.vpn.pskSecretRef",
    "Operation spec.action.sendSms.payloadSecretRef",
    "Operation spec.action.euicc.activationCodeSecretRef",
    "Operation spec.action.verifyRecipient.tokenSecretRef",
    "OperationTrigger spec.operation.spec.action.sendSms.payloadSecretRef",
    "OperationTrigger spec.operation.spec.action.euicc.activationCodeSecretRef",
    "OperationTrigger spec.operation.spec.action.verifyRecipient.tokenSecretRef",
];

#[tokio::test(start_paused = true)]
async fn another_value_in_a_secret_reaches_emnify_within_a_minute_whatever_field_it_is_for() {
    for Row { kind, path, spec } in ROWS {
        let stage = Stage::new().await;
        stage.cluster.put(SIGNING, secret(BEFORE));
        stage.cluster.apply_a(kind, "a", spec(json!({"name": "signing", "key": "key"})));
        stage.ready(kind, "a").await;
        assert!(stage.wire.sent(BEFORE) && !stage.wire.sent(AFTER), "{kind} {path}");
        stage.pass(300).await;
        let changed = Instant::now();
        stage.cluster.put(SIGNING, secret(AFTER));
        while !stage.wire.sent(AFTER) {
            assert!(changed.elapsed() < WITHIN, "{kind} {path}: the old value is still in emnify");
            sleep(Duration::from_secs(1)).await;
        }
        stage.pass(60).await;
        stage.ready(kind, "a").await;
    }
}

#[test]
fn no_field_that_takes_a_value_from_a_secret_is_left_out() {
    let tested: BTreeSet<_> = ROWS.iter().map(|row| format!("{} {}", row.kind, row.path)).collect();
    let mut found = BTreeSet::new();
    for definition in definitions::crds() {
        let kind = definition.spec.names.kind.clone();
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
        let spec = &schema["openAPIV3Schema"]["properties"]["spec"];
        if !LOGINS.contains(&kind.as_str()) {
            fields_of_secrets(spec, "spec", &mut |path| found.extend([format!("{kind} {path}")]));
        }
    }
    for once in NEVER_CHANGED {
        assert!(found.remove(once), "{once} is there still");
    }
    assert_eq!(found, tested);
}

/// Finds what names a Secret and a key in it.
fn fields_of_secrets(schema: &Value, path: &str, put: &mut dyn FnMut(&str)) {
    let fields: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    let names: BTreeSet<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    if names == BTreeSet::from(["key", "name"]) && !path.ends_with(".configMapRef") {
        return put(path);
    }
    for (name, schema) in fields {
        fields_of_secrets(schema, &format!("{path}.{name}"), put);
    }
    if let Some(items) = schema["items"].as_object() {
        fields_of_secrets(&Value::Object(items.clone()), &format!("{path}[]"), put);
    }
}
