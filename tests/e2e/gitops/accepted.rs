//! The manifests for the tools themselves, against the tools' own definitions (tests/vendor/gitops).

use anyhow::ensure;
use emnify_harness::stage::{Options, Stage};

use crate::support::Result;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

async fn apply(stage: &Stage, folder: &str, flags: &[&str]) -> Result<String> {
    let folder = format!("{ROOT}/{folder}");
    let arguments = [&["apply", "--server-side", "--recursive", "-f", &folder], flags].concat();
    // without a namespace of the stage: the manifests name theirs
    let output = stage.plane().kubectl(&arguments).await?;
    ensure!(output.status.success(), "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
    Ok(output.stdout)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_for_argo_cd_and_flux_are_accepted() -> Result<()> {
    let stage = Stage::start(Options::shared("accepted")).await?;
    let definitions = apply(&stage, "tests/vendor/gitops", &[]).await?;
    let established = ["wait", "--for=condition=Established", "--timeout=60s"];
    let names: Vec<_> = definitions.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let waited = stage.plane().kubectl(&[&established[..], &names].concat()).await?;
    ensure!(waited.status.success(), "{}", waited.stderr);
    for namespace in ["argocd", "flux-system", "emnify-system", "fleet"] {
        let made = stage.plane().kubectl(&["create", "namespace", namespace]).await?;
        ensure!(made.status.success() || made.stderr.contains("already exists"), "{}", made.stderr);
    }
    let dry = ["--dry-run=server", "--validate=strict"];
    for (folder, count) in
        [("examples/gitops/argocd", 4), ("examples/gitops/flux", 11), ("examples/gitops/fleet", 5)]
    {
        let flags = if folder.ends_with("fleet") {
            [&dry[..], &["--namespace=fleet"]].concat()
        } else {
            dry.to_vec()
        };
        let said = apply(&stage, folder, &flags).await?;
        assert_eq!(said.lines().count(), count, "every manifest of {folder} is looked at:\n{said}");
    }
    let customised = apply(&stage, "gitops/argocd", &[&dry[..], &["--force-conflicts"]].concat()).await?;
    assert_eq!(customised.lines().count(), 1, "the keys of the ConfigMap are keys: {customised}");
    let patch = apply(&stage, "gitops/flux", &[&dry[..], &["--namespace=flux-system"]].concat()).await;
    let said = format!("{:#}", patch.expect_err("a patch is no whole Kustomization"));
    assert!(!said.contains("unknown field"), "its fields are Flux's: {said}");
    Ok(())
}
