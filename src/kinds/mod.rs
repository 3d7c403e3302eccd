//! The registry: every kind that is kept in step with emnify, one line each.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]

pub(crate) mod description;
pub mod lookups;

use emnify_engine::kind::{Id, Managed};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// Name of the key by which mirrors index our marks.
pub(crate) const MARK: &str = "mark";

/// The number that this family of the API takes; an id that is none cannot exist there.
pub(crate) fn number(id: &Id) -> Result<i64, emnify::Error> {
    id.int().ok_or_else(|| emnify::Error::NotFound { message: format!("{id} is not a numeric id") })
}

/// Something done once per kind: writing its CRD, starting its controller, a row of a table.
pub trait Visitor {
    /// Called with each kind in turn.
    fn visit<K: Managed>(&mut self);
}

macro_rules! kinds {
    ($($folder:ident::$kind:ident),* $(,)?) => {
        $(pub mod $folder; pub use $folder::$kind;)*

        /// Shows every managed kind to `visitor`, in the order of the registry.
        pub fn for_each(visitor: &mut impl Visitor) {
            $(visitor.visit::<$kind>();)*
        }
    };
}

kinds! {
    service_profile::ServiceProfile,
    tariff_profile::TariffProfile,
    sim::Sim,
    endpoint::Endpoint,
    application_token::ApplicationToken,
}

/// The CRD of every kind, workspaces included.
pub fn crds() -> Vec<CustomResourceDefinition> {
    struct Collect(Vec<CustomResourceDefinition>);
    impl Visitor for Collect {
        fn visit<K: Managed>(&mut self) {
            self.0.push(<K as CustomResourceExt>::crd());
        }
    }
    let mut all = Collect(Vec::new());
    for_each(&mut all);
    all.0
}
