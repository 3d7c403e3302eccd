use std::sync::Arc;

use emnify::wire::data_stream::DataStream as Row;
use emnify_engine::kind::{
    Change as _, Context, Diff, FieldDiff, Find, Have, Inputs, Key, Managed, Phase, mark, reason,
    secret::SecretValue,
    spec::{CommonStatus, Provenance},
};
use emnify_simulator::{Options, Simulator};
use jiff::Timestamp;
use serde_json::{Value, from_value, json};

use super::{Change, DataStream, DataStreamStatus};
use crate::kinds::common::group;
use crate::kinds::laws::{api, context, is_found_again, kind_laws, look, object};

const AUTHORIZATION: &str = "destination.webhook.headers.authorization";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn inputs(digest: &str) -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put_secret(AUTHORIZATION, SecretValue::new(format!("Bearer {digest}").into(), digest));
    inputs
}

fn row_with(change: impl FnOnce(&mut Value)) -> Row {
    let mut row = json!({
        "id": "ds7x", "name": "Hook [k8s prod/fleet/a]", "data_stream_type": {"id": 2},
        "destination": {"connection_type": "RestAPI", "credentials": {"url": "https://a.example", "size": 100,
            "headers": ["***"]}},
        "filters": [], "status": {"id": 1, "description": "Running"},
    });
    change(&mut row);
    from_value(row).unwrap()
}

fn there() -> Row {
    row_with(|_| {})
}

fn in_state(id: i64) -> Row {
    row_with(|row| row["status"] = json!({"id": id}))
}

fn bare() -> Value {
    json!({"type": "Events", "destination": {"webhook": {"url": "https://a.example"}}})
}

fn with_header() -> Value {
    let from = json!({"name": "push", "key": "header"});
    json!({"type": "Events", "destination": {"webhook": {
        "url": "https://a.example", "batchSize": 100,
        "headers": [{"name": "Authorization", "valueFrom": from}],
    }}})
}

/// A status in which this was sent.
fn sent(digest: &str) -> DataStreamStatus {
    let inputs = [(AUTHORIZATION.to_owned(), digest.to_owned())].into();
    let common = CommonStatus {
        provenance: Some(Provenance::Created),
        inputs: Some(Box::new(inputs)),
        ..CommonStatus::default()
    };
    DataStreamStatus { common, ..DataStreamStatus::default() }
}

fn diff(spec: &Value, from: &Inputs, row: Row, status: &DataStreamStatus, now: Timestamp) -> Diff<Change> {
    let want = object::<DataStream>(spec).want(from).unwrap();
    let have: Have<DataStream> = Have { row: Arc::new(row), parts: Arc::new(()), output: None };
    DataStream::diff(&want, &have, &Context { status: Some(status), now, ..context() })
}

fn fields(diff: &Diff<Change>) -> Vec<String> {
    diff.changes.iter().flat_map(emnify_engine::kind::Change::fields).map(|field| field.path).collect()
}

kind_laws!(
    DataStream,
    there: (there(), ()),
    inputs: inputs("d"),
    bare: bare(),
    // what emnify accepts shows later: nothing is assumed of it
    others: [] as [Value; 0],
    new: json!({
        "type": "Events", "destination": {"webhook": {"url": "https://a.example"}},
        "filters": {"eventTypes": ["Update location", "42"], "alertsOnly": false},
    }),
);

#[test]
fn a_stream_is_found_by_our_mark_and_named_without_it() {
    let want = object::<DataStream>(&bare()).want(&inputs("d")).unwrap();
    let mark = Key::new(mark::KEY, "prod/fleet/a");
    assert_eq!(DataStream::find(&want, None), [Find::Trace(mark.clone())]);
    let mut keys = Vec::new();
    DataStream::keys(&there(), &mut |key| keys.push(key));
    assert_eq!(keys, [Key::new(Key::NAME, "Hook"), mark]);
}

#[test]
fn a_secret_that_is_masked_is_sent_again_when_its_value_changes() {
    let same = diff(&with_header(), &inputs("d"), there(), &sent("d"), at(0));
    assert!(same.changes.is_empty(), "what was sent is not sent again: {:?}", same.changes);
    let other = diff(&with_header(), &inputs("e"), there(), &sent("d"), at(0));
    let [change @ Change::Update { .. }] = &other.changes[..] else { panic!("{other:?}") };
    assert_eq!(fields(&other), [AUTHORIZATION]);
    assert_eq!(change.carries(), [AUTHORIZATION], "then the status holds its digest");
    assert!(change.accepted(), "emnify carries it out later");
    assert!(!format!("{change} {change:?}").contains("Bearer"), "no value is printed: {change:?}");
    let taken_over = diff(&with_header(), &inputs("d"), there(), &DataStreamStatus::default(), at(0));
    assert_eq!(
        fields(&taken_over),
        [AUTHORIZATION],
        "of a stream that others made nobody knows what it sends"
    );
}

