//! Changes of a kind whose own fields go in one body, and whatever else it has in calls of its own.

use std::fmt::{self, Debug, Display};

use super::{Change, Class, FieldDiff, Verb, misuse};

/// A change of a sub-resource, one call each: a rate zone of a tariff profile is selected.
pub trait SubChange: Clone + Debug + Send + Sync + 'static {
    /// A field of the record with its new value.
    type To: Clone + Debug + Send + Sync + 'static;
    /// Listing entry of the kind.
    type Row;
    /// What no listing of the kind shows.
    type Parts;
    /// What people call the record, such as `tariff profile`.
    const NOUN: &'static str;

    /// The difference that it removes.
    fn field(&self) -> FieldDiff;
    /// How many devices it may cut off, activate or re-price.
    fn disturbs(&self) -> u64 {
        0
    }
    /// Sending it late costs money or keeps devices cut off.
    fn urgent(&self) -> bool {
        false
    }
    /// See [`Change::repeatable`].
    fn repeatable(&self) -> bool {
        true
    }
    /// See [`Change::unsettles`].
    fn unsettles(&self) -> bool {
        false
    }
    /// What its success means for what is known.
    fn assume(&self, row: &mut Self::Row, parts: &mut Self::Parts);
    /// What a field that was set means for what is known.
    fn assume_set(to: &Self::To, row: &mut Self::Row, parts: &mut Self::Parts);
}

/// One field that is set.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange<T> {
    /// For people.
    pub diff: FieldDiff,
    /// For emnify.
    pub to: T,
    /// How many devices it may cut off, activate or re-price.
    pub disturbs: u64,
    /// It changes more than itself: see [`Change::unsettles`].
    pub unsettles: bool,
}

impl<T> FieldChange<T> {
    /// A field that disturbs nobody.
    pub fn new(diff: FieldDiff, to: T) -> Self {
        Self { diff, to, disturbs: 0, unsettles: false }
    }
}

/// One call that brings a record closer to its spec.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordChange<S: SubChange> {
    /// Makes it.
    Create(Vec<FieldChange<S::To>>),
    /// Sets some of its fields.
    Patch(Vec<FieldChange<S::To>>),
    /// Changes one of its sub-resources.
    Sub(S),
    /// Deletes it.
    Delete {
        /// How many devices lose something by it.
        disturbs: u64,
    },
}

/// A change of a record that is there.
#[derive(Debug)]
pub enum Applied<'a, S: SubChange> {
    /// Sets some of its fields.
    Patch(&'a [FieldChange<S::To>]),
    /// Changes one of its sub-resources.
    Sub(&'a S),
    /// Deletes it.
    Delete,
}

impl<S: SubChange> RecordChange<S> {
    /// The change that sets these fields, if there are any.
    pub fn patch(sets: Vec<FieldChange<S::To>>) -> Option<Self> {
        (!sets.is_empty()).then_some(Self::Patch(sets))
    }

    /// The fields of a record that is to be made.
    pub fn created(&self) -> Result<&[FieldChange<S::To>], emnify::Error> {
        match self {
            Self::Create(sets) => Ok(sets),
            other => Err(misuse(&format!("{other} makes no {}", S::NOUN))),
        }
    }

    /// What changes about a record that is there.
    pub fn applied(&self) -> Result<Applied<'_, S>, emnify::Error> {
        match self {
            Self::Create(_) => Err(misuse(&format!("the {} is there already", S::NOUN))),
            Self::Patch(sets) => Ok(Applied::Patch(sets)),
            Self::Sub(sub) => Ok(Applied::Sub(sub)),
            Self::Delete { .. } => Ok(Applied::Delete),
        }
    }

    /// What a success means for what is known.
    pub fn assume(&self, row: &mut S::Row, parts: &mut S::Parts) {
        match self {
            Self::Create(sets) | Self::Patch(sets) => {
                for set in sets {
                    S::assume_set(&set.to, row, parts);
                }
            }
            Self::Sub(sub) => sub.assume(row, parts),
            Self::Delete { .. } => {}
        }
    }
}

