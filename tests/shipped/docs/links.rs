//! Links, anchors and the table of contents.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Component, Path, PathBuf},
};

use super::{Page, ROOT, is_in_book, pages};

#[test]
fn every_link_and_anchor_leads_somewhere() {
    let pages = pages();
    let by_name: HashMap<&str, &Page> = pages.iter().map(|page| (page.name.as_str(), page)).collect();
    let mut broken = Vec::new();
    for page in &pages {
        for (line, link) in page.links.iter().filter(|(_, link)| !link.is_empty() && !link.contains(':')) {
            if let Err(why) = lead(page, link, &by_name) {
                broken.push(format!("{}:{line}: {link}: {why}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "links lead somewhere: {broken:#?}");
}

fn lead(page: &Page, link: &str, pages: &HashMap<&str, &Page>) -> Result<(), &'static str> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { PathBuf::from(&page.name) } else { beside(&page.name, path) };
    if !Path::new(ROOT).join(&target).exists() {
        return Err("there is no such file");
    }
    // the book is built from docs/ alone
    if is_in_book(page) && !target.starts_with("docs") {
        return Err("the book ends at docs/");
    }
    let name = target.to_string_lossy();
    match (anchor, pages.get(&*name)) {
        (Some(anchor), Some(page)) if !page.anchors.contains(anchor) => Err("the page has no such heading"),
        _ => Ok(()),
    }
}

/// A path as a link on the page means it.
fn beside(page: &str, link: &str) -> PathBuf {
    let folder = Path::new(page).parent().expect("a page is in a folder");
    let mut path = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page}: {link} leaves the repository"),
            part => path.push(part),
        }
    }
    path
}

#[test]
fn the_table_of_contents_has_every_page_once() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.name == "docs/SUMMARY.md").expect("the book has a summary");
    // a title without a page has an empty link
    let links = summary.links.iter().filter(|(_, link)| !link.is_empty());
    let listed: Vec<String> =
        links.map(|(_, link)| beside(&summary.name, link).display().to_string()).collect();
    let once: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(once.len(), listed.len(), "no page twice");
    let there: BTreeSet<&str> = pages
        .iter()
        .filter(|page| is_in_book(page) && page.name != summary.name)
        .map(|page| page.name.as_str())
        .collect();
    let missing: Vec<_> = there.difference(&once).collect();
    assert!(missing.is_empty(), "every page is in docs/SUMMARY.md: {missing:?}");
    let surplus: Vec<_> = once.difference(&there).collect();
    assert!(surplus.is_empty(), "every entry of docs/SUMMARY.md is a page: {surplus:?}");
}