#[test]
fn the_destination_goes_as_a_whole_whatever_of_it_differs() {
    let row = row_with(|row| row["destination"]["credentials"]["size"] = json!(1));
    let diff = diff(&with_header(), &inputs("d"), row, &sent("d"), at(0));
    let [Change::Update { body, fields, .. }] = &diff.changes[..] else { panic!("{diff:?}") };
    assert_eq!(*fields, [FieldDiff::new("destination.webhook.batchSize", "1", "100")]);
    let body = serde_json::to_value(body).unwrap();
    let credentials = json!({"url": "https://a.example", "size": 100, "headers": ["Authorization:Bearer d"]});
    let whole = json!({"connection_type": "RestAPI", "format": "Json", "credentials": credentials});
    assert_eq!(body, json!({"destination": whole}), "with its secrets, and nothing else");
}

#[test]
fn headers_are_compared_by_name_where_emnify_shows_them_and_else_by_number() {
    let headers = |shown: Value| {
        let row = row_with(|row| row["destination"]["credentials"]["headers"] = shown);
        fields(&diff(&with_header(), &inputs("d"), row, &sent("d"), at(0)))
    };
    assert!(headers(json!(["authorization:***"])).is_empty(), "in whatever case");
    assert_eq!(headers(json!(["X-Key:***"])), ["destination.webhook.headers"]);
    assert!(headers(json!(["***"])).is_empty());
    assert_eq!(headers(json!(["***", "***"])), ["destination.webhook.headers"]);
}

#[test]
fn another_type_or_destination_is_another_stream() {
    let spec = json!({"type": "Usage", "destination": {"pubSub": {"topic": "t", "project": "p"}}});
    let diff = diff(&spec, &inputs("d"), there(), &sent("d"), at(0));
    let told =
        [FieldDiff::new("type", "Events", "Usage"), FieldDiff::new("destination", "webhook", "pubSub")];
    assert_eq!((diff.immutable, diff.changes.len()), (told.into(), 0));
}

#[test]
fn filters_that_the_spec_leaves_out_stay() {
    let group = json!({"or": [{"field": "event_type_id", "value": ["1"]}]});
    let row = row_with(|row| row["filters"] = json!([{"field": "alert", "value": ["true"]}, group]));
    let mut spec = bare();
    spec["filters"] = json!({"eventTypes": ["3", "42", "3"]});
    let diff = diff(&spec, &inputs("d"), row, &sent("d"), at(0));
    let [Change::Update { body, fields, .. }] = &diff.changes[..] else { panic!("{diff:?}") };
    assert_eq!(*fields, [FieldDiff::new("filters.eventTypes", "all", "3 42")]);
    let types = json!({"field": "event_type_id", "value": ["3", "42"]});
    let kept = json!([{"field": "alert", "value": ["true"]}, group, types]);
    assert_eq!(json!(body.filters), kept, "what the operator does not know is not its business");
}

#[test]
fn pausing_is_a_wish_only_where_the_spec_says_so() {
    let paused = in_state(2);
    assert!(fields(&diff(&bare(), &inputs("d"), paused.clone(), &sent("d"), at(0))).is_empty());
    let mut spec = bare();
    spec["paused"] = json!(false);
    assert_eq!(fields(&diff(&spec, &inputs("d"), paused, &sent("d"), at(0))), ["paused"]);
}

#[test]
fn nothing_is_sent_while_emnify_changes_the_stream() {
    let mut spec = bare();
    spec["paused"] = json!(true);
    let waits = diff(&spec, &inputs("d"), in_state(4), &sent("d"), at(0));
    assert!(waits.changes.is_empty(), "emnify would refuse it");
    let have = |row: Row| Have::<DataStream> { row: Arc::new(row), parts: Arc::new(()), output: None };
    let phase = |state| DataStream::phase(&have(in_state(state)), at(0));
    assert!(matches!(phase(4), Phase::Busy { reason: reason::PROVISIONING, .. }));
    assert!(matches!(phase(3), Phase::Broken { reason: reason::STREAM_BROKEN, .. }));
    for settled in [1, 2, 9] {
        assert_eq!(phase(settled), Phase::Settled, "status {settled}");
    }
}

