use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, StreamBody};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::PostParams,
    runtime::{watcher, watcher::Event},
};
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::*;

/// Parts of an answer, after which nothing comes and nothing ends.
fn hangs_after(parts: Vec<String>) -> impl HttpBody<Data = Bytes, Error = Infallible> + Send + 'static {
    let parts = futures::stream::iter(parts).map(|part| Ok(Frame::data(Bytes::from(part))));
    StreamBody::new(parts.chain(futures::stream::pending()))
}

/// A listing with nothing in it.
const LIST: &str =
    r#"{"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"1"},"items":[]}"#;

/// A config map as a watch shows it.
fn added(name: &str, version: u32) -> String {
    let object = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "d", "resourceVersion": version.to_string()}});
    format!("{}\n", serde_json::json!({"type": "ADDED", "object": object}))
}

fn names(event: &Event<ConfigMap>) -> Option<String> {
    match event {
        Event::Apply(map) | Event::InitApply(map) => map.metadata.name.clone(),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_goes_on_by_another_connection() {
    let asked = Arc::new(Mutex::new(Vec::<String>::new()));
    let log = asked.clone();
    let server = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = if query.contains("watch=true") {
            log.lock().push(query);
            let nth = u32::try_from(log.lock().len()).unwrap();
            hangs_after(vec![added(&format!("map-{nth}"), nth + 1)]).map_err(BoxError::from).boxed_unsync()
        } else {
            http_body_util::Full::from(LIST).map_err(BoxError::from).boxed_unsync()
        };
        async { Ok::<_, BoxError>(Response::new(body)) }
    });
    let (client, heard) = bounded(Client::new(server, "d"), Patience::default());
    let api: Api<ConfigMap> = Api::namespaced(client, "d");
    let events = watcher(api, watcher::Config::default()).map_ok(|event| names(&event));
    let mut events = events.try_filter_map(|name| async { Ok(name) }).boxed();
    let began = Instant::now();
    for name in ["map-1", "map-2", "map-3"] {
        let next = events.try_next().await.expect("silence is no error of a watch");
        assert_eq!(next.as_deref(), Some(name));
    }
    let rest = began.elapsed();
    assert!(rest < Duration::from_secs(240), "two silent connections cost {rest:?}");
    assert!(
        asked.lock()[1].contains("resourceVersion=2"),
        "it goes on, it does not list anew: {:?}",
        asked.lock()
    );
    assert_eq!(heard.hearing().given_up, 2, "and it is counted");
}

#[tokio::test(start_paused = true)]
async fn bookmarks_keep_a_quiet_watch_alive() {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let server = tower::service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        let every_minute = futures::stream::unfold(0, |nth| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let mark = serde_json::json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"resourceVersion": nth.to_string()}}});
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{mark}\n")))), nth + 1))
        });
        async { Ok::<_, BoxError>(Response::new(StreamBody::new(every_minute))) }
    });
    let (client, heard) = bounded(Client::new(server, "d"), Patience::default());
    let api: Api<ConfigMap> = Api::namespaced(client, "d");
    let mut events = api.watch(&kube::api::WatchParams::default(), "0").await.unwrap().boxed();
    for _ in 0..60 {
        assert!(events.try_next().await.unwrap().is_some(), "an hour with nothing but bookmarks");
    }
    assert_eq!((opened.load(Ordering::SeqCst), heard.hearing().given_up), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_what_nothing_happens_to_is_silent_and_that_is_no_fault() {
    let watches = Arc::new(AtomicUsize::new(0));
    let count = watches.clone();
    let server = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let seconds = query.split('&').find_map(|part| part.strip_prefix("timeoutSeconds=")?.parse().ok());
        let body = if query.contains("watch=true") {
            let lasts = Duration::from_secs(seconds.expect("a watch says how long it lasts"));
            let seen = count.fetch_add(1, Ordering::SeqCst);
            let ends = futures::stream::once(async move {
                tokio::time::sleep(lasts).await;
                // an hour later something happens
                let said = if seen < 48 { String::new() } else { added("map-1", 2) };
                Ok::<_, Infallible>(Frame::data(Bytes::from(said)))
            });
            BodyExt::map_err(StreamBody::new(ends), BoxError::from).boxed_unsync()
        } else {
            http_body_util::Full::from(LIST).map_err(BoxError::from).boxed_unsync()
        };
        async { Ok::<_, BoxError>(Response::new(body)) }
    });
    let (client, heard) = bounded(Client::new(server, "d"), Patience::default());
    let api: Api<ConfigMap> = Api::namespaced(client, "d");
    let events = watcher(api, watcher::Config::default()).map_ok(|event| names(&event));
    let mut events = events.try_filter_map(|name| async { Ok(name) }).boxed();
    let next = tokio::time::timeout(Duration::from_secs(2 * 3_600), events.try_next()).await;
    assert_eq!(next.expect("it is seen when it happens").unwrap().as_deref(), Some("map-1"));
    assert_eq!(heard.hearing().given_up, 0, "nobody was silent longer than agreed");
}

