//! `ApiCallback`: where emnify calls to, for messages and receipts of devices whose service profile refers to it.
//!
//! emnify has no update: an edit stalls. Our mark ends the purpose, so a callback is found again after a crash, and two with one
//! URL are told apart.

mod export;
mod spec;
#[cfg(test)]
mod tests;

use emnify::wire::{Collection, integration};
use emnify_engine::{
    field,
    kind::{
        Facts, reason,
        record::{Field, Identity, Record},
    },
};

pub use self::spec::{ApiCallback, ApiCallbackSpec, ApiCallbackStatus};

impl Record for ApiCallback {
    type Row = integration::ApiCallback;

    const NOUN: &'static str = "API callback";
    const FACTS: Facts = Facts::RECORD;
    const IDENTITY: Identity = Identity::Mark("purpose");
    const NAME: &'static [&'static str] = &["url"];
    const FIELDS: &'static [Field<Self>] = &[field!(url).immutable(), field!(purpose).immutable().named()];
    const CALLS: Collection<Self::Row> = integration::API_CALLBACKS;

    fn concern(&self) -> Option<(&'static str, String)> {
        let what = "url: messages of devices and their receipts travel in clear; use https";
        self.spec.url.starts_with("http://").then(|| (reason::INSECURE_CALLBACK, what.to_owned()))
    }
}
