//! An attachment as a manifest: emnify shows neither its networks nor, to everybody, its key.

use emnify::wire::cloud_connect::Attachment as Row;

use super::{
    rows::Parts,
    spec::{CloudConnect, CloudConnectSpec},
};
use crate::kinds::export::{Draft, Export, Exported, Manifest, line};

impl Export for CloudConnect {
    const EXPORT: Exported<Self> =
        Exported::Always(Manifest::of(|row| row.name.clone().unwrap_or_default(), write));
}

#[allow(clippy::unnecessary_wraps, reason = "the type of all that write manifests")]
fn write(row: &Row, _: &Parts, draft: &mut Draft<'_>) -> Result<CloudConnect, String> {
    let description = row.description.as_deref().unwrap_or_default();
    let spec = CloudConnectSpec {
        name: row.name.as_deref().and_then(|name| line(name, 160)),
        description: draft.text("description", description, 160),
        region: row.region.clone().filter(|region| is_region(region)),
        common: draft.common(),
        ..CloudConnectSpec::default()
    };
    Ok(CloudConnect::new(draft.name(), spec))
}

/// Such as `eu-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [continent, place, number] = parts.as_slice() else { return false };
    let lower = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    continent.len() == 2
        && lower(continent)
        && lower(place)
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
}
