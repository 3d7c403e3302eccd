//! Strings with a pattern, and what they mean.

use std::{fmt, str::FromStr, time};

use emnify_engine::kind::{Invalid, spec::OBJECT_NAME};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Newtypes over `String` whose pattern and length are in the schema.
macro_rules! text {
    ($($(#[$doc:meta])* $name:ident = $pattern:expr, $max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(regex(pattern = $pattern), length(max = $max))] String);

        impl $name {
            /// The text as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text! {
    /// Numeric id of an emnify object, quoted: `"123"`.
    NumericId = r"^[0-9]{1,18}$", 18;
    /// Id of an emnify object whose ids are texts, such as a UUID.
    TextId = r"^[A-Za-z0-9-]{1,64}$", 64;
    /// Name of a Kubernetes object: lower-case letters, digits, dashes, and single dots between them.
    ObjectName = OBJECT_NAME, 253;
    /// Name of a namespace: lower-case letters, digits and dashes between them.
    NamespaceName = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", 63;
    /// Key in a `Secret` or `ConfigMap`: letters, digits, `-`, `_` and `.`, and not two dots at its beginning.
    DataKey = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", 253;
    /// Value of a label: letters, digits, and `-`, `_`, `.` between them; may be empty.
    LabelValue = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", 63;
    /// ICCID of a SIM, 19 digits, or 20 with the check digit; quoted.
    Iccid = r"^89[0-9]{17,18}$", 20;
    /// Code of a batch of SIMs, as it stands on the box: letters, digits and dashes.
    Bic = r"^[A-Za-z0-9-]{6,40}$", 40;
    /// EID of an eUICC, 32 digits; quoted.
    Eid = r"^[0-9]{32}$", 32;
    /// IMSI, 14 or 15 digits; quoted.
    Imsi = r"^[0-9]{14,15}$", 15;
    /// IMEI, 14 to 16 digits (without check digit, with it, or with the software version); quoted.
    Imei = r"^[0-9]{14,16}$", 16;
    /// Time span such as `90s`, `10m` or `1h30m`.
    Duration = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$", 32;
    /// Date and time, RFC 3339, such as `2026-12-31T23:59:59Z`.
    Date = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$", 40;
}

impl Iccid {
    /// The 19 digits that emnify keys SIMs by; a 20th digit must be the check digit of the others.
    pub fn normal(&self, path: &str) -> Result<String, Invalid> {
        if !(19..=20).contains(&self.0.len()) || !self.0.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::new(path, "an ICCID has 19 digits, or 20 with its check digit"));
        }
        let (digits, check) = self.0.split_at(19);
        if !check.is_empty() && check != luhn(digits).to_string() {
            return Err(Invalid::new(
                path,
                "the 20th digit is not the check digit of the first 19: a digit is mistyped, compare with the SIM",
            ));
        }
        Ok(digits.to_owned())
    }

    /// All 20 digits, as they are printed.
    pub fn printed(&self, path: &str) -> Result<String, Invalid> {
        let digits = self.normal(path)?;
        let check = luhn(&digits);
        Ok(format!("{digits}{check}"))
    }
}

/// The digit that makes a number valid by Luhn's rule.
fn luhn(digits: &str) -> u32 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            match place % 2 {
                0 if digit > 4 => digit * 2 - 9,
                0 => digit * 2,
                _ => digit,
            }
        })
        .sum();
    (10 - sum % 10) % 10
}

impl NumericId {
    /// The number.
    pub fn int(&self, path: &str) -> Result<i64, Invalid> {
        self.0.parse().map_err(|_| Invalid::new(path, "an emnify id is a number of at most 18 digits"))
    }
}

impl Duration {
    /// Ten years; longer ones would overflow in sums with dates.
    const LONGEST: time::Duration = time::Duration::from_secs(87_600 * 3600);

    /// The time span, at most ten years.
    pub fn get(&self, path: &str) -> Result<time::Duration, Invalid> {
        // The parser panics on numbers that overflow.
        let short = self.0.split(|c: char| !c.is_ascii_digit()).all(|digits| digits.len() <= 9);
        let parsed = kube::core::Duration::from_str(if short { &self.0 } else { "" });
        match parsed.map(|duration| (duration.is_negative(), time::Duration::from(duration))) {
            Ok((false, span)) if short && span <= Self::LONGEST => Ok(span),
            _ => Err(Invalid::new(path, "write a duration such as 90s, 10m or 1h30m, at most 87600h")),
        }
    }
}

impl Date {
    /// The instant.
    pub fn get(&self, path: &str) -> Result<Timestamp, Invalid> {
        self.0.parse().map_err(|_| Invalid::new(path, "write a date such as 2026-12-31T23:59:59Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iccid_of_20_digits_is_the_same_as_its_first_19() {
        let short = Iccid::from("8988303000000010140").normal("sim.iccid").unwrap();
        let check = luhn(&short);
        let long = Iccid::from(format!("{short}{check}"));
        assert_eq!(long.normal("sim.iccid").unwrap(), short, "the check digit is dropped");
    }

    #[test]
    fn the_check_digit_follows_luhn() {
        assert_eq!(luhn("7992739871"), 3, "the textbook example");
    }

    #[test]
    fn a_wrong_check_digit_is_a_typing_error_and_named() {
        let short = "8988303000000010140";
        let wrong = (luhn(short) + 1) % 10;
        let error = Iccid::from(format!("{short}{wrong}")).normal("sim.iccid").unwrap_err();
        assert_eq!(error.path, "sim.iccid");
        assert!(error.message.contains("mistyped"), "{error}");
        assert!(Iccid::from("89").normal("p").is_err(), "too short");
    }

    #[test]
    fn durations_and_dates_read_as_go_and_rfc_3339_write_them() {
        assert_eq!(Duration::from("1h30m").get("p").unwrap(), time::Duration::from_secs(5400));
        assert!(Duration::from("10").get("p").is_err(), "a unit is needed");
        assert!(Duration::from("-1h").get("p").is_err(), "time runs forward");
        for long in ["87601h", "999999999h999999999h", "9999999999999999999999999999999h"] {
            assert!(Duration::from(long).get("p").is_err(), "{long} would overflow");
        }
        let utc = Date::from("2026-12-31T23:59:59Z").get("p").unwrap();
        let offset = Date::from("2027-01-01T00:59:59+01:00").get("p").unwrap();
        assert_eq!(utc, offset);
        assert!(Date::from("2026-02-30T00:00:00Z").get("p").is_err(), "no such day");
    }
}
