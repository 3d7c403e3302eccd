//! Objects whose specs and statuses an earlier release wrote.

use std::collections::{BTreeMap, BTreeSet};

use emnify_engine::kind::{Managed, set::ObjectSet, task::Task, trigger::Trigger};
use emnify_operator::{
    definitions,
    kinds::{self, Visitor},
    workspace::{ClusterWorkspace, Workspace},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    cases::{OBJECTS, SETS},
    stage::Stage,
};

/// The definitions of the release before most kinds came.
const EARLIER: &str = include_str!("../e2e/install/earlier.yaml");

/// What objects of that release look like, by kind.
fn schemas() -> BTreeMap<String, Value> {
    let documents = serde_yaml::Deserializer::from_str(EARLIER);
    let all = documents.map(|document| Value::deserialize(document).unwrap());
    all.map(|crd| {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        (kind, crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone())
    })
    .collect()
}

/// A value of a schema that has every field.
fn full(schema: &Value) -> Value {
    if let Some(fields) = schema["properties"].as_object() {
        return Value::Object(fields.iter().map(|(name, schema)| (name.clone(), full(schema))).collect());
    }
    if let Some(choice) = schema["enum"].as_array() {
        return choice.iter().find(|value| !value.is_null()).cloned().unwrap_or_default();
    }
    // an enumeration of a field that may be left out stands in its pattern
    let choice = schema["pattern"].as_str().and_then(definitions::values);
    if let Some(choice) = choice.and_then(|choice| choice.first().copied()) {
        return choice.into();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("object"), _) => json!({"a": full(&schema["additionalProperties"])}),
        (Some("array"), _) => json!([full(&schema["items"])]),
        (Some("integer"), _) => json!(1),
        (Some("number"), _) => json!(1.5),
        (Some("boolean"), _) => json!(true),
        (_, Some("date-time")) => json!("2026-11-01T00:00:00Z"),
        _ => json!("1"),
    }
}

/// What of `before` is not in `after`.
fn lost(before: &Value, after: &Value, path: &str, put: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                lost(value, after.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"), put);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                lost(before, after, &format!("{path}[{at}]"), put);
            }
        }
        (before, after) if before != after => put.push(format!("{path}: {before} is {after} now")),
        _ => {}
    }
}

/// Reads what was stored of each kind and writes it again.
struct Rewritten<'a> {
    stored: &'a BTreeMap<String, Value>,
    read: BTreeSet<String>,
    lost: Vec<String>,
}

impl Rewritten<'_> {
    fn take<T: DeserializeOwned + Serialize>(&mut self, kind: &str) {
        let Some(stored) = self.stored.get(kind) else { return };
        match serde_json::from_value::<T>(stored.clone()) {
            Ok(object) => lost(stored, &serde_json::to_value(object).unwrap(), kind, &mut self.lost),
            Err(error) => self.lost.push(format!("{kind} cannot be read: {error}")),
        }
        self.read.insert(kind.to_owned());
    }
}

impl Visitor for Rewritten<'_> {
    fn visit<K: Managed>(&mut self) {
        self.take::<K>(K::KIND);
    }

    fn visit_set<F: ObjectSet>(&mut self) {
        self.take::<F>(F::KIND);
    }

    fn visit_task<T: Task>(&mut self) {
        self.take::<T>(T::KIND);
    }

    fn visit_trigger<T: Trigger>(&mut self) {
        self.take::<T>(T::KIND);
    }
}

#[test]
fn every_field_that_an_earlier_release_stored_is_read_and_kept() {
    let schemas = schemas();
    let stored = schemas.iter().map(|(kind, schema)| {
        let mut object = full(schema);
        object["apiVersion"] = json!("emnify.io/v1alpha1");
        object["kind"] = json!(kind);
        object["metadata"] = json!({"name": "a"});
        (kind.clone(), object)
    });
    let stored = stored.collect();
    let mut rewritten = Rewritten { stored: &stored, read: BTreeSet::new(), lost: Vec::new() };
    kinds::for_each(&mut rewritten);
    rewritten.take::<Workspace>("Workspace");
    rewritten.take::<ClusterWorkspace>("ClusterWorkspace");
    // counts were a field for each kind, and are made anew
    rewritten.lost.retain(|what| !what.contains("Workspace.status.counts"));
    assert_eq!(rewritten.lost, Vec::<String>::new());
    assert_eq!(rewritten.read, schemas.keys().cloned().collect(), "no kind is gone");
}

/// What the API server keeps of a value under a schema.
fn pruned(value: &Value, schema: &Value) -> Value {
    let kept = |fields: &Map<String, Value>| -> Map<String, Value> {
        let known = |name: &String| match schema["properties"].as_object() {
            Some(known) => known.get(name),
            None => schema.get("additionalProperties"),
        };
        fields.iter().filter_map(|(name, value)| Some((name.clone(), pruned(value, known(name)?)))).collect()
    };
    match value {
        Value::Object(fields) => Value::Object(kept(fields)),
        Value::Array(items) => items.iter().map(|item| pruned(item, &schema["items"])).collect(),
        value => value.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_of_objects_in_step_sends_nothing_and_loses_nothing() {
    let schemas = schemas();
    for case in OBJECTS.iter().chain(SETS) {
        let Some(schema) = schemas.get(case.kind) else { continue };
        let stage = Stage::new().await;
        stage.cluster.apply_a(case.kind, "a", (case.spec)());
        stage.ready(case.kind, "a").await;
        stage.pass(600).await;
        let (cluster, wire) = (stage.cluster.clone(), stage.wire.clone());
        stage.stop().await;
        let mut object = cluster.object(case.kind, "a").unwrap();
        let spec = object["spec"].clone();
        for part in ["spec", "status"] {
            object[part] = pruned(&object[part], &schema["properties"][part]);
        }
        assert_eq!(object["spec"], spec, "{}: the manifest is one of that release", case.kind);
        let stored = object["status"].clone();
        let plural = format!("{}s", case.kind.to_lowercase());
        cluster.put(&format!("/apis/emnify.io/v1alpha1/namespaces/ns/{plural}/a"), object);

        let before = wire.carried().len();
        let stage = Stage::on(cluster, wire).await;
        stage.pass(3 * 3_600).await;
        assert!(stage.is_ready(case.kind, "a"), "{}", case.kind);
        let carried = stage.wire.carried().split_off(before);
        let writes: Vec<_> = carried.iter().filter(|asked| !asked.starts_with("GET ")).collect();
        // the test itself logs in
        assert_eq!(writes, ["POST /api/v1/authenticate"], "{}: nothing is sent again", case.kind);
        let after = stage.cluster.object(case.kind, "a").unwrap()["status"].clone();
        let mut gone = Vec::new();
        lost(&stored, &after, case.kind, &mut gone);
        assert_eq!(gone, Vec::<String>::new(), "{}: what was known is known still", case.kind);
    }
}
