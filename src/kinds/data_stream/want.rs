//! From the spec to what emnify should have, and how that differs from what it has.

use emnify::wire::data_stream::{
    Credential, Credentials, DataStream as Row, DataStreamBody, DestinationBody, kind, status,
};
use emnify_engine::kind::{
    Context, Description, Diff, FieldDiff, Have, Input, Inputs, Invalid, Source, Status,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    DataStream, DataStreamStatus,
    change::Change,
    destination::{Wanted, WantedDestination, member_of},
    local,
    spec::{DataStreamSpec, RestartPolicy, StreamType},
};
use crate::kinds::common::lookups;

/// The word for what is never shown.
const HIDDEN: &str = "***";
/// Pauses before a stream in error is restarted; the last one again and again.
const RESTARTS: [SignedDuration; 4] = [
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(15),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(6),
];
/// A stream that ran for so long begins anew with the first pause.
const WELL: SignedDuration = SignedDuration::from_hours(1);

/// What emnify should have.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// Its name, with our mark.
    name: Description,
    /// The name of a new one.
    first_name: String,
    kind: i64,
    destination: WantedDestination,
    event_types: Option<Vec<String>>,
    alerts_only: Option<bool>,
    paused: Option<bool>,
    restarts: bool,
}

fn event_type_path(at: usize) -> String {
    format!("filters.eventTypes[{at}]")
}

fn is_id(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

impl DataStreamSpec {
    fn event_types(&self) -> Option<&Vec<String>> {
        self.filters.as_ref()?.event_types.as_ref()
    }

    /// What has to be looked up.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let mut inputs = self.destination.inputs();
        for (at, name) in self.event_types().into_iter().flatten().enumerate() {
            if !is_id(name) {
                let source =
                    Source::Lookup { table: &lookups::EVENT_TYPES, name: name.clone(), optional: false };
                inputs.push(Input::new(event_type_path(at), source));
            }
        }
        inputs
    }

    pub(super) fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        let event_type = |(at, name): (usize, &String)| match from.int(&event_type_path(at)) {
            Some(id) => Ok(id),
            None => name.parse().map_err(|_| Invalid::new(event_type_path(at), "is no type of event")),
        };
        let event_types = self.event_types().map(|all| {
            let mut ids = all.iter().enumerate().map(event_type).collect::<Result<Vec<i64>, _>>()?;
            ids.sort_unstable();
            ids.dedup();
            Ok(ids.iter().map(ToString::to_string).collect())
        });
        let name = Description::new(self.name.clone(), from);
        Ok(Want {
            first_name: Description {
                text: Some(self.name.clone().unwrap_or(from.name().into())),
                ..name.clone()
            }
            .created(),
            name,
            kind: if self.kind == StreamType::Usage { kind::USAGE } else { kind::EVENTS },
            destination: self.destination.want(from)?,
            event_types: event_types.transpose()?,
            alerts_only: self.filters.as_ref().and_then(|filters| filters.alerts_only),
            paused: self.paused,
            restarts: self.restart_policy != Some(RestartPolicy::Never),
        })
    }
}

impl Want {
    /// The mark's content, as it stands in the index of the mirror.
    pub(super) fn owner(&self) -> &str {
        self.name.owner()
    }

    /// What makes the stream.
    pub(super) fn create(&self) -> Change {
        let filters = self.filters(&[]);
        let paused = self.paused.unwrap_or_default();
        let body = DataStreamBody {
            name: Some(self.first_name.clone()),
            data_stream_type: Some(self.kind.into()),
            destination: Some(self.body()),
            filters: (!filters.is_empty()).then_some(filters),
            status: Some(if paused { status::PAUSED } else { status::RUNNING }.into()),
        };
        let request = self.request(&body);
        Change::Create { body, request, local: local::url_of(&self.destination) }
    }

    /// All that a create asks for, with digests in the place of secrets.
    fn request(&self, body: &DataStreamBody) -> String {
        let WantedDestination { connection_type, values, .. } = &self.destination;
        let shown = values.iter().filter_map(|(key, (_, value))| match value {
            Wanted::Text(text) => Some(format!("{key}={text}")),
            Wanted::Number(number) => Some(format!("{key}={number}")),
            Wanted::Secret(_) | Wanted::Headers(_) => None,
        });
        let digests = self.destination.digests();
        let secrets = digests.iter().map(|(path, digest)| format!("{path}={digest}"));
        let all: Vec<String> = shown.chain(secrets).collect();
        let (kind, filters) = (self.kind, json!(body.filters));
        format!("{} type={kind} to={connection_type} {} filters={filters}", self.first_name, all.join(" "))
    }

