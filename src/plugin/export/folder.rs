//! A folder of manifests that people keep: what is in it, and under which names. Nothing in it is ever changed but the list of its
//! kustomization, which becomes longer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt, fs,
    io::ErrorKind,
    path::Path,
};

use anyhow::{Context as _, Result};
use emnify_engine::kind::{Id, set::TextRef};
use serde::Deserialize as _;
use serde_json::Value;

use crate::{api::GROUP, check::KUSTOMIZATIONS, kinds::export::Known};

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Folder {
    held: Vec<Held>,
    /// Places of those that are bound to an id, by kind and id.
    bound: HashMap<(String, String), usize>,
    /// Data of each `ConfigMap`, by its name.
    maps: HashMap<String, BTreeMap<String, String>>,
    /// Names of what stands in the folder itself.
    pub(super) files: BTreeSet<String>,
    /// Name and text.
    pub(super) kustomization: Option<(String, String)>,
    /// Somebody keeps manifests of whatever kind in it.
    pub(super) is_kept: bool,
}

/// An object of the folder.
#[derive(Clone, Debug)]
pub(super) struct Held {
    file: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) object: Value,
}

/// File, kind and name.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.file, self.kind, self.name)
    }
}

impl Held {
    /// The object of emnify that it is bound to.
    pub(super) fn id(&self) -> Option<&str> {
        self.object.pointer("/spec/id").and_then(Value::as_str)
    }
}

/// Nothing is there that anybody could have written: no folder, or one with hidden files only, as Git's are.
pub(super) fn is_free(folder: &Path) -> Result<bool> {
    let of = || format!("{} is no folder to write to", folder.display());
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                if !is_hidden(&entry.with_context(of)?.file_name().to_string_lossy()) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(of),
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

impl Folder {
    /// Reads every manifest in it and below.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        found.visit(folder, "")?;
        Ok(found)
    }

    fn visit(&mut self, folder: &Path, within: &str) -> Result<()> {
        let of = || format!("{} cannot be read", folder.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).with_context(of)? {
            names.push(entry.with_context(of)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        for name in names.iter().filter(|name| !is_hidden(name)) {
            let (path, shown) = (folder.join(name), format!("{within}{name}"));
            if within.is_empty() {
                self.files.insert(name.clone());
            }
            if path.is_dir() {
                self.visit(&path, &format!("{shown}/"))?;
            } else if path
                .extension()
                .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|one| end == *one))
                || KUSTOMIZATIONS.contains(&name.as_str())
            {
                let text = fs::read_to_string(&path).with_context(|| format!("{shown} cannot be read"))?;
                self.take(&shown, &text)?;
            }
        }
        Ok(())
    }

    /// Takes in the text of a file.
    fn take(&mut self, file: &str, text: &str) -> Result<()> {
        for document in serde_yaml::Deserializer::from_str(text) {
            let document = Value::deserialize(document).with_context(|| {
                format!(
                    "{file} is no YAML, so what it holds is not known: mend it, or move it out of the folder"
                )
            })?;
            if document["kind"] == "List" {
                document["items"].as_array().into_iter().flatten().for_each(|one| self.put(file, one));
            } else {
                self.put(file, &document);
            }
        }
        if KUSTOMIZATIONS.contains(&file) {
            self.kustomization = Some((file.to_owned(), text.to_owned()));
        }
        Ok(())
    }

    fn put(&mut self, file: &str, object: &Value) {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let (Some(version), Some(kind)) = (text("/apiVersion"), text("/kind")) else { return };
        self.is_kept = true;
        let Some(name) = text("/metadata/name") else { return };
        if version.split('/').next() == Some(GROUP) {
            let namespace = text("/metadata/namespace");
            if let Some(id) = text("/spec/id") {
                self.bound.entry((kind.clone(), id)).or_insert(self.held.len());
            }
            self.held.push(Held { file: file.to_owned(), kind, name, namespace, object: object.clone() });
        } else if version == "v1" && kind == "ConfigMap" {
            let data = serde_json::from_value(object["data"].clone()).unwrap_or_default();
            self.maps.insert(name, data);
        }
    }

    /// Objects of a kind.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(move |held| held.kind == kind)
    }

    /// The object that is bound to this id, or means the same by this field.
    pub(super) fn find(&self, kind: &str, id: &Id, known_by: Option<(&str, String)>) -> Option<&Held> {
        if let Some(place) = self.bound.get(&(kind.to_owned(), id.to_string())) {
            return self.held.get(*place);
        }
        let (at, begins) = known_by?;
        let mut loose = self.of(kind).filter(|held| held.id().is_none());
        loose.find(|held| {
            held.object.pointer(at).and_then(Value::as_str).is_some_and(|text| text.starts_with(&begins))
        })
    }

    /// Makes known what is not read of emnify this time, so that what is new can name it.
    pub(super) fn introduce(&self, kind: &'static str, known: &mut Known) {
        for held in self.of(kind).filter(|held| !self.is_far(held)) {
            let Some(id) = held.id() else { continue };
            let id = id.parse().map_or_else(|_| Id::Text(id.to_owned()), Id::Int);
            known.put(kind, id, held.name.clone(), None);
        }
    }

    /// Names of objects of a kind.
    pub(super) fn names(&self, kind: &str) -> HashSet<&str> {
        self.of(kind).map(|held| held.name.as_str()).collect()
    }

    /// The text of a `ConfigMap`.
    pub(super) fn text(&self, of: &TextRef) -> Option<&str> {
        self.maps.get(&of.config_map)?.get(&of.key).map(String::as_str)
    }

    /// What is new is in another namespace than this, as far as the folder tells, so it cannot name it.
    pub(super) fn is_far(&self, held: &Held) -> bool {
        held.namespace.is_some() && self.namespace().is_none()
    }

    /// The namespace that the kustomization puts everything in.
    fn namespace(&self) -> Option<String> {
        let (_, text) = self.kustomization.as_ref()?;
        let value: Value = serde_yaml::from_str(text).ok()?;
        value["namespace"].as_str().map(str::to_owned)
    }
}