#[tokio::test(start_paused = true)]
async fn no_request_waits_for_ever() {
    let server = tower::service_fn(|request: Request<Body>| async move {
        if request.method() == http::Method::POST {
            std::future::pending::<()>().await;
        }
        Ok::<_, BoxError>(Response::new(hangs_after(vec!["{\"metadata\":".to_owned()])))
    });
    let (client, heard) = bounded(Client::new(server, "d"), Patience::default());
    let api: Api<ConfigMap> = Api::namespaced(client, "d");
    let began = Instant::now();
    let write = api.create(&PostParams::default(), &ConfigMap::default()).await;
    let write = write.expect_err("its answer never begins");
    assert!(format!("{write:?}").contains("Silent"), "{write:?}");
    let read = api.get("a").await.expect_err("its answer never ends");
    assert!(format!("{read:?}").contains("Silent"), "{read:?}");
    assert_eq!(began.elapsed().as_secs(), 60, "each after half a minute");
    assert_eq!(heard.hearing(), Hearing { silent: Duration::from_secs(30), given_up: 2 }, "a metric tells");
}

#[tokio::test]
async fn a_connection_that_is_accepted_and_never_answered_is_given_up() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    let kept = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = mute.accept().await {
            kept.push(connection);
        }
    });
    let config = Config::new(format!("http://{address}").parse().unwrap());
    let patience = Patience { answer: Duration::from_millis(200), watch: Duration::from_millis(200) };
    let (client, _) = bounded(client(config).unwrap(), patience);
    let answer = Api::<ConfigMap>::namespaced(client, "d").get("a").await.expect_err("nothing is said");
    assert!(format!("{answer:?}").contains("Silent"), "{answer:?}");
    kept.abort();
}

/// What a proxy hears first from a client that a kubeconfig sends its way.
async fn first_words_to_a_proxy(scheme: &str) -> Vec<u8> {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new("https://api.example:6443".parse().unwrap());
    config.proxy_url = Some(format!("{scheme}://{}", proxy.local_addr().unwrap()).parse().unwrap());
    let client = client(config).expect("as kubectl, the operator speaks by a proxy");
    let api = Api::<ConfigMap>::namespaced(client, "d");
    let heard = async {
        let (mut connection, _) = proxy.accept().await.unwrap();
        let mut words = vec![0; 64];
        let length = connection.read(&mut words).await.unwrap();
        words.truncate(length);
        words
    };
    tokio::select! {
        heard = heard => heard,
        answer = api.get("a") => panic!("no proxy was asked: {answer:?}"),
    }
}

#[tokio::test]
async fn the_proxy_of_a_kubeconfig_is_used() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let heard = first_words_to_a_proxy("http").await;
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("CONNECT api.example:6443 "), "{heard}");
    assert_eq!(
        first_words_to_a_proxy("https").await[0],
        22,
        "to a proxy with TLS, the record of a handshake"
    );
    assert_eq!(first_words_to_a_proxy("socks5").await[0], 5, "the version that a SOCKS client begins with");
}