impl<S: SubChange> Change for RecordChange<S> {
    fn fields(&self) -> Vec<FieldDiff> {
        match self {
            Self::Create(sets) | Self::Patch(sets) => sets.iter().map(|set| set.diff.clone()).collect(),
            Self::Sub(sub) => vec![sub.field()],
            Self::Delete { .. } => Vec::new(),
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Create(_) => Class::quiet(Verb::Create),
            Self::Patch(sets) => {
                let disturbs = sets.iter().map(|set| set.disturbs).max().unwrap_or(0);
                Class { disturbs, ..Class::quiet(Verb::Update) }
            }
            Self::Sub(sub) => Class { verb: Verb::Update, urgent: sub.urgent(), disturbs: sub.disturbs() },
            Self::Delete { disturbs } => Class { disturbs: *disturbs, ..Class::quiet(Verb::Delete) },
        }
    }

    fn repeatable(&self) -> bool {
        match self {
            Self::Create(_) => false,
            Self::Sub(sub) => sub.repeatable(),
            Self::Patch(_) | Self::Delete { .. } => true,
        }
    }

    fn unsettles(&self) -> bool {
        match self {
            Self::Patch(sets) => sets.iter().any(|set| set.unsettles),
            Self::Sub(sub) => sub.unsettles(),
            Self::Create(_) | Self::Delete { .. } => false,
        }
    }

    fn strip(self, ignored: &dyn Fn(&str) -> bool) -> Option<Self> {
        match self {
            Self::Patch(mut sets) => {
                sets.retain(|set| !ignored(&set.diff.path));
                Self::patch(sets)
            }
            Self::Sub(sub) => (!ignored(&sub.field().path)).then_some(Self::Sub(sub)),
            Self::Create(_) | Self::Delete { .. } => Some(self),
        }
    }
}

impl<S: SubChange> Display for RecordChange<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(_) => write!(f, "create the {}", S::NOUN),
            Self::Delete { .. } => write!(f, "delete the {}", S::NOUN),
            Self::Patch(_) | Self::Sub(_) => {
                let fields: Vec<_> = self.fields().iter().map(FieldDiff::to_string).collect();
                f.write_str(&fields.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lamp of the toy.
    #[derive(Clone, Debug, PartialEq)]
    struct Lamp(bool);

    impl SubChange for Lamp {
        type To = &'static str;
        type Row = String;
        type Parts = bool;
        const NOUN: &'static str = "toy";

        fn field(&self) -> FieldDiff {
            FieldDiff::new("lamp", !self.0, self.0)
        }
        fn disturbs(&self) -> u64 {
            3
        }
        fn assume(&self, _: &mut String, lit: &mut bool) {
            *lit = self.0;
        }
        fn assume_set(to: &&'static str, name: &mut String, _: &mut bool) {
            (*to).clone_into(name);
        }
    }

    type Toy = RecordChange<Lamp>;

    fn set(path: &str, new: &'static str) -> FieldChange<&'static str> {
        FieldChange::new(FieldDiff::new(path, "a", new), new)
    }

    #[test]
    fn a_patch_disturbs_whom_its_worst_field_disturbs_and_loses_what_is_ignored() {
        let patch = Toy::Patch(vec![set("name", "b"), FieldChange { disturbs: 7, ..set("tariff", "c") }]);
        assert_eq!((patch.class().verb, patch.class().disturbs), (Verb::Update, 7));
        assert_eq!(patch.to_string(), "name: a -> b, tariff: a -> c");
        let left = patch.clone().strip(&|path| path == "tariff").unwrap();
        assert_eq!((left.to_string().as_str(), left.class().disturbs), ("name: a -> b", 0));
        assert_eq!(patch.strip(&|_| true), None, "nothing is left to send");
    }

    #[test]
    fn only_a_create_makes_a_record_and_none_is_sent_to_one_that_is_there() {
        let (create, lamp) = (Toy::Create(vec![set("name", "b")]), Toy::Sub(Lamp(true)));
        assert_eq!(create.created().unwrap().len(), 1);
        assert!(create.applied().is_err() && lamp.created().is_err() && lamp.applied().is_ok());
        assert!(!create.repeatable() && lamp.repeatable());
        assert_eq!(create.to_string(), "create the toy");
        assert!(create.strip(&|_| true).is_some(), "a record is made whole");
        assert_eq!(lamp.strip(&|path| path == "lamp"), None);
    }

    #[test]
    fn a_success_is_believed_of_fields_and_of_the_rest() {
        let (mut name, mut lit) = ("a".to_owned(), false);
        Toy::Patch(vec![set("name", "b")]).assume(&mut name, &mut lit);
        Toy::Sub(Lamp(true)).assume(&mut name, &mut lit);
        Toy::Delete { disturbs: 0 }.assume(&mut name, &mut lit);
        assert_eq!((name.as_str(), lit), ("b", true));
    }
}
