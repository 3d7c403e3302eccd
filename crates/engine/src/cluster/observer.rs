//! Who hears of every call that is made for an object, with what it changes: a plan is made of it. The operator itself has none.

use std::fmt::Debug;

use emnify::Error;

use crate::kind::{Change, Class, FieldDiff, Id, Verb, object_key::ObjectKey};

/// What one object has in a call.
#[derive(Clone, Debug)]
pub struct Share {
    /// The object.
    pub object: ObjectKey,
    /// The kind of what is changed in emnify: of a set it is that of its members.
    pub of: &'static str,
    /// What is changed; none of what is made.
    pub id: Option<Id>,
    /// For people; secrets masked.
    pub what: String,
    /// Field by field, where the change says so.
    pub fields: Vec<FieldDiff>,
    /// What it does in the world.
    pub class: Class,
    /// It activates a device.
    pub activates: bool,
}

impl Share {
    /// What an object has in a call with this change.
    pub(crate) fn of<C: Change>(object: &ObjectKey, of: &'static str, id: Option<&Id>, change: &C) -> Self {
        Self {
            object: object.clone(),
            of,
            id: id.cloned(),
            what: change.to_string(),
            fields: change.fields(),
            class: change.class(),
            activates: change.activates(),
        }
    }

    /// What an object does once to something of the kind `of`.
    pub(crate) fn deed(object: &ObjectKey, of: &'static str, id: &Id, what: String, disturbs: u64) -> Self {
        let class = Class { verb: Verb::Update, urgent: false, disturbs };
        Self {
            object: object.clone(),
            of,
            id: Some(id.clone()),
            what,
            fields: Vec::new(),
            class,
            activates: false,
        }
    }
}

/// Somebody who hears of calls once they are answered.
pub trait Observer: Debug + Send + Sync {
    /// One call, whoever shares it, and why it failed, if it did.
    fn called(&self, shares: Vec<Share>, error: Option<&Error>);
}
