//! Where manifests go: a folder that was not there, or one stream.

use std::{fmt::Write as _, fs, io::ErrorKind, path::Path};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::{organisation::Organisation, yaml};

/// Documents of a file, where there are thousands.
const LARGEST_FILE: usize = 1_000;

/// A name and a text.
pub type File = (String, String);

/// What all manifests are headed by.
fn head(kind: &str, of: Option<i64>) -> String {
    let of = of.map(|id| format!(" of emnify organisation {id}")).unwrap_or_default();
    format!("# {kind}s{of}, by kubectl emnify export. `id` binds each to what is there.\n")
}

/// Every file of the folder: one for each kind, or for 1,000 objects of it, and a kustomization of all.
pub fn of(organisation: &Organisation, namespace: Option<&str>) -> Vec<File> {
    let mut files = Vec::new();
    for written in &organisation.written {
        let plural = plural(written.kind);
        if !written.many {
            files.extend(file(&format!("{plural}.yaml"), written.kind, organisation.id, &written.documents));
            continue;
        }
        for (at, documents) in written.documents.chunks(LARGEST_FILE).enumerate() {
            let name = format!("{plural}-{:04}.yaml", at + 1);
            files.extend(file(&name, written.kind, organisation.id, documents));
        }
    }
    let names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
    let mut kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": names,
    });
    if let Some(namespace) = namespace {
        kustomization["namespace"] = json!(namespace);
    }
    files.push(("kustomization.yaml".to_owned(), yaml::document(&kustomization)));
    if !organisation.to_fill_in.is_empty() {
        files.push(("SECRETS.md".to_owned(), secrets(organisation)));
    }
    files
}

fn file(name: &str, kind: &str, of: Option<i64>, documents: &[String]) -> Option<File> {
    let text = head(kind, of) + &documents.join("---\n");
    (!documents.is_empty()).then(|| (name.to_owned(), text))
}

/// All documents one after another.
pub fn stream(organisation: &Organisation) -> String {
    let all: Vec<&str> =
        organisation.written.iter().flat_map(|written| &written.documents).map(String::as_str).collect();
    all.join("---\n")
}

/// `ServiceProfile` in the plural of file names: `service-profiles`.
fn plural(kind: &str) -> String {
    let mut name = String::new();
    for c in kind.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name + "s"
}

/// What a person has to fill in.
fn secrets(organisation: &Organisation) -> String {
    let mut text = "# Secrets to fill in\n\nemnify shows none of these values, so they are in no manifest. Make each Secret in the namespace of the \
                    manifests before you apply them:\nwithout it the object that names it waits. `ignoreFields` in the manifest keeps the values from being \
                    sent; take the\nentry out once they are what you mean.\n\n| Secret | Key | Holds |\n|---|---|---|\n"
        .to_owned();
    for one in &organisation.to_fill_in {
        writeln!(text, "| `{}` | `{}` | {} |", one.secret, one.key, one.holds)
            .expect("a string takes any text");
    }
    text
}

/// The folder is not there, or empty: nothing that people edited is ever overwritten.
pub(super) fn is_free(folder: &Path) -> Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => bail!(
                "{} is not empty, and nothing is overwritten: name a new or an empty folder, and compare the two",
                folder.display()
            ),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} is no folder to write to", folder.display())),
    }
}

/// Writes every file; one that somebody wrote meanwhile is left alone.
pub(super) fn save(folder: &Path, files: &[File]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        let write = || -> std::io::Result<()> {
            use std::io::Write as _;
            fs::File::create_new(&path)?.write_all(text.as_bytes())
        };
        write().with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::export::ToFillIn, plugin::export::organisation::Written};

    fn organisation(devices: usize) -> Organisation {
        let documents = |n: usize| (0..n).map(|n| format!("kind: {n}\n")).collect();
        Organisation {
            id: Some(1001),
            written: vec![
                Written { kind: "ServiceProfile", many: false, documents: documents(2) },
                Written { kind: "Tag", many: false, documents: Vec::new() },
                Written { kind: "Endpoint", many: true, documents: documents(devices) },
            ],
            ..Organisation::default()
        }
    }

    #[test]
    fn each_kind_has_a_file_and_thousands_of_devices_have_several() {
        let files = of(&organisation(2_001), Some("fleet"));
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = [
            "service-profiles.yaml",
            "endpoints-0001.yaml",
            "endpoints-0002.yaml",
            "endpoints-0003.yaml",
            "kustomization.yaml",
        ];
        assert_eq!(names, wanted, "and what there is none of has none");
        assert!(files[0].1.ends_with("kind: 0\n---\nkind: 1\n"), "{}", files[0].1);
        assert!(files[0].1.starts_with("# ServiceProfiles of emnify organisation 1001"));
        assert_eq!(files[3].1.lines().count(), 2, "the head and the last device");
        let kustomization = &files[4].1;
        assert!(
            kustomization.contains("  - endpoints-0003.yaml\n")
                && kustomization.contains("namespace: fleet\n")
        );
        assert_eq!(stream(&organisation(1)), "kind: 0\n---\nkind: 1\n---\nkind: 0\n");
    }

    #[test]
    fn what_is_to_be_filled_in_is_listed() {
        let one = ToFillIn {
            secret: "usage-secrets".into(),
            key: "api-key".into(),
            holds: "the API key of Datadog".into(),
        };
        let files = of(&Organisation { to_fill_in: vec![one], ..organisation(0) }, None);
        let (name, text) = files.last().unwrap();
        assert_eq!(name, "SECRETS.md");
        assert!(text.ends_with("| `usage-secrets` | `api-key` | the API key of Datadog |\n"), "{text}");
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("fleet/a");
        is_free(&new).unwrap();
        save(&new, &[("a.yaml".into(), "a\n".into())]).unwrap();
        let told = is_free(&new).unwrap_err().to_string();
        assert!(told.contains("is not empty") && told.contains("name a new or an empty folder"), "{told}");
        assert!(save(&new, &[("a.yaml".into(), "b\n".into())]).is_err(), "not even by a race");
        assert_eq!(fs::read_to_string(new.join("a.yaml")).unwrap(), "a\n");
        assert!(is_free(&new.join("a.yaml")).is_err(), "a file is no folder");
    }
}
