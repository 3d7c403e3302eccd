//! Data streams (v2): records of usage or events, sent on as they come. Everything about them takes a while. [S]

use serde_json::{Map, Value, json};

use super::route::Route;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Refusal};
use crate::reference_data;
use crate::state::DataStream;
use crate::state::data_stream::{Change, status};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("list-data-streamer-v-2-s", list),
        Route::express("create-data-streamer", create),
        Route::express("get-data-streamer-enum-filter-field-type", |_| {
            lookup("data_stream_filter_field_type")
        }),
        Route::express("get-data-streamer-statuses", |_| lookup("data_stream_status")),
        Route::express("get-data-streamer-data-stream-type", |_| lookup("data_stream_type")),
        Route::express("get-data-streamer-by-id-v-2", read),
        Route::express("patch-v-2-data-stream", update),
        Route::express("delete-data-streamer-v-2", delete),
        Route::express("data-streamer-v-2-by-id-restart", restart),
    ]
}

/// Destinations with the credentials that each needs. [S]
const DESTINATIONS: [(&str, &[&str]); 7] = [
    ("AwsKinesis", &["region", "stream_name", "role_arn"]),
    ("S3", &["region", "bucket_name", "role_arn"]),
    ("RestAPI", &["url"]),
    ("KeenIO", &["project_id", "write_key", "collection_name"]),
    ("Datadog", &["api_key"]),
    ("EventHubs", &["connection_string"]),
    ("PubSub", &["cps_topic", "cps_project"]),
];

/// What no answer shows. [S]
const MASKED: [&str; 4] = ["headers", "write_key", "api_key", "connection_string"];
const MASK: &str = "***";

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn lookup(name: &str) -> Answer {
    Ok(Reply::json(reference_data::rows(name).to_vec()))
}

fn named(lookup: &str, id: u64) -> Value {
    json!({"id": id, "description": reference_data::describe(lookup, id)})
}

fn show(stream: &DataStream) -> Value {
    let mask = |(key, value): (&String, &Value)| {
        let shown = match value {
            _ if !MASKED.contains(&key.as_str()) => value.clone(),
            Value::Array(all) => all.iter().map(|_| MASK).collect(),
            _ => MASK.into(),
        };
        (key.clone(), shown)
    };
    let credentials: Map<String, Value> = stream.credentials.iter().map(mask).collect();
    json!({
        "id": DataStream::name_of(stream.id),
        "name": stream.name,
        "data_stream_type": named("data_stream_type", stream.kind),
        "destination": {
            "connection_type": stream.connection_type, "format": "Json", "credentials": credentials,
        },
        "filters": stream.filters,
        "status": named("data_stream_status", stream.status),
    })
}

/// An array; the schema says one object, which the option shows where there is just one.
#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let rows: Vec<Value> = call.org().data_streams.values().map(show).collect();
    Ok(match rows.as_slice() {
        [one] if call.options.list_as_object => Reply::json(one.clone()),
        _ => Reply::json(rows),
    })
}

fn invalid(code: Code, message: impl Into<String>) -> Refusal {
    Refusal::coded(422, code, message)
}

/// Connection type and credentials.
type Destination = (String, Map<String, Value>);

/// Those of a body.
fn destination(call: &Call<'_>) -> Result<Option<Destination>, Refusal> {
    let destination = call.field("destination");
    if destination.is_null() {
        return Ok(None);
    }
    let kind = destination["connection_type"].as_str().unwrap_or_default();
    let needs = DESTINATIONS.iter().find(|(name, _)| *name == kind).map(|(_, needs)| *needs);
    let needs = needs.ok_or_else(|| {
        invalid(Code::INVALID_FORMAT, "destination.connection_type is none of the known ones")
    })?;
    let credentials = destination["credentials"].as_object().cloned().unwrap_or_default();
    let empty = |name: &&&str| credentials.get(**name).and_then(Value::as_str).is_none_or(str::is_empty);
    if let Some(name) = needs.iter().find(empty) {
        return Err(invalid(Code::REQUIRED, format!("destination.credentials.{name} is required")));
    }
    if credentials.get("size").is_some_and(|size| !(1..=10_000).contains(&size.as_u64().unwrap_or(0))) {
        return Err(invalid(Code::INVALID_FORMAT, "destination.credentials.size lies between 1 and 10000"));
    }
    Ok(Some((kind.to_owned(), credentials)))
}

