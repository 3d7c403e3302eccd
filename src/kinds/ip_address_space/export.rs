//! A range of addresses as a manifest.

use emnify::wire::integration::IpAddressSpace as Row;

use super::{
    range,
    spec::{IpAddressSpace, IpAddressSpaceSpec},
};
use crate::kinds::export::{Draft, Export, Exported, Manifest};

impl Export for IpAddressSpace {
    const EXPORT: Exported<Self> = Exported::Always(Manifest::of(
        |row: &Row| row.ip_address_space.clone(),
        |row, (), draft| write(row, draft),
    ));
}

#[allow(clippy::unnecessary_wraps, reason = "the type of all that write manifests")]
fn write(row: &Row, draft: &mut Draft<'_>) -> Result<IpAddressSpace, String> {
    let spec = IpAddressSpaceSpec { cidr: range(&row.ip_address_space), common: draft.common() };
    Ok(IpAddressSpace::new(draft.name(), spec))
}
