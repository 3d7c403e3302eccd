//! Which kinds are exported: those that are named, or all that are without being named.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use emnify_engine::kind::{set::ObjectSet, task::Task, trigger::Trigger};

use crate::kinds::{
    Visitor,
    export::{Export, Exported},
    for_each,
};

/// Which kinds are exported.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// `None`: all that need not be asked for.
    named: Option<BTreeSet<&'static str>>,
}

/// What a kind goes by, and whether manifests of it are written.
struct Candidate {
    kind: &'static str,
    names: fn() -> Vec<String>,
    asked_for: Option<&'static str>,
    never: Option<&'static str>,
}

/// All kinds of objects that emnify has.
fn kinds() -> Vec<Candidate> {
    struct All(Vec<Candidate>);
    impl Visitor for All {
        fn visit<K: Export>(&mut self) {
            let (asked_for, never) = match K::EXPORT {
                Exported::Always(_) => (None, None),
                Exported::OnRequest(why, _) => (Some(why), None),
                Exported::Never(why) => (None, Some(why)),
            };
            self.0.push(Candidate { kind: K::KIND, names: names::<K>, asked_for, never });
        }
        fn visit_set<F: ObjectSet>(&mut self) {}
        fn visit_task<T: Task>(&mut self) {}
        fn visit_trigger<T: Trigger>(&mut self) {}
    }
    let mut all = All(Vec::new());
    for_each(&mut all);
    all.0
}

/// Everything that kubectl calls the kind, in lower case.
fn names<K: Export>() -> Vec<String> {
    let names = K::crd().spec.names;
    let all = [Some(names.kind), Some(names.plural), names.singular].into_iter().flatten();
    all.chain(names.short_names.into_iter().flatten()).map(|name| name.to_lowercase()).collect()
}

impl Choice {
    /// Those that were typed; none: all that need not be asked for.
    pub fn of(typed: &[String]) -> Result<Self> {
        let (mut named, kinds) = (BTreeSet::new(), kinds());
        for word in typed {
            let called = word.to_lowercase();
            let Some(kind) = kinds.iter().find(|kind| (kind.names)().contains(&called)) else {
                let all = kinds.iter().filter(|kind| kind.never.is_none()).map(|kind| kind.kind);
                let all: Vec<_> = all.collect();
                bail!("{word} is no kind that can be exported; use one of {}", all.join(", "));
            };
            if let Some(why) = kind.never {
                bail!("{} is not exported: {why}", kind.kind);
            }
            named.insert(kind.kind);
        }
        Ok(Self { named: Some(named).filter(|named| !named.is_empty()) })
    }

    /// The kind is chosen. `asked_for`: only where it is named.
    pub(super) fn has(&self, kind: &str, asked_for: bool) -> bool {
        self.named.as_ref().map_or(!asked_for, |named| named.contains(kind))
    }

    /// What is told of kinds that nobody named.
    pub(super) fn left_out(&self) -> Vec<String> {
        if self.named.is_some() {
            return Vec::new();
        }
        let told = |Candidate { kind, asked_for, never, .. }: Candidate| {
            let asked_for = asked_for.map(|why| format!("{kind}: only where it is asked for: {why}"));
            asked_for.or_else(|| never.map(|why| format!("{kind}: not exported: {why}")))
        };
        kinds().into_iter().filter_map(told).collect()
    }
}

/// What may be typed as a kind.
pub(crate) fn words() -> Vec<String> {
    kinds().into_iter().filter(|kind| kind.never.is_none()).map(|kind| kind.kind.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(typed: &[&str]) -> Result<Choice> {
        Choice::of(&typed.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn kinds_go_by_all_their_names_and_some_are_only_exported_when_asked_for() {
        let all = chosen(&[]).unwrap();
        assert!(all.has("Endpoint", false) && !all.has("Sim", true));
        assert!(all.left_out().iter().any(|note| note.starts_with("Sim: only where")));
        assert!(all.left_out().iter().any(|note| note.starts_with("ApplicationToken: not exported")));
        let some = chosen(&["sims", "emep", "TariffProfile"]).unwrap();
        assert!(some.has("Sim", true) && some.has("Endpoint", false) && some.has("TariffProfile", false));
        assert!(!some.has("Tag", false) && some.left_out().is_empty());
        let told = |word: &str| chosen(&[word]).unwrap_err().to_string();
        assert!(told("cats").contains("use one of ServiceProfile, TariffProfile"));
        assert!(!told("cats").contains("ApplicationToken"), "what never is, is not offered");
        assert!(told("users").contains("User is not exported: people come and go"));
        assert!(words().contains(&"sim".to_owned()) && !words().contains(&"user".to_owned()));
    }
}
