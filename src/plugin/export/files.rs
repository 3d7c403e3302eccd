//! Where manifests go: a folder that was not there, one that people keep, or one stream.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::ErrorKind,
    iter,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::json;
use similar::TextDiff;

use super::{
    folder::{self, Folder},
    told::{Organisation, Written},
    yaml,
};

/// Documents of a file, where there are thousands.
const LARGEST_FILE: usize = 1_000;

/// The name without an ending, which `kubectl apply -f` passes over in a folder: kustomize takes minutes for 10,000 objects.
const KUSTOMIZATION: &str = "Kustomization";

/// A difference is cut finely for so long; one that is large is told in larger pieces.
const PATIENCE: Duration = Duration::from_millis(500);

/// A name and a text.
pub type File = (String, String);

/// What all manifests are headed by.
fn head(kind: &str, of: Option<i64>) -> String {
    let of = of.map(|id| format!(" of emnify organisation {id}")).unwrap_or_default();
    format!("# {kind}s{of}, by kubectl emnify export. `id` binds each to what is there.\n")
}

/// How the files begin that were written by this program.
fn is_ours(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.contains(", by kubectl emnify export."))
}

/// Every file of a new folder: one for each kind, or for 1,000 objects of it, and a kustomization of all.
pub fn of(organisation: &Organisation, namespace: Option<&str>) -> Vec<File> {
    let mut files = manifests(organisation, &BTreeSet::new());
    files.push(kustomization(&files, namespace));
    files.extend(secrets(organisation, &BTreeSet::new()));
    files
}

/// What is new in a folder that people keep.
#[derive(Debug)]
pub struct Merged {
    /// New files.
    pub files: Vec<File>,
    /// The kustomization with the new files in its list.
    pub kustomization: Option<File>,
    /// What is left to people.
    pub notes: Vec<String>,
}

/// Files beside those of the folder, and its kustomization with them.
pub fn merged(organisation: &Organisation, folder: &Folder, namespace: Option<&str>) -> Merged {
    let mut merged =
        Merged { files: manifests(organisation, &folder.files), kustomization: None, notes: Vec::new() };
    let names: Vec<&str> = merged.files.iter().map(|(name, _)| name.as_str()).collect();
    match &folder.kustomization {
        _ if names.is_empty() => {}
        Some((file, text)) => match folder::listing(text, &names) {
            Some(text) => merged.kustomization = Some((file.clone(), text)),
            None => merged.notes.push(format!(
                "{file}: its resources are not written as a list of lines: add {}",
                names.join(", ")
            )),
        },
        // one that appears in a folder that a tool reads whole would hide the rest of it
        None if folder.is_kept => {
            merged.notes.push("there is no kustomization: the new files stand beside the others".into());
        }
        None => {
            let kustomization = kustomization(&merged.files, namespace);
            merged.files.push(kustomization);
        }
    }
    merged.files.extend(secrets(organisation, &folder.files));
    merged
}

/// Where a folder differs from these files, as a unified diff: the folder to the left. What is not ours in it is left out.
pub(super) fn differences(folder: &Path, files: &[File]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let mut put = |name: &str, there: &str, here: &str| {
        let shown = folder.join(name);
        let (from, to) = (shown.display().to_string(), format!("emnify/{name}"));
        let diff = TextDiff::configure().deadline(Instant::now() + PATIENCE).diff_lines(there, here);
        let text = diff.unified_diff().context_radius(3).header(&from, &to).to_string();
        all.extend(text.lines().map(str::to_owned));
    };
    for (name, here) in files {
        let there = match fs::read_to_string(folder.join(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{name} cannot be read")),
        };
        put(name, &there, here);
    }
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names.iter().filter(|name| !files.iter().any(|(file, _)| file == *name)) {
        let there = fs::read_to_string(folder.join(name)).unwrap_or_default();
        if is_ours(&there) {
            put(name, &there, "");
        }
    }
    Ok(all)
}

/// The manifests, under names that are not taken.
fn manifests(organisation: &Organisation, taken: &BTreeSet<String>) -> Vec<File> {
    let mut files = Vec::new();
    for Written { kind, many, documents, .. } in &organisation.written {
        let stem = plural(kind);
        let mut names = (1_u32..).map(|at| match (many, at) {
            (true, at) => format!("{stem}-{at:04}.yaml"),
            (false, 1) => format!("{stem}.yaml"),
            (false, at) => format!("{stem}-{at}.yaml"),
        });
        let most = if *many { LARGEST_FILE } else { usize::MAX };
        for documents in documents.chunks(most) {
            let name = names.by_ref().find(|name| !taken.contains(name)).expect("numbers do not end");
            files.push((name, head(kind, organisation.id) + &documents.join("---\n")));
        }
    }
    files
}

fn kustomization(of: &[File], namespace: Option<&str>) -> File {
    let names: Vec<&String> = of.iter().map(|(name, _)| name).collect();
    let mut kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": names,
    });
    if let Some(namespace) = namespace {
        kustomization["namespace"] = json!(namespace);
    }
    (KUSTOMIZATION.to_owned(), yaml::document(&kustomization))
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
fn secrets(organisation: &Organisation, taken: &BTreeSet<String>) -> Option<File> {
    if organisation.to_fill_in.is_empty() {
        return None;
    }
    let mut text = "# Secrets to fill in\n\nemnify shows none of these values, so they are in no manifest. Make each Secret in the namespace of the \
                    manifests before you apply them:\nwithout it the object that names it waits. `ignoreFields` in the manifest keeps the values from being \
                    sent; take the\nentry out once they are what you mean.\n\n| Secret | Key | Holds |\n|---|---|---|\n"
        .to_owned();
    for one in &organisation.to_fill_in {
        writeln!(text, "| `{}` | `{}` | {} |", one.secret, one.key, one.holds)
            .expect("a string takes any text");
    }
    let mut names = iter::once("SECRETS.md".to_owned()).chain((2_u32..).map(|at| format!("SECRETS-{at}.md")));
    Some((names.find(|name| !taken.contains(name)).expect("numbers do not end"), text))
}

