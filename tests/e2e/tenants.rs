//! Two tenants in one cluster, each with a Workspace: neither acts with the login, the rights or the organisation of the
//! other. The operator runs in a namespace where neither writes.

use anyhow::Context as _;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use emnify_devenv::Namespace;
use emnify_harness::stage::{Launch, Options, Place, Process, Stage, condition, is_ready};
use emnify_simulator::Seed;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::{Result, holds, look};

/// The stage's own namespace is one tenant's; here is the other's, and the operator's.
struct Tenants {
    stage: Stage,
    other: Namespace,
    system: Namespace,
}

impl Tenants {
    async fn new(name: &str, tokens: &str) -> Result<Self> {
        Self::on(Options::shared(name), tokens).await
    }

    async fn on(mut options: Options, tokens: &str) -> Result<Self> {
        let seed = include_str!("seed.yaml");
        let at = "      - {id: 502,";
        assert!(seed.contains(at), "the seed has tokens");
        options.simulator.seed = Seed::from_yaml(&seed.replacen(at, &format!("{tokens}{at}"), 1))?;
        let stage = Stage::start(options).await?;
        let (other, system) =
            (stage.plane().namespace("other").await?, stage.plane().namespace("system").await?);
        Ok(Self { stage, other, system })
    }

    /// An operator that serves both.
    async fn operator(&self) -> Result<Process> {
        self.operator_of(&format!("{},{}", self.stage.namespace(), &*self.other)).await
    }

    /// An operator that serves these namespaces, or all.
    async fn operator_of(&self, namespaces: &str) -> Result<Process> {
        let served = format!("--namespaces={namespaces}");
        let system = format!("--operator-namespace={}", &*self.system);
        let mut launch = Launch::on(&self.stage, env!("CARGO_BIN_EXE_emnify-operator"))?;
        let of_stage =
            |typed: &String| typed.starts_with("--namespaces=") || typed.starts_with("--operator-namespace=");
        launch.arguments.retain(|typed| !of_stage(typed));
        let mut process = launch.with([served.as_str(), system.as_str(), "--leader-elect=false"]).start()?;
        process.ready().await?;
        Ok(process)
    }

    async fn kubectl(&self, namespace: &str, arguments: &[&str]) -> Result<String> {
        let arguments: Vec<&str> = ["-n", namespace].iter().chain(arguments).copied().collect();
        let output = self.stage.plane().kubectl(&arguments).await?;
        anyhow::ensure!(output.status.success(), "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
        Ok(output.stdout)
    }

    /// The token in the Secret `emnify`.
    async fn token(&self, namespace: &str, token: &str) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "emnify"}, "stringData": {"token": token},
        });
        self.stage.apply_in(namespace, &secret.to_string()).await
    }

    /// A Workspace `default` with this token.
    async fn workspace(&self, namespace: &str, token: &str) -> Result<()> {
        self.token(namespace, token).await?;
        let workspace = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"},
            "spec": {
                "baseUrl": self.stage.base_url(),
                "credentials": {"applicationTokenSecretRef": {"name": "emnify", "key": "token"}},
            },
        });
        self.stage.apply_in(namespace, &workspace.to_string()).await
    }

    /// Has the Workspace look at once, as a person can: it reads its Secrets every 20 s otherwise.
    async fn refresh(&self, namespace: &str) -> Result<()> {
        let now = json!({"metadata": {"annotations": {"emnify.io/refresh": "now"}}});
        let workspaces = self.stage.api_in(namespace, "Workspace")?;
        workspaces.patch("default", &PatchParams::default(), &Patch::Merge(now)).await?;
        Ok(())
    }

    async fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Value> {
        Ok(self.stage.get_in(namespace, kind, name).await?.unwrap_or_default())
    }

    async fn until(
        &self,
        what: &str,
        object: (&str, &str, &str),
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let (namespace, kind, name) = object;
        let found =
            self.stage.eventually(what, async || Ok(so(&self.get(namespace, kind, name).await?))).await;
        let seen = self.get(namespace, kind, name).await?;
        found.with_context(|| format!("{what}: {seen:#}\n{}", self.stage.operator_log_tail()))?;
        Ok(seen)
    }
}

