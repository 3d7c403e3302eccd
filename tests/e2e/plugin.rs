//! `kubectl emnify`, as people type it: kubectl finds the plugin in the PATH.

use std::{
    env, fs,
    os::unix::fs::symlink,
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use emnify_harness::stage::{Stage, is_ready};
use emnify_simulator::{
    Seed,
    state::{Organisation, SimState, Usage},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    portal::{PortalClient, Traffic},
    support::{DEVICE, ORGANISATION, Result, holds, look, make_ready, options, stage},
};

/// kubectl with the plugin, on a stage.
struct Person<'a> {
    stage: &'a Stage,
    programs: TempDir,
}

impl<'a> Person<'a> {
    fn on(stage: &'a Stage) -> Result<Self> {
        let programs = TempDir::new()?;
        for name in ["kubectl-emnify", "kubectl_complete-emnify"] {
            symlink(env!("CARGO_BIN_EXE_kubectl-emnify"), programs.path().join(name))?;
        }
        Ok(Self { stage, programs })
    }

    async fn types(&self, arguments: &[&str]) -> Result<Output> {
        let within = ["--namespace", self.stage.namespace()];
        self.kubectl(&[&["emnify"], arguments, &within].concat()).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let path = env::var("PATH").unwrap_or_default();
        let mut command = Command::new(self.stage.plane().kubectl_program());
        command.args(arguments);
        command.env("PATH", format!("{}:{path}", self.programs.path().display()));
        command.env("KUBECONFIG", self.stage.plane().kubeconfig());
        command
    }

    async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("it is piped")?.write_all(b"n\n").await?;
        Ok(child.wait_with_output().await?)
    }

    /// What it prints; it must succeed.
    async fn sees(&self, arguments: &[&str]) -> Result<String> {
        let output = self.types(arguments).await?;
        let (out, notes) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "{arguments:?}: {out}{notes}");
        Ok(out)
    }

    /// What it says instead of doing it; it must fail.
    async fn hears(&self, arguments: &[&str]) -> Result<String> {
        let output = self.types(arguments).await?;
        ensure!(output.status.code() == Some(1), "{arguments:?}: {}", text(&output.stdout));
        Ok(text(&output.stderr))
    }

    /// Rows of `-o json`.
    async fn rows(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let all: Vec<_> = arguments.iter().copied().chain(["-o", "json"]).collect();
        Ok(serde_json::from_str(&self.sees(&all).await?)?)
    }
}

/// How long what has to come may take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// A verb that goes on until it is interrupted.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn on(person: &Person<'_>, arguments: &[&str]) -> Result<Self> {
        let within = ["--namespace", person.stage.namespace()];
        let mut command = person.command(&[&["emnify"], arguments, &within].concat());
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
        Ok(Self { child, lines })
    }

    /// Reads on until a line has the word.
    async fn shows(&mut self, word: &str) -> Result<()> {
        let mut seen = Vec::new();
        let read = async {
            while let Some(line) = self.lines.next_line().await? {
                if line.contains(word) {
                    return anyhow::Ok(());
                }
                seen.push(line);
            }
            bail!("it ended")
        };
        let read = timeout(PATIENCE, read).await.context("in time").flatten();
        read.with_context(|| format!("{word:?} is missing in:\n{}", seen.join("\n")))
    }

    /// Presses Ctrl-C. kubectl has become the plugin.
    async fn interrupted(mut self) -> Result<ExitStatus> {
        let id = self.child.id().context("it runs")?.to_string();
        Command::new("sh").args(["-c", "kill -s INT \"$1\"", "sh", &id]).status().await?;
        Ok(timeout(PATIENCE, self.child.wait()).await.context("it does not end")??)
    }
}

