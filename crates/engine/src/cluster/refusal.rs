//! What it means that the API server refuses something, and how long it is left alone after that.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use kube::{Resource, ResourceExt, runtime::watcher};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    decide::known::Explanation,
    kind::{object_key::uid_of, reason},
    session::pause,
};

/// First and longest pause of an object for which something was refused.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

/// What stands in the way, in the API server's words; `None` for what passes by itself.
pub fn told(error: &kube::Error) -> Option<Explanation> {
    let kube::Error::Api(status) = error else { return None };
    let said = status.message.as_str();
    // the namespace goes, and the object with it
    let terminating = said.contains("because it is being terminated");
    let passes = matches!(status.code, 404 | 408..=410 | 429 | 500..);
    let has = |words: &[&str]| words.iter().all(|word| said.contains(word));
    if terminating || (passes && !has(&["admission webhook", "denied the request"])) {
        return None;
    }
    let (reason, message) = if has(&["exceeded quota"]) || has(&["failed quota"]) {
        let mend = "raise the ResourceQuota of the namespace, or remove what is not needed";
        (reason::CLUSTER_REFUSED, format!("the API server refuses it: {said}; {mend}"))
    } else if has(&["admission webhook", "denied the request"]) || has(&["AdmissionPolicy", "denied request"])
    {
        let mend = "change the policy, or exempt the operator from it";
        (reason::CLUSTER_REFUSED, format!("an admission policy of the cluster refuses it: {said}; {mend}"))
    } else if status.code == 401 || (status.code == 403 && has(&["User ", " cannot "])) {
        (reason::NOT_ALLOWED, format!("the operator lacks a right in the cluster: {said}"))
    } else {
        (reason::CLUSTER_REFUSED, format!("the API server refuses it: {said}"))
    };
    Some(Explanation::new(reason, message))
}

/// The error in one line, without saying the same twice.
pub fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => {
            format!("{} ({})", status.message, status.code)
        }
        other => other.to_string(),
    }
}

/// The same for what ended a watch, or did not let it begin.
pub fn brief_watch(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => brief(error),
        WatchError(status) => format!("{} ({})", status.message, status.code),
        NoResourceVersion => error.to_string(),
    }
}

/// A line of the log that repeats itself is written again after this time.
const AGAIN: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// A line of the log about something that is tried again and again: it says the same once.
#[derive(Debug)]
pub struct Line {
    said: Option<(String, Instant)>,
    again: Duration,
}

impl Default for Line {
    /// Whatever works without it stands still: whoever looks later finds it.
    fn default() -> Self {
        Self { said: None, again: AGAIN }
    }
}

impl Line {
    /// About what others go on without, such as a listing that a role may not read.
    pub fn of_what_may_fail() -> Self {
        Self { said: None, again: DAY }
    }

    /// The text was not said just before.
    pub fn is_news(&mut self, text: &str) -> bool {
        let said = self.said.as_ref().is_some_and(|(said, at)| said == text && at.elapsed() < self.again);
        if !said {
            self.said = Some((text.to_owned(), Instant::now()));
        }
        !said
    }

    /// It is over: the next time is news.
    pub fn over(&mut self) {
        self.said = None;
    }
}

/// The pause after so many failures in a row, before jitter.
pub fn pause(failures: u32) -> Duration {
    pause::doubling(FIRST, failures, LONGEST)
}

#[derive(Debug)]
struct Refused {
    /// What a user wrote when it was refused.
    stamp: u64,
    times: u32,
    until: Instant,
    /// The API server refused it; anything else may be tried as soon as somebody asks for it.
    final_: bool,
}

/// Objects that could not be looked at, by uid.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, Refused>>);

