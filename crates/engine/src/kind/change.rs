//! What differs, as calls that print themselves for people.

use std::fmt::{self, Debug, Display};

use emnify::Error;
use jiff::Timestamp;

use super::{Invalid, Table};

/// How the listing differs from the spec.
#[derive(Clone, Debug)]
pub struct Diff<C> {
    /// What to send, in order.
    pub changes: Vec<C>,
    /// Differences that no call can mend.
    pub immutable: Vec<FieldDiff>,
    /// The object must be made anew (tokens only); the reason, for people.
    pub renew: Option<String>,
    /// A state that is neither wrong nor done, and what it waits for.
    pub waiting: Option<String>,
    /// Differences that are shown (`Drifted=True`) and never sent, such as a SIM state that somebody changed.
    pub reported: Vec<FieldDiff>,
    /// A wanted transition that emnify does not have; a person must decide.
    pub illegal: Option<Invalid>,
    /// Look again at this time even if nothing happens.
    pub wake_at: Option<Timestamp>,
}

impl<C> Default for Diff<C> {
    fn default() -> Self {
        Self {
            changes: Vec::new(),
            immutable: Vec::new(),
            renew: None,
            waiting: None,
            reported: Vec::new(),
            illegal: None,
            wake_at: None,
        }
    }
}

impl<C> From<Vec<C>> for Diff<C> {
    fn from(changes: Vec<C>) -> Self {
        Self { changes, ..Self::default() }
    }
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDiff {
    /// Path in the spec.
    pub path: String,
    /// What emnify has; secrets masked.
    pub old: String,
    /// What the spec wants; secrets masked.
    pub new: String,
}

impl FieldDiff {
    /// A difference.
    pub fn new(path: impl Into<String>, old: impl Display, new: impl Display) -> Self {
        Self { path: path.into(), old: old.to_string(), new: new.to_string() }
    }
}

impl Display for FieldDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.path, self.old, self.new)
    }
}

/// What a change does in the world; guard, lanes and metrics are decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// What it does to the object.
    pub verb: Verb,
    /// Sending it late costs money or keeps devices cut off.
    pub urgent: bool,
    /// How many devices it may cut off, activate or re-price.
    pub disturbs: u64,
}

impl Class {
    /// Disturbs nobody.
    pub const fn quiet(verb: Verb) -> Self {
        Self { verb, urgent: false, disturbs: 0 }
    }
}

/// What a change does to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Makes it.
    Create,
    /// Changes it or a sub-resource.
    Update,
    /// Deletes or revokes it.
    Delete,
}

/// What a change asks for that sets these fields, such as `update name=a`; `None` without any.
pub fn request(verb: Verb, fields: &[FieldDiff]) -> Option<String> {
    let asked = |FieldDiff { path, old, new }: &FieldDiff| {
        // what is taken away is known by what it was
        if new.is_empty() { format!("{path}-={old}") } else { format!("{path}={new}") }
    };
    let asked: Vec<String> = fields.iter().map(asked).collect();
    (!asked.is_empty()).then(|| format!("{verb} {}", asked.join(" ")))
}

impl Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

/// Equal keys may share one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchKey(pub String);

/// One API call, or one item of a bulk call, that brings an object closer to its spec. Prints itself for people.
pub trait Change: Display + Debug + Clone + Send + Sync + 'static {
    /// Fields it changes, for events, plans and ignored fields: `enabled: true -> false`.
    fn fields(&self) -> Vec<FieldDiff>;
    /// What it does in the world: disabling a device is an update that disturbs one.
    fn class(&self) -> Class;
    /// Sending it twice does no harm, as with a name that is set; otherwise, as after a create, an unknown outcome is observed
    /// first.
    fn repeatable(&self) -> bool;
    /// What is asked of emnify, whatever was there before and however this program calls it: a refusal is remembered by it,
    /// across releases. Where [`Change::fields`] does not say all of it, as of most creates, the change says the rest.
    fn request(&self) -> String {
        request(self.class().verb, &self.fields()).unwrap_or_else(|| self.to_string())
    }
    /// Which other changes may share its call: a tag is put on a thousand devices at once.
    fn batch(&self) -> Option<BatchKey> {
        None
    }
    /// A lookup table that must be read again once this change succeeded (a tag was made).
    fn refreshes(&self) -> Option<&'static Table> {
        None
    }
    /// Paths of the [Secrets](super::Source::Secret) whose values it sends: once it succeeded, the status holds their digests. A
    /// create sends them all and need not say so.
    fn carries(&self) -> Vec<String> {
        Vec::new()
    }
    /// It activates a device, which may start billing: sets limit how many of these are sent per window.
    fn activates(&self) -> bool {
        false
    }
    /// It changes the object in ways that its answer does not show: the object and its pieces are read again before
    /// the next decision (a tariff change wipes rate zones, another SIM brings its own state).
    fn unsettles(&self) -> bool {
        false
    }
    /// emnify answers 202 and carries it out later: nothing is assumed, the object is read until it shows the effect, and the
    /// same change is not sent again before it had ten minutes.
    fn accepted(&self) -> bool {
        false
    }
    /// The change without the fields that the spec says to ignore, such as `name`; `None` when nothing is left of it.
    #[must_use]
    fn strip(self, ignored: &dyn Fn(&str) -> bool) -> Option<Self> {
        let fields = self.fields();
        (fields.is_empty() || !fields.iter().all(|f| ignored(&f.path))).then_some(self)
    }
}

/// Told where a kind is asked for a call that its own changes exclude, such as a create of an object that has an id: an
/// error, because what to send instead must not be guessed.
pub fn misuse(what: &str) -> Error {
    Error::Rejected { status: 0, code: None, message: format!("not sent: {what}") }
}
