//! The framing of a chunked body (RFC 9112 7.1, rule 11), byte by byte, because any of it can be split anywhere. The
//! data between the framing is skipped in one step by the caller.

use super::BodyError;
use super::body::take;
use super::lines::{is_token_byte, is_value_byte};

const SIZE_DIGITS_MAX: u8 = 16;
/// Extension bytes of one chunk, and of all chunks of one body: nobody uses them but to burn our time.
const EXTENSION_BYTES_MAX: u16 = 256;
const EXTENSIONS_BYTES_MAX: u16 = 4096;

#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    /// The size while its digits are read, then what is left of the data.
    left: u64,
    digits: u8,
    extension_bytes: u16,
    extensions_bytes: u16,
    trailer_bytes_left: usize,
}

/// What is expected next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Size,
    ExtensionNameStart,
    ExtensionName,
    ExtensionValueStart,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscaped,
    ExtensionQuotedEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    End,
}

impl Chunked {
    pub fn new(trailer_bytes_max: usize) -> Chunked {
        Chunked {
            at: At::Size,
            left: 0,
            digits: 0,
            extension_bytes: 0,
            extensions_bytes: 0,
            trailer_bytes_left: trailer_bytes_max,
        }
    }

    pub fn is_at_end(&self) -> bool {
        self.at == At::End
    }

    /// Reads framing up to the data of a chunk, the end of the body or the end of `input`; how many bytes that were.
    pub fn read_framing(&mut self, input: &[u8]) -> Result<usize, BodyError> {
        for (index, byte) in input.iter().enumerate() {
            if matches!(self.at, At::Data | At::End) {
                return Ok(index);
            }
            self.at = self.step(*byte)?;
        }
        Ok(input.len())
    }

    /// Takes data of the current chunk, if there is one, out of `available` bytes; how many.
    pub fn take_data(&mut self, available: usize) -> usize {
        if self.at != At::Data {
            return 0;
        }
        let len = take(&mut self.left, available);
        if self.left == 0 {
            self.at = At::DataCr;
        }
        len
    }

    fn step(&mut self, byte: u8) -> Result<At, BodyError> {
        match self.at {
            At::Size => self.size(byte),
            At::SizeLf if byte == b'\n' => Ok(self.after_size()),
            At::SizeLf => Err(BodyError::ChunkSize),
            // The two are never stepped through.
            At::Data | At::End => Ok(self.at),
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => Ok(At::Size),
            At::DataCr | At::DataLf => Err(BodyError::ChunkEnd),
            At::LastLf if byte == b'\n' => Ok(At::End),
            At::TrailerStart if byte == b'\r' => Ok(At::LastLf),
            At::TrailerStart | At::TrailerName | At::TrailerValue | At::TrailerLf | At::LastLf => self.trailer(byte),
            _ => self.extension(byte),
        }
    }

    /// At least one digit: an empty size is not the last chunk.
    fn size(&mut self, byte: u8) -> Result<At, BodyError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if self.digits > 0 => return Ok(At::SizeLf),
            b';' if self.digits > 0 => return self.extension(byte),
            _ => return Err(BodyError::ChunkSize),
        };
        self.digits += 1;
        if self.digits > SIZE_DIGITS_MAX {
            return Err(BodyError::ChunkSize);
        }
        self.left = (self.left << 4) | u64::from(digit);
        Ok(At::Size)
    }

    fn after_size(&mut self) -> At {
        self.digits = 0;
        self.extension_bytes = 0;
        if self.left == 0 { At::TrailerStart } else { At::Data }
    }

    /// `*( ";" token [ "=" ( token / quoted-string ) ] )`, without the whitespace RFC 9112 7.1.1 calls bad. Its value
    /// is dropped, but where it ends must be beyond doubt: a CRLF seen by one parser inside of what another takes for
    /// an extension is how chunks are smuggled.
    fn extension(&mut self, byte: u8) -> Result<At, BodyError> {
        let next = match (self.at, byte) {
            (At::ExtensionName | At::ExtensionToken | At::ExtensionQuotedEnd, b'\r') => return Ok(At::SizeLf),
            (At::Size | At::ExtensionName | At::ExtensionToken | At::ExtensionQuotedEnd, b';') => {
                At::ExtensionNameStart
            }
            (At::ExtensionName, b'=') => At::ExtensionValueStart,
            (At::ExtensionNameStart | At::ExtensionName, byte) if is_token_byte(byte) => At::ExtensionName,
            (At::ExtensionValueStart, b'"') => At::ExtensionQuoted,
            (At::ExtensionValueStart | At::ExtensionToken, byte) if is_token_byte(byte) => At::ExtensionToken,
            (At::ExtensionQuoted, b'"') => At::ExtensionQuotedEnd,
            (At::ExtensionQuoted, b'\\') => At::ExtensionEscaped,
            (At::ExtensionQuoted | At::ExtensionEscaped, byte) if is_value_byte(byte) => At::ExtensionQuoted,
            _ => return Err(BodyError::ChunkExtension),
        };
        self.extension_bytes += 1;
        self.extensions_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX || self.extensions_bytes > EXTENSIONS_BYTES_MAX {
            return Err(BodyError::ChunkExtensionTooLarge);
        }
        Ok(next)
    }

    /// Trailer lines are checked like header lines and then forgotten: merging them into the head is forbidden unless
    /// the field is known to allow it (RFC 9110 6.5.1), and none that a gateway needs does.
    fn trailer(&mut self, byte: u8) -> Result<At, BodyError> {
        let next = match (self.at, byte) {
            (At::TrailerStart | At::TrailerName, byte) if is_token_byte(byte) => At::TrailerName,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerLf,
            (At::TrailerValue, byte) if is_value_byte(byte) => At::TrailerValue,
            (At::TrailerLf, b'\n') => At::TrailerStart,
            _ => return Err(BodyError::Trailer),
        };
        self.trailer_bytes_left = self.trailer_bytes_left.checked_sub(1).ok_or(BodyError::TrailerTooLarge)?;
        Ok(next)
    }
}
