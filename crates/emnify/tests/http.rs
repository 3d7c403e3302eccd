//! The production transport over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use emnify::{HttpTransport, HttpTransportConfig, Transport, TransportError};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers each connection with `answer` and closes it; remembers what was asked.
async fn server(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn({
        let asked = Arc::clone(&asked);
        async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = vec![0; 4_096];
                let read = socket.read(&mut request).await.unwrap_or(0);
                asked.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).to_lowercase());
                socket.write_all(answer).await.ok();
            }
        }
    });
    (url, asked)
}

fn transport() -> HttpTransport {
    HttpTransport::new(HttpTransportConfig {
        connect_timeout: Duration::from_secs(60),
        total_timeout: Duration::from_secs(60),
        caller: None,
    })
    .unwrap()
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).header("authorization", "Bearer hush").body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn an_answer_arrives_whole_and_the_client_names_itself() {
    let (url, asked) = server(b"HTTP/1.1 201 Created\r\nlocation: /x/7\r\ncontent-length: 2\r\n\r\n[]").await;
    let answer = transport().send(get(&format!("{url}/api/v1/service"))).await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["location"].to_str().unwrap()),
        (StatusCode::CREATED, "/x/7")
    );
    assert_eq!(&answer.body()[..], b"[]");
    let request = asked.lock().unwrap()[0].clone();
    assert!(request.starts_with("get /api/v1/service http/1.1"), "{request}");
    assert!(
        request.contains(concat!("user-agent: emnify-operator/", env!("CARGO_PKG_VERSION"))),
        "{request}"
    );
    assert!(request.contains("accept-encoding: gzip"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_the_token_stays_at_home() {
    let (elsewhere, visited) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let redirect =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    let (url, _) = server(redirect.leak().as_bytes()).await;
    let answer = transport().send(get(&url)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(visited.lock().unwrap().is_empty(), "the token goes to one origin only");
}

#[tokio::test]
async fn nobody_at_home_means_nothing_was_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = transport().send(get(&url)).await.unwrap_err();
    assert_eq!(
        failure,
        TransportError::Connect("the connection failed".into()),
        "and the text names no port"
    );
}

#[tokio::test]
async fn a_broken_answer_may_have_had_an_effect_and_is_not_repeated() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[", b"nonsense\r\n\r\n"] {
        let (url, asked) = server(answer).await;
        let failure = transport().send(get(&url)).await.unwrap_err();
        assert!(matches!(failure, TransportError::AfterSend(_)), "{failure:?}");
        assert!(!failure.to_string().contains("127.0.0.1"), "{failure}");
        assert_eq!(asked.lock().unwrap().len(), 1, "the request was sent once");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let transport = HttpTransport::new(HttpTransportConfig {
        connect_timeout: Duration::from_secs(60),
        total_timeout: Duration::from_secs(1),
        caller: None,
    })
    .unwrap();
    let failure = transport.send(get(&url)).await.unwrap_err();
    assert_eq!(failure, TransportError::AfterSend("no answer in time".into()));
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(Mutex::new(0_usize));
    tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let asked = socket.read(&mut [0; 4_096]).await.unwrap();
            assert!(asked > 0, "a request comes first");
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[";
            socket.write_all(head).await.unwrap();
            let blanks = vec![b' '; 1 << 20];
            // far more than fits, in case nobody hangs up
            while *sent.lock().unwrap() < 256 && socket.write_all(&blanks).await.is_ok() {
                *sent.lock().unwrap() += 1;
            }
        }
    });
    let transport = HttpTransport::new(HttpTransportConfig::default()).unwrap();
    let failure = transport.send(get(&url)).await.unwrap_err();
    assert!(failure.to_string().contains("larger"), "{failure}");
    assert!(*sent.lock().unwrap() < 128, "it is not read to its end: {} MiB", sent.lock().unwrap());
}
