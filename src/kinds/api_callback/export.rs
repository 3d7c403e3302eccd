//! A callback as a manifest.

use emnify::wire::integration::ApiCallback as Row;

use super::spec::{ApiCallback, ApiCallbackSpec};
use crate::kinds::export::{Draft, Export, Exported, Manifest, credential_in, line};

impl Export for ApiCallback {
    const EXPORT: Exported<Self> = Exported::Always(Manifest::of(
        |row: &Row| {
            row.purpose.clone().filter(|purpose| !purpose.is_empty()).unwrap_or_else(|| row.url.clone())
        },
        |row, (), draft| write(row, draft),
    ));
}

fn write(row: &Row, draft: &mut Draft<'_>) -> Result<ApiCallback, String> {
    if let Some(what) = credential_in(&row.url) {
        return Err(format!(
            "url: it holds what looks like a credential ({what}), which belongs into no manifest"
        ));
    }
    let purpose = row.purpose.as_deref().and_then(|purpose| line(purpose, 160));
    let spec = ApiCallbackSpec { url: row.url.clone(), purpose, common: draft.common() };
    Ok(ApiCallback::new(draft.name(), spec))
}

#[cfg(test)]
mod tests {
    use emnify_engine::kind::Id;
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::kinds::export::Known;

    #[test]
    fn a_callback_is_written_unless_its_address_holds_a_credential() {
        let known = Known::default();
        let written = |url: &str, purpose: &str| {
            let row: Row = from_value(json!({"id": 7, "url": url, "purpose": purpose})).unwrap();
            write(&row, &mut Draft::new(&known, "sms", &Id::Int(7)))
        };
        let spec = to_value(written("https://example.com/sms", "sms").unwrap().spec).unwrap();
        assert_eq!(spec, json!({"id": "7", "url": "https://example.com/sms", "purpose": "sms"}));
        let spec = to_value(written("https://example.com/sms", " sms").unwrap().spec).unwrap();
        assert!(spec.get("purpose").is_none(), "emnify changes none, so that it may be left out");
        let why = written("https://example.com/sms?code=abc", "").unwrap_err();
        assert!(why.contains("code in its query") && !why.contains("abc"), "{why}");
    }
}
