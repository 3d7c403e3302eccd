//! Simulated devices that come, go and travel.

use std::time::Duration;

use emnify_simulator::{Signal, Simulator};
use rand::{Rng as _, seq::IndexedRandom as _};

/// Between two turns.
pub(super) const PACE: Duration = Duration::from_secs(2);

/// All devices of the simulator that could use a network.
#[derive(Debug)]
pub(super) struct Devices {
    simulator: Simulator,
}

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Away,
    Attached,
    Online,
}

impl Devices {
    pub(super) fn new(simulator: Simulator) -> Self {
        Self { simulator }
    }

    /// Lets one device, or one in a hundred, do something.
    pub(super) fn turn(&mut self) {
        let devices = self.places();
        let mut rng = rand::rng();
        for (id, place) in devices.choose_multiple(&mut rng, devices.len().div_ceil(100)) {
            let signal = next(*place, rng.random());
            if *place == Place::Away {
                self.travel();
            }
            // A device that was disabled or lost its SIM meanwhile stays where it is.
            drop(self.simulator.device(*id, signal));
        }
    }

    fn places(&self) -> Vec<(u64, Place)> {
        self.simulator.inspect(|state| {
            let devices =
                state.organisations.values().flat_map(|organisation| organisation.endpoints.values());
            let usable = devices.filter(|device| device.enabled && device.sim.is_some());
            let place = |word| match word {
                "ONLINE" => Place::Online,
                "ATTACHED" => Place::Attached,
                _ => Place::Away,
            };
            usable.map(|device| (device.id, place(device.connectivity_status()))).collect()
        })
    }

    /// The next device to attach finds another network to be the best: a device takes the first of its rate zones.
    fn travel(&self) {
        let moved = self.simulator.edit(|state| {
            for zone in state.tariffs.values_mut().flat_map(|tariff| tariff.rate_zones.values_mut()) {
                if !zone.operators.is_empty() {
                    zone.operators.rotate_left(1);
                }
            }
        });
        moved.expect("a rotated list refers to the same operators");
    }
}

/// What a device does next. `roll` is in [0, 1).
fn next(place: Place, roll: f64) -> Signal {
    match place {
        Place::Away if roll < 0.7 => Signal::Online,
        Place::Away => Signal::Attach,
        Place::Attached if roll < 0.6 => Signal::Online,
        Place::Online if roll < 0.6 => Signal::Detach,
        Place::Attached | Place::Online => Signal::Offline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reaches_every_place_from_every_other() {
        let from = |place| [0.0, 0.99].map(|roll| next(place, roll));
        assert_eq!(from(Place::Away), [Signal::Online, Signal::Attach]);
        assert_eq!(from(Place::Attached), [Signal::Online, Signal::Offline]);
        assert_eq!(from(Place::Online), [Signal::Detach, Signal::Offline]);
    }
}
