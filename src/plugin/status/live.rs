//! The page, kept live: everything on it is watched, and what changes the page shows it anew.

use std::{collections::BTreeMap, future, mem, time::Duration};

use anyhow::Result;
use futures::{
    StreamExt,
    stream::{BoxStream, SelectAll},
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    api::DynamicObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

use super::page::{self, Seen};
use crate::plugin::{
    cli::Format,
    cluster::{Cluster, Found},
    printer::Printer,
    screen::Screen,
};

/// What happens within this time is drawn once.
const GATHER: Duration = Duration::from_millis(250);
/// A watch tries again every half minute: it is heard again when it said nothing of an error for so long.
const FORGET: Duration = Duration::from_secs(120);

/// Namespace and name.
type Key = (String, String);
/// What is heard of one of the sources.
type Told = watcher::Result<Event<(Key, Shown)>>;

/// What the page takes from an object that is watched.
#[derive(Clone, Debug)]
enum Shown {
    Object(Seen),
    Operator(String),
}

/// Objects of a kind, as they were heard of.
#[derive(Debug, Default)]
struct Source {
    /// What is watched, for people.
    what: String,
    now: BTreeMap<Key, Shown>,
    /// A listing that has begun.
    next: BTreeMap<Key, Shown>,
    /// They were listed once.
    listed: bool,
    /// The last error, and when it came.
    trouble: Option<(Instant, String)>,
}

/// All sources, in the order in which the page shows them.
#[derive(Debug, Default)]
struct Live(Vec<Source>);

/// Shows the page until somebody ends it.
pub(super) async fn watch(cluster: &Cluster, within: Option<&str>, printer: &mut Printer<'_>) -> Result<()> {
    let mut screen = Screen::open(printer)?;
    let ended = follow(cluster, within, &mut screen, printer).await;
    // also after an error the terminal is as it was
    screen.close(printer)?;
    ended
}

async fn follow(
    cluster: &Cluster,
    within: Option<&str>,
    screen: &mut Screen,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut resized = signal(SignalKind::window_change())?;
    let (mut live, mut heard) = sources(cluster, within);
    let mut due = None;
    loop {
        let wake = [due, live.forgets()].into_iter().flatten().min();
        tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = until(wake) => {
                due = None;
                live.forget(Instant::now());
                if live.is_whole() {
                    screen.show(live.page()?, printer)?;
                }
            }
            _ = resized.recv(), if printer.terminal => screen.again(printer)?,
            Some((source, told)) = heard.next() => {
                let now = Instant::now();
                live.take(source, told, now);
                due.get_or_insert(now + GATHER);
            }
        }
    }
}

/// That time, or never.
async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => future::pending().await,
    }
}

/// Watches of every kind and of the operators. Each tries again for ever.
fn sources(cluster: &Cluster, within: Option<&str>) -> (Live, SelectAll<BoxStream<'static, (usize, Told)>>) {
    let (mut live, mut heard) = (Live::default(), SelectAll::new());
    for family in cluster.families() {
        let (at, of) = (live.0.len(), family.clone());
        live.0.push(Source::of(&format!("{}.{}", of.resource.plural, of.resource.group)));
        let seen = move |object: DynamicObject| {
            (key(&object), Shown::Object(Seen::of(&Found { family: of.clone(), object })))
        };
        heard.push(cluster.watch(family, within).map(move |told| (at, told.map(|e| each(e, &seen)))).boxed());
    }
    let at = live.0.len();
    live.0.push(Source::of("operators"));
    let operators: Api<Deployment> = Api::all(cluster.client.clone());
    let watched = watcher::watcher(operators, watcher::Config::default().labels(page::OPERATORS));
    let seen = |object: Deployment| (key(&object), Shown::Operator(page::operator(&object)));
    heard.push(watched.default_backoff().map(move |told| (at, told.map(|e| each(e, seen)))).boxed());
    (live, heard)
}

