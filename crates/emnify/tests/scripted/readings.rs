//! Readings for people: whatever form an answer has, its rows come as they are.

use emnify::wire::Listing;
use emnify::wire::reading::{Ask, DATA_QUOTA, EVENTS, RAT_TYPES, WORKSPACE_STATS_DAILY};
use emnify::{Cursor, Error, Lane};
use serde_json::{Value, json};

use crate::stage::{Stage, answer, logged_in};

fn serving(body: Value) -> std::sync::Arc<Stage> {
    Stage::new(move |asked, _| if asked.is_login() { logged_in(1) } else { answer(200, &body) })
}

#[tokio::test(start_paused = true)]
async fn rows_of_any_form_come_as_they_are() {
    let rows = json!([{"id": "1", "new": {"of": "emnify's"}}, {"id": 2.0}]);
    for body in [rows.clone(), json!({"data": rows, "total": 2, "page": 1, "last_page": 1})] {
        let stage = serving(body);
        let page = RAT_TYPES.rows(&stage.app_client().api(Lane::Interactive), &Ask::default()).await.unwrap();
        assert_eq!((json!(page.items), page.next()), (rows.clone(), None));
    }
    let one = json!({"data": {"rx": ["1"]}, "sms": {"rx": ["2"]}});
    let page = WORKSPACE_STATS_DAILY
        .rows(&serving(one.clone()).app_client().api(Lane::Interactive), &Ask::default())
        .await
        .unwrap();
    assert_eq!(page.items, [one], "one object is one row");
    let nothing = serving(Value::Null);
    let page = RAT_TYPES.rows(&nothing.app_client().api(Lane::Interactive), &Ask::default()).await.unwrap();
    assert!(page.items.is_empty(), "an empty body has no rows");
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_is_in_the_request() {
    let stage = serving(json!([]));
    let api = stage.app_client().api(Lane::Interactive);
    let listing = Listing::all().filter("type", 2).sort("-timestamp").per_page(5);
    EVENTS.rows(&api, &Ask { listing, at: Cursor { page: 3 }, ..Ask::default() }).await.unwrap();
    DATA_QUOTA.rows(&api, &Ask::of("11/../12")).await.unwrap();
    let asked = stage.asked();
    assert_eq!(asked[1].query, "q=type%3A2&sort=-timestamp&per_page=5&page=3");
    assert_eq!(asked[2].path, "/api/v1/endpoint/11%2F..%2F12/quota/data", "an argument is one segment");
}

#[tokio::test(start_paused = true)]
async fn an_error_page_is_no_row() {
    let stage = Stage::new(|asked, _| {
        if asked.is_login() {
            logged_in(1)
        } else {
            answer(404, &json!({"error_code": 1401, "message": "does not exist"}))
        }
    });
    let read = DATA_QUOTA.rows(&stage.app_client().api(Lane::Interactive), &Ask::of("1")).await;
    assert!(matches!(read, Err(Error::NotFound { .. })), "{read:?}");
}
