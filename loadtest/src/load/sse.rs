//! Counts events in a byte stream and knows the last one of each dialect. Keeps only the beginning of the current line.

/// Long enough for the longest name that matters, `event: response.incomplete`.
const PREFIX_BYTES: usize = 32;

#[derive(Clone, Debug, Default)]
pub struct Scanner {
    line: [u8; PREFIX_BYTES],
    /// Of the whole line, which may be longer than what is kept.
    line_len: usize,
    has_data: bool,
    /// A terminator was seen.
    pub terminated: bool,
    /// An error event was seen.
    pub error: bool,
}

impl Scanner {
    /// How many events ended within `bytes`. Comments and empty events do not count.
    pub fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut events = 0;
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            self.keep(line);
            events += self.end_line() as u64;
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes);
        events
    }

    fn keep(&mut self, part: &[u8]) {
        if self.line_len < PREFIX_BYTES {
            let take = part.len().min(PREFIX_BYTES - self.line_len);
            self.line[self.line_len..self.line_len + take].copy_from_slice(&part[..take]);
        }
        self.line_len += part.len();
    }

    /// True when the line that ends here ends an event.
    fn end_line(&mut self) -> bool {
        let kept = &self.line[..self.line_len.min(PREFIX_BYTES)];
        let line = kept.strip_suffix(b"\r").unwrap_or(kept);
        self.line_len = 0;
        if line.is_empty() {
            return std::mem::take(&mut self.has_data);
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            self.has_data = true;
            let data = data.trim_ascii_start();
            self.terminated |= data == b"[DONE]";
            self.error |= data.starts_with(b"{\"error\"");
        } else if let Some(name) = line.strip_prefix(b"event:") {
            let name = name.trim_ascii_start();
            self.terminated |= [&b"message_stop"[..], b"response.completed", b"response.incomplete"].contains(&name);
            self.error |= name == b"error" || name == b"response.failed";
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_counts_the_same_events() {
        let streams: [(&[u8], u64, bool, bool); 5] = [
            (b"data: {\"a\":1}\n\n: comment\n\ndata: x\ndata: y\n\ndata: [DONE]\n\n", 3, true, false),
            (b"event: ping\r\ndata: {}\r\n\r\nevent: message_stop\r\ndata: {}\r\n\r\n", 2, true, false),
            (b"event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"more\":0}\n\n", 1, true, false),
            (b"data: {\"error\":{}}\n\n", 1, false, true),
            (b"data: {\"cut", 0, false, false),
        ];
        for (wire, events, terminated, error) in streams {
            for split in 0..=wire.len() {
                let mut scanner = Scanner::default();
                let counted = scanner.feed(&wire[..split]) + scanner.feed(&wire[split..]);
                assert_eq!(
                    (counted, scanner.terminated, scanner.error),
                    (events, terminated, error),
                    "split at {split}"
                );
            }
        }
    }
}
