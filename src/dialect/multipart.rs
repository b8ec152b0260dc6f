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
