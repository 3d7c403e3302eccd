//! The main job as a user starts it.

use std::{fs, process::Command};

/// Runs the demo until all is Ready; the table that it ends with.
fn demo(flags: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_emnify-harness"))
        .args(["demo", "--once", "--deadline", "600"])
        .args(flags)
        .env("TMPDIR", folder.path())
        .env_remove("KEEP")
        .output()
        .expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "everything that is applied gets Ready:\n{said}{errors}");
    for secret in ["simulated-application-token", "of-the-demo", "0123456789abcdef"] {
        assert!(!said.contains(secret), "the demo shows no secret");
    }
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "the demo leaves no file: {left:?}");
    said.split("$ kubectl get emnify").nth(1).expect("a table at the end").to_owned()
}

fn shows(table: &str, rows: &[&str]) {
    for row in rows {
        assert!(table.contains(row), "{row} is in the table:\n{table}");
    }
}

#[test]
fn the_demo_converges_and_leaves_nothing_behind() {
    let table = demo(&["--devices", "3"]);
    let rows =
        ["workspace.emnify.io/default", "endpoint.emnify.io/meter-5", "endpoint.emnify.io/device-00003"];
    shows(&table, &rows);
}

#[test]
fn so_does_what_a_platform_team_starts_from() {
    let table = demo(&["--scenario", "platform"]);
    let rows = [
        "endpointset.emnify.io/meters",
        "apisecret.emnify.io/sms",
        "datastream.emnify.io/",
        "user.emnify.io/jo",
    ];
    shows(&table, &rows);
}
