//! A pair of resolvers as a manifest.

use emnify::wire::integration::DnsConfig as Row;

use super::spec::{DnsConfig, DnsConfigSpec};
use crate::kinds::export::{Draft, Export, Exported, Manifest};

impl Export for DnsConfig {
    const EXPORT: Exported<Self> = Exported::Always(Manifest::of(
        |row: &Row| format!("{} {}", row.primary, row.secondary),
        |row, (), draft| write(row, draft),
    ));
}

#[allow(clippy::unnecessary_wraps, reason = "the type of all that write manifests")]
fn write(row: &Row, draft: &mut Draft<'_>) -> Result<DnsConfig, String> {
    let (primary, secondary) = (row.primary.clone(), row.secondary.clone());
    Ok(DnsConfig::new(draft.name(), DnsConfigSpec { primary, secondary, common: draft.common() }))
}