    fn body(&self) -> DestinationBody {
        let credential = |value: &Wanted| match value {
            Wanted::Text(text) => Credential::Text(text.clone()),
            Wanted::Number(number) => Credential::Number(*number),
            Wanted::Secret(secret) => Credential::Secret(secret.value().clone()),
            Wanted::Headers(all) => Credential::Headers(
                all.iter().map(|(name, value)| (name.clone(), value.value().clone())).collect(),
            ),
        };
        let WantedDestination { connection_type, values, .. } = &self.destination;
        let credentials = values.iter().map(|(key, (_, value))| (*key, credential(value))).collect();
        DestinationBody { connection_type, format: "Json", credentials }
    }

    /// The filters as they should be: what the spec leaves out, and what it does not know, stays as it is.
    fn filters(&self, have: &[Value]) -> Vec<Value> {
        let managed = [("event_type_id", self.event_types.is_some()), ("alert", self.alerts_only.is_some())];
        let stays = |filter: &&Value| !managed.iter().any(|(name, set)| *set && filter["field"] == **name);
        let mut all: Vec<Value> = have.iter().filter(stays).cloned().collect();
        if let Some(types) = &self.event_types {
            all.push(json!({"field": "event_type_id", "value": types}));
        }
        if self.alerts_only == Some(true) {
            all.push(json!({"field": "alert", "value": ["true"]}));
        }
        all
    }

    pub(super) fn diff(&self, have: &Have<DataStream>, context: &Context<'_, DataStream>) -> Diff<Change> {
        let row = &*have.row;
        let mut diff = Diff::default();
        let another = |have: Option<&str>, path, want: &str| {
            have.filter(|have| *have != want).map(|have| FieldDiff::new(path, have, want))
        };
        let have_kind = row.data_stream_type.map(kind_name);
        diff.immutable.extend(another(have_kind, "type", kind_name(self.kind)));
        let destination = row.destination.as_ref();
        let have_member = destination.map(|destination| member_of(&destination.connection_type));
        diff.immutable.extend(another(have_member, "destination", self.destination.member));
        // emnify refuses every change until it is done with the last one, and shows the stream as it was
        if !diff.immutable.is_empty() || state(row) == Some(status::PENDING) {
            return diff;
        }
        let (mut fields, mut body) = (Vec::new(), DataStreamBody::default());
        let common = context.status.map(Status::common);
        if let Some(name) = self.name.diff(&row.name, common) {
            body.name = Some(name.new.clone());
            fields.push(FieldDiff { path: "name".into(), ..name });
        }
        let shown = destination.map(|destination| &destination.credentials);
        let sent = |path: &str| common.and_then(|common| common.input(path));
        let differs = self.destination_differs(shown.unwrap_or(&Credentials::default()), &sent);
        let mut carries = Vec::new();
        if !differs.is_empty() {
            (body.destination, carries) = (Some(self.body()), self.destination.secret_paths());
            fields.extend(differs);
        }
        let filters = row.filters.as_deref().unwrap_or_default();
        for differs in self.filters_differ(filters) {
            body.filters = Some(self.filters(filters));
            fields.push(differs);
        }
        let paused = state(row) == Some(status::PAUSED);
        if let Some(want) = self.paused.filter(|want| *want != paused && state(row) != Some(status::ERROR)) {
            body.status = Some(if want { status::PAUSED } else { status::RUNNING }.into());
            fields.push(FieldDiff::new("paused", paused, want));
        }
        if !fields.is_empty() {
            let local = local::url_of(&self.destination).filter(|_| body.destination.is_some());
            diff.changes.push(Change::Update { fields, body, carries, local });
        } else if state(row) == Some(status::ERROR) && self.restarts {
            let due = restart_due(context.status, context.now);
            if due <= context.now {
                diff.changes.push(Change::Restart);
            } else {
                diff.wake_at = Some(due);
            }
        }
        diff
    }

    /// What is readable is compared, and of what is not, what was sent last.
    fn destination_differs<'a>(
        &self,
        have: &Credentials,
        sent: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Vec<FieldDiff> {
        let mut fields = Vec::new();
        for (key, (path, value)) in &self.destination.values {
            let want = match value {
                Wanted::Text(text) => text.clone(),
                Wanted::Number(number) => number.to_string(),
                Wanted::Headers(all) => {
                    fields.extend(headers_differ(path, all.iter().map(|(name, _)| name.as_str()), have));
                    continue;
                }
                Wanted::Secret(_) => continue,
            };
            match have.fields.get(*key) {
                Some(have) if *have != want => fields.push(FieldDiff::new(path, have, want)),
                Some(_) | None => {}
            }
        }
        let digests = self.destination.digests().into_iter();
        let other = digests.filter(|(path, digest)| sent(path) != Some(digest));
        fields
            .extend(other.map(|(path, digest)| FieldDiff::new(path, HIDDEN, format!("{HIDDEN} ({digest})"))));
        fields
    }

