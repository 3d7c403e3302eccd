//! A custom event as a manifest.

use emnify::wire::custom_event::CustomEvent as Row;

use super::{
    spec::{CustomEvent, CustomEventSpec},
    template::TEMPLATES,
};
use crate::kinds::{
    common::events::shown,
    export::{Draft, Export, Exported, Manifest, line},
};

impl Export for CustomEvent {
    const EXPORT: Exported<Self> = Exported::Always(Manifest {
        tables: |_, ()| vec![&TEMPLATES],
        ..Manifest::of(|row: &Row| row.name.clone(), |row, (), draft| write(row, draft))
    });
}

fn write(row: &Row, draft: &mut Draft<'_>) -> Result<CustomEvent, String> {
    let template = row.template.as_deref().ok_or("template: emnify does not show it")?;
    let properties = shown(&row.configuration_properties);
    let spec = CustomEventSpec {
        name: line(&row.name, 160),
        template: draft.external_text(&TEMPLATES, template),
        properties: Some(properties).filter(|all| !all.is_empty()),
        common: draft.common(),
    };
    Ok(CustomEvent::new(draft.name(), spec))
}
