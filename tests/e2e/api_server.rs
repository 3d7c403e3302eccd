//! The way to the API server fails without anybody saying so.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use emnify_harness::stage::{Launch, Stage, is_ready};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{DEVICE, Result, options};

/// A load balancer that forgets connections: those that it has carry nothing any more, and none is closed.
struct Balancer {
    address: SocketAddr,
    forgotten: Arc<AtomicU32>,
    _task: JoinSet<()>,
}

impl Balancer {
    async fn before(server: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let forgotten = Arc::new(AtomicU32::new(0));
        let now = forgotten.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                pipes.spawn(carry(from_client, to_server, now.clone()));
                pipes.spawn(carry(from_server, to_client, now.clone()));
            }
        });
        Ok(Self { address, forgotten, _task: tasks })
    }

    fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

/// Carries until what was open is forgotten; then swallows, for as long as somebody speaks.
async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    forgotten: Arc<AtomicU32>,
) {
    let mine = forgotten.load(Ordering::SeqCst);
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if forgotten.load(Ordering::SeqCst) == mine && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    if forgotten.load(Ordering::SeqCst) != mine {
        // the other end never hears that this one is gone
        std::future::pending::<()>().await;
    }
}

/// The number behind a name in what `/metrics` says.
fn metric(page: &str, name: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_arrive_again_after_every_connection_fell_silent() -> Result<()> {
    let stage = Stage::start(options("silent")?).await?;
    let plane = stage.plane();
    let kubeconfig = plane.kubeconfig_file("silent", plane.token("admin")?)?;
    let text = std::fs::read_to_string(&kubeconfig)?;
    let (before, rest) = text.split_once("https://").expect("it names the server");
    let (server, after) = rest.split_at(rest.find(['"', '\n', ',']).expect("the line ends"));
    let balancer = Balancer::before(server.trim().to_owned()).await?;
    std::fs::write(&kubeconfig, format!("{before}https://{}{after}", balancer.address))?;
    // a lease that is not renewed ends the process, which would hide what is tried here
    let launch = Launch::on(&stage, env!("CARGO_BIN_EXE_emnify-operator"))?;
    let launch = launch.with_kubeconfig(&kubeconfig).with(["--leader-elect=false"]);
    let mut process = launch.logging_as("silent").start()?;
    process.ready().await?;
    stage.apply_workspace("default").await?;
    stage.apply(DEVICE).await?;
    stage.wait_for("Endpoint", "meter-1", "Ready", is_ready).await?;
    let given_up = "emnify_kubernetes_given_up_total";
    let (_, page) = process.get("/metrics").await?;
    let before = metric(&page, given_up);

    balancer.forget();
    let patch = r#"{"spec":{"name":"Meter 1 after the silence"}}"#;
    stage.kubectl_ok(&["patch", "emep", "meter-1", "--type=merge", "-p", patch]).await?;
    // watches are silent for 100 s at most
    let limit = Duration::from_secs(300);
    let again = |device: &Value| is_ready(device) && device["status"]["observedGeneration"] == 2;
    stage.wait_within(limit, ("Endpoint", "meter-1"), "Ready with the edit", again).await?;
    let (_, page) = process.get("/metrics").await?;
    assert!(metric(&page, given_up) > before + 0.5, "and a metric tells:\n{page}");
    process.stop().await?;
    Ok(())
}
