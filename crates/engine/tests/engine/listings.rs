//! Listings that do not show all they should.

use serde_json::json;

use crate::support::{
    Stage,
    cluster::Cluster,
    emnify::{Emnify, Fault},
    named,
};

/// A row that the client cannot read.
fn odd() -> serde_json::Value {
    json!({"id": "x"})
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_holds_up_nobody_and_is_not_absent() {
    let stage = Stage::new().await;
    stage.emnify.add(json!({"name": "odd", "sim": odd()}));
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let id = stage.status("a", "id").as_str().and_then(|id| id.parse().ok()).expect("an id");
    stage.emnify.edit(id, "sim", odd());
    stage.cluster.apply("b", named("b"));
    stage.ready("b").await;
    stage.pass(3_600).await;
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 2, "what is there is not made again");
    assert_eq!(stage.condition("a", "Ready").0, "True", "what was known of it stays");
}

#[tokio::test(start_paused = true)]
async fn a_full_page_without_headers_is_not_the_whole_listing() {
    let emnify = Emnify::default();
    for _ in 0..1_000 {
        emnify.add(json!({"name": "other"}));
    }
    emnify.fail("GET /api/v1/endpoint", 99, Fault::Bare);
    let stage = Stage::on(Cluster::default(), emnify).await;
    stage.cluster.apply("a", named("a"));
    stage.pass(120).await;
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 0, "it may be on a page that did not come");
    let lists = stage.emnify.asked("GET /api/v1/endpoint").len();
    assert!((2..=12).contains(&lists), "and it is not asked without a pause: {lists} times in 120 s");
}
