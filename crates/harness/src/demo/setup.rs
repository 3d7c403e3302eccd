//! Before the show: the platform's state, the objects, and where to look.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use emnify_simulator::{Seed, fleet};
use serde_json::json;

use crate::{
    cli::{DemoArgs, Scenario},
    stage::{Options, Place, Stage},
};

/// A checkout's own manifests: what is applied is what a reader sees.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// The Secret and key that every scenario's Workspace names.
const SECRET: (&str, &str) = ("emnify", "token");

/// Secrets that a reader makes first, as the comments of the manifests say: name, key and a value for the simulator.
fn secrets(scenario: Scenario) -> &'static [(&'static str, &'static str, &'static str)] {
    match scenario {
        Scenario::Quickstart => &[],
        Scenario::Platform => &[
            ("sms-signing", "key", "0123456789abcdef0123456789abcdef"),
            ("events", "authorization", "Bearer of-the-demo"),
        ],
    }
}

/// Where the manifests of a scenario lie.
fn folder(scenario: Scenario) -> PathBuf {
    Path::new(EXAMPLES).join(scenario.name())
}

/// What was applied, by `kubectl`'s names.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) objects: Vec<String>,
}

/// Control plane with CRDs, and the simulator.
pub(super) async fn stage(args: &DemoArgs) -> Result<Stage> {
    println!("Starting etcd, kube-apiserver and kube-controller-manager on loopback ...");
    let place = Place::Own { namespace: args.scenario.name().to_owned(), keep: args.keep };
    let mut options = Options::at(place);
    options.simulator.seed = seed(args.devices)?;
    options.verbose = args.verbose;
    "info".clone_into(&mut options.log);
    let stage = Stage::start(options).await?;
    println!("API server: {}", stage.plane().server());
    println!("Simulated emnify: {}", stage.base_url());
    Ok(stage)
}

/// The organisation of `seed.yaml`, with a SIM for each generated device.
fn seed(devices: u32) -> Result<Seed> {
    let seed = Seed::from_yaml(include_str!("seed.yaml"))?;
    let organisation = *seed.state().organisations.keys().next().context("the seed has an organisation")?;
    Ok(seed.with_fleet(organisation, devices.into())?)
}

/// Applies the scenario as a reader would, and the generated devices.
pub(super) async fn apply(stage: &Stage, args: &DemoArgs) -> Result<Applied> {
    let token = stage.simulator().inspect(|state| {
        let tokens =
            state.organisations.values().flat_map(|organisation| organisation.application_tokens.values());
        tokens.map(|token| token.token.clone()).next()
    });
    stage.apply_secret(SECRET.0, &[(SECRET.1, &token.context("the seed has an application token")?)]).await?;
    for (name, key, value) in secrets(args.scenario) {
        stage.apply_secret(name, &[(key, value)]).await?;
    }
    let folder = folder(args.scenario);
    point_at_simulator(stage, &folder).await?;
    let folder = folder.to_str().context("the path of the examples is no UTF-8")?;
    let mut names = stage.kubectl_ok(&["apply", "-o", "name", "-f", folder]).await?;
    if args.devices > 0 {
        let arguments = ["apply", "-o", "name", "-f", "-"];
        let output = stage.kubectl_with(&arguments, &generated(args.devices)).await?;
        ensure!(output.status.success(), "kubectl apply of generated devices failed: {}", output.stderr);
        names += &output.stdout;
    }
    Ok(Applied { objects: names.lines().map(str::to_owned).collect() })
}

/// Gives the Workspace the simulator's address under a field manager of its own. The examples leave `baseUrl` out, so
/// that applying their files, now and later, does not touch it.
async fn point_at_simulator(stage: &Stage, folder: &Path) -> Result<()> {
    let file = folder.join("workspace.yaml");
    let file = file.to_str().context("the path of the examples is no UTF-8")?;
    let patch = json!({"spec": {"baseUrl": stage.base_url()}}).to_string();
    let workspace = stage
        .kubectl_ok(&["patch", "--local", "--type=merge", "-f", file, "-p", &patch, "-o", "json"])
        .await?;
    let arguments = ["apply", "--server-side", "--field-manager=demo", "-f", "-"];
    let output = stage.kubectl_with(&arguments, &workspace).await?;
    ensure!(output.status.success(), "kubectl apply of the Workspace failed: {}", output.stderr);
    Ok(())
}

