//! `IpAddressSpace`: a range of addresses for devices.
//!
//! emnify has no update and no read of one, and no two spaces overlap: a space is known by its range.

mod export;
pub(super) mod network;
mod spec;
#[cfg(test)]
mod tests;

use emnify::{
    Error,
    wire::{Collection, integration},
};
use emnify_engine::kind::{
    Facts, Invalid, Key,
    record::{Field, Identity, Record, Value},
};

use self::network::Network;
pub use self::spec::{IpAddressSpace, IpAddressSpaceSpec, IpAddressSpaceStatus};

impl Record for IpAddressSpace {
    type Row = integration::IpAddressSpace;

    const NOUN: &'static str = "IP address space";
    const FACTS: Facts = Facts::RECORD;
    const IDENTITY: Identity = Identity::Natural;
    const NAME: &'static [&'static str] = &["cidr"];
    const FIELDS: &'static [Field<Self>] = &[Field::<Self>::new(
        "cidr",
        "ip_address_space",
        |object, _| wanted(&object.spec).map(Some),
        |row| Value::Text(range(&row.ip_address_space)),
        |row, value| row.ip_address_space = value.to_string(),
    )
    .immutable()];
    const FIXED: &'static [(&'static str, i64)] = &[("ip_address_version", 4)];
    const CALLS: Collection<Self::Row> = integration::ADDRESS_SPACES;

    fn refused(error: Error) -> Error {
        match error {
            Error::Conflict { code, message } => Error::Rejected {
                status: 409,
                code,
                message: format!(
                    "{message}: cidr overlaps a range that this or another organisation has; take another one"
                ),
            },
            other => other,
        }
    }

    fn report(row: &Self::Row, status: &mut IpAddressSpaceStatus) {
        status.used_count = row.used_count;
        status.available_count = row.available_count;
    }
}

/// The key of the space with this range in its listing.
pub(super) fn key(cidr: &str) -> Key {
    Key::new(Key::NAME, range(cidr))
}

/// The range as emnify writes it. What is no IPv4 range is left as it is: a listing may hold others.
fn range(cidr: &str) -> String {
    cidr.parse::<Network>().map_or_else(|_| cidr.to_lowercase(), |network| network.to_string())
}

/// emnify has one code for several reasons to refuse a range, so they are told apart here. One that is there already may be of older rules.
fn wanted(spec: &IpAddressSpaceSpec) -> Result<Value, Invalid> {
    let cidr = &spec.cidr;
    let network: Network = cidr.parse().map_err(|message| Invalid::new("cidr", message))?;
    if network.to_string() != *cidr {
        return Err(Invalid::new("cidr", format!("{cidr} is an address in a range: write {network}")));
    }
    if spec.common.id.is_none() {
        network.check().map_err(|message| Invalid::new("cidr", format!("{cidr} {message}")))?;
    }
    Ok(Value::Text(cidr.clone()))
}
