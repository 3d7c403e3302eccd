//! What a spec needs from outside before it can become a request.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    time::Duration,
};

use emnify::{Api, Error};

use super::{Id, Key};

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
}

/// Inputs that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    ids: BTreeMap<String, Id>,
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
        Self { ids: BTreeMap::new(), installation: installation.into(), object: object.into(), nonce }
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

    /// All of them, for digests.
    pub fn ids(&self) -> &BTreeMap<String, Id> {
        &self.ids
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
