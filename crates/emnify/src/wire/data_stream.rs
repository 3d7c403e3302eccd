//! Data streams (v2): records of usage or events that emnify sends on as they come.
//!
//! Everything about a stream is asynchronous: a change is accepted (202) and carried out later, and the status tells how far it
//! is. Nothing that is secret is read: of headers the names, where emnify shows them. The schema has no id [S]; it is read
//! from `Location` and from `id`, a text or a number.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::collection::{Collection, Entry, Paging};
use super::common::{Named, Ref};
use super::id::EntryId;
use super::lenient::{self, Lenient, Unlike};
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

/// What a stream carries. [S]
pub mod kind {
    /// Usage records.
    pub const USAGE: i64 = 1;
    /// Events.
    pub const EVENTS: i64 = 2;
}

/// How a stream is. [S]
pub mod status {
    /// It delivers.
    pub const RUNNING: i64 = 1;
    /// It keeps records for up to seven days. [P]
    pub const PAUSED: i64 = 2;
    /// Its destination could not be reached; it wants a restart. [P]
    pub const ERROR: i64 = 3;
    /// It is being changed.
    pub const PENDING: i64 = 4;
}

/// Id of a stream: an opaque text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamId(pub String);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last word of the `Location`, unless that is the name of the collection.
impl EntryId for StreamId {
    fn shown(value: &Value) -> Option<Self> {
        lenient::as_text_id(value).map(Self)
    }

    fn located(segment: &str) -> Option<Self> {
        let name = segment.is_empty() || segment == "data_stream";
        (!name).then(|| Self(segment.to_owned()))
    }
}

record!(
    /// A data stream.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DataStream {
        /// Its id.
        #[read(lenient::text_id)]
        pub id: String,
        /// Its name.
        pub name: String,
        /// What it carries, see [`kind`].
        #[read(lenient::reference)]
        pub data_stream_type: Option<i64>,
        /// Where to.
        pub destination: Option<Destination>,
        /// Which records, as emnify writes them: `{"field", "value": [..]}`, or a group of such.
        pub filters: Option<Vec<Value>>,
        /// How it is, see [`status`].
        pub status: Option<Named>,
    }
);

record!(
    /// Where a stream goes to.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Destination {
        /// Which kind of destination, such as `RestAPI`.
        pub connection_type: String,
        /// How it is reached, without what is secret.
        pub credentials: Credentials,
    }
);

/// What emnify shows of credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// Readable texts and numbers by key.
    pub fields: BTreeMap<String, String>,
    /// Headers, where they are shown: their names; `None` for one that is masked as a whole.
    pub headers: Option<Vec<Option<String>>>,
}

/// Keys whose values are never kept, masked or not.
const SECRET: [&str; 3] = ["write_key", "api_key", "connection_string"];

impl Lenient for Credentials {
    fn read(value: Value) -> Result<Self, Unlike> {
        let mut shown = Self::default();
        let Value::Object(fields) = value else { return Ok(shown) };
        for (key, value) in fields {
            match value {
                Value::Array(headers) if key == "headers" => {
                    shown.headers = Some(headers.iter().map(header_name).collect());
                }
                _ if SECRET.contains(&key.as_str()) || key == "headers" => {}
                Value::String(text) if !is_mask(&text) => drop(shown.fields.insert(key, text)),
                Value::Number(number) => drop(shown.fields.insert(key, number.to_string())),
                _ => {}
            }
        }
        Ok(shown)
    }
}

/// A value that emnify hides: `***`, or nothing but stars or crosses.
fn is_mask(text: &str) -> bool {
    !text.is_empty() && (text.bytes().all(|byte| byte == b'*') || text.bytes().all(|byte| byte == b'x'))
}

fn header_name(header: &Value) -> Option<String> {
    let (name, _) = header.as_str()?.split_once(':')?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty() && !is_mask(name))
}

/// What a new stream is, or what changes about one: only what is set.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DataStreamBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it carries; only in a create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_stream_type: Option<Ref>,
    /// Where to: always as a whole, with its secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationBody>,
    /// Which records, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<Value>>,
    /// Running or paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Ref>,
}

