//! Ends processes and removes their folder when this process lets go or dies, however it dies.

use std::{
    io,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
};

/// Holds the process group open until the end of its input, so that children can join it.
const ANCHOR: &str = "trap '' INT TERM HUP; while read -r _; do :; done";

/// Waits for the end of input, which the kernel delivers even after SIGKILL of this process. The group is killed
/// until it is empty: a child may be joining just then. The bound is for hosts where orphans are reaped late.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
while read -r _; do :; done
tries=0
while kill -s KILL -- "-$2" 2>/dev/null && [ "$tries" -lt 10 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
[ -n "$3" ] || rm -rf -- "$1"
"#;

/// A folder and a process group that end together with their owner.
///
/// Two small shells do it: the anchor leads the group, the watchdog (in a group of its own, out of reach of
/// Ctrl-C) reads a pipe whose other end only this process holds.
#[derive(Debug)]
pub(crate) struct Watchdog {
    folder: PathBuf,
    group: i32,
    pipes: Vec<ChildStdin>,
    /// The shell that reads the pipe and cleans up.
    reader: Option<Child>,
    /// The anchor, then what was started.
    children: Vec<Child>,
}

impl Watchdog {
    /// Creates the folder, which must not exist, private to this user. With `keep` it outlives its owner.
    pub(crate) fn over(folder: PathBuf, keep: bool) -> io::Result<Self> {
        let mut anchor = shell(ANCHOR).arg(&folder).spawn()?;
        let group = i32::try_from(anchor.id()).map_err(io::Error::other)?;
        let mut pipes = Vec::from_iter(anchor.stdin.take());
        let mut watchdog = shell(WATCHDOG)
            .arg(&folder)
            .arg(group.to_string())
            .arg(if keep { "keep" } else { "" })
            .spawn()?;
        pipes.extend(watchdog.stdin.take());
        let this = Self { folder, group, pipes, reader: Some(watchdog), children: vec![anchor] };
        // Only now: a death before this line leaves nothing, one after it is the watchdog's business.
        std::fs::DirBuilder::new().mode(0o700).create(&this.folder)?;
        Ok(this)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process group, for children that others start.
    pub(crate) fn group(&self) -> i32 {
        self.group
    }

    /// Starts a child in the group; the number names it to [`Watchdog::ended`].
    pub(crate) fn spawn(&mut self, command: &mut Command) -> io::Result<usize> {
        self.children.push(command.process_group(self.group).stdin(Stdio::null()).spawn()?);
        Ok(self.children.len() - 1)
    }

    /// How the child ended; `None` while it runs.
    pub(crate) fn ended(&mut self, child: usize) -> io::Result<Option<ExitStatus>> {
        self.children[child].try_wait()
    }

    /// Ends everything without waiting; the thread ends when all is gone.
    fn let_go(&mut self) -> JoinHandle<()> {
        self.pipes.clear();
        let mut children = std::mem::take(&mut self.children);
        let mut reader = self.reader.take();
        // The reader comes last: it waits for an empty group, and a dead child counts until it is reaped.
        thread::spawn(move || {
            for child in children.iter_mut().chain(reader.as_mut()) {
                // An error means that somebody else reaped it: gone all the same.
                drop(child.wait());
            }
        })
    }

    /// Ends everything; blocks until processes and folder are gone.
    pub(crate) fn finish(mut self) {
        drop(self.let_go().join());
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if self.reader.is_some() {
            drop(self.let_go());
        }
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script, "sh"])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        io::{PipeReader, Read},
        path::Path,
        sync::mpsc,
        time::{Duration, Instant},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(120);

    /// Orders [`victim`] a folder and, after a blank, how it shall die.
    const VICTIM: &str = "EMNIFY_DEVENV_WATCHDOG_VICTIM";

    /// Whether every process that holds the other end of the pipe ends in time.
    fn all_end(mut pipe: PipeReader) -> bool {
        let (done, end) = mpsc::channel();
        thread::spawn(move || done.send(pipe.read_to_end(&mut Vec::new())));
        end.recv_timeout(PATIENCE).is_ok()
    }

    fn vanishes(folder: &Path) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while folder.exists() && Instant::now() < deadline {
            thread::park_timeout(Duration::from_millis(10));
        }
        !folder.exists()
    }

    /// A child with a child, both deaf to polite signals and holding its standard output.
    fn sleeper() -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' TERM; sleep 1000 & wait"]);
        command
    }

    #[test]
    fn dropping_ends_children_of_children_and_removes_the_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("state");
        let mut watchdog = Watchdog::over(folder.clone(), false).unwrap();
        let (held, holder) = std::io::pipe().unwrap();
        let child = watchdog.spawn(sleeper().stdout(holder)).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
        assert!(watchdog.ended(child).unwrap().is_none(), "the child lives while it is owned");
        drop(watchdog);
        assert!(all_end(held), "no child outlives its owner");
        assert!(vanishes(&folder), "nor does the folder");
    }

    #[test]
    fn finish_returns_when_all_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let mut watchdog = Watchdog::over(scratch.path().join("state"), false).unwrap();
        watchdog.spawn(&mut sleeper()).unwrap();
        watchdog.finish();
        assert!(!scratch.path().join("state").exists(), "gone at once, not soon");
    }

    #[test]
    fn a_kept_folder_stays() {
        let scratch = tempfile::tempdir().unwrap();
        Watchdog::over(scratch.path().join("state"), true).unwrap().finish();
        assert!(scratch.path().join("state").exists(), "KEEP keeps the evidence");
    }

    /// Not a test of its own: the process that the next test lets die.
    #[test]
    fn victim() {
        let Ok(order) = env::var(VICTIM) else { return };
        let (folder, death) = order.split_once(' ').unwrap();
        let mut watchdog = Watchdog::over(folder.into(), false).unwrap();
        watchdog.spawn(&mut sleeper()).unwrap();
        fs::write(Path::new(folder).with_extension("ready"), "").unwrap();
        match death {
            "panic" => panic!("as ordered"),
            "exit" => std::process::exit(0),
            signal => {
                let own = std::process::id().to_string();
                Command::new("/bin/sh")
                    .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &own])
                    .status()
                    .unwrap();
                loop {
                    thread::park();
                }
            }
        }
    }

    /// A program that dies by SIGINT and SIGTERM even if this process was started with them ignored, as shells start jobs
    /// in the background.
    fn mortal(program: &Path) -> Command {
        if cfg!(target_os = "linux") {
            let mut command = Command::new("env");
            command.arg("--default-signal=INT,TERM").arg(program);
            command
        } else {
            Command::new(program)
        }
    }

    fn dies_without_a_trace(death: &str) {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("state");
        let (held, holder) = std::io::pipe().unwrap();
        let status = mortal(&env::current_exe().unwrap())
            .args(["--exact", "watchdog::tests::victim"])
            .env(VICTIM, format!("{} {death}", folder.display()))
            .stdout(holder)
            .stderr(Stdio::null())
            .status();
        status.unwrap();
        assert!(folder.with_extension("ready").exists(), "the victim of {death} had something to leave");
        assert!(all_end(held), "no child outlives a process that dies by {death}");
        assert!(vanishes(&folder), "no folder outlives a process that dies by {death}");
    }

    #[test]
    fn no_way_of_dying_leaves_anything_behind() {
        thread::scope(|scope| {
            for death in ["panic", "exit", "INT", "TERM", "KILL"] {
                scope.spawn(move || dies_without_a_trace(death));
            }
        });
    }
}
