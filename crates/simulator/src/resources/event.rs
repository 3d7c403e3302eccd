//! The event log: of the organisation, a device, a SIM or a person. Kept for 30 days. [P]

use serde_json::{Map, Value, json};

use super::endpoint::luhn;
use super::route::{Class, Route};
use crate::Sources;
use crate::http::call::{Answer, Call, Reply};
use crate::http::list::{self as lists, Cell, Column, Filter, Headers, Paging};
use crate::http::refusal::{Code, Refusal};
use crate::reference_data::{EVENT_TYPES, EventType, Operator};
use crate::rules::dates;
use crate::state::{Event, Organisation};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("get-events", |call| page(call, |_, _| true)).class(Class::Ten),
        Route::express("event-type-get", types),
        Route::express("endpoint-events-by-id", of_endpoint),
        Route::express("sim-event-page-per-page-sort-by-sim-id-and-q-get", of_sim),
        Route::express("user-event-page-per-page-sort-by-user-id-and-q-get", of_user),
    ]
}

/// The log of a missing object is empty, never 404. [S]
fn of_endpoint(call: &mut Call<'_>) -> Answer {
    let id = call.id("endpoint_id")?;
    page(call, |event, _| event.endpoint.as_ref().is_some_and(|endpoint| endpoint.id == id))
}

fn of_sim(call: &mut Call<'_>) -> Answer {
    let id = call.id("sim_id")?;
    page(call, |event, _| event.sim.as_ref().is_some_and(|sim| sim.id == id))
}

fn of_user(call: &mut Call<'_>) -> Answer {
    let id = call.id("user_id")?;
    page(call, |event, _| event.user.as_ref().is_some_and(|user| user.id == id))
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn types(_: &mut Call<'_>) -> Answer {
    let rows = EVENT_TYPES.iter().map(|kind| json!({"id": kind.id, "description": kind.name}));
    Ok(Reply::json(rows.collect::<Vec<_>>()))
}

/// 100 rows unless asked otherwise; the most one can ask for is not published. [R][?] A bad page or sort answers 400, a bad
/// `q` 422. [S]
const PAGING: Paging = Paging { default: 100, max: 1000, headers: Headers::WithEmptyLink, strict: true };

/// Activation and assignment of a SIM name the SIM and not the device. [R] In the samples of the documentation they do. [P]
const OF_SIMS: [u64; 2] = [8, 51];

fn page(call: &mut Call<'_>, wanted: impl Fn(&Event, &Organisation) -> bool) -> Answer {
    let named =
        |field: &str| call.query("q").is_some_and(|q| q.split(',').any(|part| part.starts_with(field)));
    if named("from:") != named("until:") {
        return Err(Refusal::coded(422, Code::INVALID_QUERY, "from and until are given both or neither"));
    }
    let org = call.org();
    let events = org.events.values().filter(|event| wanted(event, org));
    lists::list(call, events, &columns(), PAGING, |event| show(event, org, call.options.sources))
}

/// An entry. What does not concern it is left out. [R]
pub(crate) fn show(event: &Event, org: &Organisation, sources: Sources) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("timestamp", dates::express(event.timestamp).into());
    put("alert", event.alert.into());
    put("description", event.description.clone().into());
    put("id", event.id.into());
    let kind = EventType::get(event.event_type).map(|kind| kind.name);
    put("event_type", json!({"id": event.event_type, "description": kind}));
    put("event_source", json!({"id": event.source, "description": EventType::source_name(event.source)}));
    put(
        "event_severity",
        json!({"id": event.severity, "description": EventType::severity_name(event.severity)}),
    );
    put("organisation", json!({"id": org.id, "name": org.name}));
    if let Some(user) = &event.user {
        put("user", json!({"id": user.id, "username": user.username, "name": user.name}));
    }
    let names_device = sources == Sources::Published || !OF_SIMS.contains(&event.event_type);
    if let Some(endpoint) = event.endpoint.as_ref().filter(|_| names_device) {
        put("endpoint", json!(endpoint));
    }
    if let Some(sim) = &event.sim {
        let made = dates::express(sim.production_date);
        put("sim", json!({"iccid": sim.iccid, "id": sim.id, "production_date": made}));
    }
    if let Some(imsi) = &event.imsi {
        let imported = dates::express(imsi.import_date);
        put("imsi", json!({"id": imsi.id, "import_date": imported, "imsi": imsi.imsi}));
    }
    if !event.detail.is_null() {
        put("detail", event.detail.clone());
    }
    Value::Object(row)
}

