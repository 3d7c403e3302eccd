//! Pointers into Secrets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataKey, ObjectName};

/// One key of a Secret in the object's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: ObjectName,
    /// Key in its data.
    pub key: DataKey,
}
