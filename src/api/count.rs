//! Numbers that may be a share of something.

use std::{borrow::Cow, fmt};

use emnify_engine::kind::Invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number of at least one, or a share such as `10%`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CountOrPercent {
    /// So many.
    Count(i64),
    /// So many of a hundred.
    Percent(String),
}

const PATTERN: &str = "^([1-9][0-9]?|100)%$";

impl JsonSchema for CountOrPercent {
    fn schema_name() -> Cow<'static, str> {
        "CountOrPercent".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": true,
            "minimum": 1,
            "maxLength": 4,
            "pattern": PATTERN,
        })
    }
}

impl CountOrPercent {
    /// How many that is of `total`: a share is rounded down, but is never less than one.
    pub fn of(&self, total: u64, path: &str) -> Result<u64, Invalid> {
        let count = match self {
            Self::Count(count) => u64::try_from(*count).ok().filter(|count| *count > 0),
            Self::Percent(text) => {
                let percent = text.strip_suffix('%').and_then(|number| number.parse::<u64>().ok());
                let percent = percent.filter(|percent| (1..=100).contains(percent));
                percent.map(|percent| (total.saturating_mul(percent) / 100).max(1))
            }
        };
        count.ok_or_else(|| Invalid::new(path, "write a number of at least 1, or a share such as 10%"))
    }
}

impl fmt::Display for CountOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(share) => f.write_str(share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, total: u64) -> Option<u64> {
        serde_json::from_str::<CountOrPercent>(text).unwrap().of(total, "p").ok()
    }

    #[test]
    fn a_share_is_rounded_down_and_never_nothing() {
        assert_eq!(of(r#""10%""#, 55), Some(5));
        assert_eq!(of(r#""10%""#, 5), Some(1), "or a small fleet would never be updated");
        assert_eq!(of("7", 5), Some(7));
        assert_eq!(of(r#""100%""#, 5), Some(5));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["0", "-1", r#""0%""#, r#""101%""#, r#""10""#, r#""many""#] {
            assert_eq!(of(text, 10), None, "{text}");
        }
    }
}
