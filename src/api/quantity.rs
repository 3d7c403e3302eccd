//! Volumes as Kubernetes quantities.

use std::{borrow::Cow, fmt};

use emnify_engine::kind::Invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A volume of data as a Kubernetes quantity in bytes: `500M` (10^6), `1Gi` (2^30), `1.5G` or a plain number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Volume {
    /// Bytes.
    Bytes(i64),
    /// With a suffix.
    Text(String),
}

const PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$";

impl JsonSchema for Volume {
    fn schema_name() -> Cow<'static, str> {
        "Volume".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": true,
            "minimum": 0,
            "maxLength": 24,
            "pattern": PATTERN,
        })
    }
}

impl Volume {
    /// Whole bytes.
    pub fn bytes(&self, path: &str) -> Result<i64, Invalid> {
        let exact = match self {
            Self::Bytes(n) => (*n >= 0).then_some(*n),
            Self::Text(text) => parse(text),
        };
        exact.ok_or_else(|| Invalid::new(path, "write a whole number of bytes such as 500M, 1Gi or 1048576"))
    }
}

impl From<&str> for Volume {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(n) => write!(f, "{n}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Exact bytes; `None` for what is no quantity, not whole, or too large.
fn parse(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let unit: i128 = match suffix {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 12 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = format!("{whole}{fraction}").parse::<i128>().ok()?.checked_mul(unit)?;
    (scaled % scale == 0).then(|| i64::try_from(scaled / scale).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_those_of_kubernetes() {
        let bytes = |text: &str| Volume::from(text).bytes("volume").ok();
        assert_eq!(bytes("500M"), Some(500_000_000));
        assert_eq!(bytes("1Gi"), Some(1_073_741_824));
        assert_eq!(bytes("1.5G"), Some(1_500_000_000));
        assert_eq!(bytes("0.5Ki"), Some(512));
        assert_eq!(bytes("7"), Some(7));
        assert_eq!(Volume::Bytes(42).bytes("volume").ok(), Some(42));
    }

    #[test]
    fn what_is_not_whole_bytes_is_refused_with_the_field_named() {
        for text in ["1.5", "MB", "10MB", "-1", "1.", "", "99999999T", "1.2.3"] {
            let error = Volume::from(text).bytes("dataLimits[0].volume").unwrap_err();
            assert_eq!(error.path, "dataLimits[0].volume", "{text}");
        }
        assert!(Volume::Bytes(-1).bytes("v").is_err());
    }

    #[test]
    fn numbers_and_strings_are_both_read() {
        let volumes: Vec<Volume> = serde_json::from_str(r#"[1048576, "1Mi"]"#).unwrap();
        assert_eq!(volumes[0].bytes("v"), volumes[1].bytes("v"));
    }
}
