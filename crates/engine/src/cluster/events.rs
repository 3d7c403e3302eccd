//! Kubernetes Events, off the hot path; the same thing is said once.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use data_encoding::HEXLOWER;
use emnify::Bucket;
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, Resource, ResourceExt, api::PostParams};
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, time::Instant};

use super::{refusal, tasks::Tasks};
use crate::{
    kind::{Warning, reason},
    metrics::Metrics,
};

/// That events are refused is told once.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Events are dropped, counted and told in the log, when the API server cannot take them this fast.
const WAITING: usize = 1024;
/// An event is not repeated within this time while its text stays the same.
const QUIET: Duration = Duration::from_secs(3600);
/// The same of a correction: how often somebody changes a field is news, but not every second.
const QUIET_CORRECTIONS: Duration = Duration::from_secs(60);
/// Notes that are remembered so as not to repeat them.
const REMEMBERED: usize = 4096;
/// So many Normal events may be said at once: what is good is in the status too, and a fleet that is brought up needs the
/// API server for that.
const GOOD_NEWS: f64 = 500.0;
/// So many more each second.
const GOOD_NEWS_RATE: f64 = 20.0;
/// The API server refuses longer notes.
const LONGEST: usize = 1000;
/// Names have up to 253 letters, 25 of which say what happened.
const LONGEST_NAME: usize = 228;

/// One thing to say about one object.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// The object.
    pub about: ObjectReference,
    /// `Warning` instead of `Normal`.
    pub warning: bool,
    /// A constant of [`crate::kind::reason`].
    pub reason: &'static str,
    /// For people.
    pub text: String,
    /// What was changed in emnify was set back.
    pub corrects: bool,
    /// What happened in emnify: said once for ever, by whichever process.
    pub once: Option<Once>,
}

/// Identity of something that happened in emnify.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    /// Unique among what is said about one object.
    pub key: String,
    /// When it happened.
    pub at: Timestamp,
}

/// Sends notes as Events.
#[derive(Clone, Debug)]
pub struct Events {
    notes: mpsc::Sender<Note>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// A recorder; its task ends when the last clone is dropped.
    pub fn start(tasks: &Tasks, client: Client, reporter: String, metrics: Arc<Metrics>) -> Self {
        let (notes, rx) = mpsc::channel(WAITING);
        tasks.errand("events", publish(client, reporter, rx, metrics.clone()));
        Self { notes, metrics }
    }

    /// Says something about an object; never waits.
    pub fn say<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        warning: bool,
        reason: &'static str,
        note: &str,
    ) {
        self.send(note_about(object, warning, reason, note));
    }

    /// Says that what somebody changed in emnify was set back.
    pub fn say_correction<K: Resource<DynamicType = ()>>(&self, object: &K, note: &str) {
        self.send(Note { corrects: true, ..note_about(object, false, reason::UPDATED, note) });
    }

    /// Says on an object that the API server refuses what the operator needs for it; other errors pass by themselves.
    pub fn say_refusal<K: Resource<DynamicType = ()>>(&self, object: &K, error: &kube::Error) {
        if let Some(told) = refusal::told(error) {
            self.say(object, true, told.reason, &told.message);
        }
    }

    /// Warns of something that happened to an object in emnify; once, even if it is said again after a restart.
    pub fn say_once<K: Resource<DynamicType = ()>>(&self, object: &K, warning: &Warning<'_>, at: Timestamp) {
        let Warning { reason, note, key } = *warning;
        let once = Some(Once { key: key.to_owned(), at });
        self.send(Note { once, ..note_about(object, true, reason, note) });
    }

    fn send(&self, note: Note) {
        let reason = note.reason;
        if self.notes.try_send(note).is_err() {
            self.metrics.event_dropped();
            tracing::warn!(reason, "event dropped: the API server does not keep up");
        }
    }
}

fn note_about<K: Resource<DynamicType = ()>>(
    object: &K,
    warning: bool,
    reason: &'static str,
    text: &str,
) -> Note {
    let about = object.object_ref(&());
    Note { about, warning, reason, text: text.to_owned(), corrects: false, once: None }
}

/// True if one more Normal event may be said now.
fn may_say(good_news: &mut Bucket) -> bool {
    let now = Instant::now();
    let may = good_news.ready_at(0.0, now) <= now;
    if may {
        good_news.take();
    }
    may
}

