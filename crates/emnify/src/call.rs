//! One request, described before anything is sent, and its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::counters::Counters;
use crate::error::Error;
use crate::limits::Class;
use crate::page::{Cursor, Page};
use crate::wire::record::record;
use crate::wire::{EntryId, lenient};

/// A request, without host and token.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The path with `{...}` for its arguments: what logs and metrics show.
    pub(crate) route: &'static str,
    pub(crate) args: Vec<String>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Bytes>,
    /// Sending it twice is as good as sending it once.
    pub(crate) repeatable: bool,
    /// The limit of its own that it has.
    pub(crate) class: Option<Class>,
    /// It carries a secret, so what the API says about it is not repeated.
    pub(crate) sensitive: bool,
    /// It may count as a failed login, so that losing its answer is not nothing.
    pub(crate) tells_on: bool,
}

impl Call {
    pub(crate) fn new(method: Method, route: &'static str) -> Self {
        let repeatable = method != Method::POST;
        Self {
            method,
            route,
            args: vec![],
            query: vec![],
            body: None,
            repeatable,
            class: None,
            sensitive: false,
            tells_on: false,
        }
    }

    pub(crate) fn get(route: &'static str) -> Self {
        Self::new(Method::GET, route)
    }

    pub(crate) fn post(route: &'static str) -> Self {
        Self::new(Method::POST, route)
    }

    pub(crate) fn put(route: &'static str) -> Self {
        Self::new(Method::PUT, route)
    }

    pub(crate) fn patch(route: &'static str) -> Self {
        Self::new(Method::PATCH, route)
    }

    pub(crate) fn delete(route: &'static str) -> Self {
        Self::new(Method::DELETE, route)
    }

    /// The next `{...}` of the route.
    #[allow(clippy::needless_pass_by_value, reason = "ids and texts are handed over as they are")]
    pub(crate) fn arg(mut self, value: impl ToString) -> Self {
        self.args.push(value.to_string());
        self
    }

    #[allow(clippy::needless_pass_by_value, reason = "ids and texts are handed over as they are")]
    pub(crate) fn query(mut self, key: &'static str, value: impl ToString) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    pub(crate) fn query_if(self, key: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    pub(crate) fn body(mut self, body: &impl Serialize) -> Self {
        let json = serde_json::to_vec(body).expect("wire types have text keys and finite numbers");
        self.body = Some(json.into());
        self
    }

    pub(crate) fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    pub(crate) fn limited(mut self, class: impl Into<Option<Class>>) -> Self {
        self.class = class.into();
        self
    }

    pub(crate) fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    pub(crate) fn tells_on(mut self, tells_on: bool) -> Self {
        self.tells_on = tells_on;
        self
    }
}

/// A successful answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) route: &'static str,
    /// The call that it answers could be sent again.
    pub(crate) repeatable: bool,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Where rows that cannot be read are counted.
    pub(crate) counters: Arc<Counters>,
}

/// What a create made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created<I = i64> {
    /// The new object's id, from `Location` first, else from the body.
    pub id: I,
}

/// Rows of a listing or a table.
pub(crate) struct Rows<T> {
    /// Those that can be read.
    pub(crate) items: Vec<T>,
    /// Ids of those that cannot.
    pub(crate) unreadable: Vec<i64>,
    /// How many cannot, and have no id either.
    pub(crate) nameless: usize,
}

impl<T: DeserializeOwned> From<Vec<Value>> for Rows<T> {
    fn from(values: Vec<Value>) -> Self {
        let mut rows = Self { items: vec![], unreadable: vec![], nameless: 0 };
        for value in values {
            let id = value.get("id").and_then(lenient::as_integer);
            match (serde_json::from_value(value), id) {
                (Ok(item), _) => rows.items.push(item),
                (Err(_), Some(id)) => rows.unreadable.push(id),
                (Err(_), None) => rows.nameless += 1,
            }
        }
        rows
    }
}

record!(
    /// A page of v2.
    struct Envelope {
        data: Vec<Value>,
        total: Option<i64>,
        page: Option<i64>,
        last_page: Option<i64>,
    }
);

