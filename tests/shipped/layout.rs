//! Rules for the repository's own files.

use std::{
    fs,
    path::{Path, PathBuf},
};

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
const OWNERS: [&str; 2] = ["crates/engine/src/tasks.rs", "crates/emnify/src/limits/mod.rs"];

#[test]
fn every_task_has_an_owner() {
    let mut alone = Vec::new();
    for folder in ["src", "crates/engine/src", "crates/emnify/src"] {
        each_file(&Path::new(ROOT).join(folder), &mut |path| {
            let name = path.strip_prefix(ROOT).expect("it is below").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("sources are text");
            let runs = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let of_tests = name.contains("tests");
            if !of_tests && !OWNERS.contains(&name.as_str()) && runs.contains("tokio::spawn(") {
                alone.push(name);
            }
        });
    }
    assert!(
        alone.is_empty(),
        "start it through emnify_engine::tasks::Tasks, so that its panic ends the process: {alone:?}"
    );
}

/// Hands on every file below `folder`.
fn each_file(folder: &Path, found: &mut dyn FnMut(PathBuf)) {
    for entry in fs::read_dir(folder).expect("the folder is in the repository").flatten() {
        let path = entry.path();
        if path.is_dir() { each_file(&path, found) } else { found(path) }
    }
}
