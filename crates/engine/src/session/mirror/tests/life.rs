//! Long lives of a mirror beside a server that others change, that lists late and whose pages move.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::model::{Listing, Model};
use super::*;

const LIVES: u64 = 500;
const STEPS: usize = 100;
/// Ids are never given twice.
const IDS: std::ops::Range<i64> = 1..25;

/// What was true when.
#[derive(Default)]
struct Server(BTreeMap<i64, Vec<(Instant, Option<ToyRow>)>>);

impl Server {
    fn at(&self, id: i64, when: Instant) -> Option<&ToyRow> {
        let history = self.0.get(&id)?;
        history.iter().rev().find(|(since, _)| *since <= when)?.1.as_ref()
    }

    fn set(&mut self, id: i64, row: Option<ToyRow>) {
        self.0.entry(id).or_default().push((Instant::now(), row));
    }

    fn was(&self, id: i64) -> bool {
        self.0.contains_key(&id)
    }

    /// The whole listing; it shows deleted ones for as long as they have a row.
    fn listing(&self, when: Instant) -> Vec<ToyRow> {
        self.0.keys().filter_map(|id| self.at(*id, when).cloned()).collect()
    }
}

/// A sweep, beside what it should come to.
struct Swept {
    sweep: Sweep,
    listing: Listing,
    offset: usize,
    lag: Duration,
}

struct Life<K: Managed> {
    seed: u64,
    /// What happened.
    story: Vec<&'static str>,
    rng: StdRng,
    server: Server,
    mirror: Mirror<K>,
    model: Model,
    sweeping: Option<Swept>,
    /// Reads under way: id, when they were sent, what they will say.
    reads: Vec<(i64, Instant, Option<ToyRow>)>,
    counts: bool,
    /// Our last write of an id, until anything but a listing speaks of it.
    written: BTreeMap<i64, (Instant, String)>,
}

