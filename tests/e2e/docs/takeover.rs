//! From a portal to Git, as the page says it.

use std::{env, fs, time::Instant};

use anyhow::{Context as _, ensure};
use emnify_harness::stage::Stage;
use emnify_simulator::{
    Seed, State,
    state::{Endpoint, Organisation},
};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{Shell, commands};
use crate::{
    portal::Traffic,
    support::{ORGANISATION, Result, look, options},
};

/// As many as a test has time for; `EMNIFY_TAKEOVER_DEVICES` names another number, for a transcript with `--nocapture`.
const DEVICES: u64 = 300;
/// First of their ids.
const FIRST: u64 = 30_000_000;

/// An organisation with devices that nobody here manages.
fn portal(devices: u64) -> Result<Seed> {
    let seed = Seed::from_yaml(include_str!("../seed.yaml"))?.with_fleet(ORGANISATION, devices)?;
    let mut state = serde_json::to_value(seed.into_state())?;
    let organisation = &mut state["organisations"][0];
    ensure!(organisation["id"] == ORGANISATION, "the first one of the seed");
    organisation["tags"] = json!([{"id": 41, "name": "roof"}]);
    let fleet = |sim: &&Value| sim["iccid"].as_str().is_some_and(|iccid| iccid.starts_with("89883038800"));
    let sims: Vec<Value> =
        organisation["sims"].as_array().into_iter().flatten().filter(fleet).cloned().collect();
    let device = |(n, sim): (u64, &Value)| {
        json!({"id": FIRST + n, "name": format!("Meter {}", n + 1), "enabled": n % 3 != 0, "service_profile": 101,
            "tariff_profile": 201, "sim": sim["id"], "tag_ids": if n % 2 == 0 { json!([41]) } else { json!([]) }})
    };
    organisation["endpoints"] = (0..).zip(&sims).map(device).collect();
    let state: State = serde_json::from_value(state)?;
    Ok(Seed::from_state(state)?)
}

fn devices(organisation: &Organisation) -> Vec<Endpoint> {
    organisation.endpoints.values().cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_comes_from_a_portal_to_git_as_the_page_says() -> Result<()> {
    let mut options = options("takeover")?;
    let count = env::var("EMNIFY_TAKEOVER_DEVICES").map_or(Ok(DEVICES), |count| count.parse())?;
    options.simulator.seed = portal(count)?;
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    let mut shell = Shell::new(&stage).await?;
    shell.folder = shell.programs.join("desk");
    fs::create_dir(&shell.folder)?;
    fs::write(shell.programs.join(".gitconfig"), "[user]\n  name = Test\n  email = test@example.com\n")?;
    shell.environment.insert("EMNIFY_TOKEN", "metering-token".to_owned());
    // as the demo does: the page leaves the address out, so applying it does not touch that
    let workspace = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"}, "spec": {
        "baseUrl": stage.base_url(), "credentials": {"applicationTokenSecretRef": {"name": "emnify", "key": "token"}}}});
    let arguments = ["apply", "--server-side", "--field-manager=demo", "-f", "-"];
    let output = stage.kubectl_with(&arguments, &workspace.to_string()).await?;
    ensure!(output.status.success(), "{}", output.stderr);

    let (before, traffic) = (look(&stage, devices), Traffic::from_now(&stage));
    for (line, command) in commands("takeover.md")? {
        let (began, requests) = (Instant::now(), Traffic::from_now(&stage));
        let said = shell.run(&command).await.with_context(|| format!("docs/takeover.md:{line}"))?;
        let took = began.elapsed().as_secs_f64();
        println!(
            "$ {command}\n{said}-- {took:.1} s, {} requests to emnify meanwhile\n",
            requests.all().len()
        );
    }
    let gone = async || Ok(stage.api("Endpoint")?.list(&ListParams::default()).await?.items.is_empty());
    stage.eventually("the way back is gone to its end", gone).await?;
    let token = |what: &String| what.ends_with("/application_token") || what.ends_with("/authenticate");
    let writes: Vec<_> = traffic.writes().into_iter().filter(|what| !token(what)).collect();
    assert!(writes.is_empty(), "taking over, and the way back, send nothing: {writes:#?}");
    assert!(look(&stage, devices) == before, "every device is as it was");
    let files = shell.run("git -C fleet log --oneline && git -C fleet status --short").await?;
    assert_eq!(files.lines().count(), 1, "one commit, and nothing was written after it: {files}");
    Ok(())
}
