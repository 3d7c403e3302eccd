//! Flags that the docs name.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory};
use emnify_harness::cli::Cli as Harness;
use emnify_operator::{cli::Cli as Operator, plugin::cli::Cli as Plugin};

use super::pages;

/// Whose flags are their own.
const TOOLS: &[&str] = &[
    "argocd",
    "cargo",
    "cosign",
    "curl",
    "docker",
    "flux",
    "git",
    "helm",
    "jq",
    "kubeconform",
    "kubectl",
    "mdbook",
    "promtool",
    "syft",
];

#[test]
fn every_flag_in_the_docs_exists() {
    let known = &(&flags(&Operator::command()) | &flags(&Harness::command())) | &flags(&Plugin::command());
    let mut unknown = Vec::new();
    for page in pages() {
        // a changelog tells of flags that are gone
        for code in page.code.iter().filter(|_| page.name != "CHANGELOG.md") {
            if code.fence.as_deref().is_some_and(|fence| !["", "sh", "console", "text"].contains(&fence)) {
                continue;
            }
            let text = code.text.replace("\\\n", " ");
            for line in text.lines() {
                let wrong = ours(line).into_iter().filter(|name| !known.contains(*name));
                unknown.extend(wrong.map(|name| format!("{}:{}: --{name}", page.name, code.line)));
            }
        }
    }
    assert!(unknown.is_empty(), "flags in the docs exist: {unknown:#?}");
}

/// Flags of a line that do not follow another tool's name.
fn ours(line: &str) -> Vec<&str> {
    let (mut foreign, mut found) = (false, Vec::new());
    for word in line.split(|c: char| c.is_whitespace() || "`'\"[(".contains(c)) {
        match word {
            "|" | "||" | "&&" | ";" => foreign = false,
            tool if TOOLS.contains(&tool) => foreign = true,
            word if !foreign => found.extend(flag(word)),
            _ => {}
        }
    }
    found
}

/// The name in a word that is a long flag, whatever follows it.
fn flag(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))?;
    name.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()
}

/// Long flags of a command and all below it, `help` and `version` included.
fn flags(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned));
    let below = command.get_subcommands().flat_map(flags);
    own.chain(below).chain(["help".to_owned(), "version".to_owned()]).collect()
}
