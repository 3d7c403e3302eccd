//! What runs, and where.

use clap::Parser as _;
use emnify_operator::{
    cli::{Cli, Command},
    settings::{LogFormat, Namespaces, Settings},
};
use serde_json::{Value, json};

use super::{FULL, LEAST, NAMESPACED, of_kind, only, pod, rendered, strings};

/// What the operator makes of the arguments of the only Deployment.
fn settings(objects: &[Value]) -> Settings {
    understood(&pod(objects)["containers"][0]["args"])
}

fn understood(arguments: &Value) -> Settings {
    let arguments = strings(arguments);
    let typed = ["emnify-operator"].into_iter().chain(arguments.iter().copied());
    let cli = Cli::try_parse_from(typed).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    let Command::Run(run) = cli.command else { panic!("the container runs the operator: {arguments:?}") };
    Settings::new(&run).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

#[tokio::test]
async fn the_operator_takes_the_arguments_as_they_are_meant() {
    let least = settings(&rendered(LEAST).await);
    assert_eq!(least.installation, "test");
    assert_eq!(least.namespaces, Namespaces::All);
    assert!(least.push.is_none() && least.sweep_interval.is_none(), "nothing is on that nobody asked for");

    let full = settings(&rendered(FULL).await);
    assert!((full.ip_share - 0.5).abs() < f64::EPSILON);
    assert_eq!(full.sweep_interval.map(|interval| interval.as_secs()), Some(300));
    assert_eq!(full.log_format, LogFormat::Text);
    assert_eq!(full.log_filter, "info,emnify=debug");
    assert_eq!(full.otlp_endpoint.as_deref(), Some("http://collector.monitoring:4318"));
    assert!(full.hosts.admit(Some("https://emnify.example:9443")).is_ok(), "each allowed URL is an argument");
    assert_eq!(full.push.expect("push is on").header.as_str(), "x-push-secret");

    let namespaced = settings(&rendered(NAMESPACED).await);
    assert!(namespaced.namespaces.serves("trackers") && !namespaced.namespaces.serves("emnify-system"));
}

#[tokio::test]
async fn the_operators_namespace_is_that_of_its_pod() {
    for values in [LEAST, FULL] {
        let objects = rendered(values).await;
        let container = &pod(&objects)["containers"][0];
        let env = container["env"].as_array().unwrap().iter();
        let found = env.clone().find(|variable| variable["name"] == "EMNIFY_OPERATOR_NAMESPACE");
        let field = &found.expect("it is told")["valueFrom"]["fieldRef"]["fieldPath"];
        assert_eq!(field, "metadata.namespace", "whoever moves the Pod moves Lease and Secrets with it");
        let told = strings(&container["args"]).into_iter().any(|arg| arg.contains("operator-namespace"));
        assert!(!told, "an argument would win over the variable");
    }
    let mut cli = <Cli as clap::CommandFactory>::command();
    let run = cli.find_subcommand_mut("run").expect("the container runs it");
    let flag = run.get_arguments().find(|arg| arg.get_long() == Some("operator-namespace")).expect("a flag");
    assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some("EMNIFY_OPERATOR_NAMESPACE"));
}

#[tokio::test]
async fn ports_and_probes_are_where_the_operator_listens_rendered_only() {
    for values in [LEAST, FULL] {
        let objects = rendered(values).await;
        let (settings, container) = (settings(&objects), &pod(&objects)["containers"][0]);
        let port = |name: &str| {
            let ports = container["ports"].as_array().unwrap();
            ports.iter().find(|port| port["name"] == name).map(|port| port["containerPort"].clone())
        };
        assert_eq!(port("admin"), Some(json!(settings.admin_addr.port())));
        assert_eq!(port("push"), settings.push.map(|push| json!(push.addr.port())));
        for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
            assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "admin"}), "{probe}");
        }
        for service in of_kind(&objects, "Service") {
            let target = service["spec"]["ports"][0]["targetPort"].as_str().unwrap();
            assert!(port(target).is_some(), "a Service points to a port of the container: {target}");
        }
    }
}

#[tokio::test]
async fn a_push_receiver_reads_its_secret_from_where_it_is_mounted_rendered_only() {
    let objects = rendered(FULL).await;
    let file = settings(&objects).push.expect("push is on").secret_file;
    let pod = pod(&objects);
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| file.starts_with(mount["mountPath"].as_str().unwrap())).unwrap();
    let volumes = pod["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
    assert_eq!(volume["secret"]["secretName"], "push");
    let item = json!({"key": "value", "path": file.file_name().unwrap().to_str()});
    assert_eq!(volume["secret"]["items"], json!([item]), "the key that the values name");
}

#[tokio::test]
async fn a_digest_wins_over_a_tag() {
    let image = async |values: &str| {
        pod(&rendered(&format!("{LEAST}{values}")).await)["containers"][0]["image"].clone()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(image("").await, format!("emnify-operator:{version}"), "the chart's own version");
    assert_eq!(image("image: {tag: v9}").await, "emnify-operator:v9");
    let digest = format!("sha256:{}", "a".repeat(64));
    let both = format!("image: {{repository: r.example/x, tag: v9, digest: '{digest}'}}");
    assert_eq!(image(&both).await, format!("r.example/x@{digest}"), "what was signed is what runs");
}

#[tokio::test]
async fn pods_ask_for_nothing_that_restricted_namespaces_refuse() {
    for values in [LEAST, FULL, NAMESPACED] {
        let objects = rendered(values).await;
        let (pod, container) = (pod(&objects), &pod(&objects)["containers"][0]["securityContext"]);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["capabilities"], json!({"drop": ["ALL"]}));
    }
}

