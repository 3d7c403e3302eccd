//! Fixed lookups of the platform.

mod events;

pub use events::{EVENT_TYPES, EventType};
