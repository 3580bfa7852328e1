//! How a check went, and the exit code that says so.

use iot_identity::OwnerName;
use iot_verifier::{BindingError, CheckError, PresentedCertificate, Verdict, bind};

/// Result of a check, with the certificate's own word where one was given.
pub(crate) struct Outcome {
    pub(crate) owner: OwnerName,
    pub(crate) certificate: Option<PresentedCertificate>,
    pub(crate) result: Result<Verdict, CheckError>,
    /// Whether the certificate is the one published; none without certificate or active verdict.
    pub(crate) binding: Option<Result<(), BindingError>>,
    /// In Unix seconds.
    pub(crate) now: u64,
}

/// Kinds of outcomes. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active = 0,
    Inactive = 1,
    Absent = 2,
    Bogus = 3,
    Indeterminate = 4,
    InputError = 5,
    Mismatch = 6,
}

impl State {
    pub(crate) fn exit_code(self) -> u8 {
        self as u8
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Absent => "absent",
            Self::Bogus => "bogus",
            Self::Indeterminate => "indeterminate",
            Self::InputError => "input-error",
            Self::Mismatch => "mismatch",
        }
    }
}

impl Outcome {
    pub(crate) fn new(
        owner: OwnerName,
        certificate: Option<PresentedCertificate>,
        result: Result<Verdict, CheckError>,
        now: u64,
    ) -> Self {
        let binding = match (&certificate, &result) {
            (Some(certificate), Ok(Verdict::Active(active))) => {
                Some(bind(active, certificate, now).map(|_| ()))
            }
            _ => None,
        };
        Self {
            owner,
            certificate,
            result,
            binding,
            now,
        }
    }

    /// The one mapping from results to exit codes.
    pub(crate) fn state(&self) -> State {
        match (&self.result, &self.binding) {
            (Ok(Verdict::Active(_)), None | Some(Ok(()))) => State::Active,
            (Ok(Verdict::Active(_)), Some(Err(BindingError::VerdictOutdated { .. }))) => {
                State::Indeterminate
            }
            (Ok(Verdict::Active(_)), Some(Err(_))) => State::Mismatch,
            (Ok(Verdict::Inactive(_)), _) => State::Inactive,
            (Ok(Verdict::Absent(_)), _) => State::Absent,
            (Err(CheckError::Bogus(_)), _) => State::Bogus,
            (Err(CheckError::ForeignZone { .. }), _) => State::InputError,
            (
                Err(
                    CheckError::Indeterminate(_)
                    | CheckError::ChainEnds(_)
                    | CheckError::ClockImplausible(_)
                    | CheckError::Transport(_)
                    | CheckError::NoRandomness,
                ),
                _,
            ) => State::Indeterminate,
        }
    }

    /// Why the state is not the one that was hoped for, if there is anything to say.
    pub(crate) fn reason(&self) -> Option<String> {
        match (&self.result, &self.binding) {
            (Err(error), _) => Some(error.to_string()),
            (_, Some(Err(error))) => Some(error.to_string()),
            _ => None,
        }
    }
}