impl Reply {
    /// The body as JSON, whatever its content type says.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error))
    }

    /// A list; an empty body is an empty list.
    pub(crate) fn list<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        self.json()
    }

    /// A list, or one object where the API has just one to show.
    pub(crate) fn one_or_many<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        if self.body.trim_ascii_start().first() == Some(&b'{') {
            return self.json().map(|one| vec![one]);
        }
        self.list()
    }

    /// The only entry of a list, or the object itself.
    pub(crate) fn only<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let all = self.one_or_many()?;
        let mut all = all.into_iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(Error::unreadable(format!("{}: one entry was expected", self.route))),
        }
    }

    /// A page of a listing whose full pages hold `full` rows; `None` for one that is not paged.
    pub(crate) fn page<T: DeserializeOwned>(
        &self,
        at: Cursor,
        full: Option<usize>,
    ) -> Result<Page<T>, Error> {
        let number = |name: &str| header_number(&self.headers, name);
        let (pages, total) = (number("x-total-pages"), number("x-total-count"));
        let Rows { items, unreadable, nameless } = self.rows()?;
        let shown = items.len() + unreadable.len() + nameless;
        Ok(Page {
            items,
            page: number("x-current-page").map_or(at.page, saturate),
            pages: pages.map_or(1, saturate),
            total,
            server_time: date(&self.headers),
            unreadable,
            nameless,
            cut: pages.is_none() && total.is_none() && full.is_some_and(|full| shown >= full),
        })
    }

    /// A list, without the rows that cannot be read.
    fn rows<T: DeserializeOwned>(&self) -> Result<Rows<T>, Error> {
        if let Ok(items) = self.list() {
            return Ok(Rows { items, unreadable: vec![], nameless: 0 });
        }
        let rows = Rows::from(self.list::<Value>()?);
        self.counters.add_unread(self.route, rows.unreadable.len() + rows.nameless);
        Ok(rows)
    }

    /// The rows of a table that names are looked up in: one that cannot be read is left out and told, and whoever does
    /// not need it goes on. A table none of whose rows can be read is not empty. Not for lists that are compared as a whole, where a missing row is a difference.
    pub(crate) fn lookup<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        let rows = self.rows()?;
        let unread = rows.unreadable.len() + rows.nameless;
        self.tell_unread(unread);
        if rows.items.is_empty() && unread > 0 {
            return self.list();
        }
        Ok(rows.items)
    }

    fn tell_unread(&self, rows: usize) {
        if rows > 0 {
            tracing::warn!(target: "emnify::http", route = self.route, rows, "rows could not be read and are left out");
        }
    }

    /// A page that came in an envelope (v2), where `full` rows were asked for.
    pub(crate) fn envelope<T: DeserializeOwned>(&self, at: Cursor, full: u32) -> Result<Page<T>, Error> {
        let envelope: Envelope = self.json()?;
        let shown = envelope.data.len();
        let Rows { items, unreadable, nameless } = Rows::from(envelope.data);
        self.counters.add_unread(self.route, unreadable.len() + nameless);
        self.tell_unread(unreadable.len() + nameless);
        let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        Ok(Page {
            items,
            page: number(envelope.page).unwrap_or(at.page),
            pages: number(envelope.last_page).unwrap_or(1),
            total: envelope.total.and_then(|total| u64::try_from(total).ok()),
            server_time: date(&self.headers),
            unreadable,
            nameless,
            cut: envelope.total.is_none() && envelope.last_page.is_none() && shown >= full as usize,
        })
    }

    /// A whole listing as an array, as its only object, or as the `data` of an envelope; one that tells of further pages is not
    /// whole.
    pub(crate) fn loose<T: DeserializeOwned>(&self, at: Cursor) -> Result<Page<T>, Error> {
        let (values, cut) = match self.json::<Value>()? {
            Value::Object(mut fields) => match fields.remove("data") {
                Some(Value::Array(data)) => {
                    let pages = fields.get("last_page").and_then(lenient::as_integer);
                    let total = fields.get("total").and_then(lenient::as_integer);
                    let more = pages.is_some_and(|pages| pages > 1);
                    let cut = more || total.is_some_and(|total| usize::try_from(total) != Ok(data.len()));
                    (data, cut)
                }
                Some(one) => (vec![one], false),
                // an empty object is no object of any kind, and no list either
                None => (vec![Value::Object(fields)], false),
            },
            Value::Array(all) => (all, false),
            other => (vec![other], false),
        };
        let Rows { items, unreadable, nameless } = Rows::from(values);
        self.counters.add_unread(self.route, unreadable.len() + nameless);
        self.tell_unread(unreadable.len() + nameless);
        let server_time = date(&self.headers);
        Ok(Page { items, page: at.page, pages: 1, total: None, server_time, unreadable, nameless, cut })
    }

    /// The body is a page for people, which emnify never answers with: something before it answered instead.
    pub(crate) fn is_a_page(&self) -> bool {
        self.body.trim_ascii_start().first() == Some(&b'<')
    }

    /// The id of the object that a create made. Of `Location` only the id is used. A create that names no id took place, but
    /// what it made has to be looked for.
    pub(crate) fn created<I: EntryId>(&self) -> Result<Created<I>, Error> {
        let from_location = || {
            let location = self.headers.get(header::LOCATION)?.to_str().ok()?;
            I::located(location.trim_end_matches('/').rsplit('/').next()?)
        };
        let from_body = || I::shown(serde_json::from_slice::<Value>(&self.body).ok()?.get("id")?);
        from_location().or_else(from_body).map(|id| Created { id }).ok_or_else(|| Error::Ambiguous {
            message: "the object was created, but the answer does not name its id".into(),
        })
    }

    /// Where and what, without quoting the body. What must not be sent twice took place all the same, so what it made has to
    /// be looked for.
    fn unreadable(&self, error: &serde_json::Error) -> Error {
        use serde_json::error::Category;
        let what = match error.classify() {
            Category::Eof if self.body.is_empty() => "the body is empty".to_owned(),
            Category::Io | Category::Syntax | Category::Eof => "the body is not JSON".to_owned(),
            Category::Data => {
                format!("an unexpected value at line {} column {}", error.line(), error.column())
            }
        };
        let message = format!("{} ({}): {what}", self.route, self.status.as_u16());
        if self.repeatable { Error::Unreadable { message } } else { Error::Ambiguous { message } }
    }
}

