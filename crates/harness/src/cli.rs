//! What can be typed.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::BenchArgs;

/// Runs the whole operator on this machine, against a simulated emnify.
#[derive(Parser, Clone, Debug)]
#[command(name = "emnify-harness", bin_name = "cargo")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Start a Kubernetes control plane, a simulated emnify and the operator, apply examples/quickstart or another
    /// scenario, and keep simulated devices moving until Ctrl-C. Nothing stays behind.
    Demo(DemoArgs),
    /// Measure what the operator costs, against the figures it has to reach. Exit code 1 if one is missed. Needs a
    /// release build: cargo run --release -p emnify-harness -- bench.
    Bench(BenchArgs),
}

/// What the demo applies: a folder of `examples`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Five devices, their profiles and a token.
    Quickstart,
    /// What a platform team starts from: a fleet as one object with its network, callbacks, streams and people.
    Platform,
}

impl Scenario {
    /// The name of its folder, and of its namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quickstart => "quickstart",
            Self::Platform => "platform",
        }
    }
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// What is applied: a folder of examples.
    #[arg(long, value_enum, default_value = "quickstart")]
    pub scenario: Scenario,
    /// End as soon as every object is Ready; exit code 1 if that takes longer than the deadline.
    #[arg(long)]
    pub once: bool,
    /// More devices beside those of the scenario.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=50_000))]
    pub devices: u32,
    /// Leave logs and state of the control plane and the operator behind, and say where.
    #[arg(long)]
    pub keep: bool,
    /// Seconds until every object has to be Ready, counted from the apply. Default: 180, and more with many devices.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub deadline: Option<u64>,
    /// Show the operator's log.
    #[arg(short, long)]
    pub verbose: bool,
}

impl DemoArgs {
    /// How long convergence may take.
    pub fn deadline(&self) -> Duration {
        // Measured: about ten devices a second, from apply to Ready.
        let by_size = || 180 + u64::from(self.devices) / 10;
        Duration::from_secs(self.deadline.unwrap_or_else(by_size))
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::bench::Scenario as Bench;

    fn demo(flags: &[&str]) -> Result<DemoArgs, clap::Error> {
        let typed = ["cargo", "demo"].iter().chain(flags);
        Cli::try_parse_from(typed).map(|cli| match cli.command {
            Command::Demo(args) => args,
            Command::Bench(_) => panic!("demo was typed"),
        })
    }

    fn bench(flags: &[&str]) -> Result<BenchArgs, clap::Error> {
        let typed = ["cargo", "bench"].iter().chain(flags);
        Cli::try_parse_from(typed).map(|cli| match cli.command {
            Command::Bench(args) => args,
            Command::Demo(_) => panic!("bench was typed"),
        })
    }

    #[test]
    fn scenarios_are_named_or_all() {
        let named = bench(&["create-10000", "create-1000", "create-1000"]).unwrap().scenarios();
        assert_eq!(named, [Bench::Create1000, Bench::Create10000], "cheap ones come first, each once");
        assert_eq!(bench(&["--all"]).unwrap().scenarios(), Bench::value_variants());
        assert!(bench(&["create-1000", "--quick", "--no-build"]).is_ok(), "flags go with scenarios");
        assert!(bench(&[]).is_err(), "nothing is measured by accident");
        assert!(bench(&["--all", "create-1000"]).is_err(), "one or the other");
        assert!(bench(&["create-7"]).is_err());
    }

    #[test]
    fn without_flags_the_demo_is_the_quickstart_and_goes_on() {
        let args = demo(&[]).unwrap();
        assert!(!args.once && !args.keep && !args.verbose && args.devices == 0);
        assert_eq!(args.scenario, Scenario::Quickstart);
    }

    #[test]
    fn more_devices_have_more_time_unless_a_deadline_is_given() {
        let deadline = |flags: &[&str]| demo(flags).unwrap().deadline();
        assert!(deadline(&["--devices", "1000"]) > deadline(&[]));
        assert_eq!(deadline(&["--devices", "1000", "--deadline", "7"]), Duration::from_secs(7));
    }

    #[test]
    fn impossible_numbers_are_refused() {
        assert!(demo(&["--devices", "60000"]).is_err(), "more than the simulated address space holds");
        assert!(demo(&["--deadline", "0"]).is_err());
    }
}
