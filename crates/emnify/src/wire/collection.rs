//! Collections: the calls that every family of objects has, over the paths of the family.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::id::EntryId;
use super::listing::Listing;
use crate::api::Api;
use crate::call::{Call, Created};
use crate::error::{Error, found};
use crate::limits::Class;
use crate::page::{Cursor, Page};

/// An object as its collection shows it.
pub trait Entry: DeserializeOwned {
    /// What its ids are.
    type Id: EntryId;

    /// Its id.
    fn id(&self) -> Self::Id;
}

/// How a listing comes in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// All at once.
    Whole,
    /// By `page` and `X-Total-Pages`.
    Pages {
        /// Rows of a full page, unless told otherwise.
        usual: usize,
        /// Rows of a page at most.
        most: usize,
    },
    /// All at once, and nobody says how: an array, one object, or an envelope.
    Loose,
    /// In an envelope that tells how many there are; so many rows are asked for (v2).
    Envelope(u32),
}

/// A family of objects: `DNS.list(&api, cursor)`, `DNS.create(&api, &body)`. Which calls a family knows is said at its constant;
/// the API answers others as it answers any path that it does not know.
pub struct Collection<T> {
    route: &'static str,
    item: &'static str,
    paging: Paging,
    /// emnify shows a single entry.
    single: bool,
    /// It shows it in a list.
    in_a_list: bool,
    /// Limits of their own, of the listing and of the read of one.
    limits: [Option<Class>; 2],
    /// What is sent carries a secret.
    sensitive: bool,
    rows: PhantomData<fn() -> T>,
}

impl<T> Collection<T> {
    /// An unpaged collection; `item` is the route of one entry.
    pub const fn at(route: &'static str, item: &'static str) -> Self {
        let (paging, limits) = (Paging::Whole, [None; 2]);
        Self {
            route,
            item,
            paging,
            single: true,
            in_a_list: false,
            limits,
            sensitive: false,
            rows: PhantomData,
        }
    }

    /// It comes in pages.
    pub(crate) const fn paged(self, paging: Paging) -> Self {
        Self { paging, ..self }
    }

    /// The listing and the read of one have limits of their own.
    pub(crate) const fn limited(self, listing: Class, one: Class) -> Self {
        Self { limits: [Some(listing), Some(one)], ..self }
    }

    /// What is sent carries a secret, so what the API says about it is not repeated.
    pub(crate) const fn sensitive(self) -> Self {
        Self { sensitive: true, ..self }
    }

    /// The read of one entry answers with a list of one.
    pub(crate) const fn shown_in_a_list(self) -> Self {
        Self { in_a_list: true, ..self }
    }

    /// emnify has no read of one entry.
    #[must_use]
    pub const fn listed_only(self) -> Self {
        Self { single: false, ..self }
    }
}

impl<T: Entry> Collection<T> {
    /// One page. A row that cannot be read is noted in it.
    pub async fn list(&self, api: &Api, at: Cursor) -> Result<Page<T>, Error> {
        self.list_where(api, at, &Listing::all()).await
    }

    /// One page of what `listing` asks for, which only collections with [`Paging::Pages`] know.
    pub(super) async fn list_where(
        &self,
        api: &Api,
        at: Cursor,
        listing: &Listing,
    ) -> Result<Page<T>, Error> {
        let reply = api.call(self.listing(at, listing)).await?;
        match self.paging {
            Paging::Whole => reply.page(at, None),
            Paging::Loose => reply.loose(at),
            Paging::Pages { usual, most } => reply.page(at, Some(listing.full(usual, most))),
            Paging::Envelope(rows) => reply.envelope(at, rows),
        }
    }

    /// Every entry of an unpaged collection, for names that are looked up in it. One that cannot be read is left out and told,
    /// and whoever does not need it goes on; where none can be read it is an error. Not for lists that are compared as a whole.
    pub async fn lookup(&self, api: &Api) -> Result<Vec<T>, Error> {
        api.call(self.listing(Cursor::first(), &Listing::all())).await?.lookup()
    }

    /// One entry, or `None` if there is none of this id. Where emnify does not show a single entry, the listing is read:
    /// an entry is missing only from one that is complete, else it is [`Error::Unreadable`].
    pub async fn get(&self, api: &Api, id: T::Id) -> Result<Option<T>, Error> {
        if !self.single {
            return self.find(api, id).await;
        }
        let reply = found(api.call(self.reading(id)).await)?;
        reply.map(|reply| if self.in_a_list { reply.only() } else { reply.json() }).transpose()
    }