impl Refusals {
    /// For how long the object is left alone; an edit of spec or annotations, or its deletion, ends that.
    pub(crate) fn rest<K: Resource>(&self, object: &K) -> Option<Duration> {
        let all = self.0.lock();
        let refused = all.get(uid_of(object.meta())).filter(|r| r.final_ && r.stamp == stamp(object))?;
        Some(refused.until.saturating_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }

    /// Notes a look that failed; returns when to look again.
    pub(crate) fn note<K: Resource>(&self, object: &K, final_: bool) -> Duration {
        let (uid, stamp) = (uid_of(object.meta()), stamp(object));
        let mut all = self.0.lock();
        let times = all.get(uid).filter(|r| r.stamp == stamp).map_or(0, |r| r.times).saturating_add(1);
        let rest = pause::spread(pause(times));
        all.insert(uid.to_owned(), Refused { stamp, times, until: Instant::now() + rest, final_ });
        rest
    }

    /// A look succeeded, or the object is gone.
    pub(crate) fn over(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

fn stamp<K: Resource>(object: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    (meta.generation, meta.deletion_timestamp.is_some(), object.annotations()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> Option<(&'static str, String)> {
        let status = kube::core::Status::failure(message, "Forbidden").with_code(code);
        told(&kube::Error::Api(Box::new(status))).map(|told| (told.reason, told.message))
    }

    #[test]
    fn a_quota_an_admission_policy_and_a_missing_right_are_three_things() {
        let quota = "secrets \"out\" is forbidden: exceeded quota: few, requested: count/secrets=1, used: count/secrets=2, limited: count/secrets=2";
        let webhook = "admission webhook \"validate.kyverno.svc\" denied the request: no Secrets here";
        let policy = "secrets \"out\" is forbidden: ValidatingAdmissionPolicy 'labels' with binding 'all' denied request: label team is missing";
        let right = "secrets is forbidden: User \"system:serviceaccount:a:b\" cannot create resource \"secrets\" in API group \"\" in the namespace \"x\"";
        for (code, said, reason, words) in [
            (403, quota, "ClusterRefused", "raise the ResourceQuota"),
            (403, webhook, "ClusterRefused", "change the policy"),
            (400, webhook, "ClusterRefused", "change the policy"),
            (500, webhook, "ClusterRefused", "change the policy"),
            (422, policy, "ClusterRefused", "change the policy"),
            (403, right, "NotAllowed", "lacks a right"),
            (422, "Secret \"out\" is invalid: data: Too long", "ClusterRefused", "refuses it"),
            (413, "etcdserver: request is too large", "ClusterRefused", "refuses it"),
        ] {
            let (found, message) = refused(code, said).unwrap();
            assert_eq!(found, reason, "{said}");
            assert!(message.contains(said) && message.contains(words), "the API server's words: {message}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_no_refusal() {
        for (code, said) in [
            (500, "etcdserver: leader changed"),
            (503, "apiserver is shutting down"),
            (429, "too many requests"),
            (409, "the object has been modified"),
            (
                403,
                "secrets \"out\" is forbidden: unable to create new content in namespace x because it is being terminated",
            ),
        ] {
            assert_eq!(refused(code, said), None, "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_tried_every_few_seconds_is_told_once() {
        let mut line = Line::default();
        let mut told = 0;
        for _ in 0..300 {
            told += usize::from(line.is_news("leases is forbidden (403)"));
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(told, 1, "ten minutes of the same");
        assert!(line.is_news("leases is forbidden (403)"), "whoever looks an hour later finds it");
        assert!(line.is_news("timed out"), "another cause is news");
        line.over();
        assert!(line.is_news("timed out"), "as is another time");
        let mut rare = Line::of_what_may_fail();
        let mut told = 0;
        for _ in 0..100 {
            told += usize::from(rare.is_news("not authorised (403)"));
            tokio::time::sleep(Duration::from_secs(1_800)).await;
        }
        assert_eq!(told, 3, "two days of the same");
    }

    #[test]
    fn a_line_says_it_once() {
        let status = kube::core::Status::failure("secrets is forbidden", "Forbidden").with_code(403);
        let error = kube::Error::Api(Box::new(status));
        assert_eq!(brief(&error), "secrets is forbidden (403)");
        let error = watcher::Error::InitialListFailed(error);
        assert_eq!(brief_watch(&error), "secrets is forbidden (403)", "{error} says it thrice");
    }
}
