//! What counts as knowledge, what as doubt, and what proves absence.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, advance};

mod life;
mod listed;
mod model;
mod veiled;

use self::listed::Listed;
use crate::{
    session::mirror::*,
    toy::{Toy, ToyPart, ToyParts, ToyRow},
};

fn row(id: i64, name: &str) -> ToyRow {
    ToyRow { id, name: name.into(), ..ToyRow::default() }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// A complete listing that shows exactly these; returns what it put in doubt.
fn sweep<K: Managed>(mirror: &Mirror<K>, rows: Vec<K::Row>) -> Result<Vec<Id>, Incomplete> {
    let mut sweep = Mirror::<K>::begin_sweep(Timestamp::UNIX_EPOCH);
    let total = u64::try_from(rows.len()).unwrap();
    mirror.page(&mut sweep, rows, Some(total));
    mirror.finish_sweep(sweep)
}

fn filled(rows: i64) -> Mirror<Toy> {
    let mirror = Mirror::default();
    sweep(&mirror, (1..=rows).map(|id| row(id, "a")).collect()).unwrap();
    mirror
}

/// What is known of an id, in one word.
fn word<K: Managed<Row = ToyRow>>(mirror: &Mirror<K>, id: i64) -> String {
    match mirror.get(&Id::Int(id)) {
        Known::Unknown => "unknown".into(),
        Known::Doubt => "doubt".into(),
        Known::Absent => "absent".into(),
        Known::Present(row) => row.name.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_absent_before_the_first_complete_listing() {
    let mirror = Mirror::<Toy>::default();
    assert_eq!(word(&mirror, 1), "unknown");
    assert_eq!(mirror.complete_since(), None);
    sweep(&mirror, vec![row(2, "b")]).unwrap();
    assert_eq!(
        (word(&mirror, 1), word(&mirror, 2)),
        ("doubt".into(), "b".into()),
        "an id it does not show is read"
    );
    assert_eq!(mirror.complete_since(), Some(Timestamp::UNIX_EPOCH));
}

#[tokio::test(start_paused = true)]
async fn the_newest_knowledge_wins() {
    let mirror = Mirror::<Toy>::default();
    let sent = Instant::now();
    advance(Duration::from_secs(1)).await;
    assert!(mirror.put(row(1, "new"), Instant::now()));
    assert!(!mirror.put(row(1, "old"), sent), "a read that was sent earlier and came later says nothing");
    assert_eq!(word(&mirror, 1), "new");
    assert!(!mirror.put(row(1, "new"), Instant::now()), "the same again is no news");
    mirror.forget(&Id::Int(1));
    assert!(!mirror.put(row(1, "old"), sent));
    assert_eq!(word(&mirror, 1), "absent", "nor does it bring back what was deleted since");
    advance(Duration::from_secs(1)).await;
    mirror.put(row(1, "again"), Instant::now());
    assert_eq!(word(&mirror, 1), "again");
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_it_does_not_exist_is_doubt_and_a_second_one_is_proof() {
    let mirror = filled(20);
    let denied = |id| mirror.denied(&Id::Int(id), Instant::now());
    assert!(!denied(1));
    assert_eq!(word(&mirror, 1), "doubt");
    advance(Duration::from_secs(29)).await;
    assert!(!denied(1), "too soon after the first to be more than the same trouble");
    mirror.put(row(1, "a"), Instant::now());
    advance(Duration::from_secs(29)).await;
    assert!(!denied(1), "it was there meanwhile");
    advance(Duration::from_secs(30)).await;
    assert!(denied(1));
    assert_eq!(word(&mirror, 1), "absent");
}

#[tokio::test(start_paused = true)]
async fn a_complete_listing_confirms_that_it_does_not_exist() {
    let mirror = filled(20);
    let without = |id: i64| (1..=20).filter(|i| *i != id).map(|id| row(id, "a")).collect::<Vec<_>>();
    assert!(!mirror.denied(&Id::Int(1), Instant::now()));
    advance(Duration::from_secs(5)).await;
    sweep(&mirror, without(1)).unwrap();
    assert_eq!(word(&mirror, 1), "absent", "the listing came after the answer");
    sweep(&mirror, without(2)).unwrap();
    assert!(mirror.denied(&Id::Int(2), Instant::now()), "the listing came before the answer");
    assert!(mirror.denied(&Id::Int(99), Instant::now()), "no listing ever showed it");
    assert!(
        !Mirror::<Toy>::default().denied(&Id::Int(99), Instant::now()),
        "without a listing it is one answer"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_listing_never_undoes_our_own_write() {
    let mirror = filled(2);
    let mut slow = Mirror::<Toy>::begin_sweep(Timestamp::UNIX_EPOCH);
    advance(Duration::from_secs(10)).await;
    mirror.wrote(row(1, "ours"), Instant::now());
    assert!(mirror.page(&mut slow, vec![row(1, "a"), row(2, "a")], Some(2)).is_empty());
    mirror.finish_sweep(slow).unwrap();
    assert_eq!(word(&mirror, 1), "ours", "the listing began before the write");
    advance(Duration::from_secs(29)).await;
    sweep(&mirror, vec![row(1, "a"), row(2, "a")]).unwrap();
    assert_eq!(word(&mirror, 1), "ours", "listings lag behind writes for up to 30 s");
    advance(Duration::from_secs(2)).await;
    sweep(&mirror, vec![row(1, "portal"), row(2, "a")]).unwrap();
    assert_eq!(word(&mirror, 1), "portal", "after that a listing is believed");
}

#[tokio::test(start_paused = true)]
async fn what_we_made_is_not_missed_by_a_listing_that_lags() {
    let mirror = filled(2);
    advance(Duration::from_secs(1)).await;
    mirror.wrote(row(3, "ours"), Instant::now());
    advance(Duration::from_secs(5)).await;
    sweep(&mirror, vec![row(1, "a"), row(2, "a")]).unwrap();
    assert_eq!(word(&mirror, 3), "ours", "for 30 s after our write a listing cannot contradict it");
    advance(Duration::from_secs(30)).await;
    sweep(&mirror, vec![row(1, "a"), row(2, "a")]).unwrap();
    assert_eq!(word(&mirror, 3), "doubt");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_moved_proves_nothing() {
    let mirror = filled(2);
    let mut moving = Mirror::<Toy>::begin_sweep(at(9));
    mirror.page(&mut moving, vec![row(1, "a")], Some(2));
    mirror.page(&mut moving, vec![row(1, "a")], Some(1));
    assert_eq!(mirror.finish_sweep(moving), Err(Incomplete::Moved), "the total changed between pages");
    let mut short = Mirror::<Toy>::begin_sweep(at(9));
    mirror.page(&mut short, vec![row(1, "a")], Some(2));
    assert_eq!(mirror.finish_sweep(short), Err(Incomplete::Moved), "fewer entries than the total says");
    assert_eq!((word(&mirror, 2), mirror.complete_since()), ("a".into(), Some(Timestamp::UNIX_EPOCH)));
    let mut untold = Mirror::<Toy>::begin_sweep(at(9));
    mirror.page(&mut untold, vec![row(1, "a"), row(2, "a")], None);
    assert_eq!(
        mirror.finish_sweep(untold),
        Ok(vec![]),
        "a listing without a total is as complete as it gets"
    );
}

#[tokio::test(start_paused = true)]
async fn a_mass_loss_is_believed_only_when_repeated() {
    let mirror = filled(20);
    let few = || (1..=17).map(|id| row(id, "a")).collect::<Vec<_>>();
    assert_eq!(sweep(&mirror, few()), Err(Incomplete::Loss { missing: 3, known: 20 }));
    assert_eq!(word(&mirror, 20), "a", "nothing changed");
    assert_eq!(sweep(&mirror, few()).unwrap().len(), 3, "the second time it is so");
    assert_eq!(word(&mirror, 20), "doubt");
    let mirror = filled(20);
    assert_eq!(
        sweep(&mirror, (1..=18).map(|id| row(id, "a")).collect()).unwrap().len(),
        2,
        "a tenth is no mass loss"
    );
}

#[tokio::test(start_paused = true)]
async fn one_miss_is_doubt_and_only_a_read_proves_absence() {
    let mirror = filled(20);
    let rest = || (2..=20).map(|id| row(id, "a")).collect::<Vec<_>>();
    for _ in 0..3 {
        assert_eq!(sweep(&mirror, rest()), Ok(vec![Id::Int(1)]));
        assert_eq!(word(&mirror, 1), "doubt", "however often a listing misses it");
    }
    mirror.put(row(1, "there"), Instant::now());
    assert_eq!(word(&mirror, 1), "there", "a read settles the doubt");
    mirror.forget(&Id::Int(1));
    assert_eq!((word(&mirror, 1), mirror.len()), ("absent".into(), 19), "a 404 proves it");
}

#[tokio::test(start_paused = true)]
async fn doubt_ends_with_a_read_and_reports_it() {
    let mirror = filled(1);
    assert!(mirror.doubt(&Id::Int(1)));
    assert!(!mirror.doubt(&Id::Int(9)), "an unknown object cannot be doubted");
    assert_eq!(word(&mirror, 1), "doubt");
    assert!(mirror.put(row(1, "a"), Instant::now()), "whoever waits hears of it, even if nothing differs");
    assert_eq!(word(&mirror, 1), "a");
    mirror.forget(&Id::Int(1));
    mirror.doubt(&Id::Int(1));
    assert_eq!(word(&mirror, 1), "doubt", "an absence can be doubted too");
}

#[tokio::test(start_paused = true)]
async fn tombstones_are_absence_and_count_in_the_listing() {
    let mirror = Mirror::<Toy>::default();
    let grave = ToyRow { status: 2, ..row(1, "a") };
    sweep(&mirror, vec![grave, row(2, "b")]).unwrap();
    assert_eq!((word(&mirror, 1), word(&mirror, 2)), ("absent".into(), "b".into()));
}

#[tokio::test(start_paused = true)]
async fn the_index_follows_changes() {
    let mirror = Mirror::<Toy>::default();
    let key = |name: &str| Key::new(Key::NAME, name);
    mirror.put(row(1, "a"), Instant::now());
    mirror.put(row(2, "a"), Instant::now());
    assert_eq!(mirror.find(&key("a")), [Id::Int(1), Id::Int(2)]);
    advance(Duration::from_secs(1)).await;
    mirror.put(row(1, "b"), Instant::now());
    assert_eq!((mirror.find(&key("a")), mirror.find(&key("b"))), (vec![Id::Int(2)], vec![Id::Int(1)]));
    mirror.forget(&Id::Int(2));
    assert!(mirror.find(&key("a")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn pieces_are_doubted_when_the_row_moved_without_us() {
    let mirror = filled(1);
    let id = Id::Int(1);
    let missing = |oldest| mirror.parts(&id, &[ToyPart::Tags], oldest).1;
    assert_eq!(missing(None), [ToyPart::Tags], "not read yet");
    mirror.put_parts(&id, ToyParts { tags: vec![3], read: true }, &[ToyPart::Tags], Instant::now());
    assert!(missing(None).is_empty());
    advance(Duration::from_secs(60)).await;
    assert_eq!(missing(Some(Instant::now())), [ToyPart::Tags], "older than wanted");
    mirror.wrote(row(1, "ours"), Instant::now());
    assert!(missing(None).is_empty(), "our own write moves only what it says");
    advance(Duration::from_secs(60)).await;
    mirror.put(row(1, "portal"), Instant::now());
    assert_eq!(missing(None), [ToyPart::Tags], "somebody else was at work");
    assert_eq!(mirror.parts(&id, &[], None).0.tags, [3], "what was known is kept to be shown");
    mirror.put_parts(&id, ToyParts::default(), &[ToyPart::Tags], Instant::now());
    mirror.doubt_parts(&id);
    assert_eq!(missing(None), [ToyPart::Tags]);
}

#[tokio::test(start_paused = true)]
async fn only_newer_news_is_news() {
    let mirror = filled(1);
    let id = Id::Int(1);
    assert!(mirror.on_events(&id, true, at(10)));
    assert!(!mirror.on_events(&id, false, at(9)), "an older event came late");
    assert!(mirror.on_events(&id, false, at(10)), "of two events of one moment the later in the log wins");
    assert!(!mirror.on_events(&id, false, at(11)), "the same again changes nothing");
    assert!(mirror.on_events(&id, true, at(12)));
    assert_eq!(mirror.news(&id), Some((true, at(12))));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_our_own_write_is_no_doubt() {
    let mirror = filled(1);
    let id = Id::Int(1);
    mirror.expect_echo(&id, at(100));
    assert!(!mirror.is_news(&id, at(100), at(101)), "our own write");
    assert!(mirror.is_news(&id, at(101), at(101)), "somebody else's");
}

#[tokio::test(start_paused = true)]
async fn without_a_read_the_second_miss_in_a_row_is_absence() {
    let mirror = Mirror::<Listed>::default();
    let all = || (1..=20).map(|id| row(id, "a")).collect::<Vec<_>>();
    let rest = || (2..=20).map(|id| row(id, "a")).collect::<Vec<_>>();
    sweep(&mirror, all()).unwrap();
    sweep(&mirror, rest()).unwrap();
    assert_eq!(word(&mirror, 1), "doubt", "one miss is doubt");
    sweep(&mirror, all()).unwrap();
    sweep(&mirror, rest()).unwrap();
    assert_eq!(word(&mirror, 1), "doubt", "it was seen in between");
    sweep(&mirror, rest()).unwrap();
    assert_eq!((word(&mirror, 1), mirror.len()), ("absent".into(), 19));
    advance(Duration::from_secs(1)).await;
    sweep(&mirror, all()).unwrap();
    assert_eq!(word(&mirror, 1), "a", "a listing brings it back");
}

#[tokio::test(start_paused = true)]
async fn an_event_older_than_what_was_read_since_is_no_doubt() {
    let mirror = filled(1);
    let id = Id::Int(1);
    advance(Duration::from_secs(5)).await;
    assert!(!mirror.is_news(&id, at(960), at(1_000)), "40 s old, and the listing that shows it is 5 s old");
    assert!(mirror.is_news(&id, at(980), at(1_000)), "listings lag for up to 30 s");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_listing_already_shows_is_no_doubt() {
    let mirror = filled(1);
    let id = Id::Int(1);
    assert!(!mirror.is_news(&id, at(0), at(31)), "a listing half a minute after the event shows what it did");
    assert!(mirror.is_news(&id, at(2), at(31)), "a listing lags behind");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_seen_and_counted_once() {
    let mirror = filled(3);
    advance(Duration::from_secs(60)).await;
    let mut sweep = Mirror::<Toy>::begin_sweep(at(60));
    mirror.page(&mut sweep, vec![row(1, "a")], Some(5));
    // 2 is known, 9 is not, and one more has no id; a page may be shown twice
    mirror.unreadable(&mut sweep, [Id::Int(2), Id::Int(9)], 0);
    mirror.unreadable(&mut sweep, [Id::Int(2), Id::Int(9)], 1);
    mirror.page(&mut sweep, vec![row(3, "a")], Some(5));
    assert_eq!(mirror.finish_sweep(sweep), Ok(vec![]), "the total is met and nothing is missing");
    assert_eq!((word(&mirror, 2), word(&mirror, 9)), ("a".into(), "doubt".into()), "neither is absent");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_puts_an_earlier_absence_in_doubt() {
    let mirror = filled(3);
    mirror.forget(&Id::Int(2));
    assert_eq!(word(&mirror, 2), "absent");
    advance(Duration::from_secs(60)).await;
    let mut sweep = Mirror::<Toy>::begin_sweep(at(60));
    mirror.page(&mut sweep, vec![row(1, "a"), row(3, "a")], Some(3));
    mirror.unreadable(&mut sweep, [Id::Int(2)], 0);
    mirror.finish_sweep(sweep).unwrap();
    assert_eq!(word(&mirror, 2), "doubt");
}
