//! Who owns the tasks of a process: each has a name, and an end that nobody asked for ends the process.
//!
//! Released binaries abort on a panic, and [`current`] tells their panic hook whose it was. Where panics unwind (tests, debug
//! builds) the owner hears of them as of any other end.

use std::{
    any::Any,
    fmt,
    future::pending,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use futures::FutureExt;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinHandle},
    task_local,
};
use tracing::Instrument;

use crate::session::Session;

task_local! {
    static CURRENT: Arc<str>;
}

/// Name of the task that is running, for who tells of a panic.
pub fn current() -> Option<Arc<str>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// A task is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its name.
    pub task: Arc<str>,
    /// What it panicked with, if it did.
    pub panic: Option<String>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.panic {
            Some(panic) => write!(f, "{} panicked: {panic}", self.task),
            None => write!(f, "{} ended by itself", self.task),
        }
    }
}

/// Runs `what` under this name, and says how it ended.
pub async fn named(task: impl Into<Arc<str>>, what: impl Future<Output = ()>) -> Ended {
    let task = task.into();
    let run = AssertUnwindSafe(CURRENT.scope(task.clone(), what)).catch_unwind();
    let panic = run.await.err().map(|panic| said(&*panic));
    Ended { task, panic }
}

/// Does `what` under the name of the task that started it. Its panics are that task's to tell.
pub(crate) async fn as_part_of<T>(task: &'static str, what: impl Future<Output = T>) -> T {
    CURRENT.scope(task.into(), what).await
}

/// Does a part of the task that runs on whatever processor is free: what else the task does does not wait for it. It has the task's name,
/// its panic is the task's own, and it ends when nobody waits for it any more.
pub(crate) fn beside<T: Send + 'static>(
    part: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    struct Running<T>(JoinHandle<T>);
    impl<T> Drop for Running<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let part = part.in_current_span();
    let mut running = Running(match current() {
        Some(task) => tokio::spawn(CURRENT.scope(task, part)),
        None => tokio::spawn(part),
    });
    async move {
        match (&mut running.0).await {
            Ok(done) => done,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // the runtime goes, and with it whoever waits
                Err(_) => pending().await,
            },
        }
    }
}

/// The words of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// The tasks of a process that nobody joins; the first that fails is remembered.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<watch::Sender<Option<Ended>>>);

impl Tasks {
    /// Runs something that never ends, unless whoever started it aborts it.
    pub fn endless(
        &self,
        task: impl Into<Arc<str>>,
        what: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let (tasks, task) = (self.clone(), task.into());
        tokio::spawn(async move { tasks.failed(named(task, what).await) }).abort_handle()
    }

    /// Runs something that may end.
    pub fn errand(&self, task: impl Into<Arc<str>>, what: impl Future<Output = ()> + Send + 'static) {
        let (tasks, task) = (self.clone(), task.into());
        tokio::spawn(async move {
            let ended = named(task, what).await;
            if ended.panic.is_some() {
                tasks.failed(ended);
            }
        });
    }

    /// Runs something that never ends, until the session is stopped.
    pub fn of_session(
        &self,
        session: &Arc<Session>,
        task: &str,
        what: impl Future<Output = ()> + Send + 'static,
    ) {
        self.spawn_of(session, task, false, what);
    }

    /// Runs something that may end, at the latest until the session is stopped.
    pub fn errand_of(
        &self,
        session: &Arc<Session>,
        task: &str,
        what: impl Future<Output = ()> + Send + 'static,
    ) {
        self.spawn_of(session, task, true, what);
    }

    fn spawn_of(
        &self,
        session: &Arc<Session>,
        task: &str,
        may_end: bool,
        what: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = format!("{task} of organisation {}", session.organisation);
        let (tasks, session) = (self.clone(), session.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = session.stopped() => {}
                ended = named(task, what) => {
                    if !may_end || ended.panic.is_some() {
                        tasks.failed(ended);
                    }
                }
            }
        });
    }

    /// Does something within somebody else's task, whose panics would be swallowed.
    pub fn within<T>(&self, task: &'static str, what: impl FnOnce() -> T) -> T {
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| CURRENT.sync_scope(task.into(), what)));
        done.unwrap_or_else(|panic| {
            self.failed(Ended { task: task.into(), panic: Some(said(&*panic)) });
            std::panic::resume_unwind(panic)
        })
    }

    /// Waits until a task fails: how the first one did.
    pub async fn first_failure(&self) -> Ended {
        let mut failed = self.0.subscribe();
        match failed.wait_for(Option::is_some).await.map(|failed| failed.clone()) {
            Ok(Some(ended)) => ended,
            // the sender lives in self
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    fn failed(&self, ended: Ended) {
        tracing::error!(task = &*ended.task, "{ended}; the process ends");
        self.0.send_if_modified(|first| {
            let new = first.is_none();
            first.get_or_insert(ended);
            new
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn an_endless_task_that_ends_or_panics_is_a_failure_with_its_name() {
        let tasks = Tasks::default();
        tasks.endless("reader", async {});
        assert_eq!(tasks.first_failure().await.to_string(), "reader ended by itself");
        let tasks = Tasks::default();
        tasks.endless("reader", async { panic!("page {} is odd", 3) });
        assert_eq!(tasks.first_failure().await.to_string(), "reader panicked: page 3 is odd");
    }

    #[tokio::test]
    async fn whoever_started_a_task_may_abort_it() {
        let tasks = Tasks::default();
        let task = tasks.endless("books", std::future::pending());
        task.abort();
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(tasks.first_failure().now_or_never().is_none(), "somebody asked for it");
    }

    #[tokio::test]
    async fn an_errand_may_end_but_not_panic() {
        let tasks = Tasks::default();
        tasks.errand("table", async {});
        tasks.errand("quota", async { panic!("no row") });
        assert_eq!(tasks.first_failure().await.to_string(), "quota panicked: no row");
    }

    #[tokio::test]
    async fn a_panic_hook_can_name_the_task() {
        let ended = named("sender", async { panic!("in {:?}", current()) }).await;
        assert_eq!(ended.panic.as_deref(), Some(r#"in Some("sender")"#));
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn a_part_beside_keeps_its_task_from_nothing_and_its_panic_is_the_tasks_own() {
        let looked = Arc::new(Notify::new());
        let look = looked.clone();
        // it would wait for ever if the part ran only when it is asked whether it is done
        let ended = named("Endpoint", async move {
            let part = beside(async move {
                look.notify_one();
                current()
            });
            looked.notified().await;
            assert_eq!(part.await.as_deref(), Some("Endpoint"));
            beside(async { panic!("odd") }).await;
        });
        assert_eq!(ended.await.to_string(), "Endpoint panicked: odd");
    }

    #[tokio::test]
    async fn a_part_that_nobody_waits_for_ends() {
        let held = Arc::new(());
        let inside = held.clone();
        let part = beside(async move {
            pending::<()>().await;
            drop(inside);
        });
        tokio::task::yield_now().await;
        drop(part);
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_panic_within_a_task_that_swallows_it_is_a_failure_too() {
        let tasks = Tasks::default();
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| tasks.within("push", || panic!("odd"))));
        assert!(caught.is_err(), "whoever called it does not go on");
        assert_eq!(tasks.first_failure().now_or_never().unwrap().to_string(), "push panicked: odd");
    }
}
