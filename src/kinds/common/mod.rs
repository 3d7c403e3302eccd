//! What kinds share.

pub(crate) mod alerts;
pub(crate) mod events;
pub mod lookups;

use emnify_engine::kind::trigger::ONCE_PREFIX;

/// What the tags begin with that mark whose a device is.
pub(crate) const MARK_PREFIX: &str = "k8s:";

/// A tag that could be taken for a mark, or for that of a device that had its turn, in whatever spelling.
pub(crate) fn is_mark(tag: &str) -> bool {
    let tag = tag.trim().to_lowercase();
    tag.starts_with(MARK_PREFIX) || tag.starts_with(ONCE_PREFIX)
}

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
    /// State of data streams.
    pub(crate) const DATA_STREAM: &str = "data stream";
    /// State of Cloud Connect attachments.
    pub(crate) const CLOUD_CONNECT: &str = "cloud connect";
}
