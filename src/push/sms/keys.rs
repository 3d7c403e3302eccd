//! The keys that sign callbacks, read from a file that may be replaced.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use secrecy::SecretSlice;
use tokio::time::Instant;

/// The file is read again at most this often.
const AGAIN: Duration = Duration::from_secs(10);
/// As for an `ApiSecret`.
const SHORTEST: usize = 16;
/// One that is replaced, and one that replaces it, of each organisation and of all.
const MOST: usize = 4;
/// Every key is tried for every call.
const MOST_OF_ALL: usize = 256;

type Held = Arc<[Key]>;

/// A key, and whom it may speak for.
pub(super) struct Key {
    pub(super) secret: SecretSlice<u8>,
    /// Nobody else than this organisation; `None`: every one that is served.
    pub(super) organisation: Option<i64>,
}

/// Keys of which one signs.
pub struct Keys {
    path: PathBuf,
    held: Mutex<(Held, Instant)>,
}

impl Keys {
    /// Reads the keys, one a line: both count while one replaces the other. In a line `@1001 KEY` it is a key of organisation 1001 alone.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else than keys.
    pub async fn load(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), held: Mutex::new((read(path).await?, Instant::now())) })
    }

    /// The keys. A file that was replaced counts within ten seconds; one that cannot be used leaves the old keys in place.
    pub(super) async fn now(&self) -> Held {
        if self.due() {
            match read(&self.path).await {
                Ok(keys) => self.held.lock().0 = keys,
                Err(error) => tracing::warn!(error = format!("{error:#}"), "SMS keys not read again"),
            }
        }
        self.held.lock().0.clone()
    }

    fn due(&self) -> bool {
        let mut held = self.held.lock();
        let due = held.1.elapsed() >= AGAIN;
        if due {
            held.1 = Instant::now();
        }
        due
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("path", &self.path).finish_non_exhaustive()
    }
}

async fn read(path: &Path) -> Result<Held> {
    let shown = path.display();
    let text = tokio::fs::read(path).await.with_context(|| format!("--sms-secret-file: {shown}"))?;
    // as of an `ApiSecret`, a line break is no part of a key, and a space is
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let keys: Option<Vec<(Option<i64>, &[u8])>> = lines.map(whose).collect();
    let keys = keys.with_context(|| {
        format!("--sms-secret-file: {shown} has a line that begins with @ and names no organisation; write @1001 KEY")
    })?;
    ensure!(!keys.is_empty(), "--sms-secret-file: {shown} is empty");
    // a public key is known to everybody
    ensure!(
        !keys.iter().any(|(_, key)| key.starts_with(b"-----BEGIN") || key.starts_with(b"ssh-")),
        "--sms-secret-file: {shown} holds a key of a pair; write the text that the ApiSecret holds"
    );
    let of = |one: Option<i64>| keys.iter().filter(|(organisation, _)| *organisation == one).count();
    ensure!(
        keys.len() <= MOST_OF_ALL && keys.iter().all(|(organisation, _)| of(*organisation) <= MOST),
        "--sms-secret-file: {shown} has more than {MOST} lines for one organisation, or for all of them, or more than {MOST_OF_ALL}; write one key a line"
    );
    ensure!(
        keys.iter().all(|(_, key)| key.len() >= SHORTEST),
        "--sms-secret-file: {shown} has a key of less than {SHORTEST} bytes"
    );
    let key = |(organisation, key): (Option<i64>, &[u8])| Key {
        secret: SecretSlice::from(key.to_vec()),
        organisation,
    };
    Ok(keys.into_iter().map(key).collect())
}

/// Organisation and key of a line `@1001 KEY`; a line without `@` is a key of all. `None`: it means neither.
fn whose(line: &[u8]) -> Option<(Option<i64>, &[u8])> {
    let Some(rest) = line.strip_prefix(b"@") else { return Some((None, line)) };
    let end = rest.iter().position(|byte| *byte == b' ')?;
    let organisation = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    Some((Some(organisation), &rest[end + 1..]))
}
