//! The chart of definitions, made from the registry of kinds, and the tables of values, made from `values.yaml`.

#![allow(clippy::unwrap_used, reason = "writing to a String cannot fail")]

use std::{fmt::Write as _, fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

/// Where what is written by hand ends.
const VALUES: &str = "## Values\n";

/// Stands in the place of a definition's annotations: its own and those of the values, each key once. Its own win.
const ANNOTATIONS: &str =
    "  annotations:\n    {{- merge (dict OWN) (.Values.annotations | default dict) | toYaml | nindent 4 }}\n";

/// A template for each definition. Helm leaves them in the cluster, and with them every object, when the release goes.
pub(super) fn definitions() -> Vec<(String, String)> {
    emnify_operator::definitions::crds()
        .into_iter()
        .map(|crd| (format!("{}.yaml", crd.spec.names.plural), definition(crd)))
        .collect()
}

fn definition(mut crd: CustomResourceDefinition) -> String {
    let mut own = crd.metadata.annotations.take().unwrap_or_default();
    own.insert("helm.sh/resource-policy".into(), "keep".into());
    let own: Vec<String> =
        own.iter().flat_map(|(key, value)| [key, value]).map(|t| format!("{t:?}")).collect();
    let text = escape(&emnify_operator::definitions::yaml(&crd));
    let (head, rest) = text.split_once("metadata:\n").expect("a definition has a name");
    format!("{head}metadata:\n{}{rest}", ANNOTATIONS.replace("OWN", &own.join(" ")))
}

/// Braces of a definition's text are no template.
fn escape(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

#[test]
fn braces_in_a_definition_are_text() {
    assert_eq!(escape("an {{ expression }}"), "an {{ \"{{\" }} expression }}");
}

/// So that `kubectl apply -k crds/` installs the definitions alone.
pub(super) fn kustomization() -> (String, String) {
    let mut text = "# Generated: `UPDATE=1 cargo test --test generated`.\n\
                    apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
        .to_owned();
    for crd in emnify_operator::definitions::crds() {
        writeln!(text, "  - {}.yaml", crd.spec.names.plural).expect("text takes text");
    }
    // Under this name `kubectl apply --filename crds/` does not take it for an object.
    ("Kustomization".into(), text)
}

/// A chart's page: what is written by hand, and the table of its values.
pub(super) fn readme(chart: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(chart);
    let page = fs::read_to_string(folder.join("README.md")).expect("the chart is in the repository");
    let by_hand = page.split_once(VALUES).map_or(page.as_str(), |(by_hand, _)| by_hand);
    format!("{by_hand}{VALUES}\nGenerated from `values.yaml`.\n\n{}", values(chart))
}

/// The table of a chart's values.
pub(super) fn values(chart: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(chart).join("values.yaml");
    let mut text = "| Value | Default | |\n|---|---|---|\n".to_owned();
    for Row { path, default, about } in
        rows(&fs::read_to_string(path).expect("the chart is in the repository"))
    {
        writeln!(text, "| `{path}` | `{default}` | {} |", about.replace('|', "\\|"))
            .expect("text takes text");
    }
    text
}

/// What the templates put in the place of a value that is null: its default, or nothing in a map or list that users fill,
/// since null is Helm's word for taking a default away.
pub(super) fn defaults(chart: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(chart);
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("the chart is in the repository");
    let values = read("values.yaml");
    let schema: Value = serde_json::from_str(&read("values.schema.json")).expect("the schema is JSON");
    let mut defaults: Value = serde_yaml::from_str(&values).expect("values.yaml is YAML");
    for Row { path, .. } in rows(&values) {
        let allowed = schema.pointer(&format!("/properties/{}", path.replace('.', "/properties/")));
        let needed = allowed.is_some_and(|schema| schema.get("minItems").is_some());
        let value = defaults.pointer_mut(&format!("/{}", path.replace('.', "/"))).expect("a row has a value");
        match value {
            Value::Array(_) if !needed => *value = json!([]),
            Value::Object(_) => *value = json!({}),
            _ => {}
        }
    }
    let yaml = serde_yaml::to_string(&defaults).expect("JSON is YAML");
    format!(
        "{{{{- /* Generated from `values.yaml`: `UPDATE=1 cargo test --test generated`. */ -}}}}\n\
         {{{{- define \"emnify.defaults\" -}}}}\n{yaml}{{{{- end -}}}}\n"
    )
}

/// A value with a comment.
struct Row {
    path: String,
    /// As JSON.
    default: String,
    about: String,
}

/// Every key that follows a comment. A key without one must be inside of one that has.
fn rows(text: &str) -> Vec<Row> {
    let values: Value = serde_yaml::from_str(text).expect("values.yaml is YAML");
    let (mut rows, mut about) = (Vec::<Row>::new(), None);
    let mut path: Vec<&str> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        let depth = (line.len() - content.len()) / 2;
        if let Some(comment) = content.strip_prefix("# ") {
            about = Some(comment.to_owned());
        } else if let Some((key, _)) = content.split_once(':').filter(|_| !content.starts_with('-')) {
            path.truncate(depth);
            path.push(key.trim_matches('"'));
            let (name, pointer) = (path.join("."), format!("/{}", path.join("/")));
            // Deeper lines may belong to a list.
            let Some(value) = values.pointer(&pointer) else { continue };
            let told = rows.iter().any(|row| name.starts_with(&format!("{}.", row.path)));
            match about.take() {
                Some(about) => rows.push(Row { path: name, default: value.to_string(), about }),
                None => assert!(told || value.is_object(), "values.yaml: {name} has no comment"),
            }
        }
    }
    rows
}
