//! Collections: `q`, `sort`, `page` and `per_page`, with the clamps and headers of the API.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use super::call::{Answer, Call, Reply};
use super::refusal::{Code, Refusal};
use crate::state::Organisation;

/// A value of a column, to compare and to sort by.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Cell {
    /// Nothing there; sorts first and matches only `null`.
    Empty,
    /// A number.
    Int(u64),
    /// A text.
    Text(String),
    /// A time.
    Time(Timestamp),
    /// Several texts, any of which may match.
    Many(Vec<String>),
}

impl Cell {
    /// A text, or nothing.
    pub fn text(value: Option<&str>) -> Self {
        value.map_or(Self::Empty, |value| Self::Text(value.to_owned()))
    }

    /// A number, or nothing.
    pub fn int(value: Option<u64>) -> Self {
        value.map_or(Self::Empty, Self::Int)
    }
}

/// How `q` compares a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Not at all: the field is refused in `q`.
    No,
    /// Equal.
    Exact,
    /// The cell starts with the value. [3P]
    Prefix,
    /// The cell holds the value, upper or lower case.
    Contains,
    /// Equal to one of up to six values parted by `|`. [D]
    AnyOf,
    /// At or after a time.
    From,
    /// At or before a time.
    Until,
}

/// A column one can filter or sort by.
pub struct Column<T> {
    /// Its name in `q` and `sort`.
    pub name: &'static str,
    /// Whether and how `q` compares it.
    pub filter: Filter,
    /// Whether `sort` takes it.
    pub sort: bool,
    /// Its value.
    pub read: fn(&T, &Organisation) -> Cell,
}

/// How a collection is paged.
#[derive(Debug, Clone, Copy)]
pub struct Paging {
    /// Rows of a page unless asked otherwise, and where the request asks for less than one.
    pub default: usize,
    /// Most rows of a page.
    pub max: usize,
    /// Which headers describe it.
    pub headers: Headers,
    /// Whether a page that is no number, or a bad `sort`, answers 400 as on event logs [S]. Else such a page counts as
    /// missing, and a bad `sort` answers 422 [D].
    pub strict: bool,
}

/// Which paging headers a collection sends. [R]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// The five of `/sim`.
    Five,
    /// The nine of `/endpoint` since October 2024.
    Nine,
    /// The five and an empty `Link`: event logs.
    WithEmptyLink,
}

/// Answers one page of a collection. Rows come in the default order: by id.
///
/// # Errors
/// A `q` or `sort` that names no such field.
pub fn list<'r, T: 'r>(
    call: &Call<'_>,
    rows: impl Iterator<Item = &'r T>,
    columns: &[Column<T>],
    paging: Paging,
    render: impl Fn(&T) -> Value,
) -> Answer {
    let org = call.org();
    let filters = filters(call.query("q").unwrap_or(""), columns)?;
    let sort = call.query("sort").unwrap_or("");
    if paging.strict {
        for name in ["page", "per_page"] {
            if call.query(name).is_some_and(|text| text.parse::<i64>().is_err()) {
                return Err(Refusal::bad_request(format!("{name} must be a number")));
            }
        }
    }
    let per_page = number(call.query("per_page"))
        .filter(|wanted| *wanted >= 1)
        .map_or(paging.default, |wanted| wanted.min(paging.max));
    let place = |total: usize| {
        let pages = total.div_ceil(per_page).max(1);
        (pages, number(call.query("page")).unwrap_or(1).clamp(1, pages))
    };
    let total_of_all = exactly(&rows).filter(|_| filters.is_empty() && sort.is_empty());
    let (rows, total): (Vec<&T>, usize) = if let Some(total) = total_of_all {
        // A page of everything costs a page, however long the list is.
        (rows.skip((place(total).1 - 1) * per_page).take(per_page).collect(), total)
    } else {
        let mut rows: Vec<&T> = rows
            .filter(|row| filters.iter().all(|wanted| wanted.fits(&(wanted.column.read)(row, org))))
            .collect();
        order(&mut rows, sort, columns, paging, org)?;
        let total = rows.len();
        (rows.into_iter().skip((place(total).1 - 1) * per_page).take(per_page).collect(), total)
    };
    let (pages, page) = place(total);
    let body: Vec<Value> = rows.into_iter().map(render).collect();
    let count = body.len();
    let mut reply = Reply::json(body)
        .header("x-count-per-page", per_page.to_string())
        .header("x-current-page", page.to_string())
        .header("x-sort", if sort.is_empty() { "id" } else { sort })
        .header("x-total-count", total.to_string())
        .header("x-total-pages", pages.to_string());
    if paging.headers == Headers::Nine {
        reply = reply
            .header("x-count", count.to_string())
            .header("x-per-page", per_page.to_string())
            .header("x-pages", pages.to_string())
            .header("x-page", page.to_string());
    }
    if paging.headers == Headers::WithEmptyLink {
        reply = reply.header("link", "");
    }
    Ok(reply)
}

