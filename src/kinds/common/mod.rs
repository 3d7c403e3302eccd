//! What kinds share.

pub(crate) mod alerts;
pub(crate) mod description;
pub mod lookups;

use emnify_engine::kind::Id;

/// Name of the key by which mirrors index our marks.
pub(crate) const MARK: &str = "mark";

/// Groups that metrics and sets count objects in.
pub(crate) mod group {
    /// Of devices.
    pub(crate) const CONNECTIVITY: &str = "connectivity";
    /// Of devices that a network carries.
    pub(crate) const COUNTRY: &str = "country";
    /// Radio technology of devices that a network carries.
    pub(crate) const RAT: &str = "rat";
    /// State of SIMs.
    pub(crate) const SIM: &str = "sim";
}

/// The number that this family of the API takes; an id that is none cannot exist there.
pub(crate) fn number(id: &Id) -> Result<i64, emnify::Error> {
    id.int().ok_or_else(|| emnify::Error::NotFound { message: format!("{id} is not a numeric id") })
}
