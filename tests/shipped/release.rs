//! Workflows and the steps of a release, as far as they can be tried without a registry.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use super::ROOT;

#[tokio::test]
async fn workflows_are_sound_and_run_no_code_that_can_change() {
    let actionlint = emnify_devenv::tools::actionlint().await.expect("actionlint is built with Go");
    let output = Command::new(actionlint).arg("-shellcheck=").current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    for entry in fs::read_dir(Path::new(ROOT).join(".github/workflows")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        for line in text.lines().filter_map(|line| line.split_once("uses: ").map(|(_, used)| used)) {
            let commit = line.split_once('@').map_or("", |(_, at)| at.split(' ').next().unwrap_or(""));
            assert!(
                commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()) && line.contains(" # v"),
                "an action is pinned to a commit, with its version beside it: {line}"
            );
        }
    }
}

#[test]
fn a_tag_that_is_not_the_version_is_refused_and_the_place_is_named() {
    let output = release(&["version", "99.0.0"]);
    assert!(
        !output.status.success() && said(&output).contains("[workspace.package] version"),
        "{}",
        said(&output)
    );
}

#[test]
fn the_notes_are_the_section_of_the_changelog() {
    let output = release(&["notes", "Unreleased"]);
    let notes = String::from_utf8(output.stdout).unwrap();
    assert!(notes.starts_with("### ") && !notes.contains("\n## "), "{notes}");
}

fn release(args: &[&str]) -> Output {
    Command::new("bash").arg(".ci/release").args(args).current_dir(ROOT).output().expect("bash is there")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