fn profile(name: &str) -> String {
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "ServiceProfile", "metadata": {"name": "probe"}, "spec": {"name": name},
    })
    .to_string()
}

fn reason(object: &Value, of: &str) -> String {
    condition(object, of)
        .map(|found| found["reason"].as_str().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

/// What approves what waits behind the guard of a Workspace.
fn hash(workspace: &Value) -> Option<String> {
    let message = condition(workspace, "GuardTripped")?["message"].as_str()?;
    let (_, rest) = message.split_once("emnify.io/approve=")?;
    Some(rest.chars().take_while(char::is_ascii_alphanumeric).collect())
}

fn token(name: &str) -> String {
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "ApplicationToken", "metadata": {"name": name}, "spec": {"description": name},
    })
    .to_string()
}

/// Secrets of a tenant's own making with a login that was never made, in organisation 1001, under the names that an earlier
/// release and this one keep logins by. `credential` is the digest of what the tenant's Workspace was refused with, or
/// accepted.
async fn forge(tenants: &Tenants, intruder: &str, credential: &str) -> Result<()> {
    let workspace = tenants.get(intruder, "Workspace", "default").await?;
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({"esc.org": 1001, "esc.orgName": "x", "iat": now, "exp": now + 31_536_000});
    let jwt = format!("e30.{}.x", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    for name in ["default-session".to_owned(), format!("session.workspace.{intruder}.default")] {
        let owner = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "name": "default", "uid": workspace["metadata"]["uid"],
        });
        let forged = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "emnify.io/session",
            "metadata": {
                "name": name, "ownerReferences": [owner],
                "annotations": {
                    "emnify.io/origin": tenants.stage.base_url(), "emnify.io/credential": credential,
                    "emnify.io/workspace-uid": workspace["metadata"]["uid"],
                },
            },
            "data": {"jwt": encoded(&jwt), "salt": encoded("s"), "fingerprint": encoded("f")},
        });
        tenants.stage.apply_in(intruder, &forged.to_string()).await?;
    }
    Ok(())
}

/// The tokens of an organisation of the seed.
fn tokens_of(tenants: &Tenants, organisation: u64) -> usize {
    tenants.stage.simulator().inspect(|state| state.organisations[&organisation].application_tokens.len())
}

