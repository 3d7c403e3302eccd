//! What an object of emnify says of itself beyond its id, for those who refer to it.

use std::{
    any::Any,
    fmt::{self, Debug},
    sync::Arc,
};

/// Such as what an event supports, for the automation that waits for it: a value of a type that both sides know.
#[derive(Clone)]
pub struct Shown(Arc<dyn Any + Send + Sync>);

impl Shown {
    /// Shows a value.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The value, if it is of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

/// One value is itself.
impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Shown {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_as_what_it_is() {
        let shown = Shown::new(vec!["tags".to_owned()]);
        assert_eq!(shown.get::<Vec<String>>().map(Vec::len), Some(1));
        assert_eq!(shown.get::<String>(), None, "and as nothing else");
        assert!(shown.clone() == shown && shown != Shown::new(1));
    }
}
