//! Keeps what the guard has counted in the workspace's status, before a call that counts is sent.

use std::{sync::Arc, time::Duration};

use emnify_engine::{
    cluster::{context::Shared, refusal, status::patch_params},
    session::{caller::Caller, guard::GuardState},
};
use kube::{Api, ResourceExt, api::Patch, runtime::reflector::ObjectRef};
use serde_json::json;
use tokio::{task::AbortHandle, time::sleep};

use super::served::{Alarm, Served};

/// Counts that come in so soon after each other share a write.
const TOGETHER: Duration = Duration::from_millis(100);
/// After a write that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// The task that keeps the books of a caller's guard; it ends with this.
pub(super) struct Books {
    caller: Arc<Caller>,
    task: AbortHandle,
}

impl Books {
    /// Keeps the books of this caller.
    pub(super) fn are_of(&self, caller: &Arc<Caller>) -> bool {
        Arc::ptr_eq(&self.caller, caller)
    }

    /// Writes whenever the guard moves, and wakes the workspace when there is another thing to approve.
    pub(super) fn keep<W: Served>(
        shared: &Shared,
        object: &W,
        caller: &Arc<Caller>,
        alarm: &Alarm<W>,
    ) -> Self {
        let api = W::api(shared.client.clone(), object.namespace().as_deref());
        let (name, uid) = (object.name_any(), object.uid());
        let (reference, alarm, of) = (ObjectRef::from_obj(object), alarm.clone(), caller.clone());
        let mut moves = of.guard.moves();
        let task = shared.tasks.endless("books of a guard", async move {
            let mut shown = None;
            while moves.changed().await.is_ok() {
                while !write(&api, &name, uid.as_deref(), &of).await {
                    sleep(AGAIN).await;
                }
                let trip = of.guard.tripped();
                if trip != shown {
                    shown = trip;
                    // the receiver only goes away on shutdown
                    let _sent = alarm.send(reference.clone()).is_ok();
                }
                sleep(TOGETHER).await;
            }
        });
        Self { caller: caller.clone(), task }
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// True if the state is written, or there is nothing left to write it to.
async fn write<W: Served>(api: &Api<W>, name: &str, uid: Option<&str>, caller: &Caller) -> bool {
    let _pen = caller.guard.pen.lock().await;
    let (state, version) = caller.guard.state();
    // each field by name: a merge would keep those that are left out
    let state = state.map(|GuardState { trip, tripped, done, begun }| {
        json!({"trip": trip, "tripped": tripped, "done": done, "begun": begun})
    });
    let patch = json!({"metadata": {"uid": uid}, "status": {"guard": state}});
    match api.patch_status(name, &patch_params(), &Patch::Merge(patch)).await {
        Ok(_) => caller.guard.kept(version),
        // a namesake or nothing: the watch tells
        Err(kube::Error::Api(e)) if e.code == 404 || e.code == 409 => {}
        Err(error) => {
            let error = refusal::brief(&error);
            tracing::warn!(workspace = name, error, "the guard's count was not written");
            return false;
        }
    }
    true
}
