//! Values that many objects share.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::lenient::{self, Lenient, Unlike};

/// A reference in a request: `{"id": 12}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Ref {
    /// The id it names.
    pub id: i64,
}

impl From<i64> for Ref {
    fn from(id: i64) -> Self {
        Ref { id }
    }
}

/// The same where ids are texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct TextRef {
    /// The id it names.
    pub id: String,
}

/// A reference that can be taken away: `{"id": 12}` or `{"id": null}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reference {
    /// Names this id.
    To(i64),
    /// Names nothing any more.
    Cleared,
}

impl Reference {
    /// The id, if it names one.
    pub const fn id(self) -> Option<i64> {
        match self {
            Reference::To(id) => Some(id),
            Reference::Cleared => None,
        }
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Id {
            id: Option<i64>,
        }
        Id { id: self.id() }.serialize(to)
    }
}

/// A value that can be taken away: itself or `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nullable<T> {
    /// The value.
    Set(T),
    /// `null`.
    Null,
}

impl<T: Serialize> Serialize for Nullable<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Nullable::Set(value) => to.serialize_some(value),
            Nullable::Null => to.serialize_none(),
        }
    }
}

/// A reference in an answer, with its `name` or `description` where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Named {
    /// The id.
    pub id: i64,
    /// `name`, else `description`.
    pub name: Option<String>,
}

impl Named {
    fn shown(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let id = lenient::as_integer(value.get("id")?)?;
        Some(Self { id, name: text("name").or_else(|| text("description")) })
    }
}

/// `null`, `{}`, `[]` (PHP's empty object) and `{"id": null}` are none.
impl Lenient for Named {
    fn read(value: Value) -> Result<Self, Unlike> {
        Self::shown(&value).ok_or_else(|| Unlike::expected("an object with an id"))
    }

    fn optional(value: Value) -> Result<Option<Self>, Unlike> {
        Ok(Self::shown(&value))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Self::shown(&value).ok_or_else(|| D::Error::custom("expected an object with an id"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_set_and_cleared_explicitly() {
        assert_eq!(serde_json::to_value(Reference::To(7)).unwrap(), json!({"id": 7}));
        assert_eq!(serde_json::to_value(Reference::Cleared).unwrap(), json!({"id": null}));
        assert_eq!(serde_json::to_value(Nullable::Set("x")).unwrap(), json!("x"));
        assert_eq!(serde_json::to_value(Nullable::<i64>::Null).unwrap(), json!(null));
    }

    #[test]
    fn a_name_may_be_called_description() {
        let named = |value| serde_json::from_value::<Named>(value).unwrap();
        assert_eq!(named(json!({"id": "1", "description": "a"})).name.as_deref(), Some("a"));
        assert_eq!(named(json!({"id": 1.0, "name": "b", "description": "a"})).name.as_deref(), Some("b"));
        assert_eq!(named(json!({"id": 1})), Named { id: 1, name: None });
    }
}
