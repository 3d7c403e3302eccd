//! References: unions with exactly one member.

use emnify_engine::kind::{Id, Input, Inputs, Invalid, Key, Source, Table};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{NumericId, ObjectName};

/// Another object by its name here, its emnify id, or its name in emnify. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.name) ? 1 : 0) + (has(self.id) ? 1 : 0) + (has(self.externalName) ? 1 : 0) == 1")
        .message("set exactly one of name, id, externalName")
)]
pub struct Reference {
    /// Name of the object in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// Name in emnify; it must be unique there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub external_name: Option<String>,
}

/// Another object by its name here, its emnify id, or its name in emnify; or `none: true` for no object at all.
/// Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.name) ? 1 : 0) + (has(self.id) ? 1 : 0) + (has(self.externalName) ? 1 : 0) + (has(self.none) ? 1 : 0) == 1")
        .message("set exactly one of name, id, externalName, none"),
    validation = Rule::new("!has(self.none) || self.none")
        .message("none can only be true; leave the whole field out to leave it unmanaged")
)]
pub struct ClearableReference {
    /// Name of the object in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// Name in emnify; it must be unique there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub external_name: Option<String>,
    /// `true`: no object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<bool>,
}

/// Something that only emnify has, by its id or its name there. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.id) != has(self.externalName)")
        .message("set exactly one of id, externalName")
)]
pub struct ExternalReference {
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// Name in emnify, without regard to case; it must be unique there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub external_name: Option<String>,
}

/// Something that only emnify has, by its id or its name there; or `none: true` for nothing. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.id) ? 1 : 0) + (has(self.externalName) ? 1 : 0) + (has(self.none) ? 1 : 0) == 1")
        .message("set exactly one of id, externalName, none"),
    validation = Rule::new("!has(self.none) || self.none")
        .message("none can only be true; leave the whole field out to leave it unmanaged")
)]
pub struct ClearableExternalReference {
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// Name in emnify, without regard to case; it must be unique there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub external_name: Option<String>,
    /// `true`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<bool>,
}

/// The member that a reference sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// An object in this namespace.
    Object(&'a str),
    /// An id in emnify.
    Id(&'a NumericId),
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
            Some(Member::Id(id)) => id.int(path).map(Some),
            Some(Member::None) => Ok(None),
            Some(Member::Object(_) | Member::External(_)) => match from.id(path) {
                Some(Id::Int(id)) => Ok(Some(*id)),
                Some(Id::Text(id)) => Err(Invalid::new(path, format!("{id} is not a numeric id"))),
                None => Err(Invalid::new(path, "could not be resolved to an id")),
            },
            None => Err(Invalid::new(path, "set exactly one member of the reference")),
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

impl References for Reference {
    fn member(&self) -> Option<Member<'_>> {
        only([
            self.name.as_ref().map(|name| Member::Object(name.as_str())),
            self.id.as_ref().map(Member::Id),
            self.external_name.as_deref().map(Member::External),
        ])
    }
}

impl References for ClearableReference {
    fn member(&self) -> Option<Member<'_>> {
        only([
            self.name.as_ref().map(|name| Member::Object(name.as_str())),
            self.id.as_ref().map(Member::Id),
            self.external_name.as_deref().map(Member::External),
            self.none.filter(|none| *none).map(|_| Member::None),
        ])
    }
}

impl References for ExternalReference {
    fn member(&self) -> Option<Member<'_>> {
        only([self.id.as_ref().map(Member::Id), self.external_name.as_deref().map(Member::External)])
    }
}

impl References for ClearableExternalReference {
    fn member(&self) -> Option<Member<'_>> {
        only([
            self.id.as_ref().map(Member::Id),
            self.external_name.as_deref().map(Member::External),
            self.none.filter(|none| *none).map(|_| Member::None),
        ])
    }
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
    fn none_is_a_member_and_only_true() {
        let check = |value: serde_json::Value| ClearableReference::validate_cel(&value, None).is_ok();
        assert!(check(json!({"none": true})));
        assert!(!check(json!({"none": false})), "unset says unmanaged, not false");
        assert!(!check(json!({"none": true, "name": "a"})));
        let external =
            |value: serde_json::Value| ClearableExternalReference::validate_cel(&value, None).is_ok();
        assert!(external(json!({"none": true})) && !external(json!({"none": false})));
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
