//! Headers by which a request routes itself otherwise than its rule says (spec "seed" 3.2). What they ask for holds for
//! every attempt of that request.

use serde::Deserialize;

use crate::config::{Codes, Retry};

const ATTEMPTS_MAX: u32 = 10;
const TIMEOUT_MS_MAX: u64 = 3_600_000;

/// As clients write it: camelCase and numbers, unlike the documents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    attempts: u32,
    delay: Option<u64>,
    on_status_codes: Option<Vec<u16>>,
}

/// `x-tfy-retry-config: {"attempts":3,"onStatusCodes":[429,500,503]}`. The error is a sentence for the caller about the
/// header of this name.
pub fn retry_config(name: &str, value: &[u8]) -> Result<Retry, String> {
    const LIKE: &str = r#"{"attempts":2,"delay":100,"onStatusCodes":[429]}"#;
    // Serde would take a list for the members in their order.
    let is_object = value.trim_ascii_start().starts_with(b"{");
    let asked = Some(value).filter(|_| is_object).map(serde_json::from_slice::<Asked>);
    let asked = match asked {
        Some(Ok(asked)) => asked,
        Some(Err(error)) => return Err(format!("The header `{name}` must be a JSON object like {LIKE}: {error}.")),
        None => return Err(format!("The header `{name}` must be a JSON object like {LIKE}.")),
    };
    if asked.attempts > ATTEMPTS_MAX {
        return Err(format!("`attempts` in the header `{name}` must be at most {ATTEMPTS_MAX}."));
    }
    let statuses = asked.on_status_codes;
    if statuses.iter().flatten().any(|status| !(100..600).contains(status)) {
        return Err(format!("`onStatusCodes` in the header `{name}` must be HTTP status codes."));
    }
    Ok(Retry {
        attempts: asked.attempts,
        delay_ms: asked.delay.unwrap_or(Retry::default().delay_ms),
        on: statuses.map_or(Codes::ByClass, |statuses| Codes::Listed { statuses, classes: Vec::new() }),
    })
}

/// `x-tfy-request-timeout`, `x-tfy-ttft-timeout-ms`: milliseconds. The error says what the header of this name must be.
pub fn timeout_ms(name: &str, value: &[u8]) -> Result<u64, String> {
    let digits = Some(value.trim_ascii()).filter(|value| value.iter().all(u8::is_ascii_digit));
    let number = digits.and_then(|value| std::str::from_utf8(value).ok()).and_then(|value| value.parse().ok());
    number
        .filter(|ms| (1..=TIMEOUT_MS_MAX).contains(ms))
        .ok_or_else(|| format!("The header `{name}` must be a number of milliseconds between 1 and {TIMEOUT_MS_MAX}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_configuration_is_read_as_clients_write_it() {
        let listed = |statuses: &[u16]| Codes::Listed { statuses: statuses.to_vec(), classes: Vec::new() };
        for (value, attempts, delay_ms, on) in [
            (r#"{"attempts":3,"onStatusCodes":[429,500,503]}"#, 3, 100, listed(&[429, 500, 503])),
            (r#" {"attempts":0} "#, 0, 100, Codes::ByClass),
            (r#"{"attempts":10,"delay":5,"onStatusCodes":[]}"#, 10, 5, listed(&[])),
        ] {
            assert_eq!(
                retry_config("x-tfy-retry-config", value.as_bytes()),
                Ok(Retry { attempts, delay_ms, on }),
                "{value}"
            );
        }
        for (value, says) in [
            ("", "JSON object"),
            ("3", "JSON object"),
            ("[3,null,[429]]", "JSON object"),
            ("{}", "attempts"),
            (r#"{"attempts":11}"#, "at most 10"),
            (r#"{"attempts":-1}"#, "JSON object"),
            (r#"{"attempts":1,"onStatusCodes":["429"]}"#, "JSON object"),
            (r#"{"attempts":1,"onStatusCodes":[99]}"#, "status codes"),
            (r#"{"attempts":1,"on_status_codes":[429]}"#, "on_status_codes"),
        ] {
            let error = retry_config("x-sluice-retry-config", value.as_bytes()).unwrap_err();
            assert!(error.contains(says) && error.contains("x-sluice-retry-config"), "{value}: {error}");
        }
    }

    #[test]
    fn a_timeout_is_between_a_millisecond_and_an_hour() {
        assert_eq!(timeout_ms("x-tfy-request-timeout", b"1"), Ok(1));
        assert_eq!(timeout_ms("x-tfy-request-timeout", b" 3600000 "), Ok(3_600_000));
        for value in ["", "0", "3600001", "-1", "+1", "1.5", "1s", "99999999999999999999"] {
            let error = timeout_ms("x-tfy-ttft-timeout-ms", value.as_bytes()).unwrap_err();
            assert!(error.contains("x-tfy-ttft-timeout-ms"), "{error}");
        }
    }
}
