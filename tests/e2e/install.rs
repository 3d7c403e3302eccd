//! The operator as it is installed: by its charts, as a process with the arguments, the environment and the rights that
//! they give it.

mod definitions;
mod every_kind;
mod leaving;
mod namespaced;
mod namespaces;
mod upgrade;

use std::{path::PathBuf, process::Output, time::Duration};

use anyhow::{Context as _, bail, ensure};
use emnify_harness::stage::{Launch, Options, Place, Process, Stage, is_ready};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{EnvVar, PodSpec},
};
use kube::Api;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::{process::Command, time::Instant};

use crate::support::{Result, options};

/// Only a broken system takes as long; much is started here.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(200);

/// Where the operator is installed.
pub(crate) const SYSTEM: &str = "emnify-system";
/// Name of the release, and of everything in it.
pub(crate) const RELEASE: &str = "emnify-operator";

/// An object of every namespaced kind but Workspace.
pub(crate) const OBJECTS: &str = include_str!("install/objects.yaml");

/// The same by kind and name.
pub(crate) fn every() -> Vec<(String, String)> {
    let documents = serde_yaml::Deserializer::from_str(OBJECTS);
    let objects = documents.map(|object| Value::deserialize(object).expect("an object is YAML"));
    let text = |value: &Value| value.as_str().expect("an object has kind and name").to_owned();
    let ours = objects.filter(|object| object["apiVersion"] == "emnify.io/v1alpha1");
    ours.map(|object| (text(&object["kind"]), text(&object["metadata"]["name"]))).collect()
}

/// A control plane of its own whose objects are in the namespace `iot`; no operator runs.
pub(crate) async fn own(name: &str) -> Result<Stage> {
    let place = Place::Own { namespace: "iot".to_owned(), keep: false };
    Stage::start(Options { place, ..options(name)? }).await
}

/// A release of the operator's chart.
pub(crate) struct Release<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) namespace: String,
}

impl<'a> Release<'a> {
    /// `helm install`, with values that every installation needs besides these.
    async fn install(stage: &'a Stage, namespace: &str, values: &Value) -> Result<Self> {
        let release = Self { stage, namespace: namespace.to_owned() };
        let file = release.values(values)?;
        let chart = chart(RELEASE);
        let arguments = ["install", RELEASE, &chart, "--create-namespace", "--values", &file];
        release.helm(&arguments).await?;
        Ok(release)
    }

    /// `helm upgrade` with other values.
    pub(crate) async fn upgrade(&self, values: &Value) -> Result<()> {
        let file = self.values(values)?;
        self.helm(&["upgrade", RELEASE, &chart(RELEASE), "--values", &file]).await.map(drop)
    }

    async fn uninstall(&self) -> Result<()> {
        self.helm(&["uninstall", RELEASE]).await.map(drop)
    }

    async fn helm(&self, arguments: &[&str]) -> Result<String> {
        helm(self.stage, &[&["--namespace", &self.namespace], arguments].concat()).await
    }

    /// A file of values that point to the simulator.
    fn values(&self, values: &Value) -> Result<String> {
        let mut all = json!({
            "installation": self.stage.namespace(), "allowedBaseUrls": [self.stage.base_url()], "logFormat": "text",
            "logLevel": "info,emnify_engine=debug,emnify_operator=debug",
        });
        let all_values = all.as_object_mut().context("an object")?;
        all_values.extend(values.as_object().cloned().unwrap_or_default());
        let file = self.stage.plane().folder().join(format!("values-{}.json", self.namespace));
        std::fs::write(&file, all.to_string())?;
        Ok(file.display().to_string())
    }

    /// Starts what a replica of the Deployment would be, as its service account.
    pub(crate) async fn start(&self) -> Result<Process> {
        let mut process = self.launch().await?.start()?;
        process.ready().await?;
        Ok(process)
    }

