//! Where the simulator really calls.

/// A URL of plain HTTP on loopback; others are called by nobody.
pub fn loopback(url: &str) -> Option<http::Uri> {
    let url: http::Uri = url.parse().ok()?;
    let local = ["127.0.0.1", "localhost", "[::1]"].contains(&url.host()?);
    (local && url.scheme_str() == Some("http")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_machine() {
        for url in ["http://127.0.0.1:8080/sms", "http://localhost/", "http://[::1]:1/a?b=c"] {
            assert!(loopback(url).is_some(), "{url}");
        }
        for url in ["https://127.0.0.1/", "http://192.0.2.1/", "http://localhost.example/", "sms", ""] {
            assert!(loopback(url).is_none(), "{url}");
        }
    }
}
