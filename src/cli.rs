//! What can be typed.

use std::{
    fs,
    io::{self, Read, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::{
    check::{Checker, Report},
    kinds,
    release::ReleaseArgs,
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
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// YAML files; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
}

impl CrdArgs {
    /// Writes the definitions to `out`.
    pub fn run(&self, out: &mut impl Write) -> Result<()> {
        let mut crds = kinds::crds();
        if let Some(kind) = &self.kind {
            let known: Vec<_> = crds.iter().map(|crd| crd.spec.names.kind.clone()).collect();
            crds.retain(|crd| crd.spec.names.kind.eq_ignore_ascii_case(kind));
            if crds.is_empty() {
                bail!("there is no kind {kind}; use one of {}", known.join(", "));
            }
        }
        for crd in &crds {
            writeln!(out, "---")?;
            out.write_all(kinds::yaml(crd).as_bytes())?;
        }
        Ok(())
    }
}

impl CheckArgs {
    /// Writes one line per problem to `out`, notes and a summary to `notes`; fails if anything is wrong.
    pub fn run(&self, out: &mut impl Write, notes: &mut impl Write) -> Result<ExitCode> {
        let checker = Checker::new(&kinds::crds());
        let mut report = Report::default();
        for file in &self.files {
            checker.file(file, &read(file)?, &mut report);
        }
        for finding in &report.findings {
            writeln!(out, "{finding}")?;
        }
        for note in &report.skipped {
            writeln!(notes, "{note}")?;
        }
        let (objects, problems) = (report.objects, report.findings.len());
        writeln!(notes, "objects checked: {objects}, problems: {problems}")?;
        Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn read(file: &str) -> Result<String> {
    if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_or_all_are_printed() {
        let print = |kind: Option<&str>| {
            let mut out = Vec::new();
            let args = CrdArgs { kind: kind.map(str::to_owned) };
            args.run(&mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let all = print(None).unwrap();
        assert_eq!(all.matches("\nkind: CustomResourceDefinition").count(), kinds::crds().len());
        let one = print(Some("serviceprofile")).unwrap();
        assert!(one.contains("name: serviceprofiles.emnify.io") && !one.contains("tariffprofiles"));
        assert!(
            print(Some("Cat")).unwrap_err().to_string().contains("ServiceProfile"),
            "the kinds are named"
        );
    }

    #[test]
    fn the_exit_code_tells_whether_anything_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &str| {
            let file = folder.path().join("a.yaml");
            fs::write(&file, text).unwrap();
            let (mut out, mut notes) = (Vec::new(), Vec::new());
            let args = CheckArgs { files: vec![file.display().to_string()] };
            let code = args.run(&mut out, &mut notes).unwrap();
            (code, String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
        };
        let (code, out, notes) = check("apiVersion: v1\nkind: Secret\n");
        assert_eq!((code, out.as_str()), (ExitCode::SUCCESS, ""));
        assert!(notes.contains("skipped"));
        let (code, out, _) = check("apiVersion: emnify.io/v1alpha1\nkind: Cat\n");
        assert_eq!(code, ExitCode::FAILURE);
        assert!(out.contains("a.yaml:2: kind: Cat"), "{out}");
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
