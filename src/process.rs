//! `run` as a process: settings, logging, the cluster, signals.

use anyhow::Result;
use emnify_engine::cluster::tasks;
use futures::future::pending;
use kube::Client;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    app, cluster,
    settings::{RunArgs, Settings},
    telemetry,
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

/// Says on standard error why the process ends; its exit code.
pub fn failed(program: &str, error: &anyhow::Error) -> u8 {
    // of what emnify or somebody's object says nothing moves the cursor of a terminal
    let told = once(error).replace(|c: char| c.is_control() && c != '\n', " ");
    eprintln!("{program}: {told}");
    1
}

/// Runs the operator until SIGTERM or SIGINT.
#[tokio::main]
pub async fn run(args: &RunArgs) -> Result<()> {
    run_against(args, cluster::connect()).await
}

async fn run_against(args: &RunArgs, cluster: impl Future<Output = Result<Client>>) -> Result<()> {
    let settings = Settings::new(args)?;
    let telemetry = telemetry::start(&settings)?;
    tell_panics();
    let client = cluster.await?;
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
    use std::{
        convert::Infallible,
        process::{Command, Stdio},
    };

    use bytes::Bytes;
    use clap::Parser;
    use http::{Request, Response};
    use http_body_util::Full;
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::cli::{self, Cli};

    /// Makes a test an operator.
    const OPERATOR: &str = "EMNIFY_TEST_OPERATOR";

    /// A cluster whose client panics within whoever asks for endpoints, and answers nothing but what there is.
    fn odd_cluster() -> Client {
        let kinds = crate::definitions::families().into_iter().map(|family| family.resource);
        let resources: Vec<_> = kinds
            .map(|of| json!({"name": of.plural, "singularName": "", "kind": of.kind, "namespaced": true, "verbs": []}))
            .collect();
        let served = json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": "emnify.io/v1alpha1",
            "resources": resources
        });
        let answer = move |request: Request<Body>| {
            let served = served.to_string();
            async move {
                let path = request.uri().path();
                assert!(!path.ends_with("/endpoints"), "an answer that nobody expected");
                if path != "/apis/emnify.io/v1alpha1" {
                    pending::<()>().await;
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(served))))
            }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    /// The operator that the next test starts as a process; nothing by itself.
    #[test]
    fn operator_whose_task_panics() {
        if std::env::var_os(OPERATOR).is_none() {
            return;
        }
        let typed = [
            "emnify-operator",
            "run",
            "--installation=test",
            "--admin-addr=127.0.0.1:0",
            "--operator-namespace=emnify",
        ];
        let cli::Command::Run(args) = Cli::try_parse_from(typed).unwrap().command else { unreachable!() };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let result = runtime.block_on(run_against(&args, async { Ok(odd_cluster()) }));
        std::process::exit(result.map_or_else(|error| failed("emnify-operator", &error).into(), |()| 0));
    }

    #[test]
    fn a_process_with_a_task_that_panics_ends_with_a_code_and_says_which_and_why() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::tests::operator_whose_task_panics", "--nocapture"])
            .env(OPERATOR, "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (said, log) = (String::from_utf8_lossy(&child.stderr), String::from_utf8_lossy(&child.stdout));
        assert_eq!(child.status.code(), Some(1), "a restart has to follow:\n{said}\n{log}");
        let words = "emnify-operator: Endpoint panicked: an answer that nobody expected";
        assert!(said.lines().any(|line| line == words), "the last words name task and reason:\n{said}");
        let told = |line: &str| line.contains("Endpoint") && line.contains("an answer that nobody expected");
        let logged = said.lines().chain(log.lines()).any(|line| told(line) && line != words);
        assert!(logged, "so does the log:\n{said}\n{log}");
    }

    #[test]
    fn an_error_says_everything_once() {
        let inner = anyhow::anyhow!("refused").context("no answer: refused").context("no cluster");
        assert_eq!(once(&inner), "no cluster: no answer: refused");
    }
}
