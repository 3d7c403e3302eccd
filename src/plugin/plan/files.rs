//! What is planned: files, folders, what a kustomization builds, and what comes from standard input.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    check::{Checker, Manifest, Report},
    plugin::printer::Printer,
};

/// What makes a folder a kustomization.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Reads everything and checks it; what is wrong is told in the words of `check`.
pub(super) fn read(arguments: &[String], printer: &mut Printer<'_>) -> Result<Vec<Manifest>> {
    let checker = Checker::own();
    let (mut report, mut manifests, mut plain) = (Report::default(), Vec::new(), Vec::new());
    for argument in arguments {
        if is_kustomization(argument) {
            manifests.extend(checker.text(argument, &built(argument)?, &mut report));
        } else {
            plain.push(argument.clone());
        }
    }
    manifests.extend(checker.manifests(&plain, &mut report));
    for skipped in report.skipped.iter().filter(|note| !beside(note)) {
        printer.note(skipped)?;
    }
    let wrong: Vec<String> =
        report.findings.iter().map(ToString::to_string).chain(report.unreadable).collect();
    if !wrong.is_empty() {
        for one in &wrong {
            printer.note(one)?;
        }
        bail!("nothing is planned: {} things are wrong with the manifests", wrong.len());
    }
    if report.objects == 0 {
        bail!("nothing is planned: there is no object of this operator in {}", arguments.join(", "));
    }
    Ok(manifests)
}

/// It is read all the same, for what it holds.
fn beside(note: &str) -> bool {
    [": v1 Secret is", ": v1 ConfigMap is"].iter().any(|kind| note.contains(kind))
}

fn is_kustomization(argument: &str) -> bool {
    let folder = Path::new(argument);
    folder.is_dir() && KUSTOMIZATIONS.iter().any(|name| folder.join(name).is_file())
}

/// What kubectl makes of a kustomization.
fn built(folder: &str) -> Result<String> {
    let mend =
        || format!("{folder} is a kustomization: kubectl kustomize {folder} | kubectl emnify plan -f -");
    let done = Command::new("kubectl").arg("kustomize").arg(folder).output().with_context(mend)?;
    if !done.status.success() {
        bail!("kubectl kustomize {folder}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    String::from_utf8(done.stdout).with_context(|| format!("what kubectl makes of {folder} is no text"))
}
