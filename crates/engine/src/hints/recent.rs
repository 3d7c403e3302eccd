//! What changed last, of a kind whose listing can be sorted by it: pure. The newest page is read every time; further pages
//! only while nothing on a page is known from the last reading.

use jiff::Timestamp;

/// Pages of one reading.
const MOST: usize = 5;

/// How a reading goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The page reaches back to the last reading.
    Done,
    /// It does not: read on.
    More,
    /// It does not, and a listing is cheaper than reading on.
    GiveUp,
}

/// One reading.
#[derive(Debug)]
pub(crate) struct Reading {
    /// As of the last reading.
    mark: Option<Timestamp>,
    newest: Option<Timestamp>,
    pages: usize,
    most: usize,
}

/// What the last reading reached.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recent {
    mark: Option<Timestamp>,
}

impl Recent {
    /// Begins a reading; while we make objects (`creating`) only one page is worth it, because it shows ours.
    pub(crate) fn begin(self, creating: bool) -> Reading {
        Reading { mark: self.mark, newest: None, pages: 0, most: if creating { 1 } else { MOST } }
    }

    /// The reading is over: the next one reads back to here.
    pub(crate) fn close(&mut self, reading: &Reading) {
        self.mark = self.mark.max(reading.newest);
    }
}

impl Reading {
    /// Takes note of a page, newest first, by when its rows changed; `last`: there is no further page.
    pub(crate) fn page(&mut self, changed: &[Option<Timestamp>], last: bool) -> Next {
        self.pages += 1;
        self.newest = self.newest.max(changed.iter().copied().flatten().max());
        // the first reading follows a complete listing
        let Some(mark) = self.mark else { return Next::Done };
        let all_newer = !changed.is_empty() && changed.iter().all(|at| at.is_some_and(|at| at > mark));
        match (all_newer && !last, self.pages < self.most) {
            (false, _) => Next::Done,
            (true, true) => Next::More,
            (true, false) => Next::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "rows may have no time")]
    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(seconds).unwrap())
    }

    fn read_to(mark: i64) -> Recent {
        let mut recent = Recent::default();
        let mut first = recent.begin(false);
        assert_eq!(first.page(&[at(mark), at(1)], false), Next::Done, "the first reading is one page");
        recent.close(&first);
        recent
    }

    #[test]
    fn one_page_is_enough_when_it_reaches_back() {
        let mut reading = read_to(100).begin(false);
        assert_eq!(reading.page(&[at(103), at(100)], false), Next::Done);
        let mut nothing = read_to(100).begin(false);
        assert_eq!(nothing.page(&[at(100), at(99)], false), Next::Done, "nothing changed");
        let mut only = read_to(100).begin(false);
        assert_eq!(only.page(&[at(103), at(102)], true), Next::Done, "there is no further page");
    }

    #[test]
    fn pages_of_nothing_but_changes_lead_on_until_a_listing_is_cheaper() {
        let mut reading = read_to(100).begin(false);
        for _ in 1..MOST {
            assert_eq!(reading.page(&[at(103), at(102)], false), Next::More);
        }
        assert_eq!(reading.page(&[at(103), at(102)], false), Next::GiveUp);
        let mut ours = read_to(100).begin(true);
        assert_eq!(ours.page(&[at(103)], false), Next::GiveUp, "one page while we make objects");
    }

    #[test]
    fn objects_made_in_one_second_are_not_read_again_and_again() {
        let mut recent = read_to(100);
        let mut burst = recent.begin(true);
        burst.page(&[at(200), at(200)], false);
        recent.close(&burst);
        assert_eq!(recent.begin(false).page(&[at(200), at(200)], false), Next::Done);
    }

    #[test]
    fn a_page_without_times_ends_it() {
        assert_eq!(read_to(100).begin(false).page(&[None, at(300)], false), Next::Done);
    }
}
