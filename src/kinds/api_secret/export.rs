//! Why no manifests of signing keys are written.

use super::spec::ApiSecret;
use crate::kinds::export::{Export, Exported};

impl Export for ApiSecret {
    const EXPORT: Exported<Self> = Exported::Never(
        "emnify never shows a signing key, so nobody can tell whether a Secret holds it; profiles name theirs by its id",
    );
}
