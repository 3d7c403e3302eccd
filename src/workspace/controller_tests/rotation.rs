//! Secrets of logins: whatever field names them, another value is tried within a minute.

use kube::CustomResourceExt;

use super::*;

/// The longest that another value may be on its way.
const WITHIN: Duration = Duration::from_secs(60);

const OLD: &str = "2f9e53523b62abc141a2b4d6019d23cba835dbd0";
const NEW: &str = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";

/// A field that names a Secret, with what the Secret holds before and after the change.
struct Row {
    /// Where it is in the schema.
    path: &'static str,
    credentials: fn() -> Value,
    before: &'static [(&'static str, &'static str)],
    after: &'static [(&'static str, &'static str)],
    /// What a login then says.
    says: (&'static str, Option<&'static str>),
    /// What emnify does not take.
    refused: &'static [&'static str],
    has_second_factor: bool,
}

fn key(key: &str) -> Value {
    json!({"name": "emnify", "key": key})
}

fn person(more: &Value) -> Value {
    let mut user = json!({"username": "ada@example.com", "passwordSecretRef": key("password")});
    merge(&mut user, more);
    json!({ "user": user })
}

const ROWS: &[Row] = &[
    Row {
        path: "spec.credentials.applicationTokenSecretRef",
        credentials: || json!({"applicationTokenSecretRef": key("token")}),
        before: &[("token", "one")],
        after: &[("token", "other")],
        says: ("application_token", Some("other")),
        refused: &[],
        has_second_factor: false,
    },
    Row {
        path: "spec.credentials.user.usernameSecretRef",
        credentials: || person(&json!({"username": null, "usernameSecretRef": key("username")})),
        before: &[("username", "ada@example.com"), ("password", OLD)],
        after: &[("username", "grace@example.com"), ("password", OLD)],
        says: ("username", Some("grace@example.com")),
        refused: &[],
        has_second_factor: false,
    },
    Row {
        path: "spec.credentials.user.passwordSecretRef",
        credentials: || person(&json!({})),
        before: &[("password", OLD)],
        after: &[("password", NEW)],
        says: ("password", Some(NEW)),
        refused: &[],
        has_second_factor: false,
    },
    Row {
        path: "spec.credentials.user.previousPasswordSecretRef",
        credentials: || person(&json!({"previousPasswordSecretRef": key("previous")})),
        before: &[("password", NEW)],
        after: &[("password", NEW), ("previous", OLD)],
        says: ("password", Some(OLD)),
        refused: &[NEW],
        has_second_factor: false,
    },
    Row {
        path: "spec.credentials.user.mfa.totpSecretRef",
        credentials: || person(&json!({"mfa": {"totpSecretRef": key("totp")}})),
        before: &[("password", OLD), ("totp", "JBSWY3DPEHPK3PXP")],
        after: &[("password", OLD), ("totp", "KRSXG5CTMVRXEZLU")],
        says: ("code", None),
        refused: &[],
        has_second_factor: true,
    },
    Row {
        path: "spec.credentials.user.mfa.trustedDevice.codeSecretRef",
        credentials: || person(&json!({"mfa": {"trustedDevice": {"codeSecretRef": key("code")}}})),
        before: &[("password", OLD), ("code", "111111")],
        after: &[("password", OLD), ("code", "222222")],
        says: ("code", Some("222222")),
        refused: &["111111"],
        has_second_factor: true,
    },
];

impl Row {
    /// How often a login said it.
    fn said(&self, stage: &Stage) -> usize {
        let (field, value) = self.says;
        let says = |body: &Value| match (body[field].as_str(), value) {
            (Some(said), Some(value)) => said == value,
            (said, _) => said.is_some(),
        };
        stage.platform.bodies.lock().iter().filter(|body| says(body)).count()
    }
}

fn hold(stage: &Stage, values: &[(&str, &str)]) {
    let encoded = |value: &str| data_encoding::BASE64.encode(value.as_bytes());
    let data: BTreeMap<_, _> = values.iter().map(|(key, value)| (*key, encoded(value))).collect();
    stage.cluster.put(secret("ns", "emnify"), json!({"metadata": {"name": "emnify"}, "data": data}));
}

#[tokio::test(start_paused = true)]
async fn another_value_in_a_secret_is_tried_within_a_minute_whatever_field_it_is_for() {
    for row in ROWS {
        let stage = Stage::with(&[("ns", "one")], &[("one", 42), ("other", 42)]);
        *stage.platform.refuses.lock() = row.refused.iter().map(|value| (*value).to_owned()).collect();
        stage.platform.second_factor.store(row.has_second_factor, Ordering::Relaxed);
        hold(&stage, row.before);
        let mut object = stage.cluster.get(&workspace("ns")).unwrap();
        object["spec"] = json!({"credentials": (row.credentials)()});
        stage.cluster.put(workspace("ns"), object);
        stage.pass(Duration::from_secs(300)).await;
        let before = row.said(&stage);
        hold(&stage, row.after);
        stage.pass(WITHIN).await;
        assert!(row.said(&stage) > before, "{}: {:#?}", row.path, stage.platform.bodies.lock());
    }
}

#[test]
fn no_field_that_names_a_secret_is_left_out() {
    let tested: BTreeSet<_> = ROWS.iter().map(|row| row.path.to_owned()).collect();
    let schema = serde_json::to_value(&Workspace::crd().spec.versions[0].schema).unwrap();
    let mut found = BTreeSet::new();
    fields_of_secrets(&schema["openAPIV3Schema"]["properties"]["spec"], "spec", &mut found);
    assert_eq!(found, tested);
}

/// Finds what names a Secret and a key in it.
fn fields_of_secrets(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let fields: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    let names: BTreeSet<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    if names == BTreeSet::from(["key", "name"]) {
        found.insert(path.to_owned());
        return;
    }
    for (name, schema) in fields {
        fields_of_secrets(schema, &format!("{path}.{name}"), found);
    }
}
