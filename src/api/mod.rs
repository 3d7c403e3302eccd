//! The vocabulary that all specs share.
//!
//! A reference is a union with exactly one member; strings with rules are newtypes whose pattern is in the schema;
//! a volume is a Kubernetes quantity, a duration a Go-style string, a date RFC 3339.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]

mod count;
mod operator;
mod quantity;
mod reference;
mod secret;
mod text;

pub use count::CountOrPercent;
pub use emnify_engine::spec::OBJECT_NAME;
pub use operator::OperatorReference;
pub use quantity::Volume;
pub use reference::{
    ClearableExternalReference, ClearableReference, ExternalReference, Member, Reference, References, Target,
};
pub use secret::SecretKeyRef;
pub use text::{
    DataKey, Date, Duration, Eid, Iccid, Imei, Imsi, LabelValue, NamespaceName, NumericId, ObjectName,
};

/// The group of every kind.
pub const GROUP: &str = "emnify.io";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";
