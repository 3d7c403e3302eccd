//! What of emnify's API the operator reaches: the page says it, and the sources decide whether it is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

const PAGE: &str = "docs/coverage.md";
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// What a row may say of an operation.
const STATES: [&str; 3] = ["done", "to come", "left out"];

/// `GET /v1/endpoint`.
type Operation = String;

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the repository can be read")
}

/// Sources below a folder without their tests and without blanks, so that a call over two lines is one.
fn sources(folder: &str) -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the repository can be read").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !name.ends_with("tests.rs") {
                let text = read(path);
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.push(code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" "));
            }
        }
    }
    found
}

fn tight(text: &str) -> String {
    text.replace(' ', "")
}

/// A family of `crates/emnify`.
struct Collection {
    route: String,
    item: String,
    listed_only: bool,
}

impl Collection {
    fn reaches(&self, method: &str) -> Option<Operation> {
        let (verb, path) = match method {
            "list" | "list_where" | "lookup" => ("GET", &self.route),
            "get" if self.listed_only => ("GET", &self.route),
            "get" => ("GET", &self.item),
            "create" => ("POST", &self.route),
            "patch" | "patched" => ("PATCH", &self.item),
            "delete" => ("DELETE", &self.item),
            _ => return None,
        };
        Some(format!("{verb} {path}"))
    }
}

/// Paths of the API in a piece of code, as the page writes them.
fn routes(code: &str) -> Vec<String> {
    let found = code.split("\"/api").skip(1).filter_map(|rest| rest.split('"').next());
    found.map(str::to_owned).collect()
}

/// Pieces of code that begin with `word`, by their names.
fn pieces<'a>(code: &'a str, word: &str) -> Vec<(&'a str, &'a str)> {
    let all = code.split(word).skip(1);
    all.map(|piece| {
        let end = piece.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(piece.len());
        (&piece[..end], piece)
    })
    .collect()
}

fn collections(client: &[String]) -> BTreeMap<String, Collection> {
    let mut found = BTreeMap::new();
    for (name, piece) in client.iter().flat_map(|code| pieces(code, "pub const ")) {
        let piece = piece.split(';').next().unwrap_or_default();
        if let ([route, item], true) = (&routes(piece)[..], piece.contains("Collection::at(")) {
            let listed_only = piece.contains(".listed_only()");
            let collection = Collection { route: route.clone(), item: item.clone(), listed_only };
            found.insert(name.to_owned(), collection);
        }
    }
    found
}

/// What is asked of a collection in a piece of code.
fn of_collections(code: &str, collections: &BTreeMap<String, Collection>) -> BTreeSet<Operation> {
    let code = tight(code);
    let mut found = BTreeSet::new();
    for (name, collection) in collections {
        let dot = format!("{name}.");
        let called = code.split(&dot).skip(1);
        let called = called.filter_map(|rest| rest.split('(').next());
        found.extend(called.filter_map(|method| collection.reaches(method)));
        // a record makes every call that its family has
        let table = code.split("constCALLS:").skip(1).filter_map(|rest| rest.split(';').next());
        if table
            .into_iter()
            .any(|table| [format!("::{name}"), format!("={name}")].iter().any(|end| table.ends_with(end)))
        {
            let all = ["list", "get", "create", "patch", "delete"];
            found.extend(all.iter().filter_map(|method| collection.reaches(method)));
        }
    }
    found
}

/// What each function of the client asks.
fn functions(
    client: &[String],
    collections: &BTreeMap<String, Collection>,
) -> BTreeMap<String, BTreeSet<Operation>> {
    let mut found: BTreeMap<String, BTreeSet<Operation>> = BTreeMap::new();
    for (name, piece) in client.iter().flat_map(|code| pieces(code, "fn ")) {
        let piece = piece.split("pub const ").next().unwrap_or_default();
        let verbs: Vec<_> = METHODS
            .iter()
            .filter(|verb| piece.contains(&format!("Call::{}(", verb.to_lowercase())))
            .collect();
        // a route that is handed on is read
        let verb = verbs.first().map_or("GET", |verb| **verb);
        let own = routes(piece).into_iter().map(|route| format!("{verb} {route}"));
        let asked: BTreeSet<_> = own.chain(of_collections(piece, collections)).collect();
        found.entry(name.to_owned()).or_default().extend(asked);
    }
    found
}

