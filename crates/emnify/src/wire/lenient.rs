//! Decoding what three back ends spell in three ways: flags as bool, number or string, ids as number, float or string,
//! dates in five forms.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

/// An integer: `7`, `7.0` or `"7"`.
pub(crate) fn id<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let value = Value::deserialize(from)?;
    as_integer(&value).ok_or_else(|| D::Error::custom("expected an integer"))
}

/// An integer, or `None` for `null`, a missing key or an empty string.
pub(crate) fn optional_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(from)?;
    if is_nothing(&value) {
        return Ok(None);
    }
    as_integer(&value).map(Some).ok_or_else(|| D::Error::custom("expected an integer"))
}

/// A number: `1.5`, `"1.5"`, or `None`.
pub(crate) fn optional_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    match Value::deserialize(from)? {
        value if is_nothing(&value) => Ok(None),
        Value::Number(number) => Ok(number.as_f64()),
        Value::String(text) => {
            text.trim().parse().map(Some).map_err(|_| D::Error::custom("expected a number"))
        }
        _ => Err(D::Error::custom("expected a number")),
    }
}

/// A flag: `true`, `1`, `"1"`, `"true"`; `None` for `null`, a missing key or an empty string.
pub(crate) fn optional_flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(from)?;
    if is_nothing(&value) {
        return Ok(None);
    }
    as_flag(&value).map(Some).ok_or_else(|| D::Error::custom("expected a flag"))
}

/// A flag; `false` where there is none.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    optional_flag(from).map(Option::unwrap_or_default)
}

/// A text; a number is taken for its digits, `null` for an empty text.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    optional_text(from).map(Option::unwrap_or_default)
}

/// A text or nothing; a number is taken for its digits.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        _ => Err(D::Error::custom("expected a text")),
    }
}

/// A date in any of the forms the API uses, or nothing. One that is none of them counts as nothing: a date is never worth
/// losing an object for.
pub(crate) fn optional_timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Value::deserialize(from)?.as_str().and_then(parse_timestamp))
}

/// A secret or nothing.
pub(crate) fn optional_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()).map(SecretString::from))
}

/// The id of an embedded object, or a bare id.
pub(crate) fn optional_ref<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(as_integer(value.get("id").unwrap_or(&value)))
}

/// An embedded object; `None` for `null`, `{}` and `[]` (PHP's empty object).
pub(crate) fn optional_object<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    match Value::deserialize(from)? {
        Value::Object(fields) if !fields.is_empty() => {
            serde_json::from_value(Value::Object(fields)).map(Some).map_err(D::Error::custom)
        }
        _ => Ok(None),
    }
}

/// A list, or `None` where the key is missing or `null`: what is not shown differs from what is empty.
pub(crate) fn optional_list<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<Vec<T>>::deserialize(from)
}

/// An object or a list of them.
pub(crate) fn one_or_many<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    match Value::deserialize(from)? {
        Value::Null => Ok(Vec::new()),
        one @ Value::Object(_) => serde_json::from_value(one).map(|one| vec![one]),
        many => serde_json::from_value(many),
    }
    .map_err(D::Error::custom)
}

/// A list; `null` is an empty one.
pub(crate) fn list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
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
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq, Default)]
    struct All {
        #[serde(default, deserialize_with = "optional_id")]
        id: Option<i64>,
        #[serde(default, deserialize_with = "flag")]
        flag: bool,
        #[serde(default, deserialize_with = "optional_text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "optional_number")]
        number: Option<f64>,
    }

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
