//! Where requests go and the bytes of each.

use super::args::Args;
use std::{
    net::{SocketAddr, ToSocketAddrs},
    rc::Rc,
};

#[derive(Clone, Debug)]
pub struct Target {
    pub name: &'static str,
    pub url: String,
    pub addr: SocketAddr,
    pub stream: bool,
    pub request: Vec<u8>,
}

impl Target {
    pub fn new(name: &'static str, url: &str, model: &str, stream: bool, args: &Args) -> Result<Target, String> {
        let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: expected http://HOST:PORT/PATH"))?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let with_port = if authority.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok()) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let mut addrs = with_port.to_socket_addrs().map_err(|error| format!("{url}: {error}"))?;
        let addr = addrs.next().ok_or_else(|| format!("{url}: no address"))?;
        let path = match path.trim_end_matches('/') {
            "" | "/v1" => "/v1/chat/completions",
            path => path,
        };
        let body = body(path, model, stream, args.body_bytes);
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n");
        if path.ends_with("/messages") {
            head.push_str("anthropic-version: 2023-06-01\r\n");
        }
        if let Some(key) = &args.key {
            head.push_str(&format!("authorization: Bearer {key}\r\n"));
        }
        for header in &args.headers {
            let (name, value) =
                header.split_once(':').ok_or_else(|| format!("--header {header}: expected `name: value`"))?;
            head.push_str(&format!("{}: {}\r\n", name.trim(), value.trim()));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        if head.matches("\r\n\r\n").count() > 1 || head.contains('\0') {
            return Err("a header, key or path holds a line break".to_owned());
        }
        let request = [head.as_bytes(), body.as_bytes()].concat();
        Ok(Target { name, url: format!("http://{authority}{path}"), addr, stream, request })
    }

    pub fn shared_request(&self) -> Rc<Vec<u8>> {
        Rc::new(self.request.clone())
    }
}

/// A body of exactly `bytes`, or of the least that says all there is to say.
fn body(path: &str, model: &str, stream: bool, bytes: usize) -> String {
    let model = serde_json::Value::from(model);
    let with_text = |text: &str| {
        let stream_field = if stream { ",\"stream\":true" } else { "" };
        if path.ends_with("/responses") || path.ends_with("/embeddings") {
            format!("{{\"model\":{model}{stream_field},\"input\":\"{text}\"}}")
        } else if path.ends_with("/chat/completions") || path.ends_with("/messages") {
            format!(
                "{{\"model\":{model}{stream_field},\"max_tokens\":4096,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}"
            )
        } else {
            format!("{{\"model\":{model}{stream_field},\"prompt\":\"{text}\"}}")
        }
    };
    let room = bytes.saturating_sub(with_text("").len());
    let mut text =
        "The keeper of the sluice counts the water that passes and writes it in a book. ".repeat(room / 79 + 1);
    text.truncate(room);
    with_text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_long_as_asked_and_valid() {
        for path in ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings", "/v1/completions"] {
            let body = body(path, "a/b", true, 1024);
            assert_eq!(body.len(), 1024, "{path}");
            let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!((&value["model"], &value["stream"]), (&"a/b".into(), &true.into()));
        }
    }
}
