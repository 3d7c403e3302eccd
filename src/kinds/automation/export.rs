//! An automation as a manifest.

use emnify::wire::{automation::Automation as Row, custom_event::Property as Wire};
use emnify_engine::kind::Kind as _;

use super::{
    change::{Event, actions},
    lookups::{ACTIONS, SYSTEM_EVENTS},
    spec::{Automation, AutomationAction, AutomationEvent, AutomationSpec},
};
use crate::kinds::{
    common::events::{shown, values},
    custom_event::CustomEvent,
    export::{Draft, Export, Exported, Manifest, credential_in, is_credential},
};

impl Export for Automation {
    const EXPORT: Exported<Self> = Exported::Always(Manifest {
        tables: |_, ()| vec![&SYSTEM_EVENTS, &ACTIONS],
        ..Manifest::of(|row: &Row| row.name.clone(), |row, (), draft| write(row, draft))
    });
}

fn write(row: &Row, draft: &mut Draft<'_>) -> Result<Automation, String> {
    let event = match Event::of(row).ok_or("event: emnify does not show it")? {
        Event::Custom(id) => AutomationEvent {
            custom_event: Some(draft.text_reference(CustomEvent::KIND, &id)),
            ..AutomationEvent::default()
        },
        Event::System(id) => AutomationEvent {
            system_event: Some(draft.external_text(&SYSTEM_EVENTS, &id)),
            ..AutomationEvent::default()
        },
    };
    let mut all = Vec::new();
    for action in actions(row) {
        if let Some(what) = action.properties.iter().find_map(credential) {
            return Err(format!(
                "actions: what looks like a credential ({what}) is in clear there, and belongs into no manifest"
            ));
        }
        let properties = shown(&action.properties);
        all.push(AutomationAction {
            action: draft.external_text(&ACTIONS, &action.id),
            properties: Some(properties).filter(|all| !all.is_empty()),
        });
    }
    let targeting = shown(&row.targeting);
    let spec = AutomationSpec {
        name: Some(row.name.clone()),
        description: draft.text("description", &row.description, 160),
        state: None,
        event,
        actions: all,
        targeting: Some(targeting).filter(|all| !all.is_empty()),
        common: draft.common(),
    };
    Ok(Automation::new(draft.name(), spec))
}

/// What of a property only two should know: all that goes by such a name, or a word of an address.
fn credential(property: &Wire) -> Option<String> {
    if is_credential(&property.property) || property.property.eq_ignore_ascii_case("headers") {
        return Some(property.property.clone());
    }
    let word = values(property).into_iter().find_map(credential_in)?;
    Some(format!("{}: {word}", property.property))
}

#[cfg(test)]
mod tests {
    use emnify_engine::kind::Id;
    use serde_json::{Value, from_value, json, to_value};

    use super::*;
    use crate::kinds::export::Known;

    fn written(known: &Known, properties: &Value) -> Result<Value, String> {
        let row: Row = from_value(json!({
            "id": "a-1", "name": "Offline", "description": "", "status": "INACTIVE",
            "actionable_event": {"custom_event": {"id": "e-1", "name": "Offline"}},
            "configured_actions": [{"action": {"id": "w-1"}, "properties": properties}], "targeting_properties": [],
        }))
        .unwrap();
        let object = write(&row, &mut Draft::new(known, "offline", &Id::Text("a-1".into())))?;
        Ok(to_value(&object.spec).unwrap())
    }

    #[test]
    fn an_automation_names_its_event_and_leaves_its_state_alone() {
        let mut known = Known::default();
        known.put("CustomEvent", Id::Text("e-1".into()), "offline".into(), None);
        let url = json!([{"property": "url", "value": "https://example.com", "value_array": []}]);
        let spec = written(&known, &url).unwrap();
        assert_eq!(spec["event"], json!({"customEvent": {"name": "offline"}}));
        assert_eq!(
            spec["actions"][0]["properties"],
            json!([{"name": "url", "value": "https://example.com"}])
        );
        assert!(spec.get("state").is_none() && spec.get("description").is_none(), "{spec}");
    }

    #[test]
    fn one_that_holds_a_credential_is_not_written() {
        for property in [
            json!([{"property": "Authorization", "value": "Bearer abc", "value_array": []}]),
            json!([{"property": "headers", "value": "", "value_array": ["X: abc"]}]),
            json!([{"property": "url", "value": "https://a:abc@example.com", "value_array": []}]),
        ] {
            let why = written(&Known::default(), &property).unwrap_err();
            assert!(why.contains("looks like a credential") && !why.contains("abc"), "{why}");
        }
    }
}
