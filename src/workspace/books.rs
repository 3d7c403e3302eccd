//! Keeps what the guard has counted in the workspace's status, before a call that counts is sent.

use std::{sync::Arc, time::Duration};

use emnify_engine::{
    cluster::{
        context::Shared,
        follow::Trigger,
        refusal,
        status::{StatusWriter, WriteError},
    },
    session::{caller::Caller, guard::GuardState},
};
use kube::{Api, ResourceExt, runtime::reflector::ObjectRef};
use serde_json::json;
use tokio::{task::AbortHandle, time::sleep};

use super::served::Served;

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
        trigger: &Trigger<W>,
    ) -> Self {
        let api = W::api(shared.client.clone(), object.namespace().as_deref());
        let (name, uid) = (object.name_any(), object.uid());
        let (reference, trigger, of) = (ObjectRef::from_obj(object), trigger.clone(), caller.clone());
        let writer = shared.writer.clone();
        let mut moves = of.guard.moves();
        let task = shared.tasks.endless("books of a guard", async move {
            let mut shown = None;
            while moves.changed().await.is_ok() {
                while !write(&writer, &api, (&name, uid.as_deref()), &of).await {
                    sleep(AGAIN).await;
                }
                let trip = of.guard.tripped();
                if trip != shown {
                    shown = trip;
                    trigger.send(reference.clone(), "the guard counted a device");
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
async fn write<W: Served>(
    writer: &StatusWriter,
    api: &Api<W>,
    workspace: (&str, Option<&str>),
    caller: &Caller,
) -> bool {
    let _pen = caller.guard.pen.lock().await;
    let (state, version) = caller.guard.state();
    // each field by name: a merge would keep those that are left out
    let state = state.map(|GuardState { trip, tripped, done, begun }| {
        json!({"trip": trip, "tripped": tripped, "done": done, "begun": begun})
    });
    match writer.merge(api, workspace, &json!({"guard": state})).await {
        Ok(_) => caller.guard.kept(version),
        // a namesake or nothing: the watch tells
        Err(WriteError::Changed) => {}
        Err(WriteError::Kube(error)) => {
            let error = refusal::brief(&error);
            tracing::warn!(workspace = workspace.0, error, "the guard's count was not written");
            return false;
        }
    }
    true
}
