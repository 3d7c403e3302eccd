//! From Secrets to credentials, and digests that tell whether they changed without revealing them.

use std::collections::{BTreeMap, BTreeSet};

use emnify::Credentials;
use emnify_engine::kind::{
    Invalid,
    secret::{self, one_line},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    second_factor::{self, SecondFactor},
    spec::{CredentialsSpec, UserSpec},
};
use crate::api::SecretKeyRef;

/// Values of the Secrets that credentials come from: by Secret name, `None` where the Secret does not exist.
pub type Secrets = BTreeMap<String, Option<BTreeMap<String, Vec<u8>>>>;

/// What a session keeps for telling credentials apart; lives in the session's Secret.
#[derive(Clone, Debug)]
pub struct TrustedDevice {
    /// Random; without it a digest in a status would let a weak password be guessed.
    pub salt: SecretString,
    /// Random; the operator's identity as a trusted device.
    pub fingerprint: SecretString,
}

/// Why the Secrets give no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Names the field and the mend.
    pub invalid: Invalid,
    /// A Secret, or a key in it, is not there: whoever makes it may not have got to it yet.
    pub absent: bool,
}

impl From<Invalid> for Lack {
    fn from(invalid: Invalid) -> Self {
        Self { invalid, absent: false }
    }
}

/// Credentials as the Secrets give them now.
#[derive(Clone, Debug)]
pub struct CredentialSet {
    /// What to log in with.
    pub credentials: Credentials,
    /// What is compared.
    pub digests: Digests,
    /// The same user with the password of before.
    pub previous: Option<Credentials>,
}

/// Salted digests of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// Which credential it is, whatever code registers the device.
    pub credential: String,
    /// The one-time code on offer.
    pub code: Option<String>,
    /// emnify locks users out after three refusals in a row; application tokens may be probed. [S]
    pub probing: bool,
    /// Field to name in messages.
    pub path: &'static str,
    /// The credential with the password of before, where there is another one.
    pub previous: Option<String>,
    /// The spec says which workspace of the user it is.
    pub switches: bool,
    /// Secret with the key of the second factor that the operator manages.
    pub second_factor: Option<String>,
}

impl Digests {
    /// What must change before a refusal is forgotten: the credential, or the code that came with it.
    pub fn attempt(&self, used_code: Option<&str>) -> String {
        match self.code.as_deref().filter(|code| Some(*code) != used_code) {
            Some(code) => format!("{}.{code}", self.credential),
            None => self.credential.clone(),
        }
    }
}

impl CredentialsSpec {
    /// Where credentials are in the spec.
    pub const TOKEN: &str = "spec.credentials.applicationTokenSecretRef";
    /// Where a user's password is in the spec.
    pub const PASSWORD: &str = "spec.credentials.user.passwordSecretRef";
    /// Where the password of before is in the spec.
    pub const PREVIOUS: &str = "spec.credentials.user.previousPasswordSecretRef";
    const USERNAME: &str = "spec.credentials.user.usernameSecretRef";
    const TOTP: &str = "spec.credentials.user.mfa.totpSecretRef";
    const CODE: &str = "spec.credentials.user.mfa.trustedDevice.codeSecretRef";

    /// Names of the Secrets to read.
    pub fn secrets(&self) -> BTreeSet<&str> {
        let user = self.user.as_ref();
        let mfa = user.and_then(|user| user.mfa.as_ref());
        [
            self.application_token_secret_ref.as_ref(),
            user.and_then(|user| user.username_secret_ref.as_ref()),
            user.map(|user| &user.password_secret_ref),
            user.and_then(|user| user.previous_password_secret_ref.as_ref()),
            mfa.and_then(|mfa| mfa.totp_secret_ref.as_ref()),
            mfa.and_then(|mfa| mfa.trusted_device.as_ref()).map(|device| &device.code_secret_ref),
        ]
        .into_iter()
        .flatten()
        .map(|key| key.name.as_str())
        .chain(mfa.and_then(|mfa| mfa.managed.as_ref()).map(|managed| managed.secret_name.as_str()))
        .collect()
    }

