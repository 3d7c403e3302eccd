//! `ApiSecret`: the key that signs the calls of an API callback, so that whoever is called knows that it was emnify.
//!
//! emnify shows no key and changes none: of what was sent only a digest is kept, and another value makes another key. Profiles
//! move to that first; the one before goes when nobody uses it any more. The field that carries the value is in no readable
//! source [?], so the kind is alpha.

mod change;
mod diff;
mod export;
mod rows;
mod spec;
#[cfg(test)]
mod tests;

use emnify::{
    Api, Cursor, Error, Page,
    wire::integration::{API_SECRETS, ApiSecretCreate},
};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Input, Inputs, Invalid, Key, Managed, Reply, Source,
    managed::Renewal,
    mark, misuse,
    spec::{AdoptionPolicy, Intent, Provenance},
};
use jiff::Timestamp;
use secrecy::ExposeSecret;

pub use self::spec::{ApiSecret, ApiSecretSpec, ApiSecretStatus, Retiring};
use self::{
    change::Change,
    rows::{NONCE, Row, VALUE, Want},
};

/// A shorter key is guessed.
const SHORTEST: usize = 16;

impl Managed for ApiSecret {
    type Row = Row;
    type Part = rows::Part;
    type Parts = rows::Parts;
    type Want = Want;
    type Change = Change;
    type News = ();

    const FACTS: Facts = Facts::RECORD;
    const RENEWAL: Option<Renewal<Self>> =
        Some(Renewal { renewed, expires: |_| None, remains: diff::goes_along, ends: Change::ends_other });

    fn id(row: &Row) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        put(Key::new(Key::NAME, &row.text));
        if let Some(owner) = &row.owner {
            put(Key::new(mark::KEY, owner));
        }
        if let Some(nonce) = &row.nonce {
            put(Key::new(NONCE, nonce));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        row.owner.clone()
    }

    fn inputs(&self) -> Vec<Input> {
        let (name, key) = (self.spec.secret_ref.name.to_string(), self.spec.secret_ref.key.to_string());
        vec![Input::new(VALUE, Source::Secret { name, key })]
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        let value = from.secret_value(VALUE).ok_or_else(|| Invalid::new(VALUE, "could not be read"))?;
        if value.value().expose_secret().len() < SHORTEST {
            let key = &self.spec.secret_ref;
            let message = format!(
                "key {} of Secret {} holds less than {SHORTEST} bytes; put a longer signing key there",
                key.key, key.name
            );
            return Err(Invalid::new(VALUE, message));
        }
        Ok(Want {
            text: self.spec.purpose.clone(),
            name: from.name().to_owned(),
            owner: format!("{}/{}", from.installation, from.object),
            value: value.clone(),
            replaces: self.spec.common.adoption_policy == Some(AdoptionPolicy::Force),
        })
    }

    /// By the attempt at hand while one is open: the key before has the same mark.
    fn find(want: &Want, intent: Option<&Intent>) -> Vec<Find> {
        let key = match intent {
            Some(intent) => Key::new(NONCE, &intent.nonce),
            None => Key::new(mark::KEY, &want.owner),
        };
        vec![Find::Trace(key)]
    }

    fn parts(_: &Want) -> Vec<rows::Part> {
        vec![rows::Part::Earlier]
    }

    fn parts_to_retire(_: Option<&ApiSecretStatus>) -> Vec<rows::Part> {
        vec![rows::Part::Earlier]
    }

    fn create(want: &Want, intent: Option<&Intent>) -> Option<Change> {
        let nonce = intent.map(|intent| intent.nonce.as_str()).unwrap_or_default();
        Some(Change::Create { purpose: want.purpose(nonce), value: want.value.clone() })
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        diff::diff(want, have, context)
    }

    fn retire(have: &Have<Self>, context: &Context<'_, Self>) -> Vec<Change> {
        diff::retire(have, context)
    }

    fn assume(change: &Change, _: &mut Row, parts: &mut rows::Parts) {
        if let (Change::DeleteEarlier { id }, Some(all)) = (change, &mut parts.earlier) {
            all.retain(|other| other != id);
        }
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut ApiSecretStatus) {
        status.purpose = Some(have.row.text.clone()).filter(|text| !text.is_empty());
        if let Some(earlier) = &have.parts.earlier {
            status.retiring.retain(|old| earlier.iter().any(|id| id.to_string() == old.id));
        }
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        Ok(API_SECRETS.list(api, at).await?.map(Row::from))
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        Ok(API_SECRETS.get(api, id.number()?).await?.map(Row::from))
    }

    async fn read_part(api: &Api, id: &Id, part: rows::Part, into: &mut rows::Parts) -> Result<(), Error> {
        match part {
            rows::Part::Earlier => {
                let page = API_SECRETS.list(api, Cursor::first()).await?;
                into.earlier = Some(rows::siblings(id.number()?, page.items.into_iter().map(Row::from)));
            }
        }
        Ok(())
    }

    async fn make(api: &Api, new: &Change) -> Result<Reply<Self>, Error> {
        let Change::Create { purpose, value } = new else {
            return Err(misuse("only a create makes an API secret"));
        };
        let new = ApiSecretCreate { purpose: purpose.clone(), secret: value.value().clone() };
        let made = API_SECRETS.create(api, &new).await?;
        Ok(Reply { id: Some(Id::Int(made.id)), ..Reply::default() })
    }

    async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Self>, Error> {
        match change {
            Change::Create { .. } => return Err(misuse("the API secret is there already")),
            Change::Delete => API_SECRETS.delete(api, id.number()?).await?,
            // that it does not exist is not believed at once: the listing tells
            Change::DeleteEarlier { id } => API_SECRETS.delete(api, *id).await?,
        }
        Ok(Reply::default())
    }
}

/// The key before stays until nobody uses it.
fn renewed(status: &mut ApiSecretStatus, old: &Id, now: Timestamp) {
    let id = old.to_string();
    status.renewed_at = Some(now.to_string().into());
    // what was taken over is left behind, as everywhere
    let ours = status.common.provenance == Some(Provenance::Created);
    if ours && status.retiring.iter().all(|retiring| retiring.id != id) {
        status.retiring.push(Retiring { id, since: now.to_string().into() });
    }
}
