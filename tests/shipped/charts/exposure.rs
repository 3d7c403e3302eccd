//! Whom pods speak to, and who may speak to them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{FULL, LEAST, of_kind, only, pod, rendered};

fn variable(objects: &[Value], name: &str) -> Option<String> {
    let env = pod(objects)["containers"][0]["env"].as_array()?;
    let found = env.iter().find(|variable| variable["name"] == name)?;
    found["value"].as_str().map(str::to_owned)
}

fn egress(objects: &[Value]) -> BTreeSet<i64> {
    let rules = only(objects, "NetworkPolicy")["spec"]["egress"].as_array().unwrap();
    let ports = rules.iter().flat_map(|rule| rule["ports"].as_array().unwrap());
    ports.filter_map(|port| port["port"].as_i64()).collect()
}

#[tokio::test]
async fn pods_reach_names_the_api_server_and_emnify_rendered_only() {
    let objects = rendered(LEAST).await;
    assert_eq!(egress(&objects), BTreeSet::from([53, 443, 6443, 8443, 16443]));
    let policy = only(&objects, "NetworkPolicy");
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    let labels = &only(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"];
    let selected = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
    assert!(selected.iter().all(|(key, value)| &labels[key] == value), "it holds for the operator's pods");
    assert_eq!(
        policy["spec"]["ingress"],
        json!([{"ports": [{"port": "admin", "protocol": "TCP"}]}]),
        "metrics and probes only"
    );
}

#[tokio::test]
async fn what_is_configured_is_reachable_without_another_setting_rendered_only() {
    let objects = rendered(FULL).await;
    let ports = egress(&objects);
    let wanted = [
        (3128, "the proxy"),
        (9443, "an allowed base URL"),
        (7443, "the API server"),
        (4318, "the collector"),
    ];
    for (port, what) in wanted {
        assert!(ports.contains(&port), "{what}: {ports:?}");
    }
    let ingress = &only(&objects, "NetworkPolicy")["spec"]["ingress"];
    assert_eq!(ingress[1]["ports"][0]["port"], "push", "who may push is let in");
    assert_eq!(ingress[1]["from"][0]["ipBlock"]["cidr"], "192.0.2.0/24");
}

#[tokio::test]
async fn nothing_is_open_for_pushes_until_they_are_wanted_rendered_only() {
    let names = async |values: &str| -> Vec<Value> {
        let objects = rendered(values).await;
        of_kind(&objects, "Service").iter().map(|service| service["metadata"]["name"].clone()).collect()
    };
    assert_eq!(names(LEAST).await, ["emnify-operator"]);
    assert_eq!(names(FULL).await, ["emnify-prod", "emnify-prod-push"]);
}

#[tokio::test]
async fn callbacks_about_sms_are_taken_where_their_keys_are_named_rendered_only() {
    let flag = "--sms-secret-file=/etc/emnify-operator/sms/keys";
    let args = |objects: &[Value]| pod(objects)["containers"][0]["args"].to_string();
    let full = rendered(FULL).await;
    assert!(args(&full).contains(flag));
    let volumes = pod(&full)["volumes"].as_array().unwrap();
    let keys = volumes.iter().find(|volume| volume["name"] == "sms").unwrap();
    assert_eq!(keys["secret"]["secretName"], "sms", "{keys}");
    let pushes = rendered(&format!("{LEAST}push: {{enabled: true, secret: {{name: push}}}}\n")).await;
    assert!(!args(&pushes).contains("--sms-secret-file"), "/sms is 404");
}

#[tokio::test]
async fn another_authority_is_trusted_besides_those_of_the_image_rendered_only() {
    for (source, kind) in [("configMap", "configMap"), ("secret", "secret")] {
        let objects =
            rendered(&format!("{LEAST}extraCA: {{{source}: authorities, key: bundle.pem}}\n")).await;
        let folders = variable(&objects, "SSL_CERT_DIR").expect("the variable that the TLS library reads");
        let mount = pod(&objects)["containers"][0]["volumeMounts"][0]["mountPath"].as_str().unwrap();
        assert_eq!(
            folders.split(':').collect::<Vec<_>>(),
            ["/etc/ssl/certs", mount],
            "one folder alone would replace the image's"
        );
        let volume = &pod(&objects)["volumes"][0][kind];
        assert_eq!(volume["items"][0]["key"], "bundle.pem", "{source}");
    }
    assert_eq!(variable(&rendered(LEAST).await, "SSL_CERT_DIR"), None);
}

#[tokio::test]
async fn a_proxy_is_for_emnify_and_not_for_the_cluster_rendered_only() {
    let values = format!("{LEAST}proxy: {{https: 'http://proxy.example:3128'}}\n");
    let objects = rendered(&values).await;
    assert_eq!(variable(&objects, "HTTPS_PROXY").as_deref(), Some("http://proxy.example:3128"));
    let direct = variable(&objects, "NO_PROXY").unwrap();
    assert!(
        direct.split(',').any(|host| host == ".svc"),
        "services of the cluster are called directly: {direct}"
    );
}
