//! `values.yaml`, its schema and the templates know the same values.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{FULL, folder, helm, text};

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).expect("it is YAML")
}

fn defaults() -> Value {
    yaml(&fs::read_to_string(folder("emnify-operator").join("values.yaml")).unwrap())
}

/// Pointers of all values that hold no other values of ours. Maps that users fill are one value.
fn leaves(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value.as_object().filter(|map| !map.is_empty() && !at.ends_with("ontext") && !at.ends_with("abels"))
    {
        Some(map) => map.iter().for_each(|(key, value)| leaves(value, &format!("{at}/{key}"), found)),
        None => drop(found.insert(at.to_owned())),
    }
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    fn properties(schema: &Value, value: &Value, at: &str) {
        let Some(known) = schema["properties"].as_object() else { return };
        assert_eq!(schema["additionalProperties"], false, "{at}: a misspelt value is refused");
        let known: BTreeSet<_> = known.keys().filter(|key| *key != "global" && *key != "claims").collect();
        let map = value.as_object().unwrap_or_else(|| panic!("{at} is a map"));
        if map.is_empty() {
            return;
        }
        assert_eq!(known, map.keys().collect(), "{at}: values.yaml and values.schema.json agree");
        map.iter()
            .for_each(|(key, value)| properties(&schema["properties"][key], value, &format!("{at}/{key}")));
    }
    let schema = yaml(&fs::read_to_string(folder("emnify-operator").join("values.schema.json")).unwrap());
    properties(&schema, &defaults(), "");
}

/// Renders once for each value: it must not be one that nobody reads.
#[tokio::test]
async fn each_value_changes_what_is_rendered() {
    let (full, defaults) = (yaml(FULL), defaults());
    let mut all = BTreeSet::new();
    leaves(&defaults, "", &mut all);
    // These need another value at its default; each has a test of its own.
    for other in ["/watchNamespaces", "/extraCA/secret", "/image/tag", "/shards", "/rbac/outliveNamespaces"] {
        assert!(all.remove(other), "{other}");
    }
    let rendered = text("emnify-operator", &[FULL]).await;
    for pointer in all {
        let default = defaults.pointer(&pointer).unwrap();
        let mut changed = full.clone();
        let value = changed.pointer_mut(&pointer).unwrap_or_else(|| panic!("full.yaml lacks {pointer}"));
        if value.is_boolean() {
            *value = Value::Bool(value == false);
        } else {
            assert_ne!(value, default, "full.yaml: {pointer} differs from the default");
            *value = default.clone();
        }
        let changed = serde_json::to_string(&changed).unwrap();
        let path = folder("emnify-operator");
        let arguments =
            ["template", "emnify-operator", path.to_str().unwrap(), "--namespace", "emnify-system"];
        let output = helm(&arguments, &[&changed]).await;
        let same = output.status.success() && String::from_utf8_lossy(&output.stdout) == rendered;
        assert!(!same, "{pointer} changes nothing");
    }
}
