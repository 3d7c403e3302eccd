//! Records: what answers show. How a field may be spelled is decided by its type, in [`Lenient`](super::lenient::Lenient).

use std::fmt;
use std::vec::IntoIter;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::lenient::Unlike;

/// A struct that an answer is read into: keys are the names of its fields, unless `#[key("a", "b")]` names others; a missing key
/// is `null`; unknown keys are ignored. `#[read(function)]` reads a field that its type alone does not describe. In round
/// brackets, so that rustfmt lays the fields out.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Record:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[key($($key:literal),+)])?
                $(#[read($read:path)])?
                $field_vis:vis $field:ident: $Type:ty,
            )*
        }
    ) => {
        $(#[$meta])*
        $vis struct $Record {
            $($(#[doc = $doc])* $field_vis $field: $Type,)*
        }

        impl<'de> serde::Deserialize<'de> for $Record {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                const KEYS: &[&[&str]] = &[$($crate::wire::record::record!(@keys $field $($($key)+)?)),*];
                $crate::wire::record::pick(from, KEYS, |values| Ok(Self {
                    $($field: $crate::wire::record::record!(@read $($read)?)(values.next().unwrap_or_default())
                        .map_err(|unlike| unlike.of(stringify!($field)))?,)*
                }))
            }
        }

        impl $crate::wire::lenient::Record for $Record {}
    };
    (@keys $field:ident) => { &[stringify!($field)] };
    (@keys $field:ident $($key:literal)+) => { &[$($key),+] };
    (@read) => { $crate::wire::lenient::Lenient::read };
    (@read $read:path) => { $read };
}
pub(crate) use record;

/// What names each field.
type Keys = &'static [&'static [&'static str]];
/// Makes a record of the values of its keys.
type Build<T> = fn(&mut IntoIter<Value>) -> Result<T, Unlike>;

/// Reads a record: `build` is given the values of `keys`, in their order, and `null` for a missing one.
pub(crate) fn pick<'de, D: Deserializer<'de>, T>(
    from: D,
    keys: Keys,
    build: Build<T>,
) -> Result<T, D::Error> {
    from.deserialize_struct("record", &[], Pick { keys, build })
}

struct Pick<T> {
    keys: Keys,
    build: Build<T>,
}

impl<T> Pick<T> {
    fn nothing(&self) -> Vec<Value> {
        vec![Value::Null; self.keys.len()]
    }

    fn build<E: Error>(self, values: Vec<Value>) -> Result<T, E> {
        (self.build)(&mut values.into_iter()).map_err(E::custom)
    }
}

impl<'de, T> Visitor<'de> for Pick<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = self.nothing();
        while let Some(at) = map.next_key_seed(Key(self.keys))? {
            match at.and_then(|at| values.get_mut(at)) {
                Some(value) => *value = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        self.build(values)
    }

    /// PHP spells an empty object as an empty list.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => {
                let nothing = self.nothing();
                self.build(nothing)
            }
            Some(_) => Err(A::Error::custom("expected an object")),
        }
    }
}

/// Which of the keys a key is.
struct Key(Keys);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|names| names.contains(&key)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, from_value, json};

    use super::*;
    use crate::wire::lenient;

    record!(
        /// A record of every sort of field.
        #[derive(Debug, PartialEq)]
        struct Thing {
            /// Required.
            id: i64,
            name: String,
            #[key("one", "other")]
            #[read(lenient::reference)]
            parent: Option<i64>,
            inner: Option<Inner>,
        }
    );

    record!(
        #[derive(Debug, PartialEq)]
        struct Inner {
            flag: bool,
        }
    );

    fn thing(value: Value) -> Result<Thing, serde_json::Error> {
        from_value(value)
    }

    #[test]
    fn a_missing_key_is_null_and_only_what_must_be_there_is_missed() {
        let bare = Thing { id: 7, name: String::new(), parent: None, inner: None };
        assert_eq!(thing(json!({"id": "7", "more": {"a": []}})).unwrap(), bare);
        assert_eq!(thing(json!({"id": 7.0, "name": null, "inner": []})).unwrap(), bare);
        let error = thing(json!({"name": "a"})).unwrap_err().to_string();
        assert_eq!(error, "id: expected an integer", "the error names the field");
        let error = from_str::<Thing>("{\n\"name\": 1}").unwrap_err();
        assert_eq!(error.line(), 2, "and where it is");
    }

    #[test]
    fn a_field_may_go_by_other_keys_and_hold_another_record() {
        for key in ["one", "other"] {
            let read = thing(json!({"id": 1, key: {"id": 5}, "inner": {"flag": "1"}})).unwrap();
            assert_eq!((read.parent, read.inner), (Some(5), Some(Inner { flag: true })), "{key}");
        }
        assert_eq!(
            thing(json!({"id": 1, "parent": 5})).unwrap().parent,
            None,
            "its own name is not among them"
        );
    }

    #[test]
    fn only_an_object_or_an_empty_list_is_a_record() {
        let empty: Inner = from_str("[]").unwrap();
        assert_eq!(empty, Inner { flag: false }, "an empty list is an empty object of PHP");
        for other in ["[true]", "null", "1", "\"a\""] {
            assert!(from_str::<Inner>(other).is_err(), "{other} is no object");
        }
    }
}
