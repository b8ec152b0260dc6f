//! A raw HTTP/1.1 client: sends exactly the bytes it is given, reads answers strictly, says when one is cut off.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use super::PATIENCE;

pub struct Connection {
    stream: TcpStream,
    tls: Option<Box<rustls::ClientConnection>>,
    read: Vec<u8>,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body ended as its framing says.
    pub complete: bool,
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The `data` of each event of a stream.
    pub fn events(&self) -> Vec<String> {
        self.text()
            .split("\n\n")
            .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ").map(str::to_owned)))
            .collect()
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream, tls: None, read: Vec::new() }
    }

    /// Over TLS, to a server that calls itself `localhost`.
    pub fn open_tls(address: SocketAddr, config: Arc<rustls::ClientConfig>) -> Self {
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let tls = rustls::ClientConnection::new(config, name).expect("TLS");
        Self { tls: Some(Box::new(tls)), ..Self::open(address) }
    }

    /// Handshakes now; the error is what the handshake says.
    pub fn handshake(&mut self) -> Result<Vec<u8>, String> {
        let tls = self.tls.as_mut().expect("TLS");
        while tls.is_handshaking() {
            tls.complete_io(&mut self.stream).map_err(|error| error.to_string())?;
        }
        Ok(tls.peer_certificates().and_then(|chain| chain.first()).map(|cert| cert.to_vec()).unwrap_or_default())
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.tls {
            None => self.stream.write_all(bytes),
            Some(tls) => {
                let mut stream = rustls::Stream::new(tls.as_mut(), &mut self.stream);
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    fn read_some(&mut self, chunk: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.tls {
            None => self.stream.read(chunk),
            Some(tls) => rustls::Stream::new(tls.as_mut(), &mut self.stream).read(chunk),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.write(bytes).expect("send");
    }

    /// Sends what the peer will take; it may close before it has all.
    pub fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.write(bytes);
    }

    /// A POST with a JSON body on a connection that stays open.
    pub fn post(&mut self, path: &str, body: &str) -> Response {
        self.send(post(path, body, "").as_bytes());
        self.response()
    }

    pub fn shutdown(&self, how: Shutdown) {
        let _ = self.stream.shutdown(how);
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// One more read; false at the end of the connection, an abort included.
    fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.read_some(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("read: {error}"),
        }
    }

    /// Everything until the end, and whether that was an end and not an abort.
    pub fn until_end(&mut self) -> (Vec<u8>, bool) {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.read_some(&mut chunk) {
                Ok(0) => return (std::mem::take(&mut self.read), true),
                Ok(count) => self.read.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return (std::mem::take(&mut self.read), false);
                }
                Err(error) => panic!("read: {error}"),
            }
        }
    }

    /// Dropping it aborts the connection.
    pub fn reset_on_close(&self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).expect("linger");
    }

    /// True when the peer closes (or resets) without sending anything further.
    pub fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.fill()
    }

    /// Waits until this has arrived somewhere in the bytes not yet taken.
    pub fn wait_for(&mut self, part: &str) {
        while !String::from_utf8_lossy(&self.read).contains(part) {
            assert!(self.fill(), "the connection ended without {part:?}: {}", String::from_utf8_lossy(&self.read));
        }
    }

    /// The next answer, interim ones skipped.
    pub fn response(&mut self) -> Response {
        loop {
            let response = self.any_response(false);
            if response.status >= 200 {
                return response;
            }
        }
    }

    /// The next answer, interim ones included. `head_only`: the answer to a HEAD.
    pub fn any_response(&mut self, head_only: bool) -> Response {
        let head_end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill(), "the connection ended within a head: {:?}", String::from_utf8_lossy(&self.read));
        };
        let head = String::from_utf8(self.read.drain(..head_end).collect()).expect("an ASCII head");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().expect("a status line");
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let fields: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut response = Response { status, fields, body: Vec::new(), complete: true };
        if head_only || status < 200 || status == 204 || status == 304 {
            return response;
        }
        if response.field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            response.complete = self.chunks(&mut response.body);
        } else if let Some(length) = response.field("content-length").map(|value| value.parse().expect("a length")) {
            response.complete = self.exactly(length, &mut response.body);
        } else {
            while self.fill() {}
            response.body = std::mem::take(&mut self.read);
        }
        response
    }

    fn exactly(&mut self, length: usize, body: &mut Vec<u8>) -> bool {
        while self.read.len() < length {
            if !self.fill() {
                body.append(&mut self.read);
                return false;
            }
        }
        body.extend(self.read.drain(..length));
        true
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let line_end = loop {
                if let Some(at) = self.read.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                if !self.fill() {
                    return false;
                }
            };
            let line: Vec<u8> = self.read.drain(..line_end + 2).collect();
            let digits = std::str::from_utf8(&line[..line_end]).expect("an ASCII chunk size");
            let size = usize::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("a chunk size: {digits:?}"));
            if !self.exactly(size, body) {
                return false;
            }
            let mut end = Vec::new();
            if !self.exactly(2, &mut end) {
                return false;
            }
            assert_eq!(end, b"\r\n", "a chunk ends with CRLF");
            if size == 0 {
                return true;
            }
        }
    }
}

/// A POST with a JSON body. `fields` are further lines, each with its CRLF.
pub fn post(path: &str, body: &str, fields: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// One request on a connection of its own.
pub fn once(address: SocketAddr, path: &str, body: &str) -> Response {
    Connection::open(address).post(path, body)
}

/// A chat request for this model.
pub fn chat(model: &str, stream: bool) -> String {
    format!(
        "{{\"model\":\"{model}\",\"stream\":{stream},\"messages\":[{{\"role\":\"user\",\"content\":\"Hello there\"}}]}}"
    )
}
