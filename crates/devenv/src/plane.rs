//! A control plane that runs, and what can be done with it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use crate::{
    Namespace, Output,
    assets::{self, control_plane::CONTROL_PLANE},
    components::Layout,
    error::Error,
    identity::Credential,
    options::Options,
    start::{self, Running},
};

/// How often a start is repeated after another process took a port.
const STARTS: usize = 3;

/// A running etcd, kube-apiserver and kube-controller-manager on loopback, with RBAC and default admission.
///
/// Processes and files go with it: when it is dropped (without waiting), when it is [stopped](Self::stop) (waiting),
/// and when this process ends in whatever way, by SIGKILL too.
pub struct ControlPlane {
    running: Running,
    credentials: Vec<Credential>,
}

impl ControlPlane {
    /// Starts one; builds the programs first when this user has none yet, which takes minutes and is told on
    /// standard error.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let assets = assets::folder(&CONTROL_PLANE).await?;
        let admin = Credential::master("admin");
        let others = options.identities.iter().cloned().map(Credential::mint);
        let credentials: Vec<_> = [admin].into_iter().chain(others).collect();
        let mut starts = 1;
        let running = loop {
            match start::start(&assets, &credentials, &options).await {
                Err(error) if start::lost_a_port(&error) && starts < STARTS => starts += 1,
                result => break result?,
            }
        };
        Ok(Self { running, credentials })
    }

    /// Ends it and returns once every process and file is gone (files stay with `keep`).
    pub async fn stop(self) {
        let finish = tokio::task::spawn_blocking(|| self.running.watchdog.finish());
        // It fails only if the runtime shuts down, and then the watchdog works on alone.
        drop(finish.await);
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.running.server
    }

    /// The authority that signed the API server's certificate, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.running.ca_pem
    }

    /// The kubeconfig file of `admin`.
    pub fn kubeconfig(&self) -> &Path {
        &self.running.kubectl.kubeconfig
    }

    /// The kubectl that goes with it, for people who have none.
    pub fn kubectl_program(&self) -> &Path {
        &self.running.kubectl.program
    }

    /// The folder with the logs (`kube-apiserver.log` and so on) and the state.
    pub fn folder(&self) -> &Path {
        self.running.watchdog.folder()
    }

    /// The process group that ends with the control plane, in whatever way: for programs that must not outlive it.
    pub fn process_group(&self) -> i32 {
        self.running.watchdog.group()
    }

    /// The log of `etcd`, `kube-apiserver` or `kube-controller-manager`.
    pub fn log(&self, component: &str) -> PathBuf {
        Layout(self.folder().to_owned()).log(component)
    }

    /// The bearer token of `admin` or of one of [`Options::identities`].
    pub fn token(&self, identity: &str) -> Result<&SecretString, Error> {
        let found = self.credentials.iter().find(|credential| credential.identity.name == identity);
        found.map(|credential| &credential.token).ok_or_else(|| Error::UnknownIdentity(identity.to_owned()))
    }

    /// A token of a service account, valid for an hour, as a pod would get it.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<SecretString, Error> {
        let token =
            self.running.kubectl.must(&["create", "token", name, "--namespace", namespace], None).await?;
        Ok(token.trim().to_owned().into())
    }

    /// The text of a kubeconfig for whoever a token belongs to.
    pub fn kubeconfig_for(&self, token: &SecretString) -> String {
        start::kubeconfig(&self.running, token)
    }

    /// The same as a file that goes with the control plane. `name` is the file's, without an ending.
    pub fn kubeconfig_file(&self, name: &str, token: &SecretString) -> Result<PathBuf, Error> {
        let path = Layout(self.folder().to_owned()).kubeconfig(name);
        start::private_file(&path, &self.kubeconfig_for(token))?;
        Ok(path)
    }

    /// Runs kubectl as `admin`. An exit code other than 0 is no error here: it is in the output.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.running.kubectl.run(arguments, None).await
    }

    /// Runs kubectl as `admin` with text on its standard input, for `apply -f -`.
    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<Output, Error> {
        self.running.kubectl.run(arguments, Some(input)).await
    }

    /// Runs kubectl as whoever a kubeconfig file names.
    pub async fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<Output, Error> {
        self.running.kubectl.with_kubeconfig(kubeconfig).run(arguments, None).await
    }

    /// Creates a namespace `<prefix>-<random>`.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace, Error> {
        let name = format!("{prefix}-{:08x}", rand::random::<u32>());
        self.running.kubectl.must(&["create", "namespace", &name], None).await?;
        Ok(Namespace { name })
    }
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlane")
            .field("server", &self.server())
            .field("folder", &self.folder())
            .finish()
    }
}
