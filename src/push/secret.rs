//! The secret that a data stream sends, read from a file that may be replaced.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::time::Instant;

/// The file is read again at most this often.
const AGAIN: Duration = Duration::from_secs(10);

/// What the secret header must hold.
pub struct Secret {
    path: PathBuf,
    /// Of this process: what is compared are tags made with it.
    key: [u8; 32],
    held: Mutex<Held>,
}

struct Held {
    tag: Vec<u8>,
    read: Instant,
}

impl Secret {
    /// Reads the secret.
    ///
    /// # Errors
    /// The file cannot be read, or is empty: everybody would be let in.
    pub async fn load(path: &Path) -> Result<Self> {
        let key = rand::random();
        let secret = read(path).await?;
        let tag = tag(&key, &secret).finalize().into_bytes().to_vec();
        Ok(Self { path: path.to_owned(), key, held: Mutex::new(Held { tag, read: Instant::now() }) })
    }

    /// Whether `given` is the secret; how long that takes tells nothing about it. A file that was replaced counts within
    /// ten seconds; one that cannot be read leaves the old secret in place.
    pub async fn is(&self, given: &[u8]) -> bool {
        if self.due() {
            match read(&self.path).await {
                Ok(secret) => self.hold().tag = tag(&self.key, &secret).finalize().into_bytes().to_vec(),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "push secret not read again"),
            }
        }
        let held = self.hold().tag.clone();
        tag(&self.key, given).verify_slice(&held).is_ok()
    }

    fn due(&self) -> bool {
        let mut held = self.hold();
        let due = held.read.elapsed() >= AGAIN;
        if due {
            held.read = Instant::now();
        }
        due
    }

    fn hold(&self) -> parking_lot::MutexGuard<'_, Held> {
        self.held.lock()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("path", &self.path).finish_non_exhaustive()
    }
}

fn tag(key: &[u8; 32], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac
}

/// What editors add at the end of a file is no part of it.
async fn read(path: &Path) -> Result<Vec<u8>> {
    let text =
        tokio::fs::read(path).await.with_context(|| format!("--push-secret-file: {}", path.display()))?;
    let secret = text.trim_ascii();
    ensure!(!secret.is_empty(), "--push-secret-file: {} is empty", path.display());
    Ok(secret.to_vec())
}
