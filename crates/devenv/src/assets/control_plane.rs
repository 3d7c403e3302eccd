//! The programs a control plane consists of.

use super::recipe::{Part, Program, Recipe, Stamp};

pub(crate) static CONTROL_PLANE: Recipe = Recipe {
    name: "the Kubernetes control plane",
    variable: "KUBEBUILDER_ASSETS",
    shelf: "",
    module: KUBERNETES,
    go_mod: include_str!("../../control-plane/go.mod"),
    go_sum: include_str!("../../control-plane/go.sum"),
    programs: &[
        Program { name: "etcd", package: "go.etcd.io/etcd/server/v3", tags: "", stamps: &[] },
        kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        kubernetes("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ],
};

const KUBERNETES: &str = "k8s.io/kubernetes";

const fn kubernetes(name: &'static str, package: &'static str) -> Program {
    Program { name, package, tags: "", stamps: VERSION }
}

/// Without them the API server calls itself v0.0.0 and clients that look at the version refuse it.
const VERSION: &[Stamp] = &[
    Stamp { variable: "k8s.io/component-base/version.gitVersion", module: KUBERNETES, part: Part::Whole },
    Stamp { variable: "k8s.io/component-base/version.gitMajor", module: KUBERNETES, part: Part::Major },
    Stamp { variable: "k8s.io/component-base/version.gitMinor", module: KUBERNETES, part: Part::Minor },
];
