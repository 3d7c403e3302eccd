//! Collections, against answers that the platform gives rarely.

use emnify::wire::custom_event::CUSTOM_EVENTS;
use emnify::wire::integration::{API_SECRETS, ApiSecretCreate, DNS};
use emnify::{Error, Lane};
use serde_json::json;

use crate::stage::{Stage, answer, logged_in};

#[tokio::test(start_paused = true)]
async fn an_entry_is_not_missing_from_a_listing_that_cannot_be_read_whole() {
    for odd in [json!({"id": 7, "primary": {}}), json!({"id": {}})] {
        let rows = json!([{"id": 5, "primary": "9.9.9.9"}, odd]);
        let stage = Stage::new(move |asked, _| match asked.path.as_str() {
            "/api/v1/dns" => answer(200, &rows),
            _ if asked.is_login() => logged_in(1),
            _ => answer(404, &json!(null)),
        });
        let api = stage.app_client().api(Lane::Hints);
        assert!(matches!(DNS.get(&api, 5).await, Ok(Some(_))), "what is shown is there");
        let read = DNS.get(&api, 7).await;
        assert!(matches!(read, Err(Error::Unreadable { .. })), "the odd row may be it: {read:?}");
        let asked = stage.asked();
        assert!(asked.iter().all(|asked| !asked.path.starts_with("/api/v1/dns/")), "there is no read of one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_secret_is_not_repeated() {
    let stage = Stage::new(|asked, _| {
        if asked.is_login() { logged_in(1) } else { answer(422, &json!({"message": "hush is too short"})) }
    });
    let new = ApiSecretCreate { purpose: "sms".into(), secret: "hush".to_owned().into() };
    let refused = API_SECRETS.create(&stage.app_client().api(Lane::Create), &new).await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("hush"), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_id_is_a_text_is_known_by_the_answer_and_not_by_the_end_of_a_path() {
    let uuid = "0b5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11";
    let stage = Stage::new(move |asked, _| {
        if asked.is_login() {
            return logged_in(1);
        }
        let mut made = answer(201, &json!({"id": uuid}))?;
        let location = "/api/v1/event/custom/configuration".parse().unwrap();
        made.headers_mut().insert(http::header::LOCATION, location);
        Ok(made)
    });
    let made = CUSTOM_EVENTS.create(&stage.app_client().api(Lane::Create), &json!({})).await;
    assert_eq!(made.unwrap().id, uuid);
}
