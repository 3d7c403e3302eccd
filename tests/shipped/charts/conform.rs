//! Everything that is applied conforms to its schema, field by field.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use emnify_devenv::tools;

use super::{FULL, LEAST, NAMESPACED, ROOT, schemas, text};

/// `kubeconform -strict`, without a network.
async fn kubeconform(manifests: &str) -> Output {
    let program = tools::kubeconform().await.expect("kubeconform is there or can be built");
    let folder = tempfile::tempdir().unwrap();
    schemas::write(folder.path());
    let location = folder.path().join(schemas::TEMPLATE);
    let mut child = Command::new(program)
        .args(["-strict", "-summary", "-verbose", "-schema-location"])
        .arg(location)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubeconform starts");
    child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

async fn conforms(what: &str, manifests: &str) {
    let output = kubeconform(manifests).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("Errors: 0, Skipped: 0"), "{what}: {said}");
}

#[tokio::test]
async fn what_helm_renders_conforms() {
    for values in [LEAST, FULL, NAMESPACED] {
        conforms(values, &text("emnify-operator", &[values]).await).await;
    }
    conforms("definitions", &text("emnify-operator-crds", &[]).await).await;
}

#[tokio::test]
async fn a_misspelt_field_is_found() {
    let rendered = text("emnify-operator", &[LEAST]).await;
    for (right, wrong) in [("readinessProbe:", "readynessProbe:"), ("minAvailable:", "minimum:")] {
        let output = kubeconform(&rendered.replacen(right, wrong, 1)).await;
        assert!(!output.status.success(), "{wrong} is no field: the schemas are strict");
    }
    let device =
        "apiVersion: emnify.io/v1alpha1\nkind: Endpoint\nmetadata: {name: a}\nspec: {enbled: true}\n";
    assert!(!kubeconform(device).await.status.success(), "nor is enbled, in a kind of ours");
}

#[tokio::test]
async fn plain_manifests_conform() {
    for file in ["deploy/namespace.yaml", "deploy/operator.yaml"] {
        conforms(file, &fs::read_to_string(Path::new(ROOT).join(file)).unwrap()).await;
    }
    let mut examples = String::new();
    for entry in fs::read_dir(Path::new(ROOT).join("examples/quickstart")).unwrap().flatten() {
        let name = entry.file_name();
        if entry.path().extension().is_some_and(|end| end == "yaml") && name != "kustomization.yaml" {
            examples += "---\n";
            examples += &fs::read_to_string(entry.path()).unwrap();
        }
    }
    conforms("examples/quickstart", &examples).await;
}