/// Before there is a victim, beside one, and with a valid token of an organisation of its own; each with a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_session_gives_no_tenant_the_organisation_of_another() -> Result<()> {
    let tenants = Tenants::new("forged", "").await?;
    let (victim, intruder) = (tenants.stage.namespace(), &*tenants.other);
    let (tokens, others) = (tokens_of(&tenants, 1001), tokens_of(&tenants, 1002));
    let process = tenants.operator().await?;
    tenants.workspace(intruder, "junk").await?;
    let refused = |object: &Value| reason(object, "Stalled") == "Unauthorized";
    let workspace = tenants.until("junk is refused", (intruder, "Workspace", "default"), refused).await?;
    let junk = workspace["status"]["credential"]["refused"]["credential"].as_str().unwrap_or_default();
    forge(&tenants, intruder, junk).await?;
    tenants.stage.apply_in(intruder, &token("ci")).await?;
    process.stop().await?;

    let process = tenants.operator().await?;
    tenants.workspace(victim, "metering-token").await?;
    tenants.until("the victim is served", (victim, "Workspace", "default"), is_ready).await?;
    process.stop().await?;

    let process = tenants.operator().await?;
    tenants.stage.apply_in(victim, &profile("Still mine")).await?;
    tenants.until("the victim goes on", (victim, "ServiceProfile", "probe"), is_ready).await?;
    let waits = |object: &Value| reason(object, "Ready") == "WorkspaceNotReady";
    tenants.until("the intruder's token waits", (intruder, "ApplicationToken", "ci"), waits).await?;
    assert_eq!(tokens_of(&tenants, 1001), tokens, "no token of the organisation was made for somebody else");
    let workspace = tenants.get(intruder, "Workspace", "default").await?;
    assert!(!is_ready(&workspace), "a claim is no login: {workspace:#}");

    tenants.token(intruder, "other-token").await?;
    tenants.refresh(intruder).await?;
    let workspace = tenants.until("a login of its own", (intruder, "Workspace", "default"), is_ready).await?;
    let own = workspace["status"]["credential"]["accepted"].as_str().unwrap_or_default();
    // what a process leaves half made waits for a while in the next
    tenants.until("its token is made", (intruder, "ApplicationToken", "ci"), is_ready).await?;
    forge(&tenants, intruder, own).await?;
    process.stop().await?;

    let process = tenants.operator().await?;
    tenants.stage.apply_in(intruder, &token("cd")).await?;
    tenants.until("another is made", (intruder, "ApplicationToken", "cd"), is_ready).await?;
    let workspace = tenants.get(intruder, "Workspace", "default").await?;
    assert_eq!(workspace["status"]["organisation"]["id"], "1002", "{workspace:#}");
    let found = (tokens_of(&tenants, 1001), tokens_of(&tenants, 1002));
    assert_eq!(found, (tokens, others + 2), "what it makes is made in the organisation of its token");
    process.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observers_token_stays_an_observers_beside_an_administrators() -> Result<()> {
    let observer = "      - {id: 503, token: observer-token, description: Looks on, roles: [3]}\n";
    let tenants = Tenants::new("observer", observer).await?;
    let process = tenants.operator().await?;
    let (admin, watcher) = (tenants.stage.namespace(), &*tenants.other);
    tenants.workspace(watcher, "observer-token").await?;
    tenants.until("the observer is served", (watcher, "Workspace", "default"), is_ready).await?;
    tenants.workspace(admin, "metering-token").await?;
    tenants.until("the administrator is served", (admin, "Workspace", "default"), is_ready).await?;
    tenants.stage.apply_in(watcher, &profile("The observer's")).await?;
    tenants.stage.apply_in(watcher, &token("ci")).await?;
    tenants.stage.apply_in(admin, &profile("The administrator's")).await?;
    tenants.until("the administrator's is made", (admin, "ServiceProfile", "probe"), is_ready).await?;
    let tried = "/api/v1/service_profile";
    let refused = async || {
        let requests = tenants.stage.simulator().requests_after(0);
        Ok(requests.iter().any(|r| r.method == "POST" && r.path == tried && r.status == 403))
    };
    tenants.stage.eventually("the observer's own login was refused", refused).await?;
    let made = |platform: &emnify_simulator::state::Organisation| {
        platform
            .service_profiles
            .values()
            .filter(|p| p.name.starts_with("The "))
            .map(|p| p.name.clone())
            .collect()
    };
    holds(&tenants.stage, "only who may write has written", made, vec!["The administrator's".to_owned()])
        .await?;
    assert!(!is_ready(&tenants.get(watcher, "ServiceProfile", "probe").await?));
    let minted = look(&tenants.stage, |platform| {
        let known = [501, 502, 503];
        let minted = platform.application_tokens.values().filter(|token| !known.contains(&token.id));
        minted.map(|token| token.roles.clone()).collect::<Vec<_>>()
    });
    assert!(minted.iter().all(|roles| *roles == [3]), "what an observer mints is an observer's: {minted:?}");
    process.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_went_with_its_credentials_is_cleaned_up_after_a_restart() -> Result<()> {
    let tenants = Tenants::new("leaving", "").await?;
    let process = tenants.operator().await?;
    let gone = &*tenants.other;
    tenants.workspace(gone, "metering-token").await?;
    for name in ["one", "two"] {
        let device = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": name},
            "spec": {"name": name, "enabled": true, "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}},
        });
        tenants.stage.apply_in(gone, &device.to_string()).await?;
        tenants.until("the device is made", (gone, "Endpoint", name), is_ready).await?;
    }
    // more than the guard lets go, so that its Secrets go first
    let guard = json!({"spec": {"guard": {"maxDevices": 1}}}).to_string();
    tenants.kubectl(gone, &["patch", "emws", "default", "--type=merge", "-p", &guard]).await?;
    let guarded = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
    tenants.until("the guard is set", (gone, "Workspace", "default"), guarded).await?;
    tenants.stage.plane().kubectl(&["delete", "namespace", gone, "--wait=false"]).await?;
    let session = format!("session.workspace.{gone}.default");
    let copied = |object: &Value| object["data"]["credentials"].is_string();
    tenants.until("credentials are copied", (&tenants.system, "Secret", &session), copied).await?;
    tenants.until("the credentials are gone", (gone, "Secret", "emnify"), Value::is_null).await?;
    process.stop().await?;
    // hours later the kept login has ended as well
    let ended = json!({"data": {"jwt": null}}).to_string();
    tenants.kubectl(&tenants.system, &["patch", "secret", &session, "--type=merge", "-p", &ended]).await?;

    let process = tenants.operator().await?;
    let approved = async || {
        let workspace = tenants.get(gone, "Workspace", "default").await?;
        if let Some(hash) = hash(&workspace) {
            let approval = format!("emnify.io/approve={hash}");
            tenants.kubectl(gone, &["annotate", "emws", "default", "--overwrite", &approval]).await?;
        }
        Ok(look(&tenants.stage, |platform| platform.endpoints.is_empty()))
    };
    tenants.stage.eventually("what lived in emnify is retired", approved).await?;
    tenants.until("no login is left behind", (&tenants.system, "Secret", &session), Value::is_null).await?;
    process.stop().await.map(drop)
}

