//! The operator as it is released.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// The name of the binary.
const NAME: &str = "emnify-operator";
/// How to start a measurement.
const RIGHT_WAY: &str = "cargo run --release -p emnify-harness -- bench";

/// Builds the operator as it is released, and says where it is. With `as_is` takes the binary that is there.
pub(super) async fn build(as_is: bool) -> Result<PathBuf> {
    ensure!(!cfg!(debug_assertions), "this is a debug build, of which figures say nothing: use {RIGHT_WAY}");
    let beside = env::current_exe()?.with_file_name(NAME);
    if !as_is {
        // Set by `cargo run`.
        let cargo = env::var_os("CARGO").with_context(|| {
            format!("only cargo knows how to build the operator: use {RIGHT_WAY}, or --no-build for the one that is there")
        })?;
        println!("$ cargo build --release -p {NAME}");
        let built = Command::new(cargo)
            // With the harness, so that what both need is built once.
            .args(["build", "--quiet", "--release", "-p", NAME, "-p", "emnify-harness", "--bin", NAME])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .kill_on_drop(true)
            .status()
            .await?;
        ensure!(built.success(), "the operator does not build");
    }
    ensure!(
        beside.is_file(),
        "there is no {}: use {RIGHT_WAY} without --no-build, or `cargo build --release -p {NAME}` first",
        beside.display()
    );
    Ok(beside)
}
