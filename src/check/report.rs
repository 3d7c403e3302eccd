//! What a check finds.

use std::fmt;

use super::schema::Problem;

/// Something that a manifest gets wrong. Prints as `file:line: path: what is wrong and the mend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// File as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Path of the field; empty for the file as a whole.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, path, message } = self;
        if path.is_empty() {
            write!(f, "{file}:{line}: {message}")
        } else {
            write!(f, "{file}:{line}: {path}: {message}")
        }
    }
}

/// What became of a set of manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is not for this operator, and why, as `file:line: note`.
    pub skipped: Vec<String>,
    /// What could not be read, as `file: why`.
    pub unreadable: Vec<String>,
    /// Objects that were looked at.
    pub objects: usize,
}

pub(super) fn finding(file: &str, problem: Problem) -> Finding {
    let Problem { line, path, message } = problem;
    Finding { file: file.to_owned(), line, path, message }
}
