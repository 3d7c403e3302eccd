//! Rules for the repository's own files.

mod imports;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::imports::Imports;
use super::ROOT;

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let mut long = Vec::new();
    for folder in ["src", "crates", "tests"] {
        each_file(&Path::new(ROOT).join(folder), &mut |path| {
            if path.extension().is_some_and(|end| end == "rs") {
                let lines = fs::read_to_string(&path).expect("sources are text").lines().count();
                if lines > 600 {
                    long.push((lines, path));
                }
            }
        });
    }
    assert!(long.is_empty(), "a file over 600 lines is two files: {long:#?}");
}

/// Where tasks may begin: at their owner's, and in the client, whose one task reaches those who wait for it when it panics.
const OWNERS: [&str; 2] = ["crates/engine/src/cluster/tasks.rs", "crates/emnify/src/limits/mod.rs"];

#[test]
fn every_task_has_an_owner() {
    let alone = elsewhere(&OWNERS, &["tokio::spawn("]);
    assert!(
        alone.is_empty(),
        "start it through emnify_engine::cluster::tasks::Tasks, so that its panic ends the process: {alone:?}"
    );
}

#[test]
fn one_file_writes_statuses() {
    let writes = ["patch_status(", "replace_status(", "patch_subresource(", "replace_subresource("];
    let writer = ["crates/engine/src/cluster/status.rs"];
    assert!(!elsewhere(&[], &writes).is_empty(), "{writer:?} itself is found");
    let others = elsewhere(&writer, &writes);
    assert!(others.is_empty(), "only the engine's cluster/status knows what may be overwritten: {others:?}");
}

#[test]
fn what_waits_to_be_taken_up_is_bounded() {
    let unbounded = elsewhere(&[], &["unbounded(", "unbounded_channel("]);
    assert!(unbounded.is_empty(), "a full channel is told and counted, or is a set: {unbounded:?}");
}

/// Files of what runs as the operator, `owners` apart, in which one of these stands outside tests.
fn elsewhere(owners: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["src", "crates/engine/src", "crates/emnify/src"] {
        each_file(&Path::new(ROOT).join(folder), &mut |path| {
            let name = path.strip_prefix(ROOT).expect("it is below").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("sources are text");
            let runs = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let has = words.iter().any(|word| runs.contains(word));
            if has && !name.contains("tests") && !owners.contains(&name.as_str()) {
                found.push(name);
            }
        });
    }
    found
}

/// The sources of the workspace's crates.
const SOURCES: [&str; 8] = [
    "src",
    "crates/emnify/src",
    "crates/engine/src",
    "crates/simulator/src",
    "crates/apiserver/src",
    "crates/rehearsal/src",
    "crates/devenv/src",
    "crates/harness/src",
];

#[test]
fn no_files_import_each_other() {
    let root = Path::new(ROOT);
    let circles: Vec<_> =
        SOURCES.iter().flat_map(|folder| Imports::of(root, &root.join(folder)).circles()).collect();
    assert!(circles.is_empty(), "each file is read after those that it imports: {circles:#?}");
}

/// Folders of the engine, from the ground up; those of one line know nothing of each other.
const ENGINE: &[&[&str]] = &[
    &["kind"],
    &["session"],
    &["decide"],
    &["metrics"],
    &["cluster"],
    &["hints"],
    &["object", "set", "task", "trigger"],
    &["run"],
];

/// The same of the operator; a file of that name is a folder of its own.
const OPERATOR: &[&[&str]] = &[
    &["api", "listen", "settings", "testing"],
    &["kinds", "cluster", "leader", "push"],
    &["telemetry"],
    &["workspace", "admin"],
    &["definitions"],
    &["check", "crd_skew", "rbac", "release_finalizers"],
    &["app", "cli", "plugin"],
    &["process"],
    &["lib", "main", "bin"],
];

#[test]
fn imports_only_run_down() {
    let root = Path::new(ROOT);
    for (sources, floors) in [("crates/engine/src", ENGINE), ("src", OPERATOR)] {
        let wrong = upward(&Imports::of(root, &root.join(sources)), sources, floors);
        assert!(wrong.is_empty(), "a floor knows only those below: {wrong:#?}");
        let entries = fs::read_dir(root.join(sources)).expect("it has sources").flatten();
        let others: Vec<_> = entries
            .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
            .filter(|name| name != "lib" && !floors.concat().contains(&name.as_str()))
            .collect();
        assert!(others.is_empty(), "{sources} is its floors and nothing else: {others:?}");
    }
}

/// Arrows to a floor above, or to a neighbour on the same one.
fn upward(imports: &Imports, sources: &str, floors: &[&[&str]]) -> Vec<String> {
    let folder = |file: &Path| {
        let below = file.strip_prefix(sources).ok()?;
        let first = Path::new(below.components().next()?.as_os_str()).file_stem()?;
        Some(first.to_string_lossy().into_owned())
    };
    let floor = |folder: &str| floors.iter().position(|floor| floor.contains(&folder));
    let mut found = Vec::new();
    for (from, to) in imports.arrows.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        let (Some(a), Some(b)) = (folder(from), folder(to.0)) else { continue };
        if let (Some(here), Some(there)) = (floor(&a), floor(&b))
            && (there > here || (there == here && a != b))
        {
            found.push(format!("{} -> {} ({})", from.display(), to.0.display(), to.1));
        }
    }
    found
}

#[test]
fn a_planted_arrow_is_found() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("made");
        fs::write(file, text).expect("written");
    };
    write("src/lib.rs", "mod kind; mod run; registry! { run::Engine }");
    write("src/kind/mod.rs", "mod id; pub use self::id::Id;");
    write("src/kind/id.rs", "use crate::run::Engine; pub struct Id(Engine);");
    write("src/run/mod.rs", "pub struct Engine; fn of() { made!(crate::kind::Id) }");
    let imports = Imports::of(folder.path(), &folder.path().join("src"));
    let arrow = "src/kind/id.rs -> src/run/mod.rs (run::Engine)";
    let back = "src/run/mod.rs -> src/kind/id.rs (kind::Id)";
    assert_eq!(imports.circles(), [[arrow, back]], "also behind a macro and a re-export");
    assert_eq!(upward(&imports, "src", ENGINE), [arrow]);
}

/// Hands on every file below `folder`.
fn each_file(folder: &Path, found: &mut dyn FnMut(PathBuf)) {
    for entry in fs::read_dir(folder).expect("the folder is in the repository").flatten() {
        let path = entry.path();
        if path.is_dir() { each_file(&path, found) } else { found(path) }
    }
}
