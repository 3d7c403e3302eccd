//! The fields of a schema as rows of a table.

use std::fmt::Write;

use emnify_operator::definitions;
use serde_json::Value;

/// Fields and rules of one schema.
pub(super) struct Fields {
    rows: Vec<[String; 3]>,
    /// Where, what must hold, and the expression.
    rules: Vec<[String; 3]>,
}

impl Fields {
    /// Those of an object whose name passes `wanted`, with everything below them.
    pub(super) fn of(schema: &Value, at: &str, wanted: &dyn Fn(&str) -> bool) -> Self {
        let mut fields = Self { rows: Vec::new(), rules: Vec::new() };
        fields.rules_of(schema, at);
        fields.members(schema, "", wanted);
        fields
    }

    fn members(&mut self, schema: &Value, prefix: &str, wanted: &dyn Fn(&str) -> bool) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in schema["properties"].as_object().into_iter().flatten().filter(|(n, _)| wanted(n))
        {
            let path = format!("{prefix}{name}");
            let must = if required.contains(&name.as_str()) { ", required" } else { "" };
            let about = flat(field["description"].as_str().unwrap_or_default());
            let limits = limits(field);
            let text = [about, limits].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ");
            self.rows.push([format!("`{path}`"), kind(field) + must, cell(&text)]);
            self.below(field, &path);
        }
    }

    /// Members of the field, or of its items; conditions are the same everywhere.
    fn below(&mut self, field: &Value, path: &str) {
        self.rules_of(field, path);
        if is_conditions(field) {
            return;
        }
        self.members(field, &format!("{path}."), &|_| true);
        let items = &field["items"];
        if items.is_object() {
            self.below(items, &format!("{path}[]"));
        }
    }

    fn rules_of(&mut self, schema: &Value, at: &str) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let text = |key: &str| rule[key].as_str().unwrap_or_default();
            self.rules.push([format!("`{at}`"), cell(text("message")), format!("`{}`", cell(text("rule")))]);
        }
    }

    pub(super) fn table(&self) -> String {
        table(["Field", "Type", "Meaning"], self.rows.iter().cloned())
    }

    /// What the API server checks beyond types; empty if there is nothing.
    pub(super) fn rules(&self) -> String {
        if self.rules.is_empty() {
            return String::new();
        }
        let rules = table(["Field", "Message", "Rule"], self.rules.iter().cloned());
        format!("### Rules\n\nThe API server refuses a manifest that breaks one of these (CEL).\n\n{rules}")
    }
}

/// A table; titles that are all empty give it a bare head.
pub(super) fn table<const N: usize>(
    titles: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut text = format!("| {} |\n|{}\n", titles.join(" | "), "---|".repeat(N));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).expect("a string takes any text");
    }
    text + "\n"
}

/// Text that may stand in a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// On one line.
pub(super) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_conditions(field: &Value) -> bool {
    field["items"]["properties"].get("lastTransitionTime").is_some()
}

fn kind(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "integer or string".to_owned();
    }
    if is_conditions(field) {
        return "list of conditions".to_owned();
    }
    if field["items"].is_object() {
        let unique = if field["x-kubernetes-list-type"] == "set" { "set" } else { "list" };
        return format!("{unique} of {}", kind(&field["items"]));
    }
    if field["additionalProperties"].is_object() {
        return format!("map to {}", kind(&field["additionalProperties"]));
    }
    field["type"].as_str().unwrap_or("anything").to_owned()
}

/// What else the schema demands, as a sentence or two.
fn limits(field: &Value) -> String {
    let mut all = Vec::new();
    let listed = field["enum"].as_array().map(|values| values.iter().filter_map(Value::as_str).collect());
    let listed: Option<Vec<&str>> = field["pattern"].as_str().and_then(definitions::values).or(listed);
    if let Some(values) = &listed {
        let values: Vec<_> = values.iter().map(|v| format!("`{v}`")).collect();
        all.push(format!("One of {}.", values.join(", ")));
    }
    for (least, most, what) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
    ] {
        let number = |key: &str| field[key].as_f64();
        all.extend(match (number(least), number(most)) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}{what}.")),
            (Some(least), None) => Some(format!("At least {least}{what}.")),
            (None, Some(most)) => Some(format!("At most {most}{what}.")),
            (None, None) => None,
        });
    }
    if let (Some(pattern), None) = (field["pattern"].as_str(), listed) {
        all.push(format!("Pattern `{pattern}`."));
    }
    let items = &field["items"];
    if items.is_object() && items["properties"].is_null() {
        let each = limits(items);
        if !each.is_empty() {
            all.push(format!("Each: {each}"));
        }
    }
    all.join(" ")
}