fn key(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// The same event of what the page takes.
fn each<K, T>(event: Event<K>, of: impl Fn(K) -> T) -> Event<T> {
    match event {
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(of(object)),
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(of(object)),
        Event::Delete(object) => Event::Delete(of(object)),
    }
}

impl Source {
    fn of(what: &str) -> Self {
        Self { what: what.to_owned(), ..Self::default() }
    }

    fn take(&mut self, told: Told, at: Instant) {
        match told {
            // a listing begins before it is known whether it is allowed
            Ok(Event::Init) => {
                self.next.clear();
                return;
            }
            Ok(Event::InitApply((key, shown))) => {
                self.next.insert(key, shown);
            }
            Ok(Event::InitDone) => {
                self.now = mem::take(&mut self.next);
                self.listed = true;
            }
            Ok(Event::Apply((key, shown))) => {
                self.now.insert(key, shown);
            }
            Ok(Event::Delete((key, _))) => {
                self.now.remove(&key);
            }
            Err(error) => {
                self.trouble = Some((at, format!("{} are tried again: {error}", self.what)));
                return;
            }
        }
        self.trouble = None;
    }

    /// When its last error is over, unless another one comes. What was never listed stays as it is.
    fn forgets(&self) -> Option<Instant> {
        self.trouble.as_ref().filter(|_| self.listed).map(|(at, _)| *at + FORGET)
    }
}

impl Live {
    fn take(&mut self, source: usize, told: Told, at: Instant) {
        if let Some(source) = self.0.get_mut(source) {
            source.take(told, at);
        }
    }

    fn forgets(&self) -> Option<Instant> {
        self.0.iter().filter_map(Source::forgets).min()
    }

    fn forget(&mut self, now: Instant) {
        for source in &mut self.0 {
            if source.forgets().is_some_and(|at| at <= now) {
                source.trouble = None;
            }
        }
    }

    /// Nothing is missing that will come soon.
    fn is_whole(&self) -> bool {
        self.0.iter().all(|source| source.listed || source.trouble.is_some())
    }

    fn page(&self) -> Result<Vec<String>> {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut notes, Format::Table);
        let shown = || self.0.iter().flat_map(|source| source.now.values());
        let seen = shown().filter_map(|shown| match shown {
            Shown::Object(seen) => Some(seen),
            Shown::Operator(_) => None,
        });
        let operators: Vec<_> = shown()
            .filter_map(|shown| match shown {
                Shown::Operator(operator) => Some(operator.clone()),
                Shown::Object(_) => None,
            })
            .collect();
        // operators are the last source
        let looked_for = self.0.last().is_some_and(|source| source.listed);
        let whole = self.0.iter().rev().skip(1).all(|source| source.listed);
        page::print(looked_for.then_some(operators.as_slice()), seen, whole, &mut printer)?;
        let troubles: Vec<_> = self.0.iter().filter_map(|source| source.trouble.as_ref()).collect();
        if !troubles.is_empty() {
            printer.line("")?;
            printer.line("Not heard, and shown as it was last:")?;
        }
        for (_, trouble) in troubles {
            printer.line(trouble)?;
        }
        Ok(String::from_utf8_lossy(&out).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::json;

    use super::*;
    use crate::definitions::families;

    fn device(name: &str, ready: &str) -> (Key, Shown) {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint",
            "metadata": {"name": name, "namespace": "iot", "generation": 1},
            "spec": {}, "status": {"observedGeneration": 1, "connectivity": {"state": "On\u{1b}[2Jline"},
                "conditions": [{"type": "Ready", "status": ready, "reason": "Refused", "message": "",
                    "lastTransitionTime": "2026-05-01T12:00:00Z"}]},
        }))
        .unwrap();
        let family = families().into_iter().find(|family| family.resource.kind == "Endpoint").unwrap();
        (key(&object), Shown::Object(Seen::of(&Found { family, object })))
    }

    fn error() -> Told {
        let status = Status::failure("endpoints is forbidden", "Forbidden").with_code(403);
        Err(watcher::Error::WatchError(status.boxed()))
    }

    fn live() -> Live {
        Live(vec![Source::of("endpoints"), Source::of("operators")])
    }

    fn text(live: &Live) -> String {
        live.page().unwrap().join("\n")
    }

    #[tokio::test(start_paused = true)]
    async fn the_page_is_what_was_heard_last() {
        let (mut live, now) = (live(), Instant::now());
        let hear = |live: &mut Live, event| live.take(0, Ok(event), now);
        hear(&mut live, Event::Init);
        hear(&mut live, Event::InitApply(device("a", "False")));
        hear(&mut live, Event::InitDone);
        assert!(!live.is_whole(), "the operators were not listed yet");
        for event in [Event::Init, Event::InitDone] {
            live.take(1, Ok(event), now);
        }
        assert!(live.is_whole());
        let mut refused = self::live();
        refused.take(0, error(), now);
        assert!(!text(&refused).contains("Everything is ready"), "nothing was read: {}", text(&refused));
        let page = text(&live);
        assert!(page.contains("No Deployment of the operator"), "{page}");
        assert!(page.contains("kubectl emnify explain endpoint/a -n iot"), "{page}");
        assert!(page.contains("On [2Jline") && !page.contains('\u{1b}'), "no cursor is moved: {page:?}");

        hear(&mut live, Event::Apply(device("a", "True")));
        assert!(text(&live).contains("Everything is ready."), "{}", text(&live));
        hear(&mut live, Event::Apply(device("b", "False")));
        hear(&mut live, Event::Init);
        hear(&mut live, Event::InitApply(device("a", "True")));
        assert!(text(&live).contains("endpoint/b"), "a listing counts when it is whole");
        hear(&mut live, Event::InitDone);
        assert!(!text(&live).contains("endpoint/b"), "{}", text(&live));
        hear(&mut live, Event::Delete(device("a", "True")));
        assert!(text(&live).contains("Objects: none"), "{}", text(&live));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_told_until_it_is_over_and_takes_nothing_off_the_page() {
        let (mut live, now) = (live(), Instant::now());
        for event in [Event::Init, Event::InitApply(device("a", "False")), Event::InitDone] {
            live.take(0, Ok(event), now);
        }
        live.take(1, error(), now);
        assert!(live.is_whole() && live.forgets().is_none(), "what was never listed is not forgotten");
        assert!(!text(&live).contains("No Deployment"), "nobody could look: {}", text(&live));
        assert!(text(&live).contains("operators are tried again: "), "{}", text(&live));

        live.take(0, error(), now);
        let page = text(&live);
        assert!(page.contains("endpoints are tried again: ") && page.contains("endpoint/a"), "{page}");
        live.take(0, Ok(Event::Init), now);
        assert_eq!(text(&live), page, "to begin a listing is not to be heard");
        live.take(0, Ok(Event::Apply(device("a", "False"))), now);
        assert!(!text(&live).contains("endpoints are tried again"), "{}", text(&live));

        live.take(0, error(), now);
        live.forget(now + FORGET - Duration::from_millis(1));
        assert!(text(&live).contains("endpoints are tried again"), "another one may come");
        assert_eq!(live.forgets(), Some(now + FORGET));
        live.forget(now + FORGET);
        assert!(!text(&live).contains("endpoints are tried again"), "{}", text(&live));
        assert!(text(&live).contains("operators are tried again"), "{}", text(&live));
    }
}
