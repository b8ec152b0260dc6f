//! `thinking_blocks` on the way out: the text of a stretch of thinking is kept until its signature comes, so that the
//! block is whole and a client may hand it back as it is.

use super::shape::number;
use crate::dialect::common::Text;

/// The open stretches of a stream, one for each choice.
#[derive(Default)]
pub(super) struct Stretches(Vec<Stretch>);

#[derive(Default)]
struct Stretch {
    choice: u32,
    /// The inside of a JSON string.
    escaped: Vec<u8>,
    /// Blocks written so far.
    blocks: u64,
}

impl Stretches {
    pub fn grow(&mut self, choice: u32, text: Text<'_>) {
        let mut stretch = self.take(choice);
        text.push_escaped(&mut stretch.escaped);
        self.0.push(stretch);
    }

    /// The stretch is over and was not signed.
    #[inline]
    pub fn drop(&mut self, choice: u32) {
        if let Some(stretch) = self.0.iter_mut().find(|stretch| stretch.choice == choice) {
            stretch.escaped.clear();
        }
    }

    /// The delta's member that closes a stretch.
    pub fn sign(&mut self, choice: u32, signature: Text<'_>, out: &mut Vec<u8>) {
        let mut stretch = self.take(choice);
        stretch.open(b"\"thinking\",\"thinking\":\"", out);
        out.extend_from_slice(&stretch.escaped);
        out.extend_from_slice(b"\",\"signature\":\"");
        signature.push_escaped(out);
        out.extend_from_slice(b"\"}]");
        self.0.push(stretch.closed());
    }

    pub fn redacted(&mut self, choice: u32, data: Text<'_>, out: &mut Vec<u8>) {
        let mut stretch = self.take(choice);
        stretch.open(b"\"redacted_thinking\",\"data\":\"", out);
        data.push_escaped(out);
        out.extend_from_slice(b"\"}]");
        self.0.push(stretch.closed());
    }

    fn take(&mut self, choice: u32) -> Stretch {
        match self.0.iter().position(|stretch| stretch.choice == choice) {
            Some(at) => self.0.swap_remove(at),
            None => Stretch { choice, ..Stretch::default() },
        }
    }
}

impl Stretch {
    fn open(&mut self, rest: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"thinking_blocks\":[{\"index\":");
        number(self.blocks, out);
        out.extend_from_slice(b",\"type\":");
        out.extend_from_slice(rest);
        self.blocks += 1;
    }

    fn closed(mut self) -> Self {
        self.escaped.clear();
        self
    }
}
