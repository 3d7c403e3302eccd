use emnify_engine::{decide::conditions, kind::reason::condition::CONNECTED};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kinds::{
    endpoint::{Connectivity, DataQuota, quota::Live, report::report, rows::Parts, tests::*},
    sim::state::status as sim_status,
};

fn seen(word: &str, since: Option<&str>) -> Connectivity {
    let since = since.map(|at| at.parse().unwrap());
    Connectivity {
        word: word.into(),
        operator: Some("O2".into()),
        country: Some("Germany".into()),
        since,
        ..Connectivity::default()
    }
}

fn shown(object: &Endpoint, row: &Row, parts: &Parts, news: Option<&Connectivity>) -> EndpointStatus {
    let mut status = object.status.clone().unwrap_or_default();
    report(object, row, parts, news, &mut status);
    status
}

#[test]
fn the_status_shows_device_and_sim() {
    let row = Row { address: Some("10.0.0.4".into()), ..row(sim_status::ACTIVATED) };
    let status = shown(&endpoint(|_| ()), &row, &Parts::default(), None);
    assert_eq!(status.address.as_deref(), Some("10.0.0.4"));
    let sim = status.sim.unwrap();
    assert_eq!((sim.id.as_str(), sim.state.as_deref(), sim.managed), ("70", Some("Activated"), None));
    let managed =
        shown(&endpoint(|spec| set_state(spec, SimState::Activated)), &row, &Parts::default(), None);
    assert_eq!(managed.sim.unwrap().managed, Some(true), "its state is ours");
}

#[test]
fn connected_follows_the_device_and_says_where() {
    let object = endpoint(|_| ());
    let status =
        shown(&object, &row(1), &Parts::default(), Some(&seen("ONLINE", Some("2026-06-01T00:00:00Z"))));
    let connected = conditions::get(&status.common.conditions, CONNECTED).unwrap();
    assert_eq!((connected.status.as_str(), connected.message.as_str()), ("True", "O2, Germany"));
    let shown_again = shown(
        &Endpoint { status: Some(status.clone()), ..object.clone() },
        &row(1),
        &Parts::default(),
        Some(&seen("ONLINE", Some("2026-06-01T00:00:00Z"))),
    );
    assert_eq!(shown_again, status, "saying it twice changes nothing");
    let offline = shown(
        &Endpoint { status: Some(status), ..object },
        &row(1),
        &Parts::default(),
        Some(&seen("OFFLINE", Some("2026-06-02T00:00:00Z"))),
    );
    assert_eq!(conditions::get(&offline.common.conditions, CONNECTED).unwrap().status, "False");
}

#[test]
fn older_news_does_not_undo_newer() {
    let mut object = endpoint(|_| ());
    object.status =
        Some(shown(&object, &row(1), &Parts::default(), Some(&seen("ONLINE", Some("2026-06-02T00:00:00Z")))));
    let old =
        shown(&object, &row(1), &Parts::default(), Some(&seen("OFFLINE", Some("2026-06-01T00:00:00Z"))));
    assert_eq!(old.connectivity.unwrap().state, "Online");
}

#[test]
fn a_session_keeps_the_place_that_the_location_told() {
    let mut object = endpoint(|_| ());
    object.status = Some(shown(
        &object,
        &row(1),
        &Parts::default(),
        Some(&seen("ATTACHED", Some("2026-06-01T00:00:00Z"))),
    ));
    let session = Connectivity { operator: None, ..seen("ONLINE", Some("2026-06-01T00:00:05Z")) };
    let online = shown(&object, &row(1), &Parts::default(), Some(&session)).connectivity.unwrap();
    assert_eq!((online.state.as_str(), online.operator.as_deref()), ("Online", Some("O2")));
    let gone =
        Connectivity { operator: None, country: None, ..seen("OFFLINE", Some("2026-06-01T00:00:09Z")) };
    let offline = shown(&object, &row(1), &Parts::default(), Some(&gone)).connectivity.unwrap();
    assert_eq!(offline.operator, None, "an offline device is nowhere");
}

#[test]
fn tags_that_left_the_spec_are_remembered_until_they_left_the_device() {
    let mut object = endpoint(|spec| spec.settings.tags = Some(vec!["roof".into()]));
    let tagged = Row { tags: Some(vec![tag(6, "roof"), tag(7, "theirs")].into()), ..row(0) };
    object.status = Some(shown(&object, &tagged, &Parts::default(), None));
    assert_eq!(object.status.as_ref().unwrap().tags, ["roof"]);
    object.spec.settings.tags = Some(Vec::new());
    let pending = shown(&object, &tagged, &Parts::default(), None);
    assert_eq!(pending.tags, ["roof"], "still to be removed");
    let bare = Row { tags: Some(vec![tag(7, "theirs")].into()), ..tagged };
    assert!(shown(&object, &bare, &Parts::default(), None).tags.is_empty());
}

#[test]
fn an_allowance_is_remembered_when_posted_or_found_and_forgotten_when_gone() {
    let object = endpoint(|spec| {
        let data = DataQuota {
            allowance: "100M".into(),
            period: Some("720h".into()),
            expiry: None,
            auto_refill: None,
            threshold_percentage: None,
        };
        spec.settings.quota.get_or_insert_default().data = Some(data);
    });
    let parts = |live: Option<Live>| Parts { data_quota: Some(live), ..Parts::default() };
    let other = Live { last_added: Some(50.0), volume: 50.0, ..Live::default() };
    assert_eq!(shown(&object, &row(0), &parts(Some(other)), None).quota, None, "not yet what the spec wants");
    let found = Live { last_added: Some(100.0), volume: 3.0, ..Live::default() };
    let status = shown(&object, &row(0), &parts(Some(found)), None);
    let set = status.quota.clone().unwrap().data.unwrap();
    assert_eq!((set.allowance.as_str(), set.term.as_str()), ("100", "720h"));
    let mut removed = Endpoint { status: Some(status), ..object };
    removed.spec.settings.quota = None;
    assert!(shown(&removed, &row(0), &Parts::default(), None).quota.is_some(), "still to be deleted");
    assert_eq!(shown(&removed, &row(0), &parts(None), None).quota, None);
}

#[test]
fn a_device_made_for_its_object_was_never_attached_and_need_not_be_read() {
    let mut object = endpoint(|_| ());
    object.metadata.creation_timestamp = Some(Time("2026-06-01T00:00:00Z".parse().unwrap()));
    let made = |at: &str| Row { created: Some(at.parse().unwrap()), ..row(1) };
    let state = |row: &Row| shown(&object, row, &Parts::default(), None).connectivity.map(|c| c.state);
    assert_eq!(state(&made("2026-06-01T00:00:03Z")).as_deref(), Some("Offline"));
    assert_eq!(state(&made("2026-05-01T00:00:00Z")), None, "one that was there before is read once");
}
