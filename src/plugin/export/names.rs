//! Names of objects, after what emnify calls them: the same in every run, whatever else is exported.

use std::collections::{HashMap, HashSet};

use emnify_engine::kind::Id;

/// Longest name before an id is added to it.
const LONGEST: usize = 60;

/// A name for each, in the order of `called`, which is that of the ids. Of several that would be called alike the one with the lowest id
/// is, and the others have their id at the end; so has one whose name is `given` already.
pub(super) fn of(kind: &str, called: &[(Id, String)], given: &HashSet<&str>) -> Vec<String> {
    let bases: Vec<String> = called.iter().map(|(id, called)| base(kind, id, called)).collect();
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (at, base) in bases.iter().enumerate().filter(|(_, base)| !given.contains(base.as_str())) {
        first.entry(base).or_insert(at);
    }
    let mut taken: HashSet<String> = first.keys().chain(given).map(|base| (*base).to_owned()).collect();
    let mut names = Vec::with_capacity(called.len());
    for (at, (base, (id, _))) in bases.iter().zip(called).enumerate() {
        if first.get(base.as_str()) == Some(&at) {
            names.push(base.clone());
            continue;
        }
        let suffix = word(&id.to_string());
        let mut name = format!("{base}-{suffix}");
        while !taken.insert(name.clone()) {
            name = format!("{name}-{suffix}");
        }
        names.push(name);
    }
    names
}

/// What is left of a text of it is a name in Kubernetes; else kind and id.
fn base(kind: &str, id: &Id, called: &str) -> String {
    let mut name: String = word(called).chars().take(LONGEST).collect();
    name.truncate(name.trim_end_matches('-').len());
    if name.is_empty() { format!("{}-{}", kind.to_lowercase(), word(&id.to_string())) } else { name }
}

/// Letters and digits in lower case, with one dash for whatever is between them.
fn word(text: &str) -> String {
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        } else if !word.is_empty() && !word.ends_with('-') {
            word.push('-');
        }
    }
    word.truncate(word.trim_end_matches('-').len());
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(called: &[(i64, &str)]) -> Vec<String> {
        let called: Vec<_> = called.iter().map(|(id, name)| (Id::Int(*id), (*name).to_owned())).collect();
        of("Endpoint", &called, &HashSet::new())
    }

    #[test]
    fn a_name_that_people_gave_is_left_to_them() {
        let called = [(Id::Int(1), "roof".to_owned()), (Id::Int(2), "roof".to_owned())];
        let given = HashSet::from(["roof", "roof-2"]);
        assert_eq!(of("Endpoint", &called, &given), ["roof-1", "roof-2-2"]);
    }

    #[test]
    fn names_are_what_kubernetes_takes() {
        let names =
            named(&[(1, "Meter 1"), (2, "_archive_Mode_"), (3, "9.9.9.9, 1.1.1.1"), (4, "日本"), (5, "")]);
        assert_eq!(names, ["meter-1", "archive-mode", "9-9-9-9-1-1-1-1", "endpoint-4", "endpoint-5"]);
        let long = named(&[(1, &"Ab ".repeat(100))]);
        assert!(long[0].len() <= LONGEST && !long[0].ends_with('-'), "{}", long[0]);
    }

    #[test]
    fn several_of_one_name_have_their_id_at_the_end_and_the_lowest_has_not() {
        assert_eq!(named(&[(1, "roof"), (7, "Roof"), (9, "roof!")]), ["roof", "roof-7", "roof-9"]);
        let before = named(&[(1, "roof"), (7, "roof")]);
        assert_eq!(named(&[(1, "roof"), (7, "roof"), (8, "roof")])[..2], before, "a new one renames nobody");
        let names = named(&[(1, "roof"), (2, "roof-3"), (3, "roof"), (4, "roof-3-3"), (5, "roof-3")]);
        assert_eq!(names, ["roof", "roof-3", "roof-3-3-3", "roof-3-3", "roof-3-5"], "no two are one");
    }
}
