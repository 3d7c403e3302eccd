//! Custom events: events of one's own, made from emnify's templates.

use serde::Serialize;

use super::collection::{Collection, Entry};
use super::common::{Ref, TextRef};
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

record!(
    /// A custom event.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CustomEvent {
        /// Its id: a UUID [S].
        #[read(lenient::text_id)]
        pub id: String,
        /// Its name.
        pub name: String,
        /// Id of its template: a number in the specification of the event, a text in that of the template [S].
        #[read(lenient::text_reference)]
        pub template: Option<String>,
        /// What its template leaves open.
        pub configuration_properties: Vec<Property>,
        /// By what an automation may narrow it down.
        #[key("supportedTargetingParameters")]
        pub targeting_parameters: Vec<String>,
        /// What an automation may do on it.
        #[key("supportedActions")]
        pub actions: Vec<String>,
    }
);

record!(
    /// A property of a custom event: one value or several.
    #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
    pub struct Property {
        /// Its name.
        pub property: String,
        /// The value; empty where there are several.
        pub value: String,
        /// The values; empty where there is one.
        pub value_array: Vec<String>,
    }
);

/// A new custom event. All keys are required, and so are those of a property. [S]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomEventCreate {
    /// The organisation of the login.
    pub organisation: Ref,
    /// Its template.
    pub template: TextRef,
    /// What the template leaves open.
    pub configuration_properties: Vec<Property>,
    /// Its name.
    pub name: String,
}

/// Custom events: no update. A create answers with the event; a delete with 200. [S]
pub const CUSTOM_EVENTS: Collection<CustomEvent> = Collection::at(
    "/api/v1/event/custom/configuration",
    "/api/v1/event/custom/configuration/{custom_event_id}",
);

impl Entry for CustomEvent {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }
}

record!(
    /// What custom events are made from.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Template {
        /// Its id.
        #[read(lenient::text_id)]
        pub id: String,
        /// Its name.
        pub name: String,
        /// What it leaves open.
        #[key("configuration_properties")]
        pub properties: Vec<TemplateProperty>,
    }
);

record!(
    /// What a template leaves open.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct TemplateProperty {
        /// Its name.
        pub property: String,
        /// Its type, in emnify's words.
        #[key("type")]
        pub kind: String,
        /// What holds where nothing is said.
        #[key("default")]
        pub preset: Option<String>,
        /// It has to be said, unless something is preset.
        pub required: bool,
        /// What its values have to pass.
        pub validators: Vec<Validator>,
    }
);

record!(
    /// What a value has to pass.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Validator {
        /// Of which sort it is; which there are is not documented [?].
        #[key("validator_type")]
        pub kind: String,
        /// What it compares with.
        #[key("validator_value")]
        pub value: String,
    }
);

impl Api {
    /// What custom events are made from.
    pub async fn custom_event_templates(&self) -> Result<Vec<Template>, Error> {
        self.call(Call::get("/api/v1/event/custom/template")).await?.lookup()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_custom_event_is_read_and_written_as_documented() {
        let properties = json!([{"property": "hours", "value": "24", "value_array": []}]);
        let shown = json!({"organisation": {"id": 42.0}, "template": {"id": "5d1f"}, "name": "silent",
            "configuration_properties": properties, "id": "0b5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11",
            "supportedTargetingParameters": ["tags"], "supportedActions": ["SendEmail"]});
        let event: CustomEvent = from_value(shown).unwrap();
        assert_eq!(event.id(), "0b5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11");
        assert_eq!(event.template.as_deref(), Some("5d1f"));
        assert_eq!(
            (&event.targeting_parameters[..], &event.actions[..]),
            (&["tags".into()][..], &["SendEmail".into()][..])
        );
        let new = CustomEventCreate {
            organisation: 42.into(),
            template: TextRef { id: "5d1f".into() },
            configuration_properties: event.configuration_properties,
            name: event.name,
        };
        let body = json!({"organisation": {"id": 42}, "template": {"id": "5d1f"}, "name": "silent",
            "configuration_properties": properties});
        assert_eq!(to_value(new).unwrap(), body, "every key is required");
    }

    #[test]
    fn a_template_is_read_as_documented() {
        let shown = json!({"id": "5d1f", "name": "Device offline", "configuration_properties": [
            {"property": "hours", "type": "number", "default": "24", "required": true, "description": "Hours",
             "validators": [{"validator_type": "min", "validator_value": "1"}]}]});
        let template: Template = from_value(shown).unwrap();
        let hours = &template.properties[0];
        assert_eq!(
            (hours.kind.as_str(), hours.preset.as_deref(), hours.required),
            ("number", Some("24"), true)
        );
        assert_eq!(hours.validators, [Validator { kind: "min".into(), value: "1".into() }]);
    }

    #[test]
    fn an_event_without_an_id_is_none_and_a_template_may_be_a_number() {
        assert!(from_value::<CustomEvent>(json!({"name": "silent"})).is_err());
        assert!(from_value::<CustomEvent>(json!({"id": ""})).is_err());
        let event: CustomEvent = from_value(json!({"id": "a-1", "template": {"id": 5.0}})).unwrap();
        assert_eq!(event.template.as_deref(), Some("5"));
    }
}
