//! The plugin of kubectl: parse, choose the TLS provider, run, exit code.

use std::{env, path::Path, process::ExitCode};

use clap::Parser;
use emnify_operator::{
    plugin::{self, complete},
    process,
};

fn main() -> ExitCode {
    // kube and reqwest must agree on one provider; rustls panics later if nobody chooses
    let chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(chosen.is_ok(), "first line of main");
    let program = env::args_os().next().unwrap_or_default();
    if Path::new(&program).file_name().is_some_and(|name| name == complete::PROGRAM) {
        let words: Vec<String> = env::args().skip(1).collect();
        for candidate in complete::run(&words) {
            println!("{candidate}");
        }
        return ExitCode::SUCCESS;
    }
    match plugin::run(&plugin::cli::Cli::parse()) {
        Ok(outcome) => outcome.into(),
        Err(error) => process::failed("kubectl emnify", &error).into(),
    }
}
