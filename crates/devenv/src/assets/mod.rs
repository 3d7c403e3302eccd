//! Where the four programs come from: `KUBEBUILDER_ASSETS`, or Go modules built once per user.

mod build;
mod notice;

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

pub(crate) use notice::notice;

use crate::error::{Error, io};

/// What a control plane consists of.
pub(crate) const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// The modules the programs are built from. Their version is that of `k8s.io/kubernetes` in here.
const GO_MOD: &str = include_str!("../../control-plane/go.mod");
const GO_SUM: &str = include_str!("../../control-plane/go.sum");

/// The folder that holds the four programs; builds them, for minutes, when this user has none yet.
pub(crate) async fn folder() -> Result<PathBuf, Error> {
    match set("KUBEBUILDER_ASSETS") {
        Some(folder) => given(&folder),
        None => built(&cache(set)?).await,
    }
}

/// An environment variable; an empty one counts as unset.
fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

fn given(folder: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(folder);
    match missing(&path).as_slice() {
        [] => Ok(path),
        names => Err(Error::MissingAssets { folder: folder.to_owned(), missing: names.join(", ") }),
    }
}

fn missing(folder: &Path) -> Vec<&'static str> {
    PROGRAMS.into_iter().filter(|program| !folder.join(program).is_file()).collect()
}

/// The folder under which versions of the control plane are kept.
fn cache(variable: impl Fn(&str) -> Option<String>) -> Result<PathBuf, Error> {
    let own = variable("EMNIFY_DEVENV_CACHE").map(PathBuf::from);
    let user = || variable("XDG_CACHE_HOME").map(|folder| Path::new(&folder).join("emnify-devenv"));
    let home = || variable("HOME").map(|folder| Path::new(&folder).join(".cache/emnify-devenv"));
    own.or_else(user).or_else(home).ok_or(Error::NoCacheFolder)
}

/// The version of Kubernetes in `GO_MOD`, with its `v`.
fn version() -> &'static str {
    GO_MOD
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("require ").strip_prefix("k8s.io/kubernetes "))
        .find_map(|rest| rest.split_whitespace().next())
        .expect("go.mod requires k8s.io/kubernetes")
}

/// Everything that decides what the programs are, so that a change of it builds anew.
fn key() -> String {
    let mut hash = Sha256::new();
    for part in [GO_MOD, GO_SUM, env::consts::OS, env::consts::ARCH] {
        hash.update(part);
        hash.update([0]);
    }
    let hex: Vec<_> = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}", version(), hex.concat())
}

async fn built(cache: &Path) -> Result<PathBuf, Error> {
    let home = cache.join(key());
    let bin = home.join("bin");
    if missing(&bin).is_empty() {
        return Ok(bin);
    }
    fs::create_dir_all(&home).map_err(io("create", &home))?;
    let _lock = lock(home.join("lock")).await?;
    // Another process may have built it while this one waited.
    if !missing(&bin).is_empty() {
        build::into(&home, &bin).await?;
    }
    Ok(bin)
}

/// Waits until no other process builds; the lock goes with the file, whatever becomes of the process.
async fn lock(path: PathBuf) -> Result<File, Error> {
    let file = File::create(&path).map_err(io("create", &path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => notice("waiting for another process that builds the control plane"),
        Err(TryLockError::Error(source)) => return Err(io("lock", &path)(source)),
    }
    tokio::task::spawn_blocking(move || file.lock().map(|()| file))
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(io("lock", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lacks_programs_is_named_with_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("etcd"), "").unwrap();
        fs::write(folder.path().join("kubectl"), "").unwrap();
        let name = folder.path().to_str().unwrap();
        let error = given(name).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!(
                "KUBEBUILDER_ASSETS={name} lacks kube-apiserver, kube-controller-manager: "
            )),
            "the message names folder and programs: {error}",
        );
    }

    #[test]
    fn a_complete_folder_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for program in PROGRAMS {
            fs::write(folder.path().join(program), "").unwrap();
        }
        assert_eq!(
            given(folder.path().to_str().unwrap()).unwrap(),
            folder.path(),
            "nothing is built or copied"
        );
    }

    #[test]
    fn the_cache_is_the_users_unless_named() {
        let pick = |given: &'static [(&str, &str)]| {
            cache(|name| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        let all = &[("EMNIFY_DEVENV_CACHE", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home")];
        assert_eq!(pick(all).unwrap(), Path::new("/own"), "our variable wins");
        assert_eq!(pick(&all.as_slice()[1..]).unwrap(), Path::new("/xdg/emnify-devenv"), "then XDG");
        assert_eq!(
            pick(&all.as_slice()[2..]).unwrap(),
            Path::new("/home/.cache/emnify-devenv"),
            "then the home"
        );
        assert!(matches!(pick(&[]), Err(Error::NoCacheFolder)), "and without any of them it says so");
    }

    #[test]
    fn the_key_names_the_version_of_kubernetes() {
        assert!(version().starts_with("v1."), "{}", version());
        assert!(key().starts_with(&format!("{}-", version())), "{}", key());
    }

    #[tokio::test]
    async fn one_process_builds_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = lock(path.clone()).await.unwrap();
        let second = tokio::spawn(lock(path.clone()));
        assert!(
            matches!(File::open(&path).unwrap().try_lock(), Err(TryLockError::WouldBlock)),
            "the lock is held while the first builds",
        );
        drop(first);
        second.await.unwrap().expect("the second gets the lock when the first lets go");
    }
}
