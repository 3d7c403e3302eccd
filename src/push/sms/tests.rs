//! The receiver as emnify, or somebody else, meets it.

use std::sync::Mutex as Kept;

use axum::{Router, body::Body, routing::any};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};
use tempfile::NamedTempFile;
use tower::ServiceExt;

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NEXT: &str = "fedcba9876543210fedcba9876543210";

struct Receiver {
    router: Router,
    counters: Arc<Counters>,
    gate: Arc<Gate>,
    taken: Arc<Kept<Vec<Message>>>,
    file: NamedTempFile,
}

async fn receiver(heard: Heard) -> Receiver {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{KEY}\n")).unwrap();
    let taken = Arc::new(Kept::new(Vec::new()));
    let kept = taken.clone();
    let gate = Gate::shut();
    gate.open_until(emnify::Moment::now().after(std::time::Duration::from_secs(3_600)));
    let sms = Sms::new(Keys::load(file.path()).await.unwrap())
        .taken_by(move |message| {
            kept.lock().unwrap().push(message.clone());
            heard
        })
        .while_open(gate.clone());
    let counters = sms.counters().clone();
    let router = Router::new().route(PATH, any(answer)).with_state(sms);
    Receiver { router, counters, gate, taken, file }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn by<M: Mac + KeyInit>(key: &[u8], text: &str) -> String {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

fn signed(alg: &str, key: &[u8], claims: &Value) -> String {
    let text = format!("{}.{}", part(&json!({"alg": alg, "typ": "JWT"})), part(claims));
    let signature = match alg {
        "HS384" => by::<Hmac<Sha384>>(key, &text),
        "HS512" => by::<Hmac<Sha512>>(key, &text),
        // whatever it calls itself
        _ => by::<Hmac<Sha256>>(key, &text),
    };
    format!("{text}.{signature}")
}

fn token(claims: &Value) -> String {
    signed("HS256", KEY.as_bytes(), claims)
}

fn claims() -> Value {
    json!({"iat": now(), "exp": now() + 300})
}

fn message(id: u64) -> Value {
    json!({"id": id, "endpoint": {"id": 9, "name": "meter"}, "organisation": {"id": 42, "name": "Example"},
        "source_address": "882360000000001", "dest_address": "12345", "payload": "from the field", "dcs": 0, "pid": 0,
        "submit_date": "2026-03-01 10:00:00"})
}

impl Receiver {
    async fn call(&self, method: &str, authorization: Option<String>, body: impl Into<Body>) -> u16 {
        let mut request =
            Request::builder().method(method).uri(PATH).header("content-type", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body.into()).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status().as_u16()
    }

    async fn send(&self, method: &str, token: &str, body: &Value) -> u16 {
        self.call(method, Some(format!("Bearer {token}")), body.to_string()).await
    }

    fn refused(&self, why: Refused) -> u64 {
        self.counters.snapshot().refused[why as usize]
    }

    fn taken(&self) -> Vec<Message> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }
}

fn told(id: i64, news: MessageNews) -> Message {
    Message {
        organisation: Some("42".into()),
        endpoint: Some(9),
        id,
        news,
        dest_address: Some("12345".into()),
    }
}

#[tokio::test]
async fn a_message_and_a_receipt_are_taken_by_each_algorithm_of_a_shared_key() {
    let receiver = receiver(Heard::Here).await;
    for (id, alg) in [(1, "HS256"), (2, "HS384"), (3, "HS512")] {
        let token = signed(alg, KEY.as_bytes(), &claims());
        assert_eq!(receiver.send("POST", &token, &message(id)).await, 204, "{alg}");
    }
    for (id, status) in [(1, 4), (2, 5), (3, 3)] {
        let mut receipt = message(id);
        receipt["status"] = json!({"id": status});
        assert_eq!(receiver.send("PATCH", &token(&claims()), &receipt).await, 204, "{status}");
    }
    let received = |id| told(id, MessageNews::Received);
    let receipts =
        [told(1, MessageNews::Delivered), told(2, MessageNews::Failed), told(3, MessageNews::OnItsWay)];
    assert_eq!(
        receiver.taken(),
        [&[received(1), received(2), received(3)][..], &receipts].concat(),
        "what it says is nowhere"
    );
    let counts = receiver.counters.snapshot();
    assert_eq!((counts.messages, counts.receipts), (3, 3));
}

#[tokio::test]
async fn a_token_that_no_key_here_signed_lets_nobody_in() {
    let receiver = receiver(Heard::Here).await;
    let text = format!("{}.{}", part(&json!({"alg": "none"})), part(&claims()));
    let good = token(&claims());
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged =
        [head.split('.').next().unwrap(), &part(&json!({"exp": now() + 9_999})), signature].join(".");
    let critical = {
        let text = format!("{}.{}", part(&json!({"alg": "HS256", "crit": ["b64"]})), part(&claims()));
        format!("{text}.{}", by::<Hmac<Sha256>>(KEY.as_bytes(), &text))
    };
    let doubled = {
        let claims = URL_SAFE_NO_PAD.encode(format!("{{\"exp\": {0}, \"exp\": {0}}}", now() + 60));
        let text = format!("{}.{claims}", part(&json!({"alg": "HS256"})));
        format!("{text}.{}", by::<Hmac<Sha256>>(KEY.as_bytes(), &text))
    };
    let tokens = [
        String::new(),
        "None".to_owned(),
        format!("{text}."),
        format!("{text}.{signature}"),
        head.to_owned(),
        format!("{head}."),
        format!("{good}="),
        format!("{good}.{signature}"),
        forged,
        critical,
        doubled,
        signed("HS256", NEXT.as_bytes(), &claims()),
        signed("HS256", b"", &claims()),
        signed("RS256", KEY.as_bytes(), &claims()),
        signed("ES256", KEY.as_bytes(), &claims()),
        signed("hs256", KEY.as_bytes(), &claims()),
        signed("None", KEY.as_bytes(), &claims()),
        // signed as HS256 and called HS384
        {
            let text = format!("{}.{}", part(&json!({"alg": "HS384"})), part(&claims()));
            format!("{text}.{}", by::<Hmac<Sha256>>(KEY.as_bytes(), &text))
        },
        format!("{good}{}", " ".repeat(8_192)),
    ];
    for token in &tokens {
        assert_eq!(receiver.send("POST", token, &message(1)).await, 401, "{token}");
    }
    for bare in [None, Some(good.clone()), Some(format!("Basic {good}")), Some(format!("Bearer{good}"))] {
        assert_eq!(receiver.call("POST", bare, message(1).to_string()).await, 401);
    }
    let twice = Request::post(PATH)
        .header("authorization", format!("Bearer {good}"))
        .header("authorization", "Bearer other")
        .body(Body::from(message(1).to_string()))
        .unwrap();
    assert_eq!(receiver.router.clone().oneshot(twice).await.unwrap().status(), 401, "which one counts?");
    assert_eq!(receiver.taken(), []);
    assert_eq!(receiver.refused(Refused::Token), tokens.len() as u64 + 5);
}

#[tokio::test]
async fn a_token_counts_only_within_its_time() {
    let receiver = receiver(Heard::Here).await;
    let cases = [
        (json!({"iat": now()}), Refused::Token, "it never ends"),
        (json!({"exp": "9999999999"}), Refused::Token, "a text is no time"),
        (json!({"exp": null}), Refused::Token, "nor is nothing"),
        (json!({"exp": now() - 61}), Refused::Expired, "it is over"),
        (json!({"iat": now() - 86_400 - 61, "exp": now() + 600}), Refused::Expired, "it is older than a day"),
        (json!({"exp": now() + 2 * 86_400}), Refused::Token, "nobody remembers so long"),
        (json!({"exp": 1e300}), Refused::Token, "for ever"),
        (json!({"nbf": now() + 120, "exp": now() + 600}), Refused::Token, "not yet"),
        (json!({"iat": now() + 120, "exp": now() + 600}), Refused::Token, "signed tomorrow"),
    ];
    for (claims, why, told) in cases {
        let before = receiver.refused(why);
        assert_eq!(receiver.send("POST", &token(&claims), &message(1)).await, 401, "{told}");
        assert_eq!(receiver.refused(why), before + 1, "{told}");
    }
    let week = json!({"iat": now(), "exp": now() + 7 * 86_400});
    assert_eq!(receiver.send("POST", &token(&week), &message(1)).await, 204, "good for a day at most");
    let drift = json!({"iat": now() + 30, "exp": now() + 300});
    assert_eq!(receiver.send("POST", &token(&drift), &message(2)).await, 204, "clocks differ");
}

#[tokio::test]
async fn nothing_is_taken_twice() {
    let receiver = receiver(Heard::Here).await;
    let plain = token(&claims());
    assert_eq!(receiver.send("POST", &plain, &message(1)).await, 204);
    assert_eq!(receiver.send("POST", &plain, &message(1)).await, 409, "the same call");
    assert_eq!(receiver.send("POST", &plain, &message(2)).await, 204, "signed in the same second");
    let mut with_id = claims();
    with_id["jti"] = json!("a");
    let once = token(&with_id);
    assert_eq!(receiver.send("POST", &once, &message(3)).await, 204);
    assert_eq!(
        receiver.send("POST", &once, &message(4)).await,
        409,
        "a token with an id is good for one body"
    );
    with_id["iat"] = json!(now() - 1);
    assert_eq!(receiver.send("POST", &token(&with_id), &message(3)).await, 409, "the id counts");
    assert_eq!((receiver.taken().len(), receiver.refused(Refused::Replay)), (3, 3));
}

#[tokio::test]
async fn a_message_that_is_signed_anew_is_answered_and_not_told_again() {
    let receiver = receiver(Heard::Here).await;
    for at in [0, 1, 2] {
        let token = token(&json!({"iat": now() - at, "exp": now() + 300}));
        assert_eq!(receiver.send("POST", &token, &message(1)).await, 204, "our answer was lost");
    }
    assert_eq!((receiver.taken().len(), receiver.counters.snapshot().messages), (1, 1));
    let token = token(&claims());
    assert_eq!(receiver.send("PATCH", &token, &json!({"id": 1, "status": {"id": 4}})).await, 204);
    assert_eq!(receiver.taken().len(), 1, "a receipt is something else");
}

#[tokio::test]
async fn what_could_not_be_taken_may_come_again() {
    let elsewhere = receiver(Heard::Elsewhere).await;
    let good = token(&claims());
    for _ in 0..2 {
        assert_eq!(elsewhere.send("POST", &good, &message(1)).await, 503, "no replay: it was not taken");
    }
    assert_eq!(elsewhere.refused(Refused::Elsewhere), 2);
    elsewhere.gate.close();
    assert_eq!(elsewhere.send("POST", &good, &message(1)).await, 503, "a standby sends it to who leads");
    assert_eq!(elsewhere.refused(Refused::Standby), 1);
}

#[tokio::test]
async fn an_organisation_that_is_not_served_or_not_the_tokens_own_is_refused() {
    let nowhere = receiver(Heard::Nowhere).await;
    assert_eq!(nowhere.send("POST", &token(&claims()), &message(1)).await, 403);
    let receiver = receiver(Heard::Here).await;
    let mut other = claims();
    other["esc.org"] = json!(43);
    assert_eq!(receiver.send("POST", &token(&other), &message(1)).await, 403);
    other["esc.org"] = json!(42);
    assert_eq!(receiver.send("POST", &token(&other), &message(1)).await, 204);
    assert_eq!(receiver.refused(Refused::Organisation), 1);
}

#[tokio::test]
async fn a_receipt_may_name_no_more_than_its_message_and_its_state() {
    let receiver = receiver(Heard::Here).await;
    let bare = |id: u64| json!({"id": id, "status": {"id": 4}});
    assert_eq!(receiver.send("PATCH", &token(&claims()), &bare(1)).await, 204);
    let mut of = claims();
    of["esc.org"] = json!(42);
    assert_eq!(receiver.send("PATCH", &token(&of), &bare(2)).await, 204);
    let organisations: Vec<_> = receiver.taken().into_iter().map(|message| message.organisation).collect();
    assert_eq!(organisations, [None, Some("42".to_owned())], "the token tells, where it does");
}

#[tokio::test]
async fn what_is_no_callback_is_refused_and_counted() {
    let receiver = receiver(Heard::Here).await;
    let bearer = || Some(format!("Bearer {}", token(&claims())));
    let without = |field: &str| {
        let mut body = message(1);
        body.as_object_mut().unwrap().remove(field);
        body.to_string()
    };
    let mut long = message(1);
    long["dest_address"] = json!("1".repeat(65));
    let bad = ["", "{", "7", "null", "[]", "[{}]", "\"text\"", "{}"].map(str::to_owned);
    let bad =
        bad.into_iter().chain(["id", "organisation", "endpoint"].map(without)).chain([long.to_string()]);
    let mut count = 0;
    for body in bad {
        assert_eq!(receiver.call("POST", bearer(), body.clone()).await, 400, "{body}");
        count += 1;
    }
    assert_eq!(receiver.send("PATCH", &token(&claims()), &message(1)).await, 400, "a receipt has a state");
    assert_eq!(receiver.refused(Refused::Malformed), count + 1);
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(receiver.call(method, bearer(), message(1).to_string()).await, 405, "{method}");
    }
    assert_eq!(receiver.call("POST", bearer(), " ".repeat(16 * 1024 + 1)).await, 413);
    let form = Request::post(PATH)
        .header("authorization", bearer().unwrap())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(message(1).to_string()))
        .unwrap();
    assert_eq!(receiver.router.clone().oneshot(form).await.unwrap().status(), 415);
    assert_eq!(receiver.taken(), []);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let receiver = receiver(Heard::Here).await;
    let endless = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let bearer = Some(format!("Bearer {}", token(&claims())));
    assert_eq!(receiver.call("POST", bearer, Body::from_stream(endless)).await, 408);
}

