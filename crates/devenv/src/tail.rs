//! The end of a log, as evidence in an error.

use std::{fs, path::Path};

const LINES: usize = 20;

/// The last lines of a file; says so when there are none.
pub(crate) fn of(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
    if end.is_empty() { format!("({} is empty)", path.display()) } else { end }
}
