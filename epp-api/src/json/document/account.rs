//! Accounts, and how they prove who they are.

use iot_identity::DeviceId;
use serde::{Deserialize, Serialize};

use super::device::{ACCOUNT_NAME, CSR, FINGERPRINT};
use super::id_list::{IDS, bounded_ids};
use super::text::{secret, spelled};
use crate::account::{AccountName, BearerToken, IdPrefix, Role};
use crate::command::{AccountChange, IMPORTED_IDS_MAX};
use crate::json::refusal::Refusal;
use crate::json::schema::{
    ANY_NUMBER, ANY_TEXT, Document, PEM, Schema, TIMESTAMP, Text, optional, required,
};
use crate::response::AccountInfo;
use crate::scope::Scopes;
use crate::secret::Secret;

const PREFIX: Schema = Schema::Text(&Text {
    format: None,
    pattern: Some("^89[0-9]{0,29}$"),
    most: Some(31),
    example: "89049032",
});
const SCOPES: Schema = Schema::Text(&Text {
    format: Some("iot-scopes"),
    pattern: None,
    most: None,
    example: "device:read device:update",
});
const TOKEN: Schema = Schema::Text(&Text {
    format: Some("password"),
    pattern: None,
    most: None,
    example: "an-example-of-a-token",
});
/// What strictness of transaction ids is.
const STRICT: &str =
    "Whether EPP too refuses a client transaction id that comes again with other content.";
const ROLE: Schema = Schema::Names(|| Role::ALL.iter().map(|role| role.as_str()).collect());

/// Makes an account.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccountCreate {
    pub(crate) name: AccountName,
    pub(crate) role: Role,
}

pub(crate) const ACCOUNT_CREATE: Document = Document::new(
    "AccountCreate",
    "Makes an account and its first token.",
    &[
        required("name", ACCOUNT_NAME, "Name of the new account."),
        required("role", ROLE, "Its role."),
    ],
);

/// Changes an account.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum AccountUpdate {
    Disabled(bool),
    AddPrefix(IdPrefix),
    RemovePrefix(IdPrefix),
    RemoveIds(Vec<DeviceId>),
    IccidsAllowed(bool),
    DevicesMax(u64),
    StrictTransactionIds(bool),
}

pub(crate) const ACCOUNT_UPDATE: Document = Document::choice(
    "AccountUpdate",
    "One change of an account.",
    &[
        required(
            "disabled",
            Schema::Boolean,
            "Whether it is refused from the next command on.",
        ),
        required(
            "addPrefix",
            PREFIX,
            "It may register ids that begin with these digits.",
        ),
        required(
            "removePrefix",
            PREFIX,
            "It may register ids that begin with these digits no longer.",
        ),
        required(
            "removeIds",
            IDS,
            "These are in its list no longer; those that are not in it are taken as told again.",
        ),
        required(
            "iccidsAllowed",
            Schema::Boolean,
            "Whether it may register ICCIDs.",
        ),
        required("devicesMax", ANY_NUMBER, "How many devices it may have."),
        required("strictTransactionIds", Schema::Boolean, STRICT),
    ],
);

impl AccountUpdate {
    /// The body of a change; none for changes that have a resource of their own.
    pub(crate) fn of(change: &AccountChange) -> Option<Self> {
        Some(match change {
            AccountChange::Disable => Self::Disabled(true),
            AccountChange::Enable => Self::Disabled(false),
            AccountChange::AddPrefix(prefix) => Self::AddPrefix(prefix.clone()),
            AccountChange::RemovePrefix(prefix) => Self::RemovePrefix(prefix.clone()),
            AccountChange::RemoveIds(device_ids) => Self::RemoveIds(device_ids.clone()),
            AccountChange::AllowIccids(allowed) => Self::IccidsAllowed(*allowed),
            AccountChange::SetDevicesMax(most) => Self::DevicesMax(*most),
            AccountChange::StrictTransactionIds(strict) => Self::StrictTransactionIds(*strict),
            AccountChange::RevokeToken { .. } | AccountChange::RevokeCertificate { .. } => {
                return None;
            }
        })
    }

    pub(crate) fn into_change(self) -> Result<AccountChange, Refusal> {
        Ok(match self {
            Self::Disabled(true) => AccountChange::Disable,
            Self::Disabled(false) => AccountChange::Enable,
            Self::AddPrefix(prefix) => AccountChange::AddPrefix(prefix),
            Self::RemovePrefix(prefix) => AccountChange::RemovePrefix(prefix),
            Self::RemoveIds(device_ids) => {
                let device_ids = bounded_ids(device_ids, "removeIds", IMPORTED_IDS_MAX)?;
                AccountChange::RemoveIds(device_ids)
            }
            Self::IccidsAllowed(allowed) => AccountChange::AllowIccids(allowed),
            Self::DevicesMax(most) => AccountChange::SetDevicesMax(most),
            Self::StrictTransactionIds(strict) => AccountChange::StrictTransactionIds(strict),
        })
    }
}

/// Makes a token.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenIssue {
    #[serde(with = "spelled")]
    pub(crate) scopes: Scopes,
    pub(crate) lifetime_secs: u32,
}

