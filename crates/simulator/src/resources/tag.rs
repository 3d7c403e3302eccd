//! Tags (v2): names with a colour on devices. The only resource whose list is an envelope. [S]

use serde_json::{Value, json};

use super::route::Route;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::reference_data;
use crate::state::{Organisation, Tag};

/// Rows of a page unless asked otherwise, and the most one can ask for. [?]
const PAGE: (usize, usize) = (100, 1000);

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("list-tags", list),
        Route::express("create-tag", create),
        Route::express("update-tag", update),
        Route::express("delete-tag", delete),
        Route::express("list-endpoint-tags", list_of_endpoint),
        Route::express("assign-tag-to-endpoint", assign),
        Route::express("unassign-endpoint-tag", unassign),
        Route::express("assign-tag-to-endpoints-in-bulk", assign_bulk),
        Route::express("unassign-tags-from-endpoints-in-bulk", unassign_bulk),
        Route::express("delete-tags-in-bulk", delete_bulk),
    ]
}

fn resources(org: &Organisation, tag: u64) -> usize {
    org.endpoints.values().filter(|endpoint| endpoint.tag_ids.contains(&tag)).count()
}

/// Responses say `tag_color` where requests say `color`. [S]
fn short(tag: &Tag) -> Value {
    json!({"id": tag.id, "name": tag.name, "tag_color": {"id": tag.color}})
}

fn show(tag: &Tag, org: &Organisation) -> Value {
    let mut row = short(tag);
    row["resource_count"] = resources(org, tag.id).into();
    row
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    let name = call.query("name").unwrap_or("").to_lowercase();
    let rows: Vec<&Tag> = org.tags.values().filter(|tag| tag.name.to_lowercase().contains(&name)).collect();
    let number = |field: &str| {
        call.query(field).and_then(|text| text.parse::<usize>().ok()).filter(|number| *number >= 1)
    };
    let size = number("page_size").map_or(PAGE.0, |size| size.min(PAGE.1));
    let last = rows.len().div_ceil(size).max(1);
    let page = number("page").unwrap_or(1).min(last);
    let data: Vec<_> = rows.iter().skip((page - 1) * size).take(size).map(|tag| show(tag, org)).collect();
    Ok(Reply::json(
        json!({"total": rows.len(), "page": page, "page_size": size, "last_page": last, "data": data}),
    ))
}

/// The name and colour a body asks for.
fn wanted(call: &Call<'_>) -> Result<(Option<String>, Option<u64>), Refusal> {
    let invalid = |issue: Issue| Refusal::coded(422, issue.code, issue.message);
    let name = match call.field("name") {
        Value::Null => None,
        Value::String(name) if !name.trim().is_empty() => Some(name.clone()),
        _ => return Err(invalid(Issue::format("name"))),
    };
    let color = match call.field("color") {
        Value::Null => None,
        color => Some(
            body::id_of(color)
                .filter(|id| reference_data::row("tag_color", *id).is_some())
                .ok_or_else(|| invalid(Issue::reference("color")))?,
        ),
    };
    Ok((name, color))
}

/// Names are unique in an organisation [S], in whatever case [?].
fn taken(org: &Organisation, name: &str, but: u64) -> bool {
    let name = name.to_lowercase();
    org.tags.values().any(|tag| tag.name.to_lowercase() == name && tag.id != but)
}

/// Without a colour, a random one. [S]
fn create(call: &mut Call<'_>) -> Answer {
    let (name, color) = wanted(call)?;
    let name = name.ok_or_else(|| Refusal::coded(422, Code::REQUIRED, "name is required"))?;
    if taken(call.org(), &name, 0) {
        return Err(Refusal::duplicated("A tag with this name already exists"));
    }
    let colors = reference_data::rows("tag_color").len() as u64;
    let color = color.unwrap_or_else(|| rand::random_range(1..=colors));
    let (org, next) = call.split();
    let id = org.tags.add(next, Tag { id: 0, name, color });
    Ok(Reply::json(short(&org.tags[&id])).located(format!("/api/v2/tags/{id}")))
}

fn missing() -> Refusal {
    Refusal::not_found("Tag")
}

fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id("tag_id")?;
    let (name, color) = wanted(call)?;
    let (org, _) = call.split();
    if !org.tags.contains_key(&id) {
        return Err(missing());
    }
    if name.as_ref().is_some_and(|name| taken(org, name, id)) {
        return Err(Refusal::coded(422, Code::DUPLICATED, "A tag with this name already exists"));
    }
    let tag = org.tags.get_mut(&id).expect("looked up above");
    tag.name = name.unwrap_or_else(|| std::mem::take(&mut tag.name));
    tag.color = color.unwrap_or(tag.color);
    Ok(Reply::done())
}

