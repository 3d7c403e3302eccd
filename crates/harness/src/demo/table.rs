//! What `kubectl get emnify` prints, short enough to read.

/// Rows of one kind that are shown.
const ROWS: usize = 12;

/// Cuts each table (they are separated by blank lines) after some rows and says how many there are more.
pub(super) fn shorten(tables: &str) -> String {
    let tables = tables.trim_end().split("\n\n").map(|table| {
        let lines: Vec<_> = table.lines().collect();
        // The first line holds the titles.
        match lines.len().saturating_sub(1 + ROWS) {
            0 => table.to_owned(),
            more => format!("{}\n... and {more} more", lines[..=ROWS].join("\n")),
        }
    });
    tables.collect::<Vec<_>>().join("\n\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_tables_are_cut() {
        let text = format!("NAME{}\n\nNAME{}\n", "\nrow".repeat(3), "\nrow".repeat(20));
        let short = shorten(&text);
        let (first, second) = short.split_once("\n\n").unwrap();
        assert_eq!(first.lines().count(), 4, "a short table stays whole");
        assert_eq!(second.lines().count(), 1 + ROWS + 1);
        assert!(second.ends_with("... and 8 more\n"));
    }
}
