//! What a spec needs from outside before it can become a request.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    time::Duration,
};

use emnify::{Api, Error};
use secrecy::SecretString;

use super::{Id, Key, Shown, secret::SecretValue, spec::WorkspaceRef};

/// One field of the spec that needs something from outside to become a value.
#[derive(Clone, Debug)]
pub struct Input {
    /// Path in the spec, such as `serviceProfile`; also the key in [`Inputs`].
    pub path: String,
    /// Where the value comes from.
    pub source: Source,
}

impl Input {
    /// An input.
    pub fn new(path: impl Into<String>, source: Source) -> Self {
        Self { path: path.into(), source }
    }
}

/// Where an input comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Another object in the same namespace and session, by name: its emnify id.
    Object {
        /// Kind of the target.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The emnify object of `kind` that carries this key, looked up in the mirror of that kind.
    Mirror {
        /// Kind whose listing is searched.
        kind: &'static str,
        /// The key; it must be unique.
        key: Key,
    },
    /// Another workspace that the object may use: the id of its organisation.
    Workspace {
        /// Which.
        workspace: WorkspaceRef,
    },
    /// A row of a lookup table of the API.
    Lookup {
        /// The table.
        table: &'static Table,
        /// What the spec says; matched against the rows' names as the table says. `{installation}` stands for the name
        /// of this installation.
        name: String,
        /// A name that is not in the table resolves to nothing instead of being an error.
        optional: bool,
    },
    /// A value that the spec itself holds and emnify never shows: what was sent of it is known by its digest, as of a Secret.
    Masked {
        /// The value.
        value: String,
    },
    /// A value in a Secret of the same namespace, which is read again within half a minute: another value is an edit.
    Secret {
        /// Name of the Secret.
        name: String,
        /// Key in its data.
        key: String,
    },
}

/// A lookup table of the API that is read whole and kept for a while.
pub struct Table {
    /// For messages, singular: `operator`.
    pub name: &'static str,
    /// Names that differ in case or in blanks around them mean the same; otherwise they are compared as they are.
    pub folds: bool,
    /// How long a reading is good for.
    pub keep: Duration,
    /// Reads the whole table: one call per page.
    pub load: fn(Api) -> futures::future::BoxFuture<'static, Result<Vec<LookupRow>, Error>>,
}

impl Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One row of a lookup table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupRow {
    /// Its id.
    pub id: Id,
    /// Everything it may be called by; a name shared by several rows is refused as ambiguous.
    pub names: Vec<String>,
    /// What it says of itself to those who name it; most rows nothing.
    pub shown: Option<Shown>,
}

/// Inputs that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    ids: BTreeMap<String, Id>,
    shown: BTreeMap<String, Shown>,
    secrets: BTreeMap<String, SecretValue>,
    /// Name of this installation, for marks.
    pub installation: String,
    /// `namespace/name` of the object, for marks.
    pub object: String,
    /// Nonce of the open or last intent.
    pub nonce: Option<String>,
}

impl Inputs {
    /// Nothing found yet for `object` (`namespace/name`) of `installation`.
    pub fn new(installation: impl Into<String>, object: impl Into<String>, nonce: Option<String>) -> Self {
        let (ids, shown, secrets) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { ids, shown, secrets, installation: installation.into(), object: object.into(), nonce }
    }

    /// What the input at `path` resolved to; `None` only for optional lookups and paths not asked for.
    pub fn id(&self, path: &str) -> Option<&Id> {
        self.ids.get(path)
    }

    /// The same as a number.
    pub fn int(&self, path: &str) -> Option<i64> {
        self.id(path).and_then(Id::int)
    }

    /// Records what `path` resolved to.
    pub fn put(&mut self, path: impl Into<String>, id: Id) {
        self.ids.insert(path.into(), id);
    }

    /// What the input at `path` says of itself beyond its id, where it is known and of this type.
    pub fn shown<T: std::any::Any>(&self, path: &str) -> Option<&T> {
        self.shown.get(path)?.get()
    }

    /// Records what the input at `path` says of itself.
    pub fn show(&mut self, path: impl Into<String>, shown: Shown) {
        self.shown.insert(path.into(), shown);
    }

    /// All of them, for digests.
    pub fn ids(&self) -> &BTreeMap<String, Id> {
        &self.ids
    }

    /// What the Secret at `path` holds; `None` for paths not asked for.
    pub fn secret(&self, path: &str) -> Option<&SecretString> {
        self.secrets.get(path).map(SecretValue::value)
    }

    /// The keyed digest of what the Secret at `path` holds. A status that has another one tells of an earlier value.
    pub fn digest(&self, path: &str) -> Option<&str> {
        self.secrets.get(path).map(SecretValue::digest)
    }

    /// Both, for a [want](super::Managed::Want): it compares by the digest and prints nothing.
    pub fn secret_value(&self, path: &str) -> Option<&SecretValue> {
        self.secrets.get(path)
    }

    /// Records what the Secret at `path` holds.
    pub fn put_secret(&mut self, path: impl Into<String>, value: SecretValue) {
        self.secrets.insert(path.into(), value);
    }

    /// The digests of all Secrets, by path.
    pub fn digests(&self) -> BTreeMap<String, String> {
        self.secrets.iter().map(|(path, value)| (path.clone(), value.digest().to_owned())).collect()
    }

    /// A text of emnify without any value of a Secret.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.secrets.values().fold(text.to_owned(), |text, value| value.mask(&text))
    }

    /// Name of the object in its namespace.
    pub fn name(&self) -> &str {
        self.object.rsplit('/').next().unwrap_or_default()
    }

    /// Our mark for this object, as it ends a description.
    pub fn mark(&self) -> String {
        crate::kind::mark::of(&self.installation, &self.object)
    }
}

/// A spec that cannot be turned into a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Invalid {
    /// Path in the spec.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Invalid {
    /// An invalid field.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}
