//! Every operation of the public API, and which one a request means.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::Method;
use serde::Deserialize;

/// One operation as published: its name, where it lives and how it answers when it succeeds. [S]
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// The published operation name, unique.
    pub operation: String,
    /// Upper-case HTTP method.
    pub method: String,
    /// Path template, with `{name}` segments.
    pub path: String,
    /// Success status.
    pub status: u16,
}

/// Path parameters of one request, in the order of the template.
pub type Params = Vec<(&'static str, String)>;

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../operations.json")).expect("operations.json is part of this crate")
});

static BY_NAME: LazyLock<HashMap<&'static str, &'static Operation>> =
    LazyLock::new(|| all().iter().map(|operation| (operation.operation.as_str(), operation)).collect());

/// Operations by method and number of segments, those with the fewest parameters first.
static BY_SHAPE: LazyLock<HashMap<(&'static str, usize), Vec<&'static Operation>>> = LazyLock::new(|| {
    let mut shapes: HashMap<_, Vec<&'static Operation>> = HashMap::new();
    for operation in all() {
        let shape = (operation.method.as_str(), segments(&operation.path).count());
        shapes.entry(shape).or_default().push(operation);
    }
    for candidates in shapes.values_mut() {
        candidates.sort_by_key(|operation| operation.path.matches('{').count());
    }
    shapes
});

/// All operations, implemented or not.
pub fn all() -> &'static [Operation] {
    &OPERATIONS
}

/// The operation of that published name.
pub fn named(name: &str) -> Option<&'static Operation> {
    BY_NAME.get(name).copied()
}

/// The operation a request addresses, and its path parameters. A literal segment wins over a parameter.
pub fn find(method: &Method, path: &str) -> Option<(&'static Operation, Params)> {
    let shape = (method.as_str(), segments(path).count());
    let same_shape = BY_SHAPE.iter().find(|(other, _)| **other == shape)?.1;
    same_shape.iter().find_map(|operation| Some((*operation, matches(&operation.path, path)?)))
}

fn matches(template: &'static str, path: &str) -> Option<Params> {
    let mut params = Params::new();
    for (expected, actual) in segments(template).zip(segments(path)) {
        if let Some(name) = expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            params.push((name, actual.to_owned()));
        } else if expected != actual {
            return None;
        }
    }
    Some(params)
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_known_and_found_by_its_own_path() {
        assert_eq!(all().len(), 215, "the published API has 215 operations");
        for operation in all() {
            let method = Method::from_bytes(operation.method.as_bytes()).expect("a method");
            let path = operation.path.replace(['{', '}'], "");
            let (found, _) = find(&method, &path).expect("each operation is reachable");
            assert_eq!(found.operation, operation.operation);
        }
    }

    #[test]
    fn a_literal_segment_wins_over_a_parameter() {
        let (found, params) = find(&Method::GET, "/api/v1/endpoint/status").expect("found");
        assert_eq!(found.operation, "endpoint-status-get");
        assert!(params.is_empty());
        let (found, params) = find(&Method::GET, "/api/v1/endpoint/12").expect("found");
        assert_eq!(found.operation, "endpoint-by-id-get");
        assert_eq!(params, [("endpoint_id", "12".to_owned())]);
    }
}
