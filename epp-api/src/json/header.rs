//! Header fields of the door: which there are, and how strictly they are read.

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

use crate::account::BearerToken;
use crate::json::refusal::Refusal;
use crate::result_code::ResultCode;
use crate::transaction::ClientTransactionId;

/// The client's transaction identifier; echoed.
pub const RPP_CLTRID: HeaderName = HeaderName::from_static("rpp-cltrid");
/// The server's transaction identifier.
pub const RPP_SVTRID: HeaderName = HeaderName::from_static("rpp-svtrid");
/// The result code, five digits.
pub const RPP_CODE: HeaderName = HeaderName::from_static("rpp-code");
/// `true` when the answer repeats the result of an earlier request.
pub const RPP_REPLAYED: HeaderName = HeaderName::from_static("rpp-replayed");

/// Media type of documents.
pub const MEDIA_TYPE: &str = "application/rpp+json";
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

/// Reads `RPP-Cltrid`.
///
/// # Errors
/// Twice or outside the syntax: 400.
pub fn client_transaction_id(headers: &HeaderMap) -> Result<Option<ClientTransactionId>, Refusal> {
    let mut values = headers.get_all(&RPP_CLTRID).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let reason = "the header RPP-Cltrid comes twice";
        return Err(Refusal::new(ResultCode::SyntaxError, reason));
    }
    let id = value.to_str().ok().map(ClientTransactionId::parse);
    match id {
        Some(Ok(id)) => Ok(Some(id)),
        Some(Err(_)) | None => Err(Refusal::new(
            ResultCode::ParameterSyntax,
            "the header RPP-Cltrid has to be 3 to 64 printable ASCII characters without blanks",
        )),
    }
}

/// Checks that a body which is there is JSON, and not compressed.
pub(super) fn check_content(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(CONTENT_ENCODING) {
        let reason = "the body has a Content-Encoding; send it as it is";
        return Err(Refusal::media_type(reason));
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or(""),
        _ => "",
    };
    if is_json(value) {
        Ok(())
    } else {
        Err(Refusal::media_type(format!(
            "the body needs one header \"Content-Type: {MEDIA_TYPE}\" (or application/json), version 1, in UTF-8"
        )))
    }
}

/// `application/rpp+json` or `application/json`; a charset or version named has to be ours.
fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    let known = media_type.eq_ignore_ascii_case(MEDIA_TYPE)
        || media_type.eq_ignore_ascii_case("application/json");
    known && parts.all(is_parameter_of_ours)
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
    use http::HeaderValue;

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
}