#[tokio::test]
async fn a_key_is_replaced_without_a_gap_and_the_old_one_ends() {
    let receiver = receiver(Heard::Here).await;
    let by = |key: &str, id: u64| (signed("HS256", key.as_bytes(), &claims()), message(id));
    tokio::time::pause();
    let mut id = 0;
    let mut status = async |key: &str| {
        id += 1;
        let (token, body) = by(key, id);
        receiver.send("POST", &token, &body).await
    };
    std::fs::write(receiver.file.path(), format!("{KEY}\n{NEXT}\n")).unwrap();
    assert_eq!(status(NEXT).await, 401, "the file is read every ten seconds");
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    assert_eq!((status(KEY).await, status(NEXT).await), (204, 204), "both count");
    std::fs::write(receiver.file.path(), NEXT).unwrap();
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    assert_eq!((status(KEY).await, status(NEXT).await), (401, 204), "the old one is over");
    std::fs::write(receiver.file.path(), "").unwrap();
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    assert_eq!((status("").await, status(NEXT).await), (401, 204), "an emptied file changes nothing");
}

#[tokio::test]
async fn a_file_that_holds_no_shared_key_is_refused_at_the_start() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let many = format!("{KEY}\n").repeat(5);
    let (more, mistyped) = (format!("@42 {KEY}\n").repeat(5), format!("@10O1 {KEY}\n"));
    for (text, told) in [
        ("", "is empty"),
        (pem, "a key of a pair"),
        ("short", "less than 16"),
        (&many, "more than 4"),
        (&more, "more than 4"),
        (&mistyped, "names no organisation"),
    ] {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = Keys::load(file.path()).await.unwrap_err().to_string();
        assert!(error.starts_with("--sms-secret-file:") && error.contains(told), "{error}");
        assert!(!error.contains(KEY) && !error.contains("short"), "{error}");
    }
}