/// Parameters of paths are called otherwise here and there.
fn nameless(operation: &str) -> String {
    let rest = operation.split('{').enumerate();
    rest.map(|(at, part)| if at == 0 { part } else { part.split_once('}').map_or("", |(_, rest)| rest) })
        .collect::<Vec<_>>()
        .join("{}")
}

/// Operations that something in the operator asks for.
fn reached() -> BTreeSet<Operation> {
    let client = sources("crates/emnify/src/wire");
    let (login, words) = (sources("crates/emnify/src/auth"), sources("crates/emnify/src").join(" "));
    let collections = collections(&client);
    let functions = functions(&client, &collections);
    let users: Vec<String> = ["src", "crates/engine/src"].into_iter().flat_map(sources).collect();
    let mut found = BTreeSet::new();
    for code in &users {
        found.extend(of_collections(code, &collections));
        let code = tight(code);
        for (name, asked) in &functions {
            if code.contains(&format!(".{name}(")) || code.contains(&format!("Api::{name}")) {
                found.extend(asked.iter().cloned());
            }
        }
    }
    found.extend(readings(&client));
    for (name, piece) in pieces(&words, "const ") {
        let sent = login.iter().any(|code| code.contains(&format!("post({name})")));
        let piece = piece.split(';').next().unwrap_or_default();
        found.extend(routes(piece).iter().filter(|_| sent).map(|route| format!("POST {route}")));
    }
    found
}

/// What the plugin of kubectl reads as it is.
fn readings(client: &[String]) -> BTreeSet<Operation> {
    let plugin = sources("src/plugin").join(" ");
    let words: BTreeSet<&str> = plugin.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let all = client.iter().flat_map(|code| pieces(code, "pub const "));
    let read = all.filter(|(name, piece)| piece.contains("Reading::at(") && words.contains(name));
    read.flat_map(|(_, piece)| routes(piece.split(';').next().unwrap_or_default()))
        .map(|route| format!("GET {route}"))
        .collect()
}

/// Operations of the API, as the simulator knows them.
fn published() -> BTreeSet<Operation> {
    let all: Vec<Value> = serde_json::from_str(&read("crates/simulator/operations.json")).expect("a list");
    let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
    all.iter().map(|row| format!("{} {}", text(row, "method"), &text(row, "path")["/api".len()..])).collect()
}

/// Operation, state and use of each row.
fn rows() -> Vec<[String; 3]> {
    let page = read(PAGE);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.filter(|row| METHODS.iter().any(|method| row.starts_with(&format!("{method} /"))));
    rows.map(|row| {
        let cells: Vec<String> = row.splitn(3, " | ").map(str::to_owned).collect();
        cells.try_into().unwrap_or_else(|_| panic!("{row} has three cells"))
    })
    .collect()
}

#[test]
fn every_operation_of_the_api_has_one_row() {
    let rows = rows();
    let there: BTreeSet<&String> = rows.iter().map(|[operation, ..]| operation).collect();
    assert_eq!(there.len(), rows.len(), "an operation is there once");
    let published = published();
    let published: BTreeSet<&String> = published.iter().collect();
    let missing: Vec<_> = published.difference(&there).collect();
    assert!(missing.is_empty(), "{PAGE} has no row for {missing:?}");
    let surplus: Vec<_> = there.difference(&published).collect();
    assert!(surplus.is_empty(), "the API has no {surplus:?}");
    for [operation, state, used] in &rows {
        assert!(STATES.contains(&state.as_str()), "{operation}: {state} is none of {STATES:?}");
        assert!(!used.is_empty(), "{operation}: a row says what for, or why not");
    }
}

#[test]
fn what_is_called_done_is_what_the_operator_asks_for() {
    let reached: BTreeSet<_> = reached().iter().map(|operation| nameless(operation)).collect();
    for [operation, state, _] in rows() {
        let is_asked = reached.contains(&nameless(&operation));
        assert!(
            state != "done" || is_asked,
            "{operation} is called done, and nothing in the operator asks for it"
        );
        assert!(state == "done" || !is_asked, "the operator asks for {operation}: {PAGE} may call it done");
    }
}

#[test]
fn the_page_counts_right() {
    let rows = rows();
    let count = |state: &str| rows.iter().filter(|[_, said, _]| said == state).count();
    let [done, to_come, left_out] = STATES.map(count);
    let text = format!(
        "The operator reaches {done} of {} operations; {to_come} are to come, {left_out} are left out, each with the reason.",
        rows.len()
    );
    super::section(PAGE, "count", &text);
}