pub(crate) const TOKEN_ISSUE: Document = Document::new(
    "TokenIssue",
    "Makes a bearer token.",
    &[
        required(
            "scopes",
            SCOPES,
            "What it may be used for: names with single blanks between them.",
        ),
        required(
            "lifetimeSecs",
            Schema::Whole {
                least: 0,
                most: u32::MAX as u64,
            },
            "How long it is valid, in seconds.",
        ),
    ],
);

/// Makes a client certificate.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CertificateIssue {
    pub(crate) csr: String,
}

pub(crate) const CERTIFICATE_ISSUE: Document = Document::new(
    "CertificateIssue",
    "Makes a client certificate under the account root.",
    &[required(
        "csr",
        CSR,
        "Certificate request (PKCS #10): PEM, or DER in base64; at most 16 KiB.",
    )],
);

// --- answers ---------------------------------------------------------------------------------------

pub(crate) const ACCOUNT_INFO: Document = Document::new(
    "AccountInfo",
    "One account.",
    &[
        required("name", ACCOUNT_NAME, "Its name."),
        required("role", ROLE, "Its role."),
        required("disabled", Schema::Boolean, "Whether it is refused."),
        required("createdAt", TIMESTAMP, "When it was made."),
        optional(
            "prefixes",
            Schema::List {
                of: &PREFIX,
                fewest: 0,
                most: None,
            },
            "With what the ids begin that it may register.",
        ),
        required("importedIds", ANY_NUMBER, "Ids in its imported list."),
        required(
            "iccidsAllowed",
            Schema::Boolean,
            "Whether it may register ICCIDs.",
        ),
        required("devicesMax", ANY_NUMBER, "How many devices it may have."),
        required("devices", ANY_NUMBER, "How many it has."),
        required("strictTransactionIds", Schema::Boolean, STRICT),
        optional(
            "tokens",
            Schema::List {
                of: &Schema::Document(&TOKEN_INFO),
                fewest: 0,
                most: None,
            },
            "Its tokens, without the secrets.",
        ),
        optional(
            "certificates",
            Schema::List {
                of: &Schema::Document(&CERTIFICATE_INFO),
                fewest: 0,
                most: None,
            },
            "Its client certificates.",
        ),
        optional(
            "consents",
            Schema::List {
                of: &ACCOUNT_NAME,
                fewest: 0,
                most: None,
            },
            "Providers that may send certificate requests for slots bound to them.",
        ),
    ],
);

const TOKEN_INFO: Document = Document::new(
    "TokenInfo",
    "A bearer token without its secret.",
    &[
        required("tokenId", ANY_NUMBER, "Its number."),
        required("scopes", SCOPES, "What it may be used for."),
        required("createdAt", TIMESTAMP, "When it was made."),
        required("expiresAt", TIMESTAMP, "Until when it is valid."),
    ],
);

const CERTIFICATE_INFO: Document = Document::new(
    "ClientCertificateInfo",
    "A client certificate of an account.",
    &[
        required("certificateId", ANY_NUMBER, "Its number."),
        required("fingerprint", FINGERPRINT, "SHA-256 of its DER."),
        required("notAfter", TIMESTAMP, "Last second of its validity."),
    ],
);

/// All accounts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accounts {
    pub(crate) accounts: Vec<AccountInfo>,
}

pub(crate) const ACCOUNTS: Document = Document::new(
    "Accounts",
    "All accounts.",
    &[required(
        "accounts",
        Schema::List {
            of: &Schema::Document(&ACCOUNT_INFO),
            fewest: 0,
            most: None,
        },
        "In the order of their names.",
    )],
);

/// An account was made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountCreated {
    pub(crate) name: AccountName,
    #[serde(with = "secret::token")]
    pub(crate) token: BearerToken,
}

pub(crate) const ACCOUNT_CREATED: Document = Document::new(
    "AccountCreated",
    "An account was made.",
    &[
        required("name", ACCOUNT_NAME, "The account."),
        required("token", TOKEN, "Its secret: shown here and nowhere else."),
    ],
);

/// A token was made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenIssued {
    pub(crate) token_id: u64,
    #[serde(with = "secret::token")]
    pub(crate) token: BearerToken,
}

pub(crate) const TOKEN_ISSUED: Document = Document::new(
    "TokenIssued",
    "A token was made.",
    &[
        required("tokenId", ANY_NUMBER, "Its number, for revoking it."),
        required("token", TOKEN, "The secret: shown here and nowhere else."),
    ],
);

/// A client certificate was made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateIssued {
    pub(crate) certificate_id: u64,
    pub(crate) certificate_pem: String,
    pub(crate) root_pem: String,
}

pub(crate) const CERTIFICATE_ISSUED: Document = Document::new(
    "CertificateIssued",
    "A client certificate was made.",
    &[
        required("certificateId", ANY_NUMBER, "Its number, for revoking it."),
        required("certificatePem", PEM, "The certificate."),
        required("rootPem", PEM, "The account root."),
    ],
);

/// A password was made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasswordReset {
    #[serde(with = "secret::password")]
    pub(crate) password: Secret,
}

pub(crate) const PASSWORD_RESET: Document = Document::new(
    "PasswordReset",
    "A password for EPP logins was made; the one before is void.",
    &[required(
        "password",
        ANY_TEXT,
        "The secret: shown here and nowhere else.",
    )],
);
