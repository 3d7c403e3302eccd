//! What part of all workspaces this process serves.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use kube::core::{Expression, Selector, SelectorExt};
use sha2::{Digest, Sha256};

/// Hexadecimal digits of the selector's hash in the name of a lease.
const DIGITS: usize = 10;

/// A label selector that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{part}` is no requirement of a label selector; write one like region=eu, tier!=test, tier in (gold,silver), legacy or !legacy"
)]
pub struct InvalidSelector {
    /// The requirement.
    pub part: String,
}

/// Workspaces that a label selector matches, and the name of those who serve them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shard {
    selector: Selector,
    text: String,
    lease: String,
}

impl Shard {
    /// The workspaces that `selector` matches (all, if it is empty), served by whoever holds the lease `name`, or for a
    /// part of them `name` with a hash of the selector. Order and spelling of a selector make no difference.
    pub fn new(name: &str, selector: &str) -> Result<Self, InvalidSelector> {
        let mut requirements = requirements(selector)?;
        requirements.sort();
        requirements.dedup();
        let text = requirements.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let lease = if requirements.is_empty() {
            name.to_owned()
        } else {
            let digest = HEXLOWER.encode(&Sha256::digest(&text));
            format!("{name}-{}", &digest[..DIGITS])
        };
        Ok(Self { selector: Selector::from_iter(requirements), text, lease })
    }

    /// Whether a workspace with these labels is served.
    pub fn serves(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.matches(labels)
    }

    /// Whether every workspace is.
    pub fn selects_all(&self) -> bool {
        self.selector.selects_all()
    }

    /// Name of the lease of those who serve them.
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// The selector in its one spelling; empty for all.
    pub fn selector(&self) -> &str {
        &self.text
    }
}

fn requirements(selector: &str) -> Result<Vec<Expression>, InvalidSelector> {
    let mut parts = vec![String::new()];
    let mut within = false;
    for c in selector.chars() {
        within = (within || c == '(') && c != ')';
        match parts.last_mut() {
            Some(part) if c != ',' || within => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    if selector.trim().is_empty() {
        return Ok(Vec::new());
    }
    let read =
        |part: String| requirement(part.trim()).ok_or(InvalidSelector { part: part.trim().to_owned() });
    parts.into_iter().map(read).collect()
}

/// One requirement, in the syntax of kubectl's `--selector`.
fn requirement(part: &str) -> Option<Expression> {
    if let Some(key) = part.strip_prefix('!') {
        return Some(Expression::DoesNotExist(key_of(key)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Expression::NotEqual(key_of(key)?, value_of(value)?));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Expression::Equal(key_of(key)?, value_of(value)?));
    }
    let Some((head, values)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) else {
        return Some(Expression::Exists(key_of(part)?));
    };
    let values = values.split(',').map(value_of).collect::<Option<_>>()?;
    match head.trim().split_once(char::is_whitespace)? {
        (key, operator) if operator.trim() == "in" => Some(Expression::In(key_of(key)?, values)),
        (key, operator) if operator.trim() == "notin" => Some(Expression::NotIn(key_of(key)?, values)),
        _ => None,
    }
}

/// The key of a label: a name, perhaps with a DNS name in front.
fn key_of(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, name) = text.rsplit_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let dns = |prefix: &str| {
        let label = |label: &str| {
            is_word(label) && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        };
        prefix.len() <= 253 && prefix.split('.').all(label)
    };
    (is_word(name) && prefix.is_none_or(dns)).then(|| text.to_owned())
}

/// The value of a label: a name or nothing.
fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    (text.is_empty() || is_word(text)).then(|| text.to_owned())
}

/// Up to 63 letters, digits, dashes, underscores and dots, with a letter or digit at both ends.
fn is_word(text: &str) -> bool {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && bytes.iter().all(|c| edge(Some(*c)) || b"-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(selector: &str) -> Shard {
        Shard::new("emnify-operator", selector).expect("a selector")
    }

    fn labels(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn equality_and_sets_are_understood() {
        let eu = labels(&[("region", "eu"), ("example.com/tier", "gold")]);
        let none = labels(&[]);
        for (selector, serves_eu, serves_none) in [
            ("", true, true),
            ("region=eu", true, false),
            ("region == eu", true, false),
            ("region!=eu", false, true),
            ("region in (us, eu)", true, false),
            ("region notin (us,eu)", false, true),
            ("region", true, false),
            ("!region", false, true),
            ("example.com/tier in (gold,silver),region=eu", true, false),
            ("example.com/tier=gold,region=us", false, false),
        ] {
            let shard = shard(selector);
            assert_eq!((shard.serves(&eu), shard.serves(&none)), (serves_eu, serves_none), "{selector}");
        }
    }

    #[test]
    fn what_kubectl_would_refuse_is_refused() {
        for selector in
            ["a b", "a in b", "a within (b)", "=b", "a=b c", "a in (b", "-a=b", "A_b/c=d", "a=b,", "a/=b"]
        {
            assert!(Shard::new("emnify-operator", selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn a_shard_has_one_name_however_its_selector_is_spelt() {
        let one = shard("region in (us,eu),tier=gold");
        let same = shard(" tier == gold , region in ( eu, us )");
        assert_eq!(one, same);
        assert_ne!(one.lease(), shard("tier=gold").lease());
        assert_eq!(shard("").lease(), "emnify-operator", "without a selector it is the name itself");
        let name = one.lease();
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(
            name.starts_with("emnify-operator-") && name.len() <= 253 && name.chars().all(valid),
            "{name}"
        );
    }
}
