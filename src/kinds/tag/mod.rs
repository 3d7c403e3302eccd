//! `Tag`: a tag that devices carry, with its colour.
//!
//! Devices make the tags that their specs name, so a tag is often there before its object: it is taken over, and left behind. One that was
//! made here goes with its object, and vanishes from every device; that is what the guard counts.

mod export;
pub(crate) mod names;
mod spec;
#[cfg(test)]
mod tests;

use std::time::Duration;

use emnify::{
    Api, Error,
    wire::{Collection, tag},
};
use emnify_engine::{
    field,
    kind::{
        Facts, Id, Input, LookupRow, Source, Table,
        record::{Field, Identity, Record, Value},
        spec::AdoptionPolicy,
    },
};
use futures::FutureExt;

pub use self::spec::{Tag, TagSpec, TagStatus};
use crate::kinds::common::is_mark;

/// Colours by name and as `#RRGGBB`, as `GET /v2/tag-colors` lists them.
static COLORS: Table = Table {
    name: "tag colour",
    folds: true,
    keep: Duration::from_secs(24 * 60 * 60),
    load: |api| colors(api).boxed(),
};

async fn colors(api: Api) -> Result<Vec<LookupRow>, Error> {
    let row = |color: tag::TagColor| LookupRow {
        id: Id::Int(color.id),
        names: color.description.into_iter().chain([color.hex_color]).collect(),
        shown: None,
    };
    Ok(api.tag_colors().await?.into_iter().map(row).collect())
}

impl Record for Tag {
    type Row = tag::Tag;

    const NOUN: &'static str = "tag";
    const FACTS: Facts = Facts {
        sweep_every: Duration::from_secs(5 * 60),
        // devices make the tags that they name
        adoption: AdoptionPolicy::IfUnowned,
        ..Facts::RECORD
    };
    const TABLE: Option<&'static Table> = Some(&names::TAGS);
    const IDENTITY: Identity = Identity::Natural;
    const NAME: &'static [&'static str] = &["name"];
    const FOLDS: bool = true;
    const FIELDS: &'static [Field<Self>] = &[
        field!(name).named(),
        Field::<Self>::new(
            "color",
            "color",
            |object, from| Ok(object.spec.color.as_ref().and(from.int("color")).map(Value::Ref)),
            |row| row.color.map_or(Value::None, Value::Ref),
            |row, value| {
                if let Value::Ref(color) = value {
                    row.color = Some(color);
                }
            },
        )
        .looked_up(|object| {
            let name = object.spec.color.clone()?;
            Some(Input::new("color", Source::Lookup { table: &COLORS, name, optional: false }))
        }),
    ];
    const CALLS: Collection<Self::Row> = tag::TAGS;

    /// Marks say whose a device is: whoever could rename or delete one by its id would take devices from others.
    fn is_reserved(row: &Self::Row) -> bool {
        is_mark(&row.name)
    }

    fn holders(row: &Self::Row) -> u64 {
        row.resource_count.and_then(|devices| devices.try_into().ok()).unwrap_or_default()
    }

    fn report(row: &Self::Row, status: &mut TagStatus) {
        status.devices = row.resource_count;
    }
}
