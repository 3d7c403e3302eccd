//! Sending and reading.

use std::time::Duration;

use emnify::wire::Listing;
use emnify::wire::application_token::ApplicationTokenCreate;
use emnify::wire::endpoint::{EndpointCreate, EndpointOwn, EndpointPatch};
use emnify::wire::endpoint_bulk::EndpointBatch;
use emnify::wire::service_profile::{SERVICE_PROFILES, ServiceProfileWrite};
use emnify::wire::tag::{TAGS, TagWrite};
use emnify::{Cursor, Error, Lane, TransportError};
use http::header;
use serde_json::json;
use tokio::time::Instant;

use crate::stage::{Answer, Asked, Stage, answer, logged_in};

/// Logs in, and answers everything else by `script`.
fn stage(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> std::sync::Arc<Stage> {
    Stage::new(move |asked, _| if asked.is_login() { logged_in(1) } else { script(asked) })
}

fn new_endpoint() -> EndpointCreate {
    EndpointCreate {
        status: 0.into(),
        service_profile: 1.into(),
        tariff_profile: 2.into(),
        ip_address_space: None,
        own: EndpointOwn::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_created_object_is_known_by_its_location_or_its_body() {
    let by_location = stage(|_| {
        let mut made = answer(201, &json!(null))?;
        let location = "https://cdn.emnify.net/api/v1/endpoint/12".parse().unwrap();
        made.headers_mut().insert(header::LOCATION, location);
        made.headers_mut().insert(header::CONTENT_TYPE, "text/html".parse().unwrap());
        Ok(made)
    });
    let made = by_location.app_client().api(Lane::Create).create_endpoint(&new_endpoint()).await;
    assert_eq!(made.unwrap().id, 12);
    let by_body = stage(|_| answer(200, &json!({"id": 13.0})));
    let made = by_body.app_client().api(Lane::Create).create_endpoint(&new_endpoint()).await;
    assert_eq!(made.unwrap().id, 13);
}

#[tokio::test(start_paused = true)]
async fn a_create_without_an_answer_is_ambiguous_and_sent_once() {
    let reset = stage(|_| Err(TransportError::AfterSend("the connection broke".into())));
    let made = reset.app_client().api(Lane::Create).create_endpoint(&new_endpoint()).await;
    assert!(matches!(made, Err(Error::Ambiguous { .. })));
    assert_eq!(reset.asked().len(), 2, "a login and one create: the client never repeats a request");
    let short = stage(|_| answer(201, &json!([{"id": 1}])));
    let made = short.app_client().api(Lane::Create).create_endpoints(&two()).await;
    assert!(
        matches!(made, Err(Error::Ambiguous { .. })),
        "an answer about one of two says nothing about the other"
    );
}

fn two() -> EndpointBatch {
    EndpointBatch {
        status: 0.into(),
        service_profile: 1.into(),
        tariff_profile: 2.into(),
        ip_address_space: None,
        endpoints: vec![EndpointOwn::default(), EndpointOwn::default()],
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_success_cannot_be_read_is_ambiguous() {
    for body in [json!([{"id": "x"}, {"id": 2}]), json!({"made": 2}), json!("yes")] {
        let stage = stage(move |_| answer(201, &body));
        let api = stage.app_client().api(Lane::Create);
        let profile = ServiceProfileWrite { name: Some("New".into()), ..ServiceProfileWrite::default() };
        for outcome in [
            api.create_endpoints(&two()).await.map(drop),
            api.create_endpoint(&new_endpoint()).await.map(drop),
            SERVICE_PROFILES.create(&api, &profile).await.map(drop),
            api.create_application_token(&ApplicationTokenCreate::default()).await.map(drop),
            TAGS.create(&api, &TagWrite::named("new")).await.map(drop),
        ] {
            assert!(matches!(outcome, Err(Error::Ambiguous { .. })), "it took place: {outcome:?}");
        }
        let read = api.endpoint_tags(1).await;
        assert!(matches!(read, Err(Error::Unreadable { .. })), "a read changed nothing: {read:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_with_status_200_is_no_success() {
    let stage = stage(|_| {
        Ok(http::Response::builder().status(200).body("  <!doctype html><p>Sign in".into()).unwrap())
    });
    let api = stage.app_client().api(Lane::Repair);
    let patched = api.patch_endpoint(1, &EndpointPatch::default()).await;
    assert!(matches!(patched, Err(Error::Unavailable { .. })), "nothing was changed: {patched:?}");
    let deleted = api.delete_endpoints(&[1]).await;
    assert!(matches!(deleted, Err(Error::Unavailable { .. })), "nothing was deleted: {deleted:?}");
    let made = api.create_endpoint(&new_endpoint()).await;
    assert!(matches!(made, Err(Error::Ambiguous { .. })), "{made:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    struct Silent;
    impl emnify::Transport for Silent {
        fn send(&self, _: http::Request<bytes::Bytes>) -> futures::future::BoxFuture<'_, Answer> {
            Box::pin(std::future::pending())
        }
    }
    let base = emnify::BaseUrl::parse("http://127.0.0.1:9").unwrap();
    let credentials = emnify::Credentials::ApplicationToken("t".to_owned().into());
    let transport = std::sync::Arc::new(Silent);
    let client =
        emnify::Client::new(emnify::Config::new(base, credentials, transport, emnify::HostLimits::new(1.0)));
    assert!(matches!(client.login().await, Err(Error::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn absence_is_an_answer_of_reads_and_an_error_of_writes() {
    let missing = json!({"error_code": 1401, "error_token": "InvalidReference", "message": "not found"});
    let stage = stage(move |_| answer(404, &missing));
    let api = stage.app_client().api(Lane::Repair);
    assert_eq!(api.endpoint(1).await, Ok(None));
    assert_eq!(api.data_quota(1).await, Ok(None));
    let patched = api.patch_endpoint(1, &EndpointPatch::default()).await;
    assert!(matches!(patched, Err(Error::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_page_past_the_end_ends_nothing_the_number_of_pages_does() {
    let stage = stage(|asked| {
        let page = if asked.query.contains("page=1") { 1 } else { 2 };
        let mut answer = answer(200, &json!([{"id": page}]))?;
        for (name, value) in [("x-total-pages", 2), ("x-current-page", page), ("x-total-count", 2)] {
            answer.headers_mut().insert(name, value.into());
        }
        Ok(answer)
    });
    let api = stage.app_client().api(Lane::Sweep);
    let (mut next, mut ids) = (Some(Cursor::first()), vec![]);
    while let Some(at) = next {
        let page = api.list_endpoints(at, &Listing::all()).await.unwrap();
        next = page.next();
        ids.extend(page.items.iter().map(|endpoint| endpoint.id));
    }
    assert_eq!(ids, [1, 2], "the last page would be repeated forever");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_closes_the_door_for_all() {
    let stage = Stage::new(|asked, before| match (asked.is_login(), before) {
        (true, _) => logged_in(1),
        (_, 1) => {
            let mut busy = answer(429, &json!(null))?;
            busy.headers_mut().insert(header::RETRY_AFTER, "20".parse().unwrap());
            Ok(busy)
        }
        _ => answer(200, &json!([])),
    });
    let client = stage.app_client();
    let first = client.api(Lane::Scrub).services().await;
    assert_eq!(first, Err(Error::Throttled { retry_after: Some(Duration::from_secs(20)) }));
    let start = Instant::now();
    client.api(Lane::Safety).services().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(20), "the pause holds for every lane");
}

#[tokio::test(start_paused = true)]
async fn a_turn_waited_for_in_advance_is_used_by_the_first_call() {
    let stage = stage(|_| answer(200, &json!([])));
    let client = stage.app_client();
    client.login().await.unwrap();
    let before = client.limits().snapshot().available;
    let api = client.turn(Lane::Interactive).await;
    assert!(before - client.limits().snapshot().available > 0.9, "the turn is taken at once");
    api.list_endpoints(Cursor::first(), &Listing::all()).await.unwrap();
    let after = client.limits().snapshot().available;
    assert!(before - after < 1.1, "and used by the call, not taken again");
    api.services().await.unwrap();
    assert!(before - client.limits().snapshot().available > 1.5, "the second call takes its own");
    drop(client.turn(Lane::Interactive).await);
    assert!(before - client.limits().snapshot().available < 2.1, "an unused turn is given back");
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_route_status_and_lane() {
    let stage = stage(|_| answer(200, &json!([])));
    let client = stage.app_client();
    client.api(Lane::Sweep).services().await.unwrap();
    client.api(Lane::Sweep).services().await.unwrap();
    let counts = client.limits().counters().snapshot();
    let (key, count) = counts.iter().find(|(key, _)| key.route == "/api/v1/service").unwrap();
    assert_eq!((key.status, key.lane, count.requests), (200, Lane::Sweep, 2));
    assert!(count.duration >= Duration::from_millis(20));
    assert_eq!(client.ledger().used, 3, "logins count too");
    assert_eq!(client.limits().counters().total(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_odd_row_of_a_table_or_of_the_tags_costs_nobody_else_theirs_and_is_counted() {
    let stage = stage(|asked| match asked.path.as_str() {
        "/api/v2/tags" => {
            let rows = json!([{"id": 1, "name": "meters"}, {"id": 2, "name": {"en": "odd"}}, "odd"]);
            answer(200, &json!({"data": rows, "total": 3, "page": 1, "last_page": 1}))
        }
        "/api/v1/esme_interface_type" => answer(200, &json!([{"name": "odd"}])),
        "/api/v1/endpoint/9/tags" => answer(200, &json!([{"id": 1, "name": "a"}, {"id": 2, "name": 5.5}])),
        _ => answer(200, &json!([{"id": 1, "description": "Data"}, {"id": [2], "description": "odd"}])),
    });
    let client = stage.app_client();
    let api = client.api(Lane::Create);
    let services = api.services().await.expect("the whole table is not lost");
    assert_eq!(services.iter().map(|service| service.id).collect::<Vec<_>>(), [1]);
    let page = TAGS.list(&api, Cursor::first()).await.expect("nor are the tags");
    assert_eq!(
        (page.items.len(), page.unreadable, page.nameless),
        (1, vec![2], 1),
        "it is there, whatever it is"
    );
    let counted = client.limits().counters().unread();
    assert_eq!(counted, [("/api/v1/service", 1), ("/api/v2/tags", 2)], "somebody hears of it");
    let none = api.esme_interface_types().await;
    assert!(
        matches!(none, Err(Error::Unreadable { .. })),
        "a table without a row that can be read is not empty"
    );
    let whole = api.endpoint_tags(9).await;
    assert!(
        matches!(whole, Err(Error::Unreadable { .. })),
        "what is compared as a whole is whole: {whole:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bulk_delete_spares_sims() {
    let stage = stage(|_| answer(204, &json!(null)));
    let api = stage.app_client().api(Lane::Interactive);
    api.delete_endpoints(&[1, 2]).await.unwrap();
    let asked = stage.asked();
    assert_eq!((asked[1].method.as_str(), asked[1].query.as_str()), ("DELETE", "delete_sims=false"));
    assert_eq!(asked[1].body, json!([{"id": 1}, {"id": 2}]));
}
