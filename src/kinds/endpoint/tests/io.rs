//! What goes over the wire.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use emnify::{Api, BaseUrl, Client, Config, Credentials, HostLimits, Identity, Jwt, Lane, ServiceTransport};
use emnify_engine::kind::{Batch, Change as _, Managed, Reply};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::kinds::endpoint::{
    Change,
    change::{Create, Field, FieldChange, Patch, Traffic},
    quota::{self, diff as quota_diff},
    rows::{Part, Parts},
    tests::*,
};

/// An API that answers as told and remembers what it was asked: `METHOD path?query body`.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        let script = Self::default();
        script.answers.lock().unwrap().extend(answers);
        script
    }

    fn api(&self) -> Api {
        let script = self.clone();
        let service = tower::service_fn(move |request| {
            let script = script.clone();
            async move { Ok::<_, std::convert::Infallible>(script.answer(request).await) }
        });
        let config = Config::new(
            BaseUrl::parse("http://127.0.0.1:1").unwrap(),
            Credentials::ApplicationToken("token".to_owned().into()),
            Arc::new(ServiceTransport::new(service)),
            HostLimits::new(1.0),
        );
        let client = Client::new(config);
        let now = jiff::Timestamp::now();
        let identity = Identity {
            organisation_id: 1,
            organisation_name: "o".into(),
            application_token_id: None,
            expires_at: now + jiff::SignedDuration::from_hours(4),
            issued_at: now,
        };
        client.set_token(Jwt { token: "jwt".to_owned().into(), refresh_token: None, identity }).unwrap();
        client.api(Lane::Interactive)
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let line = format!("{} {}", request.method(), request.uri().path_and_query().unwrap());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.asked.lock().unwrap().push((line, serde_json::from_slice(&body).unwrap_or(Value::Null)));
        let (status, body) =
            self.answers.lock().unwrap().pop_front().expect("no more than the scripted calls");
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        Response::builder().status(status).body(Full::new(body)).unwrap()
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|(line, _)| line).collect()
    }
}

async fn send(script: &Script, changes: impl IntoIterator<Item = Change>) -> Vec<Reply<Endpoint>> {
    let batch: Vec<_> = (9..)
        .zip(changes)
        .map(|(id, change)| ((!matches!(change, Change::Create(_))).then_some(Id::Int(id)), change))
        .collect();
    let keys: Vec<_> = batch.iter().map(|(_, change)| change.batch()).collect();
    assert!(
        keys.len() < 2 || keys.iter().all(|key| key.is_some() && *key == keys[0]),
        "{keys:?} share a call"
    );
    let batch_of = Batch::of(batch.iter().map(|(id, change)| (id.as_ref(), change))).unwrap();
    let replies = batch_of.send::<Endpoint>(&script.api()).await.unwrap();
    assert_eq!(replies.len(), batch.len(), "one reply each");
    replies
}

fn create(sim: i64) -> Change {
    Change::Create(Create { sim: Some(sim), ..crate::kinds::endpoint::diff::create(&want(|_| ())).unwrap() })
}

fn set(set: FieldChange) -> Change {
    Change::Patch(Patch(vec![Field { old: String::new(), set }]))
}

#[tokio::test]
async fn one_device_says_explicitly_that_nothing_is_activated() {
    let script = Script::new([(201, json!({"id": 12}))]);
    let replies = send(&script, [create(70)]).await;
    assert_eq!(replies[0].id, Some(Id::Int(12)));
    let (line, body) = script.asked().remove(0);
    assert_eq!(line, "POST /api/v1/endpoint");
    assert_eq!(
        body["sim"],
        json!({"id": 70, "activate": false}),
        "the API's own default has changed over time"
    );
    assert_eq!(body["status"], json!({"id": 1}));
}

#[tokio::test]
async fn activation_names_the_state_so_that_no_factory_test_starts() {
    let script = Script::new([(201, json!({"id": 12}))]);
    let new =
        crate::kinds::endpoint::diff::create(&want(|spec| set_state(spec, SimState::Activated))).unwrap();
    send(&script, [Change::Create(new)]).await;
    assert_eq!(script.asked()[0].1["sim"], json!({"id": 70, "activate": true, "status": {"id": 1}}));
}

