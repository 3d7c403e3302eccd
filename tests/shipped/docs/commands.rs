//! Commands in the docs: those of the pages that are run can be found by who runs them, and none is undone by a tool.

use std::fs;

use super::{ROOT, pages};

/// Pages whose every command `tests/e2e/docs.rs` runs.
const RUN: [&str; 5] = ["gitops", "install", "runbook", "uninstall", "upgrade"];

#[test]
fn commands_of_the_pages_that_are_run_stand_in_fences() {
    for page in pages() {
        let name = page.name.trim_start_matches("docs/").trim_end_matches(".md");
        if !RUN.contains(&name) {
            continue;
        }
        for code in &page.code {
            let first = code.text.split_whitespace().find(|word| *word != "$").unwrap_or_default();
            let command = ["kubectl", "helm", "emnify-operator", "curl"].contains(&first);
            let fence = code.fence.as_deref().unwrap_or("sh");
            let run = ["sh", "console"].contains(&fence);
            assert!(!command || run, "{}:{}: a block `{fence}` is not run", page.name, code.line);
        }
        for (at, line) in page.text.lines().enumerate() {
            if let Some(why) = line.trim().strip_prefix("<!-- not run:") {
                let why = why.trim_end_matches("-->").trim();
                assert!(why.len() > 15, "{}:{}: why is it not run?", page.name, at + 1);
            }
        }
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
