//! Which entries of a collection, in which order.

use crate::call::Call;
use crate::page::Cursor;

/// Filter, order and page size of a listing. Matching is by prefix at least for ICCIDs [3P], so compare what comes back. A value
/// that holds a comma cannot be asked for: the API has no escape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    filters: Vec<(&'static str, String)>,
    sort: Option<String>,
    per_page: Option<u32>,
}

impl Listing {
    /// Everything, by id, in the API's own page size.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only entries whose `field` has `value`; several filters must all hold.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "ids and texts are handed over as they are")]
    pub fn filter(mut self, field: &'static str, value: impl ToString) -> Self {
        self.filters.push((field, value.to_string()));
        self
    }

    /// Ordered by `field`; a leading `-` means descending.
    #[must_use]
    pub fn sort(mut self, field: &str) -> Self {
        self.sort = Some(field.to_owned());
        self
    }

    /// So many entries per page; the API clamps it to its maximum.
    #[must_use]
    pub fn per_page(mut self, entries: u32) -> Self {
        self.per_page = Some(entries);
        self
    }

    /// Rows of a full page, where the API shows `usual` unless told otherwise and `most` at most.
    pub(super) fn full(&self, usual: usize, most: usize) -> usize {
        let asked = self.per_page.and_then(|asked| usize::try_from(asked).ok()).filter(|asked| *asked > 0);
        asked.unwrap_or(usual).min(most)
    }

    /// Adds the query to a call.
    pub(super) fn apply(&self, call: Call, at: Cursor) -> Call {
        let q: Vec<String> = self.filters.iter().map(|(field, value)| format!("{field}:{value}")).collect();
        call.query_if("q", (!q.is_empty()).then(|| q.join(",")))
            .query_if("sort", self.sort.as_ref())
            .query_if("per_page", self.per_page)
            .query("page", at.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_joined_as_the_api_wants_them() {
        let listing = Listing::all().filter("iccid", "8988").filter("status", 0).sort("-last_updated");
        let call = listing.apply(Call::get("/r"), Cursor { page: 2 });
        let want = [("q", "iccid:8988,status:0"), ("sort", "-last_updated"), ("page", "2")];
        assert_eq!(call.query, want.map(|(key, value)| (key, value.to_owned())));
    }
}
