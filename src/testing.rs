//! What tests of several modules need.

use std::convert::Infallible;

use http::{Request, Response, request::Parts};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

/// A client of an API server that answers like this: a status and a text, to the head and the JSON of a request.
pub(crate) fn kube_client<A>(
    namespace: &str,
    answer: impl Fn(Parts, Value) -> A + Clone + Send + 'static,
) -> kube::Client
where
    A: Future<Output = (u16, String)> + Send + 'static,
{
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("it is in memory").to_bytes();
            let (status, text) = answer(head, serde_json::from_slice(&body).unwrap_or(Value::Null)).await;
            let response = Response::builder().status(status).body(Body::from(text.into_bytes()));
            Ok::<_, Infallible>(response.expect("a status and a text are a response"))
        }
    });
    kube::Client::new(service, namespace)
}
