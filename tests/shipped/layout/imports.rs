//! Who imports whom, read from the sources: `use` lines, paths in code, and paths in what macros are given.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, ItemUse, UseTree, Visibility};

/// Names from the root of the crate on.
type Names = Vec<String>;

#[derive(Default)]
struct Module {
    file: PathBuf,
    children: BTreeSet<String>,
    /// What has a name here and is defined elsewhere.
    reexports: Vec<(String, Names)>,
    imports: Vec<Names>,
}

/// The arrows between the files of one crate: who imports, and what from where.
pub(super) struct Imports {
    pub(super) arrows: BTreeMap<PathBuf, BTreeMap<PathBuf, String>>,
}

impl Imports {
    /// Reads the crate whose sources lie in `folder`; paths are told from `root` on.
    pub(super) fn of(root: &Path, folder: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read(folder, &Names::new(), &mut modules);
        Self::between(root, &modules)
    }

    fn between(root: &Path, modules: &BTreeMap<Names, Module>) -> Self {
        let mut arrows: BTreeMap<PathBuf, BTreeMap<PathBuf, String>> = BTreeMap::new();
        let short = |file: &Path| file.strip_prefix(root).unwrap_or(file).to_owned();
        for module in modules.values() {
            for import in &module.imports {
                let target = home(import, modules, 0);
                let Some(target) = target.and_then(|names| modules.get(&names)) else { continue };
                if target.file != module.file {
                    let to = arrows.entry(short(&module.file)).or_default();
                    to.entry(short(&target.file)).or_insert_with(|| import.join("::"));
                }
            }
        }
        Self { arrows }
    }

    /// The files that import each other, each group once, as arrows.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            self.arrows.keys().map(|file| (file, self.reached(file))).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
            if seen.contains(file) {
                continue;
            }
            let members: BTreeSet<_> = reached
                .iter()
                .filter(|other| reach.get(*other).is_some_and(|back| back.contains(file)))
                .copied()
                .collect();
            let told = members.iter().flat_map(|from| {
                let within = self.arrows[*from].iter().filter(|(to, _)| members.contains(to));
                within.map(|(to, what)| format!("{} -> {} ({what})", from.display(), to.display()))
            });
            circles.push(told.collect());
            seen.extend(members);
        }
        circles
    }

    fn reached(&self, from: &PathBuf) -> BTreeSet<&PathBuf> {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(file) = next.pop() {
            for to in self.arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(to) {
                    next.push(to);
                }
            }
        }
        reached
    }
}

/// The module that defines what `names` leads to.
fn home(names: &[String], modules: &BTreeMap<Names, Module>, depth: usize) -> Option<Names> {
    let known = (0..=names.len()).rev().find(|n| modules.contains_key(&names[..*n]))?;
    let (module, rest) = names.split_at(known);
    let (Some(item), true) = (rest.first(), depth < 8) else { return Some(module.to_vec()) };
    let reexports = &modules[module].reexports;
    if let Some((_, from)) = reexports.iter().find(|(name, _)| name == item) {
        return home(from, modules, depth + 1);
    }
    Some(module.to_vec())
}

/// Every file below `folder` is a module, also where only a macro says so.
fn read(folder: &Path, names: &Names, modules: &mut BTreeMap<Names, Module>) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("the folder is there").flatten().collect();
    entries.sort_by_key(fs::DirEntry::path);
    let below: BTreeSet<String> = entries.iter().filter_map(|entry| module_name(&entry.path())).collect();
    for entry in entries {
        let path = entry.path();
        let Some(name) = module_name(&path) else { continue };
        let at = if ROOTS.contains(&name.as_str()) { names.clone() } else { with(names, &name) };
        if path.is_dir() {
            read(&path, &at, modules);
        } else {
            let text = fs::read_to_string(&path).expect("sources are text");
            let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let children = if at == *names { below.clone() } else { below_of(&path) };
            read_items(&path, &parsed.items, &at, children, modules);
        }
    }
}