/// Takes a tag off everything, then away. [S]
fn remove(org: &mut Organisation, id: u64) -> bool {
    for endpoint in org.endpoints.values_mut() {
        endpoint.tag_ids.retain(|tag| *tag != id);
    }
    let Some(tag) = org.tags.remove(&id) else { return false };
    for automation in org.automations.values_mut() {
        for target in automation.targeting_properties.iter_mut().filter(|target| target.property == "tags") {
            target.value_array.retain(|name| *name != tag.name);
            if target.value == tag.name {
                target.value.clear();
            }
        }
        automation.targeting_properties.retain(|target| !target.values().is_empty());
    }
    true
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id("tag_id")?;
    let (org, _) = call.split();
    if remove(org, id) { Ok(Reply::done()) } else { Err(missing()) }
}

fn no_endpoint() -> Refusal {
    Refusal::coded(422, Code::INVALID_REFERENCE, "The endpoint does not exist")
}

fn list_of_endpoint(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    let endpoint = org
        .endpoints
        .get(&call.id("endpoint_id")?)
        .ok_or_else(|| Refusal::bad_request("Unknown endpoint"))?;
    let tags = endpoint.tag_ids.iter().filter_map(|id| org.tags.get(id));
    Ok(Reply::json(tags.map(|tag| show(tag, org)).collect::<Vec<_>>()))
}

/// Checks that each pair of device and tag exists and is assigned, or not.
fn check(org: &Organisation, pairs: &[(u64, u64)], adding: bool) -> Result<(), Refusal> {
    for (endpoint, tag) in pairs {
        let endpoint = org.endpoints.get(endpoint).ok_or_else(no_endpoint)?;
        if !org.tags.contains_key(tag) {
            return Err(Refusal::coded(422, Code::INVALID_REFERENCE, format!("Tag {tag} does not exist")));
        }
        if adding && endpoint.tag_ids.contains(tag) {
            return Err(Refusal::duplicated(format!(
                "Tag {tag} is already assigned to endpoint {}",
                endpoint.id
            )));
        }
    }
    Ok(())
}

fn change(call: &mut Call<'_>, pairs: &[(u64, u64)], adding: bool) -> Result<(), Refusal> {
    check(call.org(), pairs, adding)?;
    let now = call.now;
    let (org, _) = call.split();
    for (endpoint, tag) in pairs {
        let endpoint = org.endpoints.get_mut(endpoint).expect("checked above");
        endpoint.tag_ids.retain(|other| other != tag);
        if adding {
            endpoint.tag_ids.push(*tag);
        }
        endpoint.last_updated = now;
    }
    Ok(())
}

fn assign(call: &mut Call<'_>) -> Answer {
    let endpoint = call.id("endpoint_id")?;
    let tag = body::id_of(call.body).ok_or_else(|| Refusal::bad_request("The id of a tag is needed"))?;
    change(call, &[(endpoint, tag)], true)?;
    Ok(Reply::done())
}

/// The tag is named by the path. [S]
fn unassign(call: &mut Call<'_>) -> Answer {
    let (endpoint, tag) = (call.id("endpoint_id")?, call.id("tag_id")?);
    let endpoint_row = call.org().endpoints.get(&endpoint).ok_or_else(no_endpoint)?;
    if !endpoint_row.tag_ids.contains(&tag) {
        return Err(missing());
    }
    change(call, &[(endpoint, tag)], false)?;
    Ok(Reply::done())
}

/// Pairs of device and tag named by the `items` of a bulk body.
fn pairs(call: &Call<'_>) -> Result<Vec<(u64, u64)>, Refusal> {
    let invalid = || Refusal::bad_request("items must be a list of an endpoint and its tags each");
    let mut pairs = Vec::new();
    for item in call.field("items").as_array().ok_or_else(invalid)? {
        let endpoint = item.get("endpoint").and_then(body::id_of).ok_or_else(invalid)?;
        for tag in item.get("tags").and_then(Value::as_array).ok_or_else(invalid)? {
            pairs.push((endpoint, body::id_of(tag).ok_or_else(invalid)?));
        }
    }
    Ok(pairs)
}

/// All or nothing. [?]
fn assign_bulk(call: &mut Call<'_>) -> Answer {
    let pairs = pairs(call)?;
    change(call, &pairs, true)?;
    Ok(Reply::done())
}

fn unassign_bulk(call: &mut Call<'_>) -> Answer {
    let pairs = pairs(call)?;
    change(call, &pairs, false)?;
    Ok(Reply::done())
}

fn delete_bulk(call: &mut Call<'_>) -> Answer {
    let invalid = || Refusal::bad_request("tags must be a list of tags");
    let tags = call.field("tags").as_array().ok_or_else(invalid)?;
    let ids = tags.iter().map(|tag| body::id_of(tag).ok_or_else(invalid)).collect::<Result<Vec<_>, _>>()?;
    let (org, _) = call.split();
    if ids.iter().any(|id| !org.tags.contains_key(id)) {
        return Err(Refusal::coded(422, Code::INVALID_REFERENCE, "A tag does not exist"));
    }
    for id in ids {
        remove(org, id);
    }
    Ok(Reply::done())
}
