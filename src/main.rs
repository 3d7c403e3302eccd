//! The operator's binary: parse, choose the TLS provider, run, exit code.

use std::{io, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use emnify_operator::{
    cli::{Cli, Command},
    process,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // kube and reqwest must agree on one provider; rustls panics later if nobody chooses
    let chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(chosen.is_ok(), "first line of main");
    run(&Cli::parse()).unwrap_or_else(|error| process::failed("emnify-operator", &error).into())
}

fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Run(args) => process::run(args).map(|()| ExitCode::SUCCESS),
        Command::Crd(args) => args.run(&mut io::stdout().lock()).map(|()| ExitCode::SUCCESS),
        Command::ReleaseFinalizers(args) => args.run(&mut io::stdout(), &mut io::stderr()),
        Command::Check(args) => args.run(&mut io::stdout().lock(), &mut io::stderr().lock()),
    }
}
