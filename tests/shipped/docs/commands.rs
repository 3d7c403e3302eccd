//! Commands in the docs: those of the pages that are run can be found by who runs them, and none is undone by a tool.

use std::fs;

use super::{ROOT, pages};

/// Pages whose every command `tests/e2e/docs.rs` runs.
const RUN: [&str; 8] =
    ["backup", "gitops", "install", "operations", "runbook", "takeover", "uninstall", "upgrade"];

/// What begins a command.
const PROGRAMS: [&str; 10] =
    ["kubectl", "helm", "emnify-operator", "curl", "flux", "argocd", "kustomize", "velero", "docker", "git"];

/// What names a command without being one.
const MENTIONS: [&str; 2] = ["kubectl delete namespace", "emnify-operator check PATH"];

#[test]
fn commands_of_the_pages_that_are_run_stand_in_fences() {
    let parts = fs::read_dir(format!("{ROOT}/tests/e2e/docs")).unwrap().map(|part| part.unwrap().path());
    let files = parts.chain([format!("{ROOT}/tests/e2e/docs.rs").into()]);
    let runner: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut found = Vec::new();
    for page in pages() {
        let name = page.name.trim_start_matches("docs/").trim_end_matches(".md");
        if !RUN.contains(&name) {
            continue;
        }
        found.push(name.to_owned());
        let mut commands = 0;
        for code in &page.code {
            let mut words = code.text.split_whitespace().filter(|word| *word != "$");
            if !words.next().is_some_and(|first| PROGRAMS.contains(&first)) {
                continue;
            }
            let place = format!("{}:{}: `{}`", page.name, code.line, code.text);
            if let Some(fence) = &code.fence {
                assert!(
                    ["sh", "console"].contains(&fence.as_str()),
                    "{place} in a block `{fence}` is not run"
                );
                let breaks = |line: &str| line.starts_with("$ ") && line.ends_with('\\');
                assert!(!code.text.lines().any(breaks), "{place} is run without its second line");
                commands += 1;
            } else if words.nth(1).is_some_and(|third| !third.starts_with("--"))
                && !MENTIONS.contains(&code.text.as_str())
            {
                assert!(code.text.starts_with("kubectl "), "{place} belongs into a block, where it is run");
                let whole = format!("`{}`", code.text);
                assert!(
                    page.text.lines().any(|line| line.contains(&whole)),
                    "{place} is broken over two lines"
                );
                commands += 1;
            }
        }
        assert!(commands == 0 || runner.contains(&format!("\"{name}.md\"")), "nobody runs {}", page.name);
        for (at, line) in page.text.lines().enumerate() {
            if let Some(why) = line.trim().strip_prefix("<!-- not run:") {
                let why = why.trim_end_matches("-->").trim();
                assert!(why.len() > 15, "{}:{}: why is it not run?", page.name, at + 1);
            }
        }
    }
    found.sort();
    assert_eq!(found, RUN, "each page is there");
}

/// A page that somebody writes a block to run into is one that is run.
#[test]
fn blocks_of_commands_stand_on_pages_that_are_run() {
    for page in pages() {
        let name = page.name.trim_start_matches("docs/").trim_end_matches(".md");
        let block = page.code.iter().find(|code| matches!(code.fence.as_deref(), Some("sh" | "console")));
        assert!(
            block.is_none() || RUN.contains(&name),
            "{}: its blocks `sh` look as if they were run",
            page.name
        );
    }
}

/// Flux takes over what a manager whose name begins with `kubectl` has set.
#[test]
fn annotations_are_set_under_a_name_that_flux_leaves_alone() {
    let notes = fs::read_to_string(format!("{ROOT}/charts/emnify-operator/templates/NOTES.txt")).unwrap();
    let texts = pages().into_iter().map(|page| (page.name, page.text)).chain([("NOTES.txt".into(), notes)]);
    let mut seen = 0;
    for (name, text) in texts {
        let text = text.replace("\\\n", " ");
        for line in text.lines().filter(|line| line.contains("kubectl annotate ")) {
            if name != "CHANGELOG.md" && line.contains("emnify.io/") {
                assert!(line.contains("--field-manager=emnify"), "{name}: {line}");
                seen += 1;
            }
        }
    }
    assert!(seen > 6, "the docs annotate: {seen}");
}
