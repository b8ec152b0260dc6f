//! `http://` and `https://` URLs of providers and collectors, cut into what a connection needs.

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Url {
    pub https: bool,
    /// Lower case; an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
    /// Starts with `/`, or is empty.
    pub path: String,
}

pub(super) const EXPECTED: &str = "`http://HOST[:PORT][/PATH]` or `https://...`, without user, query or fragment";

impl Url {
    /// `None` when `text` is not such a URL. The caller must not print `text`: it may hold a password.
    pub fn parse(text: &str) -> Option<Self> {
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path_byte = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'"' | b'<' | b'>' | b'\\');
        if !path.bytes().all(path_byte) {
            return None;
        }
        let (host, port) = Self::split_authority(authority)?;
        let port = match port {
            None if https => 443,
            None => 80,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|&port| port != 0)?
            }
            Some(_) => return None,
        };
        Some(Self { https, host: host.to_ascii_lowercase(), port, path: path.to_owned() })
    }

    fn split_authority(authority: &str) -> Option<(&str, Option<&str>)> {
        if let Some(rest) = authority.strip_prefix('[') {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            return match after.strip_prefix(':') {
                Some(port) => Some((host, Some(port))),
                None if after.is_empty() => Some((host, None)),
                None => None,
            };
        }
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        // Host names as DNS has them (RFC 1123 2.1), with the underscore that containers and clusters use.
        let host_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let sound = !host.is_empty() && host.len() <= 253 && host.bytes().all(host_byte) && !host.starts_with('.');
        sound.then_some((host, port))
    }

    /// Value of a `Host` field: the port only where it is not the scheme's own (RFC 9110 4.2).
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.https, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Scheme and authority.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart() {
        let url = Url::parse("https://API.openai.com/v1").expect("valid");
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("api.openai.com", 443, "/v1"));
        assert_eq!(url.authority(), "api.openai.com");
        let url = Url::parse("http://[::1]:8000").expect("valid");
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("::1", 8000, ""));
        assert_eq!(url.origin(), "http://[::1]:8000");
    }

    #[test]
    fn refuses_what_no_connection_can_be_made_of() {
        for bad in [
            "",
            "api.openai.com",
            "ftp://a",
            "http://",
            "http://a:0",
            "http://a:99999",
            "http://a:x",
            "http://u:p@a/",
            "http://a/?q",
            "http://a/#f",
            "http://a b/",
            "http://[::1",
            "http://[x]:1",
            "http://é/",
            "http://a/\r\n",
        ] {
            assert_eq!(Url::parse(bad), None, "{bad:?}");
        }
    }
}
