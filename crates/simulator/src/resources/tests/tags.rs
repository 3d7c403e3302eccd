//! Tags over the API.

use serde_json::{Value, json};

use crate::testing::Driver;

const TAGS: &str = "/api/v2/tags";

async fn tag(driver: &Driver, name: &str) -> u64 {
    driver.post(TAGS, json!({"name": name})).await.body["id"].as_u64().expect("an id")
}

#[tokio::test]
async fn a_tag_name_is_unique_and_its_colour_optional() {
    let driver = Driver::example().await;
    let made = driver.post(TAGS, json!({"name": "field", "color": {"id": 3}})).await;
    assert_eq!(
        (made.status, &made.body["tag_color"]),
        (201, &json!({"id": 3})),
        "asked as color, told as tag_color"
    );
    assert!(
        driver.post(TAGS, json!({"name": "spare"})).await.body["tag_color"]["id"].is_u64(),
        "a random one"
    );
    assert_eq!(driver.post(TAGS, json!({"name": "field"})).await.status, 409);
    assert_eq!(driver.post(TAGS, json!({"name": "x", "color": {"id": 99}})).await.status, 422);
    let path = format!("{TAGS}/{}", made.body["id"]);
    assert_eq!(driver.patch(&path, json!({"name": "lab"})).await.status, 422, "the example has it already");
    assert_eq!(driver.patch(&path, json!({"color": {"id": 4}})).await.status, 204);
    assert_eq!(driver.delete(&path).await.status, 204);
    assert_eq!(driver.delete(&path).await.status, 404);
    assert!(!driver.get("/api/v2/tag-colors").await.body.as_array().expect("a list").is_empty());
}

#[tokio::test]
async fn the_list_is_an_envelope_with_pages() {
    let driver = Driver::example().await;
    for name in ["a1", "a2", "a3", "b1"] {
        tag(&driver, name).await;
    }
    let page = driver.get(&format!("{TAGS}?name=a&page=9&page_size=2")).await.body;
    let numbers = ["total", "page", "page_size", "last_page"].map(|field| page[field].as_u64());
    assert_eq!(numbers, [Some(4), Some(2), Some(2), Some(2)], "beyond the last page comes the last one");
    assert_eq!(page["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_tag_is_assigned_once_and_goes_with_its_deletion() {
    let driver = Driver::example().await;
    let of_endpoint = "/api/v2/endpoint/11000001/tags";
    let assigned = driver.post(of_endpoint, json!({"id": 41})).await;
    assert_eq!((assigned.status, &assigned.body), (201, &Value::Null));
    assert_eq!(driver.post(of_endpoint, json!({"id": 41.0})).await.status, 409);
    assert_eq!(driver.post(of_endpoint, json!({"id": 999})).await.status, 422);
    let listed = driver.get(of_endpoint).await.body;
    assert_eq!((&listed[0]["name"], &listed[0]["resource_count"]), (&json!("lab"), &json!(1)));
    assert_eq!(driver.delete(&format!("{of_endpoint}/41")).await.status, 200);
    assert_eq!(driver.delete(&format!("{of_endpoint}/41")).await.status, 404);
    driver.post(of_endpoint, json!({"id": 41})).await;
    driver.delete(&format!("{TAGS}/41")).await;
    assert_eq!(driver.get(of_endpoint).await.body, json!([]), "a deleted tag is stripped everywhere");
}

#[tokio::test]
async fn bulk_calls_change_all_or_nothing() {
    let driver = Driver::example().await;
    let (one, two) = (tag(&driver, "one").await, tag(&driver, "two").await);
    let items = |tags: &[u64]| {
        let tags: Vec<_> = tags.iter().map(|id| json!({"id": id})).collect();
        json!({"items": [{"endpoint": {"id": 11_000_001}, "tags": tags}]})
    };
    let add = "/api/v2/bulk-operations/endpoint/add-tags";
    assert_eq!(driver.post(add, items(&[one, 999])).await.status, 422);
    assert_eq!(driver.get("/api/v2/endpoint/11000001/tags").await.body, json!([]), "nothing was assigned");
    assert_eq!(driver.post(add, items(&[one, two])).await.status, 200);
    assert_eq!(driver.post(add, items(&[two])).await.status, 409);
    assert_eq!(driver.post(add, json!({"items": 1})).await.status, 400);
    let remove = "/api/v2/bulk-operations/endpoint/remove-tags";
    assert_eq!(driver.post(remove, items(&[one])).await.status, 200);
    let left = driver.get("/api/v2/endpoint/11000001/tags").await.body;
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    let delete = "/api/v2/bulk-operations/tag/delete-tags";
    assert_eq!(driver.post(delete, json!({"tags": [{"id": one}, {"id": two}]})).await.status, 200);
    assert_eq!(driver.get(TAGS).await.body["total"], 1);
}
