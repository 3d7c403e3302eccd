//! `docs/benchmarks.md`: a table for each scenario, the rest of the page in one place.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;

use super::{args::BenchArgs, figure::Verdict, machine::Machine, report::Report, scenario::Scenario};

/// What stands above the tables.
const HEAD: &str = include_str!("page.md");

/// How a table is told from that without load.
const LOAD: &str = " --load";

/// Writes the page. Scenarios that were not measured now keep their tables of the last time.
pub(super) fn write(file: &Path, machine: &Machine, args: &BenchArgs, reports: &[Report]) -> Result<()> {
    let before = fs::read_to_string(file).unwrap_or_default();
    let mut sections = sections(&before);
    for report in reports {
        sections.insert(title(report.scenario, args.load), section(report, machine, args));
    }
    fs::write(file, page(&sections)).with_context(|| format!("{} cannot be written", file.display()))
}

/// The tables of a page, by the name of their scenario.
fn sections(page: &str) -> BTreeMap<String, String> {
    let parts = page.split("\n## ").skip(1);
    let named = parts.filter_map(|part| {
        let (name, text) = part.split_once('\n')?;
        Some((name.trim().to_owned(), text.trim().to_owned()))
    });
    named.filter(|(name, _)| titles().any(|(title, _)| title == *name)).collect()
}

/// What stands above a table.
fn title(scenario: Scenario, load: bool) -> String {
    scenario.name() + if load { LOAD } else { "" }
}

/// Every table that there may be, in their order, and whether it is one with load.
fn titles() -> impl Iterator<Item = (String, bool)> {
    let both = |scenario: &Scenario| [false, true].map(|load| (title(*scenario, load), load));
    Scenario::value_variants().iter().flat_map(both)
}

fn page(sections: &BTreeMap<String, String>) -> String {
    let mut page = HEAD.trim_end().to_owned();
    for (name, load) in titles() {
        let text = match sections.get(&name) {
            Some(text) => text,
            None if load => continue,
            None => "Not measured yet.",
        };
        write!(page, "\n\n## {name}\n\n{text}").expect("a String takes every write");
    }
    page + "\n"
}

fn section(report: &Report, machine: &Machine, args: &BenchArgs) -> String {
    let name = title(report.scenario, args.load);
    let quick = if args.quick { " --quick" } else { "" };
    let mut text = format!("{}\n\n`bench {name}{quick}` on {machine}.\n", report.scenario.about());
    if !report.figures.is_empty() {
        text += "\n| Figure | Measured | Bar | |\n|---|---:|---:|---|\n";
    }
    for figure in &report.figures {
        let bar = figure.bar.as_ref().map(ToString::to_string).unwrap_or_default();
        let verdict = match figure.verdict() {
            Verdict::Short => "**SHORT**".to_owned(),
            verdict => verdict.to_string(),
        };
        // Routes have braces and the bars a `<`.
        let row = format!("| {} | {} | {bar} | {verdict} |", figure.what.replace('|', "\\|"), figure.value);
        writeln!(text, "{}", row.replace('<', "&lt;")).expect("a String takes every write");
    }
    for note in &report.notes {
        writeln!(text, "\n{note}.").expect("a String takes every write");
    }
    if let Some(failure) = &report.failure {
        let first = failure.lines().next().unwrap_or_default();
        writeln!(text, "\n**Not measured to the end:** {first}").expect("a String takes every write");
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_now_stays_on_the_page() {
        let table = || "Old figures.\n\n| a | b |".to_owned();
        let old = ["create-1000", "create-10000 --load"].map(|name| (name.to_owned(), table()));
        let old = BTreeMap::from(old);
        let written = page(&old);
        assert_eq!(sections(&written), {
            let mut all = old.clone();
            for scenario in Scenario::value_variants() {
                all.entry(scenario.name()).or_insert_with(|| "Not measured yet.".to_owned());
            }
            all
        });
        assert_eq!(page(&sections(&written)), written, "writing what was read changes nothing");
        assert!(
            sections("# Title\n\n## something else\n\ntext").is_empty(),
            "only tables of scenarios are kept"
        );
    }
}
