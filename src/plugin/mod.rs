//! `kubectl emnify`: looks at a fleet, says why something waits, and lets people decide, without a portal. It keeps nothing, and of emnify it
//! only reads; what changes something is written to Kubernetes.

mod ask;
pub mod cli;
mod cluster;
pub mod complete;
mod emnify;
mod explain;
pub mod export;
mod lookups;
pub mod plan;
mod printer;
mod readings;
mod run;
mod screen;
mod status;
mod steer;
mod top;

use std::io::{self, IsTerminal};

use anyhow::Result;

use self::{
    ask::Ask,
    cli::{Cli, Ending, Verb},
    cluster::Cluster,
    printer::Printer,
};

/// Does what was typed, and says how it ended.
#[tokio::main(flavor = "current_thread")]
pub async fn run(cli: &Cli) -> Result<Ending> {
    let (mut out, mut notes) = (io::stdout().lock(), io::stderr());
    let terminal = io::stdout().is_terminal();
    let mut printer = Printer::new(&mut out, &mut notes, cli.place.output).on_terminal(terminal);
    let (printer, ask) = (&mut printer, Ask { terminal: io::stdin().is_terminal() });
    let done = match &cli.verb {
        Verb::Plan(args) => return plan::run(args, &cli.place, printer).await,
        Verb::Status(args) => status::run(args, &Cluster::connect(&cli.place).await?, printer).await,
        Verb::Top(args) => top::run(args, &cli.place, printer).await,
        Verb::Explain(args) => explain::run(args, &cli.place, printer).await,
        Verb::Approve(args) => steer::approve(args, &Cluster::connect(&cli.place).await?, ask, printer).await,
        Verb::Run(args) => run::run(args, &Cluster::connect(&cli.place).await?, ask, printer).await,
        Verb::Refresh(args) => steer::refresh(args, &Cluster::connect(&cli.place).await?, printer).await,
        Verb::Suspend(args) => steer::suspend(args, &Cluster::connect(&cli.place).await?, printer).await,
        Verb::Resume(args) => steer::resume(args, &Cluster::connect(&cli.place).await?, printer).await,
        Verb::Release(args) => steer::release(args, &Cluster::connect(&cli.place).await?, ask, printer).await,
        Verb::Export(args) => return export::run(args, &cli.place, printer).await,
        Verb::Get(args) => lookups::run(args, &cli.place, printer).await,
        Verb::Whoami(args) => readings::whoami(args, &cli.place, printer).await,
        Verb::Usage(args) => readings::usage(args, &cli.place, printer).await,
        Verb::Events(args) => readings::events(args, &cli.place, printer).await,
        Verb::Sms(args) => readings::sms(args, &cli.place, printer).await,
        Verb::Locate(args) => readings::locate(args, &cli.place, printer).await,
        Verb::Coverage(args) => readings::coverage(args, &cli.place, printer).await,
        Verb::AutomationLog(args) => readings::automation_log(args, &cli.place, printer).await,
        Verb::Describe(args) => readings::describe(args, &cli.place, printer).await,
    };
    done.map(|()| Ending::Done)
}
