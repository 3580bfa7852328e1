//! The result codes of RFC 5730 §3, with number and meaning. Both doors speak them; the JSON door
//! writes them with five digits and an HTTP status ([`crate::json`]).

use std::fmt;

macro_rules! result_codes {
    ($($name:ident = $number:literal, $meaning:literal;)*) => {
        /// Result of a command (RFC 5730 §3); each code's meaning is the text of that section.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum ResultCode {
            $(
                #[doc = $meaning]
                $name = $number,
            )*
        }

        impl ResultCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The meaning as RFC 5730 §3 words it.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

result_codes! {
    Completed = 1000, "Command completed successfully";
    CompletedPending = 1001, "Command completed successfully; action pending";
    CompletedNoMessages = 1300, "Command completed successfully; no messages";
    CompletedAckToDequeue = 1301, "Command completed successfully; ack to dequeue";
    CompletedEndingSession = 1500, "Command completed successfully; ending session";
    UnknownCommand = 2000, "Unknown command";
    SyntaxError = 2001, "Command syntax error";
    UseError = 2002, "Command use error";
    RequiredParameterMissing = 2003, "Required parameter missing";
    ParameterRange = 2004, "Parameter value range error";
    ParameterSyntax = 2005, "Parameter value syntax error";
    UnimplementedVersion = 2100, "Unimplemented protocol version";
    UnimplementedCommand = 2101, "Unimplemented command";
    UnimplementedOption = 2102, "Unimplemented option";
    UnimplementedExtension = 2103, "Unimplemented extension";
    BillingFailure = 2104, "Billing failure";
    NotEligibleForRenewal = 2105, "Object is not eligible for renewal";
    NotEligibleForTransfer = 2106, "Object is not eligible for transfer";
    AuthenticationError = 2200, "Authentication error";
    AuthorizationError = 2201, "Authorization error";
    InvalidAuthorizationInformation = 2202, "Invalid authorization information";
    PendingTransfer = 2300, "Object pending transfer";
    NotPendingTransfer = 2301, "Object not pending transfer";
    ObjectExists = 2302, "Object exists";
    ObjectDoesNotExist = 2303, "Object does not exist";
    StatusProhibits = 2304, "Object status prohibits operation";
    AssociationProhibits = 2305, "Object association prohibits operation";
    ParameterPolicy = 2306, "Parameter value policy error";
    UnimplementedObjectService = 2307, "Unimplemented object service";
    DataManagementPolicy = 2308, "Data management policy violation";
    CommandFailed = 2400, "Command failed";
    CommandFailedClosing = 2500, "Command failed; server closing connection";
    AuthenticationErrorClosing = 2501, "Authentication error; server closing connection";
    SessionLimitClosing = 2502, "Session limit exceeded; server closing connection";
}

impl ResultCode {
    /// The four-digit number.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The code with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        let numbered = |code: &Self| code.number() == number;
        Self::ALL.iter().copied().find(numbered)
    }

    /// Whether the command was carried out, or accepted to be (1xxx).
    pub fn is_success(self) -> bool {
        self.number() < 2000
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.number(), self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number_and_only_they_are() {
        let found = (0..=u16::MAX).filter_map(ResultCode::from_number).count();
        assert_eq!(found, ResultCode::ALL.len());
        assert_eq!(found, 34, "RFC 5730 §3 defines 34 codes");
        for code in ResultCode::ALL {
            assert_eq!(ResultCode::from_number(code.number()), Some(*code));
        }
        assert!(ResultCode::ALL.is_sorted());
    }

    #[test]
    fn success_is_1xxx() {
        assert!(ResultCode::CompletedPending.is_success());
        assert!(!ResultCode::UnknownCommand.is_success());
    }
}
