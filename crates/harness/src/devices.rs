//! Simulated devices that come, go and travel.

use emnify_simulator::{Signal, Simulator};
use rand::{Rng as _, seq::IteratorRandom as _};

/// All devices of a simulator that could use a network.
#[derive(Debug)]
pub(crate) struct Devices(Simulator);

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Away,
    Attached,
    Online,
}

impl Devices {
    pub(crate) fn new(simulator: Simulator) -> Self {
        Self(simulator)
    }

    /// Lets this many devices do something; at least one of a hundred where `count` says nothing.
    pub(crate) fn turn(&mut self, count: Option<usize>) {
        let mut rng = rand::rng();
        let chosen = self.0.inspect(|state| {
            let devices =
                || state.organisations.values().flat_map(|organisation| organisation.endpoints.values());
            let usable = || devices().filter(|device| device.enabled && device.sim.is_some());
            let count = count.unwrap_or_else(|| usable().count().div_ceil(100));
            let place = |word| match word {
                "ONLINE" => Place::Online,
                "ATTACHED" => Place::Attached,
                _ => Place::Away,
            };
            let chosen = usable().choose_multiple(&mut rng, count).into_iter();
            chosen.map(|device| (device.id, place(device.connectivity_status()))).collect::<Vec<_>>()
        });
        for (id, place) in chosen {
            // A device that was disabled or lost its SIM meanwhile stays where it is.
            drop(self.0.device(id, next(place, rng.random())));
        }
    }
}

/// What a device does next. `roll` is in [0, 1).
fn next(place: Place, roll: f64) -> Signal {
    match place {
        Place::Away if roll < 0.7 => Signal::Online,
        Place::Away => Signal::Attach,
        Place::Attached if roll < 0.4 => Signal::Online,
        Place::Online if roll < 0.4 => Signal::Detach,
        Place::Attached | Place::Online if roll < 0.7 => Signal::Travel,
        Place::Attached | Place::Online => Signal::Offline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reaches_every_place_from_every_other() {
        let from = |place| [0.0, 0.5, 0.99].map(|roll| next(place, roll));
        assert_eq!(from(Place::Away), [Signal::Online, Signal::Online, Signal::Attach]);
        assert_eq!(from(Place::Attached), [Signal::Online, Signal::Travel, Signal::Offline]);
        assert_eq!(from(Place::Online), [Signal::Detach, Signal::Travel, Signal::Offline]);
    }
}
