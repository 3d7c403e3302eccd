//! The plugin's archives and its manifest for krew, by the rules that krew itself has for manifests.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use data_encoding::HEXLOWER;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    ROOT,
    release::{release, said},
};

const REPOSITORY: &str = "https://forge.example/team/emnify-operator";
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: BTreeMap<String, String>,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    version: String,
    homepage: String,
    short_description: String,
    description: String,
    caveats: String,
    platforms: Vec<Platform>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Platform {
    uri: String,
    sha256: String,
    bin: String,
    selector: Selector,
}

/// krew also knows expressions; labels are enough for one platform each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

/// Archives of two programs that are none, and the manifest.
fn released(folder: &Path) -> String {
    for arch in ARCHITECTURES {
        fs::write(folder.join(format!("kubectl-emnify-{arch}")), format!("program for {arch}")).unwrap();
    }
    let folder = folder.to_str().unwrap();
    let made = release(&["archives", folder]);
    assert!(made.status.success(), "{}", said(&made));
    let manifest = release(&["krew", "1.2.3-rc.1", REPOSITORY, folder]);
    assert!(manifest.status.success(), "{}", said(&manifest));
    said(&manifest)
}

/// What krew refuses, and what its index warns of.
fn faults(text: &str) -> Vec<String> {
    let manifest: Manifest = match serde_yaml::from_str(text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("it cannot be read: {error}")],
    };
    let is = |pattern: &str, text: &str| Regex::new(pattern).unwrap().is_match(text);
    let spec = &manifest.spec;
    let mut faults = Vec::new();
    let mut rule = |holds: bool, said: &str| {
        if !holds {
            faults.push(said.to_owned());
        }
    };
    rule(manifest.api_version == "krew.googlecontainertools.github.com/v1alpha2", "apiVersion");
    rule(manifest.kind == "Plugin", "kind");
    rule(manifest.metadata.get("name").is_some_and(|name| name == "emnify"), "the name is that of the file");
    // semantic, with a v
    rule(
        is(
            r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$",
            &spec.version,
        ),
        "version",
    );
    rule(spec.homepage.starts_with("https://"), "homepage");
    rule(!spec.short_description.is_empty(), "shortDescription is set");
    rule(!spec.short_description.contains(['\r', '\n']), "shortDescription is one line");
    rule(spec.short_description.len() <= 70, "shortDescription has 70 characters at most");
    let long = |text: &str| text.lines().any(|line| line.len() > 80);
    rule(!long(&spec.description) && !long(&spec.caveats), "lines have 80 characters at most");
    rule(!spec.platforms.is_empty(), "there is a platform");
    let mut selected: Vec<_> =
        spec.platforms.iter().map(|platform| &platform.selector.match_labels).collect();
    for platform in &spec.platforms {
        let labels = &platform.selector.match_labels;
        // without arch, arm64 would be given the program for amd64
        rule(labels.keys().eq(["arch", "os"]), "a platform is selected by os and arch");
        let arch = labels.get("arch").map_or("", String::as_str);
        rule(
            labels.get("os").is_some_and(|os| os == "linux") && ARCHITECTURES.contains(&arch),
            "krew knows it",
        );
        rule(
            platform.uri.ends_with(&format!("/kubectl-emnify-linux-{arch}.tar.gz")),
            "uri is of that platform",
        );
        rule(platform.uri.starts_with("https://"), "uri is encrypted");
        rule(is("^[a-f0-9]{64}$", &platform.sha256), "sha256");
        rule(platform.bin == "kubectl-emnify", "bin is in the archive");
    }
    selected.sort();
    selected.dedup();
    rule(selected.len() == spec.platforms.len(), "platforms do not overlap");
    faults
}

#[test]
fn the_manifest_is_what_krew_takes_and_each_platform_gets_its_own_program() {
    let folder = tempfile::tempdir().unwrap();
    let text = released(folder.path());
    assert_eq!(faults(&text), Vec::<String>::new(), "{text}");
    assert!(!text.contains("VERSION") && !text.contains("REPOSITORY") && !text.contains("SHA256_"), "{text}");
    let manifest: Manifest = serde_yaml::from_str(&text).unwrap();
    assert_eq!(manifest.spec.platforms.len(), ARCHITECTURES.len());
    for platform in &manifest.spec.platforms {
        let arch = &platform.selector.match_labels["arch"];
        let name = format!("kubectl-emnify-linux-{arch}.tar.gz");
        assert_eq!(platform.uri, format!("{REPOSITORY}/releases/download/v1.2.3-rc.1/{name}"));
        let archive = folder.path().join(&name);
        let sum = HEXLOWER.encode(&Sha256::digest(fs::read(&archive).unwrap()));
        assert_eq!(platform.sha256, sum, "of {name}");

        let out = tempfile::tempdir().unwrap();
        let tar = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(out.path()).output().unwrap();
        assert!(tar.status.success(), "{}", said(&tar));
        let program = out.path().join(&platform.bin);
        assert_eq!(fs::read_to_string(&program).unwrap(), format!("program for {arch}"));
        assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o111, 0o111, "it can be run");
        for file in
            ["LICENSE", "man/man1/kubectl-emnify.1", "man/man1/kubectl-emnify-top.1", "k9s/plugins.yaml"]
        {
            assert!(out.path().join(file).exists(), "{file} is in {name}");
        }
    }
}

#[test]
fn the_same_programs_make_the_same_archives() {
    let sums = || {
        let folder = tempfile::tempdir().unwrap();
        released(folder.path())
    };
    assert_eq!(sums(), sums());
}

#[test]
fn a_manifest_that_krew_would_refuse_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let good = released(folder.path());
    let changes = [
        ("v1alpha2", "v1", "apiVersion"),
        ("\"v1.2.3-rc.1\"", "1.2.3", "version"),
        ("arch: arm64", "arch: amd64", "platforms do not overlap"),
        ("          arch: arm64\n", "", "a platform is selected by os and arch"),
        ("sha256: ", "sha256: X", "sha256"),
        ("linux-amd64.tar.gz", "linux-arm64.tar.gz", "uri is of that platform"),
        ("bin: ", "bni: ", "it cannot be read"),
    ];
    for (from, to, rule) in changes {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(faults(&bad).iter().any(|fault| fault.starts_with(rule)), "{rule}: {:?}", faults(&bad));
    }
}

#[test]
fn the_release_has_what_the_manifest_names() {
    let workflow = fs::read_to_string(Path::new(ROOT).join(".github/workflows/release.yml")).unwrap();
    let parsed: Value = serde_yaml::from_str(&workflow).unwrap();
    assert!(parsed["jobs"]["release"].is_object());
    for step in [
        "bash .ci/release archives\n",
        "bash .ci/release krew \"${GITHUB_REF_NAME#v}\" \"$GITHUB_SERVER_URL/$GITHUB_REPOSITORY\" > emnify.yaml\n",
        " kubectl-emnify-linux-*.tar.gz emnify.yaml ",
    ] {
        assert!(workflow.contains(step), "{step}");
    }
}
