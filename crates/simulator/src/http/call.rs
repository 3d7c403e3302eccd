//! What a handler sees, and what it answers.

use jiff::Timestamp;
use serde_json::Value;

use super::body::id_of;
use super::refusal::Refusal;
use crate::Options;
use crate::operations::{Operation, Params};
use crate::state::{Actor, Draft, EventUser, NextIds, Organisation, State, Table};

/// Who calls: read from the JWT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Id of the organisation; 0 on public operations.
    pub organisation: u64,
    /// Id of the application token, when that was the log-in.
    pub application_token: Option<u64>,
    /// Id of the person, when that was the log-in.
    pub user: Option<u64>,
    /// 1 Administrator, 2 User, 3 Observer.
    pub roles: Vec<u64>,
}

/// One request on its way through a handler. Handlers are synchronous and see the state alone.
pub struct Call<'a> {
    /// The operation.
    pub operation: &'static Operation,
    /// The whole state.
    pub state: &'a mut State,
    /// Who calls.
    pub caller: &'a Caller,
    /// Path parameters.
    pub params: &'a Params,
    /// Query parameters, decoded, in order.
    pub query: &'a [(String, String)],
    /// The body; null when there is none.
    pub body: &'a Value,
    /// The simulated time.
    pub now: Timestamp,
    /// Settings of the simulator.
    pub options: &'a Options,
    /// The source address, for tokens bound to one.
    pub source: std::net::IpAddr,
}

/// What a handler answers.
pub type Answer = Result<Reply, Refusal>;

impl Call<'_> {
    /// The caller's organisation.
    pub fn org(&self) -> &Organisation {
        self.state
            .organisations
            .get(&self.caller.organisation)
            .expect("the caller's organisation was checked with the JWT")
    }

    /// The caller's organisation and the id counters, to change them.
    pub fn split(&mut self) -> (&mut Organisation, &mut NextIds) {
        self.state.split(self.caller.organisation)
    }

    /// The caller's organisation, and the caller as someone who changes it.
    pub fn act(&mut self) -> (&mut Organisation, Actor<'_>) {
        let user = self.acting_user();
        let now = self.now;
        let (org, next) = self.split();
        (org, Actor { next, now, user })
    }

    /// A path parameter as text.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// A numeric path parameter.
    ///
    /// # Errors
    /// 400, code 1000, when it is no number. [R]
    pub fn id(&self, name: &str) -> Result<u64, Refusal> {
        self.param(name).parse().map_err(|_| unreadable_id(self.param(name)))
    }

    /// The id of a device or SIM in the path.
    ///
    /// # Errors
    /// 400, code 1000, when it is no number; 404, code 1401, for a negative one, which nothing has. [R]
    pub fn object(&self, name: &str, what: &str) -> Result<u64, Refusal> {
        match self.param(name).parse::<i64>() {
            Ok(id) => u64::try_from(id).map_err(|_| Refusal::missing(what, id)),
            Err(_) => Err(unreadable_id(self.param(name))),
        }
    }

    /// The record of the caller's organisation that the path names.
    ///
    /// # Errors
    /// 400 for what is no number; 404 where there is none.
    pub fn record<T>(
        &self,
        name: &str,
        of: fn(&Organisation) -> &Table<T>,
        what: &str,
    ) -> Result<&T, Refusal> {
        of(self.org()).get(&self.id(name)?).ok_or_else(|| Refusal::not_found(what))
    }

    /// The same, to change it.
    ///
    /// # Errors
    /// As [`Call::record`].
    pub fn record_mut<T>(
        &mut self,
        name: &str,
        of: fn(&mut Organisation) -> &mut Table<T>,
        what: &str,
    ) -> Result<&mut T, Refusal> {
        let id = self.id(name)?;
        of(self.split().0).get_mut(&id).ok_or_else(|| Refusal::not_found(what))
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field of the body; null when it is missing.
    pub fn field(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }

    /// The id of a reference field `{"id": n}`.
    pub fn reference(&self, name: &str) -> Option<u64> {
        id_of(self.field(name))
    }

    /// Writes an event about the caller's organisation, in the caller's name.
    pub fn emit(&mut self, draft: Draft) {
        let user = self.acting_user();
        let now = self.now;
        let (org, next) = self.split();
        org.emit(next, now, draft.user(user));
    }

    /// The acting person, as events show them.
    pub fn acting_user(&self) -> Option<EventUser> {
        let user = self.state.users.get(&self.caller.user?)?;
        Some(EventUser { id: user.id, username: user.username.clone(), name: user.name.clone() })
    }
}

/// The words of a Java service. [R]
fn unreadable_id(text: &str) -> Refusal {
    Refusal::bad_request(format!("Cannot parse parameter id as Long: For input string: \"{text}\""))
}

/// A success. Its status is the operation's own unless [`Reply::status`] says otherwise.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Status, when it differs from the published one.
    pub status: Option<u16>,
    /// JSON body.
    pub body: Option<Value>,
    /// Path of a new object, without host.
    pub location: Option<String>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// Empty body.
    pub fn done() -> Self {
        Self::default()
    }

    /// A JSON body.
    pub fn json(body: impl Into<Value>) -> Self {
        Self { body: Some(body.into()), ..Self::default() }
    }

    /// Empty body and a `Location` such as `/api/v1/endpoint/12`.
    pub fn created(location: impl Into<String>) -> Self {
        Self::done().located(location)
    }

    /// Adds a `Location`.
    #[must_use]
    pub fn located(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Another status than the published one.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