#[tokio::test]
async fn memory_is_limited_and_processor_time_is_not_rendered_only() {
    let objects = rendered(LEAST).await;
    let resources = &pod(&objects)["containers"][0]["resources"];
    assert!(resources["limits"]["memory"].is_string() && resources["requests"]["memory"].is_string());
    assert!(resources["limits"].get("cpu").is_none(), "a limit slows start-up and saves nothing");
}

#[tokio::test]
async fn two_replicas_keep_apart_and_a_drain_takes_one_rendered_only() {
    let objects = rendered(LEAST).await;
    let deployment = only(&objects, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let selects = |selector: &Value| {
        let wanted = selector["matchLabels"].as_object().expect("a selector of labels");
        !wanted.is_empty() && wanted.iter().all(|(key, value)| &labels[key] == value)
    };
    assert!(selects(&deployment["spec"]["selector"]));
    let budget = only(&objects, "PodDisruptionBudget");
    assert!(budget["spec"]["minAvailable"] == 1 && selects(&budget["spec"]["selector"]));
    let pod = pod(&objects);
    let term = &pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert!(term["topologyKey"] == "kubernetes.io/hostname" && selects(&term["labelSelector"]));
    assert!(selects(&pod["topologySpreadConstraints"][0]["labelSelector"]), "zones are spread over");

    let one = rendered(&format!("{LEAST}replicas: 1\n")).await;
    assert!(of_kind(&one, "PodDisruptionBudget").is_empty(), "one replica must not block a drain");
}

#[tokio::test]
async fn a_users_affinity_is_added_to_the_charts_rendered_only() {
    let objects = rendered(FULL).await;
    let affinity = &pod(&objects)["affinity"];
    assert!(affinity["nodeAffinity"].is_object(), "theirs");
    let required = &affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(required.as_array().map(Vec::len), Some(1), "ours, as podAntiAffinity says");
    let none = rendered(&format!("{LEAST}podAntiAffinity: none\n")).await;
    assert!(pod(&none).get("affinity").is_none());
}

#[tokio::test]
async fn there_is_time_to_finish_what_is_under_way_rendered_only() {
    let grace = pod(&rendered(LEAST).await)["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace >= 5, "1.5 s for calls, then the lease: {grace}");
}

#[tokio::test]
async fn replicas_take_turns_by_a_lease_with_the_objects_name() {
    let full = settings(&rendered(FULL).await).lead;
    assert!(full.elect && full.shard.lease() == "emnify-prod" && full.shard.selects_all());
    let terms = [full.terms.duration, full.terms.renew, full.terms.retry].map(|term| term.as_secs());
    assert_eq!(terms, [30, 20, 4]);

    let alone = rendered(&format!("{LEAST}replicas: 1\nleaderElection: {{enabled: false}}\n")).await;
    assert!(!settings(&alone).lead.elect);
    let strategy = &only(&alone, "Deployment")["spec"]["strategy"]["type"];
    assert_eq!(strategy, "Recreate", "without a lease two must never run at once");
}

#[tokio::test]
async fn each_shard_is_a_deployment_of_its_own() {
    let shards = "shards: [{name: eu, selector: region=eu}, {name: rest, selector: region!=eu}]\n";
    let objects = rendered(&format!("{LEAST}{shards}")).await;
    let (deployments, budgets) = (of_kind(&objects, "Deployment"), of_kind(&objects, "PodDisruptionBudget"));
    assert_eq!((deployments.len(), budgets.len()), (2, 2));
    let mut leases = Vec::new();
    for (deployment, budget) in deployments.iter().zip(budgets) {
        let template = &deployment["spec"]["template"];
        let settings = understood(&template["spec"]["containers"][0]["args"]);
        assert!(!settings.lead.shard.selects_all(), "it serves its part");
        let name = &template["metadata"]["labels"]["emnify.io/shard"];
        assert_eq!(name, &settings.lead.shard_name, "metrics call it by its name");
        assert!((settings.ip_share - 0.5).abs() < f64::EPSILON, "they share what one address may ask for");
        leases.push(settings.lead.shard.lease().to_owned());
        let selector = &deployment["spec"]["selector"]["matchLabels"];
        assert_eq!(&budget["spec"]["selector"]["matchLabels"], selector, "a drain leaves one of each");
        for (key, value) in selector.as_object().unwrap() {
            assert_eq!(&template["metadata"]["labels"][key], value);
        }
        let spread = &template["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"];
        assert_eq!(spread, selector, "replicas of a shard keep apart, shards need not");
    }
    assert_ne!(leases[0], leases[1], "one lease each");
    assert_ne!(
        deployments[0]["spec"]["selector"], deployments[1]["spec"]["selector"],
        "no Deployment takes the pods of another"
    );
    let service = only(&objects, "Service")["spec"]["selector"].as_object().unwrap();
    assert!(!service.contains_key("emnify.io/shard"), "metrics are those of all");
}
