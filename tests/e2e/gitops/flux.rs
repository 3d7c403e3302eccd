//! Flux's own kustomize-controller does what the other tests do in its name: it applies, waits, corrects and prunes. It is
//! built by `.ci/gitops`, which runs this; `cargo test` leaves it out.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, ensure};
use axum::{Router, extract::Path as In, http::StatusCode, routing::get};
use emnify_harness::stage::{Options, Place, Stage, is_ready};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    task::JoinSet,
};

use crate::{
    applied::commit,
    manifests::{Manifests, name_of, stage},
    support::{Result, versions},
};

/// The controller.
const CONTROLLER: &str = "KUSTOMIZE_CONTROLLER";
/// A folder with the definitions of `Kustomization` and of all sources.
const DEFINITIONS: &str = "FLUX_DEFINITIONS";

/// A stage, a repository, and Flux that applies what is committed.
struct Flux {
    stage: Stage,
    work: TempDir,
    archives: String,
    commits: u32,
    log: PathBuf,
    _serving: JoinSet<()>,
    _controller: Child,
}

fn given(variable: &str) -> Result<PathBuf> {
    Ok(env::var_os(variable).with_context(|| format!("{variable} is not set: run .ci/gitops"))?.into())
}

async fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().await?;
    ensure!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Serves the files of a folder, as Flux's source-controller does; its address.
async fn serve(folder: &Path, tasks: &mut JoinSet<()>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let folder = folder.to_owned();
    let file = move |In(name): In<String>| {
        let path = folder.join(name);
        async move { tokio::fs::read(path).await.map_err(|_| StatusCode::NOT_FOUND) }
    };
    let routes = Router::new().route("/{name}", get(file));
    tasks.spawn(async move { axum::serve(listener, routes).await.expect("it serves to the end") });
    Ok(address)
}

/// What [Flux's page](../../../docs/gitops.md) tells users to put into their Kustomizations.
fn health_checks() -> Result<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("gitops/flux/health-checks.yaml");
    let patch = Value::deserialize(serde_yaml::Deserializer::from_str(&fs::read_to_string(file)?))?;
    Ok(patch["spec"]["healthCheckExprs"].clone())
}

