//! What a manifest may say, and what is made of it.

use emnify::wire::event::Event;
use emnify_engine::kind::task::{Here, Labels};
use serde_json::{Value, json};

use super::*;
use crate::kinds::{
    endpoint::{
        Row,
        rows::{RowSim, Tag},
    },
    sim::rows::Row as SimRow,
};

fn trigger(spec: Value) -> OperationTrigger {
    OperationTrigger::new("apn", serde_json::from_value(spec).unwrap())
}

fn scheduled(cron: &str) -> Value {
    json!({"when": {"schedule": {"cron": cron}},
        "operation": {"spec": {"target": {"tag": "roof"}, "action": {"resetConnectivity": {"data": true}}}}})
}

fn told() -> Value {
    json!({"when": {"event": {"types": ["2"]}}, "operation": {"spec": {"action": {"resetConnectivity": {"data": true}}}}})
}

fn check(spec: &Value) -> Result<(), String> {
    trigger(spec.clone()).validate_cel().map_err(|errors| format!("{errors:?}"))
}

fn refused(change: impl Fn(&mut Value), mut spec: Value, why: &str) {
    change(&mut spec);
    let error = check(&spec).expect_err(why);
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_schedule_names_its_targets_and_what_is_told_is_its_own() {
    assert_eq!((check(&scheduled("0 3 * * 1")), check(&told())), (Ok(()), Ok(())));
    refused(
        |spec| spec["operation"]["spec"]["target"] = Value::Null,
        scheduled("0 3 * * 1"),
        "needs operation.spec.target",
    );
    refused(|spec| spec["operation"]["spec"]["target"] = json!({"tag": "roof"}), told(), "leave out");
    refused(
        |spec| spec["operation"]["spec"]["action"] = json!({"deleteSims": {}}),
        told(),
        "needs a schedule",
    );
    refused(
        |spec| spec["operation"]["spec"]["action"] = json!({"euicc": {"action": "Audit"}}),
        told(),
        "needs a schedule",
    );
    refused(|spec| spec["once"] = json!(true), scheduled("0 3 * * 1"), "not for a schedule");
    refused(|spec| spec["concurrencyPolicy"] = json!("Allow"), told(), "for a schedule");
    refused(
        |spec| spec["when"]["sms"] = json!({"kind": "Received"}),
        told(),
        "exactly one of schedule, event, sms",
    );
    let both = json!({"types": ["2"], "tag": "a", "endpointSet": {"name": "b"}});
    refused(|spec| spec["when"]["event"] = both.clone(), told(), "at most one of");
    let stream = json!({"tag": "roof"});
    refused(
        |spec| {
            spec["operation"]["spec"] = json!({"target": stream, "action": {"restartDataStream": {}}});
        },
        scheduled("0 3 * * 1"),
        "dataStream is the target of restartDataStream",
    );
}

#[test]
fn what_the_schema_cannot_tell_is_told_with_its_path() {
    let path = |spec: Value| trigger(spec).terms().unwrap_err().to_string();
    assert!(path(scheduled("61 3 * * 1")).contains("when.schedule: minute: 61"));
    let mut zone = scheduled("0 3 * * 1");
    zone["when"]["schedule"]["timeZone"] = json!("Europe/Bern");
    assert!(path(zone).contains("no time zone Europe/Bern"));
    let mut gather = told();
    gather["gather"] = json!("2h");
    assert!(path(gather).contains("gather"));
}

#[test]
fn what_is_left_out_is_the_safe_default() {
    let terms = trigger(told()).terms().unwrap();
    assert!(!terms.once && !terms.suspend && terms.forbid);
    assert_eq!((terms.most_per_hour, terms.gather, terms.late.as_secs()), (100, GATHER, 300));
    assert_eq!((terms.keep_succeeded, terms.keep_failed), (3, 3));
}

#[test]
fn an_event_passes_if_all_that_is_set_says_so() {
    let mut spec = told();
    spec["when"]["event"] = json!({"types": ["2", "3"], "alert": false, "countries": ["de", "France"], "operators": [{"id": "7"}]});
    let filter = trigger(spec).filter(&Inputs::default()).unwrap();
    let event = |kind: i64, alert: bool, detail: Value| -> bool {
        let event: Event = serde_json::from_value(
            json!({"id": 1, "alert": alert, "event_type": {"id": kind, "description": "x"},
            "endpoint": {"id": 9, "name": "m"}, "detail": detail}),
        )
        .unwrap();
        filter.passes(&Heard::event(&event, jiff::Timestamp::UNIX_EPOCH))
    };
    let at = |id: i64, iso: &str, name: &str| json!({"id": id, "name": "net", "country": {"id": 74, "iso_code": iso, "name": name}});
    assert!(event(2, false, at(7, "DE", "Germany")), "the network itself");
    assert!(event(2, false, json!({"operator": at(7, "fr", "France")})), "or within");
    assert!(!event(2, false, at(8, "DE", "Germany")), "another network");
    assert!(!event(2, false, at(7, "AT", "Austria")), "another country");
    assert!(!event(2, true, at(7, "DE", "Germany")), "an alert");
    assert!(!event(1, false, at(7, "DE", "Germany")), "another type");
    assert!(!event(3, false, json!({"id": 7})), "what says nothing of a network is not in one");
}

struct Namespace;

impl Here for Namespace {
    fn labelled(&self, _: &str, passes: &dyn Fn(&Labels) -> bool) -> Vec<Id> {
        let labels = Labels::from([("site".to_owned(), "north".to_owned())]);
        if passes(&labels) { vec![Id::Int(1)] } else { Vec::new() }
    }
    fn members(&self, _: &str, name: &str) -> Option<Vec<Id>> {
        (name == "meters").then(|| vec![Id::Int(2)])
    }
    fn manager(&self, _: (&'static str, &Id), _: &[(&str, &str)]) -> Option<String> {
        None
    }
}

fn devices_there() -> Vec<Row> {
    let sim = RowSim { id: 7, iccid: None, status: Some(1) };
    let tags = Some([Tag { id: Some(1), name: "k8s-once:prod/ns/apn".into() }].into_iter().collect());
    vec![Row { id: 1, sim: Some(sim), tags, ..Row::default() }]
}

#[test]
fn devices_are_those_of_the_namespace_or_of_a_tag() {
    let (devices, sims) = (devices_there(), Vec::<SimRow>::new());
    let world = World {
        members: &devices,
        pool: &sims,
        here: &Namespace,
        text: None,
        begun: false,
        own_users: Vec::new(),
        as_user: false,
    };
    let means = |event: Value| {
        let mut spec = told();
        spec["when"]["event"] = event;
        trigger(spec).means(&world)
    };
    assert_eq!(means(json!({"types": ["2"]})), Ok(Means::Any));
    assert_eq!(means(json!({"types": ["2"], "tag": "roof"})), Ok(Means::Tagged("roof".into())));
    let north = json!({"types": ["2"], "endpointSelector": {"matchLabels": {"site": "north"}}});
    assert_eq!(means(north), Ok(Means::Only([Id::Int(1)].into())));
    assert_eq!(
        means(json!({"types": ["2"], "endpointSet": {"name": "meters"}})),
        Ok(Means::Only([Id::Int(2)].into()))
    );
    let missing = means(json!({"types": ["2"], "endpointSet": {"name": "gone"}})).unwrap_err();
    assert_eq!(missing.path, "when.event.endpointSet");

    let heard = |endpoint, sim| Heard {
        id: 1,
        at: jiff::Timestamp::UNIX_EPOCH,
        endpoint,
        sim,
        what: emnify_engine::kind::trigger::What::Event(Box::default()),
    };
    let of = |endpoint, sim| OperationTrigger::device_of(&heard(endpoint, sim), &world);
    assert_eq!(of(Some(5), Some(7)), Some(Id::Int(5)), "the one that is named");
    assert_eq!(of(None, Some(7)), Some(Id::Int(1)), "else the one that holds the SIM");
    assert_eq!(of(None, Some(8)), None);
    assert!(OperationTrigger::exists(&Id::Int(1), &world) && !OperationTrigger::exists(&Id::Int(5), &world));
    assert!(
        OperationTrigger::carries(&Id::Int(1), "K8S-once:prod/ns/apn", &world),
        "a tag is one, however it is written"
    );
}

#[test]
fn an_operation_is_made_of_the_template_and_says_what_it_was_made_for() {
    let mut spec = told();
    spec["workspaceRef"] = json!({"name": "other"});
    spec["operation"]["metadata"] = json!({"labels": {"team": "field"}, "annotations": {"note": "by rule"}});
    spec["operation"]["spec"]["parallelism"] = json!(5);
    let causes = [Cause { device: Id::Int(1), id: 11 }, Cause { device: Id::Int(1), id: 12 }];
    let made = trigger(spec).make(&causes);
    assert_eq!(OperationTrigger::causes(&made), causes);
    assert_eq!(made.spec.workspace_ref.as_ref().unwrap().name, "other");
    assert_eq!(made.spec.parallelism, Some(5));
    assert_eq!(made.metadata.labels.as_ref().unwrap()["team"], "field");
    let named = Operation::new("x", made.spec.clone());
    assert!(named.validate_cel().is_ok(), "the API server takes it: {named:?}");
    let scheduled = trigger(scheduled("0 3 * * 1")).make(&[]);
    assert_eq!(scheduled.spec.target.unwrap().tag.as_deref(), Some("roof"));
}

#[test]
fn the_column_says_when() {
    let mut berlin = scheduled("0 3 * * 1");
    berlin["when"]["schedule"]["timeZone"] = json!("Europe/Berlin");
    assert_eq!(trigger(berlin).when(), "0 3 * * 1 Europe/Berlin");
    assert_eq!(trigger(told()).when(), "2");
    let sms =
        json!({"when": {"sms": {"kind": "Received"}}, "operation": {"spec": {"action": {"cancelSms": {}}}}});
    assert_eq!(trigger(sms).when(), "SMS Received");
}
