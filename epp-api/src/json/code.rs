//! The one table of result codes: EPP number ↔ RPP code ↔ HTTP status (draft-ietf-rpp-core-01,
//! "Result codes").

use http::StatusCode;

use crate::result_code::ResultCode;

/// HTTP status of a result. Codes without a status of their own take the one of their class.
pub fn http_status(code: ResultCode) -> StatusCode {
    use ResultCode::*;
    match code {
        Completed | CompletedNoMessages | CompletedAckToDequeue | CompletedEndingSession => {
            StatusCode::OK
        }
        CompletedPending => StatusCode::ACCEPTED,
        UnknownCommand
        | SyntaxError
        | UseError
        | RequiredParameterMissing
        | ParameterRange
        | ParameterSyntax
        | UnimplementedVersion => StatusCode::BAD_REQUEST,
        UnimplementedCommand
        | UnimplementedOption
        | UnimplementedExtension
        | UnimplementedObjectService => StatusCode::NOT_IMPLEMENTED,
        BillingFailure => StatusCode::PAYMENT_REQUIRED,
        AuthenticationError | InvalidAuthorizationInformation | AuthenticationErrorClosing => {
            StatusCode::UNAUTHORIZED
        }
        AuthorizationError => StatusCode::FORBIDDEN,
        ObjectDoesNotExist => StatusCode::NOT_FOUND,
        NotEligibleForRenewal
        | NotEligibleForTransfer
        | PendingTransfer
        | NotPendingTransfer
        | ObjectExists
        | StatusProhibits
        | AssociationProhibits => StatusCode::CONFLICT,
        ParameterPolicy | DataManagementPolicy => StatusCode::UNPROCESSABLE_ENTITY,
        CommandFailed | CommandFailedClosing => StatusCode::INTERNAL_SERVER_ERROR,
        SessionLimitClosing => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// The five digits of the `RPP-Code` header: `0` says that RFC 5730 defines the other four.
pub fn rpp_code(code: ResultCode) -> String {
    format!("0{:04}", code.number())
}

/// The code that five digits stand for; `None` for other codes and other spellings.
pub fn parse_rpp_code(text: &str) -> Option<ResultCode> {
    let digits = text.strip_prefix('0')?;
    if digits.len() != 4 || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    ResultCode::from_number(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written from the draft's two tables, independently of the code above.
    fn status_in_the_draft(number: u16) -> u16 {
        match number {
            1001 => 202,
            2101 | 2102 | 2103 | 2307 => 501,
            2104 => 402,
            2105 | 2106 | 2300 | 2301 | 2302 | 2304 | 2305 => 409,
            2200 | 2202 | 2501 => 401,
            2201 => 403,
            2303 => 404,
            2306 | 2308 => 422,
            2502 => 429,
            1000..=1999 => 200,
            2000..=2399 => 400,
            _ => 500,
        }
    }

    #[test]
    fn every_code_has_the_status_of_the_draft() {
        for code in ResultCode::ALL {
            let status = http_status(*code).as_u16();
            assert_eq!(status, status_in_the_draft(code.number()), "{code}");
        }
    }

    #[test]
    fn rpp_codes_round_trip_and_nothing_else_parses() {
        for code in ResultCode::ALL {
            assert_eq!(parse_rpp_code(&rpp_code(*code)), Some(*code));
        }
        assert_eq!(rpp_code(ResultCode::ObjectDoesNotExist), "02303");
        for bad in [
            "", "0", "2303", "12303", "02399", "0+303", "002303", "0２303",
        ] {
            assert_eq!(parse_rpp_code(bad), None, "{bad:?}");
        }
    }
}
