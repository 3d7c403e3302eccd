//! Values that make no sense are refused before anything is installed, by name.

use super::{LEAST, folder, helm};

/// What Helm says to values that it must refuse.
async fn refused(values: &str) -> String {
    let folder = folder("emnify-operator");
    let output = helm(&["template", "x", folder.to_str().unwrap()], &[values]).await;
    assert!(!output.status.success(), "refused: {values}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn an_installation_must_be_named_and_the_message_says_why() {
    let said = refused("").await;
    assert!(said.contains("--set installation=") && said.contains("must differ between clusters"), "{said}");
}

#[tokio::test]
async fn each_refusal_names_the_value() {
    let digest = "image: {digest: latest}";
    for (values, path) in [
        ("replicas: 0", "/replicas"),
        ("ipShare: 0", "/ipShare"),
        ("sweepInterval: daily", "/sweepInterval"),
        ("logFormat: xml", "/logFormat"),
        ("allowedBaseUrls: ['http://emnify.example']", "/allowedBaseUrls/0"),
        ("watchNamespaces: [Meters]", "/watchNamespaces/0"),
        ("podAntiAffinity: soft", "/podAntiAffinity"),
        ("leaderElection: {leaseDuration: 1m}", "/leaderElection/leaseDuration"),
        ("shards: [{name: eu}]", "/shards/0"),
        ("service: {port: 0}", "/service/port"),
        ("proxy: {https: 'proxy.example:3128'}", "/proxy/https"),
        ("otlpEndpoint: 'collector:4317'", "/otlpEndpoint"),
        ("resources: {limits: {memory: much}}", "/resources/limits/memory"),
        ("terminationGracePeriodSeconds: 1", "/terminationGracePeriodSeconds"),
        (digest, "/image/digest"),
    ] {
        let said = refused(&format!("{LEAST}{values}\n")).await;
        assert!(said.contains(&format!("at '{path}'")), "{values}: {said}");
    }
}

#[tokio::test]
async fn a_misspelt_value_is_refused_and_not_ignored() {
    for values in ["replicaCount: 3", "image: {sha: x}", "push: {secretName: x}", "resources: {limit: {}}"] {
        let said = refused(&format!("{LEAST}{values}\n")).await;
        assert!(said.contains("additional properties"), "{values}: {said}");
    }
}

#[tokio::test]
async fn combinations_that_cannot_work_are_refused_with_the_mend() {
    for (values, said) in [
        ("push: {enabled: true}", "push.secret.name: with push.enabled=true, name the Secret"),
        (
            "extraEnv: [{name: EMNIFY_OPERATOR_NAMESPACE, value: x}]",
            "extraEnv: EMNIFY_OPERATOR_NAMESPACE is the namespace of the Pod",
        ),
        ("extraVolumes: [{name: ca, emptyDir: {}}]", "extraVolumes: ca is a volume of the chart"),
        (
            "extraVolumeMounts: [{name: a, mountPath: /etc/emnify-operator/ca/}]",
            "extraVolumeMounts: /etc/emnify-operator/ca/ is a folder of the chart",
        ),
        ("extraCA: {configMap: a, secret: b}", "extraCA: set configMap or secret"),
        ("podDisruptionBudget: {minAvailable: 2}", "podDisruptionBudget.minAvailable: 2 of 2 replicas"),
        ("leaderElection: {enabled: false}", "leaderElection.enabled: 2 replicas need it"),
        (
            "leaderElection: {enabled: false}\nreplicas: 1\nshards: [{name: a, selector: b}]",
            "leaderElection.enabled: shards need it",
        ),
        ("shards: [{name: eu, selector: a}, {name: eu, selector: b}]", "shards: two are named eu"),
        ("serviceAccount: {create: false}", "serviceAccount.name: with serviceAccount.create=false"),
    ] {
        let output = refused(&format!("{LEAST}{values}\n")).await;
        assert!(output.contains(said), "{values}: {output}");
    }
}
