//! Where the API is.

use std::fmt;

use reqwest::Url;

/// The address of an emnify host, checked once: an origin and possibly a path in front of `/api`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(Url);

/// Why a base URL was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not an absolute http or https URL.
    #[error("the base URL is not an absolute http or https URL")]
    NotHttp,
    /// User, password, query or fragment.
    #[error("the base URL must not hold a user, a password, a query or a fragment")]
    Extras,
}

impl BaseUrl {
    /// emnify's production host.
    pub const PRODUCTION: &str = "https://cdn.emnify.net";

    /// Reads an address; a trailing `/` or `/api` is dropped, so that both spellings in use work.
    pub fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        let trimmed = text.trim().trim_end_matches('/');
        let trimmed = trimmed.strip_suffix("/api").unwrap_or(trimmed);
        let url = Url::parse(trimmed).map_err(|_| InvalidBaseUrl::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidBaseUrl::NotHttp);
        }
        let extras = [url.query().is_some(), url.fragment().is_some(), url.password().is_some()];
        if extras.contains(&true) || !url.username().is_empty() {
            return Err(InvalidBaseUrl::Extras);
        }
        Ok(Self(url))
    }

    /// Scheme, host and port: what a bearer token may be sent to.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Requests to it are encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host is this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// This address with the segments of `route`, its `{...}` replaced by `args` in order, and `query`.
    pub(crate) fn join(&self, route: &str, args: &[String], query: &[(&'static str, String)]) -> Url {
        let mut url = self.0.clone();
        let mut args = args.iter();
        {
            let mut path = url.path_segments_mut().expect("http URLs have a path");
            path.pop_if_empty();
            for segment in route.split('/').filter(|segment| !segment.is_empty()) {
                if segment.starts_with('{') {
                    path.push(args.next().expect("every placeholder has its argument"));
                } else {
                    path.push(segment);
                }
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_in_use_are_one_address() {
        let plain = BaseUrl::parse("https://cdn.emnify.net").unwrap();
        assert_eq!(BaseUrl::parse("https://cdn.emnify.net/api/").unwrap(), plain);
        assert_eq!(plain.to_string(), "https://cdn.emnify.net");
    }

    #[test]
    fn an_address_holds_no_secret_and_is_http() {
        assert_eq!(BaseUrl::parse("https://me:hush@cdn.emnify.net"), Err(InvalidBaseUrl::Extras));
        assert_eq!(BaseUrl::parse("https://cdn.emnify.net?a=b"), Err(InvalidBaseUrl::Extras));
        assert_eq!(BaseUrl::parse("ftp://cdn.emnify.net"), Err(InvalidBaseUrl::NotHttp));
        assert_eq!(BaseUrl::parse("cdn.emnify.net"), Err(InvalidBaseUrl::NotHttp));
    }

    #[test]
    fn loopback_is_known_by_name_and_number() {
        for local in ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(BaseUrl::parse(local).unwrap().is_loopback(), "{local}");
        }
        assert!(!BaseUrl::parse("http://10.0.0.1").unwrap().is_loopback());
    }

    #[test]
    fn arguments_cannot_leave_their_segment() {
        let base = BaseUrl::parse("http://host/prefix").unwrap();
        let url = base.join("/api/v1/endpoint/{id}/sms", &["1/../2".into()], &[("q", "name:a&b".into())]);
        assert_eq!(url.as_str(), "http://host/prefix/api/v1/endpoint/1%2F..%2F2/sms?q=name%3Aa%26b");
    }
}