/// Words that kubectl offers next.
async fn offered(person: &Person<'_>, words: &[&str]) -> Result<String> {
    let output = person.kubectl(&[&["__complete", "emnify"], words].concat()).await?;
    Ok(text(&output.stdout))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The text has all of these.
#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_something_waits_is_told_in_sentences() -> Result<()> {
    let mut stage = stage("plugin-explain").await?;
    let person = Person::on(&stage)?;
    let waits = DEVICE.replacen("    id: \"101\"", "    name: meters", 1);
    stage.apply(&waits).await?;
    let told = async || Ok(person.sees(&["explain", "emep/meter-1"]).await?.contains("ReferenceNotReady"));
    stage.eventually("it waits for its profile", told).await?;
    let told = person.sees(&["explain", "endpoint/meter-1"]).await?;
    has(
        &told,
        &[
            "endpoint.emnify.io/meter-1 is not ready since",
            "there is no ServiceProfile meters in this namespace",
            "What to do: Create or mend what is named.",
        ],
    );
    assert!(!told.contains("does not exist"), "it is said once that the profile is missing: {told}");
    has(&person.hears(&["explain", "emep/nobody"]).await?, &["there is no Endpoint nobody in namespace"]);
    has(&person.hears(&["explain", "cat/tom"]).await?, &["there is no kind cat; use one of ServiceProfile,"]);
    let page = person.sees(&["status"]).await?;
    has(
        &page,
        &["workspace/default", "ReferenceNotReady", "kubectl emnify explain endpoint/meter-1", "Metering"],
    );
    let late = async || {
        let late = person.types(&["status", "--wait", "--timeout", "3s"]).await?;
        ensure!(late.status.code() == Some(1), "it is not ready: {}", text(&late.stdout));
        has(&text(&late.stderr), &["not everything is ready after 3s"]);
        let page = text(&late.stdout);
        Ok(page.contains("ReferenceNotReady") && page.contains("kubectl emnify explain endpoint/meter-1"))
    };
    stage.eventually("who waits too long is told what is not ready", late).await?;
    let mut page = Watch::on(&person, &["status", "--watch"])?;
    page.shows("ReferenceNotReady").await?;

    make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    page.shows("Everything is ready.").await?;
    ensure!(page.interrupted().await?.success(), "Ctrl-C is the way to end it");
    let told = person.sees(&["explain", "endpoint/meter-1"]).await?;
    has(&told, &["endpoint.emnify.io/meter-1 is ready since", "Created: "]);
    assert!(!told.contains("What to do"), "nothing is to be done: {told}");
    let id = stage.kubectl_ok(&["get", "emep", "meter-1", "-o", "jsonpath={.status.id}"]).await?;
    let portal = PortalClient::of_a_person(&stage, "grace@example.com").await?;
    let edit = json!({"name": "Meter of the portal", "status": {"id": 1}});
    portal.patch(&format!("/api/v1/endpoint/{}", id.trim()), edit).await?;
    let told = async || {
        Ok(person.sees(&["explain", "endpoint/meter-1"]).await?.contains("Drift was corrected once, at"))
    };
    stage.eventually("it tells that it was set back", told).await?;
    let told = person.sees(&["explain", "endpoint/meter-1"]).await?;
    has(&told, &["name: Meter of the portal -> Meter 1", "kubectl emnify events endpoint/meter-1 -n "]);
    let told = person.hears(&["whoami"]).await?;
    let (_, manifest) = told.split_once("\n\n").context("it says what to apply")?;
    make_ready(&stage, "ApplicationToken", "kubectl", manifest).await?;
    has(
        &person.sees(&["explain", "endpoint/meter-1"]).await?,
        &["Its log in emnify names grace@example.com (", ", Endpoint disabled)"],
    );
    has(&person.sees(&["status", "--wait"]).await?, &["Everything is ready.", "1 of 1000000 in 1h"]);
    let listed = |workspace: &Value| {
        let counts = workspace["status"]["counts"].as_array().cloned().unwrap_or_default();
        counts.iter().any(|of| of["kind"] == "Endpoint" && of["listedAt"].is_string())
    };
    stage.wait_for("Workspace", "default", "told when devices were listed", listed).await?;
    let shown = async || {
        let page = person.sees(&["status"]).await?;
        let workspace = stage.get("Workspace", "default").await?.unwrap_or_default();
        let counts = workspace["status"]["counts"].as_array().cloned().unwrap_or_default();
        let of_devices = counts.iter().find(|of| of["kind"] == "Endpoint");
        Ok(of_devices.and_then(|of| of["listedAt"].as_str()).is_some_and(|at| page.contains(at)))
    };
    stage.eventually("the page tells when devices were listed", shown).await?;

    let told = text(&person.types(&["top"]).await?.stderr);
    has(&told, &["1 device of Workspace default in ", "set its spec.deviceUsage.interval"]);
    drop(person);
    // nobody else writes statuses now, and nobody has to wait for the operator's turn to read what a device used
    stage.stop_operator().await?;
    let person = Person::on(&stage)?;
    let usage = json!({"month": "2026-04", "dataMegabytes": "3.5", "sms": 2, "asOf": "2026-04-30T10:00:00Z"});
    let read = json!({"status": {"usage": usage}}).to_string();
    stage
        .kubectl_ok(&["patch", "emep", "meter-1", "--subresource=status", "--type=merge", "--patch", &read])
        .await?;
    let top = person.rows(&["top", "--by", "sms"]).await?;
    assert_eq!(top[0]["metadata"]["name"], "meter-1", "{top:#?}");
    let output = person.types(&["top"]).await?;
    has(&text(&output.stdout), &["DATA MB", "meter-1", "3.5"]);
    has(&text(&output.stderr), &["of 2026-04: there is no reading of this month yet"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_decide_is_written_to_kubernetes() -> Result<()> {
    let stage = stage("plugin-steer").await?;
    let person = Person::on(&stage)?;
    make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    has(&person.sees(&["suspend", "endpoint/meter-1"]).await?, &["endpoint.emnify.io/meter-1 suspended"]);
    let edit = json!({"spec": {"name": "Meter one"}}).to_string();
    stage.kubectl_ok(&["patch", "emep", "meter-1", "--type=merge", "--patch", &edit]).await?;
    let seen = |object: &Value| object["status"]["observedGeneration"] == 2;
    stage.wait_for("Endpoint", "meter-1", "seen, and left alone", seen).await?;
    let names =
        |platform: &Organisation| platform.endpoints.values().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(look(&stage, names), ["Meter 1"], "nothing is sent");
    let told = person.sees(&["explain", "endpoint/meter-1"]).await?;
    has(&told, &["is suspended by the annotation emnify.io/suspend (kubectl emnify resume takes it off)"]);
    has(&person.sees(&["resume", "endpoint/meter-1"]).await?, &["resumed"]);
    holds(
        &stage,
        "it is renamed",
        |platform| platform.endpoints.values().any(|one| one.name == "Meter one"),
        true,
    )
    .await?;
    person.sees(&["refresh", "endpoint/meter-1"]).await?;
    let handled = |object: &Value| object["status"]["lastHandledRefreshAt"].is_string();
    let object = stage.wait_for("Endpoint", "meter-1", "read anew", handled).await?;
    let managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    assert!(
        managers.iter().any(|one| one["manager"] == "emnify"),
        "no manager that Flux takes over: {managers:#?}"
    );

    let guard = r#"{"spec":{"guard":{"maxDevices":1,"window":"1h"}}}"#;
    stage.kubectl_ok(&["patch", "emws", "default", "--type=merge", "-p", guard]).await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    has(&text(&person.types(&["approve", "workspace/default"]).await?.stderr), &["holds nothing back"]);
    let second = DEVICE.replace("meter-1", "meter-2").replace("Meter 1", "Meter 2").replace("10001", "10002");
    stage.apply(&second).await?;
    let tripped = |object: &Value| object["status"]["conditions"].to_string().contains("GuardTripped");
    stage.wait_for("Endpoint", "meter-2", "held back", tripped).await?;
    stage.wait_for("Workspace", "default", "its guard tripped", tripped).await?;
    let asked = person.hears(&["approve", "workspace/default"]).await?;
    has(&asked, &["devices would be disturbed within 1h", "say --yes to do it"]);
    let shown = text(&person.types(&["approve", "workspace/default"]).await?.stdout);
    has(&shown, &["endpoint/meter-2", "change"]);
    has(&person.sees(&["status"]).await?, &["tripped: ", " of 1 in 1h"]);
    let activated = |platform: &Organisation| {
        platform.sims.values().filter(|sim| sim.status == SimState::Activated).count()
    };
    let before = look(&stage, activated);
    person.sees(&["approve", "workspace/default", "--yes"]).await?;
    stage.wait_for("Endpoint", "meter-2", "Ready", is_ready).await?;
    assert_eq!(look(&stage, activated), before + 1);

    has(&person.hears(&["release", "endpoint/meter-2"]).await?, &["goes on costing", "say --yes"]);
    person.sees(&["release", "endpoint/meter-2", "--yes"]).await?;
    stage.kubectl_ok(&["delete", "emep", "meter-2"]).await?;
    assert_eq!(look(&stage, |platform| platform.endpoints.len()), 2, "it was left in emnify");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_is_done_once_and_followed() -> Result<()> {
    let stage = stage("plugin-run").await?;
    let person = Person::on(&stage)?;
    make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    let shown =
        person.sees(&["run", "sendSms", "endpoint/meter-1", "--set", "payload=hello", "--dry-run"]).await?;
    has(&shown, &["kind: Operation", "payload: hello", "name: meter-1"]);
    let output = person.types(&["run", "sendSms", "endpoint/meter-1", "--set", "payload=hello"]).await?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    has(&text(&output.stdout), &["operation.emnify.io/sendsms-", "created"]);
    has(&text(&output.stderr), &["1 of 1 targets"]);
    let sent = |platform: &Organisation| platform.endpoints.values().map(|one| one.sms.len()).sum::<usize>();
    assert_eq!(look(&stage, sent), 1);

    let scrapped = |platform: &Organisation| {
        platform.sims.values().filter(|sim| sim.status == SimState::Deleted).count()
    };
    let scrap = ["run", "deleteSims", "iccid:8988303000000010003"];
    has(&person.hears(&scrap).await?, &["say --yes", "waits for spec.confirm"]);
    assert_eq!(look(&stage, scrapped), 0, "nobody said yes");
    person.sees(&[&scrap[..], &["--yes"]].concat()).await?;
    assert_eq!(look(&stage, scrapped), 1);

    let within = stage.namespace();
    has(&offered(&person, &["explain", "-n", within, "endpoint/m"]).await?, &["endpoint/meter-1", ":4"]);
    has(&offered(&person, &["explain", "-n", within, ""]).await?, &["endpoint/", "workspace/", ":6"]);
    has(&offered(&person, &["ex"]).await?, &["explain"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emnify_is_read_and_never_written() -> Result<()> {
    let stage = stage("plugin-read").await?;
    let person = Person::on(&stage)?;
    make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    let told = person.hears(&["whoami"]).await?;
    let (_, manifest) = told.split_once("\n\n").context("it says what to apply")?;
    make_ready(&stage, "ApplicationToken", "kubectl", manifest).await?;
    make_ready(&stage, "EndpointSet", "meters", SET).await?;
    stage.simulator().edit(|state| {
        let devices = &mut state.organisations.get_mut(&ORGANISATION).expect("it is there").endpoints;
        let used = Usage { data_tx: 1.5, sms_tx: 2, ..Usage::default() };
        devices.values_mut().for_each(|device| device.count(Timestamp::now(), used));
    })?;

    let traffic = Traffic::from_now(&stage);
    let sets = person.rows(&["top", "--sets"]).await?;
    assert_eq!(
        (sets.len(), &sets[0]["metadata"]["name"], &sets[0]["devices"]),
        (1, &json!("meters"), &json!(1))
    );
    assert_eq!(sets[0]["usage"]["dataMegabytes"], "1.5", "{sets:#?}");
    has(&person.sees(&["top", "--sets", "--by", "sms"]).await?, &["DEVICES", "meters"]);
    let tables: Vec<_> =
        text(&person.types(&["get"]).await?.stdout).lines().skip(1).map(str::to_owned).collect();
    for line in &tables {
        let (table, of) = line.split_once(' ').unwrap_or((line, ""));
        let of = match of.trim() {
            "" => None,
            "device" => Some("endpoint/meter-1"),
            _ => Some("1"),
        };
        let output = person.types(&[&["get", table], of.as_slice()].concat()).await?;
        let said = text(&output.stdout) + &text(&output.stderr);
        let mended = ["does not know it", "need a person's login"].iter().any(|mend| said.contains(mend));
        let absent = of == Some("1") || table == "quota";
        assert!(output.status.success() || (absent && mended), "{table}: {said}");
    }
    assert!(tables.len() > 40, "{tables:?}");
    has(&person.sees(&["get", "rat-types"]).await?, &["EXTERNALNAME", "LTE-M"]);
    assert!(person.sees(&["get", "rat-types", "-o", "name"]).await?.lines().any(|line| line == "LTE-M"));
    has(&person.hears(&["get", "rats"]).await?, &["there is no table rats"]);

    let me = person.rows(&["whoami"]).await?;
    assert_eq!(me[0]["organisation"]["id"], 1001, "{me:#?}");
    let device = look(&stage, |platform| platform.endpoints.keys().next().copied()).context("it is there")?;
    let named =
        [format!("id:{device}"), "endpoint/meter-1".to_owned(), "iccid:8988303000000010001".to_owned()];
    for name in &named {
        let page = person.rows(&["describe", name]).await?;
        assert_eq!(page[0]["device"]["id"], device, "{page:#?}");
        assert!(page[0]["connectivity"].is_object() && page[0]["events"].is_array(), "{page:#?}");
    }
    has(&person.sees(&["describe", "endpoint/meter-1"]).await?, &["device:", "events:"]);
    has(&person.sees(&["events", "endpoint/meter-1", "--limit", "5"]).await?, &["TIME", "TYPE"]);
    has(&person.sees(&["events", "--since", "1h", "-o", "wide"]).await?, &["SEVERITY"]);
    for usage in [&["usage"][..], &["usage", "--daily"], &["usage", "--hourly"], &["usage", "--workspaces"]] {
        has(&person.sees(usage).await?, &["MB"]);
    }
    // a device without traffic has no days
    person.sees(&["usage", "endpoint/meter-1", "--daily"]).await?;
    person.sees(&["sms", "endpoint/meter-1"]).await?;
    has(&person.sees(&["locate", "endpoint/meter-1"]).await?, &["STATE"]);
    has(&person.hears(&["sms", "workspace/default"]).await?, &["is not in emnify yet"]);

    let asked: Vec<_> = traffic.all().into_iter().filter(|entry| entry.path.starts_with("/api")).collect();
    assert!(asked.len() > 40);
    let writes: Vec<_> = traffic.writes();
    assert!(writes.is_empty(), "nothing is ever written, and nobody logs in: {writes:#?}");
    Ok(())
}

/// A set of one device.
const SET: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: EndpointSet
metadata:
  name: meters
spec:
  template:
    enabled: true
    serviceProfile:
      id: "101"
    tariffProfile:
      id: "201"
  sims:
    list: ["8988303000000010003"]
"#;

/// A device that nobody here manages, before the second organisation of the seed.
const METER: &str = "    endpoints:
      - {id: 11000001, name: \"on\", enabled: true, service_profile: 101, tariff_profile: 201, sim: 10000003}
  - id: 1002
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_is_exported_and_taken_over() -> Result<()> {
    let mut options = options("plugin-export")?;
    options.simulator.seed =
        Seed::from_yaml(&include_str!("seed.yaml").replacen("  - id: 1002\n", METER, 1))?;
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    let person = Person::on(&stage)?;
    let told = person.hears(&["whoami"]).await?;
    let (_, manifest) = told.split_once("\n\n").context("it says what to apply")?;
    make_ready(&stage, "ApplicationToken", "kubectl", manifest).await?;

    let traffic = Traffic::from_now(&stage);
    let folder = TempDir::new()?;
    let to = folder.path().join("fleet");
    let to = to.to_str().context("a path is text")?;
    let said = person.sees(&["export", "--to", to]).await?;
    has(&said, &["files in", "1 ServiceProfile", "1 TariffProfile", "1 Endpoint"]);
    let again = person.types(&["export", "--to", to]).await?;
    assert!(again.status.success() && again.stdout.is_empty(), "nothing differs: {}", text(&again.stdout));
    let notes = text(&again.stderr);
    assert!(!notes.contains("the cluster"), "its definitions are those of this program: {notes}");
    let devices = folder.path().join("fleet/endpoints-0001.yaml");
    let ours = fs::read_to_string(&devices)?;
    fs::write(&devices, ours.replace("name: \"on\"\n", "name: \"on\" # of the roof\n"))?;
    let differs = person.types(&["export", "--to", to]).await?;
    assert_eq!(differs.status.code(), Some(2), "{}", text(&differs.stderr));
    has(&text(&differs.stdout), &["+++ emnify/endpoints-0001.yaml", "# of the roof"]);
    has(&text(&differs.stderr), &["nothing was written; --merge adds"]);
    has(&person.sees(&["export", "--to", to, "--merge"]).await?, &["0 new files in", "nothing new"]);
    assert!(fs::read_to_string(&devices)?.contains("# of the roof"), "what people wrote is kept");
    has(
        &person.hears(&["export", "users", "--to", "-"]).await?,
        &["User is not exported: people come and go"],
    );
    let streamed = person.sees(&["export", "endpoints", "--to", "-"]).await?;
    has(&streamed, &["kind: Endpoint\n", "name: \"on\"\n", "  serviceProfile:\n    id: \"101\"\n"]);

    stage.kubectl_ok(&["apply", "--dry-run=server", "-k", to]).await?;
    stage.kubectl_ok(&["apply", "-k", to]).await?;
    let device = stage.wait_for("Endpoint", "on", "Ready", is_ready).await?;
    assert_eq!(device["status"]["id"], "11000001");
    assert_eq!(device["spec"]["serviceProfile"]["name"], "made-in-the-portal", "{device:#}");
    for (kind, name) in [("ServiceProfile", "made-in-the-portal"), ("DnsConfig", "9-9-9-9-149-112-112-112")] {
        stage.wait_for(kind, name, "Ready", is_ready).await?;
    }
    let writes = traffic.writes();
    assert!(writes.is_empty(), "taking over sends nothing: {writes:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_what_applying_does_and_does_nothing() -> Result<()> {
    let stage = stage("plugin-plan").await?;
    let person = Person::on(&stage)?;
    let told = person.hears(&["whoami"]).await?;
    let (_, manifest) = told.split_once("\n\n").context("it says what to apply")?;
    make_ready(&stage, "ApplicationToken", "kubectl", manifest).await?;

    let traffic = Traffic::from_now(&stage);
    let folder = TempDir::new()?;
    let file = folder.path().join("device.yaml");
    std::fs::write(&file, DEVICE)?;
    let file = file.to_str().context("a path is text")?;
    let plan = ["plan", "--installation", stage.namespace(), "-f"];
    let output = person.types(&[&plan[..], &[file]].concat()).await?;
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}{}", text(&output.stderr));
    has(&said, &["+ create Endpoint", "1 to create", "1 devices disturbed", "Starts billing: Endpoint"]);
    let output = person.types(&[&plan[..], &[file, "--markdown"]].concat()).await?;
    has(&text(&output.stdout), &["### emnify plan: 1 to create", "```diff"]);

    let examples = [&plan[..], &["examples/quickstart", "-o", "json"]].concat();
    let output = person.types(&examples).await?;
    let planned: Value = serde_json::from_slice(&output.stdout).context(text(&output.stderr))?;
    assert!(planned["objects"].as_array().is_some_and(|all| all.len() > 5), "{planned:#}");

    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, DEVICE.replace("enabled:", "enabeld:"))?;
    let wrong = wrong.to_str().context("a path is text")?;
    has(&person.hears(&[&plan[..], &[wrong]].concat()).await?, &["did you mean enabled?"]);
    let writes = traffic.writes();
    assert!(writes.is_empty(), "a plan sends nothing: {writes:#?}");

    make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    for more in [&[][..], &["--cluster"]] {
        let said = person.sees(&[&plan[..], &[file], more].concat()).await?;
        has(&said, &["1 unchanged", "0 calls to emnify"]);
    }
    Ok(())
}
