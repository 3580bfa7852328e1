//! Bodies of requests about devices and their credentials, and the strings that documents share.

use iot_identity::{DeviceId, Slot};
use serde::{Deserialize, Serialize};

use super::text::{day, optional_spelled, secret};
use crate::account::AccountName;
use crate::command::{CSR_OCTETS_MAX, Command, DEVICES_MAX, DeviceCommand};
use crate::device::WithdrawReason;
use crate::json::csr_text;
use crate::json::refusal::Refusal;
use crate::json::schema::{Document, Schema, Text, optional, required};
use crate::period::Period;
use crate::secret::AuthInfo;

// --- strings ---------------------------------------------------------------------------------------

pub(crate) const DEVICE_ID: Schema = Schema::Text(&Text {
    format: Some("iot-device-id"),
    pattern: Some("^([0-9]{32}|89[0-9]{17}[fF]|89[0-9]{18})$"),
    most: Some(32),
    example: "89049032123451234512345678901235",
});
pub(crate) const ACCOUNT_NAME: Schema = Schema::Text(&Text {
    format: None,
    pattern: Some("^[a-z0-9][a-z0-9-]{1,14}[a-z0-9]$"),
    most: Some(16),
    example: "mno-one",
});
pub(crate) const FINGERPRINT: Schema = Schema::Text(&Text {
    format: None,
    pattern: Some("^[0-9a-f]{64}$"),
    most: Some(64),
    example: "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
});
pub(crate) const CSR: Schema = Schema::Text(&Text {
    format: Some("csr"),
    pattern: None,
    most: Some(CSR_OCTETS_MAX.div_ceil(3) * 4),
    example: "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n",
});
pub(crate) const AUTH_INFO: Schema = Schema::Text(&Text {
    format: Some("password"),
    pattern: Some("^[!-~]{20,64}$"),
    most: Some(64),
    example: "Jx7-QwZ4e!pLm2vT9sRk0",
});
const PERIOD: Schema = Schema::Text(&Text {
    format: Some("duration"),
    pattern: Some("^P[1-9][0-9]?[YM]$"),
    most: Some(4),
    example: "P2Y",
});
const DAY: Schema = Schema::Text(&Text {
    format: Some("date"),
    pattern: None,
    most: Some(10),
    example: "2027-11-22",
});
pub(crate) const SLOT: Schema = Schema::Whole {
    least: 1,
    most: Slot::NUMBER_MAX as u64,
};

// --- bodies of requests ----------------------------------------------------------------------------

/// Registers a device.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeviceCreate {
    pub(crate) id: DeviceId,
    pub(crate) csr: String,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_spelled"
    )]
    pub(crate) period: Option<Period>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asp: Option<AccountName>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "secret::optional_auth_info"
    )]
    pub(crate) auth_info: Option<AuthInfo>,
}

impl DeviceCreate {
    pub(crate) fn into_command(self) -> Result<Command, Refusal> {
        Ok(Command::Device(DeviceCommand::Create {
            device_id: self.id,
            csr: csr_text::from_text(&self.csr)?,
            period: self.period,
            asp: self.asp,
            auth_info: self.auth_info,
        }))
    }
}

pub(crate) const DEVICE_CREATE: Document = Document::new(
    "DeviceCreate",
    "Registers a device.",
    &[
        required("id", DEVICE_ID, "The device's EID, or its ICCID."),
        required("csr", CSR, CSR_ABOUT),
        optional(
            "period",
            PERIOD,
            "How long the registration lasts; the registry's default when absent.",
        ),
        optional(
            "asp",
            ACCOUNT_NAME,
            "The application service provider that the first slot is for.",
        ),
        optional(
            "authInfo",
            AUTH_INFO,
            "Authorization information to set at once (RFC 9154).",
        ),
    ],
);
const CSR_ABOUT: &str = "Certificate request (PKCS #10) with a P-256 key: PEM, or DER in base64; at most 16 KiB. Only its public key is used.";

/// Asks whether ids could be registered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeviceCheck {
    pub(crate) device_ids: Vec<DeviceId>,
}

pub(crate) const DEVICE_CHECK: Document = Document::new(
    "DeviceCheck",
    "Asks whether ids could be registered.",
    &[required("deviceIds", DEVICE_IDS, "The ids.")],
);
pub(crate) const DEVICE_IDS: Schema = Schema::List {
    of: &DEVICE_ID,
    fewest: 1,
    most: Some(DEVICES_MAX as usize),
};

/// Gives a device one more credential.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SlotCreate {
    pub(crate) csr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asp: Option<AccountName>,
}

pub(crate) const SLOT_CREATE: Document = Document::new(
    "SlotCreate",
    "Gives a device one more credential; those that are there stay.",
    &[
        required("csr", CSR, CSR_ABOUT),
        optional(
            "asp",
            ACCOUNT_NAME,
            "The application service provider that it is for.",
        ),
    ],
);

/// Extends a registration.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeviceRenew {
    #[serde(with = "day")]
    pub(crate) current_expiry: time::Date,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_spelled"
    )]
    pub(crate) period: Option<Period>,
}

pub(crate) const DEVICE_RENEW: Document = Document::new(
    "DeviceRenew",
    "Extends a registration; certificates stay as they are.",
    &[
        required(
            "currentExpiry",
            DAY,
            "The day (UTC) on which the registration ends now: what keeps a retry from extending it twice.",
        ),
        optional(
            "period",
            PERIOD,
            "By how much; the registry's default when absent.",
        ),
    ],
);

/// Takes a slot back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SlotWithdraw {
    pub(crate) slot: Slot,
    pub(crate) reason: WithdrawReason,
}

pub(crate) const SLOT_WITHDRAW: Document = Document::new(
    "SlotWithdraw",
    "Takes a slot back, for ever.",
    &[
        required("slot", SLOT, "Its number."),
        required("reason", Schema::Names(withdraw_reasons), "Why."),
    ],
);

fn withdraw_reasons() -> Vec<&'static str> {
    WithdrawReason::ALL.iter().map(|one| one.as_str()).collect()
}
