//! A stream as a manifest. What is secret in its destination is no one's to see: the manifest names Secrets, and `ignoreFields` keeps
//! what they hold from being sent before a person has filled them in and means it.

use emnify::wire::data_stream::{Credentials, DataStream as Row, kind, status};
use emnify_engine::kind::{Id, Table, mark};
use serde_json::Value;

use super::{
    destination::{
        Datadog, Destination, EventHubs, Header, KeenIo, Kinesis, Method, PubSub, S3, Webhook, member_of,
    },
    spec::{DataStream, DataStreamSpec, Filters, RestartPolicy, StreamType},
};
use crate::{
    api::Duration,
    kinds::{
        common::lookups::EVENT_TYPES,
        export::{Draft, Export, Exported, Manifest, credential_in, line},
    },
};

/// What emnify does where a stream does not say otherwise. [S]
const METHOD: &str = "POST";
const BATCH: i64 = 3_000;
const FLUSH: i64 = 10_000;
const ROTATION: i64 = 10_000;

/// As many as a manifest may list.
const MOST_TYPES: usize = 64;

impl Export for DataStream {
    const EXPORT: Exported<Self> = Exported::Always(Manifest {
        tables: |row, ()| {
            let named = !event_types(row).is_empty();
            let table: Option<&'static Table> = named.then_some(&EVENT_TYPES);
            table.into_iter().collect()
        },
        ..Manifest::of(|row: &Row| mark::split(&row.name).0.to_owned(), |row, (), draft| write(row, draft))
    });
}

fn write(row: &Row, draft: &mut Draft<'_>) -> Result<DataStream, String> {
    let stream = match row.data_stream_type {
        Some(kind::USAGE) => StreamType::Usage,
        Some(kind::EVENTS) => StreamType::Events,
        _ => return Err("type: it is none that a manifest knows".to_owned()),
    };
    let mut common = draft.common();
    let destination = destination(row, draft, &mut common.ignore_fields)?;
    let failed = row.status.as_ref().is_some_and(|state| state.id == status::ERROR);
    let spec = DataStreamSpec {
        name: line(&row.name, 160),
        kind: stream,
        destination,
        filters: if stream == StreamType::Events { filters(row, draft) } else { None },
        paused: None,
        // one that failed is not started by the way
        restart_policy: failed.then_some(RestartPolicy::Never),
        common,
    };
    Ok(DataStream::new(draft.name(), spec))
}

fn filter_values(row: &Row, field: &str) -> Vec<String> {
    let filters = row.filters.iter().flatten().filter(|filter| filter["field"] == *field);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    filters.flat_map(|filter| filter["value"].as_array().into_iter().flatten().map(text)).collect()
}

fn event_types(row: &Row) -> Vec<String> {
    let mut all = filter_values(row, "event_type_id");
    all.sort_by_key(|id| (id.len(), id.clone()));
    all.dedup();
    all
}

fn filters(row: &Row, draft: &mut Draft<'_>) -> Option<Filters> {
    let named = |id: String| {
        let number: Option<i64> = id.parse().ok();
        let name = number.and_then(|number| draft.names(&EVENT_TYPES, &Id::Int(number)).next());
        // digits alone would be read as an id
        let name = name.filter(|name| !name.bytes().all(|byte| byte.is_ascii_digit()));
        name.map_or(id, str::to_owned)
    };
    let mut types: Vec<String> = event_types(row).into_iter().map(named).collect();
    if types.len() > MOST_TYPES {
        draft.lacks(format!("filters.eventTypes: there are more than {MOST_TYPES}"));
        types.clear();
    }
    let alerts = filter_values(row, "alert").iter().any(|value| value == "true");
    let filters = Filters {
        event_types: Some(types).filter(|types| !types.is_empty()),
        alerts_only: alerts.then_some(true),
    };
    (filters != Filters::default()).then_some(filters)
}