#[tokio::test]
async fn many_devices_are_one_call_and_told_apart_by_their_sims() {
    let made = |id: i64, sim: i64, state: i64| {
        json!({"id": id, "name": "meter-1", "ip_address": "10.0.0.1", "status": {"description": "Disabled"},
               "sim": {"id": sim, "status": {"id": state}}})
    };
    let script = Script::new([(201, json!([made(31, 71, 0), made(30, 70, 2), made(32, 99, 0)]))]);
    let replies = send(&script, [create(70), create(71), create(72)]).await;
    let ids: Vec<_> = replies.iter().map(|reply| reply.id.clone()).collect();
    assert_eq!(ids, [Some(Id::Int(30)), Some(Id::Int(31)), None], "one that is not shown is looked for");
    let row = replies[0].row.as_ref().unwrap();
    assert!(row.sim_is(2), "the SIM's state is verified by what the answer shows");
    assert_eq!(row.tags, Some(Vec::new().into()), "a new device has no tag");
    assert_eq!(script.lines(), ["POST /api/v2/endpoint/multi"]);
}

#[tokio::test]
async fn patches_of_many_devices_are_one_call() {
    let script = Script::new([(204, Value::Null)]);
    send(&script, [set(FieldChange::Enabled(false)), set(FieldChange::Name("b".into()))]).await;
    let (line, body) = script.asked().remove(0);
    assert_eq!(line, "PATCH /api/v2/endpoint/multi");
    assert_eq!(body, json!([{"id": 9, "status": {"id": 1}}, {"id": 10, "name": "b"}]));
}

#[tokio::test]
async fn a_sim_is_released_alone() {
    let script = Script::new([(204, Value::Null)]);
    send(&script, [set(FieldChange::Sim(None))]).await;
    assert_eq!(script.asked(), [("PATCH /api/v1/endpoint/9".to_owned(), json!({"sim": {"id": null}}))]);
}

#[tokio::test]
async fn states_go_through_the_sim_or_in_bulk_through_the_devices() {
    let script = Script::new([(204, Value::Null), (204, Value::Null)]);
    let to = |sim, to| Change::SimState { sim, from: 0, to };
    send(&script, [to(70, SimState::FactoryTest)]).await;
    send(&script, [to(70, SimState::Activated), to(71, SimState::Activated)]).await;
    let asked = script.asked();
    assert_eq!(asked[0], ("PATCH /api/v1/sim/70".to_owned(), json!({"status": {"id": 4}})));
    assert_eq!(asked[1].0, "PATCH /api/v2/endpoint/multi");
    assert_eq!(asked[1].1[1], json!({"id": 10, "sim": {"id": 71, "status": {"id": 1}}}));
}

#[tokio::test]
async fn sims_are_never_deleted() {
    let script = Script::new([(204, Value::Null), (204, Value::Null), (204, Value::Null)]);
    send(&script, [Change::Delete { holds_sim: true }]).await;
    send(&script, [Change::Delete { holds_sim: true }, Change::Delete { holds_sim: true }]).await;
    send(&script, [Change::Delete { holds_sim: false }]).await;
    let bulk = "DELETE /api/v2/endpoint/multi?delete_sims=false";
    assert_eq!(script.lines(), [bulk, bulk, "DELETE /api/v1/endpoint/9"]);
}

#[tokio::test]
async fn a_tag_that_many_devices_miss_is_made_once_and_may_exist() {
    let taken = json!({"error_code": 1405, "error_token": "Duplicated", "message": "taken"});
    let script = Script::new([(409, taken), (200, Value::Null)]);
    send(&script, [Change::CreateTag("roof".into()), Change::CreateTag("roof".into())]).await;
    send(&script, [Change::AddTags(vec![tag(5, "roof")]), Change::AddTags(vec![tag(6, "north")])]).await;
    let asked = script.asked();
    assert_eq!(asked[0].0, "POST /api/v2/tags");
    assert_eq!(asked[1].1["items"][1], json!({"endpoint": {"id": 10}, "tags": [{"id": 6}]}));
}

#[tokio::test]
async fn what_is_already_so_is_done() {
    let missing = || (404, json!({"error_code": 1201, "error_token": "NotFound", "message": "no"}));
    let taken = (409, json!({"error_code": 1405, "error_token": "Duplicated", "message": "taken"}));
    let script = Script::new([taken, missing(), missing()]);
    send(&script, [Change::BlockOperator(4)]).await;
    send(&script, [Change::UnblockOperator(4)]).await;
    send(&script, [Change::DeleteQuota(Traffic::Sms)]).await;
}