/// Files that are their folder's module.
const ROOTS: [&str; 2] = ["mod", "lib"];

/// The name of the module that a file or folder is; `None` for tests and programs.
fn module_name(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let source = path.is_dir() || path.extension().is_some_and(|end| end == "rs");
    let other = stem == "tests" || stem.ends_with("_tests") || ["main", "bin"].contains(&stem);
    (source && !other).then(|| stem.to_owned())
}

fn below_of(file: &Path) -> BTreeSet<String> {
    let folder = file.with_extension("");
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| module_name(&entry.path())).collect()
}

fn read_items(
    file: &Path,
    items: &[Item],
    names: &Names,
    children: BTreeSet<String>,
    modules: &mut BTreeMap<Names, Module>,
) {
    let mut module = Module { file: file.to_owned(), children, ..Module::default() };
    for item in items {
        match item {
            Item::Mod(inner) => {
                let tests = inner.attrs.iter().any(|a| a.to_token_stream().to_string().contains("test"));
                if let (Some((_, items)), false) = (&inner.content, tests) {
                    let name = inner.ident.to_string();
                    read_items(file, items, &with(names, &name), BTreeSet::new(), modules);
                    module.children.insert(name);
                }
            }
            Item::Use(line) => read_use(line, names, &mut module),
            other => paths(other.to_token_stream(), names, &mut module),
        }
    }
    modules.insert(names.clone(), module);
}

fn read_use(line: &ItemUse, names: &Names, module: &mut Module) {
    if line.leading_colon.is_some() {
        // another crate
        return;
    }
    let mut found = Vec::new();
    leaves(&line.tree, &mut Names::new(), &mut found);
    for (said, name) in found {
        let Some(path) = absolute(&said, names, &module.children) else { continue };
        let down = path.starts_with(names);
        // also for modules below, which see what is imported privately
        module.reexports.push((name, path.clone()));
        if down && !matches!(line.vis, Visibility::Inherited) {
            continue;
        }
        module.imports.push(path);
    }
}

fn leaves(tree: &UseTree, before: &mut Names, found: &mut Vec<(Names, String)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves(&path.tree, before, found);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, found)),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((before.clone(), before.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => found.push((with(before, &name.ident.to_string()), name.ident.to_string())),
        UseTree::Rename(name) => {
            found.push((with(before, &name.ident.to_string()), name.rename.to_string()));
        }
        UseTree::Glob(_) => found.push((before.clone(), String::new())),
    }
}

fn with(names: &[String], last: &str) -> Names {
    names.iter().cloned().chain([last.to_owned()]).collect()
}

/// From the root of the crate on; `None` for what other crates have.
fn absolute(said: &[String], names: &Names, children: &BTreeSet<String>) -> Option<Names> {
    let first = said.first()?.as_str();
    let (mut from, mut rest) = match first {
        "crate" => (Names::new(), &said[1..]),
        "self" => (names.clone(), &said[1..]),
        "super" => (names.clone(), said),
        child if children.contains(child) => (names.clone(), said),
        _ => return None,
    };
    while rest.first().is_some_and(|name| name == "super") {
        from.pop();
        rest = &rest[1..];
    }
    from.extend(rest.iter().cloned());
    Some(from)
}

/// Paths anywhere in code, also in what macros are given.
fn paths(tokens: TokenStream, names: &Names, module: &mut Module) {
    let mut path = Names::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    note(&std::mem::take(&mut path), names, module);
                }
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                note(&std::mem::take(&mut path), names, module);
                colons = 0;
                paths(group.stream(), names, module);
            }
            _ => {
                note(&std::mem::take(&mut path), names, module);
                colons = 0;
            }
        }
    }
    note(&path, names, module);
}

fn note(path: &[String], names: &Names, module: &mut Module) {
    if path.len() > 1
        && let Some(path) = absolute(path, names, &module.children)
    {
        module.imports.push(path);
    }
}