impl<K: Managed<Row = ToyRow>> Life<K> {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let counts = rng.random_bool(0.8);
        let mut life = Self {
            seed,
            story: Vec::new(),
            rng,
            server: Server::default(),
            mirror: Mirror::default(),
            model: Model::default(),
            sweeping: None,
            reads: Vec::new(),
            counts,
            written: BTreeMap::new(),
        };
        for id in IDS.step_by(2) {
            let row = life.row(id);
            life.server.set(id, Some(row));
        }
        life
    }

    /// Few names and serials, so that keys are shared and change hands.
    fn row(&mut self, id: i64) -> ToyRow {
        let serial = self.rng.random_bool(0.5).then(|| format!("s{}", self.rng.random_range(0..6)));
        let name = format!("n{}", self.rng.random_range(0..8));
        ToyRow { serial, ..row(id, &name) }
    }

    fn id(&mut self) -> i64 {
        self.rng.random_range(IDS)
    }

    async fn step(&mut self) -> &'static str {
        match self.rng.random_range(0..20) {
            0..4 => self.wait().await,
            4..7 => self.others(),
            7..9 => self.write().await,
            9..11 => self.send_read(),
            11..13 => self.end_read(),
            13 => self.doubt(),
            _ => self.sweep(),
        }
    }

    async fn wait(&mut self) -> &'static str {
        advance(Duration::from_millis(self.rng.random_range(1..15_000))).await;
        "time passed"
    }

    /// Somebody else makes, changes, deletes at once or leaves a tombstone.
    fn others(&mut self) -> &'static str {
        let id = self.id();
        let row = self.row(id);
        let change = match (self.server.at(id, Instant::now()), self.rng.random_range(0..6)) {
            (None, _) if self.server.was(id) => return "nothing",
            (Some(_), 0) => None,
            (Some(old), 1) => Some(ToyRow { status: 2, ..old.clone() }),
            _ => Some(row),
        };
        self.server.set(id, change);
        "others changed it"
    }

    async fn write(&mut self) -> &'static str {
        let id = self.id();
        if self.server.was(id) && self.server.at(id, Instant::now()).is_none_or(|row| row.status == 2) {
            return "nothing";
        }
        let row = self.row(id);
        self.server.set(id, Some(row.clone()));
        advance(Duration::from_millis(self.rng.random_range(1..3_000))).await;
        self.mirror.wrote(row.clone(), Instant::now());
        self.model.put(&row, Instant::now(), true);
        self.written.insert(id, (Instant::now(), row.name));
        "we wrote"
    }

    fn send_read(&mut self) -> &'static str {
        let id = self.id();
        if self.server.was(id) {
            let row = self.server.at(id, Instant::now()).filter(|row| row.status != 2).cloned();
            self.reads.push((id, Instant::now(), row));
        }
        "a read was sent"
    }

    fn end_read(&mut self) -> &'static str {
        if self.reads.is_empty() {
            return "nothing";
        }
        let (id, sent, row) = self.reads.swap_remove(self.rng.random_range(0..self.reads.len()));
        self.written.remove(&id);
        self.tell(id, sent, row);
        "a read was answered"
    }

    fn tell(&mut self, id: i64, sent: Instant, row: Option<ToyRow>) {
        if let Some(row) = row {
            self.mirror.put(row.clone(), sent);
            self.model.put(&row, sent, false);
        } else {
            self.mirror.forget(&Id::Int(id));
            self.model.forget(id);
        }
    }

    fn doubt(&mut self) -> &'static str {
        let id = self.id();
        self.mirror.doubt(&Id::Int(id));
        self.model.doubt(id);
        self.written.remove(&id);
        "it was doubted"
    }

    /// The next piece of a sweep: its beginning, a page, its end, or its loss.
    fn sweep(&mut self) -> &'static str {
        let Some(mut swept) = self.sweeping.take() else {
            self.sweeping = Some(Swept {
                sweep: Mirror::<K>::begin_sweep(Timestamp::UNIX_EPOCH),
                listing: Listing::begin(),
                offset: 0,
                lag: Duration::from_millis(self.rng.random_range(0..30_000)),
            });
            return "a sweep began";
        };
        if self.rng.random_bool(0.01) {
            return "a sweep was given up";
        }
        let all = self.server.listing(Instant::now().checked_sub(swept.lag).unwrap());
        let rows: Vec<ToyRow> =
            all.iter().skip(swept.offset).take(self.rng.random_range(1..12)).cloned().collect();
        swept.offset += rows.len();
        let total = self.counts.then_some(all.len());
        self.model.page(&mut swept.listing, &rows, total);
        self.mirror.page(&mut swept.sweep, rows, total.map(|total| total as u64));
        if swept.offset < all.len() {
            self.sweeping = Some(swept);
            return "a page was read";
        }
        self.finish(swept)
    }

    fn finish(&mut self, swept: Swept) -> &'static str {
        let before = self.words();
        let expected = self.model.finish(&swept.listing, K::FACTS.has_read);
        let complete = self.mirror.finish_sweep(swept.sweep);
        if complete.is_err() {
            assert_eq!(self.words(), before, "what proves nothing changes nothing");
        }
        let missing = complete.ok().map(|mut ids| {
            ids.sort_unstable();
            ids
        });
        assert_eq!(missing, expected, "what a sweep puts in doubt");
        "a sweep ended"
    }

    fn words(&self) -> Vec<String> {
        IDS.map(|id| word(&self.mirror, id)).collect()
    }

    fn check(&mut self) {
        let expected: Vec<String> = IDS.map(|id| self.model.word(id)).collect();
        assert_eq!(self.words(), expected, "the newest knowledge wins, and nothing is absent without proof");
        assert_eq!(self.mirror.len(), self.model.len());
        let key = Key::new(Key::NAME, format!("n{}", self.rng.random_range(0..8)));
        assert_eq!(self.mirror.find(&key), self.model.find(&key), "{key:?} finds the rows that carry it");
        self.written.retain(|_, (at, _)| at.elapsed() < Duration::from_secs(30));
        for (id, (_, name)) in &self.written {
            assert_eq!(word(&self.mirror, *id), *name, "no listing contradicts what we just wrote");
        }
    }

    /// Nobody changes anything any more: two listings and reads of what is in doubt say the truth.
    async fn settle(&mut self) {
        self.sweeping = None;
        self.reads.clear();
        for _ in 0..4 {
            advance(Duration::from_secs(61)).await;
            sweep(&self.mirror, self.server.listing(Instant::now())).unwrap_or_default();
            for id in IDS {
                if !K::FACTS.has_read || word(&self.mirror, id) != "doubt" {
                    continue;
                }
                let row = self.server.at(id, Instant::now()).filter(|row| row.status != 2).cloned();
                self.tell(id, Instant::now(), row);
            }
        }
        for id in IDS {
            let truth = self.server.at(id, Instant::now()).filter(|row| row.status != 2);
            match (truth, word(&self.mirror, id).as_str()) {
                (Some(row), known) => assert_eq!(known, row.name, "{id} is there"),
                // of what was never seen, only a read proves that it is not there
                (None, "absent") => {}
                (None, known) => assert!(!K::FACTS.has_read && known == "doubt", "{id} is gone, not {known}"),
            }
        }
    }
}

impl<K: Managed> Drop for Life<K> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: {:?}", self.seed, self.story);
        }
    }
}

async fn live<K: Managed<Row = ToyRow>>() {
    for seed in 0..LIVES {
        let mut life = Life::<K>::new(seed);
        for _ in 0..STEPS {
            let step = life.step().await;
            life.story.push(step);
            life.check();
        }
        life.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_a_mirror_knows_what_it_should() {
    live::<Toy>().await;
}

#[tokio::test(start_paused = true)]
async fn so_does_one_that_has_only_a_listing() {
    live::<Listed>().await;
}

#[test]
fn what_is_shown_holds_up_nobody() {
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (one, other) = (filled(3), filled(3));
        let mut shown = 0;
        one.each(&mut |seen| {
            let within = |mirror: &Mirror<Toy>| mirror.put(row(seen.id, "b"), Instant::now());
            shown += i32::from(within(&one) && within(&other) && other.row(&Id::Int(seen.id)).is_some());
        });
        done.send(shown)
    });
    let shown = waits.recv_timeout(Duration::from_secs(10));
    assert_eq!(shown, Ok(3), "two mirrors that are asked within each other wait for no lock");
}
