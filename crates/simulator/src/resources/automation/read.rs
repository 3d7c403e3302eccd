//! Properties in bodies.

use serde_json::Value;

use crate::http::refusal::{Code, Issue};
use crate::reference_data::automations::TemplateProperty;
use crate::state::Property;

/// Reads a list of properties. Each key is required. [S]
pub(super) fn properties(value: &Value, field: &str, issues: &mut Vec<Issue>) -> Vec<Property> {
    let Some(list) = value.as_array() else {
        issues.push(Issue::required(field));
        return Vec::new();
    };
    let mut read = |value: &Value| {
        let property = one(value);
        if property.is_none() {
            issues.push(Issue::format(field));
        }
        property
    };
    list.iter().filter_map(&mut read).collect()
}

fn one(value: &Value) -> Option<Property> {
    let values = value.get("value_array")?.as_array()?;
    Some(Property {
        property: value.get("property")?.as_str()?.to_owned(),
        value: value.get("value")?.as_str()?.to_owned(),
        value_array: values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>()?,
    })
}

/// What is wrong with what is said of the properties of a template.
pub(super) fn check(template: &[TemplateProperty], said: &[Property], issues: &mut Vec<Issue>) {
    let mut refuse = |code, name: &str, why: &str| {
        issues.push(Issue::new(code, format!("configuration_properties: {name} {why}")));
    };
    for property in said {
        match template.iter().find(|known| known.name == property.property) {
            None => refuse(Code::NOT_ALLOWED, &property.property, "is no property of the template"),
            Some(known) if !fits(known, property) => {
                refuse(Code::INVALID_FORMAT, &property.property, "has a value that is not allowed");
            }
            Some(_) => {}
        }
    }
    for known in template.iter().filter(|known| known.required && known.default.is_empty()) {
        let named = said.iter().find(|property| property.property == known.name);
        if named.is_none_or(|property| property.values().is_empty()) {
            refuse(Code::REQUIRED, known.name, "is required");
        }
    }
}

fn fits(known: &TemplateProperty, said: &Property) -> bool {
    let many = !said.value_array.is_empty();
    let of_type = match known.kind {
        "array" => said.value.is_empty(),
        "number" => !many && said.value.parse::<f64>().is_ok(),
        _ => !many,
    };
    of_type
        && known
            .validators
            .iter()
            .all(|(kind, bound)| said.values().iter().all(|value| passes(kind, bound, value)))
}

fn passes(kind: &str, bound: &str, value: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    match kind {
        "min" => number(value) >= number(bound),
        "max" => number(value) <= number(bound),
        "max_length" => bound.parse::<usize>().is_ok_and(|most| value.chars().count() <= most),
        "enum" => bound.split('|').any(|one| one == value),
        _ => true,
    }
}
