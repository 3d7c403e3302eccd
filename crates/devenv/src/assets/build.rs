//! Builds the programs of a recipe with Go.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    notice,
    recipe::{Program, Recipe},
};
use crate::{
    error::{Error, io},
    tail,
    watchdog::Watchdog,
};

/// The oldest Go that builds the modules.
pub(super) const GO: &str = "1.26";
const GO_PARSED: (u32, u32) = (1, 26);

/// How often a running build says so.
const PROGRESS: Duration = Duration::from_secs(15);

/// Prefix of the folders of builds under way.
const UNFINISHED: &str = "building-";

/// Builds all programs beside `bin` and moves them there at once, so that `bin` is whole or absent. The caller
/// holds the lock.
pub(super) async fn into(recipe: &'static Recipe, home: &Path, bin: &Path) -> Result<(), Error> {
    remove_leftovers(home);
    let folder = home.join(format!("{UNFINISHED}{:016x}", rand::random::<u64>()));
    let mut work = Watchdog::over(folder.clone(), false).map_err(io("create", &folder))?;
    for (name, content) in [("go.mod", recipe.go_mod), ("go.sum", recipe.go_sum)] {
        fs::write(folder.join(name), content).map_err(io("write", folder.join(name)))?;
    }
    check_go(recipe, &folder)?;
    notice(&format!(
        "building {} {} with Go into {}; this happens once and takes minutes",
        recipe.name,
        recipe.version(),
        home.display()
    ));
    let started = Instant::now();
    for (index, program) in recipe.programs.iter().enumerate() {
        let number = format!("{} of {}", index + 1, recipe.programs.len());
        build(&mut work, command(recipe, program), program.name, &number, started).await?;
    }
    // A folder that lacks programs (somebody deleted one) would be in the way.
    if bin.exists() {
        fs::remove_dir_all(bin).map_err(io("remove", bin))?;
    }
    fs::rename(folder.join("bin"), bin).map_err(io("create", bin))?;
    notice(&format!("{} is built ({} s)", recipe.name, started.elapsed().as_secs()));
    Ok(())
}

/// Builds that lost their watchdog too, by a power cut for instance.
fn remove_leftovers(home: &Path) {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
        // What cannot be removed wastes space and harms nothing.
        drop(fs::remove_dir_all(entry.path()));
    }
}

/// Asked inside the module, where a Go that may fetch a newer toolchain does so.
fn check_go(recipe: &'static Recipe, folder: &Path) -> Result<(), Error> {
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        .current_dir(folder)
        .output()
        .map_err(|_| Error::GoMissing { needed: GO, what: recipe.name, mend: recipe.instead() })?;
    let answer =
        String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
    let found = answer.trim().to_owned();
    match parse_go(&found) {
        Some(version) if version >= GO_PARSED => Ok(()),
        _ => Err(Error::GoTooOld { needed: GO, found, what: recipe.name, mend: recipe.instead() }),
    }
}

/// `go1.26.8` is (1, 26).
fn parse_go(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

async fn build(
    work: &mut Watchdog,
    mut go: Command,
    program: &'static str,
    number: &str,
    started: Instant,
) -> Result<(), Error> {
    let log_path = work.folder().join(format!("{program}.log"));
    let log = File::create(&log_path).map_err(io("create", &log_path))?;
    go.current_dir(work.folder()).stdout(Stdio::null()).stderr(log);
    let child = work.spawn(&mut go).map_err(io("start", "go"))?;
    let say = || notice(&format!("{number}: {program}, {} s", started.elapsed().as_secs()));
    say();
    let mut said = Instant::now();
    let status = loop {
        if let Some(status) = work.ended(child).map_err(io("wait for", "go"))? {
            break status;
        }
        if said.elapsed() >= PROGRESS {
            say();
            said = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    if status.success() { Ok(()) } else { Err(Error::Build { program, tail: tail::of(&log_path) }) }
}

/// `go build` of one program, independent of the user's Go settings where they would change the result.
fn command(recipe: &Recipe, program: &Program) -> Command {
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", program.tags, "-ldflags"])
        .arg(format!("-s -w{}", recipe.stamp(program)))
        .args(["-o", &format!("bin/{}", program.name), program.package])
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off");
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_as_numbers() {
        assert_eq!(parse_go("go1.26.8"), Some((1, 26)));
        assert_eq!(parse_go("go1.27rc1"), Some((1, 27)));
        assert!(parse_go("go1.9").unwrap() < GO_PARSED, "1.9 is older than 1.26");
        assert_eq!(parse_go("go: go.mod requires go >= 1.26.0"), None, "a refusal is no version");
        assert_eq!(GO, format!("{}.{}", GO_PARSED.0, GO_PARSED.1), "what is told is what is checked");
    }
}