fn header_number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn saturate(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The server's clock.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn reply(headers: &[(&'static str, &'static str)], body: &'static str) -> Reply {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let body = Bytes::from_static(body.as_bytes());
        Reply {
            route: "/r",
            repeatable: true,
            status: StatusCode::CREATED,
            headers,
            body,
            counters: Arc::default(),
        }
    }

    #[test]
    fn the_id_comes_from_the_location_first() {
        let location = ("location", "https://elsewhere.example/api/v1/endpoint/12");
        assert_eq!(reply(&[location], r#"{"id": 13}"#).created(), Ok(Created { id: 12 }));
        assert_eq!(reply(&[], r#"{"id": 13.0}"#).created(), Ok(Created { id: 13 }), "else from the body");
        let lost = reply(&[], "").created::<i64>();
        assert!(matches!(lost, Err(Error::Ambiguous { .. })), "without an id the new object is looked for");
    }

    #[test]
    fn an_undecodable_body_is_not_quoted() {
        for body in ["hush", r#"{"a": "hush"}"#, ""] {
            let error = reply(&[], body).json::<Vec<i64>>().unwrap_err();
            assert!(matches!(error, Error::Unreadable { .. }));
            assert!(!error.to_string().contains("hush"), "bodies of answers are never shown: {error}");
            let create = Reply { repeatable: false, ..reply(&[], body) };
            let error = create.json::<Vec<i64>>().unwrap_err();
            assert!(matches!(error, Error::Ambiguous { .. }), "a create took place all the same: {error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn pages_are_counted_by_headers() {
        let headers = [
            ("x-current-page", "2"),
            ("x-total-pages", "3"),
            ("x-total-count", "2500"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        let page = reply(&headers, "[1]").page::<i64>(Cursor { page: 2 }, Some(1)).unwrap();
        assert_eq!((page.page, page.pages, page.total), (2, 3, Some(2500)));
        assert_eq!(page.server_time, "1994-11-06T08:49:37Z".parse().ok());
        assert!(!page.cut, "the number of pages says whether more follow");
        let bare = reply(&[], "[]").page::<i64>(Cursor::first(), Some(2)).unwrap();
        assert_eq!((bare.pages, bare.total), (1, None), "a listing without headers is one page");
    }

    #[test]
    fn a_full_page_without_headers_is_not_the_end() {
        let cut = |body, full| reply(&[], body).page::<i64>(Cursor::first(), full).unwrap().cut;
        assert!(cut("[1, 2]", Some(2)), "more may follow");
        assert!(cut(r#"[1, "x"]"#, Some(2)), "a row that cannot be read is a row");
        assert!(!cut("[1]", Some(2)), "a page that is not full is the last");
        assert!(!cut("[1, 2]", None), "a listing without pages is whole");
        let counted =
            reply(&[("x-total-count", "2")], "[1, 2]").page::<i64>(Cursor::first(), Some(2)).unwrap();
        assert!(!counted.cut, "whether that is all can be counted");
    }

    #[test]
    fn a_listing_of_unknown_form_is_read_in_each_and_never_taken_for_whole_if_it_is_not() {
        let loose = |body| {
            let page = reply(&[], body).loose::<Vec<i64>>(Cursor::first()).unwrap();
            (page.items.len(), page.nameless, page.cut)
        };
        assert_eq!(loose("[]"), (0, 0, false));
        assert_eq!(loose("[[1], [2]]"), (2, 0, false));
        assert_eq!(loose(r#"{"data": [[1]]}"#), (1, 0, false));
        assert_eq!(loose(r#"{"data": [[1]], "last_page": 2}"#), (1, 0, true), "there is more");
        assert_eq!(loose(r#"{"data": [[1]], "total": 3}"#), (1, 0, true));
        assert_eq!(loose("{}"), (0, 1, false), "something that cannot be read is not nothing");
        assert!(reply(&[], "").loose::<i64>(Cursor::first()).is_err());
    }

    #[test]
    fn a_row_that_cannot_be_read_fails_nobody_else() {
        record!(
            struct Row {
                id: i64,
                #[key("name")]
                _name: String,
            }
        );
        let body = r#"[{"id": 1}, {"id": 7, "id2": 1, "name": {}}, {"id": "x"}, 5]"#;
        let page = reply(&[], body).page::<Row>(Cursor::first(), None).unwrap();
        assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), [1]);
        assert_eq!((page.unreadable, page.nameless), (vec![7], 2), "it is there, whatever it is");
        assert!(reply(&[], "{}").page::<Row>(Cursor::first(), None).is_err(), "what is no list is no page");
    }
}
