//! What the front door adds to every answer: `CloudFront` before an API gateway. [R] Names of hosts and ids are made up.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, SERVER, STRICT_TRANSPORT_SECURITY,
    VIA, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const ALLOWED: &str = "Authorization,DNT,X-CustomHeader,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,\
    Cache-Control,Content-Type,X-Count-Per-Page,X-Current-Page,X-Sort,X-Total-Count,X-Total-Pages";
const EXPOSED: &str = "Authorization,DNT,X-CustomHeader,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,\
    Cache-Control,Content-Type,X-Count-Per-Page,X-Current-Page,X-Sort,X-Total-Count,X-Total-Pages,Location,X-Count,\
    X-Per-Page,X-Pages,X-Page";

/// The same on every answer.
static ALWAYS: [(HeaderName, &str); 11] = [
    (ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED),
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PATCH, PUT, DELETE"),
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
    (ACCESS_CONTROL_MAX_AGE, "86400"),
    (CACHE_CONTROL, "max-age=0"),
    (SERVER, "CloudFront"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (VIA, "1.1 simulator.cloudfront.net (CloudFront)"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// Headers of the API whose names the standard does not know.
const CACHE: HeaderName = HeaderName::from_static("x-cache");
const PLACE: HeaderName = HeaderName::from_static("x-amz-cf-pop");
const REQUEST: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Adds them to an answer of that status, the `number`th of this simulator.
pub(super) fn dress(headers: &mut HeaderMap, status: u16, number: u64) {
    for (name, value) in &ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let cache = if status < 400 { "Miss from cloudfront" } else { "Error from cloudfront" };
    headers.insert(CACHE, HeaderValue::from_static(cache));
    headers.insert(PLACE, HeaderValue::from_static("SIM50-P1"));
    if let Ok(id) = HeaderValue::from_str(&format!("00000000-0000-4000-8000-{number:012x}")) {
        headers.insert(REQUEST, id);
    }
}