/// A page number or size; what is no number counts as missing, what is negative as 0.
fn number(text: Option<&str>) -> Option<usize> {
    let number: i64 = text?.parse().ok()?;
    Some(usize::try_from(number).unwrap_or(0))
}

/// How many there are, where that is known without counting.
fn exactly<T>(rows: &impl Iterator<Item = T>) -> Option<usize> {
    let (least, most) = rows.size_hint();
    most.filter(|most| *most == least)
}

/// One condition of `q`, read once for all rows.
struct Wanted<'c, T> {
    column: &'c Column<T>,
    text: String,
    /// The text in lower case.
    lower: String,
    /// The parts of the text between `|`, each also as a number.
    parts: Vec<(String, Option<u64>)>,
    time: Option<Timestamp>,
}

fn filters<'c, T>(q: &str, columns: &'c [Column<T>]) -> Result<Vec<Wanted<'c, T>>, Refusal> {
    let bad =
        |what: &str| Refusal::coded(422, Code::INVALID_QUERY, format!("Invalid query criteria: {what}"));
    q.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once(':').ok_or_else(|| bad(part))?;
            let column = columns
                .iter()
                .find(|column| column.name == name && column.filter != Filter::No)
                .ok_or_else(|| bad(name))?;
            let wanted = Wanted::new(column, value);
            let readable = match column.filter {
                Filter::From | Filter::Until => wanted.time.is_some(),
                Filter::AnyOf => wanted.parts.len() <= 6,
                _ => true,
            };
            if readable { Ok(wanted) } else { Err(bad(part)) }
        })
        .collect()
}

impl<'c, T> Wanted<'c, T> {
    fn new(column: &'c Column<T>, value: &str) -> Self {
        Self {
            column,
            text: value.to_owned(),
            lower: value.to_lowercase(),
            parts: value.split('|').map(|part| (part.to_owned(), part.parse().ok())).collect(),
            time: value.parse().ok(),
        }
    }

    fn fits(&self, cell: &Cell) -> bool {
        match cell {
            Cell::Empty => self.text == "null",
            Cell::Many(texts) => texts.iter().any(|text| self.fits_text(text)),
            Cell::Int(number) => match self.column.filter {
                Filter::AnyOf => self.parts.iter().any(|(_, one)| *one == Some(*number)),
                _ => matches!(self.parts.as_slice(), [(_, Some(only))] if only == number),
            },
            Cell::Text(text) => self.fits_text(text),
            Cell::Time(time) => match (self.column.filter, self.time) {
                (Filter::From, Some(bound)) => *time >= bound,
                (Filter::Until, Some(bound)) => *time <= bound,
                _ => time.to_string().starts_with(self.text.trim_end_matches('Z')),
            },
        }
    }

    fn fits_text(&self, text: &str) -> bool {
        match self.column.filter {
            Filter::Prefix => text.starts_with(&self.text),
            Filter::Contains => text.to_lowercase().contains(&self.lower),
            Filter::AnyOf => self.parts.iter().any(|(one, _)| text == one),
            _ => text == self.text,
        }
    }
}

fn order<T>(
    rows: &mut [&T],
    sort: &str,
    columns: &[Column<T>],
    paging: Paging,
    org: &Organisation,
) -> Result<(), Refusal> {
    let mut keys = Vec::new();
    for part in sort.split(',').filter(|part| !part.is_empty()) {
        // A plus sign may be written as it is, and then reads as a blank. [S]
        let name = part.strip_prefix(['-', '+', ' ']).unwrap_or(part);
        let column = columns.iter().find(|column| column.name == name && column.sort).ok_or_else(|| {
            let message = format!("Invalid sort criteria: {name}");
            Refusal::coded(if paging.strict { 400 } else { 422 }, Code::INVALID_SORT, message)
        })?;
        keys.push((column, part.starts_with('-')));
    }
    // Least important first: a stable sort keeps ties in id order.
    for (column, descending) in keys.into_iter().rev() {
        let mut keyed: Vec<(Cell, &T)> = rows.iter().map(|row| ((column.read)(row, org), *row)).collect();
        keyed.sort_by(|(a, _), (b, _)| {
            let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        });
        for (slot, (_, row)) in rows.iter_mut().zip(keyed) {
            *slot = row;
        }
    }
    Ok(())
}
