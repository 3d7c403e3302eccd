//! The seven destinations, as specs write them and as bodies carry them.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]

use std::{collections::BTreeMap, time};

use emnify_engine::kind::{Input, Inputs, Invalid, Source, secret::SecretValue};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Duration, SecretKeyRef};

/// Where a stream goes to. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.kinesis) ? 1 : 0) + (has(self.s3) ? 1 : 0) + (has(self.webhook) ? 1 : 0) + (has(self.keenIo) ? 1 : 0) + (has(self.datadog) ? 1 : 0) + (has(self.eventHubs) ? 1 : 0) + (has(self.pubSub) ? 1 : 0) == 1")
        .message("set exactly one of kinesis, s3, webhook, keenIo, datadog, eventHubs, pubSub")
)]
pub struct Destination {
    /// AWS Kinesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinesis: Option<Kinesis>,
    /// AWS S3: CSV files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// HTTP requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// keen.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keen_io: Option<KeenIo>,
    /// Datadog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datadog: Option<Datadog>,
    /// Azure Event Hubs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_hubs: Option<EventHubs>,
    /// Google Pub/Sub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pub_sub: Option<PubSub>,
}

/// A stream of AWS Kinesis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kinesis {
    /// AWS region, such as `eu-west-1`.
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Name of the stream there.
    #[schemars(length(min = 1, max = 256))]
    pub stream_name: String,
    /// Role that emnify assumes.
    #[schemars(length(min = 1, max = 2048))]
    pub role_arn: String,
}

/// A bucket of AWS S3.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// AWS region, such as `eu-west-1`.
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Name of the bucket.
    #[schemars(length(min = 1, max = 256))]
    pub bucket_name: String,
    /// Role that emnify assumes.
    #[schemars(length(min = 1, max = 2048))]
    pub role_arn: String,
    /// Records of a file at the most. Unset: emnify's default, 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 100_000))]
    pub flush_size: Option<i64>,
    /// A file is written at least this often, `10s` to `15m`. Unset: emnify's default, `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_interval: Option<Duration>,
}

/// HTTP requests: one record as an object, several as an array.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(cel)]
pub struct Webhook {
    /// The address that is called. Without TLS (`http`) records and headers travel in clear.
    #[schemars(regex(pattern = r"^https?://[^\s/?#]+\S*$"), length(max = 2048))]
    #[x_kube(validation = Rule::new("!self.matches('^[^:]*://[^/?#]*@')").message("remove the user and password from the URL: everybody who may read this object sees them; give a header with valueFrom instead"))]
    pub url: String,
    /// Method of the requests. Unset: emnify's default, `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Headers of every request; the only way for the receiver to know who sends. Unset: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(a, self.exists_one(b, b.name.lowerAscii() == a.name.lowerAscii()))")
            .message("a header is in the list twice: remove one")
    )]
    pub headers: Option<Vec<Header>>,
    /// Records of a request at the most. Unset: emnify's default, 3000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: Option<i64>,
}

/// Method of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
}

/// A header, with its value or the Secret that holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.value) != has(self.valueFrom)").message("set exactly one of value, valueFrom")
)]
pub struct Header {
    /// Its name.
    #[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 64))]
    pub name: String,
    /// Its value, where it is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[ -~]+$"), length(max = 1024))]
    pub value: Option<String>,
    /// The Secret that holds its value, which is read again within half a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<SecretKeyRef>,
}

/// A collection of keen.io.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeenIo {
    /// Id of the project.
    #[schemars(length(min = 1, max = 256))]
    pub project_id: String,
    /// The Secret that holds the write key.
    pub write_key_secret_ref: SecretKeyRef,
    /// Name of the collection.
    #[schemars(length(min = 1, max = 256))]
    pub collection_name: String,
    /// Records of a request at the most. Unset: emnify's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: Option<i64>,
}

/// An account of Datadog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Datadog {
    /// The Secret that holds the API key.
    pub api_key_secret_ref: SecretKeyRef,
    /// Site of the account: `US`, `US3`, `EU` or `US1FED`. Unset: emnify's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(US|US3|EU|US1FED)$"), length(max = 16))]
    pub region: Option<String>,
}

/// A hub of Azure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventHubs {
    /// The Secret that holds the connection string.
    pub connection_string_secret_ref: SecretKeyRef,
}

/// A topic of Google.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PubSub {
    /// Name of the topic.
    #[schemars(length(min = 1, max = 256))]
    pub topic: String,
    /// Id of the project.
    #[schemars(length(min = 1, max = 256))]
    pub project: String,
}

