//! Control plane, simulator and operator together, in one process.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use emnify_harness::stage::{Options, Stage, is_ready};
//! let mut stage = Stage::start(Options::shared("apply")).await?;
//! stage.start_operator()?;
//! stage.apply_workspace("default").await?;
//! let workspace = stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
//! assert_eq!(workspace["status"]["organisation"]["name"], "Example");
//! stage.stop_operator().await?;
//! # Ok(())
//! # }
//! ```

mod apply;
mod crds;
mod look;
mod operator;
mod plane;
mod process;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use emnify_devenv::{ControlPlane, Output};
use emnify_simulator::{Served, Simulator};
use kube::Client;

pub use crds::crds;
pub use look::{DEADLINE, condition, is_ready, resource};
pub use plane::Place;
pub use process::{Launch, Process, Signal};

use operator::{Operator, Setup};
use plane::Plane;

/// The line of the log that names the address of the admin server.
pub const ADMIN_SERVER: &str = "admin server";
/// The line of the log that names the address of the receiver of pushes.
pub const PUSH_RECEIVER: &str = "push receiver";

/// What a stage is started with.
#[derive(Debug)]
pub struct Options {
    /// Which control plane, and which namespace in it.
    pub place: Place,
    /// The simulated platform.
    pub simulator: emnify_simulator::Options,
    /// Flags of `emnify-operator run` besides those that a stage sets itself (installation, namespaces, base URL,
    /// addresses); a flag given here wins over one of these.
    pub flags: Vec<String>,
    /// What the operator logs; see [`Stage::operator_log`].
    pub log: String,
    /// The operator's log goes to standard error as well.
    pub verbose: bool,
}

impl Options {
    /// For tests: the control plane that this process shares, a fresh namespace `<prefix>-<random>`, and an operator
    /// that serves this namespace only.
    pub fn shared(prefix: &str) -> Self {
        Self::at(Place::Shared { prefix: prefix.to_owned() })
    }

    /// The same elsewhere.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            simulator: emnify_simulator::Options::default(),
            flags: Vec::new(),
            log: "info,emnify=debug,emnify_engine=debug,emnify_operator=debug".to_owned(),
            verbose: false,
        }
    }
}

/// Control plane, simulator on loopback and, once started, the operator. Everything goes when this is dropped; the
/// operator goes first, as in a crash unless it was [stopped](Self::stop_operator).
pub struct Stage {
    // Dropped in this order.
    operator: Option<Operator>,
    home: String,
    simulator: Simulator,
    served: Served,
    client: Client,
    setup: Setup,
    plane: Plane,
}

impl Stage {
    /// Starts the control plane with all CRDs established, creates the namespace and serves the simulator. The
    /// operator is started on its own: [`Stage::start_operator`].
    pub async fn start(options: Options) -> Result<Self> {
        operator::install_tls();
        let plane = plane::open(&options.place).await?;
        let client = operator::client(&plane.get().kubeconfig_for(plane.get().token("admin")?)).await?;
        let home = plane::home(&options.place, client.clone()).await?;
        let simulator = Simulator::start(options.simulator);
        let served = simulator.serve("127.0.0.1:0").await.context("the simulator found no port")?;
        let setup = Setup {
            kubeconfig: plane.get().kubeconfig_for(plane.get().token("admin")?),
            flags: operator::flags(&home, &served.url(), &options.flags),
            filter: options.log,
            log: plane.get().folder().join(format!("operator-{home}.log")),
            verbose: options.verbose,
        };
        Ok(Self { operator: None, home, simulator, served, client, setup, plane })
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        self.plane.get()
    }

    /// The simulated platform.
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// Where the simulator is served, for `baseUrl`: `http://127.0.0.1:<port>`.
    pub fn base_url(&self) -> String {
        self.served.url()
    }

    /// The namespace that everything happens in.
    pub fn namespace(&self) -> &str {
        &self.home
    }

    /// A client of the API server with all rights.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The flags that a stage's operator is run with, for one that runs elsewhere.
    pub fn operator_flags(&self) -> &[String] {
        &self.setup.flags
    }

    /// Starts the operator in this process, on threads of its own. It may still be starting when this returns.
    pub fn start_operator(&mut self) -> Result<()> {
        if self.operator.is_some() {
            bail!("the operator runs already");
        }
        self.operator = Some(Operator::start(self.setup.clone())?);
        Ok(())
    }

    /// Ends the operator as SIGTERM would, and waits.
    pub async fn stop_operator(&mut self) -> Result<()> {
        match self.operator.take() {
            Some(operator) => operator.stop().await,
            None => Ok(()),
        }
    }

    /// Ends the operator as SIGKILL would, wherever it is.
    pub async fn crash_operator(&mut self) -> Result<()> {
        match self.operator.take() {
            Some(operator) => operator.crash().await,
            None => Ok(()),
        }
    }

    /// Ends everything in order and waits until a control plane of its own is gone.
    pub async fn finish(mut self) -> Result<()> {
        let ended = self.stop_operator().await;
        drop(self.served);
        if let Plane::Own(plane) = self.plane {
            plane.stop().await;
        }
        ended
    }

    /// Returns when the operator has ended by itself; [`Stage::stop_operator`] then says why. For ever pending while it
    /// runs or was not started.
    pub async fn operator_ended(&self) {
        match &self.operator {
            Some(operator) => operator.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Whoever waits for what only the operator does is told at once that it has ended, and why.
    fn operator_lives(&self) -> Result<()> {
        match self.operator.as_ref().and_then(Operator::failure) {
            Some(failure) => bail!("the operator has ended: {failure}\n{}", self.operator_log_tail()),
            None => Ok(()),
        }
    }

    /// The file with everything the operator has logged, over all starts.
    pub fn operator_log_file(&self) -> &PathBuf {
        &self.setup.log
    }

    /// What the operator has logged, over all starts.
    pub fn operator_log(&self) -> String {
        std::fs::read_to_string(&self.setup.log).unwrap_or_default()
    }

    /// Runs kubectl in the namespace. An exit code other than 0 is no error here.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.plane().kubectl(&self.within(arguments)).await?)
    }

    /// The same with text on its standard input.
    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<Output> {
        Ok(self.plane().kubectl_with(&self.within(arguments), input).await?)
    }

    /// Standard output of a kubectl that must succeed.
    pub async fn kubectl_ok(&self, arguments: &[&str]) -> Result<String> {
        succeeded(arguments, self.kubectl(arguments).await?)
    }

    fn within<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        ["--namespace", self.namespace()].into_iter().chain(arguments.iter().copied()).collect()
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut stage = f.debug_struct("Stage");
        stage
            .field("namespace", &self.namespace())
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

fn succeeded(arguments: &[&str], output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    bail!("kubectl {} failed: {}{}", arguments.join(" "), output.stdout, output.stderr.trim())
}
