//! Fields of live rows, in any spelling that is in use.

use emnify::parse_timestamp;
use jiff::Timestamp;
use serde_json::Value;

/// What a row lacks to be copied.
pub(super) type Lacks = String;

pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ids are whole and small")]
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64)),
        _ => None,
    }
}

/// The id of a reference, or a bare one.
pub(super) fn id(value: &Value) -> Option<u64> {
    number(value).or_else(|| number(value.get("id")?))
}

pub(super) fn needed(row: &Value, field: &str) -> Result<u64, Lacks> {
    id(&row[field]).ok_or_else(|| format!("its {field} cannot be read"))
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn words(row: &Value, field: &str) -> String {
    text(&row[field]).unwrap_or_default()
}

pub(super) fn decimal(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.trim().parse().unwrap_or_default(),
        other => other.as_f64().unwrap_or_default(),
    }
}

pub(super) fn flag(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::String(text) => matches!(text.as_str(), "1" | "true"),
        other => number(other) == Some(1),
    }
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    parse_timestamp(value.as_str()?)
}

/// The entries of a list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
