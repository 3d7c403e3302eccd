//! The operator on threads of its own: its log goes to its file although others run in this process, and it can be
//! ended at any moment like a process.

use std::{
    fs::{File, OpenOptions},
    path::PathBuf,
    sync::Arc,
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use clap::Parser;
use emnify_operator::{
    app,
    process::once,
    settings::{RunArgs, Settings},
};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::{oneshot, watch};
use tracing::Dispatch;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _};

/// What every start of the operator has in common.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) kubeconfig: String,
    pub(super) flags: Vec<String>,
    pub(super) filter: String,
    pub(super) log: PathBuf,
    pub(super) verbose: bool,
}

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    run: RunArgs,
}

/// A running operator. Dropping it is a crash.
#[derive(Debug)]
pub(super) struct Operator {
    shutdown: watch::Sender<bool>,
    /// Dropped to end it at once.
    crash: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<Result<()>>>,
    ended: watch::Receiver<Option<End>>,
}

/// How it ended: with an error, in words, or well.
type End = Result<(), String>;

/// Flags of a stage's operator, then those of the caller. Of a flag given twice the last one counts.
pub(super) fn flags(home: &str, base_url: &str, more: &[String]) -> Vec<String> {
    let of_stage = [
        ("--installation", home),
        ("--namespaces", home),
        ("--allowed-base-url", base_url),
        ("--operator-namespace", home),
        ("--admin-addr", "127.0.0.1:0"),
    ];
    let given = |flag: &str| more.iter().any(|typed| typed.split('=').next() == Some(flag));
    let of_stage = of_stage.into_iter().filter(|(flag, _)| !given(flag));
    of_stage.map(|(flag, value)| format!("{flag}={value}")).chain(more.iter().cloned()).collect()
}

/// The TLS provider that the operator's `main` installs as well. One that is there already is the same.
pub(super) fn install_tls() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// A client for whoever a kubeconfig names.
pub(super) async fn client(kubeconfig: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

impl Operator {
    pub(super) fn start(setup: Setup) -> Result<Self> {
        // alone in its namespace, it need not wait for the lease of one that crashed
        let alone = (!setup.flags.iter().any(|flag| flag.starts_with("--leader-elect")))
            .then_some("--leader-elect=false");
        let typed = ["run"].into_iter().chain(setup.flags.iter().map(String::as_str)).chain(alone);
        let typed = Typed::try_parse_from(typed)?;
        let settings = Settings::new(&typed.run)?;
        let dispatch = dispatch(&setup)?;
        let (shutdown, shut) = watch::channel(false);
        let (crash, crashed) = oneshot::channel::<()>();
        let (end, ended) = watch::channel(None);
        let thread = thread::Builder::new().name("operator".to_owned()).spawn(move || {
            let result = live(&dispatch, settings, &setup.kubeconfig, shut, crashed);
            end.send_replace(Some(result.as_ref().map(drop).map_err(once)));
            result
        });
        let thread = thread.context("no thread for the operator")?;
        Ok(Self { shutdown, crash: Some(crash), thread: Some(thread), ended })
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.shutdown.send_replace(true);
        self.outcome().await
    }

    pub(super) async fn crash(mut self) -> Result<()> {
        self.crash = None;
        self.outcome().await
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) {
        // An error says that the thread is gone, which is the end as well.
        drop(self.ended.clone().wait_for(Option::is_some).await);
    }

    /// Why it ended by itself, if it did. What it panicked with is on standard error.
    pub(super) fn failure(&self) -> Option<String> {
        match &*self.ended.borrow() {
            Some(end) => end.as_ref().err().cloned(),
            None => self.thread.as_ref()?.is_finished().then(|| "it panicked".to_owned()),
        }
    }

    async fn outcome(mut self) -> Result<()> {
        self.ended().await;
        self.thread.take().map_or(Ok(()), join)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.crash = None;
        if let Some(thread) = self.thread.take() {
            // Whoever drops it does not ask how it went.
            drop(join(thread));
        }
    }
}

fn join(thread: thread::JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no known reason");
        Err(anyhow!("the operator panicked: {text}"))
    })
}

/// The life of one operator; blocks its thread.
fn live(
    dispatch: &Dispatch,
    settings: Settings,
    kubeconfig: &str,
    shutdown: watch::Receiver<bool>,
    crashed: oneshot::Receiver<()>,
) -> Result<()> {
    let workers = dispatch.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("operator")
        .enable_all()
        // The guard would end with this call; the thread ends with the runtime.
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&workers)))
        .build()?;
    let result = tracing::dispatcher::with_default(dispatch, || {
        runtime.block_on(async {
            let life = async { app::run(settings, client(kubeconfig).await?, shutdown).await };
            tokio::select! {
                result = life => result,
                _crash = crashed => Ok(()),
            }
        })
    });
    runtime.shutdown_background();
    result
}

/// Where its log goes. Appends: a restart goes on in the same file.
fn dispatch(setup: &Setup) -> Result<Dispatch> {
    let file = OpenOptions::new().create(true).append(true).open(&setup.log);
    let file: Arc<File> = Arc::new(file.with_context(|| format!("cannot open {}", setup.log.display()))?);
    let terminal = setup.verbose.then(|| fmt::layer().with_writer(std::io::stderr));
    let subscriber = tracing_subscriber::registry()
        .with(EnvFilter::try_new(&setup.filter)?)
        .with(fmt::layer().with_ansi(false).with_writer(file))
        .with(terminal);
    Ok(Dispatch::new(subscriber))
}
