//! The `model` field of a `multipart/form-data` body (RFC 7578), found in the part of it that has arrived.

use memchr::memmem;

/// Where the value of `model` lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModelField {
    Found {
        start: usize,
        end: usize,
    },
    /// Not in what is here; it may still come.
    NotYet,
}

/// The `boundary` parameter of a content type.
pub fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let prefix = content_type.get(..19)?;
    if !prefix.eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    content_type.split(|&byte| byte == b';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim_ascii().split_at_checked(9)?;
        if !name.eq_ignore_ascii_case(b"boundary=") {
            return None;
        }
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        (!value.is_empty() && value.len() <= 70).then_some(value)
    })
}

/// Watches a form go by for what would let its receiver read another model than the one that was checked: a second
/// `model`, one that is spelled so that only some parsers know it, or parts that only some parsers see.
pub struct Parts {
    /// LF and the dash-boundary: a bare LF before it is one of the things looked for.
    delimiter: Vec<u8>,
    /// What may be the beginning of a delimiter or of a part's head.
    carry: Vec<u8>,
    has_model: bool,
    over: bool,
}

/// The form can be read in more than one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ambiguous;

impl Parts {
    pub fn new(boundary: &[u8]) -> Self {
        // As if a line had ended before the first delimiter.
        Self { delimiter: [b"\n--", boundary].concat(), carry: b"\r\n".to_vec(), has_model: false, over: false }
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Ambiguous> {
        if self.over {
            return Ok(());
        }
        self.carry.extend_from_slice(bytes);
        let done = self.scan()?;
        self.carry.drain(..done.min(self.carry.len()));
        Ok(())
    }

    /// How much of what is carried need not be looked at again.
    fn scan(&mut self) -> Result<usize, Ambiguous> {
        const HEAD_BYTES_MAX: usize = 8 * 1024;
        let finder = memmem::Finder::new(&self.delimiter);
        let mut at = 0;
        while let Some(found) = self.carry.get(at..).and_then(|rest| finder.find(rest)) {
            let line_end = (at + found).saturating_sub(1);
            let head = at + found + self.delimiter.len();
            let rest = self.carry.get(head..).unwrap_or_default();
            if rest.starts_with(b"--") {
                self.over = true;
                return Ok(self.carry.len());
            }
            let Some(head_len) = memmem::find(rest, b"\r\n\r\n") else {
                let odd = rest.len() > HEAD_BYTES_MAX || memmem::find(rest, b"\n\n").is_some();
                return if odd { Err(Ambiguous) } else { Ok(line_end) };
            };
            let part = rest.get(..head_len).unwrap_or_default();
            let is_model = names_model(part);
            if self.carry.get(line_end) != Some(&b'\r')
                || memmem::find(part, b"\n\n").is_some()
                || (is_model && self.has_model)
                || (!is_model && resembles_model(part))
            {
                return Err(Ambiguous);
            }
            self.has_model |= is_model;
            at = head + head_len + 2;
        }
        Ok(at.max(self.carry.len().saturating_sub(self.delimiter.len())))
    }
}

/// Whether some parser could read `name=model` in this head: any case, quoting, folding or encoding.
fn resembles_model(head: &[u8]) -> bool {
    head.split(|byte| matches!(byte, b';' | b'\r' | b'\n' | b',')).any(|parameter| {
        let mut sides = parameter.splitn(2, |&byte| byte == b'=');
        let (key, value) = (sides.next().unwrap_or_default().trim_ascii(), sides.next().unwrap_or_default());
        let value: Vec<u8> = value.iter().copied().filter(|byte| !b" \t\"\\'".contains(byte)).collect();
        let is_name = key.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"name"));
        is_name && value.get(value.len().saturating_sub(5)..).is_some_and(|end| end.eq_ignore_ascii_case(b"model"))
    })
}

