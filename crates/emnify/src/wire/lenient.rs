//! Decoding what three back ends spell in three ways: flags as bool, number or string, ids as number, float or string,
//! dates in five forms.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A value that is not of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unlike(String);

impl Unlike {
    pub(crate) fn expected(what: &str) -> Self {
        Self(format!("expected {what}"))
    }

    /// The same, with the name of the field.
    pub(crate) fn of(self, field: &str) -> Self {
        Self(format!("{field}: {}", self.0))
    }
}

/// A type whose values are spelled in several ways. A missing key is read as `null`.
pub(crate) trait Lenient: Sized {
    /// What `value` means.
    fn read(value: Value) -> Result<Self, Unlike>;

    /// The same where there may be none.
    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        if value.is_null() { Ok(None) } else { Self::read(value).map(Some) }
    }
}

impl<T: Lenient> Lenient for Option<T> {
    fn read(value: Value) -> Result<Self, Unlike> {
        T::optional(value)
    }
}

/// `7`, `7.0` or `"7"`; an empty text is none.
impl Lenient for i64 {
    fn read(value: Value) -> Result<Self, Unlike> {
        as_integer(&value).ok_or_else(|| Unlike::expected("an integer"))
    }

    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        if is_nothing(&value) { Ok(None) } else { Self::read(value).map(Some) }
    }
}

/// `1.5` or `"1.5"`; an empty text is none.
impl Lenient for f64 {
    fn read(value: Value) -> Result<Self, Unlike> {
        match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| Unlike::expected("a number"))
    }

    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        if is_nothing(&value) { Ok(None) } else { Self::read(value).map(Some) }
    }
}

/// `true`, `1`, `"1"`, `"true"`; an empty text is none, and none is `false`.
impl Lenient for bool {
    fn read(value: Value) -> Result<Self, Unlike> {
        Self::optional(value).map(Option::unwrap_or_default)
    }

    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        if is_nothing(&value) {
            return Ok(None);
        }
        as_flag(&value).map(Some).ok_or_else(|| Unlike::expected("a flag"))
    }
}

/// A text; a number or a flag is taken for its letters, and none for an empty text.
impl Lenient for String {
    fn read(value: Value) -> Result<Self, Unlike> {
        match value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Array(_) | Value::Object(_) => Err(Unlike::expected("a text")),
        }
    }
}

/// A date in any of the forms the API uses. One that is none of them counts as none: a date is never worth losing an object for.
impl Lenient for Timestamp {
    fn read(value: Value) -> Result<Self, Unlike> {
        Self::optional(value)?.ok_or_else(|| Unlike::expected("a date"))
    }

    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        Ok(value.as_str().and_then(parse_timestamp))
    }
}

/// A text that is not empty.
impl Lenient for SecretString {
    fn read(value: Value) -> Result<Self, Unlike> {
        Self::optional(value)?.ok_or_else(|| Unlike::expected("a text"))
    }

    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty()).map(SecretString::from)),
            _ => Err(Unlike::expected("a text")),
        }
    }
}

/// Whatever it is.
impl Lenient for Value {
    fn read(value: Value) -> Result<Self, Unlike> {
        Ok(value)
    }
}

/// A list; none is an empty one. What is not shown differs from what is empty: that is `Option<Vec<T>>`.
impl<T: Lenient> Lenient for Vec<T> {
    fn read(value: Value) -> Result<Self, Unlike> {
        match value {
            Value::Null => Ok(Vec::new()),
            Value::Array(values) => values.into_iter().map(T::read).collect(),
            _ => Err(Unlike::expected("a list")),
        }
    }
}

/// An object of known keys; where there may be none, so are `{}` and `[]` (PHP's empty object).
pub(crate) trait Record: DeserializeOwned {}

impl<T: Record> Lenient for T {
    fn read(value: Value) -> Result<Self, Unlike> {
        as_is(value)
    }

    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        match value {
            Value::Object(fields) if !fields.is_empty() => Self::read(Value::Object(fields)).map(Some),
            _ => Ok(None),
        }
    }
}

/// A value that has just the one spelling of its type.
pub(crate) fn as_is<T: DeserializeOwned>(value: Value) -> Result<T, Unlike> {
    serde_json::from_value(value).map_err(|error| Unlike(error.to_string()))
}

