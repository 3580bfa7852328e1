//! Conditional requests (RFC 9110 §13): the version of a device as an entity tag.
//!
//! A condition on a change is not decided here: it travels with the request and is compared where the
//! device is read for the change.

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use crate::json::given::decimal;
use crate::json::operation::Condition;
use crate::json::refusal::Refusal;
use crate::result_code::ResultCode;

/// Most entity tags in `If-None-Match`.
const TAGS_MAX: usize = 16;

/// The entity tag of a version.
pub(super) fn entity_tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Reads `If-Match`: one entity tag as this registry gives it; `*` asks for nothing that a change
/// would not need anyway.
pub(super) fn if_match(headers: &HeaderMap, condition: Condition) -> Result<Option<u64>, Refusal> {
    let Some(text) = one_value(headers, &IF_MATCH)? else {
        return Ok(None);
    };
    if condition != Condition::Change {
        return Err(refusal(
            "the header If-Match has no meaning for this operation",
        ));
    }
    if text == "*" {
        return Ok(None);
    }
    let version = version_of(text);
    let refused =
        || refusal("the header If-Match has to be one entity tag of a device, such as \"7\"");
    version.ok_or_else(refused).map(Some)
}

/// Reads `If-None-Match`: the versions named. Tags that this registry never gave match nothing.
pub(super) fn if_none_match(
    headers: &HeaderMap,
    condition: Condition,
) -> Result<Vec<u64>, Refusal> {
    if condition != Condition::Read {
        // Elsewhere there is no entity tag that it could match (RFC 9110 §13.1.2).
        return Ok(Vec::new());
    }
    let mut versions = Vec::new();
    for value in headers.get_all(IF_NONE_MATCH) {
        let text = value.to_str().map_err(|_| malformed(&IF_NONE_MATCH))?;
        for tag in text.split(',').map(str::trim) {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            versions.extend(version_of(tag));
            if versions.len() > TAGS_MAX {
                return Err(refusal(
                    "the header If-None-Match has more than 16 entity tags",
                ));
            }
        }
    }
    Ok(versions)
}

/// Reads a header that may come once.
fn one_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed(name)),
        (Some(_), Some(_)) => Err(malformed(name)),
    }
}

fn version_of(tag: &str) -> Option<u64> {
    tag.strip_prefix('"')?.strip_suffix('"').and_then(decimal)
}

fn malformed(name: &HeaderName) -> Refusal {
    refusal(&format!("the header {name} comes twice or is not text"))
}

fn refusal(reason: &str) -> Refusal {
    Refusal::new(ResultCode::ParameterSyntax, reason)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn if_match_is_one_version_or_any() {
        let read = |values: &[&str], condition| if_match(&headers(IF_MATCH, values), condition);
        assert_eq!(read(&[], Condition::Change), Ok(None));
        assert_eq!(read(&["*"], Condition::Change), Ok(None));
        assert_eq!(read(&[&entity_tag(7)], Condition::Change), Ok(Some(7)));
        for bad in [
            &["7"][..],
            &["W/\"7\""],
            &["\"7\", \"8\""],
            &["\"07\""],
            &["\"7\"", "\"7\""],
        ] {
            let refused = read(bad, Condition::Change).unwrap_err();
            assert_eq!(refused.status.as_u16(), 400, "{bad:?}");
        }
        for elsewhere in [Condition::No, Condition::Read] {
            assert!(read(&["\"7\""], elsewhere).is_err());
        }
    }

    #[test]
    fn if_none_match_is_a_list_and_weak_tags_count() {
        let read =
            |values: &[&str]| if_none_match(&headers(IF_NONE_MATCH, values), Condition::Read);
        assert_eq!(read(&[]), Ok(vec![]));
        assert_eq!(read(&["\"7\", W/\"8\"", "\"9\""]), Ok(vec![7, 8, 9]));
        assert_eq!(read(&["\"other\", *"]), Ok(vec![]));
        let many = vec!["\"1\""; 17].join(",");
        assert!(read(&[&many]).is_err());
        let elsewhere = if_none_match(&headers(IF_NONE_MATCH, &["\"7\""]), Condition::No);
        assert_eq!(elsewhere, Ok(vec![]));
    }
}