async fn publish(client: Client, reporter: String, mut rx: mpsc::Receiver<Note>, metrics: Arc<Metrics>) {
    let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| reporter.clone());
    let mut said: HashMap<(String, &'static str), (String, Instant)> = HashMap::new();
    let mut good_news = Bucket::full(GOOD_NEWS, GOOD_NEWS_RATE, Instant::now());
    while let Some(note) = rx.recv().await {
        let key = (note.about.uid.clone().unwrap_or_default(), note.reason);
        let quiet = if note.corrects { QUIET_CORRECTIONS } else { QUIET };
        let repeats = || said.get(&key).is_some_and(|(text, at)| *text == note.text && at.elapsed() < quiet);
        if note.once.is_none() && repeats() {
            continue;
        }
        // before it is remembered as said
        if !note.warning && !may_say(&mut good_news) {
            metrics.event_dropped();
            tracing::debug!(reason = note.reason, object = note.about.name, "too many events: {}", note.text);
            continue;
        }
        if note.once.is_none() {
            if said.len() >= REMEMBERED {
                said.retain(|_, (_, at)| at.elapsed() < QUIET);
            }
            if said.len() >= 2 * REMEMBERED {
                // repeating something is better than growing without end
                said.clear();
            }
            said.insert(key, (note.text.clone(), Instant::now()));
        }
        let namespace = note.about.namespace.clone().unwrap_or_else(|| "default".into());
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        // what a condition says too may be lost; what happened in emnify is said nowhere else
        let tries = if note.once.is_some() { 3 } else { 1 };
        let event = event(note, &reporter, &instance);
        for _ in 0..tries {
            if sent(&api, &event).await {
                break;
            }
        }
    }
}

/// Tries to create an event; true if trying again is useless.
async fn sent(api: &Api<Event>, event: &Event) -> bool {
    let post = PostParams::default();
    match tokio::time::timeout(Duration::from_secs(5), api.create(&post, event)).await {
        Ok(Ok(_)) => true,
        // it was said before, by an earlier process or another replica
        Ok(Err(kube::Error::Api(e))) if e.code == 409 => true,
        Ok(Err(error)) => {
            // a terminating namespace refuses events; the condition says the same
            match refusal::told(&error) {
                Some(told) if !REFUSED.swap(true, Ordering::Relaxed) => {
                    tracing::warn!(reason = told.reason, "events are refused: {}", told.message);
                }
                _ => {
                    tracing::debug!(error = %refusal::brief(&error), event = %event.name_any(), "event refused");
                }
            }
            matches!(error, kube::Error::Api(e) if e.code < 500 && e.code != 429)
        }
        Err(_) => false,
    }
}

/// Names the object and the time, as client-go does; for what is said once, the object and what happened.
fn name(note: &Note) -> String {
    let object = note.about.name.as_deref().unwrap_or("object");
    let Some(once) = &note.once else { return format!("{object}.{:x}", Timestamp::now().as_nanosecond()) };
    let mut sha = Sha256::new();
    sha.update(format!("{}|{}|{}", note.about.uid.as_deref().unwrap_or_default(), note.reason, once.key));
    // the name of an event may be as long as that of its object
    let object = object.get(..LONGEST_NAME).unwrap_or(object).trim_end_matches(['-', '.']);
    format!("{object}.{}", HEXLOWER.encode(&sha.finalize()[..12]))
}

fn event(note: Note, reporter: &str, instance: &str) -> Event {
    let end = note.text.char_indices().map(|(i, _)| i).take_while(|i| *i <= LONGEST).last().unwrap_or(0);
    let name = name(&note);
    let text = if note.text.len() > LONGEST { note.text[..end].to_owned() } else { note.text };
    let at = note.once.map_or_else(Timestamp::now, |once| once.at);
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: note.about.namespace.clone().or_else(|| Some("default".into())),
            ..ObjectMeta::default()
        },
        action: Some(if note.corrects { reason::CORRECT } else { "Reconcile" }.into()),
        event_time: Some(MicroTime(at)),
        note: Some(text),
        reason: Some(note.reason.into()),
        regarding: Some(note.about),
        reporting_controller: Some(format!("emnify.io/{reporter}")),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.into()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(uid: &str, object: &str, key: &str) -> Note {
        let about = ObjectReference {
            name: Some(object.into()),
            uid: Some(uid.into()),
            ..ObjectReference::default()
        };
        let once = Some(Once { key: key.into(), at: Timestamp::UNIX_EPOCH });
        Note { about, warning: true, reason: "QuotaUsedUp", text: "text".into(), corrects: false, once }
    }

    #[test]
    fn what_happened_once_has_one_name_for_ever() {
        let first = name(&note("u1", "meter-1", "7"));
        assert_eq!(first, name(&note("u1", "meter-1", "7")), "a restart says the same, which exists already");
        assert_ne!(first, name(&note("u1", "meter-1", "8")), "another event");
        assert_ne!(first, name(&note("u2", "meter-1", "7")), "a namesake");
        let long = name(&note("u1", &format!("{}.{}", "a".repeat(LONGEST_NAME - 1), "b".repeat(30)), "7"));
        assert!(long.len() <= 253 && long.contains("aa."), "a valid name: {long}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fleet_that_comes_up_leaves_the_api_server_to_the_statuses() {
        let mut good_news = Bucket::full(GOOD_NEWS, GOOD_NEWS_RATE, Instant::now());
        let said = (0..10_000).filter(|_| may_say(&mut good_news)).count();
        assert_eq!(said, 500);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((0..10_000).filter(|_| may_say(&mut good_news)).count(), 40, "20 a second");
    }

    #[test]
    fn an_event_carries_the_time_of_what_happened() {
        let event = event(note("u1", "meter-1", "7"), "r", "i");
        assert_eq!(event.event_time, Some(MicroTime(Timestamp::UNIX_EPOCH)));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
    }
}
