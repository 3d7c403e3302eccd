//! What kinds share.

pub(crate) mod alerts;
pub(crate) mod events;
pub mod lookups;

/// What the tags begin with that mark whose a device is.
pub(crate) const MARK_PREFIX: &str = "k8s:";

/// A tag that could be taken for a mark, in whatever spelling.
pub(crate) fn is_mark(tag: &str) -> bool {
    tag.trim().to_lowercase().starts_with(MARK_PREFIX)
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