/// Writes a file in the place of the one that is there, all of it or nothing.
pub(super) fn replace(folder: &Path, (name, text): &File) -> Result<()> {
    let (path, new) = (folder.join(name), folder.join(format!(".{name}.new")));
    let replaced = fs::write(&new, text).and_then(|()| fs::rename(&new, &path));
    replaced.with_context(|| format!("{} cannot be written", path.display()))
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
    use crate::kinds::export::ToFillIn;

    fn organisation(devices: usize) -> Organisation {
        let written = |kind, many, objects| {
            let documents = (0..objects).map(|n| format!("kind: {n}\n")).collect();
            Written { kind, many, objects, documents, fields: BTreeSet::new() }
        };
        Organisation {
            id: Some(1001),
            written: vec![
                written("ServiceProfile", false, 2),
                written("Tag", false, 0),
                written("Endpoint", true, devices),
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
            KUSTOMIZATION,
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
    fn no_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("fleet/a");
        save(&new, &[("a.yaml".into(), "a\n".into())]).unwrap();
        assert!(save(&new, &[("a.yaml".into(), "b\n".into())]).is_err(), "not even by a race");
        assert_eq!(fs::read_to_string(new.join("a.yaml")).unwrap(), "a\n");
        replace(&new, &("a.yaml".into(), "b\n".into())).unwrap();
        assert_eq!(fs::read_to_string(new.join("a.yaml")).unwrap(), "b\n");
        assert_eq!(fs::read_dir(&new).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_folder_is_compared_line_by_line_and_what_is_not_ours_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let files = of(&organisation(1), None);
        save(folder.path(), &files).unwrap();
        fs::write(folder.path().join("README.md"), "theirs\n").unwrap();
        assert_eq!(differences(folder.path(), &files).unwrap(), [""; 0], "a second run shows nothing");
        fs::write(folder.path().join("endpoints-0001.yaml"), files[1].1.replace("kind: 0", "kind: 7"))
            .unwrap();
        save(folder.path(), &[("tags.yaml".into(), head("Tag", None) + "kind: 0\n")]).unwrap();
        fs::remove_file(folder.path().join("service-profiles.yaml")).unwrap();
        let told = differences(folder.path(), &files).unwrap();
        let changed: Vec<&str> =
            told.iter().map(String::as_str).filter(|line| line.contains("kind: ")).collect();
        assert_eq!(changed, ["+kind: 0", "+kind: 1", "-kind: 7", "+kind: 0", "-kind: 0"], "{told:#?}");
        assert!(
            told.iter().any(|line| line.starts_with("--- ") && line.ends_with("/tags.yaml")),
            "{told:#?}"
        );
        assert!(!told.iter().any(|line| line.contains("theirs")));
    }

    fn kept(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Folder::read(folder.path()).unwrap()
    }

    #[test]
    fn what_is_new_stands_in_files_of_its_own() {
        let names = |merged: &Merged| merged.files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let object = "apiVersion: emnify.io/v1alpha1\nkind: Tag\nmetadata:\n  name: roof\n";
        let list = "resources:\n  - endpoints-0001.yaml\n";
        let folder = kept(&[
            ("endpoints-0001.yaml", object),
            ("service-profiles.yaml", object),
            ("kustomization.yaml", list),
        ]);
        let added = merged(&organisation(1_001), &folder, None);
        assert_eq!(names(&added), ["service-profiles-2.yaml", "endpoints-0002.yaml", "endpoints-0003.yaml"]);
        let (_, text) = added.kustomization.unwrap();
        assert!(text.starts_with(list) && text.ends_with("  - endpoints-0003.yaml\n"), "{text}");
        let none = merged(&Organisation::default(), &folder, None);
        assert!(none.files.is_empty() && none.kustomization.is_none() && none.notes.is_empty());

        let otherwise = kept(&[("a.yaml", object), ("kustomization.yml", "resources: [a.yaml]\n")]);
        let told = merged(&organisation(1), &otherwise, None);
        assert!(
            told.kustomization.is_none() && told.notes[0].contains("add service-profiles.yaml, endpoints")
        );
        let plain = merged(&organisation(1), &kept(&[("a.yaml", object)]), None);
        assert!(!names(&plain).contains(&KUSTOMIZATION.to_owned()), "it would hide a.yaml");
        let empty = merged(&organisation(1), &kept(&[("README.md", "")]), Some("iot"));
        assert!(names(&empty).contains(&KUSTOMIZATION.to_owned()));
    }
}
