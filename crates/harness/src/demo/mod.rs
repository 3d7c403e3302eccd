//! `cargo demo`: the whole system on one machine, for a person to watch and touch.

mod progress;
mod setup;
mod table;
mod watch;

use std::{pin::pin, process::ExitCode, time::Duration};

use anyhow::Result;
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, interval, sleep_until};

use crate::{cli::DemoArgs, devices::Devices, stage::Stage};
use progress::Progress;
use setup::Applied;
use watch::Sight;

/// Fleets above this are shown in numbers, not device by device.
const FEW: u32 = 20;

/// How often simulated devices do something.
const PACE: Duration = Duration::from_secs(3);

/// How often such a fleet is counted.
const SUMMARY: Duration = Duration::from_secs(1);

/// Plays the demo. The exit code is 0 if everything got Ready, or Ctrl-C came first.
pub async fn run(args: &DemoArgs) -> Result<ExitCode> {
    let mut stage = tokio::select! {
        stage = setup::stage(args) => stage?,
        _interrupt = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
    };
    stage.start_operator()?;
    let played = tokio::select! {
        played = play(&stage, args) => played,
        () = stage.operator_ended() => Ok(ExitCode::FAILURE),
        _interrupt = tokio::signal::ctrl_c() => {
            println!("\nStopping.");
            Ok(ExitCode::SUCCESS)
        }
    };
    let folder = stage.plane().folder().to_owned();
    let stopped = stage.finish().await;
    if args.keep {
        println!("Logs and state are in {}.", folder.display());
    }
    stopped.and(played)
}

/// Applies, waits for Ready, and goes on if wanted.
async fn play(stage: &Stage, args: &DemoArgs) -> Result<ExitCode> {
    let mut sights = watch::everything(stage);
    let mut screen = Screen { start: Instant::now(), progress: Progress::new(args.devices <= FEW) };
    println!("\n$ kubectl apply -f examples/{}", args.scenario.name());
    let applied = screen.during(setup::apply(stage, args), &mut sights).await??;
    if !screen.converge(&mut sights, &applied, args.deadline()).await? {
        screen.accuse(&applied);
        println!("\n{}", stage.operator_log_tail());
        return Ok(ExitCode::FAILURE);
    }
    let (count, seconds) = (applied.objects.len(), screen.start.elapsed().as_secs_f64());
    println!("\nAll {count} objects are Ready after {seconds:.1} s.\n");
    println!("$ kubectl get emnify\n{}", table::shorten(&stage.kubectl_ok(&["get", "emnify"]).await?));
    if !args.once {
        println!("{}", setup::how_to_look_around(stage, args.scenario).await?);
        screen.live(&mut sights, stage).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What happened so far, on standard output.
struct Screen {
    start: Instant,
    progress: Progress,
}

impl Screen {
    /// Shows what changes while something else is done.
    async fn during<T>(
        &mut self,
        work: impl Future<Output = T>,
        sights: &mut (impl Stream<Item = Result<Sight>> + Unpin),
    ) -> Result<T> {
        let mut work = pin!(work);
        let mut tick = interval(SUMMARY);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                Some(sight) = sights.next() => self.see(sight?),
                _now = tick.tick() => self.sum_up(),
            }
        }
    }

    /// Shows what changes until all that was applied is Ready; false when the deadline came first.
    async fn converge(
        &mut self,
        sights: &mut (impl Stream<Item = Result<Sight>> + Unpin),
        applied: &Applied,
        deadline: Duration,
    ) -> Result<bool> {
        let end = Instant::now() + deadline;
        let mut tick = interval(SUMMARY);
        while !self.progress.all_ready(&applied.objects) {
            tokio::select! {
                Some(sight) = sights.next() => self.see(sight?),
                _now = tick.tick() => self.sum_up(),
                () = sleep_until(end) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Lets devices move, and shows what the operator makes of it, for ever.
    async fn live(
        &mut self,
        sights: &mut (impl Stream<Item = Result<Sight>> + Unpin),
        stage: &Stage,
    ) -> Result<()> {
        let mut devices = Devices::new(stage.simulator().clone());
        let mut tick = interval(PACE);
        loop {
            tokio::select! {
                Some(sight) = sights.next() => self.see(sight?),
                _now = tick.tick() => devices.turn(None),
            }
        }
    }

    fn see(&mut self, sight: Sight) {
        let line = self.progress.see(sight);
        self.say(line);
    }

    fn sum_up(&mut self) {
        let line = self.progress.summary();
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
        for line in self.progress.unready(&applied.objects) {
            println!("  {line}");
        }
    }
}
