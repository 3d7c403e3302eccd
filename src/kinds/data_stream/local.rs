//! Addresses that emnify cannot reach: those of this machine or this link.

use std::net::IpAddr;

use emnify::{Api, Error};
use emnify_engine::kind::misuse;

use super::destination::{Wanted, WantedDestination};

/// The URL of the destination, if it is one of this machine or link.
pub(super) fn url_of(destination: &WantedDestination) -> Option<String> {
    let (_, Wanted::Text(url)) = destination.values.get("url")? else { return None };
    is_local(url).then(|| url.clone())
}

fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.').to_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => {
            let four = ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback() || ip.is_link_local());
            four || ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Only a simulator, on loopback itself, delivers there.
pub(super) fn check(api: &Api, local: Option<&str>) -> Result<(), Error> {
    match local {
        Some(url) if !api.client().base_url().is_loopback() => Err(misuse(&format!(
            "destination.webhook.url: {url} is an address of this machine or link, which emnify cannot reach; write a public one"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_emnify_cannot_reach_are_known_in_every_spelling() {
        for url in [
            "http://localhost/push",
            "https://LOCALHOST.:8443",
            "http://a.localhost",
            "http://127.0.0.1:9/x",
            "http://127.8.8.8",
            "https://169.254.169.254/latest",
            "http://[::1]:8080/",
            "http://[fe80::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in ["https://push.example.com/localhost", "https://10.0.0.1", "https://localhost.example.com"]
        {
            assert!(!is_local(url), "{url}");
        }
    }
}
