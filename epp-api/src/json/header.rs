//! Header fields of the door: which there are, and how strictly they are read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::account::BearerToken;
use crate::json::given::decimal;
use crate::json::refusal::Refusal;
use crate::result_code::ResultCode;
use crate::secret::Secret;
use crate::transaction::ClientTransactionId;

/// The client's transaction identifier; echoed.
pub const RPP_CLTRID: HeaderName = HeaderName::from_static("rpp-cltrid");
/// The server's transaction identifier.
pub const RPP_SVTRID: HeaderName = HeaderName::from_static("rpp-svtrid");
/// The result code, five digits.
pub const RPP_CODE: HeaderName = HeaderName::from_static("rpp-code");
/// `true` when the answer repeats the result of an earlier request.
pub const RPP_REPLAYED: HeaderName = HeaderName::from_static("rpp-replayed");

/// Another name of the client's transaction identifier; it is echoed as `RPP-Cltrid`.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The authorization information of an object.
pub const RPP_AUTHORIZATION: HeaderName = HeaderName::from_static("rpp-authorization");
/// Messages in the account's queue.
pub const RPP_QUEUE_SIZE: HeaderName = HeaderName::from_static("rpp-queue-size");
/// The last message that a client of the event stream has.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longest authorization information in a header, in characters of base64.
const AUTH_INFO_CHARACTERS_MAX: usize = 1024;

/// Media type of documents.
pub const MEDIA_TYPE: &str = "application/rpp+json";
/// Media type of rows and results of jobs: a JSON object a line.
pub const LINES_MEDIA_TYPE: &str = "application/x-ndjson";
/// Media type of the event stream.
pub const EVENTS_MEDIA_TYPE: &str = "text/event-stream";
/// Media type of problems (RFC 9457 §3).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";
/// Media type of the zone's text (RFC 4027).
pub const ZONE_MEDIA_TYPE: &str = "text/dns";

/// Reads the token of an `Authorization: Bearer` field (RFC 6750 §2.1).
///
/// # Errors
/// Missing, twice, another scheme: 401 with 02200. Not in the syntax of a token: 401 with 02202.
pub fn bearer_token(headers: &HeaderMap) -> Result<BearerToken, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::token_missing());
    };
    let value = value.to_str().map_err(|_| Refusal::token_invalid())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(Refusal::token_missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::token_missing());
    }
    BearerToken::parse(token.trim_matches(' ')).map_err(|_| Refusal::token_invalid())
}

/// Reads `RPP-Cltrid`, or `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) in its place.
///
/// # Errors
/// Twice, outside the syntax, or both and different: 400.
pub fn client_transaction_id(headers: &HeaderMap) -> Result<Option<ClientTransactionId>, Refusal> {
    let own = transaction_id(headers, &RPP_CLTRID, "RPP-Cltrid")?;
    let alias = transaction_id(headers, &IDEMPOTENCY_KEY, "Idempotency-Key")?;
    match (own, alias) {
        (Some(own), Some(alias)) if own != alias => {
            let reason = "the headers RPP-Cltrid and Idempotency-Key differ; one of them is enough";
            Err(Refusal::new(ResultCode::SyntaxError, reason))
        }
        (own, alias) => Ok(own.or(alias)),
    }
}

fn transaction_id(
    headers: &HeaderMap,
    name: &HeaderName,
    spelled: &str,
) -> Result<Option<ClientTransactionId>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let reason = format!("the header {spelled} comes twice");
        return Err(Refusal::new(ResultCode::SyntaxError, reason));
    }
    // Printable ASCII, less than an identifier may have.
    let text = value.to_str().ok();
    // The draft's key is a string of RFC 8941, in quotation marks; many clients leave them out.
    let text = text.map(|text| match *name == IDEMPOTENCY_KEY {
        true => unquoted(text),
        false => text,
    });
    match text.map(ClientTransactionId::parse) {
        Some(Ok(id)) => Ok(Some(id)),
        Some(Err(_)) | None => Err(Refusal::new(
            ResultCode::ParameterSyntax,
            format!(
                "the header {spelled} has to be 3 to 64 printable ASCII characters, with blanks only one at a time and inside"
            ),
        )),
    }
}

fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// Reads the authorization information of an object: `RPP-Authorization: authinfo value=<base64>`.
/// Any text is taken, so that a wrong one is wrong and not malformed.
pub(super) fn auth_info(headers: &HeaderMap) -> Result<Option<Secret>, Refusal> {
    let mut values = headers.get_all(&RPP_AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let only = values
        .next()
        .is_none()
        .then(|| value.to_str().ok())
        .flatten();
    let secret = only.and_then(|text| {
        let (scheme, parameter) = text.split_once(' ')?;
        let base64 = parameter.trim_matches(' ').strip_prefix("value=")?;
        let decodable =
            scheme.eq_ignore_ascii_case("authinfo") && base64.len() <= AUTH_INFO_CHARACTERS_MAX;
        let octets = STANDARD
            .decode(unquoted(base64))
            .ok()
            .filter(|_| decodable)?;
        // What is not UTF-8 becomes something that is no authorization information of any object.
        Some(Secret::new(String::from_utf8_lossy(&octets)))
    });
    secret.map(Some).ok_or_else(|| {
        Refusal::new(
            ResultCode::ParameterSyntax,
            "the header RPP-Authorization has to be \"authinfo value=<base64 of the authorization information>\", once, of at most 1024 characters",
        )
    })
}

/// Writes what [`auth_info`] reads.
pub(crate) fn auth_info_value(secret: &Secret) -> HeaderValue {
    let text = Zeroizing::new(format!(
        "authinfo value={}",
        STANDARD.encode(secret.expose())
    ));
    let mut value = HeaderValue::from_str(&text).expect("base64 is made of header characters");
    value.set_sensitive(true);
    value
}

/// Reads `Last-Event-ID`: the number of a message.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(&LAST_EVENT_ID) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(decimal);
    number.map(Some).ok_or_else(|| {
        let reason = "the header Last-Event-ID has to be the number of a message";
        Refusal::new(ResultCode::ParameterSyntax, reason)
    })
}

