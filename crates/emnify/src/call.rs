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
use crate::page::{Cursor, Page};
use crate::wire::lenient;

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
    /// It carries a secret, so what the API says about it is not repeated.
    pub(crate) sensitive: bool,
}

impl Call {
    pub(crate) fn new(method: Method, route: &'static str) -> Self {
        let repeatable = method != Method::POST;
        Self { method, route, args: vec![], query: vec![], body: None, repeatable, sensitive: false }
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

    pub(crate) fn sensitive(mut self) -> Self {
        self.sensitive = true;
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
pub struct Created {
    /// The new object's id, from `Location` first, else from the body.
    pub id: i64,
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

#[derive(serde::Deserialize)]
struct Made {
    #[serde(deserialize_with = "lenient::id")]
    id: i64,
}

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

    /// The same of rows that came in an envelope.
    pub(crate) fn enveloped<T: DeserializeOwned>(&self, values: Vec<Value>) -> Rows<T> {
        let rows = Rows::from(values);
        let unread = rows.unreadable.len() + rows.nameless;
        self.counters.add_unread(self.route, unread);
        self.tell_unread(unread);
        rows
    }

    /// The body is a page for people, which emnify never answers with: something before it answered instead.
    pub(crate) fn is_a_page(&self) -> bool {
        self.body.trim_ascii_start().first() == Some(&b'<')
    }

    /// The id of the object that a create made. Of `Location` only the id is used. A create that names no id took place, but
    /// what it made has to be looked for.
    pub(crate) fn created(&self) -> Result<Created, Error> {
        let from_location = || {
            let location = self.headers.get(header::LOCATION)?.to_str().ok()?;
            location.trim_end_matches('/').rsplit('/').next()?.parse().ok()
        };
        let from_body = || serde_json::from_slice::<Made>(&self.body).ok().map(|made| made.id);
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
        let lost = reply(&[], "").created();
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
    fn a_row_that_cannot_be_read_fails_nobody_else() {
        #[derive(serde::Deserialize)]
        struct Row {
            #[serde(deserialize_with = "lenient::id")]
            id: i64,
            #[serde(default, rename = "name")]
            _name: String,
        }
        let body = r#"[{"id": 1}, {"id": 7, "id2": 1, "name": {}}, {"id": "x"}, 5]"#;
        let page = reply(&[], body).page::<Row>(Cursor::first(), None).unwrap();
        assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), [1]);
        assert_eq!((page.unreadable, page.nameless), (vec![7], 2), "it is there, whatever it is");
        assert!(reply(&[], "{}").page::<Row>(Cursor::first(), None).is_err(), "what is no list is no page");
    }
}
