//! What custom events are made from, and whether a spec keeps to it.

use std::time::Duration;

use emnify::{
    Api, Error,
    wire::custom_event::{Property, Template, TemplateProperty, Validator},
};
use emnify_engine::kind::{Id, Invalid, LookupRow, Shown, Table};
use futures::FutureExt;

use crate::kinds::common::events::{is_same, unknown, values};

/// Templates by name and by id. emnify alone changes them.
pub(super) static TEMPLATES: Table = Table {
    name: "custom event template",
    folds: true,
    keep: Duration::from_secs(24 * 60 * 60),
    load: |api| templates(api).boxed(),
};

async fn templates(api: Api) -> Result<Vec<LookupRow>, Error> {
    let row = |template: Template| LookupRow {
        id: Id::Text(template.id.clone()),
        names: vec![template.name.clone(), template.id.clone()],
        shown: Some(Shown::new(template)),
    };
    Ok(api.custom_event_templates().await?.into_iter().map(row).collect())
}

/// What the template does not take, by the name of the property.
pub(super) fn check(template: &Template, properties: &[Property]) -> Result<(), Invalid> {
    let path = |name: &str| format!("properties[{name}]");
    for property in properties {
        let name = &property.property;
        let Some(known) = template.properties.iter().find(|known| known.property == *name) else {
            let known: Vec<String> = template.properties.iter().map(|known| known.property.clone()).collect();
            let what = format!("the template {} has no such property", template.name);
            return Err(unknown(path(name), &what, &known));
        };
        fits(known, property).map_err(|why| Invalid::new(path(name), why))?;
    }
    let missing = template.properties.iter().filter(|known| known.required && is_open(known)).find(|known| {
        let said = properties.iter().find(|property| property.property == known.property);
        said.is_none_or(|property| values(property).is_empty())
    });
    match missing {
        Some(known) => {
            let why = format!("the template {} requires it: add it to properties", template.name);
            Err(Invalid::new(path(&known.property), why))
        }
        None => Ok(()),
    }
}

fn is_open(known: &TemplateProperty) -> bool {
    known.preset.as_ref().is_none_or(String::is_empty)
}

/// Why the values are not of the template's type, or do not pass its validators. What is not known by its name is left to
/// emnify: which types and validators there are is not documented [?].
fn fits(known: &TemplateProperty, property: &Property) -> Result<(), String> {
    let any = |kinds: &[&str]| kinds.iter().any(|kind| is_same(kind, &known.kind));
    let several = values(property).len() > 1;
    if several && any(&["string", "number", "integer", "boolean"]) {
        return Err("the template takes one value".to_owned());
    }
    for value in values(property) {
        let right = if any(&["number", "double", "float"]) {
            value.parse::<f64>().is_ok_and(f64::is_finite)
        } else if any(&["integer", "int"]) {
            value.parse::<i64>().is_ok()
        } else if any(&["boolean", "bool"]) {
            matches!(value, "true" | "false")
        } else {
            true
        };
        if !right {
            return Err(format!("{value} is no {}", known.kind));
        }
        if let Some(validator) = known.validators.iter().find(|validator| !passes(validator, value)) {
            return Err(format!("{value} does not pass {} {}", validator.kind, validator.value));
        }
    }
    Ok(())
}

fn passes(validator: &Validator, value: &str) -> bool {
    let is = |kinds: &[&str]| kinds.iter().any(|kind| is_same(kind, &validator.kind));
    let compared = |right: fn(f64, f64) -> bool| match (value.parse(), validator.value.parse()) {
        (Ok(value), Ok(bound)) => right(value, bound),
        _ => true,
    };
    let length = |right: fn(usize, usize) -> bool| {
        validator.value.parse().map_or(true, |bound| right(value.chars().count(), bound))
    };
    if is(&["min", "minimum"]) {
        compared(|value, bound| value >= bound)
    } else if is(&["max", "maximum"]) {
        compared(|value, bound| value <= bound)
    } else if is(&["minLength"]) {
        length(|value, bound| value >= bound)
    } else if is(&["maxLength"]) {
        length(|value, bound| value <= bound)
    } else if is(&["enum", "oneOf"]) {
        validator.value.split(['|', ',']).any(|one| one.trim() == value)
    } else {
        true
    }
}
