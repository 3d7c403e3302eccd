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

/// Hands on every file below `folder`.
fn each_file(folder: &Path, found: &mut dyn FnMut(PathBuf)) {
    for entry in fs::read_dir(folder).expect("the folder is in the repository").flatten() {
        let path = entry.path();
        if path.is_dir() { each_file(&path, found) } else { found(path) }
    }
}