/// Checks that a body which is there has this media type, and is not compressed.
pub(super) fn check_media_type(
    headers: &HeaderMap,
    is_right: fn(&str) -> bool,
    right: &str,
) -> Result<(), Refusal> {
    if headers.contains_key(CONTENT_ENCODING) {
        let reason = "the body has a Content-Encoding; send it as it is";
        return Err(Refusal::media_type(reason));
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or(""),
        _ => "",
    };
    if is_right(value) {
        Ok(())
    } else {
        Err(Refusal::media_type(format!(
            "the body needs one header \"Content-Type: {right}\", version 1, in UTF-8"
        )))
    }
}

/// `application/rpp+json` or `application/json`; a charset or version named has to be ours.
pub(super) fn is_json(value: &str) -> bool {
    is_media_type(value, &[MEDIA_TYPE, "application/json"])
}

/// `application/x-ndjson`.
pub(super) fn is_ndjson(value: &str) -> bool {
    is_media_type(value, &[LINES_MEDIA_TYPE])
}

fn is_media_type(value: &str, known: &[&str]) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    known
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
        && parts.all(is_parameter_of_ours)
}

fn is_parameter_of_ours(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return parameter.is_empty();
    };
    let value = value.trim_matches('"');
    match name.to_ascii_lowercase().as_str() {
        "charset" => value.eq_ignore_ascii_case("utf-8"),
        "version" => value == "1" || value.starts_with("1."),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(value: &str) -> Result<BearerToken, ResultCode> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        bearer_token(&headers).map_err(|refusal| refusal.problem.code)
    }

    #[test]
    fn only_bearer_tokens_are_accepted() {
        let token = "abcdefghijklmnopqrstuvwxyz";
        for good in ["Bearer ", "bearer ", "BEARER  "] {
            let value = format!("{good}{token}");
            assert_eq!(authorization(&value).unwrap().expose(), token);
        }
        for missing in ["Basic YTpi", "Bearer", token] {
            assert_eq!(authorization(missing), Err(ResultCode::AuthenticationError));
        }
        for invalid in [
            "Bearer ",
            "Bearer short",
            "Bearer a b c d e f g h i j k l m",
        ] {
            let code = Err(ResultCode::InvalidAuthorizationInformation);
            assert_eq!(authorization(invalid), code);
        }
    }

    #[test]
    fn two_authorizations_are_none() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            let value = HeaderValue::from_static("Bearer abcdefghijklmnopqrstuvwxyz");
            headers.append(AUTHORIZATION, value);
        }
        let refusal = bearer_token(&headers).unwrap_err();
        assert_eq!(refusal.status.as_u16(), 401);
        assert_eq!(refusal.problem.code, ResultCode::AuthenticationError);
    }

    #[test]
    fn media_types_other_than_json_are_refused() {
        for good in [
            "application/rpp+json",
            "Application/JSON",
            "application/json; charset=UTF-8",
            "application/json;",
            "application/rpp+json; profile=\"urn:x\"; version=\"1.1\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/json",
            "application/jsonx",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/rpp+json; version=2.0",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn idempotency_keys_stand_for_transaction_ids() {
        let read = |own: Option<&'static str>, alias: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(RPP_CLTRID, own), (IDEMPOTENCY_KEY, alias)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let id = client_transaction_id(&headers).map_err(|refusal| refusal.status.as_u16());
            id.map(|id| id.map(|id| id.to_string()))
        };
        let same = Ok(Some("key-1".to_owned()));
        assert_eq!(read(None, Some("key-1")), same);
        assert_eq!(read(None, Some("\"key-1\"")), same);
        assert_eq!(read(Some("key-1"), Some("\"key-1\"")), same);
        assert_eq!(read(Some("key-1"), None), same);
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some("key-1"), Some("key-2")), Err(400));
        assert_eq!(read(Some("key-1"), Some("k")), Err(400));
    }

    #[test]
    fn authorization_information_is_read_as_written() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(RPP_AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            auth_info(&headers)
        };
        for text in ["", "open sesame", "äöü", &"x".repeat(700)] {
            let secret = Secret::new(text);
            let value = auth_info_value(&secret);
            assert!(value.is_sensitive());
            assert_eq!(read(&[value.to_str().unwrap()]), Ok(Some(secret)));
        }
        assert_eq!(
            read(&["AuthInfo value=\"YQ==\""]),
            Ok(Some(Secret::new("a")))
        );
        assert_eq!(
            read(&["authinfo value=/w=="]),
            Ok(Some(Secret::new("\u{fffd}")))
        );
        assert_eq!(read(&[]), Ok(None));
        let long = format!("authinfo value={}", "A".repeat(1028));
        for bad in [
            &["authinfo"][..],
            &["authinfo value=*"],
            &["basic value=YQ=="],
            &["authinfo token=YQ=="],
            &["authinfo value=YQ==", "authinfo value=YQ=="],
            &[&long],
        ] {
            let refusal = read(bad).unwrap_err();
            assert_eq!(refusal.problem.code, ResultCode::ParameterSyntax, "{bad:?}");
        }
    }
}