fn column(
    name: &'static str,
    filter: Filter,
    sort: bool,
    read: fn(&Event, &Organisation) -> Cell,
) -> Column<Event> {
    Column { name, filter, sort, read }
}

/// The operator an event's detail names.
fn operator(event: &Event) -> Option<&'static Operator> {
    let detail = &event.detail;
    let id = detail["id"].as_u64().or_else(|| detail["operator"]["id"].as_u64());
    id.and_then(Operator::get)
}

/// Fields of `q` and `sort`. [S]
fn columns() -> Vec<Column<Event>> {
    vec![
        column("from", Filter::From, false, |event, _| Cell::Time(event.timestamp)),
        column("until", Filter::Until, false, |event, _| Cell::Time(event.timestamp)),
        column("id", Filter::No, true, |event, _| Cell::Int(event.id)),
        column("timestamp", Filter::Exact, true, |event, _| Cell::Time(event.timestamp)),
        column("type", Filter::AnyOf, true, |event, _| Cell::Int(event.event_type)),
        column("source", Filter::Exact, true, |event, _| Cell::Int(event.source)),
        column("severity", Filter::Exact, true, |event, _| Cell::Int(event.severity)),
        column("alert", Filter::Exact, true, |event, _| Cell::Text(event.alert.to_string())),
        column("description", Filter::Contains, false, |event, _| Cell::text(Some(&event.description))),
        column("organisation", Filter::Contains, true, |_, org| Cell::text(Some(&org.name))),
        column("user", Filter::Contains, true, |event, _| {
            Cell::text(event.user.as_ref().map(|user| user.name.as_str()))
        }),
        column("endpoint", Filter::AnyOf, true, |event, _| {
            Cell::text(event.endpoint.as_ref().map(|endpoint| endpoint.name.as_str()))
        }),
        column("tags", Filter::Contains, true, |event, _| {
            Cell::text(event.endpoint.as_ref().and_then(|endpoint| endpoint.tags.as_deref()))
        }),
        column("ip_address", Filter::Prefix, true, |event, _| {
            Cell::text(event.endpoint.as_ref().and_then(|endpoint| endpoint.ip_address.as_deref()))
        }),
        column("imei", Filter::Prefix, false, |event, _| {
            Cell::text(event.endpoint.as_ref().and_then(|endpoint| endpoint.imei.as_deref()))
        }),
        column("iccid", Filter::AnyOf, true, |event, _| {
            Cell::text(event.sim.as_ref().map(|sim| sim.iccid.as_str()))
        }),
        column("iccid_with_luhn", Filter::AnyOf, false, |event, _| {
            let with_luhn = |iccid: &str| format!("{iccid}{}", luhn(iccid));
            Cell::text(event.sim.as_ref().map(|sim| with_luhn(&sim.iccid)).as_deref())
        }),
        column("imsi", Filter::Prefix, true, |event, _| {
            Cell::text(event.imsi.as_ref().map(|imsi| imsi.imsi.as_str()))
        }),
        column("network", Filter::AnyOf, false, |event, _| {
            Cell::text(operator(event).map(|operator| operator.name.as_str()))
        }),
        column("country", Filter::AnyOf, false, |event, _| {
            Cell::text(operator(event).map(|operator| operator.country().name.as_str()))
        }),
        column("rat", Filter::AnyOf, false, |event, _| {
            Cell::int(event.detail["pdp_context"]["rat_type"].as_u64())
        }),
    ]
}
