//! What a spec needs from outside, looked up: other objects, rows of mirrors, lookup tables. The same for every kind.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use emnify::Lane;
use secrecy::ExposeSecret;
use tokio::time::sleep;

use super::{context::Shared, inputs::Held, refusal::Line, workspaces::Applicant};
use crate::{
    decide::{error_policy::Verdict, known::Wanted, rules::some_of},
    kind::{
        Id, Input, Inputs, Invalid, Shown, Source, Table,
        object_key::ObjectKey,
        relations::{Located, RefState},
        secret::SecretValue,
        spec::WorkspaceRef,
    },
    session::{Access, Session, lookups::Lookup, pause},
};

/// The longest pause before a lookup table that could not be read is tried again.
const MOST_PAUSE: Duration = Duration::from_secs(300);

/// Why an input has no value yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// A table or a mirror is not read yet; who asked is woken when it is.
    Observing(String),
    /// A reference is missing, deleting, or has no id in this session.
    ReferenceNotReady(String),
    /// It cannot have one.
    Invalid(Invalid),
}

impl<W> From<Unresolved> for Wanted<W> {
    fn from(why: Unresolved) -> Self {
        match why {
            Unresolved::Observing(what) => Self::Observing(what),
            Unresolved::ReferenceNotReady(what) => Self::ReferenceNotReady(what),
            Unresolved::Invalid(invalid) => Self::Invalid(invalid),
        }
    }
}

/// No values yet.
pub(crate) fn nothing(shared: &Shared, who: &ObjectKey, nonce: Option<String>) -> Inputs {
    Inputs::new(&shared.settings.installation, format!("{}/{}", who.namespace, who.name), nonce)
}

/// Looks up what `who` needs; the values found before the first that has none come along.
pub(crate) fn inputs(
    shared: &Arc<Shared>,
    access: &Access,
    who: &ObjectKey,
    wanted: Vec<Input>,
    nonce: Option<String>,
) -> (Result<(), Unresolved>, Inputs) {
    let mut inputs = nothing(shared, who, nonce);
    let resolver = Resolver { shared, access, who };
    for Input { path, source } in wanted {
        if let Source::Secret { name, key } = &source {
            match resolver.secret(&path, name, key) {
                Ok(value) => inputs.put_secret(path, value),
                Err(why) => return (Err(why), inputs),
            }
            continue;
        }
        if let Source::Masked { value } = source {
            let digest = access.caller.digest(&who.to_string(), &value);
            inputs.put_secret(path, SecretValue::new(value.into(), digest));
            continue;
        }
        match resolver.one(&path, &source) {
            Ok(Some(id)) => {
                if let Some(shown) = shown(shared, &access.session, &source, &id) {
                    inputs.show(path.clone(), shown);
                }
                inputs.put(path, id);
            }
            Ok(None) => {}
            Err(why) => return (Err(why), inputs),
        }
    }
    (Ok(()), inputs)
}

/// What the found object or row says of itself.
fn shown(shared: &Shared, session: &Session, source: &Source, id: &Id) -> Option<Shown> {
    match source {
        Source::Object { kind, .. } | Source::Mirror { kind, .. } => shared.kind(kind)?.shown(session, id),
        Source::Lookup { table, .. } => session.lookups.shown(table, id),
        Source::Workspace { .. } | Source::Secret { .. } | Source::Masked { .. } => None,
    }
}

/// Looks up what an object names.
struct Resolver<'a> {
    shared: &'a Arc<Shared>,
    access: &'a Access,
    who: &'a ObjectKey,
}

