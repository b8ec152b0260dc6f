//! A token -> the virtual account it belongs to.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{Snapshot, VirtualAccount};

/// Index of the token in its account and the account itself.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    pub account: &'a VirtualAccount,
    pub key: usize,
}

/// Looks a token up by its SHA-256. The digest decides the bucket, so timing says nothing about the token; the found
/// entry is compared once more in constant time.
pub fn authenticate<'a>(snapshot: &'a Snapshot, token: &[u8]) -> Option<Identity<'a>> {
    let digest: [u8; 32] = Sha256::digest(token).into();
    let (known, &(account, key)) = snapshot.tokens.get_key_value(&digest)?;
    if !bool::from(known.ct_eq(&digest)) {
        return None;
    }
    let account = snapshot.virtual_accounts.get(account)?;
    account.keys.get(key)?;
    Some(Identity { account, key })
}

/// `Bearer X` -> `X`; the scheme's case does not matter (RFC 9110 11.1).
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    let token = token.trim_ascii();
    (!token.is_empty()).then_some(token)
}

/// Whether one of `permissions` (`account/model`, `account/*`, `*`) covers this model.
pub fn permits(permissions: &[String], account: &str, model: &str) -> bool {
    permissions.iter().any(|permission| {
        permission == "*"
            || permission
                .strip_prefix(account)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|allowed| allowed == "*" || allowed == model)
    })
}

/// The same for a name that stands for several targets: `chat`, or `group/name`.
pub fn permits_name(permissions: &[String], name: &str) -> bool {
    permissions.iter().any(|permission| {
        let whole = permission == "*" || permission == name;
        whole
            || permission
                .strip_suffix("/*")
                .is_some_and(|group| name.split_once('/').is_some_and(|(of, _)| of == group))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_covers_its_account_and_nothing_longer() {
        let permissions = ["openai-main/*".to_owned(), "claude/claude-sonnet-5".to_owned()];
        assert!(permits(&permissions, "openai-main", "gpt-4o"));
        assert!(permits(&permissions, "claude", "claude-sonnet-5"));
        assert!(!permits(&permissions, "claude", "claude-opus-5"));
        assert!(!permits(&permissions, "openai-main-2", "gpt-4o"));
        assert!(!permits(&[], "openai-main", "gpt-4o"));
        assert!(permits(&["*".to_owned()], "any", "thing"));
    }

    #[test]
    fn bearer_is_found_in_any_case_and_never_empty() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Bearer "), None);
        assert_eq!(bearer(b"Basic abc"), None);
    }
}
