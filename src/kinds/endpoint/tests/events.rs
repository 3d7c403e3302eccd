use emnify::wire::{
    connectivity::Connectivity as Wire,
    event::{Event, Record},
};
use emnify_engine::kind::{Key, Managed, Subject};
use serde_json::json;

use crate::kinds::endpoint::{
    Endpoint,
    connectivity::Connectivity,
    events::on_event,
    rows::{Row, RowSim, key},
};

fn event(kind: i64, severity: i64, detail: &serde_json::Value) -> Event {
    serde_json::from_value(json!({
        "id": 1, "timestamp": "2026-06-01T00:00:00.000+0000", "event_type": {"id": kind}, "event_source": {"id": 0},
        "event_severity": {"id": severity}, "endpoint": {"id": 9, "name": "d"}, "detail": detail
    }))
    .unwrap()
}

fn state(kind: i64) -> Option<String> {
    on_event(&event(kind, 0, &json!(null)))?.news.map(|news| news.state().to_owned())
}

#[test]
fn events_move_a_device() {
    for (kind, expected) in [
        (1, "Attached"),
        (2, "Attached"),
        (3, "Online"),
        (5, "Attached"),
        (15, "Offline"),
        (16, "Offline"),
        (11, "Blocked"),
    ] {
        assert_eq!(state(kind).as_deref(), Some(expected), "event {kind}");
    }
    assert!(on_event(&event(3, 1, &json!({}))).is_none(), "a rejected session leaves it where it is");
}

#[test]
fn events_about_device_and_sim_are_hints() {
    for kind in [8, 9, 45, 42, 43, 50, 51] {
        let heard = on_event(&event(kind, 0, &json!({}))).unwrap_or_else(|| panic!("event {kind} is a hint"));
        assert_eq!(heard.news, None);
    }
    assert!(on_event(&event(36, 0, &json!({}))).is_none(), "an invitation is not about the device");
}

#[test]
fn an_event_that_names_the_sim_alone_is_about_the_device_that_holds_it() {
    let recorded = json!({"timestamp": "2022-03-27T23:20:49.301Z", "alert": false,
        "description": "SIM 250 assigned to endpoint 11380016", "id": 351_732_525_154_305_i64,
        "event_type": {"id": 51, "description": "SIM Assigned"}, "event_source": {"id": 2, "description": "API"},
        "event_severity": {"id": 0, "description": "Info"},
        "sim": {"iccid": "8988303000000000129", "id": 250, "production_date": "2015-03-06T11:15:57.000Z"},
        "imsi": {"id": 247, "imsi": "295050999900095"}, "detail": {}});
    let mut event: Event = serde_json::from_value(recorded).unwrap();
    let holder = Subject::Key(Key::new(key::SIM, "250"));
    assert_eq!(on_event(&event).unwrap().of, holder);
    event.event_type = Some(serde_json::from_value(json!({"id": 10})).unwrap());
    assert_eq!((Endpoint::EVENTS.unwrap().alert)(&event).unwrap().of, holder, "what it warns of too");
    let record = Record { organisation: Some(1), sim: Some(250), ..Record::default() };
    assert_eq!((Endpoint::EVENTS.unwrap().record)(&record), Some(holder), "and a record of a data stream");
    event.sim = None;
    assert!(on_event(&event).is_none(), "an event that names neither is about nobody");
    let row = Row { id: 9, sim: Some(RowSim { id: 250, ..RowSim::default() }), ..Row::default() };
    let mut keys = Vec::new();
    Endpoint::keys(&row, &mut |key| keys.push(key));
    assert!(keys.contains(&Key::new(key::SIM, "250")), "the mirror finds a device by its SIM");
}

#[test]
fn a_location_event_says_where() {
    let detail =
        json!({"id": "4", "name": "O2", "country": {"id": 74, "name": "Germany"}, "tapcode": [], "mnc": []});
    let news = on_event(&event(2, 0, &detail)).unwrap().news.unwrap();
    assert_eq!((news.operator.as_deref(), news.country.as_deref()), (Some("O2"), Some("Germany")));
    assert_eq!(news.since, "2026-06-01T00:00:00Z".parse().ok());
    let detail = json!({"country": {"name": "Germany"}, "pdp_context": {"rat_type": 6, "apn": "em"}});
    let news = on_event(&event(3, 0, &detail)).unwrap().news.unwrap();
    assert_eq!((news.operator, news.rat_type.as_deref()), (None, Some("4G")));
}

#[test]
fn a_reading_says_which_cell() {
    let wire = Wire { status: "OFFLINE".into(), ..Wire::default() };
    let offline = Connectivity::from(wire);
    assert_eq!((offline.state(), &offline.cell, offline.since), ("Offline", &None, None));
    let session = serde_json::from_value(json!({
        "created": "2026-06-01 00:00:00", "mcc": "262", "mnc": "03", "lac": 16, "ci": "4711", "rat_type": {"description": "4G"}
    }));
    let wire = Wire { status: "ONLINE".into(), session: Some(session.unwrap()), ..Wire::default() };
    let online = Connectivity::from(wire);
    assert_eq!((online.cell.as_deref(), online.rat_type.as_deref()), (Some("262-03-16-4711"), Some("4G")));
    assert!(online.since.is_some());
}
