//! Lenient reading of request bodies: extra keys, `1.0` as an id, numbers and flags as strings. [R]

use serde_json::Value;

/// A whole number, also written `1.0` or `"1"`.
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            #[allow(clippy::cast_possible_truncation, reason = "ids and counts are far below 2^53")]
            (float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number that is not negative.
pub fn unsigned(value: &Value) -> Option<u64> {
    integer(value).and_then(|number| u64::try_from(number).ok())
}

/// A decimal, also as a string.
pub fn decimal(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A flag: bool, 0 or 1, `"0"`, `"1"`, `"true"`, `"false"`.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        other => match integer(other)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

/// The id of a reference such as `{"id": 1.0, "description": "ignored"}`.
pub fn id_of(reference: &Value) -> Option<u64> {
    unsigned(reference.get("id")?)
}

/// What a PATCH says about a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The key is missing, or an object says something else than an id.
    Unsaid,
    /// `null`, `{}` or `{"id": null}`.
    Cleared,
    /// `{"id": n}`.
    Id(u64),
    /// A negative one, which nothing has.
    Impossible(i64),
    /// Anything else.
    Unreadable,
}

/// Reads a reference of a PATCH.
pub fn wanted(body: &Value, field: &str) -> Wanted {
    let Some(value) = body.get(field) else {
        return Wanted::Unsaid;
    };
    match value {
        Value::Null => Wanted::Cleared,
        Value::Object(map) => match map.get("id") {
            Some(Value::Null) => Wanted::Cleared,
            None if map.is_empty() => Wanted::Cleared,
            None => Wanted::Unsaid,
            Some(id) => match integer(id) {
                Some(id) => u64::try_from(id).map_or(Wanted::Impossible(id), Wanted::Id),
                None => Wanted::Unreadable,
            },
        },
        _ => Wanted::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_may_be_floats_and_references_may_carry_more() {
        assert_eq!(id_of(&json!({"id": 1.0, "description": "Disabled"})), Some(1));
        assert_eq!(id_of(&json!({"id": "7"})), Some(7));
        assert_eq!(id_of(&json!({"id": 1.5})), None);
    }

    #[test]
    fn a_reference_is_cleared_by_null_empty_or_a_null_id() {
        for cleared in [json!(null), json!({}), json!({"id": null})] {
            assert_eq!(wanted(&json!({"sim": cleared}), "sim"), Wanted::Cleared);
        }
        assert_eq!(wanted(&json!({}), "sim"), Wanted::Unsaid);
        assert_eq!(wanted(&json!({"sim": {"status": {"id": 1}}}), "sim"), Wanted::Unsaid);
        assert_eq!(wanted(&json!({"sim": {"id": 3}}), "sim"), Wanted::Id(3));
        assert_eq!(wanted(&json!({"sim": 3}), "sim"), Wanted::Unreadable);
    }

    #[test]
    fn flags_come_in_every_dress() {
        for yes in [json!(true), json!(1), json!("1"), json!("true"), json!(1.0)] {
            assert_eq!(flag(&yes), Some(true));
        }
        assert_eq!(flag(&json!("0")), Some(false));
        assert_eq!(flag(&json!(2)), None);
    }
}