/// The id of an embedded object, or a bare id.
#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "the type of what reads a field")]
pub(crate) fn reference(value: Value) -> Result<Option<i64>, Unlike> {
    Ok(as_integer(value.get("id").unwrap_or(&value)))
}

/// The same where ids are texts; a number is taken for its digits.
#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "the type of what reads a field")]
pub(crate) fn text_reference(value: Value) -> Result<Option<String>, Unlike> {
    Ok(as_text_id(value.get("id").unwrap_or(&value)))
}

/// An id that is a text.
#[allow(clippy::needless_pass_by_value, reason = "the type of what reads a field")]
pub(crate) fn text_id(value: Value) -> Result<String, Unlike> {
    as_text_id(&value).ok_or_else(|| Unlike::expected("an id"))
}

/// An object or a list of them.
pub(crate) fn one_or_many<T: Lenient>(value: Value) -> Result<Vec<T>, Unlike> {
    match value {
        one @ Value::Object(_) => T::read(one).map(|one| vec![one]),
        many => Vec::read(many),
    }
}

/// `2022-03-27T23:20:49.000+0000`, the same without milliseconds, with `Z`, without an offset, or with a blank for the `T`.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse() {
        return Some(timestamp);
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"] {
        if let Ok(timestamp) = Timestamp::strptime(form, text) {
            return Some(timestamp);
        }
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d"] {
        // No zone is UTC: quotas and callbacks are documented so.
        let civil = DateTime::strptime(form, text).or_else(|_| {
            jiff::civil::Date::strptime(form, text)
                .map(|date| date.to_datetime(jiff::civil::Time::midnight()))
        });
        if let Ok(civil) = civil {
            return civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        }
    }
    None
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

pub(crate) fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    }
}

pub(crate) fn as_text_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        number => as_integer(number).map(|number| number.to_string()),
    }
}

/// The integer that a float stands for, within the range that floats hold exactly.
#[allow(clippy::cast_possible_truncation, reason = "checked to be whole and below 2^53")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::record::record;

    record!(
        #[derive(Debug, PartialEq, Default)]
        struct All {
            id: Option<i64>,
            flag: bool,
            text: Option<String>,
            number: Option<f64>,
        }
    );

    fn all(value: Value) -> All {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_spelling_of_a_value_is_that_value() {
        for id in [json!(7), json!(7.0), json!("7"), json!("7.0")] {
            assert_eq!(all(json!({"id": id})).id, Some(7), "{id} is the id 7");
        }
        let event = 281_474_976_710_777_i64;
        assert_eq!(all(json!({"id": event})).id, Some(event), "event ids are beyond 2^48");
        for yes in [json!(true), json!(1), json!("1"), json!("true"), json!(1.0)] {
            assert!(all(json!({"flag": yes})).flag, "{yes} is on");
        }
        for no in [json!(false), json!(0), json!("0"), json!("false"), json!(null), json!("")] {
            assert!(!all(json!({"flag": no})).flag, "{no} is off");
        }
        assert_eq!(all(json!({"number": "35.47"})).number, Some(35.47));
        assert_eq!(all(json!({"text": 12})).text.as_deref(), Some("12"));
        assert_eq!(
            all(json!({"unknown": {}})),
            All::default(),
            "unknown keys are ignored, missing ones are nothing"
        );
    }

    #[test]
    fn what_means_nothing_is_an_error_not_a_guess() {
        assert!(serde_json::from_value::<All>(json!({"id": "seven"})).is_err());
        assert!(serde_json::from_value::<All>(json!({"id": 7.5})).is_err());
        assert!(serde_json::from_value::<All>(json!({"flag": "maybe"})).is_err());
    }

    #[test]
    fn all_recorded_forms_of_a_date_are_read() {
        let want: Timestamp = "2022-03-27T23:20:49Z".parse().unwrap();
        for text in [
            "2022-03-27T23:20:49.000+0000",
            "2022-03-27T23:20:49+0000",
            "2022-03-27T23:20:49.000Z",
            "2022-03-27T23:20:49Z",
            "2022-03-27 23:20:49",
            "2022-03-27T23:20:49",
            "2022-03-28T01:20:49+02:00",
        ] {
            assert_eq!(parse_timestamp(text), Some(want), "{text}");
        }
        assert_eq!(parse_timestamp("2022-03-27"), "2022-03-27T00:00:00Z".parse().ok());
        assert_eq!(parse_timestamp("yesterday"), None);
    }
}
