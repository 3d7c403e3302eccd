//! The main job as a user starts it.

use std::{fs, process::Command};

#[test]
fn the_demo_converges_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_emnify-harness"))
        .args(["demo", "--once", "--devices", "3"])
        .env("TMPDIR", folder.path())
        .env_remove("KEEP")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "everything in the quickstart gets Ready:\n{said}{errors}");
    let table = said.split("$ kubectl get emnify").nth(1).expect("a table at the end");
    for row in
        ["workspace.emnify.io/default", "endpoint.emnify.io/meter-5", "endpoint.emnify.io/device-00003"]
    {
        assert!(table.contains(row), "{row} is in the table:\n{table}");
    }
    assert!(!said.contains("simulated-application-token"), "the demo shows no token");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "the demo leaves no file: {left:?}");
}
