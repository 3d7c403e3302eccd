//! Every kind under every error: whatever a step of an object sends or reads, and however long it fails, nothing is asked
//! more than seven times in the first minute and sixty times in the first hour, and nothing is read beside it more often.
//!
//! The operator's own kinds in the engine, between an API server in memory and the simulator, under a paused clock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    cases::{Case, OBJECTS, SETS, STREAMS},
    stage::{Stage, registered},
    wire::{Asked, Wrong},
};

/// What an object is made to do while its requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is applied, and nothing it sends is carried out.
    Create,
    /// It is applied, and nothing it reads is answered.
    First,
    /// It is there and is edited.
    Change,
    /// It is there and is deleted.
    Retire,
    /// It is there and is read anew.
    Read,
}

impl Step {
    /// The requests that fail.
    fn strikes(self, asked: &Asked) -> bool {
        let reads = asked.method == "GET";
        // what listens for news has a pace of its own
        !asked.listens() && reads == matches!(self, Self::First | Self::Read)
    }
}

/// The most times that one and the same thing is asked within so many seconds, whether it is sent, read back, or read by a
/// call before it acts.
const BARS: [(u64, usize); 2] = [(60, 7), (3_600, 60)];

/// What was asked too often, whether it was answered or not.
pub(crate) fn too_often(asked: &[Asked]) -> Vec<String> {
    let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for one in asked {
        times.entry(format!("{} {}", one.method, one.path)).or_default().push(one.after.as_secs());
    }
    let mut too_often = Vec::new();
    for (what, times) in times {
        for (seconds, bar) in BARS {
            let times = times.iter().filter(|after| **after < seconds).count();
            if times > bar {
                too_often.push(format!("{what} is asked {times} times in {seconds} s"));
            }
        }
    }
    too_often
}

/// What was asked too often, if anything. Objects of all kinds do the same at the same time; nobody's requests look like
/// another's.
async fn try_out(cases: &[Case], step: Step, wrong: &Wrong) -> Vec<String> {
    let stage = Stage::new().await;
    if !matches!(step, Step::Create | Step::First) {
        for case in cases {
            stage.cluster.apply_a(case.kind, "a", (case.spec)());
        }
        for case in cases {
            stage.ready(case.kind, "a").await;
        }
        stage.pass(60).await;
    }
    stage.wire.fail(move |asked| step.strikes(asked), wrong.clone());
    for case in cases {
        match step {
            Step::Create | Step::First => stage.cluster.apply_a(case.kind, "a", (case.spec)()),
            Step::Change => stage.cluster.apply_a(case.kind, "a", (case.edited)()),
            Step::Retire => stage.cluster.delete_a(case.kind, "a"),
            Step::Read => stage.cluster.annotate_a(case.kind, "a", "emnify.io/refresh", "1"),
        }
    }
    stage.pass(3_600).await;
    let (asked, failed) = (stage.wire.asked(), stage.wire.struck());
    for case in cases {
        let found = failed.iter().any(|one| (case.asks)(step).is_none_or(|what| one.is(what)));
        // a door that is shut for everybody lets a dozen through in an hour, and not every kind among them
        let shut = matches!(wrong, Wrong::Answer(429, _));
        assert!(
            found || shut,
            "{step:?} of a {} asks {:?} of emnify: {failed:?}",
            case.kind,
            (case.asks)(step)
        );
    }
    stage.stop().await;
    let asked: Vec<_> = asked.into_iter().filter(|one| !one.listens()).collect();
    too_often(&asked).into_iter().map(|what| format!("{step:?}, {wrong}: {what}")).collect()
}

async fn try_all(cases: &[Case], step: Step) {
    let mut too_often = Vec::new();
    for wrong in Wrong::all() {
        too_often.extend(try_out(cases, step, &wrong).await);
    }
    assert!(too_often.is_empty(), "{}", too_often.join("\n"));
}

macro_rules! each_step {
    ($($test:ident: $step:ident),* $(,)?) => {
        mod objects {
            $(
                #[tokio::test(start_paused = true)]
                async fn $test() {
                    super::try_all(super::OBJECTS, super::Step::$step).await;
                }
            )*
        }

        mod streams {
            $(
                #[tokio::test(start_paused = true)]
                async fn $test() {
                    super::try_all(super::STREAMS, super::Step::$step).await;
                }
            )*
        }

        // a set makes the same requests as a single device
        mod sets {
            $(
                #[tokio::test(start_paused = true)]
                async fn $test() {
                    super::try_all(super::SETS, super::Step::$step).await;
                }
            )*
        }
    };
}

each_step! {
    a_create_that_fails: Create,
    a_first_reading_that_fails: First,
    a_change_that_fails: Change,
    a_retirement_that_fails: Retire,
    a_reading_that_fails: Read,
}

#[test]
fn no_kind_is_left_out() {
    let tried: BTreeSet<_> =
        [OBJECTS, STREAMS, SETS].into_iter().flatten().map(|case| case.kind.to_owned()).collect();
    assert_eq!(registered(), tried, "each registered kind has its case");
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_an_hour_goes_on_when_emnify_answers() {
    for cases in [OBJECTS, STREAMS, SETS] {
        let stage = Stage::new().await;
        let broken = Wrong::Answer(500, json!({"error_code": 0, "message": "broken"}));
        stage.wire.fail(|asked| !asked.listens(), broken);
        for case in cases {
            stage.cluster.apply_a(case.kind, "a", (case.spec)());
        }
        stage.pass(3_600).await;
        stage.wire.heal();
        for case in cases {
            stage.ready(case.kind, "a").await;
        }
        stage.stop().await;
    }
}
