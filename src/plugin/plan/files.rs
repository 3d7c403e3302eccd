//! What is planned: files, folders, what a kustomization builds, and what comes from standard input.

use std::{
    fs,
    path::{Component, Path},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    check::{Checker, KUSTOMIZATIONS, Manifest, Report},
    plugin::printer::Printer,
};

/// Fields of a kustomization that changes nothing in what it lists.
const PLAIN: [&str; 4] = ["apiVersion", "kind", "metadata", "resources"];
/// Kustomizations within each other that are followed; of one that lists itself kubectl tells.
const DEPTH: usize = 8;

/// Reads everything and checks it; what is wrong is told in the words of `check`.
pub(super) fn read(arguments: &[String], printer: &mut Printer<'_>) -> Result<Vec<Manifest>> {
    let checker = Checker::own();
    let (mut report, mut manifests, mut plain) = (Report::default(), Vec::new(), Vec::new());
    for argument in arguments {
        match listed(Path::new(argument), DEPTH) {
            Some(files) => plain.extend(files),
            None if is_kustomization(argument) => {
                manifests.extend(checker.text(argument, &built(argument)?, &mut report));
            }
            None => plain.push(argument.clone()),
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

/// Files of a kustomization that only lists them. kustomize would make nothing else of it, and takes minutes for ten thousand objects, since
/// it compares each with every other one.
fn listed(folder: &Path, depth: usize) -> Option<Vec<String>> {
    let deeper = depth.checked_sub(1)?;
    let at = KUSTOMIZATIONS.iter().map(|name| folder.join(name)).find(|at| at.is_file())?;
    let page: Value = serde_yaml::from_str(&fs::read_to_string(at).ok()?).ok()?;
    let fields = page.as_object()?;
    let kustomization = fields.get("kind").is_none_or(|kind| *kind == *"Kustomization");
    if !kustomization || !fields.keys().all(|field| PLAIN.contains(&field.as_str())) {
        return None;
    }
    let mut files = Vec::new();
    for resource in fields.get("resources")?.as_array()? {
        let name = Path::new(resource.as_str()?);
        let below = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let at = folder.join(name);
        if at.is_dir() {
            files.extend(listed(&at, deeper)?);
        } else if at.is_file() && below {
            files.push(at.to_str()?.to_owned());
        } else {
            // kubectl fetches it, or says that it is missing or may not be read from here
            return None;
        }
    }
    Some(files)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kustomization_that_changes_nothing_is_read_and_any_other_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("base")).unwrap();
        write("base/kustomization.yaml", "resources: [tags.yaml]");
        write("base/tags.yaml", "");
        write("devices.yaml", "");
        let of = |text: &str| {
            write("kustomization.yaml", text);
            let files = listed(folder.path(), DEPTH)?;
            let names =
                files.iter().map(|file| Path::new(file).file_name().unwrap().to_string_lossy().into_owned());
            Some(names.collect::<Vec<_>>())
        };
        assert_eq!(
            of("kind: Kustomization\nresources: [devices.yaml, base]").unwrap(),
            ["devices.yaml", "tags.yaml"]
        );
        for built in [
            "resources: [devices.yaml]\nnamePrefix: a-",
            "resources: [gone.yaml]",
            "resources: [.]",
            "resources: [base/../devices.yaml]",
            "resources: [/etc/hostname]",
            "resources: ['https://example.com/fleet?ref=v1']",
            "kind: Component\nresources: [devices.yaml]",
            "namespace: iot",
            "- devices.yaml",
        ] {
            assert_eq!(of(built), None, "{built}");
        }
        assert_eq!(listed(&folder.path().join("devices.yaml"), DEPTH), None, "a file is no kustomization");
    }
}
