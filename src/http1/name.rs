//! The field names the gateway acts on, told apart once per field.

/// A header field name, classified once, without regard to case. A name with an underscore is always [`Name::Other`]
/// or one of the prefix families, and is never forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    Host,
    Connection,
    KeepAlive,
    ProxyConnection,
    ProxyAuthenticate,
    ProxyAuthorization,
    Te,
    Trailer,
    TransferEncoding,
    ContentLength,
    Upgrade,
    Expect,
    Authorization,
    XApiKey,
    ApiKey,
    XGoogApiKey,
    ContentType,
    ContentEncoding,
    AcceptEncoding,
    Accept,
    UserAgent,
    Traceparent,
    Tracestate,
    /// `x-tfy-metadata`, `x-sluice-metadata`
    Metadata,
    XRequestId,
    Cookie,
    SetCookie,
    Via,
    Date,
    Server,
    RetryAfter,
    Baggage,
    /// `forwarded`, `x-forwarded-*`, `x-real-ip`
    Forwarded,
    /// Any other `x-tfy-*`, `x-sluice-*`
    TfyOrSluice,
    AnthropicVersion,
    OpenAiOrganization,
    Other,
}

const FAMILIES: [(&[u8], Name); 3] =
    [(b"x-tfy-", Name::TfyOrSluice), (b"x-sluice-", Name::TfyOrSluice), (b"x-forwarded-", Name::Forwarded)];

impl Name {
    pub(super) fn of(name: &[u8]) -> Name {
        for (word, class) in of_length(name.len()) {
            if is_word(name, word) {
                return *class;
            }
        }
        match name {
            [b'x' | b'X', b'-', ..] => family(name),
            _ => Name::Other,
        }
    }

    /// Ends at this hop (RFC 9110 7.6.1), or frames the message and is written anew by whoever sends it on. Trailer
    /// is here because trailers are never forwarded.
    pub(super) fn is_ours_to_write(self) -> bool {
        matches!(
            self,
            Name::Connection
                | Name::KeepAlive
                | Name::ProxyConnection
                | Name::ProxyAuthenticate
                | Name::ProxyAuthorization
                | Name::Te
                | Name::Trailer
                | Name::TransferEncoding
                | Name::ContentLength
                | Name::Upgrade
                | Name::Expect
                | Name::Host
        )
    }

    /// The class says the whole name, not only how it begins or nothing at all.
    pub(super) fn is_exactly_known(self) -> bool {
        !matches!(self, Name::Other | Name::TfyOrSluice | Name::Forwarded)
    }

    /// More than one line of these lets two parsers act on different values (rule 17). The other key headers are as
    /// security-relevant as the two the rule names.
    pub(super) fn is_singleton(self) -> bool {
        matches!(
            self,
            Name::Host
                | Name::ContentLength
                | Name::Authorization
                | Name::XApiKey
                | Name::ApiKey
                | Name::XGoogApiKey
                | Name::ContentType
        )
    }

    /// A client may ask for these to be removed by naming them in Connection. All other names the gateway itself acts
    /// on may not be: removing them would change what the next hop authenticates, frames or records (rule 13).
    pub(super) fn may_be_connection_option(self) -> bool {
        matches!(
            self,
            Name::Other
                | Name::KeepAlive
                | Name::Te
                | Name::Trailer
                | Name::Upgrade
                | Name::ProxyConnection
                | Name::ProxyAuthenticate
                | Name::ProxyAuthorization
        )
    }
}

/// Whether a token is `word`, of the same length, in lower case and made of letters and hyphens. Setting bit 5 makes
/// letters lower case; of the other token bytes it changes `^` and `_` only, into bytes no word has.
#[inline]
fn is_word(name: &[u8], word: &[u8]) -> bool {
    let differs = |(a, b): (&[u8; 8], &[u8; 8])| {
        (u64::from_le_bytes(*a) | u64::from_le_bytes([0x20; 8])) ^ u64::from_le_bytes(*b)
    };
    // The first letter nearly always tells them apart.
    if name.first().map(|byte| byte | 0x20) != word.first().copied() {
        return false;
    }
    let (Some(end), Some(word_end)) = (name.last_chunk(), word.last_chunk()) else {
        return name.iter().zip(word).fold(0, |difference, (a, b)| difference | ((a | 0x20) ^ b)) == 0;
    };
    // The last eight bytes cover what the whole eights leave over.
    let eights = name.as_chunks().0.iter().zip(word.as_chunks().0);
    eights.fold(differs((end, word_end)), |difference, pair| difference | differs(pair)) == 0
}

fn family(name: &[u8]) -> Name {
    let starts_with = |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    FAMILIES.iter().find(|(prefix, _)| starts_with(prefix)).map_or(Name::Other, |(_, class)| *class)
}

/// The known names of one length: at most four, so comparing them beats hashing.
fn of_length(len: usize) -> &'static [(&'static [u8], Name)] {
    match len {
        2 => &[(b"te", Name::Te)],
        3 => &[(b"via", Name::Via)],
        4 => &[(b"host", Name::Host), (b"date", Name::Date)],
        6 => &[
            (b"accept", Name::Accept),
            (b"cookie", Name::Cookie),
            (b"expect", Name::Expect),
            (b"server", Name::Server),
        ],
        7 => &[
            (b"api-key", Name::ApiKey),
            (b"baggage", Name::Baggage),
            (b"trailer", Name::Trailer),
            (b"upgrade", Name::Upgrade),
        ],
        9 => &[(b"x-api-key", Name::XApiKey), (b"x-real-ip", Name::Forwarded), (b"forwarded", Name::Forwarded)],
        10 => &[
            (b"connection", Name::Connection),
            (b"user-agent", Name::UserAgent),
            (b"tracestate", Name::Tracestate),
            (b"keep-alive", Name::KeepAlive),
            (b"set-cookie", Name::SetCookie),
        ],
        11 => &[(b"traceparent", Name::Traceparent), (b"retry-after", Name::RetryAfter)],
        12 => &[(b"content-type", Name::ContentType), (b"x-request-id", Name::XRequestId)],
        13 => &[(b"authorization", Name::Authorization)],
        14 => &[
            (b"content-length", Name::ContentLength),
            (b"x-tfy-metadata", Name::Metadata),
            (b"x-goog-api-key", Name::XGoogApiKey),
        ],
        15 => &[(b"accept-encoding", Name::AcceptEncoding)],
        16 => &[(b"content-encoding", Name::ContentEncoding), (b"proxy-connection", Name::ProxyConnection)],
        17 => &[
            (b"transfer-encoding", Name::TransferEncoding),
            (b"x-sluice-metadata", Name::Metadata),
            (b"anthropic-version", Name::AnthropicVersion),
        ],
        18 => &[(b"proxy-authenticate", Name::ProxyAuthenticate)],
        19 => &[(b"proxy-authorization", Name::ProxyAuthorization), (b"openai-organization", Name::OpenAiOrganization)],
        _ => &[],
    }
}
