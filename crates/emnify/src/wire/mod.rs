//! The wire: how values look in JSON, and the operations of each family.

pub(crate) mod lenient;