/// An object that lives through the cluster-wide Workspace `fleet`.
fn through_fleet(kind: &str, name: &str, mut spec: Value) -> String {
    spec["workspaceRef"] = json!({"kind": "ClusterWorkspace", "name": "fleet"});
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn device(name: &str, enabled: bool) -> Value {
    json!({"name": name, "enabled": enabled, "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}})
}

/// In a control plane of its own, for an operator that serves all namespaces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_workspace_does_not_allow_is_not_got_around_beside_another() -> Result<()> {
    let place = Place::Own { namespace: "tenant".to_owned(), keep: false };
    let tenants = Tenants::on(Options::at(place), "").await?;
    let process = tenants.operator_of("").await?;
    let (tenant, other) = (tenants.stage.namespace(), &*tenants.other);
    tenants.token(&tenants.system, "metering-token").await?;
    let fleet = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "ClusterWorkspace", "metadata": {"name": "fleet"},
        "spec": {
            "baseUrl": tenants.stage.base_url(),
            "credentials": {"applicationTokenSecretRef": {"name": "emnify", "key": "token"}},
            "allowedNamespaces": {"all": true}, "allowedKinds": ["Endpoint"], "guard": {"maxDevices": 1},
        },
    });
    tenants.stage.apply_in(tenant, &fleet.to_string()).await?;
    let fleet = (tenant, "ClusterWorkspace", "fleet");
    tenants.until("the fleet's workspace works", fleet, is_ready).await?;
    // a Workspace of the same organisation that allows everything
    tenants.workspace(other, "metering-token-2").await?;
    tenants.until("the other's works", (other, "Workspace", "default"), is_ready).await?;

    tenants.stage.apply_in(other, &through_fleet("ApplicationToken", "ci", json!({}))).await?;
    let mut forced = device("forced", true);
    forced["adoptionPolicy"] = json!("Force");
    tenants.stage.apply_in(other, &through_fleet("Endpoint", "forced", forced)).await?;
    for (kind, name, field) in
        [("ApplicationToken", "ci", "spec.allowedKinds"), ("Endpoint", "forced", "spec.allowForce")]
    {
        let refused = |object: &Value| {
            condition(object, "Ready").is_some_and(|told| {
                told["reason"] == "WorkspaceNotReady" && told["message"].to_string().contains(field)
            })
        };
        tenants.until(field, (other, kind, name), refused).await?;
    }
    let tokens = look(&tenants.stage, |platform| platform.application_tokens.len());
    assert_eq!(tokens, 2, "nothing was made with the login of the fleet");

    for name in ["one", "two"] {
        let spec = through_fleet("Endpoint", name, device(name, true));
        tenants.stage.apply_in(tenant, &spec).await?;
        tenants.until("the device is made", (tenant, "Endpoint", name), is_ready).await?;
    }
    for name in ["one", "two"] {
        let spec = through_fleet("Endpoint", name, device(name, false));
        tenants.stage.apply_in(tenant, &spec).await?;
    }
    let tripped = tenants.until("one is one too many", fleet, |object| hash(object).is_some()).await?;
    let approval = format!("emnify.io/approve={}", hash(&tripped).context("it says how to approve")?);
    // the other's approval, and a larger limit of its own
    tenants.kubectl(other, &["annotate", "emws", "default", &approval]).await?;
    let guard = json!({"spec": {"guard": {"maxDevices": 1_000}}}).to_string();
    tenants.kubectl(other, &["patch", "emws", "default", "--type=merge", "-p", &guard]).await?;
    let looked = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
    tenants.until("the other's limit is set", (other, "Workspace", "default"), looked).await?;
    // what the other may disturb is disturbed meanwhile
    let own = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": "own"}, "spec": device("own", true),
    });
    tenants.stage.apply_in(other, &own.to_string()).await?;
    tenants.until("the other's device is made", (other, "Endpoint", "own"), is_ready).await?;
    let off = json!({"spec": {"enabled": false}}).to_string();
    tenants.kubectl(other, &["patch", "emep", "own", "--type=merge", "-p", &off]).await?;
    tenants.until("and switched off", (other, "Endpoint", "own"), is_ready).await?;
    let on = |platform: &emnify_simulator::state::Organisation| {
        platform.endpoints.values().filter(|device| device.enabled).count()
    };
    holds(&tenants.stage, "the other's is off", on, 1).await?;
    let fleets = tenants.get(tenant, "ClusterWorkspace", "fleet").await?;
    assert!(hash(&fleets).is_some(), "nothing of the fleet was approved: {fleets:#}");

    tenants.kubectl(tenant, &["annotate", "emcws", "fleet", &approval]).await?;
    holds(&tenants.stage, "the fleet's own approval counts", on, 0).await?;
    process.stop().await?;
    let Tenants { stage, other, system } = tenants;
    drop((other, system));
    stage.finish().await
}