/// Devices like those of the scenarios, with their profiles.
fn generated(devices: u32) -> String {
    let mut yaml = String::new();
    for device in 0..devices {
        let endpoint = json!({
            "apiVersion": "emnify.io/v1alpha1",
            "kind": "Endpoint",
            "metadata": {"name": format!("device-{:05}", device + 1)},
            "spec": {
                "enabled": true,
                "serviceProfile": {"name": "meters"},
                "tariffProfile": {"name": "meters"},
                "sim": {"iccid": fleet::iccid(device.into()), "state": "Activated"},
            },
        });
        writeln!(yaml, "---\n{endpoint}").expect("a String takes every write");
    }
    yaml
}

/// What to type in another terminal.
pub(super) async fn how_to_look_around(stage: &Stage, scenario: Scenario) -> Result<String> {
    let plane = stage.plane();
    let kubeconfig = plane.kubeconfig_file("demo", plane.token("admin")?)?;
    let context = ["config", "set-context", "--current", "--namespace", stage.namespace()];
    let set = plane.kubectl_as(&kubeconfig, &context).await?;
    ensure!(set.status.success(), "kubectl config failed: {}", set.stderr);
    let ideas = match scenario {
        Scenario::Quickstart => {
            r#"  kubectl get emep --watch                      # devices attach, go online and move
  kubectl patch emep meter-1 --type merge -p '{"spec":{"tags":["meters","test"]}}' && kubectl events --for endpoint.emnify.io/meter-1"#
        }
        Scenario::Platform => {
            r#"  kubectl get emnify                            # everything, and why it is not Ready if it is not
  kubectl get emeps meters -o yaml              # the fleet: how many are Ready, online, activated
  kubectl create secret generic sms-signing --from-literal=key="$(openssl rand -hex 32)" --dry-run=client -o yaml | kubectl apply -f -
  kubectl get emcs sms --watch                  # another key: profiles move to it, and the old one goes"#
        }
    };
    Ok(format!(
        "Look around in another terminal:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}    # unless you have one

{ideas}
  kubectl get secret dashboard-token -o jsonpath='{{.data.jwt}}' | base64 -d    # for a workload

The operator logs to {log}; the simulator counts calls: curl {simulator}/simulator/requests
Ctrl-C ends the demo and removes everything.
",
        kubeconfig = kubeconfig.display(),
        kubectl = plane.kubectl_program().display(),
        log = stage.operator_log_file().display(),
        simulator = stage.base_url(),
    ))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_device_has_a_sim_in_the_seed() {
        let seed = seed(3).unwrap();
        let devices = folder(Scenario::Quickstart).join("devices.yaml");
        let manifests = generated(3) + &std::fs::read_to_string(devices).unwrap();
        let sims: Vec<_> = seed.state().organisations.values().flat_map(|org| org.sims.values()).collect();
        let named = sims.iter().filter(|sim| manifests.contains(&sim.iccid)).count();
        assert_eq!(named, manifests.matches("iccid").count(), "a device without a SIM would never be Ready");
    }

    #[test]
    fn every_scenario_is_fit_for_production() {
        for scenario in Scenario::value_variants() {
            let workspace = std::fs::read_to_string(folder(*scenario).join("workspace.yaml")).unwrap();
            assert!(!workspace.contains("baseUrl"), "without one it means emnify itself");
            let (secret, key) = SECRET;
            assert!(
                workspace.contains(&format!("name: {secret}")) && workspace.contains(&format!("key: {key}"))
            );
        }
    }
}
