//! Asks a person before something goes on that cannot be taken back.

use std::io::{self, BufRead};

use anyhow::{Result, bail};

use super::printer::Printer;

/// Whether there is somebody to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Standard input is a terminal.
    pub(super) terminal: bool,
}

impl Ask {
    /// Fails unless the answer is yes.
    pub(super) fn sure(self, yes: bool, question: &str, printer: &mut Printer<'_>) -> Result<()> {
        if yes {
            return Ok(());
        }
        if !self.terminal {
            bail!("nobody can be asked here; say --yes to do it");
        }
        printer.prompt(&format!("{question} [y/N] "))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
            return Ok(());
        }
        bail!("nothing was changed");
    }
}
