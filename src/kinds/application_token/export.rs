//! Why no manifests of tokens are written.

use super::spec::ApplicationToken;
use crate::kinds::export::{Export, Exported};

impl Export for ApplicationToken {
    const EXPORT: Exported<Self> = Exported::Never(
        "emnify shows a token once, to whoever makes it: write a manifest that makes a new one",
    );
}
