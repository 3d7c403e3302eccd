//! What a person should see while a test waits. Straight to standard error: `cargo test` withholds what the print
//! macros write until a test fails.

use std::io::{Write, stderr};

/// One line on standard error.
pub(crate) fn notice(line: &str) {
    // Nobody to tell is no reason to fail.
    drop(writeln!(stderr(), "devenv: {line}"));
}
