//! The docs say nothing that is not there: links, anchors, manifests, flags and reasons are compared with what they name.

mod commands;
mod flags;
mod helm;
mod links;
mod manifests;
mod page;
mod runbook;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::page::Page;
use super::ROOT;

/// Every page of the repository that people read, the book first.
fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    for folder in ["docs", "charts", "deploy", "gitops", "examples"] {
        markdown(&Path::new(ROOT).join(folder), &mut paths);
    }
    for entry in fs::read_dir(ROOT).expect("the repository is a folder").flatten() {
        paths.extend(Some(entry.path()).filter(|path| is_markdown(path)));
    }
    paths.iter().map(|path| Page::read(path)).collect()
}

/// What belongs to the book: introductions of kinds are part of other pages.
fn is_in_book(page: &Page) -> bool {
    page.name.starts_with("docs/") && !page.name.starts_with("docs/kinds/")
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        // what mdBook builds
        if path.ends_with("docs/book") {
            continue;
        }
        if path.is_dir() {
            markdown(&path, found);
        } else if is_markdown(&path) {
            found.push(path);
        }
    }
}

fn is_markdown(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|end| end == "md")
}
