//! The plugins for k9s: what k9s takes, and what `kubectl emnify` understands.

use std::{collections::BTreeSet, fs, path::Path};

use clap::Parser;
use emnify_operator::{definitions::crds, plugin::cli::Cli};
use serde_json::Value;

use super::ROOT;

/// k9s sorts its tables by these, and a plugin that took one would have it load no plugin at all.
const TAKEN: [char; 6] = ['A', 'J', 'N', 'O', 'P', 'S'];

/// Verbs that write something; k9s leaves them out where it only reads.
const DANGEROUS: [&str; 4] = ["approve", "refresh", "resume", "suspend"];

fn plugins() -> Vec<(String, Value)> {
    let text = fs::read_to_string(Path::new(ROOT).join("plugin/k9s/plugins.yaml")).unwrap();
    let file: Value = serde_yaml::from_str(&text).unwrap();
    let file = file.as_object().unwrap();
    assert_eq!(file.keys().collect::<Vec<_>>(), ["plugins"], "k9s takes nothing else");
    let plugins = file["plugins"].as_object().unwrap();
    plugins.iter().map(|(name, plugin)| (name.clone(), plugin.clone())).collect()
}

fn list<'a>(plugin: &'a Value, key: &str) -> Vec<&'a str> {
    plugin[key].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

/// What kubectl emnify is given, before k9s fills in the object.
fn words(name: &str, plugin: &Value) -> Vec<String> {
    let args = list(plugin, "args");
    let words = match plugin["command"].as_str().unwrap() {
        "kubectl" => {
            assert_eq!(args[0], "emnify", "{name}");
            &args[1..]
        }
        "sh" => {
            assert!(args[0] == "-c" && args[2] == "sh", "{name}: the words are arguments of the script");
            assert!(args[1].starts_with("kubectl emnify \"$@\""), "{name}");
            assert_eq!(args[1].matches('$').count(), 1, "{name}: k9s puts no text into the script");
            &args[3..]
        }
        other => panic!("{name}: {other}"),
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Short name, plural and scope of every kind.
fn kinds() -> Vec<(String, String, bool)> {
    let names = crds().into_iter().map(|crd| {
        let short = crd.spec.names.short_names.unwrap_or_default().remove(0);
        (short, crd.spec.names.plural, crd.spec.scope == "Namespaced")
    });
    names.collect()
}

#[test]
fn k9s_loads_them_and_takes_no_key_of_its_own_away() {
    let all = plugins();
    for (at, (name, plugin)) in all.iter().enumerate() {
        for key in ["shortCut", "description", "command"] {
            assert!(plugin[key].is_string(), "{name}: {key} is required");
        }
        let key = plugin["shortCut"].as_str().unwrap();
        let letter = key.strip_prefix("Shift-").and_then(|key| key.parse::<char>().ok());
        assert!(letter.is_some_and(|c| c.is_ascii_uppercase() && !TAKEN.contains(&c)), "{name}: {key}");
        assert_eq!(plugin.get("override"), None, "{name}");
        let scopes = list(plugin, "scopes");
        for (other, plugin) in all[at + 1..].iter().filter(|(_, plugin)| plugin["shortCut"] == key) {
            let twice = list(plugin, "scopes").into_iter().find(|scope| scopes.contains(scope));
            assert_eq!(twice, None, "{name} and {other} have the key {key} in one view");
        }
    }
}

#[test]
fn they_are_offered_for_every_kind_of_ours_and_for_no_other() {
    let ours: BTreeSet<_> = kinds().into_iter().map(|(short, ..)| short).collect();
    for (name, plugin) in plugins() {
        let scopes: BTreeSet<_> = list(&plugin, "scopes").into_iter().map(str::to_owned).collect();
        if name.starts_with("emnify-status") || name == "emnify-approve" {
            assert!(scopes.iter().all(|scope| scope.ends_with("ws")), "{name}: a workspace: {scopes:?}");
        } else {
            assert_eq!(scopes, ours, "{name}: short names of all kinds");
        }
    }
}

#[test]
fn each_names_verbs_and_flags_that_there_are() {
    let mut verbs = BTreeSet::new();
    for (name, plugin) in plugins() {
        let words = words(&name, &plugin);
        verbs.insert(words[0].clone());
        assert_eq!(plugin["dangerous"] == true, DANGEROUS.contains(&&*words[0]), "{name}");
        let scopes = list(&plugin, "scopes");
        let kinds = kinds();
        for (_, plural, namespaced) in kinds.iter().filter(|(short, ..)| scopes.contains(&&**short)) {
            // k9s has no namespace for what is in none
            for namespace in if *namespaced { &["iot"][..] } else { &["-", ""] } {
                let filled = words.iter().map(|word| {
                    let word = word.replace("$RESOURCE_NAME", plural).replace("$NAMESPACE", namespace);
                    word.replace("$NAME", "one").replace("$CONTEXT", "arn:aws:eks:eu-1:1:cluster/a b")
                });
                let typed: Vec<_> = std::iter::once("kubectl-emnify".to_owned()).chain(filled).collect();
                assert!(typed.iter().all(|word| !word.contains('$')), "{name}: k9s fills in all: {typed:?}");
                let cli = Cli::try_parse_from(&typed);
                let cli = cli.unwrap_or_else(|error| panic!("{name}: {typed:?}: {error}"));
                assert_eq!(cli.place.context.as_deref(), Some("arn:aws:eks:eu-1:1:cluster/a b"), "{name}");
            }
        }
    }
    let wanted = ["approve", "explain", "refresh", "resume", "status", "suspend"];
    assert_eq!(verbs, BTreeSet::from(wanted.map(str::to_owned)));
}
