//! A tag as a manifest.

use emnify::wire::tag::Tag as Row;
use emnify_engine::kind::Id;

use super::{
    COLORS,
    spec::{Tag, TagSpec},
};
use crate::kinds::export::{Draft, Export, Exported, Manifest};

impl Export for Tag {
    const EXPORT: Exported<Self> = Exported::Always(Manifest {
        tables: |row, ()| row.color.map(|_| &COLORS).into_iter().collect(),
        ..Manifest::of(|row: &Row| row.name.clone(), |row, (), draft| write(row, draft))
    });
}

#[allow(clippy::unnecessary_wraps, reason = "the type of all that write manifests")]
fn write(row: &Row, draft: &mut Draft<'_>) -> Result<Tag, String> {
    let color = row.color.and_then(|color| {
        let name = draft.names(&COLORS, &Id::Int(color)).next().map(str::to_owned);
        if name.is_none() {
            draft.lacks(format!("color: emnify does not tell what the colour {color} is called"));
        }
        name
    });
    let spec = TagSpec { name: Some(row.name.clone()), color, common: draft.common() };
    Ok(Tag::new(draft.name(), spec))
}
