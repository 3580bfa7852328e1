//! What commands about devices are answered with.

use iot_identity::{DeviceId, Slot};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::device::{DEVICE_ID, SLOT};
use super::device_info::{DEVICE_INFO, PUBLICATION};
use super::pem;
use crate::command::DEVICES_MAX;
use crate::device::{DeviceInfo, PublicationTimes};
use crate::json::schema::{
    ANY_NUMBER, ANY_TEXT, Document, PEM, Schema, TIMESTAMP, optional, required,
};
use crate::response::{Availability, Issued, Pending, ProcessKind, ProcessState, SlotCertificate};

/// A credential that was just issued.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceIssued {
    device: DeviceInfo,
    slot: Slot,
    certificate_pem: String,
    chain_pem: String,
    publication: PublicationTimes,
}

pub(crate) const DEVICE_ISSUED: Document = Document::new(
    "DeviceIssued",
    "A credential that was just issued, and is published.",
    &[
        required(
            "device",
            Schema::Document(&DEVICE_INFO),
            "The device afterwards.",
        ),
        required("slot", SLOT, "Number of the credential."),
        required("certificatePem", PEM, "Its certificate."),
        required(
            "chainPem",
            PEM,
            "The certificates above it, issuer first and root last.",
        ),
        required(
            "publication",
            Schema::Document(&PUBLICATION),
            "By when it is visible.",
        ),
    ],
);

impl From<Issued> for DeviceIssued {
    fn from(issued: Issued) -> Self {
        let certificate = Certificate::from(issued.certificate);
        Self {
            device: issued.info,
            slot: certificate.slot,
            certificate_pem: certificate.certificate_pem,
            chain_pem: certificate.chain_pem,
            publication: issued.times,
        }
    }
}

impl DeviceIssued {
    pub(crate) fn into_issued(self) -> Option<Issued> {
        let certificate = Certificate {
            slot: self.slot,
            certificate_pem: self.certificate_pem,
            chain_pem: self.chain_pem,
        };
        Some(Issued {
            info: self.device,
            certificate: certificate.into_slot_certificate()?,
            times: self.publication,
        })
    }
}

/// One certificate of a device.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    slot: Slot,
    certificate_pem: String,
    chain_pem: String,
}

pub(crate) const CERTIFICATE: Document = Document::new(
    "SlotCertificate",
    "One certificate of a device.",
    &[
        required("slot", SLOT, "Number of the credential."),
        required("certificatePem", PEM, "Its certificate."),
        required(
            "chainPem",
            PEM,
            "The certificates above it, issuer first and root last.",
        ),
    ],
);

impl From<SlotCertificate> for Certificate {
    fn from(certificate: SlotCertificate) -> Self {
        Self {
            slot: certificate.slot,
            certificate_pem: pem::write([certificate.certificate.as_slice()]),
            chain_pem: pem::write(certificate.chain.iter().map(Vec::as_slice)),
        }
    }
}

impl Certificate {
    pub(crate) fn into_slot_certificate(self) -> Option<SlotCertificate> {
        Some(SlotCertificate {
            slot: self.slot,
            certificate: pem::read_one(&self.certificate_pem)?,
            chain: pem::read(&self.chain_pem)?,
        })
    }
}

/// A page of devices.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DevicePage {
    pub(crate) devices: Vec<DeviceInfo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_after: Option<DeviceId>,
}

pub(crate) const DEVICE_PAGE: Document = Document::new(
    "DevicePage",
    "A page of devices.",
    &[
        required(
            "devices",
            Schema::List {
                of: &Schema::Document(&DEVICE_INFO),
                fewest: 0,
                most: Some(DEVICES_MAX as usize),
            },
            "In the order of their ids.",
        ),
        optional(
            "nextAfter",
            DEVICE_ID,
            "Where the next page begins, when there is one; the header Link has its address.",
        ),
    ],
);

/// A change that was made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceChanged {
    pub(crate) device: DeviceInfo,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) publication: Option<PublicationTimes>,
}

pub(crate) const DEVICE_CHANGED: Document = Document::new(
    "DeviceChanged",
    "A change that was made.",
    &[
        required(
            "device",
            Schema::Document(&DEVICE_INFO),
            "The device afterwards.",
        ),
        optional(
            "publication",
            Schema::Document(&PUBLICATION),
            "By when the change is believed; absent when nothing in the zone changed.",
        ),
    ],
);

pub(crate) const AVAILABILITY: Document = Document::new(
    "Availability",
    "Whether one id could be registered; says nothing about who has it.",
    &[
        required("deviceId", DEVICE_ID, "The id asked."),
        required(
            "available",
            Schema::Boolean,
            "Whether a create by this account could succeed.",
        ),
        optional("reason", ANY_TEXT, "Why not, when not."),
    ],
);

/// Several answers about availability.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceChecked {
    pub(crate) availability: Vec<Availability>,
}

pub(crate) const DEVICE_CHECKED: Document = Document::new(
    "DeviceChecked",
    "Which of the ids asked could be registered.",
    &[required(
        "availability",
        Schema::List {
            of: &Schema::Document(&AVAILABILITY),
            fewest: 0,
            most: Some(DEVICES_MAX as usize),
        },
        "In the order asked.",
    )],
);

/// Accepted and durable, not yet published.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessPending {
    process_id: u64,
    device_id: DeviceId,
    kind: ProcessKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<Slot>,
    #[serde(with = "crate::timestamp")]
    decided_at: OffsetDateTime,
    #[serde(with = "crate::timestamp")]
    expires_at: OffsetDateTime,
}

pub(crate) const PROCESS_PENDING: Document = Document::new(
    "ProcessPending",
    "Accepted and durable, not yet published. The header Location says where to ask for it.",
    &[
        required("processId", ANY_NUMBER, "Number of the process."),
        required("deviceId", DEVICE_ID, "The device."),
        required("kind", Schema::Names(process_kinds), "What was asked."),
        optional(
            "slot",
            SLOT,
            "The slot that it made: its certificate can be asked for already.",
        ),
        required("decidedAt", TIMESTAMP, "When it was decided."),
        required("expiresAt", TIMESTAMP, "End of the registration."),
    ],
);

fn process_kinds() -> Vec<&'static str> {
    ProcessKind::ALL.iter().map(|one| one.as_str()).collect()
}

impl From<Pending> for ProcessPending {
    fn from(pending: Pending) -> Self {
        Self {
            process_id: pending.process_id,
            device_id: pending.device_id,
            kind: pending.kind,
            slot: pending.slot,
            decided_at: pending.at,
            expires_at: pending.expires_at,
        }
    }
}

impl From<ProcessPending> for Pending {
    fn from(pending: ProcessPending) -> Self {
        Self {
            process_id: pending.process_id,
            device_id: pending.device_id,
            kind: pending.kind,
            slot: pending.slot,
            at: pending.decided_at,
            expires_at: pending.expires_at,
            transfer: None,
        }
    }
}

pub(crate) const PROCESS_STATUS: Document = Document::new(
    "ProcessStatus",
    "How far a command is that was answered with 202.",
    &[
        required("processId", ANY_NUMBER, "Number of the process."),
        required("kind", Schema::Names(process_kinds), "What was asked."),
        required(
            "state",
            Schema::Names(|| ProcessState::ALL.iter().map(|one| one.as_str()).collect()),
            "How far it is.",
        ),
        optional(
            "publication",
            Schema::Document(&PUBLICATION),
            "By when it is believed, once it is published.",
        ),
    ],
);
