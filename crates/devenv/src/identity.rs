//! Who may talk to the API server: its token file and kubeconfigs.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

/// A user the API server knows by a bearer token. RBAC decides what it may do: nothing, until it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user name, as RBAC subjects and audit see it.
    pub name: String,
    /// Its groups, `system:authenticated` apart, which every identity is in.
    pub groups: Vec<String>,
}

impl Identity {
    /// An identity in no group.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), groups: Vec::new() }
    }
}

/// An identity and the token that proves it.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) identity: Identity,
    pub(crate) token: SecretString,
}

impl Credential {
    pub(crate) fn mint(identity: Identity) -> Self {
        Self { identity, token: format!("{:032x}", rand::random::<u128>()).into() }
    }

    pub(crate) fn master(name: &str) -> Self {
        Self::mint(Identity { name: name.to_owned(), groups: vec!["system:masters".to_owned()] })
    }
}

/// The file of `--token-auth-file`: token, user, uid, groups.
pub(crate) fn token_file(credentials: &[Credential]) -> String {
    let mut file = String::new();
    for Credential { identity, token } in credentials {
        let groups = identity.groups.join(",");
        let fields = [token.expose_secret(), &identity.name, &identity.name, &groups];
        let line: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
        writeln!(file, "{}", line.join(",")).expect("a String takes every write");
    }
    file
}

/// A kubeconfig with one context, `devenv`, and everything inline. JSON strings are YAML strings.
pub(crate) fn kubeconfig(server: &str, ca_pem: &str, token: &SecretString) -> String {
    let ca = STANDARD.encode(ca_pem);
    let token = token.expose_secret();
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: devenv
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: devenv
  user:
    token: {token}
contexts:
- name: devenv
  context:
    cluster: devenv
    user: devenv
current-context: devenv
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_quotes_names_and_joins_groups() {
        let identity = Identity {
            name: "system:serviceaccount:a:b".into(),
            groups: vec!["x".into(), "say \"y\"".into()],
        };
        let credential = Credential { identity, token: "t".to_owned().into() };
        assert_eq!(
            token_file(&[credential]),
            "\"t\",\"system:serviceaccount:a:b\",\"system:serviceaccount:a:b\",\"x,say \"\"y\"\"\"\n",
            "the groups are one quoted CSV field",
        );
    }

    #[test]
    fn tokens_differ_and_do_not_print() {
        let (a, b) = (Credential::master("a"), Credential::master("a"));
        assert_ne!(a.token.expose_secret(), b.token.expose_secret(), "every token is random");
        assert!(!format!("{a:?}").contains(a.token.expose_secret()), "a token is not in Debug output");
    }
}
