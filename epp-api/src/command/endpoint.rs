//! Commands about what an application service provider tells devices: where to connect, and whom to
//! trust there.

use super::content::Content;
use crate::account::AccountName;
use crate::endpoint::EndpointProfile;

/// A command about endpoint profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointCommand {
    /// A provider's profile.
    Info {
        /// The provider; the caller itself when none.
        asp: Option<AccountName>,
    },
    /// Make this the caller's profile.
    Set {
        /// The profile.
        profile: Box<EndpointProfile>,
    },
    /// The caller has no profile from now on.
    Remove,
}

impl EndpointCommand {
    /// The verbs in the order of the variants.
    pub const VERBS: [&str; 3] = ["endpoint.info", "endpoint.set", "endpoint.remove"];

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Info { .. } => Self::VERBS[0],
            Self::Set { .. } => Self::VERBS[1],
            Self::Remove => Self::VERBS[2],
        }
    }

    pub(super) fn is_query(&self) -> bool {
        matches!(self, Self::Info { .. })
    }

    pub(super) fn add_to(&self, content: &mut Content) {
        match self {
            Self::Info { asp } => content.optional(asp.as_ref().map(AccountName::as_str)),
            Self::Set { profile } => profile.add_to(|parameter| content.optional(parameter)),
            Self::Remove => {}
        }
    }
}
