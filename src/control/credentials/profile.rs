//! AWS's profile files, `~/.aws/credentials` and `~/.aws/config` (SDK reference guide, "shared config and credentials
//! files"): sections of keys and values. Pure; what reads the files is aws.rs.

use std::collections::HashMap;

use crate::config::AwsKeys;
use crate::config::Secret;

/// What a profile says of credentials.
#[derive(Debug, PartialEq)]
pub enum Profile {
    Keys(AwsKeys),
    WebIdentity {
        token_file: String,
        role_arn: String,
        session_name: Option<String>,
    },
    /// Needs what is not served; the key that says so.
    Other(&'static str),
    /// Nothing.
    Empty,
}

/// Ways to credentials that take a process, a browser or another profile.
const OTHERS: [&str; 5] = ["source_profile", "credential_source", "sso_session", "sso_start_url", "credential_process"];

/// The profile as both files together have it, `credentials` before `config`; `None` when neither does.
pub fn find(name: &str, credentials: &str, config: &str) -> Option<Profile> {
    let first = section(credentials, |title| title == name);
    let second = section(config, |title| match title.strip_prefix("profile") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim().trim_matches('"') == name,
        _ => title == "default" && name == "default",
    });
    if first.is_none() && second.is_none() {
        return None;
    }
    let (first, second) = (first.unwrap_or_default(), second.unwrap_or_default());
    // A session token belongs to the keys beside it.
    let keys = keys(&first).or_else(|| keys(&second));
    let get = |key: &str| first.get(key).or_else(|| second.get(key)).copied();
    Some(match (keys, get("web_identity_token_file"), get("role_arn")) {
        (Some(keys), _, _) => Profile::Keys(keys),
        (None, Some(token_file), Some(role_arn)) => Profile::WebIdentity {
            token_file: token_file.to_owned(),
            role_arn: role_arn.to_owned(),
            session_name: get("role_session_name").map(str::to_owned),
        },
        _ => OTHERS.into_iter().find(|key| get(key).is_some()).map_or(Profile::Empty, Profile::Other),
    })
}

fn keys(section: &HashMap<&str, &str>) -> Option<AwsKeys> {
    let secret = |key: &str| section.get(key).map(|value| Secret::new((*value).to_owned()));
    Some(AwsKeys {
        access_key_id: (*section.get("aws_access_key_id")?).to_owned(),
        secret_access_key: secret("aws_secret_access_key")?,
        session_token: secret("aws_session_token"),
    })
}

/// The keys of every section whose title is wanted; a later value replaces an earlier one. `None`: no such section.
fn section(text: &str, wanted: impl Fn(&str) -> bool) -> Option<HashMap<&str, &str>> {
    let mut found: Option<HashMap<&str, &str>> = None;
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(title) = trimmed.strip_prefix('[') {
            inside = title.split(']').next().is_some_and(|title| wanted(title.trim()));
            if inside {
                found.get_or_insert_default();
            }
            continue;
        }
        // A line that is indented is a key of the value above it (`s3 =`), not of the section.
        if !inside || line.starts_with([' ', '\t']) {
            continue;
        }
        if let (Some((key, value)), Some(found)) = (trimmed.split_once('='), found.as_mut()) {
            let value = value.split_once(" #").map_or(value, |(value, _)| value).trim();
            let value = value.split_once(" ;").map_or(value, |(value, _)| value).trim();
            if !value.is_empty() {
                found.insert(key.trim(), value);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\
# comment
[default]
aws_access_key_id = AKIA1   # mine
aws_secret_access_key=s/1+x=
[dev]
aws_access_key_id=ASIA2
aws_secret_access_key=s2
aws_session_token=t2
";
    const CONFIG: &str = "\
[default]
region = us-east-1
s3 =
  aws_access_key_id = NOT1
[profile \"dev\"]
aws_access_key_id = NOT2
[profile pod]
web_identity_token_file = /t
role_arn = arn:aws:iam::1:role/r
[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = default
[profile bare]
region=eu-west-1
[dev2]
aws_access_key_id=NOT3
";

    fn keys(id: &str, secret: &str, token: Option<&str>) -> Option<Profile> {
        Some(Profile::Keys(AwsKeys {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::new(secret.to_owned()),
            session_token: token.map(|token| Secret::new(token.to_owned())),
        }))
    }

    #[test]
    fn both_files_make_one_profile() {
        let pod = Profile::WebIdentity {
            token_file: "/t".to_owned(),
            role_arn: "arn:aws:iam::1:role/r".to_owned(),
            session_name: None,
        };
        for (name, expected) in [
            ("default", keys("AKIA1", "s/1+x=", None)),
            ("dev", keys("ASIA2", "s2", Some("t2"))),
            ("pod", Some(pod)),
            ("role", Some(Profile::Other("source_profile"))),
            ("bare", Some(Profile::Empty)),
            ("dev2", None),
            ("nobody", None),
        ] {
            assert_eq!(find(name, CREDENTIALS, CONFIG), expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]=#; a\n]{0,60}") {
            let _ = find("a", &text, &text);
        }
    }
}
