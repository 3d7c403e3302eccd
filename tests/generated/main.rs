//! Files that are made from code: `UPDATE=1 cargo test --test generated` writes them, without it a stale one fails.

mod charts;
mod coverage;
mod gitops;
mod man;
mod metrics;
mod pages;
mod reference;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use emnify_operator::rbac::Scope;

#[test]
fn crds_are_up_to_date() {
    let files = emnify_operator::definitions::crds()
        .into_iter()
        .map(|crd| (format!("{}.yaml", crd.spec.names.plural), emnify_operator::definitions::yaml(&crd)));
    up_to_date("crds", "yaml", files.chain([charts::kustomization()]).collect());
}

#[test]
fn charts_are_up_to_date() {
    up_to_date("charts/emnify-operator-crds/templates", "yaml", charts::definitions());
    exactly("charts/emnify-operator/templates/_defaults.tpl", &charts::defaults("charts/emnify-operator"));
    for chart in ["charts/emnify-operator", "charts/emnify-operator-crds"] {
        up_to_date(chart, "md", vec![("README.md".into(), charts::readme(chart))]);
    }
}

#[test]
fn rights_are_up_to_date() {
    let files = Scope::ALL.map(|scope| (format!("{}.yaml", scope.name()), scope.yaml()));
    up_to_date("charts/emnify-operator/files/rights", "yaml", files.into());
}

#[test]
fn what_gitops_tools_are_given_is_up_to_date() {
    up_to_date("gitops/argocd", "yaml", vec![("argocd-cm.yaml".into(), gitops::argocd())]);
    up_to_date("gitops/flux", "yaml", vec![("health-checks.yaml".into(), gitops::flux())]);
    exactly("gitops/kustomize/name-references.yaml", &gitops::kustomize());
}

#[test]
fn the_tables_of_metrics_and_alerts_are_up_to_date() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/emnify-operator/files/rules.yaml");
    section("docs/metrics.md", "metrics", &metrics::metrics());
    section("docs/metrics.md", "alerts", &metrics::alerts(&fs::read_to_string(rules).unwrap()));
}

#[test]
fn the_verbs_of_the_plugin_are_up_to_date() {
    section("docs/plugin.md", "verbs", &reference::plugin());
}

#[test]
fn the_manual_pages_of_the_plugin_are_up_to_date() {
    let pages = man::pages();
    let verbs = pages.iter().filter(|(name, _)| name != "kubectl-emnify.1");
    let without: Vec<_> =
        verbs.filter(|(_, text)| !text.contains(".SH EXAMPLE\n  kubectl emnify ")).collect();
    assert!(without.is_empty(), "each verb has an example: {without:#?}");
    up_to_date("plugin/man", "1", pages);
}

#[test]
fn pages_that_list_every_kind_are_up_to_date() {
    section("docs/introduction.md", "kinds", &pages::table());
    section("docs/uninstall.md", "kinds", &pages::deletion());
    section("docs/backup.md", "kinds", &pages::schedule());
    let (first, last) =
        ("- [Fields of every kind](reference/common.md)\n", "- [Command line](reference/flags.md)");
    between("docs/SUMMARY.md", first, last, &pages::contents());
}

/// The part of a page between the comments `<!-- name: generated -->` and `<!-- name: end -->` is exactly this.
fn section(page: &str, name: &str, text: &str) {
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
    between(page, &begin, &end, &format!("\n{text}\n"));
}

/// The part of a page between two texts is exactly this.
fn between(page: &str, begin: &str, end: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let now = fs::read_to_string(&path).expect("the page is in the repository");
    let (head, rest) = now.split_once(begin).unwrap_or_else(|| panic!("{page} has no {begin}"));
    let (_, tail) = rest.split_once(end).unwrap_or_else(|| panic!("{page} has no {end}"));
    exactly(page, &format!("{head}{begin}{text}{end}{tail}"));
}

/// A file of a folder that holds others, too.
fn exactly(path: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("UPDATE").is_some() {
        fs::write(&file, wanted).expect("the repository can be written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{path}: run UPDATE=1 cargo test --test generated");
}

/// The files of a folder that end like this are exactly these, by name and text; with `UPDATE` they are made so.
fn up_to_date(folder: &str, end: &str, files: Vec<(String, String)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let wanted: Vec<(PathBuf, String)> =
        files.into_iter().map(|(name, text)| (folder.join(name), text)).collect();
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&folder).expect("the repository can be written");
        for (path, text) in &wanted {
            fs::write(path, text).expect("the repository can be written");
        }
        for surplus in surplus(&folder, end, &wanted) {
            fs::remove_file(surplus).expect("the repository can be written");
        }
    }
    let stale = wanted.iter().filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text));
    let stale: Vec<_> = stale.map(|(path, _)| path.clone()).chain(surplus(&folder, end, &wanted)).collect();
    assert!(stale.is_empty(), "run UPDATE=1 cargo test --test generated: {stale:?}");
}

/// Files of the folder that are made from nothing.
fn surplus(folder: &Path, end: &str, wanted: &[(PathBuf, String)]) -> Vec<PathBuf> {
    let wanted: BTreeSet<_> = wanted.iter().map(|(path, _)| path).collect();
    let files = fs::read_dir(folder).expect("generated folders are in the repository").flatten();
    let files = files.map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|e| e == end) && !wanted.contains(path)).collect()
}

#[test]
fn every_kind_follows_the_conventions_of_the_api() {
    for crd in emnify_operator::definitions::crds() {
        let names = &crd.spec.names;
        let kind = &names.kind;
        assert_eq!(crd.spec.group, "emnify.io", "{kind}");
        assert_eq!(
            names.categories.as_deref(),
            Some(&["emnify".to_owned()][..]),
            "{kind}: kubectl get emnify"
        );
        let short = names.short_names.iter().flatten().all(|name| name.starts_with("em"));
        assert!(short && names.short_names.is_some(), "{kind}: short names start with em");
        let version = &crd.spec.versions[0];
        assert!(
            version.subresources.as_ref().is_some_and(|s| s.status.is_some()),
            "{kind}: status subresource"
        );
        let columns = version.additional_printer_columns.as_deref().unwrap_or_default();
        assert_eq!(columns.first().map(|column| column.name.as_str()), Some("Ready"), "{kind}: is it fine");
        let schema = serde_json::to_value(version.schema.as_ref()).unwrap();
        conventions(&schema, kind);
    }
}

/// No defaults, unsigned formats or lists without a type anywhere.
fn conventions(schema: &serde_json::Value, at: &str) {
    let Some(node) = schema.as_object() else { return };
    assert!(
        !node.contains_key("default") || node.get("default").is_some_and(serde_json::Value::is_object),
        "{at}: no defaults"
    );
    let format = node.get("format").and_then(|format| format.as_str()).unwrap_or_default();
    assert!(!format.starts_with('u'), "{at}: API servers warn about {format}");
    if node.get("type").is_some_and(|kind| kind == "array") {
        assert!(node.contains_key("x-kubernetes-list-type"), "{at}: lists say how they merge");
    }
    for (key, value) in node {
        conventions(value, &format!("{at}.{key}"));
    }
}
