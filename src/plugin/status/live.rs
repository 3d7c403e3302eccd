//! The page, kept live: everything on it is watched, and what changes the page shows it anew.

use std::{collections::BTreeMap, future, mem, time::Duration};

use anyhow::{Result, bail, ensure};
use futures::{
    StreamExt,
    stream::{BoxStream, SelectAll},
};
use jiff::{SignedDuration, Timestamp};
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
    cli::{Format, StatusArgs},
    cluster::{Cluster, Found, refusal},
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
    /// Who waits, waits for them: not for what is not installed, nor for what has no namespace where one is looked at.
    waited_for: bool,
    /// They may not be listed.
    refused: bool,
    /// The last error, and when it came.
    trouble: Option<(Instant, String)>,
}

/// All sources, in the order in which the page shows them.
#[derive(Debug, Default)]
struct Live(Vec<Source>);

/// Shows the page until somebody ends it, or waits until everything is ready.
pub(super) async fn watch(
    args: &StatusArgs,
    cluster: &Cluster,
    within: Option<&str>,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let mut view =
        View { screen: None, waits: args.wait.then(|| (Instant::now() + args.timeout, args.timeout)) };
    if args.watch {
        view.screen = Some(Screen::open(printer)?);
    }
    let ended = follow(cluster, within, &mut view, printer).await;
    // also after an error the terminal is as it was
    if let Some(screen) = view.screen {
        screen.close(printer)?;
    }
    ended
}

/// How the page is looked at.
struct View {
    /// Where it is shown all the while.
    screen: Option<Screen>,
    /// Somebody waits until everything is ready: until when at most, and how long that is.
    waits: Option<(Instant, Duration)>,
}

impl View {
    /// Shows the page as it is now. Says whether that is the end, and fails if it is a bad one.
    fn look(&mut self, live: &Live, now: Instant, printer: &mut Printer<'_>) -> Result<bool> {
        let ready = self.waits.is_some() && live.is_ready();
        let late = self.waits.filter(|(end, _)| !ready && *end <= now);
        if let Some(why) = live.hopeless().filter(|_| self.waits.is_some()) {
            bail!("nobody can tell when everything is ready: {why}");
        }
        match &mut self.screen {
            Some(screen) if live.is_whole() => screen.show(live.page()?, printer)?,
            None if ready || late.is_some() => live.page()?.iter().try_for_each(|line| printer.line(line))?,
            _ => {}
        }
        if let Some((_, waited)) = late {
            let waited = SignedDuration::try_from(waited)?;
            bail!("not everything is ready after {waited:#}; kubectl emnify explain says why");
        }
        Ok(ready)
    }
}

