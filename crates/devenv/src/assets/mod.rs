//! Where programs come from: a folder that a variable names, or Go modules built once per user.

mod build;
pub(crate) mod control_plane;
mod notice;
pub(crate) mod recipe;

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

pub(crate) use notice::notice;
use recipe::Recipe;

use crate::error::{Error, io};

/// The folder that holds the programs of a recipe; builds them, for minutes, when this user has none yet.
pub(crate) async fn folder(recipe: &'static Recipe) -> Result<PathBuf, Error> {
    match set(recipe.variable) {
        Some(folder) => given(recipe, &folder),
        None => built(recipe, &cache(set)?).await,
    }
}

/// An environment variable; an empty one counts as unset.
fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

fn given(recipe: &Recipe, folder: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(folder);
    match recipe.missing(&path).as_slice() {
        [] => Ok(path),
        names => Err(Error::MissingAssets {
            variable: recipe.variable,
            folder: folder.to_owned(),
            missing: names.join(", "),
        }),
    }
}

/// The folder under which versions of all programs are kept.
fn cache(variable: impl Fn(&str) -> Option<String>) -> Result<PathBuf, Error> {
    let own = variable("EMNIFY_DEVENV_CACHE").map(PathBuf::from);
    let user = || variable("XDG_CACHE_HOME").map(|folder| Path::new(&folder).join("emnify-devenv"));
    let home = || variable("HOME").map(|folder| Path::new(&folder).join(".cache/emnify-devenv"));
    own.or_else(user).or_else(home).ok_or(Error::NoCacheFolder)
}

async fn built(recipe: &'static Recipe, cache: &Path) -> Result<PathBuf, Error> {
    let home = cache.join(recipe.shelf).join(recipe.key());
    let bin = home.join("bin");
    if recipe.missing(&bin).is_empty() {
        return Ok(bin);
    }
    fs::create_dir_all(&home).map_err(io("create", &home))?;
    let _lock = lock(recipe, home.join("lock")).await?;
    // Another process may have built it while this one waited.
    if !recipe.missing(&bin).is_empty() {
        build::into(recipe, &home, &bin).await?;
    }
    Ok(bin)
}

/// Waits until no other process builds; the lock goes with the file, whatever becomes of the process.
async fn lock(recipe: &Recipe, path: PathBuf) -> Result<File, Error> {
    let file = File::create(&path).map_err(io("create", &path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            notice(&format!("waiting for another process that builds {}", recipe.name));
        }
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
    use super::control_plane::CONTROL_PLANE;
    use super::*;

    #[test]
    fn a_folder_that_lacks_programs_is_named_with_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("etcd"), "").unwrap();
        fs::write(folder.path().join("kubectl"), "").unwrap();
        let name = folder.path().to_str().unwrap();
        let error = given(&CONTROL_PLANE, name).unwrap_err().to_string();
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
        for program in CONTROL_PLANE.programs {
            fs::write(folder.path().join(program.name), "").unwrap();
        }
        assert_eq!(
            given(&CONTROL_PLANE, folder.path().to_str().unwrap()).unwrap(),
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

    #[tokio::test]
    async fn one_process_builds_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = lock(&CONTROL_PLANE, path.clone()).await.unwrap();
        let second = tokio::spawn(lock(&CONTROL_PLANE, path.clone()));
        assert!(
            matches!(File::open(&path).unwrap().try_lock(), Err(TryLockError::WouldBlock)),
            "the lock is held while the first builds",
        );
        drop(first);
        second.await.unwrap().expect("the second gets the lock when the first lets go");
    }
}
