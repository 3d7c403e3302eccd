//! When a workspace is looked at again.

use super::*;

/// A changed Secret is seen within this time, as the docs say.
const SEEN: Duration = Duration::from_secs(30);

impl Stage {
    async fn look(&self) -> Action {
        let followed = Followed::<Workspace>::default();
        self.controller.reconcile(&self.cluster.workspace("ns"), followed.trigger()).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_does_not_end_is_taken_anew() {
    let stage = Stage::new(true);
    stage.cluster.1.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let action = tokio::time::timeout(HOURS, stage.look()).await.expect("it ends at some time");
    assert_eq!(began.elapsed(), ENDLESS, "an API server that never answers ends no look");
    assert_eq!(action, Action::requeue(Duration::from_secs(1)));
    stage.cluster.1.store(false, Ordering::Relaxed);
    stage.pass(Duration::from_secs(30)).await;
    assert_eq!(stage.true_conditions(), ["Ready UpToDate"], "and the next one finds everything as it was");
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_is_seen_within_half_a_minute_whatever_else_is_waited_for() {
    for knows in [true, false] {
        let stage = Stage::new(knows);
        stage.pass(HOURS).await;
        let soon = Action::requeue(LOOK);
        assert_eq!(stage.look().await, soon, "a token that works: {knows}");
        assert!(LOOK <= SEEN);
    }
}
