//! The registry: every kind that is kept in step with emnify, one line each.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]
#![allow(clippy::duplicated_attributes, reason = "several printed columns have the same type")]

pub mod common;
#[cfg(test)]
mod profiles_tests;

use emnify_engine::kind::{Managed, set::ObjectSet};

/// Something done once per kind: writing its CRD, starting its controller, a row of a table.
pub trait Visitor {
    /// Called with each kind in turn.
    fn visit<K: Managed>(&mut self);
    /// Called with each kind of fleet in turn.
    fn visit_set<F: ObjectSet>(&mut self);
}

macro_rules! kinds {
    ($($folder:ident::$kind:ident),* $(,)?; fleets: $($set_folder:ident::$set:ident),* $(,)?) => {
        $(pub mod $folder; pub use $folder::$kind;)*
        $(pub mod $set_folder; pub use $set_folder::$set;)*

        /// Shows every managed kind to `visitor`, in the order of the registry, then every kind of fleet.
        pub fn for_each(visitor: &mut impl Visitor) {
            $(visitor.visit::<$kind>();)*
            $(visitor.visit_set::<$set>();)*
        }
    };
}

kinds! {
    service_profile::ServiceProfile,
    tariff_profile::TariffProfile,
    sim::Sim,
    endpoint::Endpoint,
    application_token::ApplicationToken;
    fleets: endpoint_set::EndpointSet,
}
