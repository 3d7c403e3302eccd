//! What readers copy is valid, and every kind has something to copy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use emnify_operator::check::{Checker, Report};

fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder of this repository").flatten().map(|entry| entry.path());
    let found = entries.flat_map(|path| if path.is_dir() { manifests(&path) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect()
}

/// The blocks of YAML in a page of Markdown.
fn blocks(page: &str) -> Vec<&str> {
    let starts = page.split("```yaml\n").skip(1);
    starts.filter_map(|rest| rest.split_once("```").map(|(block, _)| block)).collect()
}

#[test]
fn what_the_readme_explains_is_valid() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = fs::read_to_string(&page).unwrap();
    let found = blocks(&text);
    assert!(!found.is_empty(), "the readme explains a manifest");
    let checker = Checker::own();
    let mut report = Report::default();
    for block in &found {
        checker.file("README.md", block, &mut report);
    }
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty() && report.objects == found.len(), "a reader would be refused: {findings:#?}");
}

#[test]
fn examples_are_valid_and_show_every_kind() {
    let crds = emnify_operator::definitions::crds();
    let checker = Checker::new(&crds);
    let mut report = Report::default();
    let mut all = String::new();
    for path in manifests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")) {
        let text = fs::read_to_string(&path).unwrap();
        checker.file(&path.display().to_string(), &text, &mut report);
        all += &text;
    }
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "an example that the API server refuses: {findings:#?}");
    for crd in crds {
        let kind = crd.spec.names.kind;
        assert!(all.contains(&format!("kind: {kind}\n")), "{kind} has an example");
    }
}