    /// Creates an entry; [`Error::Ambiguous`] where the answer does not name its id.
    pub async fn create(&self, api: &Api, body: &(impl Serialize + Sync)) -> Result<Created<T::Id>, Error> {
        api.call(self.writing(Call::post(self.route), body)).await?.created()
    }

    /// Changes an entry: what `body` holds, and nothing else.
    pub async fn patch(&self, api: &Api, id: T::Id, body: &(impl Serialize + Sync)) -> Result<(), Error> {
        api.call(self.writing(Call::patch(self.item).arg(id), body)).await.map(drop)
    }

    /// The same of a family that answers with the entry: how it is now, as far as the answer can be read.
    pub async fn patched(
        &self,
        api: &Api,
        id: T::Id,
        body: &(impl Serialize + Sync),
    ) -> Result<Option<T>, Error> {
        let reply = api.call(self.writing(Call::patch(self.item).arg(id), body)).await?;
        Ok(reply.json().ok())
    }

    /// Deletes an entry; [`Error::NotFound`] if there is none.
    pub async fn delete(&self, api: &Api, id: T::Id) -> Result<(), Error> {
        api.call(Call::delete(self.item).arg(id)).await.map(drop)
    }

    fn listing(&self, at: Cursor, listing: &Listing) -> Call {
        let call = Call::get(self.route).limited(self.limits[0]);
        match self.paging {
            Paging::Whole | Paging::Loose => call,
            Paging::Pages { .. } => listing.apply(call, at),
            Paging::Envelope(rows) => call.query("page", at.page).query("page_size", rows),
        }
    }

    fn reading(&self, id: T::Id) -> Call {
        Call::get(self.item).limited(self.limits[1]).arg(id)
    }

    fn writing(&self, call: Call, body: &impl Serialize) -> Call {
        let call = call.body(body);
        if self.sensitive { call.sensitive() } else { call }
    }

    async fn find(&self, api: &Api, id: T::Id) -> Result<Option<T>, Error> {
        let (mut next, mut whole) = (Some(Cursor::first()), true);
        while let Some(at) = next {
            let page = self.list(api, at).await?;
            whole &= !page.cut && page.unreadable.is_empty() && page.nameless == 0;
            next = page.next();
            if let Some(entry) = page.items.into_iter().find(|entry| entry.id() == id) {
                return Ok(Some(entry));
            }
        }
        if whole { Ok(None) } else { Err(incomplete(self.route)) }
    }
}

fn incomplete(route: &str) -> Error {
    Error::Unreadable {
        message: format!("{route}: the listing is not complete, and does not show the entry"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::endpoint::ENDPOINTS;
    use crate::wire::integration::DNS;
    use crate::wire::service_profile::SERVICE_PROFILES;
    use crate::wire::sim::SIMS;
    use crate::wire::tariff_profile::TARIFF_PROFILES;

    #[test]
    fn reads_have_the_limits_that_emnify_documents_for_them_and_writes_have_none() {
        fn limits<T: Entry<Id = i64>>(collection: &Collection<T>) -> [Option<Class>; 2] {
            let write = collection.writing(Call::post(collection.route), &());
            assert_eq!(write.class, None, "a create is not a listing");
            [collection.listing(Cursor::first(), &Listing::all()), collection.reading(1)]
                .map(|call| call.class)
        }
        assert_eq!(limits(&ENDPOINTS), [Some(Class::Listing), Some(Class::Detail)]);
        assert_eq!(limits(&SIMS), [Some(Class::Listing), Some(Class::Light)]);
        assert_eq!(limits(&SERVICE_PROFILES), [Some(Class::Light); 2]);
        assert_eq!(limits(&TARIFF_PROFILES), [Some(Class::Light); 2]);
        assert_eq!(limits(&DNS), [None; 2]);
    }

    #[test]
    fn only_a_uuid_is_taken_for_the_id_that_a_location_ends_with() {
        let uuid = "0b5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11";
        assert_eq!(String::located(uuid).as_deref(), Some(uuid));
        for word in
            ["configuration", "", "12", "0b5f4a0e-6a1c-4d53-9a57", "zb5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11"]
        {
            assert_eq!(String::located(word), None, "{word} may be the name of the collection");
        }
    }
}
