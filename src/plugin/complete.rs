//! What may be typed next. kubectl asks `kubectl_complete-emnify`, which is this program under another name, for all of its shells.

use clap::{Arg, Command, CommandFactory};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};

use super::{
    cli::{Cli, Place},
    cluster::Cluster,
    lookups,
};
use crate::definitions::families;

/// The name that kubectl looks for.
pub const PROGRAM: &str = "kubectl_complete-emnify";

/// Nothing is added after the word. Cobra's directive.
const NO_SPACE: u8 = 2;
/// Files are no candidates. Cobra's directive.
const NO_FILES: u8 = 4;

/// What a word may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// One of these words.
    Words(Vec<String>),
    /// A name of an object of this kind; the kind as it was typed stands before it.
    Object {
        kind: String,
    },
    /// A kind, and a name after that.
    Kinds,
    Namespaces,
    /// A file.
    Files,
}

/// Candidates for the last of `words`, and a line that says what a shell makes of them. What cannot be asked for has none.
#[tokio::main(flavor = "current_thread")]
pub async fn run(words: &[String]) -> Vec<String> {
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let wanted = wanted(before, last);
    let directive = match wanted {
        Wanted::Files => 0,
        Wanted::Kinds => NO_SPACE | NO_FILES,
        _ => NO_FILES,
    };
    let mut all = candidates(wanted, before).await;
    all.retain(|candidate| candidate.starts_with(last));
    all.push(format!(":{directive}"));
    all
}

async fn candidates(wanted: Wanted, before: &[String]) -> Vec<String> {
    let place = place(before);
    match wanted {
        Wanted::Words(words) => words,
        Wanted::Files => Vec::new(),
        Wanted::Kinds => {
            families().iter().map(|family| format!("{}/", family.resource.kind.to_lowercase())).collect()
        }
        Wanted::Object { kind } => {
            let Ok(cluster) = Cluster::connect(&place).await else { return Vec::new() };
            let Ok(family) = cluster.kind(&kind) else { return Vec::new() };
            let names = cluster.names(family).await.unwrap_or_default();
            names.iter().map(|name| format!("{kind}/{name}")).collect()
        }
        Wanted::Namespaces => {
            let Ok(cluster) = Cluster::connect(&place).await else { return Vec::new() };
            let api: Api<Namespace> = Api::all(cluster.client.clone());
            let listed = api.list(&ListParams::default()).await;
            listed.map(|all| all.iter().map(ResourceExt::name_any).collect()).unwrap_or_default()
        }
    }
}

/// Namespace and context that were typed before.
fn place(before: &[String]) -> Place {
    let value = |names: &[&str]| {
        before.iter().enumerate().find_map(|(at, word)| {
            if names.contains(&word.as_str()) {
                return before.get(at + 1).cloned();
            }
            let (flag, value) = word.split_once('=')?;
            names.contains(&flag).then(|| value.to_owned())
        })
    };
    Place { namespace: value(&["-n", "--namespace"]), context: value(&["--context"]), ..Place::default() }
}

/// What the last word may be, after those before it.
fn wanted(before: &[String], last: &str) -> Wanted {
    let mut cli = Cli::command();
    cli.build();
    let (verb, positionals, open) = read(&cli, before);
    if let Some(flag) = open {
        return value_of(&flag);
    }
    let command = verb.as_ref().unwrap_or(&cli);
    if last.starts_with('-') {
        let flags = command.get_arguments().filter_map(Arg::get_long);
        return Wanted::Words(flags.map(|long| format!("--{long}")).collect());
    }
    let Some(verb) = &verb else {
        return Wanted::Words(cli.get_subcommands().map(|verb| verb.get_name().to_owned()).collect());
    };
    match (verb.get_name(), positionals) {
        ("get", 0) => Wanted::Words(lookups::names().map(str::to_owned).collect()),
        ("run", 0) => Wanted::Words(super::run::actions()),
        ("export", _) => Wanted::Words(super::export::words()),
        ("approve", 0) if !last.contains('/') => {
            Wanted::Words(vec!["workspace/".to_owned(), "clusterworkspace/".to_owned()])
        }
        (name, at) => {
            let more = verb.get_positionals().nth(at).is_some() || name == "run";
            match last.split_once('/') {
                _ if !more => Wanted::Words(Vec::new()),
                Some((kind, _)) => Wanted::Object { kind: kind.to_owned() },
                None => Wanted::Kinds,
            }
        }
    }
}

/// The verb, how many words after it are no flags, and a flag whose value comes next.
fn read(cli: &Command, before: &[String]) -> (Option<Command>, usize, Option<Arg>) {
    let (mut verb, mut positionals, mut open): (Option<Command>, usize, Option<Arg>) = (None, 0, None);
    for word in before {
        if open.take().is_some() {
            continue;
        }
        let command = verb.as_ref().unwrap_or(cli);
        if word.starts_with('-') {
            let named = |arg: &&Arg| {
                let long = arg.get_long().is_some_and(|long| *word == format!("--{long}"));
                long || arg.get_short().is_some_and(|short| *word == format!("-{short}"))
            };
            open = command.get_arguments().find(named).filter(|arg| arg.get_action().takes_values()).cloned();
        } else if verb.is_none() {
            verb = cli.find_subcommand(word).cloned();
        } else {
            positionals += 1;
        }
    }
    (verb, positionals, open)
}

fn value_of(flag: &Arg) -> Wanted {
    let values = flag.get_possible_values();
    match flag.get_id().as_str() {
        "namespace" => Wanted::Namespaces,
        "token_file" | "to" => Wanted::Files,
        _ => Wanted::Words(values.iter().map(|value| value.get_name().to_owned()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(line: &str) -> Wanted {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (last, before) = words.split_last().unwrap();
        wanted(before, last)
    }

    fn words(line: &str) -> Vec<String> {
        match next(line) {
            Wanted::Words(words) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn verbs_flags_tables_and_actions_are_known() {
        assert!(
            words("").contains(&"explain".to_owned()) && words("-n iot ex").contains(&"explain".to_owned())
        );
        assert!(words("events --fo").contains(&"--follow".to_owned()));
        assert!(
            words("status --").contains(&"--all-namespaces".to_owned())
                && words("status --").contains(&"--namespace".to_owned())
        );
        assert_eq!(words("get rat-types -o "), ["table", "wide", "json", "yaml", "name"]);
        assert!(words("get ").contains(&"rat-types".to_owned()));
        assert!(words("run s").contains(&"sendSms".to_owned()));
        assert!(words("export tag ").contains(&"endpoint".to_owned()));
        assert_eq!(next("export --to "), Wanted::Files);
        assert_eq!(words("explain endpoint/a "), [""; 0], "one object is enough");
    }

    #[test]
    fn objects_are_named_by_their_kind() {
        assert_eq!(next("explain "), Wanted::Kinds);
        assert_eq!(next("explain endpoint/me"), Wanted::Object { kind: "endpoint".into() });
        assert_eq!(
            next("run sendSms endpoint/a emep/b"),
            Wanted::Object { kind: "emep".into() },
            "and further ones"
        );
        assert_eq!(next("approve workspace/d"), Wanted::Object { kind: "workspace".into() });
        assert_eq!(next("explain -n "), Wanted::Namespaces);
        assert_eq!(next("whoami --token-file "), Wanted::Files);
        let typed: Vec<String> = ["explain", "-n", "iot", "--context=prod"].map(str::to_owned).into();
        let place = place(&typed);
        assert_eq!((place.namespace.as_deref(), place.context.as_deref()), (Some("iot"), Some("prod")));
    }
}
