//! A second program that wants every core: what depends on the machine shows.

use std::{
    hint, iter,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A busy loop for each core, until it is dropped.
#[derive(Debug)]
pub(super) struct Load {
    over: Arc<AtomicBool>,
    loops: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins.
    pub(super) fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let busy = || {
            let over = over.clone();
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            })
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let loops = iter::repeat_with(busy).take(cores).collect();
        Self { over, loops }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for busy in self.loops.drain(..) {
            // it does nothing that could panic
            let _ended = busy.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_it_is_dropped() {
        let load = Load::start();
        assert!(!load.loops.is_empty());
        let over = load.over.clone();
        drop(load);
        assert!(over.load(Ordering::Relaxed));
    }
}
