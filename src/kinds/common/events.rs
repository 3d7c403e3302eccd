//! Events, and what automations and custom events are told: properties of one value or several.

use std::collections::BTreeSet;

use emnify::wire::custom_event::Property as Wire;
use emnify_engine::kind::Invalid;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One value or several under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(cel, validation = Rule::new("has(self.value) != has(self.values)").message("set exactly one of value, values"))]
pub struct Property {
    /// Name of the property.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Its value, as text: write a number in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,
    /// Its values, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub values: Option<Vec<String>>,
}

/// As requests say it. Both keys are required, and one of them says nothing. [S]
pub(crate) fn wire(properties: Option<&[Property]>) -> Vec<Wire> {
    let one = |property: &Property| Wire {
        property: property.name.clone(),
        value: property.value.clone().unwrap_or_default(),
        value_array: property.values.clone().unwrap_or_default(),
    };
    properties.unwrap_or_default().iter().map(one).collect()
}

/// As specs say it.
pub(crate) fn shown(properties: &[Wire]) -> Vec<Property> {
    let one = |property: &Wire| {
        let mut all: Vec<String> = values(property).into_iter().map(str::to_owned).collect();
        let values = (all.len() > 1).then(|| std::mem::take(&mut all));
        let value = values.is_none().then(|| all.pop().unwrap_or_default());
        Property { name: property.property.clone(), value, values }
    };
    properties.iter().map(one).collect()
}

/// What a property says: its values in whatever order, whether there is room for one or for several.
pub(crate) type Said<'a> = (&'a str, BTreeSet<&'a str>);

/// What properties say, in whatever order.
pub(crate) fn said(properties: &[Wire]) -> BTreeSet<Said<'_>> {
    properties.iter().map(|property| (property.property.as_str(), values(property))).collect()
}

/// Everything that a property says.
pub(crate) fn values(property: &Wire) -> BTreeSet<&str> {
    let one = Some(property.value.as_str()).filter(|value| !value.is_empty());
    property.value_array.iter().map(String::as_str).chain(one).collect()
}

/// Properties for people: `hours=24 countries=AT,DE`.
pub(crate) fn print(properties: &[Wire]) -> String {
    let one = |(name, values): &Said<'_>| {
        let values: Vec<&str> = values.iter().copied().collect();
        format!("{name}={}", values.join(","))
    };
    let all: Vec<String> = said(properties).iter().map(one).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(" ") }
}

/// What an event says of itself to automations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Supports {
    /// What may be done on it, as emnify names it.
    pub(crate) actions: Vec<String>,
    /// By what it may be narrowed down.
    pub(crate) targeting: Vec<String>,
}

/// Whether emnify means the same by two words: it writes `SendEmail`, `send_email` and `Send email`.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let plain = |word: &str| -> String {
        let letters = word.chars().filter(|letter| letter.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    plain(one) == plain(other)
}

/// Whether `known` has it; nothing known is no reason to refuse what emnify may take.
pub(crate) fn has(known: &[String], word: &str) -> bool {
    known.is_empty() || known.iter().any(|one| is_same(one, word))
}

/// What is not known, with what is.
pub(crate) fn unknown(path: String, what: &str, known: &[String]) -> Invalid {
    Invalid::new(path, format!("{what}; there is {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_value_is_the_same_as_a_list_of_it_in_whatever_order() {
        let of = |value| -> Vec<Property> { serde_json::from_value(value).unwrap() };
        let one = wire(Some(&of(json!([{"name": "a", "value": "x"}, {"name": "b", "values": ["1", "2"]}]))));
        let other =
            wire(Some(&of(json!([{"name": "b", "values": ["2", "1"]}, {"name": "a", "values": ["x"]}]))));
        assert_eq!(said(&one), said(&other));
        assert_ne!(said(&one), said(&one[..1]));
        assert_eq!(print(&other), "a=x b=1,2");
        assert_eq!(said(&wire(Some(&shown(&other)))), said(&other), "and as a spec says it");
        assert_eq!(shown(&[Wire::default()])[0].value.as_deref(), Some(""), "nothing is said, too");
        assert_eq!(print(&[]), "none");
        let body = serde_json::to_value(&one).unwrap();
        assert_eq!(
            body[0],
            json!({"property": "a", "value": "x", "value_array": []}),
            "every key is required"
        );
    }

    #[test]
    fn words_of_emnify_are_compared_without_case_blanks_and_underscores() {
        assert!(is_same("SendEmail", "send_email") && is_same("Send email", "SENDEMAIL"));
        assert!(!is_same("SendEmail", "SendSms"));
        let known = ["tags".to_owned()];
        assert!(has(&known, "Tags") && !has(&known, "iccid") && has(&[], "iccid"));
        let told = unknown("targeting[0].name".into(), "the event has no iccid", &known).to_string();
        assert_eq!(told, "targeting[0].name: the event has no iccid; there is tags");
    }

    #[test]
    fn a_property_has_one_value_or_several() {
        let check = |value: serde_json::Value| Property::validate_cel(&value, None).is_ok();
        assert!(check(json!({"name": "a", "value": "x"})) && check(json!({"name": "a", "values": ["x"]})));
        assert!(!check(json!({"name": "a"})) && !check(json!({"name": "a", "value": "x", "values": ["y"]})));
    }
}
