//! Tables that devices refer to and that no other kind uses.

use std::time::Duration;

use emnify::{Api, Cursor, Error};
use emnify_engine::kind::{Id, LookupRow, Table};
use futures::FutureExt;

/// Tags by name. Short-lived: anybody may add one. A name is unique per organisation [S]; whether that minds case is not
/// documented.
pub static TAGS: Table = Table { name: "tag", folds: false, keep: Duration::from_secs(300), load: |api| tags(api).boxed() };

async fn tags(api: Api) -> Result<Vec<LookupRow>, Error> {
    let mut rows = Vec::new();
    let mut next = Some(Cursor::first());
    while let Some(at) = next {
        let page = api.list_tags(at, None).await?;
        next = page.next();
        rows.extend(
            page.items.into_iter().map(|tag| LookupRow { id: Id::Int(tag.id), names: vec![tag.name] }),
        );
    }
    Ok(rows)
}

/// Address spaces by CIDR. They are made rarely and never change.
pub static IP_ADDRESS_SPACES: Table =
    Table { name: "IP address space", folds: true, keep: Duration::from_secs(900), load: |api| spaces(api).boxed() };

async fn spaces(api: Api) -> Result<Vec<LookupRow>, Error> {
    let spaces = api.ip_address_spaces().await?;
    Ok(spaces
        .into_iter()
        .map(|space| LookupRow { id: Id::Int(space.id), names: vec![space.ip_address_space] })
        .collect())
}
