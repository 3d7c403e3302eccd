//! What is built from which Go modules.

use std::{env, path::Path};

use sha2::{Digest, Sha256};

/// Programs that are built together from one `go.mod`, which pins every module they are made of.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// What messages call the whole: `helm`, `the control plane`.
    pub(crate) name: &'static str,
    /// Environment variable that names a folder with the programs, for users who have them.
    pub(crate) variable: &'static str,
    /// Folder in the cache under which versions of it are kept.
    pub(crate) shelf: &'static str,
    /// The module whose version is that of the whole.
    pub(crate) module: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    pub(crate) programs: &'static [Program],
}

/// One executable.
#[derive(Debug)]
pub(crate) struct Program {
    /// Name of the file.
    pub(crate) name: &'static str,
    /// Its `main` package.
    pub(crate) package: &'static str,
    /// Build tags, separated by commas; may be empty.
    pub(crate) tags: &'static str,
    /// String variables of the program that get a value at link time.
    pub(crate) stamps: &'static [Stamp],
}

/// A string variable that Go's linker sets.
#[derive(Debug)]
pub(crate) struct Stamp {
    /// Package path and name.
    pub(crate) variable: &'static str,
    /// The module whose version is meant.
    pub(crate) module: &'static str,
    /// What of it.
    pub(crate) part: Part,
}

/// A part of a version.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// All of it, with its `v`.
    Whole,
    /// The first number.
    Major,
    /// The second number.
    Minor,
    /// Always 1: Kubernetes 1.36 publishes its libraries as v0.36.
    One,
}

impl Recipe {
    /// Programs that are not in `folder`.
    pub(crate) fn missing(&self, folder: &Path) -> Vec<&'static str> {
        self.programs.iter().map(|program| program.name).filter(|name| !folder.join(name).is_file()).collect()
    }

    /// The version of the whole, with its `v`.
    pub(crate) fn version(&self) -> &'static str {
        version_in(self.go_mod, self.module)
    }

    /// Everything that decides what the programs are, so that a change of it builds anew.
    pub(crate) fn key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.go_mod, self.go_sum, env::consts::OS, env::consts::ARCH] {
            hash.update(part);
            hash.update([0]);
        }
        let hex: Vec<_> = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}", self.version(), hex.concat())
    }

    /// What a user without Go can do.
    pub(super) fn instead(&self) -> String {
        let names: Vec<_> = self.programs.iter().map(|program| program.name).collect();
        let listed = match names.as_slice() {
            [front @ .., last] if !front.is_empty() => format!("{} and {last}", front.join(", ")),
            names => names.concat(),
        };
        format!("set {} to a folder with {listed}", self.variable)
    }

    /// Arguments of Go's linker, each after a blank.
    pub(super) fn stamp(&self, program: &Program) -> String {
        let flag = |stamp: &Stamp| {
            let version = version_in(self.go_mod, stamp.module);
            let mut numbers = version.trim_start_matches('v').split('.');
            let value = match stamp.part {
                Part::Whole => version,
                Part::Major => numbers.next().unwrap_or_default(),
                Part::Minor => numbers.nth(1).unwrap_or_default(),
                Part::One => "1",
            };
            format!(" -X {}={value}", stamp.variable)
        };
        program.stamps.iter().map(flag).collect()
    }
}

/// The version that a `go.mod` requires of a module, with its `v`.
fn version_in(go_mod: &'static str, module: &str) -> &'static str {
    go_mod
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("require ").strip_prefix(module)?.strip_prefix(' '))
        .find_map(|rest| rest.split_whitespace().next())
        .expect("go.mod requires the modules that its recipe names")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assets::{build::GO, control_plane::CONTROL_PLANE},
        tools,
    };

    fn all() -> impl Iterator<Item = &'static Recipe> {
        [&CONTROL_PLANE].into_iter().chain(tools::ALL)
    }

    #[test]
    fn each_is_kept_by_its_version_and_what_it_is_made_of() {
        for recipe in all() {
            assert!(recipe.key().starts_with(&format!("{}-", recipe.version())), "{}", recipe.key());
            assert!(recipe.version().starts_with('v'), "{}: {}", recipe.name, recipe.version());
            assert!(
                recipe.go_mod.contains(&format!("\ngo {GO}")),
                "{}: go.mod asks for the Go that is checked for",
                recipe.name
            );
        }
        let mut homes: Vec<_> = all().map(|recipe| format!("{}/{}", recipe.shelf, recipe.key())).collect();
        homes.sort();
        homes.dedup();
        assert_eq!(homes.len(), all().count(), "no two share a folder");
    }

    #[test]
    fn the_servers_carry_the_version_of_the_modules() {
        let server = CONTROL_PLANE.programs.iter().find(|program| program.name == "kube-apiserver").unwrap();
        let stamp = CONTROL_PLANE.stamp(server);
        assert!(stamp.contains(&format!("gitVersion={} ", CONTROL_PLANE.version())), "{stamp}");
        assert!(stamp.contains("gitMajor=1 "), "{stamp}");
    }

    #[test]
    fn who_has_no_go_is_told_what_else_would_do() {
        assert_eq!(
            CONTROL_PLANE.instead(),
            "set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kubectl"
        );
        assert_eq!(tools::ALL[0].instead(), "set EMNIFY_DEVENV_TOOLS to a folder with helm");
    }
}