/// Filters of a body, for a stream of that kind.
fn filters(call: &Call<'_>, kind: u64) -> Result<Option<Vec<Value>>, Refusal> {
    let filters = match call.field("filters") {
        Value::Null => return Ok(None),
        Value::Array(filters) => filters.clone(),
        _ => return Err(invalid(Code::INVALID_FORMAT, "filters is a list")),
    };
    if kind == 1 && !filters.is_empty() {
        return Err(invalid(Code::VALIDATION_FAILED, "Streams of usage have no filters"));
    }
    let known = |filter: &Value| {
        let field = filter["field"].as_str().is_some_and(|field| ["event_type_id", "alert"].contains(&field));
        let texts = filter["value"].as_array().is_some_and(|all| all.iter().all(Value::is_string));
        field && texts
    };
    if !filters.iter().all(known) {
        return Err(invalid(Code::INVALID_FORMAT, "filters: a field, and a list of texts as its value"));
    }
    Ok(Some(filters))
}

/// Running or paused, as a body asks for.
fn wanted(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    match call.field("status") {
        Value::Null => Ok(None),
        given => match body::id_of(given) {
            Some(id @ (status::RUNNING | status::PAUSED)) => Ok(Some(id)),
            _ => Err(invalid(Code::INVALID_FORMAT, "status is 1 or 2")),
        },
    }
}

fn create(call: &mut Call<'_>) -> Answer {
    let kind = call.reference("data_stream_type").filter(|kind| [1, 2].contains(kind));
    let kind = kind.ok_or_else(|| invalid(Code::REQUIRED, "data_stream_type is required"))?;
    let (connection_type, credentials) =
        destination(call)?.ok_or_else(|| invalid(Code::REQUIRED, "destination is required"))?;
    let filters = filters(call, kind)?.unwrap_or_default();
    let wanted = wanted(call)?.unwrap_or(status::RUNNING);
    let name = call.field("name").as_str().unwrap_or_default().to_owned();
    let change = Some(Change::to(wanted, call.now));
    let (org, next) = call.split();
    let stream = DataStream {
        id: 0,
        name,
        kind,
        connection_type,
        credentials,
        filters,
        status: status::PENDING,
        change,
        outbox: std::collections::VecDeque::new(),
        failures: 0,
        retry_at: None,
    };
    let id = org.data_streams.add(next, stream);
    Ok(Reply::created(format!("/api/v2/data_stream/{}", DataStream::name_of(id))))
}

fn missing() -> Refusal {
    Refusal::not_found("Data stream")
}

fn number(call: &Call<'_>) -> Result<u64, Refusal> {
    DataStream::number_of(call.param("data_stream_id")).ok_or_else(missing)
}

fn read(call: &mut Call<'_>) -> Answer {
    Ok(Reply::json(show(call.org().data_streams.get(&number(call)?).ok_or_else(missing)?)))
}

/// The stream of the path, unless it is being changed.
fn settled<'a>(call: &'a mut Call<'_>) -> Result<&'a mut DataStream, Refusal> {
    let number = number(call)?;
    let (org, _) = call.split();
    let stream = org.data_streams.get_mut(&number).ok_or_else(missing)?;
    if stream.status == status::PENDING {
        return Err(Refusal::conflict("The data stream is being changed"));
    }
    Ok(stream)
}

/// Accepts a change.
fn accept(stream: &mut DataStream, change: Change) -> Reply {
    (stream.status, stream.change) = (status::PENDING, Some(change));
    Reply::json(json!({}))
}

fn update(call: &mut Call<'_>) -> Answer {
    let now = call.now;
    let stream = settled(call)?.clone();
    let another = call.reference("data_stream_type").is_some_and(|kind| kind != stream.kind);
    let destination = destination(call)?;
    if another || destination.as_ref().is_some_and(|(kind, _)| *kind != stream.connection_type) {
        return Err(invalid(Code::NOT_ALLOWED, "Type and destination of a stream cannot be changed"));
    }
    let paused = if stream.status == status::PAUSED { status::PAUSED } else { status::RUNNING };
    let change = Change {
        name: call.field("name").as_str().map(str::to_owned),
        credentials: destination.map(|(_, credentials)| credentials),
        filters: filters(call, stream.kind)?,
        ..Change::to(wanted(call)?.unwrap_or(paused), now)
    };
    Ok(accept(settled(call)?, change))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let change = Change { ends: true, ..Change::to(status::PENDING, call.now) };
    Ok(accept(settled(call)?, change))
}

fn restart(call: &mut Call<'_>) -> Answer {
    let change = Change::to(status::RUNNING, call.now);
    Ok(accept(settled(call)?, change))
}
