//! `DnsConfig`: a pair of resolvers that service profiles refer to.
//!
//! emnify has no update: an edit of the pair stalls. It has no read of one pair either, and no name for it: a pair is known by
//! its two addresses.

mod export;
mod spec;
#[cfg(test)]
mod tests;

use emnify::wire::{Collection, integration};
use emnify_engine::{
    field,
    kind::{
        Facts,
        record::{Field, Identity, Record},
        spec::AdoptionPolicy,
    },
};

pub use self::spec::{DnsConfig, DnsConfigSpec, DnsConfigStatus};

impl Record for DnsConfig {
    type Row = integration::DnsConfig;

    const NOUN: &'static str = "DNS configuration";
    // a pair of addresses is not worth a stall; what was taken over is left behind
    const FACTS: Facts = Facts { adoption: AdoptionPolicy::IfUnowned, ..Facts::RECORD };
    const INTERCHANGEABLE: bool = true;
    const IDENTITY: Identity = Identity::Natural;
    const NAME: &'static [&'static str] = &["primary", "secondary"];
    const FIELDS: &'static [Field<Self>] = &[field!(primary).immutable(), field!(secondary).immutable()];
    const FIXED: &'static [(&'static str, i64)] = &[("ip_address_version", 4)];
    const CALLS: Collection<Self::Row> = integration::DNS;
}
