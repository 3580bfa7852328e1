//! Commands about accounts: what they may register, and how they prove who they are.

use iot_identity::DeviceId;

use super::content::Content;
use crate::account::{AccountName, IdPrefix, Role};
use crate::scope::Scopes;

/// Most ids in one part of an imported list, and of those that are taken out of it.
pub const IMPORTED_IDS_MAX: usize = 1000;

/// A command about accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountCommand {
    /// Make an account and its first token.
    Create {
        /// Name of the new account.
        name: AccountName,
        /// Its role.
        role: Role,
    },
    /// All accounts.
    List,
    /// One account: the caller's own, unless the caller is an operator.
    Info {
        /// The account; the caller's own when none.
        name: Option<AccountName>,
    },
    /// Change an account.
    Update {
        /// The account.
        name: AccountName,
        /// What.
        change: AccountChange,
    },
    /// Give an account device ids that it may register, beside its prefixes. An id can be in one
    /// account's list only.
    ImportIds {
        /// The account.
        name: AccountName,
        /// 1 to [`IMPORTED_IDS_MAX`] ids; those that are there already are taken as told again.
        device_ids: Vec<DeviceId>,
    },
    /// Make a bearer token.
    IssueToken {
        /// The account.
        name: AccountName,
        /// What it may be used for.
        scopes: Scopes,
        /// How long it is valid.
        lifetime_secs: u32,
    },
    /// Make a client certificate under the account root.
    IssueCertificate {
        /// The account.
        name: AccountName,
        /// Certificate request, DER or PEM, at most [`super::CSR_OCTETS_MAX`] octets.
        csr: Vec<u8>,
    },
    /// Make a password for EPP logins; the present one is void.
    ResetPassword {
        /// The account.
        name: AccountName,
    },
    /// Let an application service provider send certificate requests for slots bound to it.
    Consent {
        /// The provider.
        asp: AccountName,
        /// Whether it may.
        granted: bool,
    },
}

/// A change of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Refuse it from the next command on.
    Disable,
    /// Accept it again.
    Enable,
    /// It may register ids that begin with these digits.
    AddPrefix(IdPrefix),
    /// It may register ids that begin with these digits no longer.
    RemovePrefix(IdPrefix),
    /// 1 to [`IMPORTED_IDS_MAX`] ids are in its list no longer; those that are not in it are taken as
    /// told again. Devices that are registered stay.
    RemoveIds(Vec<DeviceId>),
    /// Whether it may register ICCIDs.
    AllowIccids(bool),
    /// How many devices it may have.
    SetDevicesMax(u64),
    /// Whether a client transaction id that comes again with other content is refused in EPP too,
    /// where it is a new command otherwise.
    StrictTransactionIds(bool),
    /// The token is void.
    RevokeToken {
        /// Its number.
        token_id: u64,
    },
    /// The client certificate is void.
    RevokeCertificate {
        /// Its number.
        certificate_id: u64,
    },
}

impl AccountCommand {
    /// The verbs in the order of the variants.
    pub const VERBS: [&str; 9] = [
        "account.create",
        "account.list",
        "account.info",
        "account.update",
        "account.import-ids",
        "account.issue-token",
        "account.issue-certificate",
        "account.reset-password",
        "account.consent",
    ];

    pub(super) fn verb(&self) -> &'static str {
        let at = match self {
            Self::Create { .. } => 0,
            Self::List => 1,
            Self::Info { .. } => 2,
            Self::Update { .. } => 3,
            Self::ImportIds { .. } => 4,
            Self::IssueToken { .. } => 5,
            Self::IssueCertificate { .. } => 6,
            Self::ResetPassword { .. } => 7,
            Self::Consent { .. } => 8,
        };
        Self::VERBS[at]
    }

    pub(super) fn is_query(&self) -> bool {
        matches!(self, Self::List | Self::Info { .. })
    }

    pub(super) fn add_to(&self, content: &mut Content) {
        match self {
            Self::Create { name, role } => {
                content.parameter(name.as_str());
                content.parameter(role.as_str());
            }
            Self::List => {}
            Self::Info { name } => content.optional(name.as_ref().map(AccountName::as_str)),
            Self::Update { name, change } => {
                content.parameter(name.as_str());
                change.add_to(content);
            }
            Self::ImportIds { name, device_ids } => {
                content.parameter(name.as_str());
                for device_id in device_ids {
                    content.parameter(device_id.as_octets());
                }
            }
            Self::IssueToken {
                name,
                scopes,
                lifetime_secs,
            } => {
                content.parameter(name.as_str());
                content.parameter(scopes.to_string());
                content.parameter(lifetime_secs.to_be_bytes());
            }
            Self::IssueCertificate { name, csr } => {
                content.parameter(name.as_str());
                content.parameter(csr);
            }
            Self::ResetPassword { name } => content.parameter(name.as_str()),
            Self::Consent { asp, granted } => {
                content.parameter(asp.as_str());
                content.parameter([u8::from(*granted)]);
            }
        }
    }
}

impl AccountChange {
    fn add_to(&self, content: &mut Content) {
        match self {
            Self::Disable => content.parameter("disable"),
            Self::Enable => content.parameter("enable"),
            Self::AddPrefix(prefix) => {
                content.parameter("add-prefix");
                content.parameter(prefix.as_str());
            }
            Self::RemovePrefix(prefix) => {
                content.parameter("remove-prefix");
                content.parameter(prefix.as_str());
            }
            Self::RemoveIds(device_ids) => {
                content.parameter("remove-ids");
                for device_id in device_ids {
                    content.parameter(device_id.as_octets());
                }
            }
            Self::AllowIccids(allowed) => {
                content.parameter("allow-iccids");
                content.parameter([u8::from(*allowed)]);
            }
            Self::SetDevicesMax(devices_max) => {
                content.parameter("set-devices-max");
                content.parameter(devices_max.to_be_bytes());
            }
            Self::StrictTransactionIds(strict) => {
                content.parameter("strict-transaction-ids");
                content.parameter([u8::from(*strict)]);
            }
            Self::RevokeToken { token_id } => {
                content.parameter("revoke-token");
                content.parameter(token_id.to_be_bytes());
            }
            Self::RevokeCertificate { certificate_id } => {
                content.parameter("revoke-certificate");
                content.parameter(certificate_id.to_be_bytes());
            }
        }
    }
}
