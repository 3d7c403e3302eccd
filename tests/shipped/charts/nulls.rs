//! Null is Helm's word for taking a default away: no template trips over it, in the chart itself and below another one.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use super::{FULL, LEAST, copy, folder, helm, objects, template};

/// Pointers of all values, groups and maps included.
fn all(value: &Value, at: &str, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{at}/{key}");
        all(value, &path, found);
        found.push(path);
    }
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).expect("it is YAML")
}

fn defaults() -> Value {
    yaml(&fs::read_to_string(folder("emnify-operator").join("values.yaml")).unwrap())
}

/// `values` with nulls at these pointers, which may lie below each other: outer ones come last.
fn with_nulls(values: &Value, pointers: &[String]) -> String {
    let mut values = values.clone();
    for pointer in pointers {
        let mut node = &mut values;
        for part in pointer.split('/').skip(1) {
            node = &mut node[part];
        }
        *node = Value::Null;
    }
    values.to_string()
}

fn depth(pointer: &str) -> usize {
    pointer.matches('/').count()
}

/// A chart with both charts as its dependencies.
fn umbrella(at: &Path) {
    fs::write(at.join("Chart.yaml"), "apiVersion: v2\nname: umbrella\nversion: 1.0.0\n").unwrap();
    for chart in ["emnify-operator", "emnify-operator-crds"] {
        copy(&folder(chart), &at.join("charts").join(chart));
    }
}

#[tokio::test]
async fn each_value_may_be_null() {
    let (mut full, mut pointers) = (yaml(FULL), Vec::new());
    // one of the two replicas that null leaves may be drained
    full["podDisruptionBudget"]["minAvailable"] = 1.into();
    all(&defaults(), "", &mut pointers);
    let mut wrong = Vec::new();
    // what must be given, and what two replicas or pushes need
    let needed = ["/installation", "/push/secret", "/push/secret/name"];
    for pointer in pointers.iter().filter(|pointer| !needed.contains(&pointer.as_str())) {
        let values = with_nulls(&full, std::slice::from_ref(pointer));
        let path = folder("emnify-operator");
        let output = helm(&["template", "x", path.to_str().unwrap()], &[&values]).await;
        if output.status.success() {
            assert!(!objects(&String::from_utf8_lossy(&output.stdout)).is_empty());
        } else {
            wrong.push(format!("{pointer}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(wrong.is_empty(), "null is as good as nothing: {wrong:#?}");
    let path = folder("emnify-operator");
    let values = with_nulls(&full, &["/push/secret".to_owned()]);
    let output = helm(&["template", "x", path.to_str().unwrap()], &[&values]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("push.secret.name: with push.enabled=true"), "what is needed is named: {said}");
}

#[tokio::test]
async fn an_umbrella_chart_may_set_any_value_to_null() {
    let home = tempfile::tempdir().unwrap();
    umbrella(home.path());
    let (least, mut pointers) = (yaml(LEAST), Vec::new());
    all(&defaults(), "", &mut pointers);
    pointers.retain(|pointer| pointer != "/installation");
    for level in 1..=pointers.iter().map(|pointer| depth(pointer)).max().unwrap() {
        let level: Vec<_> = pointers.iter().filter(|pointer| depth(pointer) == level).cloned().collect();
        let values = with_nulls(&least, &level);
        let below = json!({"emnify-operator": yaml(&values), "emnify-operator-crds": {"annotations": null}});
        let sub = objects(&template(home.path(), "emnify-system", &[&below.to_string()]).await);
        let own = objects(&template(&folder("emnify-operator"), "emnify-system", &[&values]).await);
        for object in &own {
            let same = sub.iter().filter(|other| {
                other["kind"] == object["kind"] && other["metadata"]["name"] == object["metadata"]["name"]
            });
            assert!(
                same.map(|other| &other["spec"]).any(|spec| spec == &object["spec"]),
                "{level:?}: {object:#}"
            );
        }
    }
}

#[tokio::test]
async fn null_is_the_default_or_an_empty_map_or_list() {
    let mut expected = yaml(LEAST);
    let mut pointers = Vec::new();
    let defaults = defaults();
    all(&defaults, "", &mut pointers);
    pointers.retain(|pointer| pointer != "/installation");
    for emptied in ["resources", "podSecurityContext", "securityContext"] {
        // what Helm itself does with a map: keys that are not overridden stay, so each is taken away
        let keys = defaults[emptied].as_object().unwrap().keys().map(|key| (key.clone(), Value::Null));
        expected[emptied] = Value::Object(keys.collect::<Map<_, _>>());
    }
    expected["topologySpreadConstraints"] = json!([]);
    let path = folder("emnify-operator");
    let null = template(&path, "emnify-system", &[&with_nulls(&yaml(LEAST), &pointers)]).await;
    assert_eq!(null, template(&path, "emnify-system", &[&expected.to_string()]).await);
}

#[test]
fn every_template_takes_nulls_away_first() {
    let mut seen = 0;
    for entry in fs::read_dir(folder("emnify-operator").join("templates")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if !name.starts_with('_') {
            let text = fs::read_to_string(entry.path()).unwrap();
            assert!(text.starts_with("{{- include \"emnify.complete\" . -}}\n"), "{name}");
            seen += 1;
        }
    }
    assert!(seen > 10);
}
