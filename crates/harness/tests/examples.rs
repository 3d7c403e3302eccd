//! What readers copy is valid, and every kind has something to copy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use emnify_operator::{
    check::{Checker, Report},
    kinds,
};

fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder of this repository").flatten().map(|entry| entry.path());
    let found = entries.flat_map(|path| if path.is_dir() { manifests(&path) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect()
}

#[test]
fn examples_are_valid_and_show_every_kind() {
    let crds = kinds::crds();
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
