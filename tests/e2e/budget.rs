//! What requests cost: a wrong token, and what the operator tells of its requests.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use emnify_harness::stage::{ADMIN_SERVER, Stage, condition};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{DEVICE, Result, make_ready, options, says};

/// A running operator and the address of its admin server.
async fn with_metrics(name: &str) -> Result<(Stage, SocketAddr)> {
    let mut stage = Stage::start(options(name)?).await?;
    stage.start_operator()?;
    let admin = stage.listens_at(ADMIN_SERVER).await?;
    Ok((stage, admin))
}

async fn metrics(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\naccept: application/openmetrics-text\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    ensure!(head.starts_with("HTTP/1.0 200") && head.contains("openmetrics-text"), "{head}");
    Ok(body.to_owned())
}

/// The sum of all values of a metric with these labels.
fn sum(text: &str, name: &str, labels: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(labels));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_the_platform_counts() -> Result<()> {
    let (stage, admin) = with_metrics("metrics").await?;
    stage.apply_workspace("default").await?;
    make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    let what = "the operator and the platform count the same requests";
    stage
        .eventually(what, async || {
            let before = stage.simulator().requests().total;
            let text = metrics(admin).await?;
            // what is under way is counted by one of them only
            let same = before == stage.simulator().requests().total;
            let counted = sum(&text, "emnify_requests_total", "");
            Ok(same && (counted - f64::from(u32::try_from(before)?)).abs() < 0.5)
        })
        .await?;
    let text = metrics(admin).await?;
    assert!(
        sum(&text, "emnify_requests_total", "route=\"/api/v1/authenticate\"") > 0.5,
        "logins count:\n{text}"
    );
    assert!(sum(&text, "emnify_objects", "kind=\"Endpoint\"") > 0.5, "{text}");
    assert!(text.contains("emnify_listing_age_seconds{"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_cannot_listen_ends_and_says_why() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let mut options = options("no-port")?;
    options.flags.push(format!("--admin-addr={}", taken.local_addr()?));
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    let waited = stage.eventually("somebody serves", async || Ok(false)).await;
    let said = format!("{:#}", waited.expect_err("nobody serves"));
    assert!(said.starts_with("the operator has ended: --admin-addr: 127.0.0.1:"), "{said}");
    assert!(said.contains("cannot be listened on: "), "the cause is told: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_tried_once_and_told_once() -> Result<()> {
    let (stage, admin) = with_metrics("wrong-token").await?;
    stage.apply_secret("wrong", &[("token", "nobody-knows-this-token")]).await?;
    let credentials = json!({"applicationTokenSecretRef": {"name": "wrong", "key": "token"}});
    let workspace = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"},
        "spec": {"baseUrl": stage.base_url(), "credentials": credentials},
    });
    stage.apply(&workspace.to_string()).await?;
    stage.apply(DEVICE).await?;
    let told = says(&stage, ("Workspace", "default"), ("Stalled", "Unauthorized"), &["token"]).await?;
    let refused = |object: &Value| object["status"]["credential"]["refused"]["credential"].clone();
    assert_eq!(
        stage.simulator().requests().total,
        1,
        "one login, and nothing else, with a token that is refused"
    );

    // half a minute later, when a changed Secret has been seen, the first token was still tried only once
    stage.apply_secret("wrong", &[("token", "nor-this-one")]).await?;
    let other = |object: &Value| refused(object) != refused(&told) && refused(object).is_string();
    stage.wait_for("Workspace", "default", "the changed token is refused as well", other).await?;
    assert_eq!(stage.simulator().requests().total, 2, "each token costs one login");
    let object = stage.get("Endpoint", "meter-1").await?.context("the device's object")?;
    assert!(condition(&object, "Stalled").is_none(), "the object itself has nothing to mend: {object:#}");
    let text = metrics(admin).await?;
    assert!(
        (sum(&text, "emnify_requests_total", "authenticate") - 2.0).abs() < 0.5,
        "refused logins count:\n{text}"
    );
    Ok(())
}
