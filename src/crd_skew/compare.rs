//! What differs between a schema of this binary and the one that the API server serves.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value};

/// Rules about a value; texts for people are left out, and so is what API servers add when they publish a schema.
const RULES: [&str; 17] = [
    "type",
    "format",
    "nullable",
    "enum",
    "pattern",
    "required",
    "maximum",
    "minimum",
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Parts of an object that its definition describes; the others are the API server's own.
const PARTS: [&str; 2] = ["spec", "status"];

/// Fields that are named in one sentence.
const NAMED: usize = 5;

/// How a definition in the cluster differs from this binary's; paths such as `spec.sim.iccid`, `[]` for list items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Fields that the cluster does not know: it drops them.
    pub lacking: Vec<String>,
    /// Fields that this binary does not know: it ignores them.
    pub unknown: Vec<String>,
    /// Fields with other rules.
    pub rules: Vec<String>,
}

impl Difference {
    /// Fields that differ.
    pub fn len(&self) -> usize {
        self.lacking.len() + self.unknown.len() + self.rules.len()
    }

    /// Nothing does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("lacks", &self.lacking),
            ("has, unknown to this operator,", &self.unknown),
            ("has other rules for", &self.rules),
        ];
        let mut parts = Vec::new();
        for (verb, paths) in lists.into_iter().filter(|(_, paths)| !paths.is_empty()) {
            let more = paths.len().saturating_sub(NAMED);
            let named = paths[..paths.len() - more].join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            parts.push(format!("{verb} {named}{more}"));
        }
        f.write_str(&parts.join("; "))
    }
}

/// Compares spec and status. A served schema that is `null` lacks everything.
pub fn compare(own: &Value, served: &Value) -> Difference {
    let mut found = Difference::default();
    let (own, served) = (properties(own), properties(served));
    for part in PARTS {
        field(own.get(part), served.get(part), part, &mut found);
    }
    found
}

fn field(own: Option<&Value>, served: Option<&Value>, at: &str, found: &mut Difference) {
    match (own, served) {
        (Some(own), Some(served)) => schema(own, served, at, found),
        (Some(_), None) => found.lacking.push(at.to_owned()),
        (None, Some(_)) => found.unknown.push(at.to_owned()),
        (None, None) => {}
    }
}

fn schema(own: &Value, served: &Value, at: &str, found: &mut Difference) {
    if RULES.iter().any(|rule| !same(own.get(rule), served.get(rule))) {
        found.rules.push(at.to_owned());
    }
    let (own_fields, served_fields) = (properties(own), properties(served));
    let names: BTreeSet<&String> = own_fields.keys().chain(served_fields.keys()).collect();
    for name in names {
        field(own_fields.get(name), served_fields.get(name), &format!("{at}.{name}"), found);
    }
    for members in ["items", "additionalProperties"] {
        let described = |schema: &Value| schema.get(members).filter(|inner| inner.is_object()).cloned();
        field(described(own).as_ref(), described(served).as_ref(), &format!("{at}[]"), found);
    }
}

fn properties(schema: &Value) -> Map<String, Value> {
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Equal but for the order of plain lists, how numbers are written, and `false` left out.
fn same(own: Option<&Value>, served: Option<&Value>) -> bool {
    plain(own) == plain(served)
}

fn plain(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Bool(false)) => Value::Null,
        Some(Value::Number(number)) => number.as_f64().map_or(Value::Null, Value::from),
        Some(Value::Array(items)) => {
            let mut items: Vec<Value> = items.iter().map(|item| plain(Some(item))).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Some(Value::Object(fields)) => {
            fields.iter().map(|(name, value)| (name.clone(), plain(Some(value)))).collect()
        }
        Some(other) => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own() -> Value {
        json!({"properties": {
            "metadata": {"type": "object"},
            "spec": {"type": "object", "required": ["a", "b"], "properties": {
                "a": {"type": "string", "description": "A.", "enum": ["X", "Y"]},
                "b": {"type": "integer", "maximum": 64.0},
                "c": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string"}}}},
                "e": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true},
            }},
        }})
    }

    fn with(pointer: &str, value: Option<Value>) -> Value {
        let mut schema = own();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = schema.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name)),
        }
        schema
    }

    #[test]
    fn what_an_api_server_writes_otherwise_is_no_difference() {
        for (pointer, value) in [
            ("/properties/spec/properties/a/description", json!("Something else.")),
            ("/properties/spec/properties/b/maximum", json!(64)),
            ("/properties/spec/required", json!(["b", "a"])),
            ("/properties/spec/nullable", json!(false)),
            ("/properties/spec/properties/e/allOf", json!([{"anyOf": []}])),
            ("/properties/metadata", json!({"allOf": [{"$ref": "#/ObjectMeta"}]})),
        ] {
            let served = with(pointer, Some(value));
            assert_eq!(compare(&own(), &served), Difference::default(), "{pointer}");
        }
    }

    #[test]
    fn a_field_that_one_side_does_not_know_is_named() {
        let older = with("/properties/spec/properties/c/items/properties/d", None);
        let found = compare(&own(), &older);
        assert_eq!(found.lacking, ["spec.c[].d"], "the cluster would drop it");
        assert_eq!(found.to_string(), "lacks spec.c[].d");
        let newer = compare(&older, &own());
        assert_eq!((newer.unknown, newer.lacking), (vec!["spec.c[].d".to_owned()], vec![]));
        assert_eq!(compare(&own(), &Value::Null).lacking, ["spec"], "nothing is served");
    }

    #[test]
    fn other_rules_are_a_difference() {
        let fewer = with("/properties/spec/properties/a/enum", Some(json!(["X"])));
        assert_eq!(compare(&own(), &fewer).rules, ["spec.a"], "a value that it would refuse");
        let rule = json!([{"rule": "self.b > 1"}]);
        let checked = with("/properties/spec/x-kubernetes-validations", Some(rule));
        assert_eq!(compare(&own(), &checked).to_string(), "has other rules for spec");
    }

    #[test]
    fn a_sentence_names_a_few_fields() {
        let lacking: Vec<String> = (0..8).map(|n| format!("f{n}")).collect();
        let found = Difference { lacking, unknown: vec!["g".into()], rules: Vec::new() };
        let wanted = "lacks f0, f1, f2, f3, f4 and 3 more; has, unknown to this operator, g";
        assert_eq!((found.to_string().as_str(), found.len()), (wanted, 9));
    }
}