/// One value that a destination needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A text that emnify shows.
    Text(String),
    /// A number that emnify shows.
    Number(i64),
    /// A secret, by its digest.
    Secret(SecretValue),
    /// Headers by name.
    Headers(Vec<(String, SecretValue)>),
}

/// A destination with all that it needs: by the key of the body, the path in the spec and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedDestination {
    /// The member of the spec.
    pub(super) member: &'static str,
    /// What emnify calls it.
    pub(super) connection_type: &'static str,
    pub(super) values: BTreeMap<&'static str, (String, Wanted)>,
}

/// Members of the spec and what emnify calls them.
const MEMBERS: [(&str, &str); 7] = [
    ("kinesis", "AwsKinesis"),
    ("s3", "S3"),
    ("webhook", "RestAPI"),
    ("keenIo", "KeenIO"),
    ("datadog", "Datadog"),
    ("eventHubs", "EventHubs"),
    ("pubSub", "PubSub"),
];

/// What a spec calls a destination; one that no spec knows is shown as emnify calls it.
pub(super) fn member_of(connection_type: &str) -> &str {
    MEMBERS.iter().find(|(_, known)| *known == connection_type).map_or(connection_type, |(member, _)| member)
}

fn header_path(name: &str) -> String {
    format!("destination.webhook.headers.{}", name.to_lowercase())
}

impl Destination {
    /// Secrets that it needs.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let secret = |path: String, of: &SecretKeyRef| {
            Input::new(path, Source::Secret { name: of.name.to_string(), key: of.key.to_string() })
        };
        let mut inputs = Vec::new();
        for header in self.webhook.iter().flat_map(|webhook| webhook.headers.iter().flatten()) {
            let path = header_path(&header.name);
            match (&header.value, &header.value_from) {
                (Some(value), _) => inputs.push(Input::new(path, Source::Masked { value: value.clone() })),
                (None, Some(of)) => inputs.push(secret(path, of)),
                (None, None) => {}
            }
        }
        let keen = self.keen_io.as_ref().map(|keen| (WRITE_KEY, &keen.write_key_secret_ref));
        let datadog = self.datadog.as_ref().map(|datadog| (API_KEY, &datadog.api_key_secret_ref));
        let hubs = self.event_hubs.as_ref().map(|hubs| (CONNECTION, &hubs.connection_string_secret_ref));
        inputs.extend([keen, datadog, hubs].into_iter().flatten().map(|(path, of)| secret(path.into(), of)));
        inputs
    }

    /// What emnify should have.
    pub(super) fn want(&self, from: &Inputs) -> Result<WantedDestination, Invalid> {
        let mut into = Values { from, member: "", all: BTreeMap::new() };
        let Self { kinesis, s3, webhook, keen_io, datadog, event_hubs, pub_sub } = self;
        if let Some(Kinesis { region, stream_name, role_arn }) = kinesis {
            into.of("kinesis");
            into.texts([
                ("region", "region", region),
                ("stream_name", "streamName", stream_name),
                ("role_arn", "roleArn", role_arn),
            ]);
        } else if let Some(S3 { region, bucket_name, role_arn, flush_size, rotate_interval }) = s3 {
            into.of("s3");
            into.texts([
                ("region", "region", region),
                ("bucket_name", "bucketName", bucket_name),
                ("role_arn", "roleArn", role_arn),
            ]);
            into.number("flush_size", "flushSize", *flush_size);
            into.number("rotate_interval", "rotateInterval", rotation(rotate_interval.as_ref())?);
        } else if let Some(Webhook { url, method, headers, batch_size }) = webhook {
            into.of("webhook");
            into.text("url", "url", Some(url));
            let method = method.map(|method| match method {
                Method::Post => "POST",
                Method::Put => "PUT",
                Method::Patch => "PATCH",
            });
            into.text("method", "method", method);
            into.number("size", "batchSize", *batch_size);
            if let Some(headers) = headers {
                into.headers(headers)?;
            }
        } else if let Some(KeenIo { project_id, collection_name, batch_size, .. }) = keen_io {
            into.of("keenIo");
            into.texts([
                ("project_id", "projectId", project_id),
                ("collection_name", "collectionName", collection_name),
            ]);
            into.number("size", "batchSize", *batch_size);
            into.secret("write_key", WRITE_KEY)?;
        } else if let Some(Datadog { region, .. }) = datadog {
            into.of("datadog");
            into.text("region", "region", region.as_deref());
            into.secret("api_key", API_KEY)?;
        } else if event_hubs.is_some() {
            into.of("eventHubs");
            into.secret("connection_string", CONNECTION)?;
        } else if let Some(PubSub { topic, project }) = pub_sub {
            into.of("pubSub");
            into.texts([("cps_topic", "topic", topic), ("cps_project", "project", project)]);
        } else {
            return Err(Invalid::new("destination", "set one of its members"));
        }
        let Values { member, all: values, .. } = into;
        let known = MEMBERS.iter().find(|(name, _)| *name == member);
        Ok(WantedDestination { member, connection_type: known.map_or("", |(_, known)| known), values })
    }
}

