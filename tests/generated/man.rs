//! `plugin/man/`: a manual page for the plugin of kubectl and for each verb, from the flags.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use emnify_operator::plugin::cli::Cli;

/// Name and text of each page.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let verbs = cli.get_subcommands().cloned();
    let mut pages: Vec<_> = verbs.map(page).collect();
    pages.push(page(cli));
    pages
}

fn page(command: Command) -> (String, String) {
    // without the version: a release changes no page
    let man = Man::new(command.version(None::<&str>)).source("emnify-operator").manual("kubectl emnify");
    let mut text = Vec::new();
    man.render(&mut text).expect("memory takes any text");
    let text = String::from_utf8(text).expect("a page is text");
    (man.get_filename(), text.replace(".SH EXTRA\nExample:\n", ".SH EXAMPLE\n"))
}
