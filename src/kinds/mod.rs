//! The registry: every kind that is kept in step with emnify, one line each.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]
#![allow(clippy::duplicated_attributes, reason = "several printed columns have the same type")]

pub mod common;
pub mod export;
#[cfg(test)]
pub(crate) mod laws;
#[cfg(test)]
mod profiles_tests;

use emnify_engine::{
    kind::{Managed, set::ObjectSet, task::Task, trigger::Trigger},
    run::Builder,
};

use self::export::{Export, ExportSet};

/// Something done once per kind: writing its CRD, starting its controller, a row of a table.
pub trait Visitor {
    /// Called with each kind in turn.
    fn visit<K: Export>(&mut self);
    /// Called with each kind of fleet in turn.
    fn visit_set<F: ExportSet>(&mut self);
    /// Called with each kind of task in turn.
    fn visit_task<T: Task>(&mut self);
    /// Called with each kind of trigger in turn.
    fn visit_trigger<T: Trigger>(&mut self);
}

macro_rules! kinds {
    ($($folder:ident::$kind:ident),* $(,)?; fleets: $($set_folder:ident::$set:ident),* $(,)?; tasks: $($task_folder:ident::$task:ident),* $(,)?; triggers: $($trigger_folder:ident::$trigger:ident),* $(,)?) => {
        $(pub mod $folder; pub use $folder::$kind;)*
        $(pub mod $set_folder; pub use $set_folder::$set;)*
        $(pub mod $task_folder; pub use $task_folder::$task;)*
        $(pub mod $trigger_folder; pub use $trigger_folder::$trigger;)*

        /// Shows every managed kind to `visitor`, in the order of the registry, then every kind of fleet, of task and of trigger.
        pub fn for_each(visitor: &mut impl Visitor) {
            $(visitor.visit::<$kind>();)*
            $(visitor.visit_set::<$set>();)*
            $(visitor.visit_task::<$task>();)*
            $(visitor.visit_trigger::<$trigger>();)*
        }
    };
}

kinds! {
    service_profile::ServiceProfile,
    tariff_profile::TariffProfile,
    dns_config::DnsConfig,
    api_callback::ApiCallback,
    api_secret::ApiSecret,
    ip_address_space::IpAddressSpace,
    tag::Tag,
    custom_event::CustomEvent,
    automation::Automation,
    data_stream::DataStream,
    cloud_connect::CloudConnect,
    user::User,
    sim::Sim,
    endpoint::Endpoint,
    application_token::ApplicationToken;
    fleets: endpoint_set::EndpointSet;
    tasks: operation::Operation, sim_batch::SimBatch;
    triggers: operation_trigger::OperationTrigger,
}

/// Gives an engine every kind.
pub fn register(builder: Builder) -> Builder {
    struct Register(Option<Builder>);
    impl Register {
        fn next(&mut self, add: impl FnOnce(Builder) -> Builder) {
            self.0 = self.0.take().map(add);
        }
    }
    impl Visitor for Register {
        fn visit<K: Managed>(&mut self) {
            self.next(Builder::with::<K>);
        }
        fn visit_set<F: ObjectSet>(&mut self) {
            self.next(Builder::with_fleet::<F>);
        }
        fn visit_task<T: Task>(&mut self) {
            self.next(Builder::with_task::<T>);
        }
        fn visit_trigger<T: Trigger>(&mut self) {
            self.next(Builder::with_trigger::<T>);
        }
    }
    let mut register = Register(Some(builder));
    for_each(&mut register);
    register.0.expect("every visit puts the builder back")
}

/// Kinds whose objects hand out the organisation itself, see [`Managed::SENSITIVE`], [`Task::SENSITIVE`] and [`Trigger::SENSITIVE`].
pub fn sensitive() -> Vec<&'static str> {
    struct Sensitive(Vec<&'static str>);
    impl Visitor for Sensitive {
        fn visit<K: Managed>(&mut self) {
            self.0.extend(K::SENSITIVE.then_some(K::KIND));
        }
        fn visit_set<F: ObjectSet>(&mut self) {}
        fn visit_task<T: Task>(&mut self) {
            self.0.extend(T::SENSITIVE.then_some(T::KIND));
        }
        fn visit_trigger<T: Trigger>(&mut self) {
            self.0.extend(T::SENSITIVE.then_some(T::KIND));
        }
    }
    let mut all = Sensitive(Vec::new());
    for_each(&mut all);
    all.0
}
