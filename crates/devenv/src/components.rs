//! The command lines of the three servers.

use std::{
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// Loopback ports that were free a moment ago.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    etcd_peer: u16,
    pub(crate) api: u16,
}

impl Ports {
    pub(crate) fn free() -> io::Result<Self> {
        // All three are held until all are known, so that they differ.
        let held = [reserve()?, reserve()?, reserve()?];
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
        Ok(Self { etcd: port(&held[0])?, etcd_peer: port(&held[1])?, api: port(&held[2])? })
    }
}

fn reserve() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0))
}

/// The files of a control plane.
#[derive(Debug, Clone)]
pub(crate) struct Layout(pub(crate) PathBuf);

impl Layout {
    pub(crate) fn certificates(&self) -> PathBuf {
        self.0.join("certs")
    }

    pub(crate) fn serving_certificate(&self) -> PathBuf {
        self.certificates().join("apiserver.crt")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.certificates().join("ca.crt")
    }

    pub(crate) fn signing_key(&self) -> PathBuf {
        self.0.join("service-account.key")
    }

    pub(crate) fn tokens(&self) -> PathBuf {
        self.0.join("tokens.csv")
    }

    /// A kubeconfig; `admin` is the one for people.
    pub(crate) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.kubeconfig"))
    }

    pub(crate) fn kuberc(&self) -> PathBuf {
        self.0.join("kuberc")
    }

    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.0.join(format!("{component}.log"))
    }
}

/// The store. A crash of the machine may lose it: nobody needs it then.
pub(crate) fn etcd(assets: &Path, layout: &Layout, ports: Ports) -> Command {
    let clients = format!("http://127.0.0.1:{}", ports.etcd);
    let peers = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut etcd = Command::new(assets.join("etcd"));
    etcd.arg("--data-dir").arg(layout.0.join("etcd"));
    etcd.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    etcd.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    etcd.args(["--initial-cluster", &format!("default={peers}")]);
    etcd.args(["--unsafe-no-fsync", "--log-level", "error"]);
    etcd
}

/// The API server with RBAC, default admission and its own serving certificate.
pub(crate) fn api_server(assets: &Path, layout: &Layout, ports: Ports) -> Command {
    let mut api = Command::new(assets.join("kube-apiserver"));
    api.arg("--etcd-servers").arg(format!("http://127.0.0.1:{}", ports.etcd));
    api.args(["--bind-address", "127.0.0.1", "--secure-port", &ports.api.to_string()]);
    // No address of the machine is asked for or published: it may have none but loopback.
    api.args(["--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none"]);
    api.arg("--cert-dir").arg(layout.certificates());
    api.arg("--token-auth-file").arg(layout.tokens());
    api.args(["--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24"]);
    api.args(["--service-account-issuer", "https://kubernetes.default.svc"]);
    api.arg("--service-account-key-file").arg(layout.signing_key());
    api.arg("--service-account-signing-key-file").arg(layout.signing_key());
    api
}

/// What makes owner references, namespace deletion and service accounts real. Nothing is scheduled here, so
/// controllers of workloads are left out.
pub(crate) fn controller_manager(assets: &Path, layout: &Layout) -> Command {
    const CONTROLLERS: [&str; 6] = [
        "clusterrole-aggregation-controller",
        "garbage-collector-controller",
        "namespace-controller",
        "root-ca-certificate-publisher-controller",
        "serviceaccount-controller",
        "serviceaccount-token-controller",
    ];
    let mut manager = Command::new(assets.join("kube-controller-manager"));
    manager.arg("--kubeconfig").arg(layout.kubeconfig("kube-controller-manager"));
    manager.args(["--leader-elect=false", "--secure-port=0"]);
    manager.arg(format!("--controllers={}", CONTROLLERS.join(",")));
    manager.arg("--service-account-private-key-file").arg(layout.signing_key());
    manager.arg("--root-ca-file").arg(layout.ca());
    // The defaults (20/s) would make the clean-up of one test the waiting time of the next.
    manager.args(["--kube-api-qps", "200", "--kube-api-burst", "400"]);
    manager
}