    async fn launch(&self) -> Result<Launch> {
        let deployments: Api<Deployment> = Api::namespaced(self.stage.client().clone(), &self.namespace);
        let pod: PodSpec = deployments
            .get(RELEASE)
            .await?
            .spec
            .and_then(|spec| spec.template.spec)
            .context("a Deployment has a template")?;
        let account = pod.service_account_name.as_deref().context("the chart names a service account")?;
        let container = pod.containers.first().context("a pod has a container")?;
        let (plane, name) = (self.stage.plane(), format!("{}-operator", self.namespace));
        let token = plane.service_account_token(&self.namespace, account).await?;
        let environment = container.env.iter().flatten().map(|variable| self.variable(variable));
        let mut launch = Launch::on(self.stage, env!("CARGO_BIN_EXE_emnify-operator"))?
            .with_kubeconfig(&plane.kubeconfig_file(&name, &token)?);
        launch.arguments = container.args.iter().flatten().map(|argument| loopback(argument)).collect();
        launch.environment.extend(environment.collect::<Result<Vec<_>>>()?);
        Ok(launch)
    }

    /// A variable as a kubelet would set it.
    fn variable(&self, variable: &EnvVar) -> Result<(String, String)> {
        let field = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
        let value = match field.map(|field| field.field_path.as_str()) {
            None => variable.value.clone().unwrap_or_default(),
            Some("metadata.name") => format!("{RELEASE}-0"),
            Some("metadata.namespace") => self.namespace.clone(),
            Some(other) => bail!("{}: no kubelet is here to know {other}", variable.name),
        };
        Ok((variable.name.clone(), value))
    }

    /// The user name of the operator.
    fn account(&self) -> String {
        format!("system:serviceaccount:{}:{RELEASE}", self.namespace)
    }
}

/// Pods have addresses of their own; here everybody needs a free port.
fn loopback(argument: &str) -> String {
    if argument.starts_with("--admin-addr=") {
        "--admin-addr=127.0.0.1:0".to_owned()
    } else {
        argument.to_owned()
    }
}

/// The path of a chart.
fn chart(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("charts").join(name).display().to_string()
}

/// Runs helm as `admin`; must succeed.
async fn helm(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let (program, plane) = (emnify_devenv::tools::helm().await?, stage.plane());
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("KUBECONFIG", plane.kubeconfig());
    let output = command.env("HOME", plane.folder().join("helm")).kill_on_drop(true).output().await?;
    succeeded(&format!("helm {}", arguments.join(" ")), &output)
}

fn succeeded(what: &str, output: &Output) -> Result<String> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{what} failed with {}: {stdout}{stderr}", output.status);
    Ok(stdout)
}

/// Waits until an object is Ready.
pub(crate) async fn ready(stage: &Stage, kind: &str, name: &str) -> Result<Value> {
    stage.wait_within(PATIENCE, (kind, name), "Ready", is_ready).await
}

/// Waits until every one of [`every`] is.
pub(crate) async fn all_ready(stage: &Stage) -> Result<()> {
    for (kind, name) in every() {
        ready(stage, &kind, &name).await?;
    }
    Ok(())
}

/// Polls anything else; `what` says what should be so.
async fn until(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds().await? {
        ensure!(Instant::now() < end, "not so after {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Runs kubectl as `admin`, in no namespace; must succeed.
async fn kubectl(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let output = stage.plane().kubectl(arguments).await?;
    ensure!(output.status.success(), "kubectl {}: {}", arguments.join(" "), output.stderr);
    Ok(output.stdout)
}

/// How many requests the API server has answered with 403, to whomever, by what was asked.
async fn forbidden(stage: &Stage) -> Result<Vec<String>> {
    let metrics = kubectl(stage, &["get", "--raw", "/metrics"]).await?;
    let refused = |line: &&str| line.starts_with("apiserver_request_total{") && line.contains("code=\"403\"");
    Ok(metrics.lines().filter(refused).map(str::to_owned).collect())
}
