//! Calls that were taken, and what they told: neither is taken twice while the token is good.

use std::collections::HashMap;

use emnify_engine::kind::message::Message;
use sha2::{Digest, Sha256};

use super::{Refused, token::Mark};

/// So many are remembered, of about 60 bytes; more are asked to come again.
const MOST: usize = 100_000;

/// What was taken, and until when its token is good.
#[derive(Debug, Default)]
pub(super) struct Seen {
    calls: HashMap<Mark, i64>,
}

impl Seen {
    /// Whether a call that is known by this mark may be taken.
    pub(super) fn is_new(&mut self, mark: &Mark, now: i64) -> Result<(), Refused> {
        if self.calls.contains_key(mark) {
            return Err(Refused::Replay);
        }
        if self.calls.len() >= MOST {
            self.calls.retain(|_, until| *until > now);
        }
        if self.calls.len() >= MOST { Err(Refused::Busy) } else { Ok(()) }
    }

    /// What is known by this mark was taken before.
    pub(super) fn knows(&self, mark: &Mark) -> bool {
        self.calls.contains_key(mark)
    }

    /// It was taken.
    pub(super) fn taken(&mut self, marks: [Mark; 2], until: i64) {
        self.calls.extend(marks.map(|mark| (mark, until)));
    }
}

/// What a message is known by, whatever signs it: who it is, and what became of it.
pub(super) fn told(message: &Message) -> Mark {
    let Message { organisation, id, news, .. } = message;
    Sha256::digest(format!("told {organisation:?} {id} {news:?}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: usize) -> Mark {
        let mut mark = [0; 32];
        mark[..8].copy_from_slice(&number.to_be_bytes());
        mark
    }

    #[test]
    fn what_is_over_makes_room_and_what_is_not_is_never_forgotten() {
        let mut seen = Seen::default();
        for number in 0..MOST {
            seen.calls.insert(mark(number), if number == 7 { 200 } else { 100 });
        }
        assert_eq!(seen.is_new(&mark(MOST), 99), Err(Refused::Busy), "all may be sent again");
        assert_eq!(seen.is_new(&mark(MOST), 100), Ok(()));
        assert_eq!(seen.calls.len(), 1, "of those that are over nothing is kept");
        assert_eq!(seen.is_new(&mark(7), 100), Err(Refused::Replay));
    }
}
