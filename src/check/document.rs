//! YAML whose every value knows its line.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Located {
    /// Line, from 1; of the key for values in a mapping.
    pub(super) line: u64,
    /// The value.
    pub(super) node: Node,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Null, a boolean, a number or a string.
    Scalar(Value),
    /// A sequence.
    List(Vec<Located>),
    /// A mapping, in order.
    Map(Vec<(String, Located)>),
}

/// All documents of a file; on bad YAML the line and what is wrong. Empty documents are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Located>, (u64, String)> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    // as kubectl reads them
    options.legacy_octal_numbers = true;
    if let Some(budget) = &mut options.budget {
        // a fleet may come in one stream; how often anchors repeat stays bounded
        (budget.max_documents, budget.max_nodes, budget.max_events) = (usize::MAX, usize::MAX, usize::MAX);
    }
    let documents: Result<Vec<Located>, _> = serde_saphyr::from_multiple_with_options(text, options);
    let documents = documents.map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        (line, error.to_string())
    })?;
    Ok(documents.into_iter().filter(|document| document.node != Node::Scalar(Value::Null)).collect())
}

impl Located {
    /// The member of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Located> {
        match &self.node {
            Node::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Nothing is written here.
    pub(super) fn is_null(&self) -> bool {
        self.node == Node::Scalar(Value::Null)
    }

    /// The entries, if it is a sequence.
    pub(super) fn items(&self) -> &[Located] {
        match &self.node {
            Node::List(items) => items,
            _ => &[],
        }
    }

    /// The value at a path of mappings, such as `spec.sim.iccid`.
    pub(super) fn at(&self, path: &str) -> Option<&Located> {
        path.split('.').try_fold(self, |at, key| at.get(key))
    }

    /// The text, if it is some.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The same as JSON.
    pub(super) fn json(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(Located::json).collect(),
            Node::Map(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.clone(), value.json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The line of the value at a path such as `spec.services[0].limit`, or of the closest one above it.
    pub(super) fn line_of(&self, path: &str) -> u64 {
        let mut at = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match (&at.node, step.strip_suffix(']')) {
                (Node::List(items), Some(index)) => index.parse().ok().and_then(|i: usize| items.get(i)),
                _ => at.get(step),
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        at.line
    }
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Node>::deserialize(from)?;
        Ok(Self { line: spanned.referenced.line(), node: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

/// A number that no field takes: only that it is one matters, so that the advice is to quote it.
fn beyond(number: impl fmt::Display) -> Node {
    Node::Scalar(number.to_string().parse::<f64>().unwrap_or(f64::MAX).into())
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        Node::deserialize(from)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        Ok(beyond(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        Ok(beyond(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = from.next_entry::<Spanned<String>, Located>()? {
            let line = key.referenced.line();
            entries.push((key.value, Located { line, node: value.node }));
        }
        Ok(Node::Map(entries))
    }
}

pub(super) fn group(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
kind: A
spec:
  id: 123
  list:
  - name: one
  -
    name: two
---
---
kind: B
";

    #[test]
    fn every_value_knows_its_line() {
        let documents = parse(TEXT).unwrap();
        assert_eq!(documents.len(), 2, "empty documents do not count");
        let first = &documents[0];
        assert_eq!(first.line_of("kind"), 2);
        assert_eq!(first.line_of("spec.id"), 4);
        assert_eq!(first.line_of("spec.list[1].name"), 8);
        assert_eq!(first.line_of("spec.list[0].missing"), 6, "else the closest value above");
        assert_eq!(documents[1].line_of("kind"), 11);
    }

    #[test]
    fn a_stream_may_have_thousands_of_documents() {
        let stream = "kind: A\n---\n".repeat(3_000);
        assert_eq!(parse(&stream).unwrap().len(), 3_000);
    }

    #[test]
    fn bad_yaml_is_reported_with_its_line() {
        let (line, message) = parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(line >= 2 && !message.is_empty(), "{line}: {message}");
    }
}
