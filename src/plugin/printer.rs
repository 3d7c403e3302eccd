//! Rows as kubectl shows them.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use anyhow::Result;
use serde_json::Value;

use super::cli::Format;

/// Where everything is written.
pub(super) struct Printer<'a> {
    out: &'a mut dyn Write,
    notes: &'a mut dyn Write,
    pub(super) format: Format,
    /// What is shown goes to a terminal.
    pub(super) terminal: bool,
}

/// A column: its head, and where its value is: JSON pointers, the first that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) at: &'static [&'static str],
    /// Shown with `-o wide` only.
    pub(super) wide: bool,
}

impl Column {
    pub(super) const fn new(head: &'static str, at: &'static [&'static str]) -> Self {
        Self { head, at, wide: false }
    }

    pub(super) const fn wide(head: &'static str, at: &'static [&'static str]) -> Self {
        Self { head, at, wide: true }
    }
}

/// In front of objects of all namespaces.
pub(super) const NAMESPACE: Column = Column::new("NAMESPACE", &["/metadata/namespace"]);

impl<'a> Printer<'a> {
    pub(super) fn new(out: &'a mut dyn Write, notes: &'a mut dyn Write, format: Format) -> Self {
        Self { out, notes, format, terminal: false }
    }

    pub(super) fn on_terminal(self, terminal: bool) -> Self {
        Self { terminal, ..self }
    }

    /// For people only.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.notes, "{}", printable(text))
    }

    /// A question, whose answer stands on its line.
    pub(super) fn prompt(&mut self, text: &str) -> io::Result<()> {
        write!(self.notes, "{}", printable(text))?;
        self.notes.flush()
    }

    /// What was asked for is shown as it came.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml)
    }

    /// A line of what was asked for.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", printable(text))
    }

    /// What moves the cursor of a terminal; texts in it have passed [`Printer::line`] before.
    pub(super) fn draw(&mut self, frame: &str) -> io::Result<()> {
        write!(self.out, "{frame}")?;
        self.out.flush()
    }

    /// Rows in the format that was asked for. `name` is where a row says what the next command takes.
    pub(super) fn rows(&mut self, columns: &[Column], name: &[&str], rows: &[Value]) -> Result<()> {
        self.measured(columns, name, rows, None)
    }

    /// The same, and on a terminal a bar for the number at `measure`.
    pub(super) fn measured(
        &mut self,
        columns: &[Column],
        name: &[&str],
        rows: &[Value],
        measure: Option<&[&str]>,
    ) -> Result<()> {
        match self.format {
            Format::Table | Format::Wide => {
                let wide = self.format == Format::Wide;
                let columns: Vec<_> = columns.iter().filter(|column| wide || !column.wide).collect();
                let mut heads: Vec<_> = columns.iter().map(|column| column.head.to_owned()).collect();
                let cells =
                    rows.iter().map(|row| columns.iter().map(|column| text(row, column.at)).collect());
                let mut cells: Vec<Vec<String>> = cells.collect();
                if let Some(measure) = measure.filter(|_| self.terminal) {
                    heads.push(String::new());
                    let bars = bars(rows.iter().map(|row| number(row, measure)));
                    cells.iter_mut().zip(bars).for_each(|(row, bar)| row.push(bar));
                }
                self.table(&heads, &cells)?;
            }
            Format::Json => writeln!(self.out, "{}", serde_json::to_string_pretty(rows)?)?,
            Format::Yaml => write!(self.out, "{}", serde_yaml::to_string(rows)?)?,
            Format::Name => {
                for row in rows {
                    self.line(&text(row, name))?;
                }
            }
        }
        Ok(())
    }

    /// A page of parts, as YAML reads it: for people, whatever control characters it holds.
    pub(super) fn page(&mut self, page: &Value) -> Result<()> {
        for line in serde_yaml::to_string(page)?.lines() {
            self.line(line)?;
        }
        Ok(())
    }

    /// Columns with three blanks between them.
    pub(super) fn table(&mut self, heads: &[String], rows: &[Vec<String>]) -> io::Result<()> {
        if rows.is_empty() {
            return self.note("No rows found.");
        }
        let plain = |row: &Vec<String>| row.iter().map(|cell| printable(cell).into_owned()).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(plain).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).chain(heads.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..heads.len()).map(width).collect();
        for row in std::iter::once(heads).chain(rows.iter().map(Vec::as_slice)) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(self.out, "{}", cells.collect::<Vec<_>>().join("   ").trim_end())?;
        }
        Ok(())
    }
}

