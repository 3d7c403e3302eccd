//! Brings the servers up in order and waits for each.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    net::{SocketAddr, TcpStream},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use secrecy::SecretString;

use crate::{
    assets::notice,
    components::{self, Layout, Ports},
    error::{Error, io},
    identity::{self, Credential},
    kubectl::{KUBERC, Kubectl},
    options::Options,
    signing, tail,
    watchdog::Watchdog,
};

/// For one component to get ready. Only a broken one takes as long; one that ends is noticed at once.
const DEADLINE: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(300);

/// A control plane that answers.
pub(crate) struct Running {
    pub(crate) watchdog: Watchdog,
    pub(crate) server: String,
    pub(crate) ca_pem: String,
    pub(crate) kubectl: Kubectl,
}

pub(crate) async fn start(
    assets: &Path,
    credentials: &[Credential],
    options: &Options,
) -> Result<Running, Error> {
    let folder = std::env::temp_dir().join(format!("emnify-devenv-{:016x}", rand::random::<u64>()));
    let watchdog = Watchdog::over(folder.clone(), options.keep).map_err(io("create", &folder))?;
    // Said first, so that a start that fails can be looked into as well.
    if options.keep {
        notice(&format!("logs, state and kubeconfig stay in {}", folder.display()));
    }
    let layout = Layout(folder);
    let ports = Ports::free().map_err(io("find a port for", "etcd"))?;
    let manager = Credential::master("system:kube-controller-manager");
    let all: Vec<_> = credentials.iter().chain([&manager]).cloned().collect();
    private_file(&layout.tokens(), &identity::token_file(&all))?;
    let key = signing::generate_pem()
        .map_err(|error| io("make", layout.signing_key())(std::io::Error::other(error)))?;
    private_file(&layout.signing_key(), &key)?;

    let mut servers = Servers { watchdog, layout: layout.clone(), started: Vec::new() };
    servers.spawn("etcd", components::etcd(assets, &layout, ports))?;
    servers.wait(async || accepts(ports.etcd)).await?;
    servers.spawn("kube-apiserver", components::api_server(assets, &layout, ports))?;
    let certificates = layout.serving_certificate();
    servers.wait(async || certificates.exists() && accepts(ports.api)).await?;

    let server = format!("https://127.0.0.1:{}", ports.api);
    let ca_pem = last_certificate(&fs::read_to_string(&certificates).map_err(io("read", &certificates))?);
    fs::write(layout.ca(), &ca_pem).map_err(io("write", layout.ca()))?;
    let admin = &credentials.first().expect("the admin comes first").token;
    for (name, token) in [("admin", admin), ("kube-controller-manager", &manager.token)] {
        private_file(&layout.kubeconfig(name), &identity::kubeconfig(&server, &ca_pem, token))?;
    }
    fs::write(layout.kuberc(), KUBERC).map_err(io("write", layout.kuberc()))?;
    let kubectl = Kubectl {
        program: assets.join("kubectl"),
        kubeconfig: layout.kubeconfig("admin"),
        home: layout.0.clone(),
        group: servers.watchdog.group(),
    };
    let succeeds = async |arguments: &[&str]| {
        kubectl.run(arguments, None).await.is_ok_and(|output| output.status.success())
    };
    servers.wait(async || succeeds(&["get", "--raw", "/readyz"]).await).await?;
    apply(&kubectl, &options.manifests).await?;
    servers.spawn("kube-controller-manager", components::controller_manager(assets, &layout))?;
    // One of its controllers makes this account: proof that they run.
    servers.wait(async || succeeds(&["get", "serviceaccount", "default"]).await).await?;
    Ok(Running { watchdog: servers.watchdog, server, ca_pem, kubectl })
}

/// Applies manifests and waits until the API server serves every custom resource.
async fn apply(kubectl: &Kubectl, manifests: &str) -> Result<(), Error> {
    if manifests.is_empty() {
        return Ok(());
    }
    kubectl.must(&["apply", "--server-side", "-f", "-"], Some(manifests)).await?;
    kubectl.must(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], None).await?;
    Ok(())
}