impl Resolver<'_> {
    fn one(&self, path: &str, source: &Source) -> Result<Option<Id>, Unresolved> {
        let Self { shared, access, who } = *self;
        let session = &access.session;
        match source {
            Source::Object { kind, name } => self.object(path, kind, name).map(Some),
            Source::Mirror { kind, key } => {
                let Some(any) = shared.kind(kind) else {
                    return invalid(path, format!("this operator does not serve {kind}"));
                };
                match any.locate(session, key, who) {
                    Located::One(id) => Ok(Some(id)),
                    Located::Unread => {
                        Err(Unresolved::Observing(format!("{path}: reading the {kind} listing")))
                    }
                    Located::Nothing => invalid(
                        path,
                        format!("the organisation has no {kind} with {} {}; correct it", key.name, key.value),
                    ),
                    Located::Several(ids) => several(path, &key.value, &ids),
                }
            }
            Source::Workspace { workspace } => self.organisation(path, workspace).map(Some),
            // it has no id
            Source::Secret { .. } | Source::Masked { .. } => Ok(None),
            Source::Lookup { table, name, optional } => {
                // names of rows may hold the installation's name
                let named = name.replace("{installation}", &shared.settings.installation);
                match session.lookups.find(table, &named) {
                    Lookup::One(id) => Ok(Some(id)),
                    Lookup::Missing if *optional => Ok(None),
                    // whether the API takes both or refuses the second is not known: nobody tries for ever
                    Lookup::Near(written) => invalid(
                        path,
                        format!(
                            "emnify has the {0} \"{written}\", which differs from \"{named}\" in case or blanks only; write it so, or make the other {0} in emnify",
                            table.name
                        ),
                    ),
                    Lookup::Missing => {
                        invalid(path, format!("emnify knows no {} {name}; correct it", table.name))
                    }
                    Lookup::Several(ids) => several(path, name, &ids),
                    Lookup::Failed(error) => {
                        load(shared, session, who, table);
                        Err(Unresolved::Observing(format!("{path}: {error}")))
                    }
                    Lookup::Unread => {
                        load(shared, session, who, table);
                        Err(Unresolved::Observing(format!("{path}: reading the {} table", table.name)))
                    }
                }
            }
        }
    }

    /// A value in a Secret, of which only the digest is ever written down.
    fn secret(&self, path: &str, name: &str, key: &str) -> Result<SecretValue, Unresolved> {
        match self.shared.inputs.value(&self.who.namespace, name, key) {
            Held::Value(value) => {
                let digest = self.access.caller.digest(&self.who.to_string(), value.expose_secret());
                Ok(SecretValue::new(value, digest))
            }
            Held::Unread => Err(Unresolved::Observing(format!("{path}: reading Secret {name}"))),
            Held::Lacking(what) => Err(Unresolved::ReferenceNotReady(format!("{path}: {what}"))),
            Held::Unusable(what) => invalid(path, what),
        }
    }

    /// The organisation of another workspace, which the object has to be allowed to use as if it lived there.
    fn organisation(&self, path: &str, workspace: &WorkspaceRef) -> Result<Id, Unresolved> {
        let Self { shared, access: Access { session, .. }, who } = *self;
        let applicant = Applicant { namespace: &who.namespace, kind: who.kind, force: false };
        let other = shared.workspaces.resolve(&applicant, Some(workspace)).state;
        let other = other.map_err(|why| Unresolved::ReferenceNotReady(format!("{path}: {why}")))?;
        let (name, other) = (&workspace.name, other.session);
        if other.host != session.host {
            return invalid(path, format!("workspace {name} lives on another host; name one of this host"));
        }
        if other.organisation == session.organisation {
            return invalid(path, format!("workspace {name} is of this organisation; name another one"));
        }
        Ok(Id::parse(&other.organisation))
    }

    /// The id of another object in the namespace.
    fn object(&self, path: &str, kind: &str, name: &str) -> Result<Id, Unresolved> {
        let Self { shared, access: Access { session, .. }, who } = *self;
        let state = shared.kind(kind).map_or(RefState::Missing, |any| any.reference(&who.namespace, name));
        let why = match state {
            RefState::Bound { id, organisation, host } if session.is_at(&organisation, host.as_deref()) => {
                return Ok(id);
            }
            RefState::Bound { organisation, host: Some(host), .. }
                if organisation == session.organisation =>
            {
                format!("{kind} {name} lives on another host ({host}); refer to one of this workspace")
            }
            RefState::Bound { organisation, .. } => {
                format!(
                    "{kind} {name} lives in another organisation ({organisation}); refer to one of this workspace"
                )
            }
            RefState::Missing => {
                format!("there is no {kind} {name} in this namespace; create it or correct the name")
            }
            RefState::Deleting => format!("{kind} {name} is being deleted"),
            RefState::Unbound => format!("{kind} {name} has no emnify id yet; see its conditions"),
        };
        Err(Unresolved::ReferenceNotReady(format!("{path}: {why}")))
    }
}

/// Reads a lookup table, once for all who wait for it, and again with growing pauses until it was read. One that is the listing
/// of a kind comes with that.
fn load(shared: &Arc<Shared>, session: &Arc<Session>, who: &ObjectKey, table: &'static Table) {
    if let Some(listing) = shared.kinds().find(|kind| kind.feeds(table)) {
        listing.demand(session, who);
        // the first listing is under way, or a later one has to show what changed
        if listing.listed_at(session).is_some() {
            listing.sweep_since(session, shared.now());
        }
        return;
    }
    if !session.lookups.wait_for(table, who.clone()) {
        return;
    }
    let reading = load_until_read(shared.clone(), session.clone(), table);
    shared.tasks.errand_of(session, &format!("reading of the {} table", table.name), reading);
}

async fn load_until_read(shared: Arc<Shared>, session: Arc<Session>, table: &'static Table) {
    let (mut failures, mut line) = (0u32, Line::of_what_may_fail());
    loop {
        let reader = session.reader_of(table.name);
        let error = match (table.load)(reader.client.api(Lane::Create)).await {
            Ok(rows) => {
                reader.heard(table.name);
                for waiter in session.lookups.store(table, Ok(rows)) {
                    shared.trigger(&waiter, "a table it waits for was read");
                }
                return;
            }
            Err(error) => error,
        };
        if line.is_news(&error.to_string()) {
            tracing::warn!(table = table.name, organisation = session.organisation, %error, "table not read");
        }
        reader.unheard(table.name, &error, shared.now());
        failures = failures.saturating_add(1);
        let waiting = session.lookups.store(table, Err(error.clone()));
        let pause = pause::spread(Verdict::from(&error).next.pause(failures).min(MOST_PAUSE));
        // the first failure is told, and then nothing is new; but some may be gone by now, or want something else
        let asked = if pause < pause::MINUTE { BTreeSet::new() } else { session.lookups.ask_anew(table) };
        for waiter in if failures == 1 { waiting } else { asked } {
            shared.trigger(&waiter, "a table it waits for could not be read");
        }
        sleep(pause).await;
        if session.lookups.ends_unread(table) {
            return;
        }
    }
}

fn invalid<T>(path: &str, message: String) -> Result<T, Unresolved> {
    Err(Unresolved::Invalid(Invalid::new(path, message)))
}

fn several<T>(path: &str, name: &str, ids: &[Id]) -> Result<T, Unresolved> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    invalid(path, format!("{name} is ambiguous; use one of the ids {}", some_of(&ids)))
}
