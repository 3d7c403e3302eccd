//! The chart of definitions, made from the registry of kinds, and the tables of values, made from `values.yaml`.

#![allow(clippy::unwrap_used, reason = "writing to a String cannot fail")]

use std::{fmt::Write as _, fs, path::Path};

use emnify_operator::kinds;
use serde_json::Value;

/// Where what is written by hand ends.
const VALUES: &str = "## Values\n";

/// An annotation of each definition, after which those of the values stand.
const KEEP: &str = "    helm.sh/resource-policy: keep\n";
const MORE: &str = "    {{- with .Values.annotations }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}\n";

/// A template for each definition. Helm leaves them in the cluster, and with them every object, when the release goes.
pub(super) fn definitions() -> Vec<(String, String)> {
    let template = |mut crd: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition| {
        let annotations = crd.metadata.annotations.get_or_insert_default();
        annotations.insert("helm.sh/resource-policy".into(), "keep".into());
        let text = escape(&kinds::yaml(&crd));
        assert!(text.contains(KEEP), "the annotation has a line of its own");
        (format!("{}.yaml", crd.spec.names.plural), text.replace(KEEP, &format!("{KEEP}{MORE}")))
    };
    kinds::crds().into_iter().map(template).collect()
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
    for crd in kinds::crds() {
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
