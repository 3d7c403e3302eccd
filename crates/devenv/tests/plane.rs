//! The control plane as its users see it. All tests but those about its end share one.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use emnify_devenv::{ControlPlane, Error, Identity, Options, Output, shared};

/// Set for the process that `a_killed_process_leaves_nothing` kills: where to write the folder of its plane.
const VICTIM: &str = "EMNIFY_DEVENV_PLANE_VICTIM";

fn ok(output: Result<Output, Error>) -> String {
    let output = output.expect("kubectl starts");
    assert!(output.status.success(), "kubectl failed: {}", output.stderr);
    output.stdout
}

/// Polls until it holds; false after three minutes.
async fn eventually(holds: impl AsyncFn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(180);
    while !holds().await {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// How many running processes have the text in their command line. Zombies have none.
fn processes(text: &str) -> usize {
    let Ok(entries) = fs::read_dir("/proc") else {
        let listing =
            Command::new("ps").args(["-A", "-o", "args"]).output().expect("ps exists without /proc");
        return String::from_utf8_lossy(&listing.stdout).lines().filter(|line| line.contains(text)).count();
    };
    let lines = entries.flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

fn nothing_left(folder: &Path) -> bool {
    !folder.exists() && processes(&folder.to_string_lossy()) == 0
}

fn owned_config_map(namespace: &str, owner: &str) -> String {
    let metadata = format!("name: owned, namespace: {namespace}, ownerReferences: [{owner}]");
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{{metadata}}}}}")
}

#[tokio::test]
async fn kubectl_talks_to_a_real_api_server() {
    let plane = shared().await;
    let names = ok(plane.kubectl(&["get", "namespaces", "-o", "name"]).await);
    assert!(names.contains("namespace/kube-system"), "{names}");
    let version = ok(plane.kubectl(&["get", "--raw", "/version"]).await);
    assert!(version.contains("\"gitVersion\": \"v1."), "the server says which release it is: {version}");
}

#[tokio::test]
async fn two_tests_never_share_a_namespace() {
    let plane = shared().await;
    let (one, other) = (plane.namespace("fresh").await.unwrap(), plane.namespace("fresh").await.unwrap());
    assert_ne!(one.name(), other.name());
    ok(plane.kubectl(&["get", "namespace", &one, &other]).await);
}

#[tokio::test]
async fn rbac_forbids_what_is_not_granted() {
    let plane = shared().await;
    let namespace = plane.namespace("rbac").await.unwrap();
    ok(plane.kubectl(&["create", "serviceaccount", "reader", "-n", &namespace]).await);
    let token = plane.service_account_token(&namespace, "reader").await.unwrap();
    let reader = plane.kubeconfig_file(&format!("{namespace}-reader"), &token).unwrap();

    let list = ["get", "configmaps", "-n", &namespace];
    let refused = plane.kubectl_as(&reader, &list).await.unwrap();
    assert!(refused.stderr.contains("Forbidden"), "nothing is allowed until granted: {}", refused.stderr);
    let account = format!("--serviceaccount={namespace}:reader");
    ok(plane
        .kubectl(&["create", "rolebinding", "view", "--clusterrole=view", &account, "-n", &namespace])
        .await);
    let allowed = async || plane.kubectl_as(&reader, &list).await.unwrap().status.success();
    assert!(eventually(allowed).await, "a role binding grants it");
}

#[tokio::test]
async fn owned_objects_are_collected_with_their_owner() {
    let plane = shared().await;
    let namespace = plane.namespace("owner").await.unwrap();
    let create = |name| ["create", "configmap", name, "-n", &namespace, "-o", "jsonpath={.metadata.uid}"];
    let uid = ok(plane.kubectl(&create("owner")).await);
    let owner = format!("{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}");
    ok(plane.kubectl_with(&["apply", "-f", "-"], &owned_config_map(&namespace, &owner)).await);
    ok(plane.kubectl(&["delete", "configmap", "owner", "-n", &namespace]).await);
    let get = ["get", "configmap", "owned", "-n", &namespace, "--ignore-not-found"];
    let gone = async || ok(plane.kubectl(&get).await).is_empty();
    assert!(eventually(gone).await, "the garbage collector follows owner references");
}

/// A custom resource of which nothing is known but its name.
const TOYS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: toys.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Toy, plural: toys}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object}}
";

/// One start of its own, for options and for the orderly end.
#[tokio::test]
async fn a_stopped_plane_knew_its_options_and_leaves_nothing() {
    let identities = vec![Identity { groups: vec!["system:masters".into()], ..Identity::new("chief") }];
    let plane =
        ControlPlane::start(Options { identities, manifests: TOYS.into(), keep: false }).await.unwrap();
    let chief = plane.kubeconfig_file("chief", plane.token("chief").unwrap()).unwrap();
    let who = ok(plane.kubectl_as(&chief, &["auth", "whoami"]).await);
    assert!(
        who.contains("chief") && who.contains("system:masters"),
        "an identity keeps name and groups: {who}"
    );
    let unknown = plane.token("nobody").unwrap_err().to_string();
    assert!(unknown.contains("\"nobody\"") && unknown.contains("Options::identities"), "{unknown}");

    let toy = "{apiVersion: example.com/v1, kind: Toy, metadata: {name: owner, namespace: default}}";
    ok(plane.kubectl_with(&["create", "-f", "-"], toy).await);
    let uid = ok(plane.kubectl(&["get", "toy", "owner", "-o", "jsonpath={.metadata.uid}"]).await);
    let owner = format!("{{apiVersion: example.com/v1, kind: Toy, name: owner, uid: {uid}}}");
    ok(plane.kubectl_with(&["apply", "-f", "-"], &owned_config_map("default", &owner)).await);
    ok(plane.kubectl(&["delete", "toy", "owner"]).await);
    let gone =
        async || ok(plane.kubectl(&["get", "configmap", "owned", "--ignore-not-found"]).await).is_empty();
    assert!(eventually(gone).await, "what an object of a kind of the options owns is collected with it");

    let folder = plane.folder().to_owned();
    let pattern = folder.to_str().unwrap();
    assert!(processes(pattern) >= 4, "the servers run while the plane lives");
    plane.stop().await;
    assert!(nothing_left(&folder), "no process and no file outlives a stopped plane");
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn victim() {
    let Some(answer) = env::var_os(VICTIM) else { return };
    let folder = shared().await.folder().to_str().unwrap().to_owned();
    let draft = Path::new(&answer).with_extension("draft");
    fs::write(&draft, folder).unwrap();
    fs::rename(draft, answer).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_process_leaves_nothing() {
    // The programs are built by now, however long that took; the victim only starts them.
    shared().await;
    let scratch = tempfile::tempdir().unwrap();
    let answer = scratch.path().join("folder");
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "victim"])
        .env(VICTIM, &answer)
        .env_remove("KEEP")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(eventually(async || answer.exists()).await, "the victim has a plane");
    let folder = fs::read_to_string(&answer).unwrap();
    assert!(processes(&folder) >= 4, "its servers run");
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert!(
        eventually(async || nothing_left(Path::new(&folder))).await,
        "SIGKILL leaves no process and no file"
    );
}
