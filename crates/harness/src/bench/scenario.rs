//! The names of what can be measured.

use clap::ValueEnum;

/// What can be measured, from cheap to expensive; a restart before devices move, since a first listing tells what they
/// brought along (an IMEI), and that is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// 1,000 new devices with SIMs, from the first apply to the last Ready.
    #[value(name = "create-1000")]
    Create1000,
    /// A workspace whose token emnify refuses.
    WrongToken,
    /// Edits of devices while 10,000 others are being created.
    EditLatency,
    /// A message to each of 5,000 devices by one object, and edits of others meanwhile.
    #[value(name = "operation-5000")]
    Operation5000,
    /// 10,000 new devices with SIMs, from the first apply to the last Ready.
    #[value(name = "create-10000")]
    Create10000,
    /// Stop and start with 10,000 devices.
    #[value(name = "restart-10000")]
    Restart10000,
    /// 10,000 devices that attach and move, and nothing else to do.
    #[value(name = "steady-10000")]
    Steady10000,
    /// Changes made at the portal, until they are corrected, with 10,000 devices.
    DriftLatency,
    /// Devices switched off at the portal, until they are on again, with 10,000 devices and a data stream to the operator.
    PushLatency,
    /// 100,000 new devices of one object.
    #[value(name = "fleet-100000")]
    Fleet100000,
}

impl Scenario {
    /// As it is typed.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it is about.
    pub(super) fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}
