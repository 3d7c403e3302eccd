//! `crates/emnify` as somebody else would get it.

use std::{fs, path::Path, process::Command};

use super::{ROOT, release::said};

/// `cargo package` of the crate, with these flags.
fn packaged(flags: &[&str]) -> String {
    let cargo = std::env::var("CARGO").expect("cargo runs tests");
    // a folder of its own: nobody else's build is waited for
    let target = tempfile::tempdir().unwrap();
    let mut command = Command::new(cargo);
    command.args(["package", "--package", "emnify", "--allow-dirty", "--offline", "--target-dir"]);
    let output = command.arg(target.path()).args(flags).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

#[test]
fn the_client_can_be_packaged_and_cargo_has_nothing_to_say() {
    let files = packaged(&["--list"]);
    for file in ["Cargo.toml", "LICENSE", "README.md", "examples/devices.rs", "src/lib.rs"] {
        assert!(files.lines().any(|line| line == file), "{file} is packaged: {files}");
    }
    let told = packaged(&["--no-verify"]);
    assert!(!told.contains("warning"), "{told}");
}

#[test]
fn its_page_names_every_family() {
    let crate_ = Path::new(ROOT).join("crates/emnify");
    let page = fs::read_to_string(crate_.join("README.md")).unwrap();
    let wire = fs::read_to_string(crate_.join("src/wire/mod.rs")).unwrap();
    let families = wire.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<_> = families.filter(|family| !page.contains(&format!("`{family}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
