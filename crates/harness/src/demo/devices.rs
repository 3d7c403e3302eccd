//! Simulated devices that come, go and travel.

use std::{collections::BTreeMap, time::Duration};

use emnify_simulator::{Signal, Simulator};
use rand::{Rng as _, seq::IndexedRandom as _};

/// Between two turns.
pub(super) const PACE: Duration = Duration::from_secs(3);

/// All devices of the simulator that could use a network.
#[derive(Debug)]
pub(super) struct Devices {
    simulator: Simulator,
    /// Operators of each rate zone: everywhere a device can be.
    world: BTreeMap<u64, Vec<u64>>,
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
        let world = simulator.inspect(|state| {
            let zones = state.tariffs.values().flat_map(|tariff| tariff.rate_zones.values());
            zones.map(|zone| (zone.id, zone.operators.clone())).collect()
        });
        Self { simulator, world }
    }

    /// Lets one device, or one in a hundred, do something.
    pub(super) fn turn(&mut self) {
        let devices = self.places();
        let mut rng = rand::rng();
        self.in_reach(|operators| operators.choose(&mut rng).copied().into_iter().collect());
        for (id, place) in devices.choose_multiple(&mut rng, devices.len().div_ceil(100)) {
            // A device that was disabled or lost its SIM meanwhile stays where it is.
            drop(self.simulator.device(*id, next(*place, rng.random())));
        }
        self.in_reach(<[u64]>::to_vec);
    }

    /// Which operators of a zone a device finds. It attaches to the first of them, so travelling is leaving one.
    fn in_reach(&self, mut choose: impl FnMut(&[u64]) -> Vec<u64>) {
        let edited = self.simulator.edit(|state| {
            for zone in state.tariffs.values_mut().flat_map(|tariff| tariff.rate_zones.values_mut()) {
                if let Some(operators) = self.world.get(&zone.id) {
                    zone.operators = choose(operators);
                }
            }
        });
        edited.expect("operators of a zone refer to nothing else");
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

    #[tokio::test]
    async fn the_zones_are_whole_again_after_a_turn() {
        let simulator = Simulator::start(emnify_simulator::Options::default());
        let before = simulator.state().tariffs;
        Devices::new(simulator.clone()).turn();
        assert_eq!(simulator.state().tariffs, before, "travelling changes no tariff");
    }

    #[test]
    fn a_device_reaches_every_place_from_every_other() {
        let from = |place| [0.0, 0.99].map(|roll| next(place, roll));
        assert_eq!(from(Place::Away), [Signal::Online, Signal::Attach]);
        assert_eq!(from(Place::Attached), [Signal::Online, Signal::Offline]);
        assert_eq!(from(Place::Online), [Signal::Detach, Signal::Offline]);
    }
}