    /// The credentials that the Secrets hold; `used_code` is not offered again.
    pub fn offer(
        &self,
        secrets: &Secrets,
        kept: &TrustedDevice,
        used_code: Option<&str>,
    ) -> Result<CredentialSet, Lack> {
        match (&self.application_token_secret_ref, &self.user) {
            (Some(key), None) => {
                let token = required(secrets, key, Self::TOKEN)?;
                let digests = Digests {
                    credential: digest(kept, "token", &[&token]),
                    code: None,
                    probing: true,
                    path: Self::TOKEN,
                    ..Digests::default()
                };
                Ok(CredentialSet {
                    credentials: Credentials::ApplicationToken(token),
                    digests,
                    previous: None,
                })
            }
            (None, Some(user)) => user.offer(secrets, kept, used_code),
            _ => {
                Err(Invalid::new("spec.credentials", "set exactly one of applicationTokenSecretRef, user")
                    .into())
            }
        }
    }
}

impl UserSpec {
    fn offer(
        &self,
        secrets: &Secrets,
        kept: &TrustedDevice,
        used_code: Option<&str>,
    ) -> Result<CredentialSet, Lack> {
        let username = match (&self.username, &self.username_secret_ref) {
            (Some(name), None) => SecretString::from(name.trim().to_owned()),
            (None, Some(key)) => required(secrets, key, CredentialsSpec::USERNAME)?,
            _ => {
                let message = "set exactly one of username, usernameSecretRef";
                return Err(Invalid::new("spec.credentials.user", message).into());
            }
        };
        let path = CredentialsSpec::PASSWORD;
        let password = text(secrets, &self.password_secret_ref, path)?;
        let password = password.ok_or_else(|| missing(secrets, &self.password_secret_ref, path))?;
        let password = SecretString::from(one_line(password.expose_secret()).to_owned());
        let mfa = self.mfa.as_ref();
        let totp_key = mfa.and_then(|mfa| mfa.totp_secret_ref.as_ref());
        let totp_key = totp_key.map(|key| required(secrets, key, CredentialsSpec::TOTP)).transpose()?;
        let managed = mfa.and_then(|mfa| mfa.managed.as_ref());
        let device = mfa.and_then(|mfa| mfa.trusted_device.as_ref());
        let code = match device {
            Some(device) => code(secrets, &device.code_secret_ref)?,
            None => None,
        };
        let code_digest = code.as_ref().map(|code| digest(kept, "code", &[code]));
        let offered = code_digest.as_deref().is_some_and(|code| Some(code) != used_code);
        let second = SecretString::from(if device.is_some() { "device" } else { "none" });
        let second = totp_key.as_ref().unwrap_or(&second);
        let of = |password: &SecretString| digest(kept, "user", &[&username, password, second]);
        let credential = of(&password);
        let before = self.previous(secrets)?.map(|before| (of(&before), before));
        let before = before.filter(|(other, _)| *other != credential);
        let digests = Digests {
            previous: before.as_ref().map(|(digest, _)| digest.clone()),
            credential,
            code: code_digest,
            probing: false,
            path,
            switches: self.switch_to.is_some(),
            second_factor: managed.map(|managed| managed.secret_name.to_string()),
        };
        // the key is no part of the credential: it is made, and goes, while that stays
        let totp_key =
            totp_key.or_else(|| managed.and_then(|to| managed_key(secrets, to.secret_name.as_str())));
        let with = |password: SecretString, mfa_code: Option<SecretString>| Credentials::User {
            username: username.expose_secret().to_owned(),
            password,
            totp_key: totp_key.clone(),
            trusted_device: device.map(|_| kept.fingerprint.clone()),
            mfa_code,
        };
        let previous = before.map(|(_, password)| with(password, None));
        Ok(CredentialSet { credentials: with(password, code.filter(|_| offered)), digests, previous })
    }

    /// The password of before, as long as its Secret is there: it may go when it is not needed.
    fn previous(&self, secrets: &Secrets) -> Result<Option<SecretString>, Invalid> {
        let Some(key) = &self.previous_password_secret_ref else { return Ok(None) };
        let text = text(secrets, key, CredentialsSpec::PREVIOUS)?;
        let text = text.map(|text| one_line(text.expose_secret()).to_owned());
        Ok(text.filter(|text| !text.is_empty()).map(Into::into))
    }
}

/// The key that the operator put into a Secret.
fn managed_key(secrets: &Secrets, name: &str) -> Option<SecretString> {
    let value = secrets.get(name)?.as_ref()?.get(second_factor::KEY)?.clone();
    String::from_utf8(value)
        .ok()
        .map(|key| key.trim().to_owned())
        .filter(|key| !key.is_empty())
        .map(Into::into)
}