/// A look at a stream in this state; what the status says after it.
fn seen(state: i64, now: Timestamp, status: &mut DataStreamStatus) {
    let have: Have<DataStream> = Have { row: Arc::new(in_state(state)), parts: Arc::new(()), output: None };
    DataStream::note(&have, now, status);
    object::<DataStream>(&bare()).report(&have, None, status);
}

#[test]
fn a_stream_in_error_is_restarted_later_from_time_to_time() {
    let mut status = sent("d");
    let restarts = |status: &DataStreamStatus, now| {
        let diff = diff(&bare(), &inputs("d"), in_state(3), status, now);
        (diff.changes.iter().any(|change| matches!(change, Change::Restart)), diff.wake_at)
    };
    let mut now = 0;
    seen(3, at(now), &mut status);
    for (times, minutes) in [5, 15, 60, 360, 360].into_iter().enumerate() {
        let due = now + minutes * 60;
        assert_eq!(restarts(&status, at(due - 1)), (false, Some(at(due))), "restart {times}");
        assert_eq!(restarts(&status, at(due)), (true, None), "restart {times}");
        seen(4, at(due + 1), &mut status);
        assert_eq!(status.restarts, Some(i64::try_from(times).unwrap() + 1));
        assert_eq!(status.last_restart_at, Some(at(due + 1).to_string().into()));
        now = due + 10;
        seen(3, at(now), &mut status);
    }
    seen(1, at(now + 10), &mut status);
    seen(3, at(now + 10 + 3_600), &mut status);
    assert_eq!(status.restarts, None, "after an hour of running it begins anew");
}

#[test]
fn with_restart_policy_never_a_stream_in_error_stays_so() {
    let mut spec = bare();
    spec["restartPolicy"] = json!("Never");
    let mut status = sent("d");
    seen(3, at(0), &mut status);
    let diff = diff(&spec, &inputs("d"), in_state(3), &status, at(1_000_000));
    assert!(diff.changes.is_empty() && diff.wake_at.is_none());
}

#[test]
fn an_edit_of_a_stream_in_error_comes_before_a_restart() {
    let mut spec = bare();
    spec["destination"]["webhook"]["url"] = json!("https://b.example");
    let diff = diff(&spec, &inputs("d"), in_state(3), &sent("d"), at(1_000_000));
    assert_eq!(fields(&diff), ["destination.webhook.url"]);
}

#[test]
fn what_ignore_fields_names_is_not_sent_with_the_rest() {
    let mut spec = bare();
    spec["name"] = json!("Other");
    spec["destination"]["webhook"]["url"] = json!("https://b.example");
    let [change] = &diff(&spec, &inputs("d"), there(), &sent("d"), at(0)).changes[..] else { panic!() };
    let Some(Change::Update { body, .. }) = change.clone().strip(&|path| path.starts_with("destination"))
    else {
        panic!("the name is left")
    };
    assert!(body.destination.is_none() && body.name.is_some());
}

#[test]
fn manifests_that_make_no_sense_are_refused() {
    let check = |spec: &Value| object::<DataStream>(spec).validate_cel().is_ok();
    let header = |header: Value| {
        let mut spec = bare();
        spec["destination"]["webhook"]["headers"] = json!([header]);
        check(&spec)
    };
    assert!(check(&bare()) && check(&with_header()));
    assert!(header(json!({"name": "X-A", "value": "b"})));
    assert!(!header(json!({"name": "X-A"})), "a header has a value");
    assert!(!header(json!({"name": "X-A", "value": "b", "valueFrom": {"name": "s", "key": "k"}})));
    assert!(!check(&json!({"type": "Events", "destination": {}})));
    let two = json!({"webhook": {"url": "https://a.example"}, "pubSub": {"topic": "t", "project": "p"}});
    assert!(!check(&json!({"type": "Events", "destination": two})), "one destination");
    let filtered =
        json!({"type": "Usage", "filters": {"alertsOnly": true}, "destination": bare()["destination"]});
    assert!(!check(&filtered), "usage has no filters");
    let mut user = bare();
    user["destination"]["webhook"]["url"] = json!("https://me:hush@a.example");
    assert!(!check(&user));
}

