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
    /// Status of a bad `sort` or `q`: 422 as documented, 400 on event logs.
    pub refusal: u16,
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
    let filters = filters(call.query("q").unwrap_or(""), columns, paging)?;
    let mut rows: Vec<&T> = rows
        .filter(|row| {
            filters.iter().all(|(column, value)| fits(&(column.read)(row, org), column.filter, value))
        })
        .collect();
    let sort = call.query("sort").unwrap_or("");
    order(&mut rows, sort, columns, paging, org)?;
    let total = rows.len();
    let per_page = number(call.query("per_page"))
        .filter(|wanted| *wanted >= 1)
        .map_or(paging.default, |wanted| wanted.min(paging.max));
    let pages = total.div_ceil(per_page).max(1);
    let page = number(call.query("page")).unwrap_or(1).clamp(1, pages);
    let body: Vec<Value> =
        rows.iter().skip((page - 1) * per_page).take(per_page).map(|row| render(row)).collect();
    let count = body.len();
    let mut reply = Reply::json(body)
        .header("x-count-per-page", per_page.to_string())
        .header("x-current-page", page.to_string())
        .header("x-sort", sort)
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

fn filters<'c, T>(
    q: &str,
    columns: &'c [Column<T>],
    paging: Paging,
) -> Result<Vec<(&'c Column<T>, String)>, Refusal> {
    let bad = |what: &str| {
        Refusal::coded(paging.refusal, Code::INVALID_QUERY, format!("Invalid query criteria: {what}"))
    };
    q.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once(':').ok_or_else(|| bad(part))?;
            let column = columns
                .iter()
                .find(|column| column.name == name && column.filter != Filter::No)
                .ok_or_else(|| bad(name))?;
            let readable = match column.filter {
                Filter::From | Filter::Until => value.parse::<Timestamp>().is_ok(),
                Filter::AnyOf => value.split('|').count() <= 6,
                _ => true,
            };
            if readable { Ok((column, value.to_owned())) } else { Err(bad(part)) }
        })
        .collect()
}

fn fits(cell: &Cell, filter: Filter, value: &str) -> bool {
    match cell {
        Cell::Empty => value == "null",
        Cell::Many(texts) => texts.iter().any(|text| fits_text(text, filter, value)),
        Cell::Int(number) => match filter {
            Filter::AnyOf => value.split('|').any(|one| one.parse() == Ok(*number)),
            _ => value.parse() == Ok(*number),
        },
        Cell::Text(text) => fits_text(text, filter, value),
        Cell::Time(time) => match (filter, value.parse::<Timestamp>()) {
            (Filter::From, Ok(bound)) => *time >= bound,
            (Filter::Until, Ok(bound)) => *time <= bound,
            _ => time.to_string().starts_with(value.trim_end_matches('Z')),
        },
    }
}

fn fits_text(text: &str, filter: Filter, value: &str) -> bool {
    match filter {
        Filter::Prefix => text.starts_with(value),
        Filter::Contains => text.to_lowercase().contains(&value.to_lowercase()),
        Filter::AnyOf => value.split('|').any(|one| text == one),
        _ => text == value,
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
        let name = part.trim_start_matches('-');
        let column = columns.iter().find(|column| column.name == name && column.sort).ok_or_else(|| {
            let message = format!("Invalid sort criteria: {name}");
            Refusal::coded(paging.refusal, Code::INVALID_SORT, message)
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