/// Where it goes to. `ignored`: paths of what a Secret holds.
fn destination(row: &Row, draft: &mut Draft<'_>, ignored: &mut Vec<String>) -> Result<Destination, String> {
    let known = row.destination.as_ref().ok_or("destination: emnify does not show it")?;
    let member = member_of(&known.connection_type);
    let shown = &known.credentials;
    let text = |key: &str| {
        let value = shown.fields.get(key).cloned();
        value.ok_or_else(|| format!("destination.{member}: emnify does not show {key}"))
    };
    let number = |key: &str| shown.fields.get(key).and_then(|value| value.parse::<i64>().ok());
    let mut to = Destination::default();
    match member {
        "kinesis" => {
            let (region, stream_name, role_arn) = (text("region")?, text("stream_name")?, text("role_arn")?);
            to.kinesis = Some(Kinesis { region, stream_name, role_arn });
        }
        "s3" => {
            let rotation = number("rotate_interval").filter(|ms| *ms != ROTATION);
            to.s3 = Some(S3 {
                region: text("region")?,
                bucket_name: text("bucket_name")?,
                role_arn: text("role_arn")?,
                flush_size: number("flush_size").filter(|size| *size != FLUSH),
                rotate_interval: rotation.map(span),
            });
        }
        "webhook" => to.webhook = Some(webhook(shown, text("url")?, draft, ignored)?),
        "keenIo" => {
            ignored.push("destination.keenIo.writeKeySecretRef".to_owned());
            to.keen_io = Some(KeenIo {
                project_id: text("project_id")?,
                write_key_secret_ref: draft.secret("write-key", "the write key of keen.io"),
                collection_name: text("collection_name")?,
                batch_size: number("size"),
            });
        }
        "datadog" => {
            ignored.push("destination.datadog.apiKeySecretRef".to_owned());
            to.datadog = Some(Datadog {
                api_key_secret_ref: draft.secret("api-key", "the API key of Datadog"),
                region: shown.fields.get("region").cloned(),
            });
        }
        "eventHubs" => {
            ignored.push("destination.eventHubs.connectionStringSecretRef".to_owned());
            let connection_string_secret_ref =
                draft.secret("connection-string", "the connection string of Azure Event Hubs");
            to.event_hubs = Some(EventHubs { connection_string_secret_ref });
        }
        "pubSub" => to.pub_sub = Some(PubSub { topic: text("cps_topic")?, project: text("cps_project")? }),
        other => return Err(format!("destination: {other} is none that a manifest knows")),
    }
    Ok(to)
}

/// Milliseconds as people write them.
fn span(ms: i64) -> Duration {
    Duration::from(match (ms % 60_000, ms % 1_000) {
        (0, _) => format!("{}m", ms / 60_000),
        (_, 0) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    })
}

fn webhook(
    shown: &Credentials,
    url: String,
    draft: &mut Draft<'_>,
    ignored: &mut Vec<String>,
) -> Result<Webhook, String> {
    if let Some(what) = credential_in(&url) {
        return Err(format!(
            "destination.webhook.url: it holds what looks like a credential ({what}), which belongs into no manifest"
        ));
    }
    let method = match shown.fields.get("method").map(String::as_str) {
        None | Some(METHOD) => None,
        Some("PUT") => Some(Method::Put),
        Some("PATCH") => Some(Method::Patch),
        Some(other) => {
            return Err(format!("destination.webhook.method: {other} is none that a manifest knows"));
        }
    };
    let batch = shown.fields.get("size").and_then(|size| size.parse::<i64>().ok());
    let headers = headers(shown, draft, ignored);
    Ok(Webhook { url, method, headers, batch_size: batch.filter(|size| *size != BATCH) })
}

/// Their names with Secrets for what they hold; emnify shows no value. Where it hides the names, too, nothing of the destination is ever
/// sent: a change is sent whole, and without them.
fn headers(shown: &Credentials, draft: &mut Draft<'_>, ignored: &mut Vec<String>) -> Option<Vec<Header>> {
    let all = shown.headers.as_ref().filter(|all| !all.is_empty())?;
    let names: Option<Vec<&String>> = all.iter().map(Option::as_ref).collect();
    let Some(names) = names.filter(|names| names.iter().all(|name| is_key(name))) else {
        ignored.push("destination".to_owned());
        draft.lacks(
            "destination.webhook.headers: emnify does not tell how they are called; add them, and take `destination` out of ignoreFields then",
        );
        return None;
    };
    ignored.push("destination.webhook.headers".to_owned());
    let header = |name: &&String| {
        let value_from = Some(draft.secret(name, format!("the value of the header {name}")));
        Header { name: (*name).clone(), value: None, value_from }
    };
    Some(names.iter().map(header).collect())
}

