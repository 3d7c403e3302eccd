//! The calls that bring a stream closer to its spec.

use std::fmt;

use emnify::wire::data_stream::DataStreamBody;
use emnify_engine::kind::{self, Class, FieldDiff, Verb};

/// One call.
#[derive(Clone, Debug)]
pub enum Change {
    /// Makes it.
    Create {
        /// What it is.
        body: DataStreamBody,
        /// What it asks for, for people and for what remembers refusals; secrets masked.
        request: String,
        /// Where it goes to, if that is a loopback address, which only a simulator can reach.
        local: Option<String>,
    },
    /// Changes it: one call, whatever differs.
    Update {
        /// What differs.
        fields: Vec<FieldDiff>,
        /// What is sent.
        body: DataStreamBody,
        /// Paths of the secrets in it.
        carries: Vec<String>,
        /// As in a create.
        local: Option<String>,
    },
    /// Starts it once more.
    Restart,
    /// Deletes it.
    Delete,
}

/// The part of a body that a path of the spec belongs to.
fn part(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

impl kind::Change for Change {
    fn fields(&self) -> Vec<FieldDiff> {
        match self {
            Self::Update { fields, .. } => fields.clone(),
            Self::Create { .. } | Self::Restart | Self::Delete => Vec::new(),
        }
    }

    fn class(&self) -> Class {
        Class::quiet(match self {
            Self::Create { .. } => Verb::Create,
            Self::Update { .. } | Self::Restart => Verb::Update,
            Self::Delete => Verb::Delete,
        })
    }

    fn request(&self) -> String {
        match self {
            Self::Create { request, .. } => format!("create {request}"),
            Self::Update { fields, .. } => kind::request(Verb::Update, fields).unwrap_or_default(),
            Self::Restart | Self::Delete => self.to_string(),
        }
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::Create { .. })
    }

    fn accepted(&self) -> bool {
        matches!(self, Self::Update { .. } | Self::Delete)
    }

    fn carries(&self) -> Vec<String> {
        match self {
            Self::Update { carries, .. } => carries.clone(),
            _ => Vec::new(),
        }
    }

    fn strip(self, ignored: &dyn Fn(&str) -> bool) -> Option<Self> {
        let Self::Update { mut fields, mut body, mut carries, local } = self else { return Some(self) };
        fields.retain(|field| !ignored(&field.path));
        let sent = |name: &str| fields.iter().any(|field| part(&field.path) == name);
        body.name.take_if(|_| !sent("name"));
        body.filters.take_if(|_| !sent("filters"));
        body.status.take_if(|_| !sent("paused"));
        if !sent("destination") {
            body.destination = None;
            carries.clear();
        }
        (!fields.is_empty()).then_some(Self::Update { fields, body, carries, local })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { .. } => f.write_str("make a data stream"),
            Self::Update { fields, .. } => {
                let all: Vec<String> = fields.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(", "))
            }
            Self::Restart => f.write_str("restart the data stream"),
            Self::Delete => f.write_str("delete the data stream"),
        }
    }
}
