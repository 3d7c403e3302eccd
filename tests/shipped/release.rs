//! Workflows and the steps of a release, as far as they can be tried without a registry.

use std::{
    env,
    ffi::OsString,
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

/// A digest as registries write them.
const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[tokio::test]
async fn released_charts_run_the_image_that_was_signed() {
    let helm = emnify_devenv::tools::helm().await.expect("helm is there or can be built");
    let out = tempfile::tempdir().unwrap();
    let packed = Command::new("bash")
        .args([".ci/release", "charts", "1.2.3", "registry.example/team/operator", DIGEST])
        .env("PATH", path_with(&helm))
        .env("CHARTS_OUT", out.path())
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(packed.status.success(), "{}", said(&packed));
    assert!(out.path().join("emnify-operator-crds-1.2.3.tgz").exists(), "{}", said(&packed));
    let chart = out.path().join("emnify-operator-1.2.3.tgz");
    let rendered =
        Command::new(&helm).arg("template").arg(chart).args(["--set", "installation=a"]).output().unwrap();
    let image = format!("image: registry.example/team/operator@{DIGEST}");
    assert!(said(&rendered).contains(&image), "the digest is in the chart: {}", said(&rendered));
}

/// The search path with the folder of `program` in front.
fn path_with(program: &Path) -> OsString {
    let own = program.parent().into_iter().map(Path::to_owned);
    let inherited = env::var_os("PATH").unwrap_or_default();
    env::join_paths(own.chain(env::split_paths(&inherited))).expect("no folder has a colon in its name")
}

pub(super) fn release(args: &[&str]) -> Output {
    Command::new("bash").arg(".ci/release").args(args).current_dir(ROOT).output().expect("bash is there")
}

pub(super) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