async fn follow(
    cluster: &Cluster,
    within: Option<&str>,
    view: &mut View,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut resized = signal(SignalKind::window_change())?;
    let (mut live, mut heard) = sources(cluster, within);
    let mut due = None;
    loop {
        let wake = [due, live.forgets(), view.waits.map(|(end, _)| end)].into_iter().flatten().min();
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = until(wake) => {
                let now = Instant::now();
                due = None;
                live.forget(now);
                if view.look(&live, now, printer)? {
                    return Ok(());
                }
            }
            _ = resized.recv(), if printer.terminal => {
                if let Some(screen) = &view.screen {
                    screen.again(printer)?;
                }
            }
            Some((source, told)) = heard.next() => {
                let now = Instant::now();
                live.take(source, told, now);
                due.get_or_insert(now + GATHER);
            }
        }
    }
    ensure!(view.waits.is_none(), "interrupted before everything was ready");
    Ok(())
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
        let waited_for = of.namespaced || within.is_none();
        let what = format!("{}.{}", of.resource.plural, of.resource.group);
        live.0.push(Source { waited_for, ..Source::of(&what) });
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
                let code = refusal(&error);
                self.refused = code.is_some() && !self.listed;
                self.waited_for &= code != Some(404);
                self.trouble = Some((at, error.to_string()));
                return;
            }
        }
        (self.trouble, self.refused) = (None, false);
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

    /// Every object is heard of, and ready.
    fn is_ready(&self) -> bool {
        let mut waited_for = self.0.iter().filter(|source| source.waited_for);
        self.is_whole()
            && waited_for.all(|source| source.listed && source.trouble.is_none())
            && self.seen().all(Seen::is_ready)
    }

    /// What will not be heard of however long somebody waits.
    fn hopeless(&self) -> Option<String> {
        let refused = self.0.iter().find(|source| source.waited_for && source.refused)?;
        refused.trouble.as_ref().map(|(_, told)| format!("{} cannot be read: {told}", refused.what))
    }

    fn shown(&self) -> impl Iterator<Item = &Shown> {
        self.0.iter().flat_map(|source| source.now.values())
    }

    fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.shown().filter_map(|shown| match shown {
            Shown::Object(seen) => Some(seen),
            Shown::Operator(_) => None,
        })
    }

    fn page(&self) -> Result<Vec<String>> {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut notes, Format::Table);
        let operators: Vec<_> = self
            .shown()
            .filter_map(|shown| match shown {
                Shown::Operator(operator) => Some(operator.clone()),
                Shown::Object(_) => None,
            })
            .collect();
        // operators are the last source
        let looked_for = self.0.last().is_some_and(|source| source.listed);
        let whole = self.0.iter().rev().skip(1).all(|source| source.listed);
        page::print(
            looked_for.then_some(operators.as_slice()),
            self.seen(),
            whole,
            Timestamp::now(),
            &mut printer,
        )?;
        let troubles = self.0.iter().filter_map(|source| Some((&source.what, source.trouble.as_ref()?)));
        let troubles: Vec<_> = troubles.collect();
        if !troubles.is_empty() {
            printer.line("")?;
            printer.line("Not heard, and shown as it was last:")?;
        }
        for (what, (_, error)) in troubles {
            printer.line(&format!("{what} are tried again: {error}"))?;
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
        let endpoints = Source { waited_for: true, ..Source::of("endpoints") };
        Live(vec![endpoints, Source::of("operators")])
    }

    fn refused(code: u16) -> Told {
        let status = Status::failure("may not be listed", "Forbidden").with_code(code);
        Err(watcher::Error::InitialListFailed(kube::Error::Api(status.boxed())))
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

    /// How it ends for somebody who waits for ten minutes, so much later, and what is printed.
    fn waited(live: &Live, later: u64) -> (Result<bool, String>, String) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let (end, long) = (Instant::now() + Duration::from_secs(600 - later), Duration::from_secs(600));
        let mut view = View { screen: None, waits: Some((end, long)) };
        let printer = &mut Printer::new(&mut out, &mut notes, Format::Table);
        let ended = view.look(live, Instant::now(), printer).map_err(|error| error.to_string());
        (ended, String::from_utf8(out).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_let_go_once_everything_is_ready_or_told_that_it_is_not() {
        let (mut live, now) = (live(), Instant::now());
        let goes_on = |live: &Live| assert_eq!(waited(live, 0), (Ok(false), String::new()));
        live.take(1, Ok(Event::InitDone), now);
        goes_on(&live);
        for event in [Event::Init, Event::InitApply(device("a", "False")), Event::InitDone] {
            live.take(0, Ok(event), now);
        }
        goes_on(&live);
        let (ended, page) = waited(&live, 600);
        assert!(ended.is_err_and(|told| told.contains("not everything is ready after 10m")));
        assert!(page.contains("kubectl emnify explain endpoint/a -n iot"), "{page}");

        live.take(0, Ok(Event::Apply(device("a", "True"))), now);
        live.take(0, error(), now);
        goes_on(&live);
        live.take(0, Ok(Event::Apply(device("a", "True"))), now);
        let (ended, page) = waited(&live, 0);
        assert!(ended == Ok(true) && page.contains("Everything is ready."), "{page}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_what_may_not_be_read_is_told_at_once() {
        let now = Instant::now();
        let mut denied = live();
        for source in [0, 1] {
            denied.take(source, refused(403), now);
        }
        let (ended, _) = waited(&denied, 0);
        assert!(ended.is_err_and(|told| told.contains("endpoints cannot be read: ")));

        let mut missing = live();
        missing.take(0, refused(404), now);
        missing.take(1, refused(403), now);
        assert_eq!(
            waited(&missing, 0).0,
            Ok(true),
            "of what is not installed there is nothing, and nobody waits for operators"
        );
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
