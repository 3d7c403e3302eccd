//! Every kind, as a plan needs it.

use emnify_engine::kind::{Managed, set::ObjectSet, task::Task, trigger::Trigger};
use kube::Resource;

use crate::kinds::{Visitor, export::Export, for_each};

/// What a plan says of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) kind: &'static str,
    pub(super) plural: String,
    /// Each of its objects is ordered and paid for by itself.
    pub(super) ordered: bool,
}

/// All that objects are planned of.
pub(super) fn sorts() -> Vec<Sort> {
    struct All(Vec<Sort>);
    impl All {
        fn push<K: Resource<DynamicType = ()>>(&mut self, kind: &'static str, ordered: bool) {
            self.0.push(Sort { kind, plural: K::plural(&()).into_owned(), ordered });
        }
    }
    impl Visitor for All {
        fn visit<K: Export>(&mut self) {
            self.push::<K>(K::KIND, <K as Managed>::ORDERED);
        }
        fn visit_set<F: ObjectSet>(&mut self) {
            self.push::<F>(F::KIND, false);
        }
        fn visit_task<T: Task>(&mut self) {
            self.push::<T>(T::KIND, false);
        }
        fn visit_trigger<T: Trigger>(&mut self) {
            self.push::<T>(T::KIND, false);
        }
    }
    let mut all = All(Vec::new());
    for_each(&mut all);
    all.0
}
