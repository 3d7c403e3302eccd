//! Tags by name, for devices that carry them.

use std::time::Duration;

use emnify::{Api, Cursor, Error, wire::tag::TAGS as CALLS};
use emnify_engine::kind::{Id, LookupRow, Table};
use futures::FutureExt;

/// Tags by name, those that mark devices too: the listing of the kind `Tag`, every 5 minutes, which is good until the next one. A
/// name is unique per organisation [S]; whether that minds case is not documented.
pub static TAGS: Table = Table {
    name: "tag",
    folds: false,
    keep: Duration::from_secs(24 * 60 * 60),
    load: |api| tags(api).boxed(),
};

/// Read whole, where nobody lists the kind.
async fn tags(api: Api) -> Result<Vec<LookupRow>, Error> {
    let mut rows = Vec::new();
    let mut next = Some(Cursor::first());
    while let Some(at) = next {
        let page = CALLS.list(&api, at).await?;
        next = page.next();
        let row = |tag: emnify::wire::tag::Tag| LookupRow {
            id: Id::Int(tag.id),
            names: vec![tag.name],
            shown: None,
        };
        rows.extend(page.items.into_iter().map(row));
    }
    Ok(rows)
}
