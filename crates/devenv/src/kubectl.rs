use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::error::{Error, io};

/// Preferences of kubectl. To patch what a definition made it needs no `OpenAPI`, and would read all of it for every apply.
pub(crate) const KUBERC: &str = "\
apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
defaults:
  - command: apply
    options:
      - name: openapi-patch
        default: \"false\"
";

/// What a call of kubectl said.
#[derive(Debug, Clone)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How it ended; `kubectl diff` for instance answers in the code.
    pub status: ExitStatus,
}

/// The kubectl of a control plane, with its user.
#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    pub(crate) program: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) group: i32,
}

impl Kubectl {
    /// A call that ends with the control plane, and reads and writes nothing of the user's.
    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        std::os::unix::process::CommandExt::process_group(&mut command, self.group);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env("KUBECACHEDIR", self.home.join("cache"))
            .env("KUBERC", self.home.join("kuberc"))
            // it ends before its garbage is worth collecting; a watch collects it in the end
            .env("GOGC", "off")
            .env("GOMEMLIMIT", "256MiB")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn with_kubeconfig(&self, kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), ..self.clone() }
    }

    pub(crate) async fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<Output, Error> {
        let mut command = Command::from(self.command(arguments));
        command.kill_on_drop(true);
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(io("start", &self.program))?;
        let stdin = child.stdin.take();
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // A kubectl that ends early says why on its own.
                drop(stdin.write_all(input.as_bytes()).await);
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(io("wait for", &self.program))?;
        Ok(Output {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status,
        })
    }

    /// The standard output of a call that must succeed.
    pub(crate) async fn must(&self, arguments: &[&str], input: Option<&str>) -> Result<String, Error> {
        let output = self.run(arguments, input).await?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Error::Kubectl { arguments: arguments.join(" "), stderr: output.stderr.trim().to_owned() })
        }
    }
}
