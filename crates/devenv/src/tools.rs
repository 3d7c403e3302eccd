//! The programs that check what is shipped besides the binary: charts, alert rules, workflows. They come from the
//! folder `EMNIFY_DEVENV_TOOLS`, or are built once per user with Go into the same cache as the control plane.
//!
//! Cold builds on 2 cores, an empty Go cache and a busy machine: helm 76 s, promtool 230 s of processor time,
//! kubeconform and actionlint 40 s each, most of it Go's own library, which later builds share.

use std::path::PathBuf;

use crate::{
    assets::{
        self,
        control_plane::CONTROL_PLANE,
        recipe::{Part, Program, Recipe, Stamp},
    },
    error::Error,
};

/// Names a folder with the programs, for users who have them.
const VARIABLE: &str = "EMNIFY_DEVENV_TOOLS";

/// Every tool.
#[cfg(test)]
pub(crate) static ALL: [&Recipe; 4] = [&HELM, &KUBECONFORM, &PROMTOOL, &ACTIONLINT];

static HELM: Recipe = Recipe {
    name: "helm",
    variable: VARIABLE,
    shelf: "tools/helm",
    module: "helm.sh/helm/v3",
    go_mod: include_str!("../tools/helm/go.mod"),
    go_sum: include_str!("../tools/helm/go.sum"),
    programs: &[Program {
        name: "helm",
        package: "helm.sh/helm/v3/cmd/helm",
        tags: "",
        // Without them a chart is rendered and linted for Kubernetes 1.20.
        stamps: &[
            Stamp {
                variable: "helm.sh/helm/v3/internal/version.version",
                module: "helm.sh/helm/v3",
                part: Part::Whole,
            },
            Stamp {
                variable: "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor",
                module: "k8s.io/client-go",
                part: Part::One,
            },
            Stamp {
                variable: "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor",
                module: "k8s.io/client-go",
                part: Part::Minor,
            },
            Stamp {
                variable: "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor",
                module: "k8s.io/client-go",
                part: Part::One,
            },
            Stamp {
                variable: "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor",
                module: "k8s.io/client-go",
                part: Part::Minor,
            },
        ],
    }],
};

static KUBECONFORM: Recipe = Recipe {
    name: "kubeconform",
    variable: VARIABLE,
    shelf: "tools/kubeconform",
    module: "github.com/yannh/kubeconform",
    go_mod: include_str!("../tools/kubeconform/go.mod"),
    go_sum: include_str!("../tools/kubeconform/go.sum"),
    programs: &[Program {
        name: "kubeconform",
        package: "github.com/yannh/kubeconform/cmd/kubeconform",
        tags: "",
        stamps: &[],
    }],
};

static PROMTOOL: Recipe = Recipe {
    name: "promtool",
    variable: VARIABLE,
    shelf: "tools/promtool",
    module: "github.com/prometheus/prometheus",
    go_mod: include_str!("../tools/promtool/go.mod"),
    go_sum: include_str!("../tools/promtool/go.sum"),
    programs: &[Program {
        name: "promtool",
        package: "github.com/prometheus/prometheus/cmd/promtool",
        // Discovery of scrape targets is a fifth of the program and has nothing to do with rules.
        tags: "remove_all_sd",
        stamps: &[Stamp {
            variable: "github.com/prometheus/common/version.Version",
            module: "github.com/prometheus/prometheus",
            part: Part::Whole,
        }],
    }],
};

static ACTIONLINT: Recipe = Recipe {
    name: "actionlint",
    variable: VARIABLE,
    shelf: "tools/actionlint",
    module: "github.com/rhysd/actionlint",
    go_mod: include_str!("../tools/actionlint/go.mod"),
    go_sum: include_str!("../tools/actionlint/go.sum"),
    programs: &[Program {
        name: "actionlint",
        package: "github.com/rhysd/actionlint/cmd/actionlint",
        tags: "",
        stamps: &[],
    }],
};

/// Path of `helm`, which renders and lints charts.
pub async fn helm() -> Result<PathBuf, Error> {
    program(&HELM).await
}

/// Path of `kubeconform`, which checks manifests against JSON schemas.
pub async fn kubeconform() -> Result<PathBuf, Error> {
    program(&KUBECONFORM).await
}

/// Path of `promtool`, which checks and tests alert rules.
pub async fn promtool() -> Result<PathBuf, Error> {
    program(&PROMTOOL).await
}

/// Path of `actionlint`, which checks GitHub workflows.
pub async fn actionlint() -> Result<PathBuf, Error> {
    program(&ACTIONLINT).await
}

/// Path of the control plane's `kubectl`, for what needs no cluster, such as `kubectl kustomize`.
pub async fn kubectl() -> Result<PathBuf, Error> {
    Ok(assets::folder(&CONTROL_PLANE).await?.join("kubectl"))
}

async fn program(recipe: &'static Recipe) -> Result<PathBuf, Error> {
    Ok(assets::folder(recipe).await?.join(recipe.name))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use super::*;

    fn says(program: &Path, argument: &str) -> String {
        let output = Command::new(program).arg(argument).output().expect("it starts");
        assert!(
            output.status.success(),
            "{}: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[tokio::test]
    async fn each_tool_is_there_and_tells_its_version() {
        let helm = says(&helm().await.unwrap(), "version");
        assert!(
            helm.contains("Version:\"v3."),
            "charts that ask for a version of helm get an answer: {helm}"
        );
        says(&kubeconform().await.unwrap(), "-v");
        let promtool = says(&promtool().await.unwrap(), "--version");
        assert!(promtool.contains("version v0."), "{promtool}");
        says(&actionlint().await.unwrap(), "-version");
    }

    #[tokio::test]
    async fn charts_are_rendered_for_a_kubernetes_of_today() {
        let helm = helm().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let chart = "apiVersion: v2\nname: probe\nversion: 1.0.0\nkubeVersion: '>=1.33.0-0'\n";
        std::fs::write(folder.path().join("Chart.yaml"), chart).unwrap();
        let output = Command::new(helm).arg("template").arg(folder.path()).output().unwrap();
        assert!(
            output.status.success(),
            "helm's own default is 1.20: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
