//! Pages of a listing.

use jiff::Timestamp;

/// Where to read on in a listing. Pages count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The page to read.
    pub page: u32,
}

impl Cursor {
    /// The first page.
    pub const fn first() -> Self {
        Cursor { page: 1 }
    }
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor::first()
    }
}

/// One page. A page past the last one repeats the last [D], so the end is known by `pages`, never by an empty page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// This page's number, from 1.
    pub page: u32,
    /// Number of pages (`X-Total-Pages`); 1 where the listing is not paged.
    pub pages: u32,
    /// Entries in all pages (`X-Total-Count`), where the API tells.
    pub total: Option<u64>,
    /// The server's clock (`Date`), where the API tells.
    pub server_time: Option<Timestamp>,
}

impl<T> Page<T> {
    /// The next page, if there is one.
    pub fn next(&self) -> Option<Cursor> {
        (self.page < self.pages).then(|| Cursor { page: self.page + 1 })
    }

    /// The same page with every entry turned into something else.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(each).collect(),
            page: self.page,
            pages: self.pages,
            total: self.total,
            server_time: self.server_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(page: u32, pages: u32) -> Page<()> {
        Page { items: vec![], page, pages, total: None, server_time: None }
    }

    #[test]
    fn the_number_of_pages_ends_a_listing_not_an_empty_page() {
        assert_eq!(page(1, 3).next(), Some(Cursor { page: 2 }), "an empty page is not the end");
        assert_eq!(page(3, 3).next(), None, "the last page is the end");
        assert_eq!(page(1, 0).next(), None, "an empty collection has no next page");
    }
}