/// Looks for the part named `model`; parts before it must be complete.
pub fn find_model(body: &[u8], boundary: &[u8]) -> ModelField {
    let delimiter = [b"--", boundary].concat();
    let end = [b"\r\n--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut at = 0;
    while let Some(found) = body.get(at..).and_then(|rest| finder.find(rest)) {
        let part = at + found + delimiter.len();
        // Only at the beginning of a line: a parser at the provider does not see one elsewhere either, and must not be
        // made to read another model than this.
        if at + found > 0 && body.get(..at + found).is_some_and(|before| !before.ends_with(b"\r\n")) {
            at = part;
            continue;
        }
        let Some(rest) = body.get(part..) else { break };
        let Some(head_len) = memmem::find(rest, b"\r\n\r\n") else { break };
        let content = part + head_len + 4;
        if names_model(rest.get(..head_len).unwrap_or(&[])) {
            return match body.get(content..).and_then(|value| memmem::find(value, &end)) {
                Some(len) => ModelField::Found { start: content, end: content + len },
                None => ModelField::NotYet,
            };
        }
        at = content;
    }
    ModelField::NotYet
}

/// Whether a part's head has `Content-Disposition: form-data; name="model"`.
fn names_model(head: &[u8]) -> bool {
    head.split(|&byte| byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        let is_disposition = line.get(..20).is_some_and(|name| name.eq_ignore_ascii_case(b"content-disposition:"));
        is_disposition
            && line.split(|&byte| byte == b';').skip(1).any(|parameter| {
                let parameter = parameter.trim_ascii();
                parameter == b"name=\"model\"" || parameter == b"name=model"
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nde\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\n\x00\x01\r\n--XX--\r\n";

    #[test]
    fn the_model_is_found_as_soon_as_its_part_is_complete() {
        let ModelField::Found { start, end } = find_model(BODY, b"XX") else { panic!("not found") };
        assert_eq!(&BODY[start..end], b"whisper-1");
        for len in 0..end + 6 {
            assert_eq!(find_model(&BODY[..len], b"XX"), ModelField::NotYet, "at {len}");
        }
        for len in end + 6..BODY.len() {
            assert_eq!(find_model(&BODY[..len], b"XX"), ModelField::Found { start, end });
        }
    }

    /// Any split of the bytes says the same.
    fn watch(body: &[u8]) -> Result<(), Ambiguous> {
        let whole = Parts::new(b"XX").feed(body);
        for step in [1, 2, 3, 7] {
            let mut parts = Parts::new(b"XX");
            assert_eq!(body.chunks(step).try_for_each(|piece| parts.feed(piece)), whole, "in steps of {step}");
        }
        whole
    }

    #[test]
    fn one_model_and_no_other_reading() {
        assert_eq!(watch(BODY), Ok(()));
        let with = |part: &str| {
            let model = "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\na";
            format!(
                "{model}{part}\r\n\r\nb\r\n--XX--\r\n--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
            )
        };
        let harmless = ["name=\"prompt\"", "name=\"file\"; filename=\"model\"", "name=\"model_size\""];
        for part in harmless {
            assert_eq!(watch(with(&format!("\r\n--XX\r\nContent-Disposition: form-data; {part}")).as_bytes()), Ok(()));
        }
        for part in
            ["name=\"model\"", "name=model", "NAME=model", "name = \"model\"", "name=\"mo\\del\"", "name*=utf-8''model"]
        {
            let found = watch(with(&format!("\r\n--XX\r\nContent-Disposition: form-data; {part}")).as_bytes());
            assert_eq!(found, Err(Ambiguous), "{part}");
        }
        for part in [
            "\r\n--XX\r\nContent-Disposition: form-data;\r\n name=\"model\"",
            "\n--XX\r\nContent-Disposition: form-data; name=\"x\"",
            "\r\n--XX\nContent-Disposition: form-data; name=\"x\"\n\nb",
        ] {
            assert_eq!(watch(with(part).as_bytes()), Err(Ambiguous), "{part:?}");
        }
    }

    #[test]
    fn a_boundary_within_a_line_is_none() {
        let fake = b"--X\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nhi --X\r\n\
            Content-Disposition: form-data; name=\"model\"\r\n\r\nallowed\r\n--X\r\n\
            Content-Disposition: form-data; name=\"model\"\r\n\r\nreal\r\n--and\r\n--X--\r\n";
        let ModelField::Found { start, end } = find_model(fake, b"X") else { panic!("not found") };
        assert_eq!(&fake[start..end], b"real\r\n--and");
    }

    #[test]
    fn the_boundary_is_read_bare_and_quoted() {
        assert_eq!(boundary(b"multipart/form-data; boundary=abc"), Some(&b"abc"[..]));
        assert_eq!(boundary(b"Multipart/Form-Data; charset=x; boundary=\"a b\""), Some(&b"a b"[..]));
        assert_eq!(boundary(b"application/json"), None);
        assert_eq!(boundary(b"multipart/form-data"), None);
    }
}
