//! A provider may cut a stream of text between the two halves of a surrogate pair, each an escape in an event of its own.
//! Neither half is text, so the first waits for the second.

use super::common::{Piece, Text};
use crate::json::trailing_half;

/// One per answer.
#[derive(Default)]
pub struct Halves {
    /// Of the choice's text (or thinking, the flag).
    waiting: Option<(u32, bool, [u8; 6])>,
    joined: Vec<u8>,
}

impl Halves {
    /// Hands on a piece of a stream, its text whole characters.
    #[inline]
    pub fn join(&mut self, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        let (choice, thinking, raw) = match piece {
            Piece::Text { choice, text: Text::Escaped(raw) } => (choice, false, raw),
            Piece::Reasoning { choice, text: Text::Escaped(raw) } => (choice, true, raw),
            _ => return on(piece),
        };
        let half = trailing_half(raw);
        if half.is_none() && self.waiting.is_none() {
            return on(piece);
        }
        self.joined.clear();
        if let Some((_, _, first)) = self.waiting.take_if(|waiting| waiting.0 == choice && waiting.1 == thinking) {
            self.joined.extend_from_slice(&first);
        }
        self.joined.extend_from_slice(raw);
        if let Some(half) = half {
            self.joined.truncate(self.joined.len() - half.len());
            self.waiting = Some((choice, thinking, half));
        }
        let text = Text::Escaped(&self.joined);
        on(if thinking { Piece::Reasoning { choice, text } } else { Piece::Text { choice, text } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_in_two_comes_out_whole() {
        let mut halves = Halves::default();
        let mut out = Vec::new();
        for raw in [&br"a\ud83d"[..], br"\ude00b", br"\\ud83d", br"c\ud83d", br"d"] {
            let piece = Piece::Text { choice: 0, text: Text::Escaped(raw) };
            halves.join(piece, &mut |piece| {
                if let Piece::Text { text, .. } = piece {
                    text.push_escaped(&mut out);
                }
            });
        }
        assert_eq!(String::from_utf8(out).unwrap(), "a\\ud83d\\ude00b\\\\ud83dc\u{fffd}d");
    }
}
