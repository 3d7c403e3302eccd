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

/// One page. A page past the last one repeats the last [D], so the end is known by `pages`, never by an empty page. A row
/// that cannot be read is left out and does not fail the page.
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
    /// Ids of rows that are there and could not be read.
    pub unreadable: Vec<i64>,
    /// Rows of which not even the id could be read.
    pub nameless: usize,
    /// The page is full and nothing says whether more follow: neither `X-Total-Pages` nor `X-Total-Count`. A page without
    /// them that is not full is the last.
    pub cut: bool,
}

impl<T> Page<T> {
    /// The next page, if there is one.
    pub fn next(&self) -> Option<Cursor> {
        (self.page < self.pages).then(|| Cursor { page: self.page + 1 })
    }

    /// The same page with every entry turned into something else.
    pub fn map<U>(mut self, each: impl FnMut(T) -> U) -> Page<U> {
        let items = std::mem::take(&mut self.items).into_iter().map(each).collect();
        self.with(items)
    }

    /// The same page with every entry turned into something else, where that can be done: the `id` of what fails is noted.
    pub fn try_map<U, E>(
        mut self,
        id: impl Fn(&T) -> i64,
        mut each: impl FnMut(T) -> Result<U, E>,
    ) -> Page<U> {
        let mut items = Vec::with_capacity(self.items.len());
        for item in std::mem::take(&mut self.items) {
            let id = id(&item);
            match each(item) {
                Ok(item) => items.push(item),
                Err(_) => self.unreadable.push(id),
            }
        }
        self.with(items)
    }

    /// The same page with these entries.
    pub fn with<U>(self, items: Vec<U>) -> Page<U> {
        let Self { page, pages, total, server_time, unreadable, nameless, cut, .. } = self;
        Page { items, page, pages, total, server_time, unreadable, nameless, cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(page: u32, pages: u32) -> Page<()> {
        Page {
            items: vec![],
            page,
            pages,
            total: None,
            server_time: None,
            unreadable: vec![],
            nameless: 0,
            cut: false,
        }
    }

    #[test]
    fn the_number_of_pages_ends_a_listing_not_an_empty_page() {
        assert_eq!(page(1, 3).next(), Some(Cursor { page: 2 }), "an empty page is not the end");
        assert_eq!(page(3, 3).next(), None, "the last page is the end");
        assert_eq!(page(1, 0).next(), None, "an empty collection has no next page");
    }

    #[test]
    fn a_row_that_cannot_be_turned_is_known_by_its_id() {
        let numbers = page(1, 1).with(vec![1, 2, 3]);
        let odd = numbers.try_map(|n| *n, |n| if n % 2 == 1 { Ok(n) } else { Err(()) });
        assert_eq!((odd.items, odd.unreadable), (vec![1, 3], vec![2]));
    }
}
