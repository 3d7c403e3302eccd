//! What the binary is made of. `cargo deny check` says more, licences and advisories among it; what would break the operator at run
//! time is held here as well.

use std::{collections::BTreeMap, process::Command};

use super::ROOT;

/// Name of each package in the binary, with its versions.
fn packages() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var("CARGO").expect("cargo runs tests");
    let tree = ["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(cargo).args(tree).current_dir(ROOT).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut packages = BTreeMap::<String, Vec<String>>::new();
    for line in String::from_utf8(output.stdout).expect("cargo writes UTF-8").lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let versions = packages.entry(name.to_owned()).or_default();
        if !versions.iter().any(|v| v == version) {
            versions.push(version.to_owned());
        }
    }
    packages
}

#[test]
fn one_tls_stack_and_one_version_of_what_has_types_in_our_interfaces() {
    let packages = packages();
    for banned in ["ring", "openssl", "openssl-sys", "native-tls", "serde_yaml", "serde_yml"] {
        assert!(!packages.contains_key(banned), "{banned} must not be in the binary: cargo tree -i {banned}");
    }
    for single in ["kube", "kube-client", "kube-core", "kube-runtime", "k8s-openapi", "schemars", "reqwest"] {
        let versions = packages.get(single).map_or(&[][..], Vec::as_slice);
        assert_eq!(versions.len(), 1, "{single} is there once: {versions:?}");
    }
}

#[test]
fn released_binaries_end_with_a_panic() {
    let manifest = std::fs::read_to_string(format!("{ROOT}/Cargo.toml")).expect("it is there");
    let profile = |name: &str| {
        let from = manifest.split_once(&format!("[profile.{name}]\n")).expect("the profile is there").1;
        from.split("\n[").next().unwrap_or_default().to_owned()
    };
    assert!(profile("release").contains("panic = \"abort\""), "a task that panicked leaves nothing behind");
    let dist = profile("dist");
    assert!(
        dist.contains("inherits = \"release\"") && !dist.contains("panic ="),
        "what is shipped as well: {dist}"
    );
}
