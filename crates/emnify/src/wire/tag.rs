//! Tags of v2.

use serde::Serialize;

use super::collection::{Collection, Entry, Paging};
use super::common::Ref;
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

/// The page size asked for.
const PAGE_SIZE: u32 = 1_000;

record!(
    /// A tag; its name is unique in the organisation [S].
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Tag {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub name: String,
        /// How many objects have it.
        pub resource_count: Option<i64>,
        /// Id of its colour; requests call it `color`.
        #[key("tag_color")]
        #[read(lenient::reference)]
        pub color: Option<i64>,
    }
);

record!(
    /// A tag on an endpoint.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TagAssignment {
        /// Id of the tag.
        pub id: i64,
        /// Its name.
        pub name: String,
    }
);

record!(
    /// A colour.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TagColor {
        /// Its id.
        pub id: i64,
        /// As `#RRGGBB`.
        pub hex_color: String,
        /// Its name.
        pub description: Option<String>,
    }
);

/// A new tag, or changes to one, which devices keep. Without a colour the API picks one; a conflict if the name is taken. [S]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TagWrite {
    /// Its name; a create needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its colour; answers call it `tag_color`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<Ref>,
}

impl TagWrite {
    /// Only a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), color: None }
    }
}

/// Tags. No read of one; a create answers with the tag, and a delete takes it off every device and automation. [S]
pub const TAGS: Collection<Tag> =
    Collection::at("/api/v2/tags", "/api/v2/tags/{tag_id}").listed_only().paged(Paging::Envelope(PAGE_SIZE));

impl Entry for Tag {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

/// Tags to add to or take off one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagItem {
    /// The endpoint.
    pub endpoint: i64,
    /// Ids of tags.
    pub tags: Vec<i64>,
}

#[derive(Serialize)]
struct Items {
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    endpoint: Ref,
    tags: Vec<Ref>,
}

impl Items {
    fn of(items: &[TagItem]) -> Self {
        let item = |item: &TagItem| Item {
            endpoint: item.endpoint.into(),
            tags: item.tags.iter().copied().map(Ref::from).collect(),
        };
        Self { items: items.iter().map(item).collect() }
    }
}

impl Api {
    /// Colours.
    pub async fn tag_colors(&self) -> Result<Vec<TagColor>, Error> {
        self.call(Call::get("/api/v2/tag-colors")).await?.lookup()
    }

    /// Tags of an endpoint.
    pub async fn endpoint_tags(&self, endpoint: i64) -> Result<Vec<Tag>, Error> {
        self.call(Call::get("/api/v2/endpoint/{endpoint_id}/tags").arg(endpoint)).await?.list()
    }

    /// Gives an endpoint a tag; a conflict if it has it already [S].
    pub async fn assign_tag(&self, endpoint: i64, tag: i64) -> Result<(), Error> {
        let call = Call::post("/api/v2/endpoint/{endpoint_id}/tags").arg(endpoint);
        self.call(call.body(&Ref::from(tag)).repeatable(true)).await.map(drop)
    }

    /// Gives many endpoints tags.
    pub async fn add_tags(&self, items: &[TagItem]) -> Result<(), Error> {
        let call = Call::post("/api/v2/bulk-operations/endpoint/add-tags");
        self.call(call.body(&Items::of(items)).repeatable(true)).await.map(drop)
    }

    /// Takes tags off many endpoints.
    pub async fn remove_tags(&self, items: &[TagItem]) -> Result<(), Error> {
        let call = Call::post("/api/v2/bulk-operations/endpoint/remove-tags");
        self.call(call.body(&Items::of(items)).repeatable(true)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tag_is_read_and_written_as_documented() {
        let shown = json!({"id": 5.0, "name": "roof", "resource_count": 2.0, "tag_color": {"id": 3.0}});
        let tag: Tag = serde_json::from_value(shown).unwrap();
        assert_eq!(
            (tag.id(), tag.name.as_str(), tag.resource_count, tag.color),
            (5, "roof", Some(2), Some(3))
        );
        let write = TagWrite { color: Some(3.into()), ..TagWrite::named("roof") };
        assert_eq!(serde_json::to_value(write).unwrap(), json!({"name": "roof", "color": {"id": 3}}));
        assert_eq!(
            serde_json::to_value(TagWrite::named("a")).unwrap(),
            json!({"name": "a"}),
            "no colour, no key"
        );
    }

    #[test]
    fn bulk_items_are_references() {
        let items = Items::of(&[TagItem { endpoint: 1, tags: vec![2, 3] }]);
        assert_eq!(
            serde_json::to_value(items).unwrap(),
            json!({"items": [{"endpoint": {"id": 1}, "tags": [{"id": 2}, {"id": 3}]}]})
        );
    }
}
