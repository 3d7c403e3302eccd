//! Hosts that may be given a token: `--allowed-base-url`, and the check of a workspace's `baseUrl` against it.

use std::collections::BTreeSet;

use emnify::{BaseUrl, InvalidBaseUrl};

/// Origins that a bearer token may be sent to; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(BTreeSet<String>);

/// Why a URL is refused; the sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostRefused {
    /// Not a URL, or one with more than a host and a path.
    #[error("{0}; write it like {default}", default = BaseUrl::PRODUCTION)]
    Invalid(#[from] InvalidBaseUrl),
    /// A token would travel in the clear.
    #[error("{0} must start with https://; http:// is accepted for loopback addresses only")]
    Insecure(String),
    /// The administrator did not list it.
    #[error(
        "{0} is not allowed; an administrator can allow it with the operator's flag --allowed-base-url {0}"
    )]
    NotAllowed(String),
    /// No URL was named, and the administrator did not list emnify's own.
    #[error(
        "unset means {0}, which is not allowed; name a URL that is, or have an administrator allow it with the operator's \
         flag --allowed-base-url {0}"
    )]
    DefaultNotAllowed(String),
    /// No workspace could work.
    #[error("at least one URL is needed, like {default}", default = BaseUrl::PRODUCTION)]
    Nothing,
}

impl Hosts {
    /// Reads the values of the flag.
    pub fn new<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<Self, HostRefused> {
        let origins = urls.into_iter().map(|url| Ok(encrypted(url)?.origin()));
        let origins = origins.collect::<Result<BTreeSet<_>, HostRefused>>()?;
        if origins.is_empty() { Err(HostRefused::Nothing) } else { Ok(Self(origins)) }
    }

    /// The URL that a workspace names, or emnify's own, if tokens may go there.
    pub fn admit(&self, named: Option<&str>) -> Result<BaseUrl, HostRefused> {
        let url = encrypted(named.unwrap_or(BaseUrl::PRODUCTION))?;
        if self.0.contains(&url.origin()) {
            return Ok(url);
        }
        Err(if named.is_some() { HostRefused::NotAllowed } else { HostRefused::DefaultNotAllowed }(
            url.origin(),
        ))
    }
}

fn encrypted(url: &str) -> Result<BaseUrl, HostRefused> {
    let url = BaseUrl::parse(url)?;
    if url.is_https() || url.is_loopback() { Ok(url) } else { Err(HostRefused::Insecure(url.origin())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_are_given_a_token() {
        let hosts = Hosts::new([BaseUrl::PRODUCTION, "http://127.0.0.1:8080"]).unwrap();
        assert_eq!(hosts.admit(None).unwrap().to_string(), BaseUrl::PRODUCTION, "unset means emnify");
        assert!(
            hosts.admit(Some("https://CDN.emnify.net:443/api")).is_ok(),
            "case, default port and path are free"
        );
        let error = hosts.admit(Some("https://evil.example")).unwrap_err();
        assert!(
            error.to_string().contains("--allowed-base-url https://evil.example"),
            "the mend is named: {error}"
        );
        assert!(hosts.admit(Some("http://127.0.0.1:8081")).is_err(), "another port is another origin");
        let unset = Hosts::new(["http://localhost:1"]).unwrap().admit(None).unwrap_err().to_string();
        let words = unset.starts_with("unset means https://cdn.emnify.net, which is not allowed");
        assert!(
            words,
            "emnify itself is no exception, and a spec that names no URL is not blamed for one: {unset}"
        );
    }

    #[test]
    fn a_token_never_travels_in_the_clear() {
        for url in ["http://cdn.emnify.net", "http://10.0.0.1", "http://127.0.0.1.example.com"] {
            assert!(
                matches!(Hosts::new([url]), Err(HostRefused::Insecure(_))),
                "{url} is neither https nor loopback"
            );
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let error = Hosts::new(["https://me:hunter2@cdn.emnify.net"]).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "the message must not repeat a password: {error}");
        assert_eq!(Hosts::new([]), Err(HostRefused::Nothing));
    }
}
