//! References: unions with exactly one member.

use emnify_engine::kind::{Id, Input, Inputs, Invalid, Key, Source, Table};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{NumericId, ObjectName, TextId};

/// A reference: `id` and `external_name`, before them a `name` where objects can be meant, after them `none` where nothing can.
/// The rule counts the members that the message names.
macro_rules! union_reference {
    (
        $(#[$about:meta])*
        $union:ident[$($name:ident)?] of $Id:ident: $external:literal $(, $none:ident: $nothing:literal)?;
        $members:literal = $rule:literal
    ) => {
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
        #[serde(rename_all = "camelCase")]
        #[x_kube(cel, validation = Rule::new($rule).message(concat!("set exactly one of ", $members)))]
        $(#[x_kube(
            validation = Rule::new("!has(self.none) || self.none")
                .message(concat!(stringify!($none), " can only be true; leave the whole field out to leave it unmanaged"))
        )])?
        $(#[$about])*
        pub struct $union {
            $(
                /// Name of the object in this namespace.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<ObjectName>,
            )?
            /// Id in emnify.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub id: Option<$Id>,
            #[doc = $external]
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(length(min = 1, max = 255))]
            pub external_name: Option<String>,
            $(
                #[doc = $nothing]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $none: Option<bool>,
            )?
        }

        impl References for $union {
            fn member(&self) -> Option<Member<'_>> {
                only([
                    $(self.$name.as_ref().map(|name| Member::Object(name.as_str())),)?
                    self.id.as_ref().map(|id| Member::Id(id.as_str())),
                    self.external_name.as_deref().map(Member::External),
                    $(self.$none.filter(|none| *none).map(|_| Member::None),)?
                ])
            }
        }
    };
}

union_reference! {
    /// Another object by its name here, its emnify id, or its name in emnify. Exactly one.
    Reference[name] of NumericId: "Name in emnify; it must be unique there.";
    "name, id, externalName" = "(has(self.name) ? 1 : 0) + (has(self.id) ? 1 : 0) + (has(self.externalName) ? 1 : 0) == 1"
}

union_reference! {
    /// Another object by its name here, its emnify id, or its name in emnify; or `none: true` for no object at all.
    /// Exactly one.
    ClearableReference[name] of NumericId: "Name in emnify; it must be unique there.", none: "`true`: no object.";
    "name, id, externalName, none" = "(has(self.name) ? 1 : 0) + (has(self.id) ? 1 : 0) + (has(self.externalName) ? 1 : 0) + (has(self.none) ? 1 : 0) == 1"
}

union_reference! {
    /// Something that only emnify has, by its id or its name there. Exactly one.
    ExternalReference[] of NumericId: "Name in emnify, without regard to case; it must be unique there.";
    "id, externalName" = "has(self.id) != has(self.externalName)"
}

union_reference! {
    /// Another object by its name here, its emnify id, or its name in emnify. Exactly one.
    TextReference[name] of TextId: "Name in emnify; it must be unique there.";
    "name, id, externalName" = "(has(self.name) ? 1 : 0) + (has(self.id) ? 1 : 0) + (has(self.externalName) ? 1 : 0) == 1"
}

union_reference! {
    /// Something that only emnify has, by its id or its name there. Exactly one.
    ExternalTextReference[] of TextId: "Name in emnify, without regard to case; it must be unique there.";
    "id, externalName" = "has(self.id) != has(self.externalName)"
}