impl Tenants {
    /// A device of the tenant and one of the other, in workspaces of one organisation; their ids.
    async fn meters(&self) -> Result<[u64; 2]> {
        let mut ids = [0; 2];
        let namespaces = [(self.stage.namespace(), "metering-token"), (&*self.other, "metering-token-2")];
        for ((namespace, token), id) in namespaces.into_iter().zip(&mut ids) {
            self.workspace(namespace, token).await?;
            let endpoint = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": "meter"},
                "spec": device("meter", true)});
            self.stage.apply_in(namespace, &endpoint.to_string()).await?;
            let made = self.until("the device is made", (namespace, "Endpoint", "meter"), is_ready).await?;
            *id = made["status"]["id"].as_str().context("it has an id")?.parse()?;
        }
        Ok(ids)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_leaves_the_devices_of_another_namespace_alone() -> Result<()> {
    let tenants = Tenants::new("tenant-operations", "").await?;
    let process = tenants.operator().await?;
    let (tenant, other) = (tenants.stage.namespace(), &*tenants.other);
    let ids = tenants.meters().await?.map(|id| id.to_string());
    let target = json!({"endpoints": [{"id": ids[0]}, {"id": ids[1]}]});
    let operation = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Operation", "metadata": {"name": "reset"},
        "spec": {"target": target, "action": {"resetConnectivity": {"data": true}}}});
    tenants.stage.apply_in(tenant, &operation.to_string()).await?;
    let ended = |object: &Value| !object["status"]["finishedAt"].is_null();
    let seen = tenants.until("it ends", (tenant, "Operation", "reset"), ended).await?;
    let results = seen["status"]["results"].as_array().cloned().unwrap_or_default();
    let result = |id: &str| results.iter().find(|result| result["target"] == id).cloned().unwrap_or_default();
    assert_eq!(result(&ids[0])["state"], "Succeeded", "{seen:#}");
    let left = result(&ids[1]);
    assert_eq!(
        (&left["state"], &left["reason"]),
        (&json!("Skipped"), &json!("OwnershipConflict")),
        "{seen:#}"
    );
    assert!(!left.to_string().contains(other), "whose it is elsewhere is nobody's business: {left}");
    let resets =
        tenants.stage.simulator().requests().count("PATCH", "/api/v1/endpoint/{endpoint_id}/connectivity");
    assert_eq!(resets, 1, "nothing is sent for it");
    process.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_hears_nothing_of_the_devices_of_another_namespace() -> Result<()> {
    let tenants = Tenants::new("tenant-triggers", "").await?;
    let process = tenants.operator().await?;
    let tenant = tenants.stage.namespace();
    let ids = tenants.meters().await?;
    let trigger = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "OperationTrigger", "metadata": {"name": "all"},
        "spec": {"when": {"event": {"types": ["15"]}}, "once": true, "operation": {"spec": {"action": {"sendSms": {"payload": "mine"}}}}}});
    tenants.stage.apply_in(tenant, &trigger.to_string()).await?;
    tenants.until("it listens", (tenant, "OperationTrigger", "all"), is_ready).await?;
    let now = tenants.stage.simulator().now();
    let told = tenants.stage.simulator().edit(|state| {
        let (organisation, next) = state.split(1001);
        for id in ids.iter().rev() {
            organisation.emit(next, now, emnify_simulator::state::Draft::new(15).endpoint(*id));
        }
    });
    told.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let sent = |id: u64| {
        move |platform: &emnify_simulator::state::Organisation| platform.endpoints[&id].sms.values().count()
    };
    holds(&tenants.stage, "its own device is told of", sent(ids[0]), 1).await?;
    holds(&tenants.stage, "the other is not", sent(ids[1]), 0).await?;
    let seen =
        tenants.until("it fired", (tenant, "OperationTrigger", "all"), |o| o["status"]["fired"] == 1).await?;
    let name = seen["status"]["lastOperation"].as_str().context("it names what it made")?;
    let made = tenants.get(tenant, "Operation", name).await?;
    assert!(!made.to_string().contains(&ids[1].to_string()), "not even its id is told: {made:#}");
    process.stop().await?;

    // whoever makes operations can make one that looks like the trigger's, for whichever device
    let owner = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "OperationTrigger", "name": "all",
        "uid": seen["metadata"]["uid"], "controller": true});
    let target = json!({"endpoints": [{"id": ids[1].to_string(), "cause": "999999"}]});
    let forged = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Operation",
        "metadata": {"name": "forged", "labels": {"emnify.io/trigger": "all"}, "ownerReferences": [owner]},
        "spec": {"target": target, "action": {"sendSms": {"payload": "mine"}}}});
    tenants.stage.apply_in(tenant, &forged.to_string()).await?;
    let process = tenants.operator().await?;
    let taken = |object: &Value| object["status"]["lastOperation"] == "forged";
    tenants.until("it is taken for the trigger's", (tenant, "OperationTrigger", "all"), taken).await?;
    let turns = |platform: &emnify_simulator::state::Organisation| {
        ids.map(|id| {
            let names = platform.endpoints[&id].tag_ids.iter().map(|tag| &platform.tags[tag].name);
            names.filter(|name| name.starts_with("k8s-once:")).count()
        })
    };
    assert_eq!(look(&tenants.stage, turns), [1, 0], "the other's device is not touched");
    process.stop().await.map(drop)
}
