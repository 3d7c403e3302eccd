//! `run` as a process: settings, logging, the cluster, signals.

use anyhow::{Context, Result};
use kube::Client;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    app, observe,
    settings::{RunArgs, Settings},
};

/// Runs the operator until SIGTERM or SIGINT.
#[tokio::main]
pub async fn run(args: &RunArgs) -> Result<()> {
    let settings = Settings::new(args)?;
    let telemetry = observe::start(&settings)?;
    let client =
        Client::try_default().await.context("no cluster: neither a kubeconfig nor a service account")?;
    let (stop, shutdown) = watch::channel(false);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        stop.send_replace(true);
    });
    let result = app::run(settings, client, shutdown).await;
    telemetry.flush().await;
    result
}
