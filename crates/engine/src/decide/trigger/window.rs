//! What was told within the time that a trigger gathers: whom the next task is for.

use std::collections::{BTreeMap, BTreeSet};

use crate::kind::{
    Id,
    trigger::{Cause, Heard, MOST_TARGETS},
};

/// What becomes of something that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of a device that the trigger means.
    Device(Id),
    /// Of no such device, or of one that had its turn.
    Nobody,
    /// Of a device that is not known yet: it is asked again.
    Later,
}

/// The next task, and what is dealt with by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Whom it is for; one device may have several causes.
    pub(crate) causes: Vec<Cause>,
    /// Devices among them.
    pub(crate) devices: BTreeSet<Id>,
    /// Devices that are left out because of the limit.
    pub(crate) dropped: BTreeSet<Id>,
    /// Everything that is dealt with.
    pub(crate) ids: Vec<i64>,
    /// There is more than one task takes.
    pub(crate) more: bool,
    /// The last of what the task is for.
    pub(crate) last: Option<i64>,
}

/// The oldest of what was told, at most as much as one task takes. Everything told of a device is one target; once it is left out, all of
/// it is.
pub(crate) fn window(
    heard: &BTreeMap<i64, Heard>,
    room: u64,
    mut whose: impl FnMut(&Heard) -> Whose,
) -> Window {
    let mut ordered: Vec<&Heard> = heard.values().collect();
    ordered.sort_by_key(|heard| (heard.at, heard.id));
    let mut window = Window::default();
    for heard in ordered {
        if window.causes.len() >= MOST_TARGETS {
            window.more = true;
            break;
        }
        let whose = whose(heard);
        if whose == Whose::Later {
            continue;
        }
        window.ids.push(heard.id);
        let Whose::Device(device) = whose else { continue };
        let new = !window.devices.contains(&device);
        let full = u64::try_from(window.devices.len()).unwrap_or(u64::MAX) >= room;
        if window.dropped.contains(&device) || (new && full) {
            window.dropped.insert(device);
            continue;
        }
        window.devices.insert(device.clone());
        window.causes.push(Cause { device, id: heard.id });
        window.last = Some(heard.id);
    }
    window
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::kind::trigger::What;

    fn told(events: &[(i64, i64, i64)]) -> BTreeMap<i64, Heard> {
        let one = |&(id, second, device): &(i64, i64, i64)| Heard {
            id,
            at: Timestamp::from_second(second).unwrap(),
            endpoint: Some(device),
            sim: None,
            what: What::Event(Box::default()),
        };
        events.iter().map(|event| (event.0, one(event))).collect()
    }

    fn device(heard: &Heard) -> Whose {
        heard.endpoint.filter(|id| *id != 0).map_or(Whose::Nobody, |id| Whose::Device(Id::Int(id)))
    }

    #[test]
    fn a_device_is_one_target_however_often_it_is_told_of() {
        let window = window(&told(&[(5, 10, 1), (3, 12, 1), (9, 11, 2), (7, 13, 0)]), 100, device);
        assert_eq!(window.devices.len(), 2);
        let causes: Vec<_> =
            window.causes.iter().map(|cause| (cause.device.int().unwrap(), cause.id)).collect();
        assert_eq!(causes, [(1, 5), (2, 9), (1, 3)], "in the order in which it happened");
        assert_eq!(window.ids, [5, 9, 3, 7], "what is about no device is dealt with as well");
        assert_eq!((window.last, window.more), (Some(3), false));
    }

    #[test]
    fn what_is_over_the_limit_is_dropped_as_a_whole() {
        let all = told(&[(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 1), (5, 5, 3)]);
        let window = window(&all, 2, device);
        assert_eq!(window.devices, [Id::Int(1), Id::Int(2)].into());
        assert_eq!(window.dropped, [Id::Int(3)].into());
        assert_eq!(window.ids.len(), 5);
        assert_eq!(window.last, Some(4));
        let none = super::window(&all, 0, device);
        assert_eq!((none.causes.len(), none.dropped.len(), none.last), (0, 3, None));
    }

    #[test]
    fn what_is_told_of_a_device_that_nobody_knows_yet_waits() {
        let known = |heard: &Heard| if heard.endpoint == Some(2) { Whose::Later } else { device(heard) };
        let window = window(&told(&[(1, 1, 1), (2, 2, 2), (3, 3, 3)]), 100, known);
        assert_eq!((window.ids, window.devices.len()), (vec![1, 3], 2));
    }

    #[test]
    fn what_is_more_than_a_task_takes_waits_for_the_next() {
        let count = i64::try_from(MOST_TARGETS).unwrap() + 10;
        let all: Vec<_> = (1..=count).map(|n| (n, n, n)).collect();
        let mut heard = told(&all);
        let first = window(&heard, u64::MAX, device);
        assert!(first.more && first.causes.len() == MOST_TARGETS);
        first.ids.iter().for_each(|id| drop(heard.remove(id)));
        let second = window(&heard, u64::MAX, device);
        assert_eq!(second.causes.len(), 10, "nobody is left out");
    }
}
