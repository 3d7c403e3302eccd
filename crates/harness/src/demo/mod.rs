//! `cargo demo`: the whole system on one machine, for a person to watch and touch.

mod board;
mod devices;
mod setup;
mod table;
mod watch;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, interval, sleep_until};

use crate::{cli::DemoArgs, stage::Stage};
use board::Board;
use devices::Devices;
use setup::Applied;
use watch::Sight;

/// Fleets above this are shown in numbers, not device by device.
const FEW: u32 = 20;

/// Plays the demo. The exit code is 0 if everything got Ready, or Ctrl-C came first.
pub async fn run(args: &DemoArgs) -> Result<ExitCode> {
    let stage = tokio::select! {
        stage = setup::stage(args) => stage?,
        _interrupt = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
    };
    let mut show = Show { stage, start: Instant::now(), board: Board::new(args.devices <= FEW) };
    let played = tokio::select! {
        played = show.play(args) => played,
        _interrupt = tokio::signal::ctrl_c() => {
            println!("\nStopping.");
            Ok(ExitCode::SUCCESS)
        }
    };
    let folder = show.stage.plane().folder().to_owned();
    let stopped = show.stage.finish().await;
    if args.keep {
        println!("Logs and state are in {}.", folder.display());
    }
    stopped.and(played)
}

struct Show {
    stage: Stage,
    start: Instant,
    board: Board,
}

impl Show {
    async fn play(&mut self, args: &DemoArgs) -> Result<ExitCode> {
        self.stage.start_operator()?;
        let sights = watch::everything(&self.stage);
        tokio::pin!(sights);
        let applied = setup::apply(&self.stage, args.devices).await?;
        println!("Applied {} objects from examples/quickstart.\n", applied.objects.len());
        if !self.converge(&mut sights, &applied, args.deadline()).await? {
            self.accuse(&applied);
            return Ok(ExitCode::FAILURE);
        }
        println!("\nEverything is Ready after {:.1} s.\n", self.start.elapsed().as_secs_f64());
        println!(
            "$ kubectl get emnify\n{}",
            table::shorten(&self.stage.kubectl_ok(&["get", "emnify"]).await?)
        );
        if !args.once {
            println!("{}", setup::how_to_look_around(&self.stage).await?);
            self.live(&mut sights).await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows what changes until all that was applied is Ready; false when the deadline came first.
    async fn converge(
        &mut self,
        sights: &mut (impl Stream<Item = Result<Sight>> + Unpin),
        applied: &Applied,
        deadline: Duration,
    ) -> Result<bool> {
        let end = Instant::now() + deadline;
        let mut tick = interval(Duration::from_secs(1));
        while !self.board.all_ready(&applied.objects) {
            tokio::select! {
                Some(sight) = sights.next() => self.see(sight?),
                _second = tick.tick() => {
                    let summary = self.board.summary();
                    self.say(summary);
                }
                ended = self.stage.operator_ended() => return ended.map(|()| false),
                () = sleep_until(end) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Lets devices move, and shows what the operator makes of it, for ever.
    async fn live(&mut self, sights: &mut (impl Stream<Item = Result<Sight>> + Unpin)) -> Result<()> {
        let mut devices = Devices::new(self.stage.simulator().clone());
        let mut tick = interval(devices::PACE);
        loop {
            tokio::select! {
                Some(sight) = sights.next() => self.see(sight?),
                _turn = tick.tick() => devices.turn(),
                ended = self.stage.operator_ended() => return ended,
            }
        }
    }

    fn see(&mut self, sight: Sight) {
        let line = self.board.see(sight);
        self.say(line);
    }

    fn say(&self, line: Option<String>) {
        if let Some(line) = line {
            println!("{:7.1}s  {line}", self.start.elapsed().as_secs_f64());
        }
    }

    /// Says which objects are not Ready, and why.
    fn accuse(&self, applied: &Applied) {
        println!("\nNot Ready after {:.0} s:\n", self.start.elapsed().as_secs_f64());
        for line in self.board.unready(&applied.objects) {
            println!("  {line}");
        }
        println!("\n{}", self.stage.operator_log_tail());
    }
}
