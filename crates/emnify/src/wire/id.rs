//! What ids are.

use std::fmt;

use serde_json::Value;

use super::lenient;

/// An id: a number, or a text such as a UUID.
pub trait EntryId: Clone + PartialEq + fmt::Debug + fmt::Display + Send + Sync {
    /// The id that an answer shows.
    #[doc(hidden)]
    fn shown(value: &Value) -> Option<Self>;

    /// The id that ends a `Location`; `None` for what may be no id.
    #[doc(hidden)]
    fn located(segment: &str) -> Option<Self>;
}

impl EntryId for i64 {
    fn shown(value: &Value) -> Option<Self> {
        lenient::as_integer(value)
    }

    fn located(segment: &str) -> Option<Self> {
        segment.parse().ok()
    }
}

/// A UUID. The last word of a path may be anything, so of a `Location` only the form of a UUID is believed.
impl EntryId for String {
    fn shown(value: &Value) -> Option<Self> {
        lenient::as_text_id(value)
    }

    fn located(segment: &str) -> Option<Self> {
        let groups: Vec<usize> = segment.split('-').map(str::len).collect();
        let hexadecimal = segment.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        (hexadecimal && groups == [8, 4, 4, 4, 12]).then(|| segment.to_owned())
    }
}