/// A value as a cell: the first pointer that leads somewhere.
pub(super) fn text(row: &Value, at: &[&str]) -> String {
    let value = at.iter().filter_map(|pointer| row.pointer(pointer)).find(|value| !value.is_null());
    let text = match value {
        None => return "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) => {
            let all: Vec<_> = all.iter().map(|one| text(one, &["/name", ""])).collect();
            all.join(",")
        }
        Some(other) => other.to_string(),
    };
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A number, also where it is written as a text: the first pointer that leads somewhere. What is none is nothing.
pub(super) fn number(row: &Value, at: &[&str]) -> f64 {
    let value = at.iter().filter_map(|pointer| row.pointer(pointer)).find(|value| !value.is_null());
    let number = match value {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_f64(),
        None => None,
    };
    number.filter(|number: &f64| number.is_finite()).unwrap_or_default()
}

/// A bar for each number, the longest for the largest one; what is more than nothing has at least a thin one.
fn bars(numbers: impl Iterator<Item = f64> + Clone) -> impl Iterator<Item = String> {
    const CELLS: f64 = 24.0;
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let most = numbers.clone().fold(0.0, f64::max);
    numbers.map(move |number| {
        let eighths = if most > 0.0 { (number.max(0.0) / most * CELLS * 8.0).ceil() } else { 0.0 };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 24 cells of eight"
        )]
        let eighths = eighths as usize;
        "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
    })
}

/// What others wrote moves no cursor, and stays on its line.
fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        return text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("ID", &["/id"]),
        Column::new("NAME", &["/name", "/description"]),
        Column::wide("NOTE", &["/note"]),
    ];

    fn printed(format: Format, rows: &[Value]) -> (String, String) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        Printer::new(&mut out, &mut notes, format).rows(COLUMNS, &["/id"], rows).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
    }

    #[test]
    fn each_format_shows_the_same_rows() {
        let rows =
            [json!({"id": 1, "name": "LTE", "note": "a"}), json!({"id": 20, "description": "5G\u{1b}[2J"})];
        assert_eq!(
            printed(Format::Table, &rows).0,
            "ID   NAME\n1    LTE\n20   5G [2J\n",
            "no cursor is moved"
        );
        assert_eq!(printed(Format::Wide, &rows).0, "ID   NAME     NOTE\n1    LTE      a\n20   5G [2J   -\n");
        assert_eq!(printed(Format::Name, &rows).0, "1\n20\n");
        let back: Vec<Value> = serde_json::from_str(&printed(Format::Json, &rows).0).unwrap();
        assert_eq!(back, rows, "every field, as it came");
        let back: Vec<Value> = serde_yaml::from_str(&printed(Format::Yaml, &rows).0).unwrap();
        assert_eq!(back, rows);
        assert_eq!(printed(Format::Table, &[]), (String::new(), "No rows found.\n".into()));
        assert_eq!(printed(Format::Json, &[]).0, "[]\n");
    }

    #[test]
    fn bars_are_for_terminals_and_as_long_as_their_numbers() {
        let rows =
            [json!({"id": 1, "mb": "24.0"}), json!({"id": 2, "mb": 12}), json!({"id": 3, "mb": 0.0001})];
        let rows =
            [&rows[..], &[json!({"id": 4, "mb": "0"}), json!({"id": 5, "mb": "NaN"}), json!({"id": 6})]]
                .concat();
        let shown = |format, terminal| {
            let (mut out, mut notes) = (Vec::new(), Vec::new());
            let mut printer = Printer::new(&mut out, &mut notes, format).on_terminal(terminal);
            printer.measured(&COLUMNS[..1], &["/id"], &rows, Some(&["/mb"])).unwrap();
            String::from_utf8(out).unwrap()
        };
        let bars: Vec<usize> =
            shown(Format::Table, true).lines().skip(1).map(|line| line.chars().skip(5).count()).collect();
        assert_eq!(bars, [24, 12, 1, 0, 0, 0]);
        assert!(shown(Format::Table, true).contains("3    ▏\n"));
        for (format, terminal) in [(Format::Table, false), (Format::Json, true), (Format::Name, true)] {
            assert!(shown(format, terminal).is_ascii(), "numbers only: {format:?}");
        }
    }

    #[test]
    fn what_others_wrote_moves_no_cursor_wherever_it_is_shown() {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut notes, Format::Table);
        let wrote = "a\u{1b}[2Jb\nc";
        printer.line(wrote).unwrap();
        printer.note(wrote).unwrap();
        printer.prompt(wrote).unwrap();
        printer.table(&["HEAD".to_owned()], &[vec![wrote.to_owned()]]).unwrap();
        printer.page(&json!({"name": wrote})).unwrap();
        for text in [out, notes] {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains('\u{1b}') && !text.contains("\nc"), "{text:?}");
        }
    }
}
