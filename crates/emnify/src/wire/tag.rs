//! Tags of v2.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::Ref;
use super::lenient as de;
use crate::api::Api;
use crate::call::{Call, Created, date};
use crate::error::Error;
use crate::page::{Cursor, Page};

/// The page size asked for.
const PAGE_SIZE: u32 = 1_000;

/// A tag; its name is unique in the organisation [S].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// How many objects have it.
    #[serde(default, deserialize_with = "de::optional_id")]
    pub resource_count: Option<i64>,
    /// Id of its colour; requests call it `color`.
    #[serde(default, rename = "tag_color", deserialize_with = "de::optional_ref")]
    pub color: Option<i64>,
}

/// A tag on an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TagAssignment {
    /// Id of the tag.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
}

/// A colour.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TagColor {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// As `#RRGGBB`.
    #[serde(default, deserialize_with = "de::text")]
    pub hex_color: String,
    /// Its name.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub description: Option<String>,
}

/// Tags to add to or take off one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagItem {
    /// The endpoint.
    pub endpoint: i64,
    /// Ids of tags.
    pub tags: Vec<i64>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "de::list")]
    data: Vec<Value>,
    #[serde(default, deserialize_with = "de::optional_id")]
    total: Option<i64>,
    #[serde(default, deserialize_with = "de::optional_id")]
    page: Option<i64>,
    #[serde(default, deserialize_with = "de::optional_id")]
    last_page: Option<i64>,
}

#[derive(Serialize)]
struct NewTag<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<Ref>,
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
    /// One page of tags, all or those whose name matches.
    pub async fn list_tags(&self, at: Cursor, name: Option<&str>) -> Result<Page<Tag>, Error> {
        let call = Call::get("/api/v2/tags").query("page", at.page).query("page_size", PAGE_SIZE);
        let reply = self.call(call.query_if("name", name)).await?;
        let envelope: Envelope = reply.json()?;
        let shown = envelope.data.len();
        let rows = reply.enveloped(envelope.data);
        let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        Ok(Page {
            items: rows.items,
            page: number(envelope.page).unwrap_or(at.page),
            pages: number(envelope.last_page).unwrap_or(1),
            total: envelope.total.and_then(|total| u64::try_from(total).ok()),
            server_time: date(&reply.headers),
            unreadable: rows.unreadable,
            nameless: rows.nameless,
            cut: envelope.total.is_none() && envelope.last_page.is_none() && shown >= PAGE_SIZE as usize,
        })
    }

    /// Creates a tag; a conflict if the name is taken [S]. Without a colour the API picks one.
    pub async fn create_tag(&self, name: &str, color: Option<i64>) -> Result<Created, Error> {
        let body = NewTag { name, color: color.map(Ref::from) };
        self.call(Call::post("/api/v2/tags").body(&body)).await?.created()
    }

    /// Deletes a tag everywhere, automations included.
    pub async fn delete_tag(&self, tag: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v2/tags/{tag_id}").arg(tag)).await.map(drop)
    }

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

    /// Takes a tag off an endpoint.
    pub async fn unassign_tag(&self, endpoint: i64, tag: i64) -> Result<(), Error> {
        let route = "/api/v2/endpoint/{endpoint_id}/tags/{tag_id}";
        self.call(Call::delete(route).arg(endpoint).arg(tag)).await.map(drop)
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
    fn bulk_items_are_references() {
        let items = Items::of(&[TagItem { endpoint: 1, tags: vec![2, 3] }]);
        assert_eq!(
            serde_json::to_value(items).unwrap(),
            json!({"items": [{"endpoint": {"id": 1}, "tags": [{"id": 2}, {"id": 3}]}]})
        );
    }
}
