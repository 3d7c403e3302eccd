//! What is waiting to be sent in one session: at most one entry per object, most urgent lane first.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Mutex,
};

use emnify::Lane;
use tokio::sync::Notify;

/// One object that has something to send. What that is gets decided when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: a namesake made later is somebody else.
    pub uid: String,
}

#[derive(Debug)]
struct Entry {
    item: Item,
    group: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<(Lane, u64), Entry>,
    place: HashMap<String, (Lane, u64)>,
    running: HashSet<String>,
    again: HashMap<String, (Lane, Entry)>,
    busy: HashSet<&'static str>,
    sequence: u64,
}

/// The queue of one session.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    moved: Notify,
}

/// A popped entry; give it back with [`Queue::done`].
#[derive(Debug)]
pub struct Ticket {
    /// The object.
    pub item: Item,
    /// The lane it waited in.
    pub lane: Lane,
    group: Option<&'static str>,
}

impl Queue {
    /// Adds an object, or moves it up if it waits in a less urgent lane. Entries that share `group` are sent one
    /// after another.
    pub fn push(&self, item: Item, lane: Lane, group: Option<&'static str>) {
        let mut inner = self.lock();
        let uid = item.uid.clone();
        if inner.running.contains(&uid) {
            let lane = inner.again.get(&uid).map_or(lane, |(l, _)| lane.min(*l));
            inner.again.insert(uid, (lane, Entry { item, group }));
            return;
        }
        inner.insert(Entry { item, group }, lane);
        drop(inner);
        self.moved.notify_waiters();
    }

    /// Waits until something can be sent that is more urgent than `than` (or anything at all); its lane.
    pub async fn ready(&self, than: Option<Lane>) -> Lane {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if let Some(lane) = self.lock().top().filter(|lane| than.is_none_or(|t| *lane < t)) {
                return lane;
            }
            moved.await;
        }
    }

    /// Takes the most urgent entry whose group is free.
    pub fn pop(&self) -> Option<Ticket> {
        let mut inner = self.lock();
        let key = inner.eligible()?;
        let entry = inner.waiting.remove(&key)?;
        inner.place.remove(&entry.item.uid);
        inner.running.insert(entry.item.uid.clone());
        inner.busy.extend(entry.group);
        Some(Ticket { item: entry.item, lane: key.0, group: entry.group })
    }

    /// Objects of `kind` that wait, in the order of their turns, at most `most`.
    pub fn peers(&self, kind: &str, most: usize) -> Vec<Item> {
        self.lock()
            .waiting
            .values()
            .filter(|e| e.item.kind == kind)
            .take(most)
            .map(|e| e.item.clone())
            .collect()
    }

    /// Takes one waiting object along in somebody else's call.
    pub fn take(&self, item: &Item) -> Option<Ticket> {
        let mut inner = self.lock();
        let key = inner.place.remove(&item.uid)?;
        let entry = inner.waiting.remove(&key)?;
        inner.running.insert(item.uid.clone());
        Some(Ticket { item: entry.item, lane: key.0, group: None })
    }

    /// The call is over; what was pushed meanwhile waits again.
    pub fn done(&self, ticket: Ticket) {
        let Ticket { item, group, .. } = ticket;
        let mut inner = self.lock();
        inner.running.remove(&item.uid);
        if let Some(group) = group {
            inner.busy.remove(group);
        }
        if let Some((lane, entry)) = inner.again.remove(&item.uid) {
            inner.insert(entry, lane);
        }
        drop(inner);
        self.moved.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding the queue")
    }
}

impl Inner {
    fn insert(&mut self, entry: Entry, lane: Lane) {
        let uid = entry.item.uid.clone();
        match self.place.get(&uid) {
            Some(key) if key.0 <= lane => return,
            Some(key) => {
                let key = *key;
                self.waiting.remove(&key);
            }
            None => {}
        }
        self.sequence += 1;
        let key = (lane, self.sequence);
        self.waiting.insert(key, entry);
        self.place.insert(uid, key);
    }

    fn eligible(&self) -> Option<(Lane, u64)> {
        self.waiting.iter().find(|(_, e)| e.group.is_none_or(|g| !self.busy.contains(g))).map(|(key, _)| *key)
    }

    fn top(&self) -> Option<Lane> {
        self.eligible().map(|(lane, _)| lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(uid: &str) -> Item {
        Item { kind: "Toy", namespace: "d".into(), name: uid.into(), uid: uid.into() }
    }

    #[test]
    fn an_edit_overtakes_queued_creates() {
        let queue = Queue::default();
        for i in 0..100 {
            queue.push(item(&format!("c{i}")), Lane::Create, Some("g"));
        }
        queue.push(item("edit"), Lane::Interactive, Some("g"));
        assert_eq!(queue.pop().unwrap().item.name, "edit");
    }

    #[test]
    fn an_object_waits_once_and_moves_up() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Create, None);
        queue.push(item("b"), Lane::Repair, None);
        queue.push(item("b"), Lane::Safety, None);
        queue.push(item("b"), Lane::Scrub, None);
        let first = queue.pop().unwrap();
        assert_eq!((first.item.name.as_str(), first.lane), ("b", Lane::Safety));
        assert_eq!(queue.pop().unwrap().item.name, "a");
        assert!(queue.pop().is_none(), "b waited once");
    }

    #[test]
    fn writes_of_one_group_never_overlap() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Create, Some("endpoint"));
        queue.push(item("b"), Lane::Create, Some("endpoint"));
        let first = queue.pop().unwrap();
        assert!(queue.pop().is_none(), "one write in flight");
        queue.done(first);
        assert_eq!(queue.pop().unwrap().item.name, "b");
    }

    #[test]
    fn what_is_pushed_during_its_own_call_waits_again() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Create, None);
        let first = queue.pop().unwrap();
        queue.push(item("a"), Lane::Interactive, None);
        assert!(queue.pop().is_none(), "never twice at once");
        queue.done(first);
        assert_eq!(queue.pop().unwrap().lane, Lane::Interactive);
    }

    #[tokio::test]
    async fn somebody_who_waits_for_less_hears_of_more_urgent_work() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.push(item("a"), Lane::Create, None);
        let other = queue.clone();
        let waiting = tokio::spawn(async move { other.ready(Some(Lane::Create)).await });
        tokio::task::yield_now().await;
        queue.push(item("b"), Lane::Interactive, None);
        assert_eq!(waiting.await.unwrap(), Lane::Interactive);
    }
}
