//! Kubernetes Events, off the hot path; the same thing is said once.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, Resource, ResourceExt, api::PostParams};
use tokio::sync::mpsc;

/// Events are dropped, and counted in the log, when the API server cannot take them this fast.
const WAITING: usize = 1024;
/// An event is not repeated within this time while its text stays the same.
const QUIET: Duration = Duration::from_secs(3600);
/// The API server refuses longer notes.
const LONGEST: usize = 1000;

/// One thing to say about one object.
#[derive(Clone, Debug)]
pub struct Note {
    /// The object.
    pub about: ObjectReference,
    /// `Warning` instead of `Normal`.
    pub warning: bool,
    /// A constant of [`crate::reason`].
    pub reason: &'static str,
    /// For people.
    pub note: String,
}

/// Sends notes as Events.
#[derive(Clone, Debug)]
pub struct Events(mpsc::Sender<Note>);

impl Events {
    /// A recorder; its task ends when the last clone is dropped.
    pub fn start(client: Client, reporter: String) -> Self {
        let (tx, rx) = mpsc::channel(WAITING);
        tokio::spawn(publish(client, reporter, rx));
        Self(tx)
    }

    /// Says something about an object; never waits.
    pub fn say<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        warning: bool,
        reason: &'static str,
        note: &str,
    ) {
        let note = Note { about: object.object_ref(&()), warning, reason, note: note.to_owned() };
        if self.0.try_send(note).is_err() {
            tracing::warn!(reason, "event dropped: the API server does not keep up");
        }
    }
}

async fn publish(client: Client, reporter: String, mut rx: mpsc::Receiver<Note>) {
    let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| reporter.clone());
    let mut said: HashMap<(String, &'static str), (String, tokio::time::Instant)> = HashMap::new();
    while let Some(note) = rx.recv().await {
        let key = (note.about.uid.clone().unwrap_or_default(), note.reason);
        if said.get(&key).is_some_and(|(text, at)| *text == note.note && at.elapsed() < QUIET) {
            continue;
        }
        said.retain(|_, (_, at)| at.elapsed() < QUIET);
        said.insert(key, (note.note.clone(), tokio::time::Instant::now()));
        let namespace = note.about.namespace.clone().unwrap_or_else(|| "default".into());
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let event = event(note, &reporter, &instance);
        let sent =
            tokio::time::timeout(Duration::from_secs(5), api.create(&PostParams::default(), &event)).await;
        if let Ok(Err(error)) = sent {
            // a terminating namespace refuses events; the condition says the same
            tracing::debug!(%error, event = %event.name_any(), "event refused");
        }
    }
}

fn event(note: Note, reporter: &str, instance: &str) -> Event {
    let end = note.note.char_indices().map(|(i, _)| i).take_while(|i| *i <= LONGEST).last().unwrap_or(0);
    let text = if note.note.len() > LONGEST { note.note[..end].to_owned() } else { note.note };
    Event {
        metadata: ObjectMeta {
            // as client-go names them: the object and the time
            name: Some(format!(
                "{}.{:x}",
                note.about.name.as_deref().unwrap_or("object"),
                Timestamp::now().as_nanosecond()
            )),
            namespace: note.about.namespace.clone().or_else(|| Some("default".into())),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".into()),
        event_time: Some(MicroTime(Timestamp::now())),
        note: Some(text),
        reason: Some(note.reason.into()),
        regarding: Some(note.about),
        reporting_controller: Some(format!("emnify.io/{reporter}")),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.into()),
        ..Event::default()
    }
}
