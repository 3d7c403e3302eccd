//! Memory and processor time of a process, from /proc. Elsewhere than on Linux nothing is measured.

use std::{fs, time::Duration};

/// Jiffies of `/proc/<pid>/stat` per second: the kernel's `USER_HZ`, 100 on every architecture that Rust supports.
const TICKS: u32 = 100;

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// KiB resident now.
    pub(super) rss: u64,
    /// KiB resident at the most since its start.
    pub(super) peak: u64,
    /// Processor time since its start, on all cores.
    pub(super) cpu: Duration,
}

impl Usage {
    /// Of a running process; `None` where there is no /proc, or no such process.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        Self::parse(&read("status")?, &read("stat")?)
    }

    fn parse(status: &str, stat: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        // The second field is the program's name in brackets, and may hold anything.
        let numbers: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| numbers.get(index)?.parse::<u32>().ok();
        // utime and stime, fields 14 and 15 of proc(5).
        let cpu = Duration::from_secs(1) * (ticks(11)? + ticks(12)?) / TICKS;
        Some(Self { rss: field("VmRSS")?, peak: field("VmHWM")?, cpu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_from_the_right_fields() {
        let status = "Name:\toperator\nVmPeak:\t  999999 kB\nVmHWM:\t   81920 kB\nVmRSS:\t   40960 kB\n";
        let stat = "77 (an (odd) name) S 1 77 77 0 -1 4194560 500 0 0 0 250 50 0 0 20 0 5 0 100 1 2 3";
        let usage = Usage::parse(status, stat).expect("both files are whole");
        assert_eq!(usage, Usage { rss: 40960, peak: 81920, cpu: Duration::from_secs(3) });
        assert_eq!(Usage::parse("Name:\tzombie\n", stat), None, "a process that has ended has no memory");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let usage = Usage::of(std::process::id()).expect("a process sees itself");
        assert!(usage.rss > 0 && usage.peak >= usage.rss);
    }
}
