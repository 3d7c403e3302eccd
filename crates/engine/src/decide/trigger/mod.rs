//! When a trigger fires, and for whom: pure.

pub(crate) mod hour;
pub(crate) mod window;

use jiff::{SignedDuration, Timestamp};

use crate::kind::cron::Cron;

/// Events may appear in the log this long after they happened; so much is read again after a restart.
pub(crate) const OVERLAP: SignedDuration = SignedDuration::from_secs(60);
/// A task is kept until the position is so far past it: what is read again finds it.
pub(crate) const KEPT: SignedDuration = SignedDuration::from_mins(2);

/// What a schedule makes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The time that is due, if one is.
    pub(crate) at: Option<Timestamp>,
    /// When to look again.
    pub(crate) next: Option<Timestamp>,
    /// A time was missed, and nothing makes up for it.
    pub(crate) missed: bool,
}

/// What is due at `now`: of several times that were missed the last, and none that was missed for longer than `late`. What was due until
/// `since` was dealt with, or is none of its business.
pub(crate) fn due(cron: &Cron, since: Timestamp, late: SignedDuration, now: Timestamp) -> Due {
    let latest = now.checked_sub(late).unwrap_or(now);
    let at = cron.last(since.max(latest).min(now), now);
    Due { at, next: cron.next(now), missed: at.is_none() && cron.last(since, latest).is_some() }
}

/// The name of what a schedule makes for a time: made twice, it is there already.
pub(crate) fn name_at(trigger: &str, at: Timestamp) -> String {
    format!("{trigger}-{}", at.as_second().div_euclid(60))
}

/// The name of what is made for what was told, by the last of it.
pub(crate) fn name_of(trigger: &str, id: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let (mut rest, mut text) = (id.unsigned_abs(), Vec::new());
    loop {
        let digit = usize::try_from(rest % 36).unwrap_or_default();
        text.push(char::from(DIGITS[digit]));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    let text: String = text.into_iter().rev().collect();
    format!("{trigger}-{text}")
}

/// A task that a trigger made, as the cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// When it was made.
    pub at: Timestamp,
    /// Whether it succeeded, once it is over.
    pub succeeded: Option<bool>,
}

/// Those that are kept no longer: over, more than the limits of their kind, the oldest first. What may be read again by whoever comes
/// after this process stays; `position` is what the status in the cluster says, `None` where nothing is read again.
pub(crate) fn pruned(
    mut made: Vec<Made>,
    (succeeded, failed): (usize, usize),
    position: Option<Timestamp>,
) -> Vec<Made> {
    made.sort_by(|a, b| (b.at, &b.name).cmp(&(a.at, &a.name)));
    let mut left = [failed, succeeded];
    let behind = |made: &Made| {
        position.is_none_or(|position| made.at.checked_add(KEPT).is_ok_and(|until| until <= position))
    };
    made.retain(|made| {
        let Some(succeeded) = made.succeeded else { return false };
        let left = &mut left[usize::from(succeeded)];
        let kept = *left > 0;
        *left = left.saturating_sub(1);
        !kept && behind(made)
    });
    made
}

#[cfg(test)]
mod tests;