/// As long as emnify has the second factor, a login needs its key, also when the spec does not name it any more.
pub fn with_factor(mut offer: CredentialSet, factor: Option<&SecondFactor>) -> CredentialSet {
    let Some(factor) = factor else { return offer };
    for credentials in [Some(&mut offer.credentials), offer.previous.as_mut()].into_iter().flatten() {
        if let Credentials::User { totp_key, trusted_device: None, .. } = credentials {
            totp_key.get_or_insert_with(|| factor.key.clone());
        }
    }
    offer
}

/// The Secret that the spec names may be lost; the key is not, and the Secret is written again after the login. True if it is lost.
pub fn stand_in(factor: Option<&SecondFactor>, values: &mut Secrets) -> bool {
    let Some(factor) = factor else { return false };
    let Some(data) = values.get_mut(&factor.secret) else { return false };
    let lost = data.as_ref().is_none_or(|data| data.get(second_factor::KEY).is_none_or(Vec::is_empty));
    if lost {
        let key = factor.key.expose_secret().as_bytes().to_vec();
        data.get_or_insert_default().insert(second_factor::KEY.to_owned(), key);
    }
    lost
}

/// The code, once the Secret with it is there: registration happens once, and the Secret may go away afterwards.
fn code(secrets: &Secrets, key: &SecretKeyRef) -> Result<Option<SecretString>, Invalid> {
    let Some(code) = text(secrets, key, CredentialsSpec::CODE)? else { return Ok(None) };
    let code = code.expose_secret().trim().to_owned();
    if code.is_empty() {
        return Ok(None);
    }
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("key {} of Secret {} must hold the six digits of a code", key.key, key.name);
        return Err(Invalid::new(CredentialsSpec::CODE, message));
    }
    Ok(Some(code.into()))
}

/// A value that must be there; blanks around it are a slip of whoever made the Secret.
fn required(secrets: &Secrets, key: &SecretKeyRef, path: &str) -> Result<SecretString, Lack> {
    let value = text(secrets, key, path)?.map(|value| value.expose_secret().trim().to_owned());
    value.filter(|value| !value.is_empty()).map(Into::into).ok_or_else(|| missing(secrets, key, path))
}

fn text(secrets: &Secrets, key: &SecretKeyRef, path: &str) -> Result<Option<SecretString>, Invalid> {
    let secret = secrets.get(key.name.as_str()).and_then(Option::as_ref);
    let Some(value) = secret.and_then(|secret| secret.get(key.key.as_str())) else { return Ok(None) };
    let value = std::str::from_utf8(value).map_err(|_| {
        Invalid::new(
            path,
            format!("key {} of Secret {} is not text; store the value itself", key.key, key.name),
        )
    })?;
    Ok(Some(value.to_owned().into()))
}

fn missing(secrets: &Secrets, key: &SecretKeyRef, path: &str) -> Lack {
    let name = &key.name;
    let (absent, message) = match secrets.get(name.as_str()) {
        Some(Some(secret)) if secret.contains_key(key.key.as_str()) => {
            (false, format!("key {} of Secret {name} is empty; put the value there", key.key))
        }
        Some(Some(_)) => {
            (true, format!("Secret {name} has no key {}; add it, or name the key that it has", key.key))
        }
        _ => (true, format!("Secret {name} does not exist; create it with the key {}", key.key)),
    };
    Lack { invalid: Invalid::new(path, message), absent }
}

