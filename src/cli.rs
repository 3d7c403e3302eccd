//! What can be typed.

use std::{io::Write, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::{
    check::{Checker, Report},
    release_finalizers::ReleaseArgs,
    settings::RunArgs,
};

/// Keeps an emnify workspace in step with Kubernetes objects.
#[derive(Parser, Clone, Debug)]
#[command(name = "emnify-operator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Print the custom resource definitions as YAML.
    Crd(CrdArgs),
    /// Validate manifests without a cluster.
    Check(CheckArgs),
    /// Let objects go before the operator is uninstalled; emnify stays as it is.
    ReleaseFinalizers(ReleaseArgs),
}

/// Which definitions to print.
#[derive(Args, Clone, Debug)]
pub struct CrdArgs {
    /// Only this kind, such as `Endpoint`.
    #[arg(long)]
    pub kind: Option<String>,
}

/// Which manifests to validate.
///
/// Exit code 0: nothing is wrong. 1: something is. 2: a file could not be read, whatever was found in the others.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Files, and folders with all files below them that end in .yaml, .yml or .json; `-` reads standard input. Objects of
    /// one folder are also held against each other, and so are those of all files that are named.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
}

impl CrdArgs {
    /// Writes the definitions to `out`.
    pub fn run(&self, out: &mut impl Write) -> Result<()> {
        let mut crds = crate::definitions::crds();
        if let Some(kind) = &self.kind {
            let known: Vec<_> = crds.iter().map(|crd| crd.spec.names.kind.clone()).collect();
            crds.retain(|crd| crd.spec.names.kind.eq_ignore_ascii_case(kind));
            if crds.is_empty() {
                bail!("there is no kind {kind}; use one of {}", known.join(", "));
            }
        }
        for crd in &crds {
            writeln!(out, "---")?;
            out.write_all(crate::definitions::yaml(crd).as_bytes())?;
        }
        Ok(())
    }
}

impl CheckArgs {
    /// Writes one line per problem to `out`, notes and a summary to `notes`. The exit code is 1 if anything is wrong, 2 if
    /// something could not be read.
    pub fn run(&self, out: &mut impl Write, notes: &mut impl Write) -> Result<ExitCode> {
        let mut report = Report::default();
        Checker::own().paths(&self.paths, &mut report);
        for finding in &report.findings {
            writeln!(out, "{finding}")?;
        }
        for trouble in &report.unreadable {
            writeln!(out, "{trouble}")?;
        }
        for note in &report.skipped {
            writeln!(notes, "{note}")?;
        }
        let (objects, problems) = (report.objects, report.findings.len());
        writeln!(notes, "objects checked: {objects}, problems: {problems}")?;
        Ok(match (report.unreadable.is_empty(), problems) {
            (false, _) => ExitCode::from(2),
            (true, 0) => ExitCode::SUCCESS,
            (true, _) => ExitCode::FAILURE,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_kind_or_all_are_printed() {
        let print = |kind: Option<&str>| {
            let mut out = Vec::new();
            let args = CrdArgs { kind: kind.map(str::to_owned) };
            args.run(&mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let all = print(None).unwrap();
        assert_eq!(all.matches("\nkind: CustomResourceDefinition").count(), crate::definitions::crds().len());
        let one = print(Some("serviceprofile")).unwrap();
        assert!(one.contains("name: serviceprofiles.emnify.io") && !one.contains("tariffprofiles"));
        assert!(
            print(Some("Cat")).unwrap_err().to_string().contains("ServiceProfile"),
            "the kinds are named"
        );
    }

    fn check(paths: &[&std::path::Path]) -> (ExitCode, String, String) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let args = CheckArgs { paths: paths.iter().map(|path| path.display().to_string()).collect() };
        let code = args.run(&mut out, &mut notes).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
    }

    #[test]
    fn the_exit_code_tells_whether_anything_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "apiVersion: v1\nkind: Secret\n").unwrap();
        let (code, out, notes) = check(&[&file]);
        assert_eq!((code, out.as_str()), (ExitCode::SUCCESS, ""));
        assert!(notes.contains("passed over"));
        fs::write(&file, "apiVersion: emnify.io/v1alpha1\nkind: Cat\n").unwrap();
        let (code, out, _) = check(&[&file]);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(out.contains("a.yaml:2: kind: Cat"), "{out}");
    }

    #[test]
    fn what_cannot_be_read_does_not_stop_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let (wrong, binary) = (folder.path().join("wrong.yaml"), folder.path().join("binary.yaml"));
        fs::write(&wrong, "apiVersion: emnify.io/v1alpha1\nkind: Cat\n").unwrap();
        fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
        let (code, out, notes) = check(&[&folder.path().join("missing.yaml"), &binary, &wrong]);
        assert_eq!(code, ExitCode::from(2), "it is told apart from a mistake in a manifest");
        assert!(
            out.contains("missing.yaml: cannot be read") && out.contains("binary.yaml: cannot be read"),
            "{out}"
        );
        assert!(
            out.contains("wrong.yaml:2: kind: Cat") && notes.contains("objects checked: 1"),
            "{out}{notes}"
        );
    }

    #[test]
    fn a_folder_is_searched_and_what_is_not_ours_is_passed_over_with_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let device = |name: &str| {
            format!(
                "apiVersion: emnify.io/v1alpha1\nkind: Endpoint\nmetadata: {{name: {name}}}\nspec: {{sim: {{iccid: '8988303000000010140'}}}}\n"
            )
        };
        write("kustomization.yaml", "resources: [a.yaml]\npatches: [{path: patch.yaml}]\n");
        write("patch.yaml", &device("a"));
        write("values.yaml", "replicas: 3\n");
        write("chart/templates/device.yaml", "kind: Endpoint\nmetadata:\n  name: {{ .Values.name }}\n");
        write("a.yaml", &device("a"));
        write("deep/er/b.yml", &device("b"));
        write(
            "deep/c.json",
            r#"{"apiVersion": "emnify.io/v1alpha1", "kind": "Sim", "metadata": {"name": "c"}, "spec": {}}"#,
        );
        write("overlay/kustomization.yaml", "resources: [..]\n");
        write("overlay/a.yaml", &device("a"));
        write(".git/d.yaml", "a: [");
        write("readme.md", "# text");
        let (code, out, notes) = check(&[folder.path()]);
        assert_eq!(code, ExitCode::FAILURE);
        assert_eq!(out.lines().count(), 2, "{out}");
        assert!(out.contains("c.json:1: spec: set exactly one of iccid, eid, imsi"), "{out}");
        assert!(out.contains("b.yml:4: spec.sim.iccid: Endpoint a") && out.contains("a.yaml:3"), "{out}");
        for passed in ["kustomization.yaml", "patch.yaml", "values.yaml", "device.yaml"] {
            assert!(
                notes.lines().any(|note| note.contains(passed) && note.contains("passed over")),
                "{passed}: {notes}"
            );
        }
        assert!(notes.contains("objects checked: 4"), "{notes}");
        assert!(!notes.contains(".git") && !notes.contains("readme"), "{notes}");
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
