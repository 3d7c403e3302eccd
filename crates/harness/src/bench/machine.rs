//! Where it was measured.

use std::{
    env, fmt, fs,
    process::{Command, Stdio},
    thread,
};

use jiff::Timestamp;

/// Machine, system, commit and day.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    cores: usize,
    processor: String,
    memory: String,
    system: String,
    pub(super) commit: String,
    pub(super) day: String,
}

impl Machine {
    /// This one, now.
    pub(super) fn look() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let (processor, memory, system) = if cfg!(target_os = "macos") {
            let bytes = said("sysctl", &["-n", "hw.memsize"]).and_then(|text| text.parse::<u64>().ok());
            let system = said("sw_vers", &["-productVersion"]).map(|version| format!("macOS {version}"));
            (said("sysctl", &["-n", "machdep.cpu.brand_string"]), bytes.map(|bytes| bytes / 1024), system)
        } else {
            (
                field(&read("/proc/cpuinfo"), "model name"),
                field(&read("/proc/meminfo"), "MemTotal")
                    .and_then(|text| text.split(' ').next()?.parse().ok()),
                distribution(&read("/etc/os-release")),
            )
        };
        let kernel = said("uname", &["-sr"]).unwrap_or_else(unknown);
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or_else(unknown),
            memory: memory
                .map_or_else(unknown, |kib: u64| format!("{} GiB", (kib + 512 * 1024) / (1024 * 1024))),
            system: system.map_or_else(|| kernel.clone(), |name| format!("{name}, {kernel}")),
            commit: commit(),
            day: Timestamp::now().strftime("%Y-%m-%d").to_string(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, memory, system, commit, day } = self;
        write!(
            f,
            "{cores} cores ({processor}), {memory} of memory, {system}, {}; commit {commit}, {day}",
            env::consts::ARCH
        )
    }
}

/// The value of a line such as `model name : AMD EPYC`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The name in `/etc/os-release`.
fn distribution(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches('"').to_owned())
}

/// The commit that is checked out, and whether something was changed since.
fn commit() -> String {
    let Some(commit) = said("git", &["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    if changed { format!("{commit} with changes") } else { commit }
}

/// What a program prints; `None` if that is nothing.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_linux_are_read() {
        assert_eq!(
            field("vendor_id\t: X\nmodel name\t: AMD EPYC\n", "model name").as_deref(),
            Some("AMD EPYC")
        );
        assert_eq!(distribution("NAME=D\nPRETTY_NAME=\"Debian 13\"\n").as_deref(), Some("Debian 13"));
    }
}
