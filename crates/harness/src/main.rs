//! The harness as a program: see `emnify-harness --help`.

use std::process::ExitCode;

use clap::Parser;
use emnify_harness::{
    bench,
    cli::{Cli, Command},
    demo,
};

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Bench(args) => bench::run(&args).await,
    };
    ended.unwrap_or_else(|error| {
        eprintln!("emnify-harness: {error:#}");
        ExitCode::FAILURE
    })
}