/// A name that may be a key of a Secret, too.
fn is_key(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::kinds::export::Known;

    fn written(row: &Value) -> Result<(Value, Vec<String>, usize), String> {
        let row: Row = from_value(row.clone()).unwrap();
        let known = Known::default();
        let mut draft = Draft::new(&known, "usage", &Id::Text(row.id.clone()));
        let object = write(&row, &mut draft)?;
        let (lacks, secrets) = draft.finish();
        Ok((to_value(&object.spec).unwrap(), lacks, secrets.len()))
    }

    fn stream(connection: &str, credentials: &Value) -> Value {
        json!({"id": "a1", "name": "usage", "data_stream_type": {"id": 1}, "status": {"id": 1},
            "destination": {"connection_type": connection, "credentials": credentials}})
    }

    #[test]
    fn a_secret_is_named_and_neither_written_nor_sent_before_somebody_means_it() {
        let (spec, lacks, secrets) =
            written(&stream("Datadog", &json!({"api_key": "hunter2", "region": "EU"}))).unwrap();
        let reference = json!({"name": "usage-secrets", "key": "api-key"});
        assert_eq!(spec["destination"]["datadog"], json!({"apiKeySecretRef": reference, "region": "EU"}));
        assert_eq!(spec["ignoreFields"], json!(["destination.datadog.apiKeySecretRef"]));
        assert_eq!((lacks.len(), secrets), (0, 1));
        assert!(!spec.to_string().contains("hunter2"));
        let hook =
            json!({"url": "https://example.com", "headers": ["Authorization: Bearer abc", "X-Site: north"]});
        let (spec, _, secrets) = written(&stream("RestAPI", &hook)).unwrap();
        assert_eq!(spec["destination"]["webhook"]["headers"][1]["valueFrom"]["key"], "X-Site");
        assert_eq!(secrets, 2);
        assert!(!spec.to_string().contains("Bearer"));
        let hidden = json!({"url": "https://example.com", "headers": ["***"]});
        let (spec, lacks, _) = written(&stream("RestAPI", &hidden)).unwrap();
        assert_eq!(spec["ignoreFields"], json!(["destination"]), "or a correction would lose them");
        assert!(lacks[0].contains("does not tell how they are called"), "{lacks:?}");
    }

    #[test]
    fn what_emnify_does_by_itself_is_left_out() {
        let hook = json!({"url": "https://example.com", "method": "POST", "size": 3000});
        let (spec, ..) = written(&stream("RestAPI", &hook)).unwrap();
        assert_eq!(spec["destination"]["webhook"], json!({"url": "https://example.com"}));
        assert!(spec.get("paused").is_none() && spec.get("ignoreFields").is_none());
        let s3 = json!({"region": "eu-west-1", "bucket_name": "b", "role_arn": "r", "flush_size": 10000, "rotate_interval": 60000});
        let (spec, ..) = written(&stream("S3", &s3)).unwrap();
        assert_eq!(spec["destination"]["s3"]["rotateInterval"], "1m");
        assert!(spec["destination"]["s3"].get("flushSize").is_none());
    }

    #[test]
    fn what_no_manifest_can_say_is_refused_with_the_reason() {
        let refused =
            |connection: &str, credentials: &Value| written(&stream(connection, credentials)).unwrap_err();
        assert!(refused("Carrier", &json!({})).contains("Carrier is none that a manifest knows"));
        assert!(refused("RestAPI", &json!({"url": "https://example.com/?token=a"})).contains("credential"));
        assert!(refused("AwsKinesis", &json!({"region": "eu-west-1"})).contains("does not show stream_name"));
    }

    #[test]
    fn a_stream_that_failed_is_not_started_by_taking_it_over() {
        let mut failed = stream("RestAPI", &json!({"url": "https://example.com"}));
        failed["status"] = json!({"id": 3});
        assert_eq!(written(&failed).unwrap().0["restartPolicy"], "Never");
    }
}