    fn filters_differ(&self, have: &[Value]) -> Vec<FieldDiff> {
        let values = |field: &str| -> Vec<String> {
            let filters = have.iter().filter(|filter| filter["field"] == *field);
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut all: Vec<String> = filters
                .flat_map(|filter| filter["value"].as_array().into_iter().flatten().map(text))
                .collect();
            all.sort_by_key(|value| (value.len(), value.clone()));
            all.dedup();
            all
        };
        let mut fields = Vec::new();
        if let Some(want) = &self.event_types {
            let have = values("event_type_id");
            if have != *want {
                let list = |all: &[String]| if all.is_empty() { "all".into() } else { all.join(" ") };
                fields.push(FieldDiff::new("filters.eventTypes", list(&have), list(want)));
            }
        }
        let alerts = values("alert").iter().any(|value| value == "true");
        if let Some(want) = self.alerts_only.filter(|want| *want != alerts) {
            fields.push(FieldDiff::new("filters.alertsOnly", alerts, want));
        }
        fields
    }
}

/// Names are compared where emnify shows all of them, and their number in any case.
fn headers_differ<'a>(
    path: &str,
    want: impl Iterator<Item = &'a str>,
    have: &Credentials,
) -> Option<FieldDiff> {
    let mut want: Vec<String> = want.map(str::to_lowercase).collect();
    let have = have.headers.as_ref()?;
    let names: Option<Vec<String>> = have.iter().map(|name| name.as_deref().map(str::to_lowercase)).collect();
    want.sort_unstable();
    let list = |all: &[String]| if all.is_empty() { "none".into() } else { all.join(", ") };
    match names {
        Some(mut names) => {
            names.sort_unstable();
            (names != want).then(|| FieldDiff::new(path, list(&names), list(&want)))
        }
        None => (have.len() != want.len())
            .then(|| FieldDiff::new(path, format!("{} headers", have.len()), list(&want))),
    }
}

fn kind_name(kind: i64) -> &'static str {
    match kind {
        kind::USAGE => "Usage",
        kind::EVENTS => "Events",
        _ => "another type",
    }
}

/// How the stream is.
pub(super) fn state(row: &Row) -> Option<i64> {
    row.status.as_ref().map(|status| status.id)
}

/// The same in emnify's words.
pub(super) fn state_name(row: &Row) -> String {
    let shown = row.status.as_ref().and_then(|status| status.name.clone());
    shown.unwrap_or_else(|| match state(row) {
        Some(status::RUNNING) => "Running".into(),
        Some(status::PAUSED) => "Paused".into(),
        Some(status::ERROR) => "Error".into(),
        Some(status::PENDING) => "Pending".into(),
        Some(other) => format!("status {other}"),
        None => "Unknown".into(),
    })
}

/// When a stream in error is restarted: later from time to time.
fn restart_due(status: Option<&DataStreamStatus>, now: Timestamp) -> Timestamp {
    let restarts = status.and_then(|status| status.restarts).unwrap_or_default();
    let last = RESTARTS.len() - 1;
    let pause = RESTARTS[usize::try_from(restarts).unwrap_or(last).min(last)];
    let in_error = status.filter(|status| status.state.as_deref() == Some(ERROR));
    let since = in_error.and_then(|status| status.state_since.as_ref()?.as_str().parse().ok());
    // a clock that was ahead holds nobody up
    let since: Timestamp = since.unwrap_or(now).min(now);
    since.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// How the status spells the states that restarts depend on, whatever emnify calls them.
const ERROR: &str = "Error";
const RUNNING: &str = "Running";

/// What `status.state` holds: the operator's word for what it acts on, emnify's for the rest.
pub(super) fn told_state(row: &Row) -> String {
    match state(row) {
        Some(status::ERROR) => ERROR.into(),
        Some(status::RUNNING) => RUNNING.into(),
        _ => state_name(row),
    }
}

/// Counts restarts, and since when the stream is how it is.
pub(super) fn note(row: &Row, now: Timestamp, status: &mut DataStreamStatus) {
    let state = told_state(row);
    let was = status.state.as_deref();
    if was == Some(state.as_str()) {
        return;
    }
    let since = status.state_since.as_ref().and_then(|since| since.as_str().parse::<Timestamp>().ok());
    let ran_well = was == Some(RUNNING) && since.is_some_and(|since| now.duration_since(since) >= WELL);
    if state == ERROR && ran_well {
        status.restarts = None;
    }
    if was == Some(ERROR) {
        status.restarts = Some(status.restarts.unwrap_or_default().saturating_add(1));
        status.last_restart_at = Some(now.to_string().into());
    }
    status.state_since = Some(now.to_string().into());
}