#[tokio::test]
async fn a_key_of_one_organisation_speaks_for_no_other() {
    let receiver = receiver(Heard::Here).await;
    std::fs::write(receiver.file.path(), format!("@42 {KEY}\n@7 {NEXT}\n")).unwrap();
    let keys = Keys::load(receiver.file.path()).await.unwrap();
    let all = keys.now().await;
    let by = |key: &str, claims: &Value| {
        token::read(&signed("HS256", key.as_bytes(), claims), &all, now()).map(|token| token.organisation)
    };
    assert_eq!(by(KEY, &claims()).ok(), Some(Some(42)), "a token that names none is about its own");
    let mut of_another = claims();
    of_another["esc.org"] = json!(7);
    assert!(matches!(by(KEY, &of_another), Err(Refused::Organisation)));
    assert_eq!(by(NEXT, &of_another).ok(), Some(Some(7)));
    let named = message(1);
    for (key, taken) in [(NEXT, false), (KEY, true)] {
        let token = token::read(&signed("HS256", key.as_bytes(), &claims()), &all, now()).ok().unwrap();
        let body = named.to_string();
        let heard = super::message(&Method::POST, body.as_bytes(), token.organisation);
        assert_eq!(heard.is_ok(), taken, "the message is about organisation 42");
    }
}
