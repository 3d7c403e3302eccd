//! Why no manifests of people are written.

use super::spec::User;
use crate::kinds::export::{Export, Exported};

impl Export for User {
    const EXPORT: Exported<Self> = Exported::Never(
        "people come and go by invitation, and their addresses belong into no repository unasked: write a manifest for whom you mean to manage",
    );
}
