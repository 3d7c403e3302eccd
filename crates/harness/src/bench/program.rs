//! The operator as a process of its own, as it is released.

use std::{
    env,
    fs::OpenOptions,
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::usage::Usage;
use crate::stage::Stage;

/// The name of the binary.
const NAME: &str = "emnify-operator";
/// How to start a measurement.
const RIGHT_WAY: &str = "cargo run --release -p emnify-harness -- bench";
/// Only a broken operator takes as long to get ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Builds the operator as it is released, and says where it is. With `as_is` takes the binary that is there.
pub(super) async fn build(as_is: bool) -> Result<PathBuf> {
    ensure!(!cfg!(debug_assertions), "this is a debug build, of which figures say nothing: use {RIGHT_WAY}");
    let beside = env::current_exe()?.with_file_name(NAME);
    if !as_is {
        // Set by `cargo run`.
        let cargo = env::var_os("CARGO").with_context(|| {
            format!("only cargo knows how to build the operator: use {RIGHT_WAY}, or --no-build for the one that is there")
        })?;
        println!("$ cargo build --release -p {NAME}");
        let built = Command::new(cargo)
            // With the harness, so that what both need is built once.
            .args(["build", "--quiet", "--release", "-p", NAME, "-p", "emnify-harness", "--bin", NAME])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .kill_on_drop(true)
            .status()
            .await?;
        ensure!(built.success(), "the operator does not build");
    }
    ensure!(
        beside.is_file(),
        "there is no {}: use {RIGHT_WAY} without --no-build, or `cargo build --release -p {NAME}` first",
        beside.display()
    );
    Ok(beside)
}

/// A running operator; killed when dropped, and when this process ends in whatever way.
#[derive(Debug)]
pub(super) struct Operator {
    child: Child,
    pid: u32,
    admin: SocketAddr,
    /// When it was started.
    pub(super) started: Instant,
}

impl Operator {
    /// Starts the binary on a stage, with the flags of a stage's own operator and nothing of this process's environment.
    pub(super) fn start(binary: &Path, stage: &Stage) -> Result<Self> {
        let plane = stage.plane();
        let kubeconfig = plane.kubeconfig_file("operator", plane.token("admin")?)?;
        let log = stage.operator_log_file();
        let log =
            OpenOptions::new().create(true).append(true).open(log).context("no log for the operator")?;
        // Free a moment ago.
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let flags = stage.operator_flags().iter().filter(|flag| !flag.starts_with("--admin-addr="));
        let started = Instant::now();
        let child = Command::new(binary)
            .arg("run")
            .args(flags)
            .arg(format!("--admin-addr={admin}"))
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // The control plane's group ends with this process, even by SIGKILL.
            .process_group(plane.process_group())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", binary.display()))?;
        let pid = child.id().context("it has just been started")?;
        Ok(Self { child, pid, admin, started })
    }

    /// Waits until it calls itself ready.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(ended) = self.has_ended()? {
                return Err(ended);
            }
            if is_ready(self.admin).await {
                return Ok(());
            }
            ensure!(Instant::now() < end, "the operator is not ready after {} s", PATIENCE.as_secs());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Says how it has ended by itself, if it has.
    pub(super) fn has_ended(&mut self) -> Result<Option<anyhow::Error>> {
        Ok(self.child.try_wait()?.map(|status| anyhow!("the operator ended with {status}")))
    }

    /// Returns when it has ended by itself.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow!("the operator ended with {status}"),
            Err(error) => error.into(),
        }
    }

    /// What it uses.
    pub(super) fn usage(&self) -> Option<Usage> {
        Usage::of(self.pid)
    }

    /// Ends it by SIGTERM and waits; says how long that took.
    pub(super) async fn stop(mut self) -> Result<Duration> {
        let began = Instant::now();
        let killed = Command::new("/bin/sh")
            .args(["-c", "kill -s TERM \"$1\"", "sh", &self.pid.to_string()])
            .status()
            .await?;
        ensure!(killed.success(), "the operator is gone already");
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status =
            status.with_context(|| format!("the operator runs {} s after SIGTERM", PATIENCE.as_secs()))??;
        ensure!(
            status.success(),
            "the operator ended with {status} (signal {:?}) after SIGTERM",
            status.signal()
        );
        Ok(began.elapsed())
    }
}

/// Asks `/readyz`.
async fn is_ready(admin: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(admin).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    ask.await.is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}
