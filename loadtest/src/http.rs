//! The chunked transfer coding (RFC 9112, 7.1), decoded as it arrives. Used by the provider for requests and by the client for
//! responses. It keeps no bytes of its own, so any split of the input gives the same payload.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Size { digits: u8 },
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// Where the decoder stands between two reads.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    left: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadChunk;

impl Chunked {
    pub fn new() -> Chunked {
        Chunked { state: State::Size { digits: 0 }, left: 0 }
    }

    pub fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Consumes `input` up to its end or the end of the body, hands every payload slice to `sink`, and says how much it consumed.
    pub fn feed<'a>(&mut self, input: &'a [u8], mut sink: impl FnMut(&'a [u8])) -> Result<usize, BadChunk> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::Done {
                break;
            }
            if self.state == State::Data {
                let rest = input.get(at..).unwrap_or_default();
                let take = (rest.len() as u64).min(self.left) as usize;
                sink(rest.get(..take).unwrap_or_default());
                at += take;
                self.left -= take as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            self.state = self.step(byte)?;
            at += 1;
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, BadChunk> {
        Ok(match (self.state, byte) {
            (State::Size { digits }, b) if b.is_ascii_hexdigit() => {
                // Twelve digits: far above any body, far below overflow.
                if digits == 12 {
                    return Err(BadChunk);
                }
                self.left = self.left * 16 + (b as char).to_digit(16).unwrap_or(0) as u64;
                State::Size { digits: digits + 1 }
            }
            (State::Size { digits: 1.. }, b'\r') => State::SizeLf,
            (State::Size { digits: 1.. }, b';' | b' ' | b'\t') => State::Extension,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, b) if b != b'\n' => State::Extension,
            (State::SizeLf, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0 },
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::Trailer, b) if b != b'\r' && b != b'\n' => State::Trailer,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(BadChunk),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-trailer: 1\r\n\r\nGET";

    #[test]
    fn every_split_gives_the_same_payload() {
        for split in 0..=WIRE.len() {
            let (mut decoder, mut body, mut used) = (Chunked::new(), Vec::new(), 0);
            for part in [&WIRE[..split], &WIRE[split..]] {
                used += decoder.feed(part, |slice| body.extend_from_slice(slice)).expect("well formed");
            }
            assert!(decoder.done());
            assert_eq!(body, b"hello world", "split at {split}");
            assert_eq!(used, WIRE.len() - 3, "the next message is left alone, split at {split}");
        }
    }

    #[test]
    fn malformed_framing_is_refused() {
        for bad in ["\r\n", "zz\r\n", "5\r\nhelloX", "5\n", "1111111111111\r\n", "1\r\na\r\n\r\n"] {
            assert_eq!(Chunked::new().feed(bad.as_bytes(), |_| ()), Err(BadChunk), "{bad:?}");
        }
    }
}
