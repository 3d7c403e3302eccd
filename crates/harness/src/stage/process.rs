//! The operator as a process of its own: any binary, identity, arguments and environment.

use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::{ADMIN_SERVER, Stage, look::address};

/// Only a broken operator takes as long to get ready, or to end.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(50);

/// How an operator is started. Nothing of this process's environment is passed on.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The operator, such as `env!("CARGO_BIN_EXE_emnify-operator")`.
    pub binary: PathBuf,
    /// All arguments, from `run` on.
    pub arguments: Vec<String>,
    /// The whole environment. `KUBECONFIG` is among it.
    pub environment: Vec<(String, String)>,
    /// Standard output and error are appended to it. No other running process may use it.
    pub log: PathBuf,
    /// A process group to join: see [`emnify_devenv::ControlPlane::process_group`].
    pub group: i32,
}

impl Launch {
    /// The operator of a stage: its own flags, and the rights of `admin`.
    pub fn on(stage: &Stage, binary: impl Into<PathBuf>) -> Result<Self> {
        let plane = stage.plane();
        let kubeconfig = plane.kubeconfig_file("operator", plane.token("admin")?)?;
        let arguments = ["run".to_owned()].into_iter().chain(stage.operator_flags().iter().cloned());
        Ok(Self {
            binary: binary.into(),
            arguments: arguments.collect(),
            environment: Vec::new(),
            log: stage.operator_log_file().clone(),
            group: plane.process_group(),
        }
        .with_kubeconfig(&kubeconfig))
    }

    /// With the rights of whoever this kubeconfig names: see [`emnify_devenv::ControlPlane::kubeconfig_file`].
    #[must_use]
    pub fn with_kubeconfig(mut self, kubeconfig: &Path) -> Self {
        let value = kubeconfig.display().to_string();
        self.environment.retain(|(name, _)| name != "KUBECONFIG");
        self.environment.push(("KUBECONFIG".to_owned(), value));
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn with(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With a log of its own beside that of the stage: `<stage's>-<name>.log`.
    #[must_use]
    pub fn logging_as(mut self, name: &str) -> Self {
        let stem = self.log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.log.set_file_name(format!("{stem}-{name}.log"));
        self
    }

    /// Starts it. It may still be starting when this returns.
    pub fn start(&self) -> Result<Process> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("no log for the operator: {}", self.log.display()))?;
        let logged_before = log.metadata()?.len();
        let started = Instant::now();
        let child = Command::new(&self.binary)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // The control plane's group ends with this process, even by SIGKILL.
            .process_group(self.group)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", self.binary.display()))?;
        let pid = child.id().context("it has just been started")?;
        Ok(Process { child, pid, log: self.log.clone(), logged_before, started })
    }
}

/// What a process can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End in order.
    Term,
    /// End at once.
    Kill,
    /// Freeze.
    Stop,
    /// Go on.
    Cont,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }
}

/// A started operator; killed when dropped, and when this process ends in whatever way.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    log: PathBuf,
    /// Length of the log when it was started.
    logged_before: u64,
    started: Instant,
}

impl Process {
    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.logged_before).unwrap_or(usize::MAX).min(all.len());
        String::from_utf8_lossy(&all[start..]).into_owned()
    }

    /// Sends a signal.
    pub async fn signal(&self, signal: Signal) -> Result<()> {
        // The standard library sends no other than KILL.
        let told = Command::new("/bin/sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal.name(), &self.pid.to_string()])
            .status()
            .await?;
        ensure!(told.success(), "the operator is gone already");
        Ok(())
    }

    /// Where its admin server listens, once the log says so.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.listens_at(ADMIN_SERVER)
    }

    /// Where one of its servers listens, such as [`PUSH_RECEIVER`](super::PUSH_RECEIVER); `None` until its log says it.
    pub fn listens_at(&self, server: &str) -> Option<SocketAddr> {
        address(&self.log(), server)
    }

    /// Status and body of a GET to its admin server, such as `/metrics`.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let admin = self.admin().context("the operator's admin server does not listen yet")?;
        let mut stream = TcpStream::connect(admin).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
        let status = head.split(' ').nth(1).context("an answer without a status")?;
        Ok((status.parse()?, body.to_owned()))
    }

    /// Whether it calls itself ready.
    pub async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_ok_and(|(status, _)| status == 200)
    }

    /// Waits until it does.
    pub async fn ready(&mut self) -> Result<()> {
        self.until("is ready", async |process| Ok(process.is_ready().await)).await
    }

    /// Polls until something holds. `what` completes "the operator ..." in the failure, as does the end of its log; it
    /// fails at once if the process has ended.
    pub async fn until(&mut self, what: &str, holds: impl AsyncFn(&Self) -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !holds(self).await? {
            if let Some(status) = self.has_ended()? {
                bail!("the operator ended with {status} before it {what}\n{}", self.log_tail());
            }
            ensure!(
                Instant::now() < end,
                "not so after {} s: the operator {what}\n{}",
                PATIENCE.as_secs(),
                self.log_tail()
            );
            sleep(POLL).await;
        }
        Ok(())
    }

    /// How it has ended, if it has.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Returns when it has ended by itself, or by a signal sent before.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Ends it by SIGTERM and waits; says how long that took. Fails if it does not end well.
    pub async fn stop(mut self) -> Result<Duration> {
        let began = Instant::now();
        self.signal(Signal::Term).await?;
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status =
            status.with_context(|| format!("the operator runs {} s after SIGTERM", PATIENCE.as_secs()))??;
        let took = began.elapsed();
        ensure!(
            status.success(),
            "the operator ended with {status} (signal {:?}) after SIGTERM\n{}",
            status.signal(),
            self.log_tail()
        );
        Ok(took)
    }

    /// Ends it by SIGKILL and waits.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("the operator could not be killed")
    }

    fn log_tail(&self) -> String {
        super::look::tail(&self.log(), &self.log)
    }
}
