//! The runbook has an entry for everything that a person may be told.

use std::{collections::BTreeSet, fs, path::Path};

use emnify_engine::kind::reason::{self, annotation, condition};
use serde_yaml::Value;

use super::{Page, ROOT, page::Heading};

/// Section of the alerts; all other entries are reasons.
const ALERTS: &str = "Alerts";

fn runbook() -> Page {
    Page::read(&Path::new(ROOT).join("docs/runbook.md"))
}

/// Entries of the section of alerts, or of all other sections.
fn entries(page: &Page, of_alerts: bool) -> Vec<&Heading> {
    let mut in_alerts = false;
    let mut found = Vec::new();
    for heading in &page.headings {
        match heading.level {
            2 => in_alerts = heading.title == ALERTS,
            3 if in_alerts == of_alerts => found.push(heading),
            _ => {}
        }
    }
    found
}

#[test]
fn every_reason_has_its_entry() {
    let page = runbook();
    let titles: Vec<&str> = entries(&page, false).iter().map(|heading| heading.title.as_str()).collect();
    let there: BTreeSet<&str> = titles.iter().copied().collect();
    assert_eq!(there.len(), titles.len(), "an entry is there once");
    let reasons: BTreeSet<&str> = reason::ALL.iter().map(|(reason, _)| *reason).collect();
    let missing: Vec<_> = reasons.difference(&there).collect();
    assert!(missing.is_empty(), "every reason has an entry in docs/runbook.md: {missing:?}");
    let surplus: Vec<_> = there.difference(&reasons).collect();
    assert!(surplus.is_empty(), "every entry of docs/runbook.md is a reason: {surplus:?}");
}

#[test]
fn every_entry_says_what_to_do() {
    let page = runbook();
    for heading in entries(&page, false).into_iter().chain(entries(&page, true)) {
        for part in ["**Means.** ", "**See.** ", "**Do.** ", "**Ends.** "] {
            assert!(page.section(heading).contains(part), "{}: an entry has {part}", heading.title);
        }
    }
}

#[test]
fn every_condition_type_and_annotation_is_explained() {
    let page = runbook();
    for (word, _) in condition::ALL {
        assert!(page.text.contains(&format!("| `{word}` |")), "{word} is in the table of condition types");
    }
    for (word, _) in annotation::ALL {
        assert!(page.text.contains(word), "{word} is in the runbook");
    }
}

#[test]
fn every_alert_has_its_entry() {
    let page = runbook();
    let there: BTreeSet<&str> = entries(&page, true).iter().map(|heading| heading.title.as_str()).collect();
    let rules = Path::new(ROOT).join("charts/emnify-operator/files/rules.yaml");
    let rules: Value =
        serde_yaml::from_str(&fs::read_to_string(rules).expect("the chart has rules")).unwrap();
    let rules = rules["groups"].as_sequence().into_iter().flatten();
    let rules = rules.flat_map(|group| group["rules"].as_sequence().into_iter().flatten());
    let alerts: BTreeSet<&str> = rules.filter_map(|rule| rule["alert"].as_str()).collect();
    assert_eq!(there, alerts, "the alerts of the chart and the entries of docs/runbook.md");
}
