//! Tokens of callbacks: JWTs that a shared key signed, and nothing else that calls itself one.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Number, Value};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Refused, keys::Key};

/// A token of emnify has some hundred characters.
const LONGEST: usize = 4096;
/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 60;
/// A token is good for so many seconds at most, whatever it says: who took one is remembered that long.
const DAY: i64 = 86_400;

/// The algorithms that a shared key signs with. `none`, and those of key pairs, are not among them.
#[derive(Clone, Copy, Deserialize)]
enum Algorithm {
    HS256,
    HS384,
    HS512,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    /// What has to be understood, and is not.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Number,
    nbf: Option<Number>,
    iat: Option<Number>,
    jti: Option<Value>,
    #[serde(rename = "esc.org")]
    organisation: Option<Value>,
}

/// What a token that is good says. It is not printed.
pub(super) struct Token {
    /// What is the same in no other one: its id, or all that was signed.
    identity: Identity,
    /// When it is over for certain, in seconds since 1970.
    pub(super) until: i64,
    /// The organisation that it speaks for, if it says so.
    pub(super) organisation: Option<i64>,
}

enum Identity {
    Id(String),
    Signed(String),
}

/// What is remembered of a call.
pub(super) type Mark = [u8; 32];

impl Token {
    /// What a call with this token and this body is known by. A token without an id may be one of several that were signed in the same
    /// second, so that its body tells them apart.
    pub(super) fn mark(&self, body: &[u8]) -> Mark {
        let (kind, text, body) = match &self.identity {
            Identity::Id(id) => (b"id", id, &[][..]),
            Identity::Signed(signed) => (b"of", signed, body),
        };
        let (text, body) = (Sha256::digest(text.as_bytes()), Sha256::digest(body));
        Sha256::digest([&kind[..], text.as_slice(), body.as_slice()].concat()).into()
    }
}

/// The token of `given`, signed with one of the keys and good at `now`. One that only keys of an organisation signed speaks for that
/// organisation, and for no other.
pub(super) fn read(given: &str, keys: &[Key], now: i64) -> Result<Token, Refused> {
    if given.len() > LONGEST {
        return Err(Refused::Token);
    }
    let (signed, signature) = given.rsplit_once('.').ok_or(Refused::Token)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused::Token)?;
    let Header { alg, crit } = part(header)?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| Refused::Token)?;
    // every key is tried, so that the time tells nothing of which it was
    let mut signers = Vec::new();
    for key in keys {
        let good = is_signed(alg, &key.secret, signed.as_bytes(), &signature);
        signers.extend(good.then_some(key.organisation));
    }
    if signers.is_empty() || crit.is_some() {
        return Err(Refused::Token);
    }
    let claims: Claims = part(claims)?;
    let until = good_until(&claims, now)?;
    let identity = match claims.jti {
        None => Identity::Signed(signed.to_owned()),
        Some(Value::String(id)) => Identity::Id(id),
        Some(id) => Identity::Id(id.to_string()),
    };
    let organisation = speaks_for(&signers, claims.organisation.as_ref().and_then(Value::as_i64))?;
    Ok(Token { identity, until, organisation })
}

/// The organisation that a token is about, if it is known: the one that it names, which those who signed may speak for.
fn speaks_for(signers: &[Option<i64>], named: Option<i64>) -> Result<Option<i64>, Refused> {
    match (signers, named) {
        (_, named) if signers.contains(&None) => Ok(named),
        (_, Some(named)) if !signers.contains(&Some(named)) => Err(Refused::Organisation),
        (_, Some(named)) => Ok(Some(named)),
        ([only], None) => Ok(*only),
        // two organisations share a key, and it does not say which it is
        (_, None) => Err(Refused::Organisation),
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Refused> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Refused::Token)?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Token)
}

/// Compared in a time that tells nothing about the signature that would be right.
fn is_signed(alg: Algorithm, key: &SecretSlice<u8>, signed: &[u8], signature: &[u8]) -> bool {
    fn by<M: Mac + KeyInit>(key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(signed);
        mac.verify_slice(signature).is_ok()
    }
    let key = key.expose_secret();
    match alg {
        Algorithm::HS256 => by::<Hmac<Sha256>>(key, signed, signature),
        Algorithm::HS384 => by::<Hmac<Sha384>>(key, signed, signature),
        Algorithm::HS512 => by::<Hmac<Sha512>>(key, signed, signature),
    }
}

/// Until when the token counts, clocks that differ included.
fn good_until(claims: &Claims, now: i64) -> Result<i64, Refused> {
    let exp = seconds(&claims.exp)?;
    let nbf = claims.nbf.as_ref().map(seconds).transpose()?;
    let iat = claims.iat.as_ref().map(seconds).transpose()?;
    if nbf.into_iter().chain(iat).any(|begins| begins > now.saturating_add(LEEWAY)) {
        return Err(Refused::Token);
    }
    let until = exp.min(iat.unwrap_or(exp).saturating_add(DAY)).saturating_add(LEEWAY);
    if until <= now {
        return Err(Refused::Expired);
    }
    // it does not say since when it is good, and claims to be so for long
    if until.saturating_sub(now) > DAY + 2 * LEEWAY { Err(Refused::Token) } else { Ok(until) }
}

/// A time in seconds since 1970, which may have a fraction.
#[allow(clippy::cast_possible_truncation, reason = "a time so far away is none either way")]
fn seconds(number: &Number) -> Result<i64, Refused> {
    let seconds = number.as_f64().filter(|seconds| seconds.is_finite());
    seconds.map(|seconds| seconds as i64).ok_or(Refused::Token)
}
