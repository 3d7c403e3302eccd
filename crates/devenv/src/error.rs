use std::{io, path::PathBuf};

/// Why there is no control plane or tool. Each message is one sentence that names the mend, followed by evidence
/// where there is some.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable names a folder that lacks programs.
    #[error(
        "{variable}={folder} lacks {missing}: put the missing programs there, or unset the variable to have \
         all of them built with Go"
    )]
    MissingAssets {
        /// `KUBEBUILDER_ASSETS` or `EMNIFY_DEVENV_TOOLS`.
        variable: &'static str,
        /// The folder as given.
        folder: String,
        /// Names of the missing programs, separated by commas.
        missing: String,
    },
    /// No place to keep what is built.
    #[error("no cache folder for what is built: set EMNIFY_DEVENV_CACHE, XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// The Go tool is not on the `PATH`.
    #[error(
        "Go {needed} or newer is needed to build {what} once: install it from https://go.dev/dl/ and put it on the \
         PATH, or {mend}"
    )]
    GoMissing {
        /// The oldest Go that builds it.
        needed: &'static str,
        /// What is to be built.
        what: &'static str,
        /// What to do without Go.
        mend: String,
    },
    /// The Go tool cannot build the modules.
    #[error(
        "Go {needed} or newer is needed to build {what} once, but this is {found}: get it from https://go.dev/dl/, \
         or {mend}"
    )]
    GoTooOld {
        /// The oldest Go that builds it.
        needed: &'static str,
        /// What `go env GOVERSION` answered.
        found: String,
        /// What is to be built.
        what: &'static str,
        /// What to do without Go.
        mend: String,
    },
    /// `go build` failed.
    #[error("building {program} failed; the end of the output of go build:\n{tail}")]
    Build {
        /// The program that did not build.
        program: &'static str,
        /// The last lines of the compiler.
        tail: String,
    },
    /// A component ended or did not get ready.
    #[error("{component} {what}; the end of its log:\n{tail}")]
    Component {
        /// `etcd`, `kube-apiserver` or `kube-controller-manager`.
        component: &'static str,
        /// What it did or failed to do.
        what: String,
        /// The last lines of its log.
        tail: String,
    },
    /// An identity that was not among the options.
    #[error("no identity {0:?}: name it in Options::identities")]
    UnknownIdentity(String),
    /// A call of kubectl that had to succeed did not.
    #[error("kubectl {arguments} failed: {stderr}")]
    Kubectl {
        /// The arguments, separated by blanks.
        arguments: String,
        /// What kubectl said.
        stderr: String,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb: `create`, `start`.
        action: &'static str,
        /// The file, folder or program.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// Turns an [`io::Error`] into an [`Error`] that names the file.
pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { action, path, source }
}