/// The server processes so far.
struct Servers {
    watchdog: Watchdog,
    layout: Layout,
    started: Vec<(&'static str, usize)>,
}

impl Servers {
    fn spawn(&mut self, name: &'static str, mut command: Command) -> Result<(), Error> {
        let log = self.layout.log(name);
        let file = File::create(&log).map_err(io("create", &log))?;
        let errors = file.try_clone().map_err(io("write", &log))?;
        // memory for time: a fifth of what servers written in Go compute is garbage collection
        command.env("GOGC", "400").env("GOMEMLIMIT", "2GiB");
        command.current_dir(&self.layout.0).stdout(file).stderr(errors);
        let program = PathBuf::from(command.get_program());
        let child = self.watchdog.spawn(&mut command).map_err(io("start", program))?;
        self.started.push((name, child));
        Ok(())
    }

    /// Waits for the latest; whichever ends meanwhile is to blame.
    async fn wait(&mut self, ready: impl AsyncFn() -> bool) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            for &(name, child) in &self.started {
                if let Some(status) = self.watchdog.ended(child).map_err(io("wait for", name))? {
                    return Err(self.failure(name, format!("ended with {status}")));
                }
            }
            if ready().await {
                return Ok(());
            }
            if began.elapsed() > DEADLINE {
                let &(name, _) = self.started.last().expect("something was started");
                return Err(self.failure(name, format!("did not get ready in {} s", DEADLINE.as_secs())));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn failure(&self, component: &'static str, what: String) -> Error {
        Error::Component { component, what, tail: tail::of(&self.layout.log(component)) }
    }
}

fn accepts(port: u16) -> bool {
    // On loopback the answer is immediate.
    TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(1)).is_ok()
}

/// Writes a file that only this user may read.
pub(crate) fn private_file(path: &Path, content: &str) -> Result<(), Error> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    // whoever reads it meanwhile sees the old file or the new one, and never half of one
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("{}-{number}", std::process::id()));
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    open.and_then(|mut file| file.write_all(content.as_bytes()))
        .and_then(|()| fs::rename(&draft, path))
        .map_err(io("write", path))
}

/// The API server writes its own certificate and then the authority that signed it.
fn last_certificate(pem: &str) -> String {
    const BEGIN: &str = "-----BEGIN";
    pem.rfind(BEGIN).map_or_else(String::new, |start| pem[start..].to_owned())
}

/// Whether another process took one of the ports between choosing and using it.
pub(crate) fn lost_a_port(error: &Error) -> bool {
    matches!(error, Error::Component { tail, .. } if tail.contains("address already in use"))
}

/// A kubeconfig for a token.
pub(crate) fn kubeconfig(running: &Running, token: &SecretString) -> String {
    identity::kubeconfig(&running.server, &running.ca_pem, token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_the_last_certificate() {
        let leaf = "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n";
        let ca = "-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n";
        assert_eq!(last_certificate(&format!("{leaf}{ca}")), ca, "clients trust the authority, not the leaf");
        assert_eq!(last_certificate(ca), ca, "a certificate that signed itself is its own authority");
    }

    #[test]
    fn only_a_lost_port_is_worth_another_start() {
        let ended =
            |tail: &str| Error::Component { component: "etcd", what: "ended".into(), tail: tail.into() };
        assert!(lost_a_port(&ended("listen tcp 127.0.0.1:1: bind: address already in use")));
        assert!(!lost_a_port(&ended("unknown flag")), "a broken command line stays broken");
    }

    #[tokio::test]
    async fn a_component_that_ends_is_reported_with_the_end_of_its_log() {
        let scratch = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::over(scratch.path().join("state"), false).unwrap();
        let layout = Layout(watchdog.folder().to_owned());
        let mut servers = Servers { watchdog, layout, started: Vec::new() };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no such flag >&2; exit 3"]);
        servers.spawn("etcd", command).unwrap();
        let error = servers.wait(async || false).await.unwrap_err().to_string();
        assert!(error.starts_with("etcd ended with exit status: 3; the end of its log:"), "{error}");
        assert!(error.ends_with("no such flag"), "the log says why: {error}");
    }
}