fn digest(kept: &TrustedDevice, flow: &str, values: &[&SecretString]) -> String {
    secret::digest(&kept.salt, flow, values.iter().map(|value| value.expose_secret()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(salt: &str) -> TrustedDevice {
        TrustedDevice { salt: salt.to_owned().into(), fingerprint: "f1".to_owned().into() }
    }

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        let data = values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        Secrets::from([("s".to_owned(), Some(data)), ("absent".to_owned(), None)])
    }

    fn spec(value: serde_json::Value) -> CredentialsSpec {
        serde_json::from_value(value).unwrap()
    }

    fn token() -> CredentialsSpec {
        spec(json!({"applicationTokenSecretRef": {"name": "s", "key": "token"}}))
    }

    fn user(mfa: serde_json::Value) -> CredentialsSpec {
        let password = json!({"name": "s", "key": "password"});
        let mut user = json!({"user": {"username": "a@example.com", "passwordSecretRef": password}});
        user["user"]["mfa"] = mfa;
        spec(user)
    }

    fn device() -> CredentialsSpec {
        user(json!({"trustedDevice": {"codeSecretRef": {"name": "s", "key": "code"}}}))
    }

    fn offer(spec: &CredentialsSpec, values: &[(&str, &str)]) -> Result<CredentialSet, Lack> {
        spec.offer(&secrets(values), &kept("salt"), None)
    }

    #[test]
    fn what_is_missing_is_named_with_its_mend() {
        let mend = |spec: &CredentialsSpec, values: &[(&str, &str)]| {
            offer(spec, values).unwrap_err().invalid.to_string()
        };
        let elsewhere = spec(json!({"applicationTokenSecretRef": {"name": "absent", "key": "token"}}));
        assert!(
            mend(&elsewhere, &[]).ends_with("Secret absent does not exist; create it with the key token")
        );
        assert!(mend(&token(), &[("other", "x")]).contains("Secret s has no key token"));
        assert!(mend(&token(), &[("token", " \n")]).contains("key token of Secret s is empty"));
        assert!(mend(&device(), &[("password", "p"), ("code", "12345")]).contains("six digits"));
        let error = mend(&device(), &[("password", "p"), ("code", "hunter2")]);
        assert!(!error.contains("hunter2"), "a message never repeats a value: {error}");
    }

    #[test]
    fn only_what_is_not_there_may_still_come() {
        let absent =
            |spec: &CredentialsSpec, values: &[(&str, &str)]| offer(spec, values).unwrap_err().absent;
        let elsewhere = spec(json!({"applicationTokenSecretRef": {"name": "absent", "key": "token"}}));
        assert!(absent(&elsewhere, &[]), "the Secret");
        assert!(absent(&token(), &[("other", "x")]), "a key in it");
        assert!(absent(&user(json!(null)), &[]), "the key of a password");
        assert!(!absent(&token(), &[("token", " \n")]), "an empty value does not fill itself");
        assert!(!absent(&device(), &[("password", "p"), ("code", "12345")]), "what is wrong stays wrong");
        assert!(!absent(&spec(json!({})), &[]), "no Secret makes a spec whole");
    }

    #[test]
    fn a_line_break_at_the_end_is_not_part_of_a_secret() {
        let plain = offer(&token(), &[("token", "t")]).unwrap();
        let broken = offer(&token(), &[("token", "t\n")]).unwrap();
        assert_eq!(plain.digests, broken.digests);
        let Credentials::User { password, .. } =
            offer(&user(json!(null)), &[("password", " p \r\n")]).unwrap().credentials
        else {
            panic!("a user")
        };
        assert_eq!(
            password.expose_secret(),
            " p ",
            "only one line break goes; blanks may belong to a password"
        );
    }

    #[test]
    fn a_digest_changes_with_every_value_and_with_the_salt() {
        let base = offer(&user(json!(null)), &[("password", "p")]).unwrap().digests.credential;
        let other = offer(&user(json!(null)), &[("password", "q")]).unwrap().digests.credential;
        let salted = user(json!(null)).offer(&secrets(&[("password", "p")]), &kept("other"), None).unwrap();
        assert_ne!(base, other, "another password is another credential");
        assert_ne!(base, salted.digests.credential, "without the salt nobody can compute it");
        assert!(!base.contains('p'), "hexadecimal digits only");
    }

    #[test]
    fn a_code_registers_the_device_once_and_is_not_part_of_the_credential() {
        let with = offer(&device(), &[("password", "p"), ("code", "123456")]).unwrap();
        let without = offer(&device(), &[("password", "p")]).unwrap();
        assert_eq!(
            with.digests.credential, without.digests.credential,
            "a used-up code does not end a session"
        );
        assert_ne!(
            with.digests.attempt(None),
            without.digests.attempt(None),
            "a new code is worth a new attempt"
        );
        let used = with.digests.code.clone();
        let again = device()
            .offer(&secrets(&[("password", "p"), ("code", "123456")]), &kept("salt"), used.as_deref())
            .unwrap();
        let Credentials::User { mfa_code, trusted_device, .. } = again.credentials else { panic!("a user") };
        assert!(mfa_code.is_none(), "a code works once");
        assert!(trusted_device.is_some(), "the device keeps its fingerprint");
        assert_eq!(again.digests.attempt(used.as_deref()), without.digests.attempt(None));
    }

    #[test]
    fn only_the_secrets_named_are_read() {
        assert_eq!(device().secrets(), BTreeSet::from(["s"]));
        assert_eq!(token().secrets(), BTreeSet::from(["s"]));
    }

    #[test]
    fn no_secret_shows_in_debug_output() {
        let offer = offer(&device(), &[("password", "hunter2"), ("code", "123456")]).unwrap();
        let shown = format!("{offer:?} {:?}", kept("pepper"));
        for secret in ["hunter2", "123456", "pepper", "f1\""] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}