#[test]
fn a_secret_of_several_lines_is_no_header() {
    let mut from = inputs("d");
    let value = SecretValue::new("a\r\nX-Evil: b".to_owned().into(), "d");
    from.put_secret(AUTHORIZATION, value);
    let invalid = object::<DataStream>(&with_header()).want(&from).unwrap_err();
    assert_eq!(invalid.path, AUTHORIZATION);
    assert!(!invalid.to_string().contains("Evil"));
}

#[tokio::test(start_paused = true)]
async fn an_address_of_this_machine_is_refused_unless_emnify_is_a_simulator() {
    let simulator = Simulator::start(Options::default());
    let spec = json!({"type": "Events", "destination": {"webhook": {"url": "http://127.0.0.1:9/push"}}});
    is_found_again::<DataStream>(&api(&simulator), &spec).await;
}

#[test]
fn every_destination_is_sent_as_emnify_documents_it() {
    let mut from = Inputs::new("prod", "fleet/a", None);
    let secrets = [
        "destination.keenIo.writeKeySecretRef",
        "destination.datadog.apiKeySecretRef",
        "destination.eventHubs.connectionStringSecretRef",
    ];
    for path in secrets {
        from.put_secret(path, SecretValue::new("hush".to_owned().into(), "d"));
    }
    let of = json!({"name": "s", "key": "k"});
    let cases = [
        (
            json!({"kinesis": {"region": "r", "streamName": "s", "roleArn": "a"}}),
            ("AwsKinesis", json!({"region": "r", "stream_name": "s", "role_arn": "a"})),
        ),
        (
            json!({"s3": {"region": "r", "bucketName": "b", "roleArn": "a", "flushSize": 10, "rotateInterval": "5m"}}),
            (
                "S3",
                json!({"region": "r", "bucket_name": "b", "role_arn": "a", "flush_size": 10, "rotate_interval": 300_000}),
            ),
        ),
        (
            json!({"webhook": {"url": "https://a.example", "method": "PUT", "batchSize": 1}}),
            ("RestAPI", json!({"url": "https://a.example", "method": "PUT", "size": 1})),
        ),
        (
            json!({"keenIo": {"projectId": "p", "writeKeySecretRef": of, "collectionName": "c"}}),
            ("KeenIO", json!({"project_id": "p", "write_key": "hush", "collection_name": "c"})),
        ),
        (
            json!({"datadog": {"apiKeySecretRef": of, "region": "EU"}}),
            ("Datadog", json!({"api_key": "hush", "region": "EU"})),
        ),
        (
            json!({"eventHubs": {"connectionStringSecretRef": of}}),
            ("EventHubs", json!({"connection_string": "hush"})),
        ),
        (
            json!({"pubSub": {"topic": "t", "project": "p"}}),
            ("PubSub", json!({"cps_topic": "t", "cps_project": "p"})),
        ),
    ];
    for (destination, (kind, credentials)) in cases {
        let spec = json!({"type": "Usage", "destination": destination, "paused": true});
        let want = object::<DataStream>(&spec).want(&from).unwrap();
        let Some(create @ Change::Create { .. }) = DataStream::create(&want, None) else { panic!() };
        assert!(!format!("{create:?} {}", create.request()).contains("hush"), "{kind}");
        let Change::Create { body, .. } = create else { unreachable!() };
        let sent = json!({
            "name": "a [k8s prod/fleet/a]", "data_stream_type": {"id": 1}, "status": {"id": 2},
            "destination": {"connection_type": kind, "format": "Json", "credentials": credentials},
        });
        assert_eq!(serde_json::to_value(body).unwrap(), sent);
    }
}

#[test]
fn a_bare_spec_asks_for_nothing_of_a_stream_that_others_made() {
    let want = object::<DataStream>(&bare()).want(&inputs("d")).unwrap();
    let row = row_with(|row| row["name"] = json!("theirs"));
    assert!(look::<DataStream>(&want, &row, &()).changes.is_empty());
}

#[test]
fn streams_are_counted_by_state() {
    let mut counted = Vec::new();
    let count = DataStream::CENSUS.unwrap();
    for state in [1, 3] {
        count(&in_state(state), None, None, &mut |group, name| counted.push((group, name.to_owned())));
    }
    let counts = ["Running", "Error"].map(|state| (group::DATA_STREAM, state.to_owned()));
    assert_eq!(counted, counts, "also where emnify shows a number alone");
}
