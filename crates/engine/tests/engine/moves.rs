//! What only one object may have in emnify moves from one to another, in whichever order it is applied.

use serde_json::{Value, json};

use crate::support::Stage;

fn toy(name: &str, serial: Option<&str>) -> Value {
    let mut spec = json!({"name": name, "movable": true});
    if let Some(serial) = serial {
        spec["serial"] = json!(serial);
    }
    spec
}

impl Stage {
    fn serial(&self, name: &str) -> Option<String> {
        let devices = self.emnify.devices();
        let device = devices.iter().find(|device| device["name"] == name)?;
        device["imei"].as_str().map(ToOwned::to_owned)
    }

    async fn two(a: Option<&str>, b: Option<&str>) -> Self {
        let stage = Self::new().await;
        stage.cluster.apply("a", toy("a", a));
        stage.cluster.apply("b", toy("b", b));
        stage.ready("a").await;
        stage.ready("b").await;
        stage.pass(40).await;
        stage
    }

    /// A minute later both are in step, and nothing was refused.
    async fn within_a_minute(&self, a: Option<&str>, b: Option<&str>) {
        self.pass(60).await;
        assert_eq!((self.serial("a").as_deref(), self.serial("b").as_deref()), (a, b));
        for name in ["a", "b"] {
            assert_eq!(self.condition(name, "Ready"), ("True".into(), "UpToDate".into()), "{name}");
        }
        let refused = self.cluster.events().into_iter().filter(|(reason, _)| reason == "Rejected").count();
        assert_eq!(refused, 0, "who waits for another is not refused");
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_lets_go_of_the_other_takes_in_either_order() {
    for order in [["a", "b"], ["b", "a"]] {
        let stage = Stage::two(Some("1"), None).await;
        for name in order {
            stage.cluster.apply(name, toy(name, (name == "b").then_some("1")));
        }
        stage.within_a_minute(None, Some("1")).await;
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_in_two_commits_ends_with_the_second() {
    let stage = Stage::two(Some("1"), None).await;
    stage.cluster.apply("b", toy("b", Some("1")));
    stage.until("it is told who has it", |s| s.condition("b", "Stalled").1 == "OwnershipConflict").await;
    stage.pass(300).await;
    assert_eq!(stage.serial("a").as_deref(), Some("1"), "nobody takes it away");
    stage.cluster.apply("a", toy("a", None));
    stage.within_a_minute(None, Some("1")).await;
}

#[tokio::test(start_paused = true)]
async fn two_that_exchange_theirs_let_go_first() {
    let stage = Stage::two(Some("1"), Some("2")).await;
    stage.cluster.apply("a", toy("a", Some("2")));
    stage.cluster.apply("b", toy("b", Some("1")));
    stage.within_a_minute(Some("2"), Some("1")).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_object_takes_what_an_old_one_lets_go_of() {
    let stage = Stage::two(Some("1"), Some("2")).await;
    stage.cluster.apply("c", toy("c", Some("1")));
    stage.cluster.apply("a", toy("a", None));
    stage.within_a_minute(None, Some("2")).await;
    assert_eq!(stage.serial("c").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_new_name_never_fails_while_the_old_one_is_pruned() {
    let stage = Stage::two(Some("1"), None).await;
    stage.cluster.apply_new("c", toy("c", Some("1")));
    stage.until("it waits", |s| s.condition("c", "Reconciling").1 == "InUse").await;
    stage.pass(5).await;
    stage.cluster.delete("a");
    stage.ready("c").await;
    assert_eq!(stage.serial("c").as_deref(), Some("1"));
    let told = stage.cluster.events().into_iter().filter(|(r, _)| r == "OwnershipConflict" || r == "InUse");
    assert_eq!(told.count(), 0, "what sorts itself out is worth no event");
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_enough_for_an_owner_that_stays_is_told_so() {
    let stage = Stage::two(Some("1"), None).await;
    stage.cluster.apply_new("c", toy("c", Some("1")));
    stage.pass(25).await;
    assert_eq!(stage.condition("c", "Stalled").1, "", "it may be pruned at any moment");
    stage.pass(10).await;
    assert_eq!(
        stage.condition("c", "Stalled").1,
        "OwnershipConflict",
        "two that mean the same are a mistake"
    );
    // its owner goes, slowly
    stage.emnify.fail("DELETE", 3, crate::support::emnify::Fault::Answer(500, json!({})));
    stage.cluster.delete("a");
    stage.pass(1).await;
    assert_eq!(stage.condition("c", "Reconciling").1, "InUse", "at once, or a tool gives up");
    assert_eq!(stage.condition("c", "Stalled").1, "");
    stage.ready("c").await;
}

#[tokio::test(start_paused = true)]
async fn who_is_suspended_lets_go_of_nothing_and_the_other_says_so() {
    let stage = Stage::two(Some("1"), None).await;
    stage.cluster.annotate("a", "emnify.io/suspend", "true");
    stage.cluster.apply("a", toy("a", None));
    stage.cluster.apply("b", toy("b", Some("1")));
    stage.until("it is told who has it", |s| s.condition("b", "Stalled").1 == "OwnershipConflict").await;
    stage.cluster.annotate("a", "emnify.io/suspend", "false");
    stage.pass(120).await;
    assert_eq!(stage.serial("b").as_deref(), Some("1"), "within a minute of its holder's own change");
}

/// A set of one chip, and a toy without any.
async fn a_set_and_one() -> Stage {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=2);
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1]}));
    stage.cluster.apply("a", toy("a", None));
    stage.ready("a").await;
    stage.until("the set is Ready", |s| s.condition_of("ToySet", "h", "Ready").0 == "True").await;
    stage.pass(40).await;
    stage
}

#[tokio::test(start_paused = true)]
async fn what_a_set_lets_go_of_an_object_takes_in_either_order() {
    for set_first in [true, false] {
        let stage = a_set_and_one().await;
        let of_the_set = || stage.cluster.apply_a("ToySet", "h", json!({"chips": []}));
        if set_first {
            of_the_set();
        }
        stage.cluster.apply("a", toy("a", Some("1")));
        if !set_first {
            of_the_set();
        }
        stage.pass(60).await;
        assert_eq!(stage.serial("a").as_deref(), Some("1"), "set first: {set_first}");
        assert_eq!(stage.condition("a", "Ready"), ("True".into(), "UpToDate".into()));
        assert!(stage.cluster.events().iter().all(|(reason, _)| reason != "Rejected"), "nobody is refused");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_object_lets_go_of_a_set_takes_in_either_order() {
    for set_first in [true, false] {
        let stage = a_set_and_one().await;
        stage.cluster.apply("a", toy("a", Some("2")));
        stage.ready("a").await;
        stage.pass(40).await;
        let of_the_set = || stage.cluster.apply_a("ToySet", "h", json!({"chips": [1, 2]}));
        if set_first {
            of_the_set();
        }
        stage.cluster.apply("a", toy("a", None));
        if !set_first {
            of_the_set();
        }
        stage.pass(60).await;
        assert_eq!(stage.condition_of("ToySet", "h", "Ready").0, "True", "set first: {set_first}");
        assert_eq!(stage.emnify.devices().len(), 3, "its member is there");
        stage.stop().await;
    }
}
