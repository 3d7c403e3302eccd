use http::{HeaderName, HeaderValue};

use super::*;

const ENDPOINTS: &str = "/api/v1/endpoint";
const ENDPOINT: &str = "/api/v1/endpoint/{endpoint_id}";
const BLOCK: &str = "/api/v1/endpoint/{endpoint_id}/operator_blacklist/{operator_id}";

fn with(call: &Call, status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Error {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    classify(call, StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
}

fn kind(call: &Call, status: u16, body: &str) -> &'static str {
    with(call, status, &[], body).kind()
}

/// One row per line of the error dossier.
#[test]
fn every_documented_answer_has_its_meaning() {
    let no_address = r#"{"error_code":1601,"error_token":"Unavailable","message":"No IP address available"}"#;
    let missing = r#"{"error_code":1401,"error_token":"InvalidReference","message":"Endpoint not found"}"#;
    let not_found = r#"{"error_code":1201,"error_token":"NotFound","message":"Not found"}"#;
    let busy = r#"{"message":"IP address space is in use by another request"}"#;
    let invalid = r#"{"error_code":1400,"error_token":"InputValidationFailed","message":"Validation failed",
        "errors":[{"error_code":1403,"error_token":"InvalidFormat","message":"imei has a wrong format"}]}"#;
    let rows = [
        (Call::get(ENDPOINT), 400, r#"{"error_code":1000,"message":"bad id"}"#, "rejected"),
        (Call::patch("/api/v1/sim/{sim_id}"), 400, r#"{"message":"illegal transition"}"#, "rejected"),
        (Call::post(ENDPOINTS), 422, invalid, "rejected"),
        (Call::patch("/api/v1/sim_batch/bic/{bic}"), 422, "", "rejected"),
        (Call::get(ENDPOINTS), 422, r#"{"error_code":1301,"message":"bad query"}"#, "rejected"),
        (Call::patch(ENDPOINT), 403, r#"{"error_code":1104,"message":"no"}"#, "rejected"),
        (Call::get(ENDPOINTS), 403, r#"{"error_code":1104,"message":"no"}"#, "unauthorized"),
        (Call::get(ENDPOINT), 401, r#"{"message":"Unauthorized"}"#, "unauthorized"),
        (Call::post(LOGIN), 401, "", "unauthorized"),
        (Call::post(LOGIN), 404, r#"{"message":"unexpected"}"#, "unauthorized"),
        (Call::get(ENDPOINT), 404, not_found, "not_found"),
        (Call::patch(ENDPOINT), 404, missing, "not_found"),
        (Call::delete(BLOCK), 404, not_found, "not_found"),
        (Call::put(BLOCK), 404, not_found, "rejected"),
        (Call::post(ENDPOINTS), 404, missing, "rejected"),
        (Call::post(ENDPOINTS), 404, no_address, "capacity"),
        (Call::post("/api/v2/endpoint/multi"), 404, no_address, "capacity"),
        (Call::patch(ENDPOINT), 404, no_address, "capacity"),
        (Call::post(ENDPOINTS), 404, busy, "capacity"),
        (
            Call::post(ENDPOINTS),
            404,
            r#"{"error_code":1201,"message":"IP address space is busy"}"#,
            "capacity",
        ),
        (
            Call::post(ENDPOINTS),
            404,
            r#"{"error_code":1201,"message":"IpAddressSpace not found"}"#,
            "rejected",
        ),
        (Call::patch("/api/v2/endpoint/multi"), 404, not_found, "rejected"),
        (
            Call::put(BLOCK),
            409,
            r#"{"error_code":1405,"error_token":"Duplicated","message":"dup"}"#,
            "conflict",
        ),
        (Call::get(ENDPOINTS), 429, "", "throttled"),
        (Call::post(ENDPOINTS), 429, "", "throttled"),
        (Call::get(ENDPOINTS), 503, "", "throttled"),
        (Call::patch(ENDPOINT), 503, "", "throttled"),
        (Call::post(ENDPOINTS), 503, "", "ambiguous"),
        (Call::post(ENDPOINTS), 504, "", "ambiguous"),
        (Call::post(ENDPOINTS), 500, "<html>", "ambiguous"),
        (Call::patch(ENDPOINT), 502, "", "unavailable"),
        (Call::get(ENDPOINT), 500, r#"{"status_code":500,"message":"oops"}"#, "unavailable"),
        (Call::post("/api/v1/sim/migration/workspace"), 501, r#"{"message":"not implemented"}"#, "rejected"),
    ];
    for (call, status, body, want) in rows {
        assert_eq!(
            kind(&call, status, body),
            want,
            "{} {} answered {status} {body}",
            call.method,
            call.route
        );
    }
}

/// Whatever stands between emnify and the caller answers with: an error page, nothing, or JSON of its own.
#[test]
fn a_verdict_needs_emnifys_handwriting() {
    let pages = [
        "",
        "<html>hush</html>",
        r#"{"error":"hush"}"#,
        r#"["hush"]"#,
        r#""hush""#,
        r#"{"message":7}"#,
        "null",
    ];
    let calls = [
        (Call::get(ENDPOINTS), "unavailable"),
        (Call::get(ENDPOINT), "unavailable"),
        (Call::patch(ENDPOINT), "unavailable"),
        (Call::delete(ENDPOINT), "unavailable"),
        (Call::put(BLOCK), "unavailable"),
        (Call::post(LOGIN).repeatable(true), "unavailable"),
        (Call::post("/api/v2/bulk-operations/endpoint/add-tags").repeatable(true), "unavailable"),
        (Call::post(ENDPOINTS), "ambiguous"),
        (Call::post("/api/v2/endpoint/multi"), "ambiguous"),
    ];
    for (call, want) in calls {
        for status in [301, 302, 304, 307, 400, 403, 404, 405, 409, 410, 413, 415, 422, 451, 501] {
            for page in pages {
                let error = with(&call, status, &[], page);
                let asked = format!("{} {} answered {status} {page}: {error}", call.method, call.route);
                assert_eq!(error.kind(), want, "emnify said nothing: {asked}");
                assert!(!error.to_string().contains("hush"), "what a proxy says is not repeated: {asked}");
            }
        }
        for status in [301, 302, 307] {
            let error = with(&call, status, &[], r#"{"message":"moved"}"#);
            assert_eq!(error.kind(), want, "a redirect is never a verdict: {} {status}", call.method);
        }
    }
}

#[test]
fn a_page_in_between_condemns_no_credential() {
    let login = Call::post(LOGIN).repeatable(true);
    for page in ["<html>", r#"{"error":"sign in"}"#] {
        assert_eq!(kind(&login, 401, page), "unavailable", "a refused password is never tried again");
        assert_eq!(kind(&login, 403, page), "unavailable");
        assert_eq!(kind(&login, 404, page), "unavailable");
    }
    assert_eq!(kind(&login, 401, ""), "unauthorized", "emnify's own 401 is empty [S]");
}

#[test]
fn a_route_that_the_gateway_does_not_know_proves_no_absence() {
    let gateway = [("x-amzn-errortype", "NotFoundException")];
    let missing = r#"{"message":"Not Found"}"#;
    assert_eq!(with(&Call::get(ENDPOINT), 404, &gateway, missing).kind(), "unavailable");
    assert_eq!(with(&Call::delete(ENDPOINT), 404, &gateway, missing).kind(), "unavailable");
    assert_eq!(with(&Call::post(ENDPOINTS), 404, &gateway, missing).kind(), "ambiguous");
}

#[test]
fn a_403_of_the_gateway_is_about_the_caller() {
    let gateway = [("x-amzn-errortype", "AccessDeniedException")];
    assert_eq!(with(&Call::patch(ENDPOINT), 403, &gateway, "").kind(), "unauthorized");
}

#[test]
fn the_nested_error_speaks_and_gives_its_code() {
    let body = r#"{"error_code":1400,"error_token":"InputValidationFailed","message":"Validation failed","errors":[
        {"error_code":1403,"error_token":"InvalidFormat","message":"imei: wrong format"},
        {"error_code":1402,"error_token":"Required","message":"status: required"},
        {"error_code":1402,"error_token":"Required","message":"status: required"}]}"#;
    let error = with(&Call::post(ENDPOINTS), 422, &[], body);
    assert_eq!(
        error.to_string(),
        "rejected by emnify (422, code 1403): imei: wrong format; status: required",
        "each reason once, in order"
    );
    let migration = r#"{"status_code":409,"message":"cannot migrate",
        "errors":[{"error_code":1502,"message":"SIM is attached","sims":[{"id":1}]}]}"#;
    let error = with(&Call::post("/api/v1/sim/migration/workspace"), 409, &[], migration);
    assert_eq!(error.to_string(), "conflict in emnify, code 1502: SIM is attached");
}

#[test]
fn an_empty_body_leaves_the_status_to_speak() {
    let error = with(&Call::patch("/api/v1/sim_batch/bic/{bic}"), 422, &[("content-type", "text/html")], "");
    assert_eq!(error.to_string(), "rejected by emnify (422): HTTP 422 Unprocessable Entity");
}

#[test]
fn messages_are_the_same_each_time_and_hold_no_secret() {
    let body = |id: &str| {
        format!(r#"{{"message":"request {id} with eyJhbGciOiJIUzM4NCJ9.e30.sig refused,  twice"}}"#)
    };
    let one = with(&Call::patch(ENDPOINT), 400, &[], &body("123e4567-e89b-12d3-a456-426614174000"));
    let two = with(&Call::patch(ENDPOINT), 400, &[], &body("00000000-e89b-12d3-a456-426614174000"));
    assert_eq!(one, two, "an id that changes with every request is masked");
    assert!(!one.to_string().contains("eyJ"), "a token is masked: {one}");
    let login = r#"{"error_code":1105,"error_token":"TooManyRequests","message":"bad password hush"}"#;
    let refused = with(&Call::post(LOGIN).sensitive(), 401, &[], login);
    assert_eq!(refused.to_string(), "not authorised by emnify (401): TooManyRequests");
    let long = with(&Call::patch(ENDPOINT), 400, &[], &format!(r#"{{"message":"{}"}}"#, "ü".repeat(5_000)));
    assert!(long.to_string().chars().count() < 400, "a message fits a condition");
}

#[test]
fn a_pause_is_given_in_seconds_or_as_a_date() {
    let retry = |headers: &[(&'static str, &'static str)]| with(&Call::get(ENDPOINTS), 429, headers, "");
    assert_eq!(
        retry(&[("retry-after", "7")]),
        Error::Throttled { retry_after: Some(Duration::from_secs(7)) }
    );
    let date = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")];
    assert_eq!(retry(&date), Error::Throttled { retry_after: Some(Duration::from_secs(60)) });
    let past = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:40:37 GMT")];
    assert_eq!(retry(&past), Error::Throttled { retry_after: Some(Duration::ZERO) });
    assert_eq!(retry(&[]), Error::Throttled { retry_after: None });
}

#[test]
fn without_an_answer_it_matters_whether_the_request_was_written() {
    let connect = TransportError::Connect("the connection failed".into());
    let reset = TransportError::AfterSend("the connection broke".into());
    for call in [Call::get(ENDPOINT), Call::post(ENDPOINTS), Call::delete(ENDPOINT)] {
        assert_eq!(unanswered(&call, &connect).kind(), "unavailable", "{} was never sent", call.method);
    }
    assert_eq!(unanswered(&Call::get(ENDPOINT), &reset).kind(), "unavailable", "a read changes nothing");
    assert_eq!(unanswered(&Call::post(LOGIN), &reset).kind(), "unavailable", "nor does a login");
    for call in [Call::post(ENDPOINTS), Call::patch(ENDPOINT), Call::delete(ENDPOINT)] {
        assert_eq!(unanswered(&call, &reset).kind(), "ambiguous", "{} may have taken effect", call.method);
    }
}