/// A destination with all that it needs.
#[derive(Debug, Clone, Serialize)]
pub struct DestinationBody {
    /// Which kind.
    pub connection_type: &'static str,
    /// `Json`, the only one. [S]
    pub format: &'static str,
    /// How it is reached.
    pub credentials: BTreeMap<&'static str, Credential>,
}

/// One value of credentials.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A text that everybody may see.
    Text(String),
    /// A number.
    Number(i64),
    /// A secret.
    Secret(SecretString),
    /// Headers by name, whose values are secret.
    Headers(Vec<(String, SecretString)>),
}

impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => to.serialize_str(text),
            Self::Number(number) => to.serialize_i64(*number),
            Self::Secret(secret) => to.serialize_str(secret.expose_secret()),
            Self::Headers(headers) => to
                .collect_seq(headers.iter().map(|(name, value)| format!("{name}:{}", value.expose_secret()))),
        }
    }
}

/// Data streams. The list is typed as one object [S]; an array and an envelope are read as well. A change and a delete are accepted
/// with 202, and refused with 409 while another one is carried out.
pub const DATA_STREAMS: Collection<DataStream> =
    Collection::at("/api/v2/data_stream", "/api/v2/data_stream/{data_stream_id}")
        .paged(Paging::Loose)
        .sensitive();

impl Entry for DataStream {
    type Id = StreamId;

    fn id(&self) -> StreamId {
        StreamId(self.id.clone())
    }
}

impl Api {
    /// Starts a stream in error once more; what it kept goes first. Accepted with 202, refused with 409 while the stream is being
    /// changed.
    pub async fn restart_data_stream(&self, id: &StreamId) -> Result<(), Error> {
        let call = Call::post("/api/v2/data_stream/{data_stream_id}/restart").arg(id).repeatable(true);
        self.call(call).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_stream_is_read_without_anything_secret() {
        let shown = json!({"id": 7.0, "name": "hook", "data_stream_type": {"id": 2, "description": "Events"},
            "destination": {"connection_type": "RestAPI", "format": "Json", "credentials": {"url": "https://a.example",
                "size": 100, "method": "xxx", "headers": ["Authorization: hush", "***"], "api_key": "hush"}},
            "filters": [{"field": "alert", "value": ["true"]}], "status": {"id": 1, "description": "Running"}});
        let stream: DataStream = from_value(shown).unwrap();
        assert_eq!(
            (stream.id.as_str(), stream.data_stream_type),
            ("7", Some(2)),
            "a number is a text as well"
        );
        let credentials = &stream.destination.as_ref().unwrap().credentials;
        assert_eq!(credentials.headers, Some(vec![Some("Authorization".into()), None]));
        let fields: Vec<_> = credentials.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(fields, [("size", "100"), ("url", "https://a.example")], "a mask is no value");
        assert!(!format!("{stream:?}").contains("hush"), "what emnify forgets to mask is not kept");
        assert!(from_value::<DataStream>(json!({"name": "a"})).is_err(), "without an id it is none");
    }

    #[test]
    fn a_body_holds_what_is_set_and_prints_no_secret() {
        let credentials = BTreeMap::from([
            ("url", Credential::Text("https://a.example".into())),
            ("headers", Credential::Headers(vec![("Authorization".into(), "Bearer hush".to_owned().into())])),
            ("size", Credential::Number(1)),
            ("api_key", Credential::Secret("hush".to_owned().into())),
        ]);
        let destination = DestinationBody { connection_type: "RestAPI", format: "Json", credentials };
        let body = DataStreamBody { destination: Some(destination), ..DataStreamBody::default() };
        assert!(!format!("{body:?}").contains("hush"));
        let sent = json!({"destination": {"connection_type": "RestAPI", "format": "Json", "credentials": {
            "url": "https://a.example", "headers": ["Authorization:Bearer hush"], "size": 1, "api_key": "hush"}}});
        assert_eq!(to_value(body).unwrap(), sent);
    }

    #[test]
    fn any_word_that_ends_a_location_is_an_id_but_the_name_of_the_collection() {
        assert_eq!(StreamId::located("ds7x"), Some(StreamId("ds7x".into())));
        assert_eq!(StreamId::located("7"), Some(StreamId("7".into())));
        assert_eq!(StreamId::located("data_stream").or(StreamId::located("")), None);
    }
}
