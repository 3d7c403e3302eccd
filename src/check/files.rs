//! Which files are meant, and which of them belong together.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    document::{self, Located},
    report::Report,
};

/// Names under which kustomize looks for its file.
pub(crate) const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A file that could be read.
#[derive(Debug)]
pub(super) struct Source {
    /// As users know it.
    pub(super) name: String,
    /// What is in it.
    pub(super) text: String,
    /// It was named itself, not found in a folder.
    pub(super) named: bool,
}

/// Files that are applied together, so that their objects may contradict each other.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// In order.
    pub(super) files: Vec<Source>,
}

/// Reads what the arguments name: a unit for each folder, one for all files. A folder within a folder belongs to it unless
/// it has a kustomization of its own. What cannot be read is noted in `report`.
pub(super) fn gather(arguments: &[String], report: &mut Report) -> Vec<Unit> {
    let mut named = Unit::default();
    let mut units = Vec::new();
    for argument in arguments {
        let path = Path::new(argument);
        if argument != "-" && path.is_dir() {
            let mut found = Vec::new();
            let at = found.len();
            found.push(Unit::default());
            folder(path, at, &mut found, report);
            units.append(&mut found);
        } else {
            named.files.extend(read(argument, true, report));
        }
    }
    units.insert(0, named);
    units.retain(|unit| !unit.files.is_empty());
    units
}

/// Reads a folder and what is below it into `units`, its own files into the unit `at`.
fn folder(path: &Path, mut at: usize, units: &mut Vec<Unit>, report: &mut Report) {
    let entries = match fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => return report.unreadable.push(format!("{}: cannot be read: {error}", path.display())),
    };
    let mut entries: Vec<PathBuf> =
        entries.iter().map(fs::DirEntry::path).filter(|path| !hidden(path)).collect();
    entries.sort();
    let kustomization = entries.iter().find(|path| is_kustomization(path));
    let patches = kustomization.map(|file| patches(path, file)).unwrap_or_default();
    if kustomization.is_some() && !units[at].files.is_empty() {
        at = units.len();
        units.push(Unit::default());
    }
    let (folders, files): (Vec<_>, Vec<_>) = entries.iter().partition(|path| path.is_dir());
    for file in files.into_iter().filter(|file| is_manifest(file)) {
        let name = file.display().to_string();
        if patches.contains(file) {
            report
                .skipped
                .push(format!("{name}: is a patch of a kustomization: passed over, check what it builds"));
        } else {
            units[at].files.extend(read(&name, false, report));
        }
    }
    for below in folders {
        // A link may lead back.
        if below.is_symlink() {
            report.skipped.push(format!("{}: is a link to a folder: passed over", below.display()));
        } else {
            folder(below, at, units, report);
        }
    }
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_manifest(path: &Path) -> bool {
    let ends = path.extension().map(|end| end.to_string_lossy().to_lowercase());
    ends.is_some_and(|end| ["yaml", "yml", "json"].contains(&end.as_str()))
}

fn is_kustomization(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| KUSTOMIZATIONS.contains(&name.as_str()))
}

/// Files of a kustomization that are parts of objects, not objects.
fn patches(folder: &Path, file: &Path) -> BTreeSet<PathBuf> {
    let documents = fs::read_to_string(file).ok().and_then(|text| document::parse(&text).ok());
    let mut named = BTreeSet::new();
    for document in documents.iter().flatten() {
        for list in ["patches", "patchesStrategicMerge", "patchesJson6902"] {
            let items = document.get(list).map(Located::items).unwrap_or_default();
            let path =
                |item: &Located| item.text().or_else(|| item.get("path")?.text()).map(ToOwned::to_owned);
            named
                .extend(items.iter().filter_map(path).map(|path| folder.join(path.trim_start_matches("./"))));
        }
    }
    named
}

fn read(name: &str, named: bool, report: &mut Report) -> Option<Source> {
    let text = if name == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(name)
    };
    match text {
        Ok(text) => Some(Source { name: name.to_owned(), text, named }),
        Err(error) => {
            report.unreadable.push(format!("{name}: cannot be read: {error}"));
            None
        }
    }
}
