//! `run` as a process: settings, logging, the cluster, signals.

use anyhow::Result;
use emnify_engine::tasks;
use futures::future::pending;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    app, cluster, observe,
    settings::{RunArgs, Settings},
};

/// A panic is told in the log, with the name of its task, before the usual words on standard error and the end.
fn tell_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(task = tasks::current().as_deref(), "{panic}");
        usual(panic);
    }));
}

/// An error with its causes, none of which is repeated: some of them tell their own causes already.
pub fn once(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
}

/// Runs the operator until SIGTERM or SIGINT.
#[tokio::main]
pub async fn run(args: &RunArgs) -> Result<()> {
    let settings = Settings::new(args)?;
    let telemetry = observe::start(&settings)?;
    tell_panics();
    let client = cluster::connect().await?;
    let (stop, shutdown) = watch::channel(false);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signals = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        stop.send_replace(true);
        pending::<Result<()>>().await
    };
    let result = tokio::select! {
        result = app::run(settings, client, shutdown) => result,
        never = signals => never,
    };
    telemetry.flush().await;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_everything_once() {
        let inner = anyhow::anyhow!("refused").context("no answer: refused").context("no cluster");
        assert_eq!(once(&inner), "no cluster: no answer: refused");
    }
}
