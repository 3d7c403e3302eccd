//! Parts of pages that list every kind.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Workspaces first, as users meet them; then in the order of the registry.
fn all() -> Vec<CustomResourceDefinition> {
    let (mut workspaces, kinds): (Vec<_>, Vec<_>) =
        emnify_operator::definitions::crds().into_iter().partition(is_workspace);
    workspaces.extend(kinds);
    workspaces
}

/// Workspaces go last, and are no object of emnify.
fn is_workspace(crd: &CustomResourceDefinition) -> bool {
    crd.spec.names.plural.ends_with("workspaces")
}

fn singular(crd: &CustomResourceDefinition) -> String {
    crd.spec.names.kind.to_lowercase()
}

fn resource(crd: &CustomResourceDefinition) -> String {
    format!("{}.{}", crd.spec.names.plural, crd.spec.group)
}

/// The first sentence of what `kubectl explain` says of the kind.
fn about(crd: &CustomResourceDefinition) -> String {
    let schema = crd.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    let text = schema.and_then(|schema| schema.description.as_deref()).expect("a kind says what it is");
    let sentence = text.split_once(". ").map_or(text, |(first, _)| first);
    let sentence = sentence.split_once("\n\n").map_or(sentence, |(first, _)| first);
    sentence.trim_end_matches('.').to_owned()
}

/// The kinds of `docs/introduction.md`.
pub(super) fn table() -> String {
    let rows = all()
        .iter()
        .map(|crd| {
            let short = crd.spec.names.short_names.iter().flatten().next().expect("a kind has a short name");
            format!(
                "| [{}](reference/{}.md) | `{short}` | {} |",
                crd.spec.names.kind,
                singular(crd),
                about(crd)
            )
        })
        .collect::<Vec<_>>();
    format!("| Kind | Short | What it is |\n|---|---|---|\n{}\n", rows.join("\n"))
}

/// The kinds of `docs/SUMMARY.md`.
pub(super) fn contents() -> String {
    let entry = |crd: &CustomResourceDefinition| {
        format!("- [{}](reference/{}.md)\n", crd.spec.names.kind, singular(crd))
    };
    all().iter().map(entry).collect()
}

/// The commands of `docs/uninstall.md` that delete all objects, workspaces in a command of their own.
pub(super) fn deletion() -> String {
    let (workspaces, mut kinds): (Vec<_>, Vec<_>) = all().into_iter().partition(is_workspace);
    kinds.reverse();
    let command = |crds: &[CustomResourceDefinition]| {
        let resources: Vec<_> = crds.iter().map(resource).collect();
        format!("kubectl delete {} --all --all-namespaces", resources.join(","))
    };
    format!("```sh\n{}\n{}\n```\n", command(&kinds), command(&workspaces))
}

/// The schedule of `docs/backup.md`.
pub(super) fn schedule() -> String {
    let ours: Vec<_> = all().iter().map(|crd| format!("      - {}", resource(crd))).collect();
    format!("```yaml,fragment\n{HEAD}{}\n{TAIL}```\n", ours.join("\n"))
}

const HEAD: &str = r#"apiVersion: velero.io/v1
kind: Schedule
metadata:
  name: emnify
  namespace: velero
spec:
  schedule: "0 3 * * *"
  template:
    includedNamespaces: ["*"]
    includeClusterResources: true
    includedResources:
      - customresourcedefinitions.apiextensions.k8s.io
"#;
const TAIL: &str = "      - secrets
      - configmaps
";
