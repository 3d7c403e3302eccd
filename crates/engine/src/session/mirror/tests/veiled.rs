//! What a listing with rows that cannot be read does not prove.

use super::*;

/// A complete listing, begun at this second, of rows that can be read, of ids of rows that cannot, and of others.
fn listed(mirror: &Mirror<Toy>, began: i64, rows: Vec<ToyRow>, odd: &[i64], nameless: usize) -> Vec<Id> {
    let mut sweep = Mirror::<Toy>::begin_sweep(at(began));
    let total = u64::try_from(rows.len() + odd.len() + nameless).unwrap();
    mirror.unreadable(&mut sweep, odd.iter().copied().map(Id::Int), nameless);
    mirror.page(&mut sweep, rows, Some(total));
    mirror.finish_sweep(sweep).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_row_that_came_after_a_create_may_be_what_it_made() {
    let mirror = Mirror::<Toy>::default();
    listed(&mirror, 0, vec![], &[9], 0);
    let sent = at(10);
    listed(&mirror, 100, vec![], &[9], 0);
    assert!(mirror.accounts_for(sent, at(100)), "a row that was odd before hides nothing");
    assert!(!mirror.accounts_for(sent, at(101)), "the listing began too early");
    listed(&mirror, 200, vec![], &[9, 10], 0);
    assert!(!mirror.accounts_for(sent, at(100)), "10 may be it");
    listed(&mirror, 300, vec![], &[9], 1);
    assert!(!mirror.accounts_for(sent, at(100)), "so may a row without an id");
    listed(&mirror, 400, vec![row(10, "b")], &[9], 0);
    assert!(mirror.accounts_for(sent, at(100)), "until it can be read");
}

#[tokio::test(start_paused = true)]
async fn a_row_without_an_id_may_be_any_that_is_missing() {
    let mirror = filled(2);
    advance(Duration::from_secs(60)).await;
    assert_eq!(listed(&mirror, 60, vec![row(1, "a")], &[], 1), []);
    assert_eq!(word(&mirror, 2), "a", "nobody doubts it");
    advance(Duration::from_secs(60)).await;
    assert_eq!(listed(&mirror, 120, vec![row(1, "a")], &[], 0), [Id::Int(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_not_absent_after_one_answer() {
    for (odd, nameless) in [(&[9][..], 0), (&[], 1)] {
        let mirror = Mirror::<Toy>::default();
        listed(&mirror, 0, vec![row(1, "a")], odd, nameless);
        let denied = || mirror.denied(&Id::Int(9), Instant::now());
        assert!(!denied(), "the listing showed something ({odd:?}, {nameless})");
        advance(Duration::from_secs(30)).await;
        assert!(denied(), "two answers prove it all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_missed_and_cannot_be_read_now_is_not_absent_after_one_answer() {
    let mirror = filled(2);
    for (began, odd) in [(60, &[][..]), (120, &[2])] {
        advance(Duration::from_secs(60)).await;
        listed(&mirror, began, vec![row(1, "a")], odd, 0);
        assert_eq!(word(&mirror, 2), "doubt");
    }
    assert!(!mirror.denied(&Id::Int(2), Instant::now()), "the last listing showed it");
}
