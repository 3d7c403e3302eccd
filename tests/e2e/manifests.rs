//! The examples, a platform that has what they name, and the ways to apply them.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, ensure};
use emnify_harness::stage::{Options, Stage, is_ready};
use emnify_simulator::Seed;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::{ORGANISATION, Result};

/// Who applies, as flags of kubectl. Both tools take fields over that somebody else has set.
pub(crate) type Way = &'static [&'static str];

pub(crate) const CLIENT: Way = &["--server-side=false"];
pub(crate) const ARGO_CD: Way = &["--server-side", "--force-conflicts", "--field-manager=argocd-controller"];
pub(crate) const FLUX: Way = &["--server-side", "--force-conflicts", "--field-manager=kustomize-controller"];

/// SIMs of examples/fleet.yaml: the first of each range, and how many there are.
const RANGES: [(u64, u64); 2] = [(8_988_303_000_000_020_000, 5), (8_988_303_000_000_030_000, 24)];

/// Manifests that are applied together.
pub(crate) struct Manifests(Vec<Value>);

impl Manifests {
    /// The quickstart and one example of everything else; where both have an object, the richer one.
    pub(crate) fn examples(cluster_wide: bool) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut all = BTreeMap::new();
        for folder in [root.join("quickstart"), root] {
            let files = fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
            for file in files.filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
                for document in serde_yaml::Deserializer::from_str(&fs::read_to_string(file)?) {
                    let object = Value::deserialize(document)?;
                    if cluster_wide || object["kind"] != "ClusterWorkspace" {
                        all.insert(name_of(&object), object);
                    }
                }
            }
        }
        Ok(Self(all.into_values().collect()))
    }

    /// The same after a commit.
    pub(crate) fn edited(&self, edit: impl Fn(&mut Value)) -> Self {
        let mut all = self.0.clone();
        all.iter_mut().for_each(edit);
        Self(all)
    }

    /// The same after a commit that leaves some out.
    pub(crate) fn without(&self, gone: impl Fn(&Value) -> bool) -> Self {
        Self(self.0.iter().filter(|object| !gone(object)).cloned().collect())
    }

    /// Kind and name of each.
    pub(crate) fn names(&self) -> Vec<(String, String)> {
        self.0.iter().map(name_of).collect()
    }

    pub(crate) fn yaml(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(Value::to_string).collect();
        texts.join("\n---\n")
    }

    /// One of them.
    pub(crate) fn yaml_of(&self, name: &(String, String)) -> String {
        let found = self.0.iter().find(|object| name_of(object) == *name);
        found.expect("it is among the manifests").to_string()
    }

    /// Applies them and says what kubectl said.
    pub(crate) async fn apply(&self, stage: &Stage, way: Way) -> Result<String> {
        let arguments: Vec<_> = ["apply"].iter().chain(way).chain(&["-f", "-"]).copied().collect();
        let output = stage.kubectl_with(&arguments, &self.yaml()).await?;
        ensure!(output.status.success(), "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
        Ok(output.stdout)
    }

    /// Applies them twice, the second time while the operator is at work, and waits until every object is Ready. The
    /// second time is no edit.
    pub(crate) async fn converge(&self, stage: &Stage, way: Way) -> Result<()> {
        self.apply(stage, way).await?;
        let first = self.generations(stage).await?;
        self.apply(stage, way).await?;
        assert_eq!(self.generations(stage).await?, first, "what is applied again is no edit");
        // what others refer to first, so that a failure names the culprit
        let mut names = self.names();
        names.sort_by_key(|(kind, _)| (!kind.ends_with("Workspace"), !kind.ends_with("Profile")));
        for (kind, name) in names {
            stage.wait_for(&kind, &name, "Ready", is_ready).await?;
        }
        Ok(())
    }

    async fn generations(&self, stage: &Stage) -> Result<Vec<i64>> {
        let mut all = Vec::new();
        for (kind, name) in self.names() {
            let object = stage.get(&kind, &name).await?.context("it was applied")?;
            all.push(object["metadata"]["generation"].as_i64().context("it has a generation")?);
        }
        Ok(all)
    }
}

/// Kind and name.
pub(crate) fn name_of(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("a manifest has a kind and a name").to_owned();
    (text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// A running operator, the Secrets that the examples name, and workspaces that lead to the simulator.
pub(crate) async fn stage(options: Options, manifests: &Manifests) -> Result<Stage> {
    let mut options = options;
    options.simulator.seed = platform()?;
    options.flags.push("--sweep-interval=10s".to_owned());
    let mut stage = Stage::start(options).await?;
    stage.apply_secret("emnify", &[("token", "metering-token")]).await?;
    stage.apply_secret("sms-signing", &[("key", "0123456789abcdef0123456789abcdef")]).await?;
    let totp = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    stage.apply_secret("emnify-user", &[("password", "correct horse"), ("totp", totp)]).await?;
    // the examples leave `baseUrl` out: it is set by somebody else, and nobody who applies them touches it
    for workspace in manifests.0.iter().filter(|object| object["spec"].get("credentials").is_some()) {
        let mut workspace = workspace.clone();
        workspace["spec"]["baseUrl"] = json!(stage.base_url());
        let arguments = ["apply", "--server-side", "--field-manager=installer", "-f", "-"];
        let output = stage.kubectl_with(&arguments, &workspace.to_string()).await?;
        ensure!(output.status.success(), "{}", output.stderr);
    }
    stage.start_operator()?;
    Ok(stage)
}

fn platform() -> Result<Seed> {
    let mut state = Seed::from_yaml(include_str!("platform.yaml"))?.into_state();
    let organisation = state.organisations.get_mut(&ORGANISATION).context("the seed's organisation")?;
    for (first, count) in RANGES {
        for iccid in first..first + count {
            let n = iccid % 1_000_000;
            let id = 20_000_000 + n;
            let sim = json!({
                "id": id, "iccid": iccid.to_string(), "imsi": format!("901430000{n:06}"),
                "msisdn": format!("882360000{n:06}"), "status": "issued",
            });
            organisation.sims.insert(id, serde_json::from_value(sim)?);
        }
    }
    Ok(Seed::from_state(state)?)
}
