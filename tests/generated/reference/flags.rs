//! The command line, as clap knows it.

use clap::{Arg, Command, CommandFactory};
use emnify_operator::{cli::Cli, plugin::cli::Cli as Plugin};

use super::{
    NOTE,
    fields::{cell, flat, table},
};

/// A section for each command.
pub(super) fn page() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut page = format!(
        "# Command line\n\n{NOTE}\n\nEach flag of `run` can also be set by its environment variable; the flag goes before. \
         `emnify-operator help` prints the same.\n\n"
    );
    page += &sections(&cli, "emnify-operator");
    page
}

/// The verbs of the plugin of kubectl, and the flags that all of them take.
pub(super) fn plugin() -> String {
    let mut cli = Plugin::command();
    cli.build();
    let shared: Vec<_> = cli.get_arguments().filter(|arg| arg.is_global_set()).map(row).collect();
    let shared = table(["Flag", "Environment", "Default", "Meaning"], shared);
    format!("## Flags of every verb\n\n{shared}{}", sections(&cli, "kubectl emnify"))
}

fn sections(cli: &Command, program: &str) -> String {
    let commands = cli.get_subcommands().filter(|command| command.get_name() != "help");
    commands.map(|command| section(command, program)).collect()
}

fn section(command: &Command, program: &str) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage: Vec<String> = command.get_positionals().map(values).collect();
    let name = [command.get_name().to_owned()].into_iter().chain(usage).collect::<Vec<_>>().join(" ");
    let example = command.get_after_help().map(ToString::to_string).map_or_else(String::new, |example| {
        format!("```text\n{}\n```\n\n", example.trim_start_matches("Example:").trim())
    });
    let mut text = format!("## `{program} {name}`\n\n{}\n\n{example}", sentence(&about));
    let flags: Vec<_> = command
        .get_arguments()
        .filter(|arg| arg.get_long().is_some_and(|long| !["help", "version"].contains(&long)))
        .filter(|arg| !arg.is_global_set())
        .map(row)
        .collect();
    let positionals = command.get_positionals().map(row);
    let rows: Vec<_> = positionals.chain(flags).collect();
    if !rows.is_empty() {
        text += &table(["Flag", "Environment", "Default", "Meaning"], rows);
    }
    text
}

fn row(arg: &Arg) -> [String; 4] {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) };
    let takes = arg.get_action().takes_values();
    let value = if takes { values(arg) } else { String::new() };
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let name = arg.get_long().map_or_else(|| value.clone(), |long| format!("{short}--{long} {value}"));
    let env = arg.get_env().map(|env| env.to_string_lossy().into_owned()).unwrap_or_default();
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
    let help =
        arg.get_long_help().or(arg.get_help()).map(|help| sentence(&help.to_string())).unwrap_or_default();
    let must = if arg.is_required_set() { " Required." } else { "" };
    let choice: Vec<_> = if takes { arg.get_possible_values() } else { Vec::new() }
        .iter()
        .map(|value| {
            let help = value.get_help().map(|help| sentence(&help.to_string())).unwrap_or_default();
            format!(" `{}`: {help}", value.get_name())
        })
        .collect();
    let meaning = format!("{help}{must}{}", choice.join(""));
    [code(name.trim()), code(&env), code(&defaults.join(",")), cell(&meaning)]
}

/// clap drops the last full stop.
fn sentence(text: &str) -> String {
    let text = flat(text);
    if text.ends_with('.') { text } else { text + "." }
}

fn values(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" ")
}