/// The kustomization with these files at the end of its list, every other line as it was; `None` where its list cannot be found.
pub(super) fn listing(text: &str, files: &[&str]) -> Option<String> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let is_head = |line: &String| {
        line.strip_prefix("resources:")
            .is_some_and(|rest| rest.trim().is_empty() || rest.trim().starts_with('#'))
    };
    let mut last = lines.iter().position(is_head)?;
    let mut indent = None;
    for (at, line) in lines.iter().enumerate().skip(last + 1) {
        let plain = line.trim();
        if plain == "-" || plain.starts_with("- ") {
            last = at;
            indent = indent.or_else(|| line.find('-'));
        } else if !plain.is_empty() && !plain.starts_with('#') {
            break;
        }
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    if let Some(before) = lines.get_mut(last).filter(|line| !line.ends_with('\n')) {
        before.push_str(end);
    }
    let margin = " ".repeat(indent.unwrap_or(2));
    let after = last + 1;
    lines.splice(after..after, files.iter().map(|file| format!("{margin}- {file}{end}")));
    Some(lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: &str = "# ours\napiVersion: emnify.io/v1alpha1\nkind: Endpoint\nmetadata:\n  name: pump\nspec:\n  id: \"7\"\n---\n\
                           apiVersion: emnify.io/v1alpha1\nkind: Endpoint\nmetadata:\n  name: fan\n  namespace: iot\nspec:\n  sim:\n    iccid: \
                           \"89883030000000100017\"\n";

    fn folder(files: &[(&str, &str)]) -> Result<Folder> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Folder::read(folder.path())
    }

    #[test]
    fn objects_are_found_wherever_people_put_them() {
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: sims\ndata:\n  iccids: |\n    a\n";
        let found = folder(&[
            ("roof/devices.yml", DEVICES),
            ("maps.yaml", map),
            (".git/config.yaml", "not: [yaml"),
            ("notes.txt", "not: [yaml"),
            ("values.yaml", "a: 1\n"),
        ])
        .unwrap();
        let by_id = found.find("Endpoint", &Id::Int(7), None).unwrap();
        assert_eq!(by_id.to_string(), "roof/devices.yml: Endpoint pump");
        let iccid = || Some(("/spec/sim/iccid", "8988303000000010001".to_owned()));
        assert_eq!(found.find("Endpoint", &Id::Int(8), iccid()).unwrap().name, "fan");
        assert!(found.find("Sim", &Id::Int(7), iccid()).is_none(), "an id is one of its kind");
        assert!(found.is_far(found.find("Endpoint", &Id::Int(8), iccid()).unwrap()) && !found.is_far(by_id));
        let text = TextRef { config_map: "sims".into(), key: "iccids".into() };
        assert_eq!(found.text(&text), Some("a\n"));
        assert_eq!(found.files, ["maps.yaml", "notes.txt", "roof", "values.yaml"].map(str::to_owned).into());
        assert!(found.is_kept && !folder(&[("values.yaml", "a: 1\n")]).unwrap().is_kept);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_nothing_is_guessed() {
        let told = folder(&[("a.yaml", "kind: [")]).unwrap_err().to_string();
        assert!(told.starts_with("a.yaml is no YAML") && told.contains("mend it"), "{told}");
    }

    #[test]
    fn a_kustomization_becomes_longer_and_stays_as_it_was() {
        let text = "# fleet\nresources:\n- a.yaml # the first\n# more\n- b.yaml\n\nnamespace: iot\n";
        let longer = "# fleet\nresources:\n- a.yaml # the first\n# more\n- b.yaml\n- c.yaml\n- d.yaml\n\nnamespace: iot\n";
        assert_eq!(listing(text, &["c.yaml", "d.yaml"]).as_deref(), Some(longer));
        let ours = "kind: Kustomization\nresources:\n  - a.yaml\n";
        assert_eq!(
            listing(ours, &["b.yaml"]).as_deref(),
            Some("kind: Kustomization\nresources:\n  - a.yaml\n  - b.yaml\n")
        );
        assert_eq!(listing("resources:\n", &["b.yaml"]).as_deref(), Some("resources:\n  - b.yaml\n"));
        let windows = "resources: # all\r\n  -\r\n  - a.yaml";
        let longer = "resources: # all\r\n  -\r\n  - a.yaml\r\n  - b.yaml\r\n";
        assert_eq!(listing(windows, &["b.yaml"]).as_deref(), Some(longer), "its lines end as they did");
        assert_eq!(
            listing("resources: [a.yaml]\n", &["b.yaml"]),
            None,
            "a list that is written otherwise is left alone"
        );
        assert_eq!(listing("namespace: iot\n", &["b.yaml"]), None);
    }

    #[test]
    fn a_folder_of_hidden_files_is_free() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_free(&folder.path().join("new")).unwrap());
        fs::create_dir(folder.path().join(".git")).unwrap();
        assert!(is_free(folder.path()).unwrap(), "a repository without a file");
        fs::write(folder.path().join("README.md"), "").unwrap();
        assert!(!is_free(folder.path()).unwrap());
        assert!(is_free(&folder.path().join("README.md")).is_err(), "a file is no folder");
    }
}
