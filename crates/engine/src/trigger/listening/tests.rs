use super::*;
use crate::kind::trigger::{Told, What};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn told(id: i64, second: i64, kind: i64) -> Heard {
    let what = What::Event(Box::new(Told { kind: Some(kind), ..Told::default() }));
    Heard { id, at: at(second), endpoint: Some(id), sim: None, what }
}

fn listening(floor: i64) -> Listening {
    let filter = Filter::Events {
        types: [1, 2].into(),
        alert: None,
        operators: BTreeSet::new(),
        countries: BTreeSet::new(),
    };
    let who = ObjectKey { kind: "Toy", namespace: "ns".into(), name: "one".into() };
    Listening::new(who, filter, at(floor))
}

fn dealt_with(ids: &[i64]) -> Window {
    Window { ids: ids.to_vec(), ..Window::default() }
}

#[test]
fn each_is_heard_once_and_nothing_of_before() {
    let mut one = listening(100);
    assert!(!one.hear(told(1, 99, 1), at(200)), "it is of before");
    assert!(!one.hear(told(2, 150, 3), at(200)), "of another type");
    assert!(one.hear(told(3, 150, 1), at(200)) && !one.hear(told(3, 150, 1), at(201)));
    one.settle(&dealt_with(&[3]), at(205));
    assert!(!one.hear(told(3, 150, 1), at(206)), "it was dealt with");
    assert_eq!(one.ripe(SignedDuration::ZERO), None);
}

#[test]
fn what_appears_late_is_heard_and_what_is_far_behind_is_forgotten() {
    let mut one = listening(0);
    assert!(one.hear(told(1, 10, 1), at(10)));
    one.settle(&dealt_with(&[1]), at(15));
    one.pass(at(300));
    assert!(one.done.is_empty(), "nobody tells of it any more");
    assert!(!one.hear(told(1, 10, 1), at(301)), "and if somebody does, it is of before");
    assert!(one.hear(told(2, 245, 1), at(302)), "a minute is not too late");
}

#[test]
fn a_part_that_was_missed_holds_the_position_until_it_is_read() {
    let mut one = listening(0);
    one.missed(at(100), at(200));
    one.missed(at(150), at(260));
    assert_eq!(one.unread, Some((at(100), at(260))));
    assert_eq!(one.position(at(500)), at(100));
    one.pass(at(500));
    assert!(one.hear(told(1, 120, 1), at(500)), "what is read of it is heard");
    one.read((at(100), at(200)));
    assert!(one.unread.is_some(), "more was missed meanwhile");
    one.read((at(100), at(260)));
    assert_eq!(one.position(at(500)), at(120), "what waits to be dealt with");
    assert!(!one.hear(told(5, 130, 1), at(501)), "the tail does not tell it a second time");
    assert!(one.hear(told(6, 230, 1), at(501)), "but what appeared late is heard");
}

#[test]
fn what_is_too_much_is_skipped_and_said() {
    let mut one = listening(0);
    let most = i64::try_from(MOST_HEARD).unwrap();
    for id in 0..most + 5 {
        one.hear(told(id, id, 1), at(0));
    }
    assert_eq!(one.heard.len(), MOST_HEARD);
    assert_eq!(one.skipped, Some((at(most), at(most + 4))));
}

#[test]
fn a_restart_knows_what_tasks_were_made_for() {
    let mut one = listening(0);
    one.hear(told(7, 10, 1), at(20));
    one.was_made_for(&[Cause { device: Id::Int(7), id: 7 }, Cause { device: Id::Int(8), id: 8 }], at(20));
    assert!(one.heard.is_empty());
    assert!(!one.hear(told(8, 11, 1), at(21)));
}
