//! What is measured, one file for each.

mod arrivals;
mod create;
mod drift;
mod edits;
mod fleet;
mod operation;
mod push;
mod rest;
mod restart;
mod steady;
mod token;

use anyhow::Result;

use super::{environments::Environments, report::Report, scenario::Scenario};

/// Plays one.
pub(super) async fn play(environments: &mut Environments, report: &mut Report) -> Result<()> {
    match report.scenario {
        Scenario::WrongToken => token::wrong(environments, report).await,
        Scenario::Create1000 => create::thousand(environments, report).await,
        Scenario::EditLatency => edits::edits(environments, report).await,
        Scenario::Operation5000 => operation::operation(environments, report).await,
        Scenario::Create10000 => create::ten_thousand(environments, report).await,
        Scenario::Steady10000 => steady::steady(environments, report).await,
        Scenario::DriftLatency => drift::drift(environments, report).await,
        Scenario::PushLatency => push::push(environments, report).await,
        Scenario::Restart10000 => restart::restart(environments, report).await,
        Scenario::Fleet100000 => fleet::fleet(environments, report).await,
    }
}