impl Flux {
    async fn start(manifests: &Manifests) -> Result<Self> {
        let place = Place::Own { namespace: "fleet".to_owned(), keep: false };
        let stage = stage(Options::at(place), manifests).await?;
        let definitions = given(DEFINITIONS)?;
        stage.kubectl_ok(&["apply", "--server-side", "-f", &definitions.display().to_string()]).await?;
        let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
        stage.kubectl_ok(&wait).await?;
        let work = TempDir::new()?;
        let mut serving = JoinSet::new();
        let archives = serve(work.path(), &mut serving).await?;
        let log = work.path().join("kustomize-controller.log");
        let output = File::create(&log)?;
        let controller = Command::new(given(CONTROLLER)?)
            .args(["--events-addr=", "--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0"])
            .args(["--watch-all-namespaces=false", "--requeue-dependency=5s", "--log-level=debug"])
            .env("RUNTIME_NAMESPACE", stage.namespace())
            .env("KUBECONFIG", stage.plane().kubeconfig())
            .stdout(output.try_clone()?)
            .stderr(output)
            .stdin(Stdio::null())
            .process_group(stage.plane().process_group())
            .kill_on_drop(true)
            .spawn()?;
        let flux =
            Self { stage, work, archives, commits: 0, log, _serving: serving, _controller: controller };
        let repository = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "fleet"},
            "spec": {"url": "https://git.example/fleet", "interval": "1h"},
        });
        let applied = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "fleet"},
            "spec": {
                "interval": "1h", "retryInterval": "5s", "timeout": "3m", "path": "./", "prune": true, "wait": true,
                "targetNamespace": flux.stage.namespace(), "sourceRef": {"kind": "GitRepository", "name": "fleet"},
                "healthCheckExprs": health_checks()?,
            },
        });
        for object in [repository, applied] {
            let output = flux.stage.kubectl_with(&["apply", "-f", "-"], &object.to_string()).await?;
            ensure!(output.status.success(), "{}", output.stderr);
        }
        Ok(flux)
    }

    /// What a push to the repository makes of it; the revision.
    async fn commit(&mut self, yaml: &str) -> Result<String> {
        self.commits += 1;
        let tree = self.work.path().join(format!("tree-{}", self.commits));
        fs::create_dir(&tree)?;
        fs::write(tree.join("fleet.yaml"), yaml)?;
        let name = format!("{}.tar.gz", self.commits);
        let archive = self.work.path().join(&name).display().to_string();
        run("tar", &["-C", &tree.display().to_string(), "-czf", &archive, "."]).await?;
        let digest = run("sha256sum", &[&archive]).await?;
        let digest = digest.split(' ').next().unwrap_or_default();
        let revision = format!("main@sha1:{:040x}", self.commits);
        let artifact = json!({
            "path": name, "url": format!("{}/{name}", self.archives), "revision": revision,
            "digest": format!("sha256:{digest}"), "lastUpdateTime": jiff::Timestamp::now().to_string(),
            "size": fs::metadata(&archive)?.len(),
        });
        let status = json!({"status": {"artifact": artifact}}).to_string();
        let arguments =
            ["patch", "gitrepository", "fleet", "--subresource=status", "--type=merge", "-p", &status];
        self.stage.kubectl_ok(&arguments).await?;
        Ok(revision)
    }

    async fn kustomization(&self) -> Result<Value> {
        Ok(serde_json::from_str(
            &self.stage.kubectl_ok(&["get", "kustomization", "fleet", "-o", "json"]).await?,
        )?)
    }

    /// Waits for Flux's own word.
    async fn until(&self, what: &str, so: impl Fn(&Value, &Value) -> bool) -> Result<()> {
        let found = self
            .stage
            .eventually(what, async || {
                let applied = self.kustomization().await?;
                let conditions = applied["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let ready = conditions.into_iter().find(|c| c["type"] == "Ready").unwrap_or_default();
                Ok(so(&applied["status"], &ready))
            })
            .await;
        let seen = self.kustomization().await?["status"].clone();
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(10).collect();
        found.with_context(|| format!("{what}: {seen:#}\n{}", end.join("\n")))
    }

    async fn applied(&self, revision: &str) -> Result<()> {
        self.until("the commit is applied, and all is well", |status, ready| {
            status["lastAppliedRevision"] == revision && ready["status"] == "True"
        })
        .await
    }

    /// What `flux reconcile` asks for.
    async fn reconcile(&self) -> Result<()> {
        let now = jiff::Timestamp::now().to_string();
        let asked = format!("reconcile.fluxcd.io/requestedAt={now}");
        self.stage.kubectl_ok(&["annotate", "kustomization", "fleet", "--overwrite", &asked]).await?;
        self.until("it was reconciled", |status, ready| {
            status["lastHandledReconcileAt"] == now.as_str() && ready["status"] == "True"
        })
        .await
    }

    async fn name_of_meter(&self) -> Result<Value> {
        let object = self.stage.get("Endpoint", "meter-1").await?.context("the device's object")?;
        ensure!(is_ready(&object), "Flux said that it is");
        Ok(object["spec"]["name"].clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Flux's controller: .ci/gitops builds it and runs this"]
async fn flux_itself_applies_waits_corrects_and_prunes() -> Result<()> {
    let manifests = Manifests::examples(false)?;
    let mut flux = Flux::start(&manifests).await?;
    let first = flux.commit(&manifests.yaml()).await?;
    flux.applied(&first).await?;
    let name = flux.name_of_meter().await?;

    // what is in step is written by nobody, however often it is applied
    let before = versions(&flux.stage).await?;
    flux.reconcile().await?;
    flux.reconcile().await?;
    assert_eq!(versions(&flux.stage).await?, before, "nothing was written");

    // a person's edit is taken back, their annotation is not
    let edit = r#"{"spec":{"name":"by hand"}}"#;
    flux.stage.kubectl_ok(&["patch", "emep", "meter-1", "--type=merge", "-p", edit]).await?;
    let asked = ["annotate", "emep", "meter-1", "emnify.io/refresh=1", "--field-manager=emnify"];
    flux.stage.kubectl_ok(&asked).await?;
    flux.reconcile().await?;
    assert_eq!(flux.name_of_meter().await?, name, "Git decides");
    let object = flux.stage.get("Endpoint", "meter-1").await?.unwrap_or_default();
    assert_eq!(object["metadata"]["annotations"]["emnify.io/refresh"], "1", "{object:#}");

    let second = flux.commit(&manifests.edited(commit).yaml()).await?;
    flux.applied(&second).await?;
    assert_eq!(flux.name_of_meter().await?, "Meter 1, cellar");

    // what a person must mend fails at once, instead of when the time is up
    let broken = manifests.edited(|object| {
        if name_of(object).1 == "meter-1" {
            object["spec"]["sim"] = json!({"iccid": "8988303000000099999"});
        }
    });
    let third = flux.commit(&broken.yaml()).await?;
    flux.until("a SIM that does not exist fails the health check", |status, ready| {
        let message = ready["message"].as_str().unwrap_or_default();
        status["lastAttemptedRevision"] == third.as_str()
            && ready["reason"] == "HealthCheckFailed"
            && message.contains("meter-1")
            && !message.contains("timeout")
    })
    .await?;
    let reverted = flux.commit(&manifests.yaml()).await?;
    flux.applied(&reverted).await?;

    // what a commit leaves out goes, and Flux waits until it is gone
    let without = manifests.without(|object| name_of(object).1 == "meter-1");
    let last = flux.commit(&without.yaml()).await?;
    flux.applied(&last).await?;
    flux.stage.wait_gone("Endpoint", "meter-1").await?;
    let Flux { stage, .. } = flux;
    stage.finish().await
}
