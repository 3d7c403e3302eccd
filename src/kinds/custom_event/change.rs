//! What is sent of a custom event.

use std::convert::Infallible;

use emnify::wire::custom_event::{CustomEvent as Row, Property};
use emnify_engine::kind::{FieldDiff, RecordChange, SubChange};

/// One call.
pub type Change = RecordChange<Nothing>;

/// A field and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Name with mark.
    Name(String),
    /// Id of the template.
    Template(String),
    /// What the template leaves open.
    Properties(Vec<Property>),
}

/// It has no sub-resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nothing(pub(super) Infallible);

impl SubChange for Nothing {
    type To = To;
    type Row = Row;
    type Parts = ();
    const NOUN: &'static str = "custom event";

    fn field(&self) -> FieldDiff {
        match self.0 {}
    }

    fn assume(&self, _: &mut Row, (): &mut ()) {
        match self.0 {}
    }

    fn assume_set(to: &To, row: &mut Row, (): &mut ()) {
        match to {
            To::Name(name) => row.name.clone_from(name),
            To::Template(id) => row.template = Some(id.clone()),
            To::Properties(all) => row.configuration_properties.clone_from(all),
        }
    }
}
