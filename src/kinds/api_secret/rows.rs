//! What emnify shows of a key, and what the spec wants.

use emnify::wire::integration::ApiSecret as Wire;
use emnify_engine::kind::{mark, secret::SecretValue};

/// Path of the reference to the Secret.
pub const VALUE: &str = "secretRef";
/// Name of the key by which an attempt is found.
pub const NONCE: &str = "nonce";

/// Entry of the listing; the value is in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Id.
    pub id: i64,
    /// The purpose without our mark.
    pub text: String,
    /// Who made it: `installation/namespace/name`.
    pub owner: Option<String>,
    /// The attempt that made it.
    pub nonce: Option<String>,
}

impl From<Wire> for Row {
    fn from(wire: Wire) -> Self {
        let purpose = wire.purpose.unwrap_or_default();
        let (text, found) = mark::split(&purpose);
        let (owner, nonce) = found.map(|found| found.split_once('#').unwrap_or((found, ""))).unzip();
        Self {
            id: wire.id,
            text: text.to_owned(),
            owner: owner.map(str::to_owned),
            nonce: nonce.filter(|nonce| !nonce.is_empty()).map(str::to_owned),
        }
    }
}

/// The only piece that the entry of one key does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Keys of the same owner.
    Earlier,
}

/// What was read beyond the key itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Ids of other keys with the same owner in their mark.
    pub earlier: Option<Vec<i64>>,
}

/// The other keys of the owner of the key `id`.
pub fn siblings(id: i64, rows: impl Iterator<Item = Row>) -> Vec<i64> {
    let rows: Vec<Row> = rows.collect();
    let owner = rows.iter().find(|row| row.id == id).and_then(|row| row.owner.as_ref());
    let of_owner = |row: &&Row| owner.is_some() && row.owner.as_ref() == owner && row.id != id;
    rows.iter().filter(of_owner).map(|row| row.id).collect()
}

/// What the spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// The user's purpose; unset leaves what is there.
    pub text: Option<String>,
    /// Name of the object, for a new key without a purpose.
    pub name: String,
    /// `installation/namespace/name`.
    pub owner: String,
    /// The key.
    pub value: SecretValue,
    /// One that was taken over is replaced, since nobody can tell what it is.
    pub replaces: bool,
}

impl Want {
    /// The purpose of a new key, which the attempt `nonce` makes.
    pub fn purpose(&self, nonce: &str) -> String {
        let text = self.text.as_deref().unwrap_or(&self.name);
        let nonce = if nonce.is_empty() { String::new() } else { format!("#{nonce}") };
        mark::append(Some(text), &format!("[k8s {}{nonce}]", self.owner))
    }
}