#[tokio::test]
async fn a_posted_quota_keeps_what_remains_and_its_allowance() {
    let script = Script::new([
        (
            200,
            json!({"status": {"id": 1}, "volume": 12.5, "last_volume_added": 100, "expiry_date": "2026-07-01 00:00:00"}),
        ),
        (201, Value::Null),
    ]);
    let mut parts = Parts::default();
    Endpoint::read_part(&script.api(), &Id::Int(9), Part::DataQuota, &mut parts).await.unwrap();
    let live = parts.data_quota.flatten().unwrap();
    let term = quota::Want::term("q", Some(&"720h".into()), None).unwrap();
    let want = quota::Want { allowance: 100.0, term, auto_refill: Some(true), threshold: None };
    let post = quota_diff(&want, Some(&live), None, jiff::Timestamp::UNIX_EPOCH).unwrap();
    send(&script, [Change::SetQuota(Traffic::Data, post)]).await;
    let body = &script.asked()[1].1;
    assert_eq!((&body["volume"], &body["last_volume_added"]), (&json!(12.5), &json!(100.0)));
    assert_eq!(body["expiry_date"], json!("2026-07-01 00:00:00"));
}

#[tokio::test]
async fn a_device_is_read_with_its_tags_and_its_absence_is_proven() {
    let shown = json!({"id": 9, "name": "a", "status": {"id": 0}, "service_profile": {"id": 1}, "tariff_profile": {"id": 2},
        "tag_assignments": [{"id": 5, "name": "k8s:prod"}]});
    let other = json!({"id": 91, "status": {"id": 0}});
    let missing =
        json!({"error_code": 1401, "error_token": "InvalidReference", "message": "no such endpoint"});
    let script = Script::new([(200, json!([other.clone(), shown])), (200, json!([other])), (404, missing)]);
    let row = Endpoint::read(&script.api(), &Id::Int(9)).await.unwrap().unwrap();
    assert_eq!(Endpoint::mark(&row).as_deref(), Some("prod"), "only the listing shows tags");
    assert_eq!(Endpoint::read(&script.api(), &Id::Int(9)).await.unwrap(), None);
    assert_eq!(script.lines()[1..], ["GET /api/v1/endpoint?q=id%3A9&page=1", "GET /api/v1/endpoint/9"]);
}

#[tokio::test]
async fn what_a_device_used_is_read_in_any_spelling_and_a_month_without_traffic_is_nothing() {
    let eur = json!({"id": 1, "code": "EUR"});
    let full = json!({"current_month": {
        "data": {"month": "2026-11-01", "volume": "12.500000", "cost": "0.1000000000", "currency": eur},
        "sms": {"month": "2026-11-01", "volume": 3, "cost": 0.2, "currency": eur},
    }});
    let gone = json!({"error_code": 1401, "error_token": "InvalidReference", "message": "no such endpoint"});
    let script = Script::new([(200, full), (200, json!({"last_hour": {}})), (404, gone)]);
    let api = script.api();
    let mut parts = Parts::default();
    let id = 7.into();
    Endpoint::read_part(&api, &id, Part::Usage, &mut parts).await.unwrap();
    assert_eq!(script.lines(), ["GET /api/v1/endpoint/7/stats"]);
    let read = parts.usage.clone().unwrap();
    assert_eq!((&*read.month, read.megabytes, read.sms), ("2026-11", 12.5, 3));
    assert_eq!(read.cost, Some((0.3, "EUR".into())), "data and messages together");
    Endpoint::read_part(&api, &id, Part::Usage, &mut parts).await.unwrap();
    let read = parts.usage.clone().unwrap();
    assert_eq!((read.megabytes, read.sms, read.cost.clone()), (0.0, 0, None));
    assert_eq!(read.month, read.as_of.strftime("%Y-%m").to_string(), "the month that it was read in");
    Endpoint::read_part(&api, &id, Part::Usage, &mut parts).await.unwrap();
    assert_eq!(parts.usage, Some(read), "a device that is gone has used what it had");
}