const WRITE_KEY: &str = "destination.keenIo.writeKeySecretRef";
const API_KEY: &str = "destination.datadog.apiKeySecretRef";
const CONNECTION: &str = "destination.eventHubs.connectionStringSecretRef";

/// Milliseconds, as emnify counts them.
fn rotation(span: Option<&Duration>) -> Result<Option<i64>, Invalid> {
    let path = "destination.s3.rotateInterval";
    let Some(span) = span.map(|span| span.get(path)).transpose()? else { return Ok(None) };
    if !(time::Duration::from_secs(10)..=time::Duration::from_secs(900)).contains(&span) {
        return Err(Invalid::new(path, "write a duration from 10s to 15m"));
    }
    Ok(i64::try_from(span.as_millis()).ok())
}

/// Values of a destination as they are gathered.
struct Values<'a> {
    from: &'a Inputs,
    member: &'static str,
    all: BTreeMap<&'static str, (String, Wanted)>,
}

impl Values<'_> {
    fn of(&mut self, member: &'static str) {
        self.member = member;
    }

    fn put(&mut self, key: &'static str, field: &str, value: Wanted) {
        self.all.insert(key, (format!("destination.{}.{field}", self.member), value));
    }

    fn text(&mut self, key: &'static str, field: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(key, field, Wanted::Text(value.to_owned()));
        }
    }

    fn number(&mut self, key: &'static str, field: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.put(key, field, Wanted::Number(value));
        }
    }

    /// Texts by key and field.
    fn texts<const N: usize>(&mut self, fields: [(&'static str, &str, &str); N]) {
        for (key, field, value) in fields {
            self.text(key, field, Some(value));
        }
    }

    fn secret(&mut self, key: &'static str, path: &str) -> Result<(), Invalid> {
        let value = secret_of(self.from, path)?;
        self.all.insert(key, (path.to_owned(), Wanted::Secret(value)));
        Ok(())
    }

    fn headers(&mut self, headers: &[Header]) -> Result<(), Invalid> {
        let value =
            |header: &Header| Ok((header.name.clone(), secret_of(self.from, &header_path(&header.name))?));
        let mut all = headers.iter().map(value).collect::<Result<Vec<_>, Invalid>>()?;
        all.sort_by(|a, b| a.0.cmp(&b.0));
        self.put("headers", "headers", Wanted::Headers(all));
        Ok(())
    }
}

/// What a Secret holds, on one line: a header ends with it.
fn secret_of(from: &Inputs, path: &str) -> Result<SecretValue, Invalid> {
    use secrecy::ExposeSecret;
    let value = from.secret_value(path).cloned();
    let value = value.ok_or_else(|| Invalid::new(path, "its value is missing"))?;
    let text = value.value().expose_secret();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Invalid::new(
            path,
            "the Secret has to hold one line of text, without control characters",
        ));
    }
    Ok(value)
}

impl WantedDestination {
    /// Paths of the secrets that go with it.
    pub(super) fn secret_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for (path, value) in self.values.values() {
            match value {
                Wanted::Secret(_) => paths.push(path.clone()),
                Wanted::Headers(all) => paths.extend(all.iter().map(|(name, _)| header_path(name))),
                Wanted::Text(_) | Wanted::Number(_) => {}
            }
        }
        paths
    }

    /// Its secrets with their digests.
    pub(super) fn digests(&self) -> Vec<(String, &str)> {
        let mut digests = Vec::new();
        for (path, value) in self.values.values() {
            match value {
                Wanted::Secret(secret) => digests.push((path.clone(), secret.digest())),
                Wanted::Headers(all) => {
                    digests.extend(all.iter().map(|(name, value)| (header_path(name), value.digest())));
                }
                Wanted::Text(_) | Wanted::Number(_) => {}
            }
        }
        digests
    }
}