/// The member that a reference sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// An object in this namespace.
    Object(&'a str),
    /// An id in emnify.
    Id(&'a str),
    /// A name in emnify.
    External(&'a str),
    /// Explicitly nothing.
    None,
}

/// Where the names of a reference are looked up.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// `name` is an object of this kind, `externalName` the display name in this kind's listing.
    Kind(&'static str),
    /// `externalName` is a name in this table.
    Table(&'static Table),
}

/// What all references can do. `path` is the field's path in the spec, such as `serviceProfile`.
pub trait References {
    /// The member that is set; `None` when not exactly one is (the schema's rule excludes it).
    fn member(&self) -> Option<Member<'_>>;

    /// What has to be looked up for the reference, if anything.
    fn input(&self, path: &str, target: Target) -> Option<Input> {
        let source = match (self.member()?, target) {
            (Member::Object(name), Target::Kind(kind)) => Source::Object { kind, name: name.to_owned() },
            (Member::External(name), Target::Kind(kind)) => {
                Source::Mirror { kind, key: Key::new(Key::NAME, name) }
            }
            (Member::External(name), Target::Table(table)) => {
                Source::Lookup { table, name: name.to_owned(), optional: false }
            }
            (Member::Object(_), Target::Table(_)) | (Member::Id(_) | Member::None, _) => return None,
        };
        Some(Input::new(path, source))
    }

    /// The id it means; `None` for `none: true`.
    fn int(&self, path: &str, from: &Inputs) -> Result<Option<i64>, Invalid> {
        match self.member() {
            Some(Member::Id(id)) => NumericId::from(id).int(path).map(Some),
            Some(Member::None) => Ok(None),
            Some(Member::Object(_) | Member::External(_)) => match from.id(path) {
                Some(Id::Int(id)) => Ok(Some(*id)),
                Some(Id::Text(id)) => Err(Invalid::new(path, format!("{id} is not a numeric id"))),
                None => Err(Invalid::new(path, "could not be resolved to an id")),
            },
            None => Err(Invalid::new(path, "set exactly one member of the reference")),
        }
    }

    /// What has to be looked up in a table whose rows are called by their ids too, and say of themselves what is needed to
    /// check the spec. An id that the table does not have is taken as it is.
    fn known(&self, path: &str, table: &'static Table) -> Option<Input> {
        let (name, optional) = match self.member()? {
            Member::Id(id) => (id, true),
            Member::External(name) => (name, false),
            Member::Object(_) | Member::None => return None,
        };
        Some(Input::new(path, Source::Lookup { table, name: name.to_owned(), optional }))
    }

    /// The id it means, where ids are texts.
    fn text(&self, path: &str, from: &Inputs) -> Result<String, Invalid> {
        match self.member() {
            Some(Member::Id(id)) => Ok(id.to_owned()),
            Some(Member::Object(_) | Member::External(_)) => match from.id(path) {
                Some(id) => Ok(id.to_string()),
                None => Err(Invalid::new(path, "could not be resolved to an id")),
            },
            Some(Member::None) | None => Err(Invalid::new(path, "set exactly one member of the reference")),
        }
    }

    /// The id it means, where there has to be one.
    fn required(&self, path: &str, from: &Inputs) -> Result<i64, Invalid> {
        self.int(path, from)?.ok_or_else(|| Invalid::new(path, "cannot be none"))
    }
}

/// The only member, or `None`.
fn only<'a>(members: impl IntoIterator<Item = Option<Member<'a>>>) -> Option<Member<'a>> {
    let mut set = members.into_iter().flatten();
    set.next().filter(|_| set.next().is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn exactly_one_member_is_accepted() {
        let check = |value: serde_json::Value| Reference::validate_cel(&value, None).is_ok();
        assert!(check(json!({"name": "a"})));
        assert!(check(json!({"id": "1"})));
        assert!(check(json!({"externalName": "a"})));
        assert!(!check(json!({})), "none of them");
        assert!(!check(json!({"name": "a", "id": "1"})), "two of them");
        let external = |value: serde_json::Value| ExternalReference::validate_cel(&value, None).is_ok();
        assert!(external(json!({"id": "1"})));
        assert!(!external(json!({})) && !external(json!({"id": "1", "externalName": "a"})));
    }

    #[test]
    fn an_id_may_be_a_text_and_what_the_table_says_of_it_is_asked_for_too() {
        static EVENTS: Table = Table {
            name: "event",
            folds: true,
            keep: std::time::Duration::ZERO,
            load: |_| Box::pin(async { Ok(Vec::new()) }),
        };
        let by_id = ExternalTextReference { id: Some("a-1".into()), ..ExternalTextReference::default() };
        let input = by_id.known("event", &EVENTS).unwrap();
        assert!(matches!(input.source, Source::Lookup { name, optional: true, .. } if name == "a-1"));
        assert_eq!(
            by_id.text("event", &Inputs::default()),
            Ok("a-1".to_owned()),
            "also where the table lacks it"
        );
        let by_name = TextReference { name: Some("a".into()), ..TextReference::default() };
        let mut found = Inputs::default();
        assert!(by_name.text("event", &found).is_err());
        found.put("event", Id::Text("b-2".into()));
        assert_eq!(by_name.text("event", &found), Ok("b-2".to_owned()));
    }

    #[test]
    fn none_is_a_member_and_only_true() {
        let check = |value: serde_json::Value| ClearableReference::validate_cel(&value, None).is_ok();
        assert!(check(json!({"none": true})));
        assert!(!check(json!({"none": false})), "unset says unmanaged, not false");
        assert!(!check(json!({"none": true, "name": "a"})));
    }

    #[test]
    fn a_reference_is_looked_up_only_when_it_names_something() {
        let by_name = Reference { name: Some("a".into()), ..Reference::default() };
        let input = by_name.input("serviceProfile", Target::Kind("ServiceProfile")).unwrap();
        assert!(matches!(input.source, Source::Object { kind: "ServiceProfile", name } if name == "a"));
        let by_id = Reference { id: Some("12".into()), ..Reference::default() };
        assert!(by_id.input("serviceProfile", Target::Kind("ServiceProfile")).is_none());
        assert_eq!(by_id.required("serviceProfile", &Inputs::default()), Ok(12));
    }

    #[test]
    fn a_resolved_reference_is_its_id_and_none_is_none() {
        let by_name = ClearableReference { name: Some("a".into()), ..ClearableReference::default() };
        let mut found = Inputs::default();
        assert_eq!(by_name.int("sim", &found).unwrap_err().path, "sim");
        found.put("sim", Id::Int(7));
        assert_eq!(by_name.int("sim", &found), Ok(Some(7)));
        let none = ClearableReference { none: Some(true), ..ClearableReference::default() };
        assert_eq!(none.int("sim", &found), Ok(None));
        assert!(none.required("sim", &found).is_err());
    }
}
