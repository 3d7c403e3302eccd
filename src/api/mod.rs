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

pub use self::count::CountOrPercent;
pub use self::operator::OperatorReference;
pub use self::quantity::Volume;
pub use self::reference::{
    ClearableReference, ExternalReference, ExternalTextReference, Member, Reference, References, Target,
    TextReference,
};
pub use self::secret::SecretKeyRef;
pub use self::text::{
    Bic, DataKey, Date, Duration, Eid, Iccid, Imei, Imsi, LabelValue, NamespaceName, NumericId, ObjectName,
    TextId,
};
pub use emnify_engine::kind::spec::OBJECT_NAME;

/// The group of every kind.
pub const GROUP: &str = "emnify.io";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";
