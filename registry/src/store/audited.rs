//! What the audit log says of a device: never what authorization information is, and of slots those that
//! changed.

use iot_epp_api::device::SettableStatus;
use iot_identity::DeviceId;

use super::audit::write_audit_text;
use super::sql::Connection;
use super::{Origin, StoreError};
use crate::lifecycle::{self, Credential, Device, Transfer};

/// What the log says of a device: none where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Audited<'a> {
    device: &'a Device,
    credentials: &'a [Credential],
    transfer: Option<&'a Transfer>,
}

/// A device as the log says it.
pub(super) fn audited<'a>(
    device: Option<&'a Device>,
    credentials: &'a [Credential],
    transfer: Option<&'a Transfer>,
) -> Option<Audited<'a>> {
    device.map(|device| Audited {
        device,
        credentials,
        transfer,
    })
}

/// One audit row for a state change of a device: before and after. Of its slots those that changed are
/// written.
pub(super) fn write_audit(
    connection: &Connection,
    origin: &Origin,
    device_id: DeviceId,
    (before, after): (Option<Audited<'_>>, Option<Audited<'_>>),
    now: u64,
) -> Result<(), StoreError> {
    let text = |one: Audited<'_>, other: Option<Audited<'_>>| {
        let others = other.map_or(&[][..], |other| other.credentials);
        one.text(others)
    };
    let before_text = before.map(|one| text(one, after));
    let after_text = after.map(|one| text(one, before));
    let object = device_id.as_str();
    let (before, after) = (before_text.as_deref(), after_text.as_deref());
    write_audit_text(connection, origin, object, before, after, now)
}

impl Audited<'_> {
    fn text(&self, others: &[Credential]) -> String {
        let device = self.device;
        let statuses: Vec<&str> = device.statuses.iter().map(SettableStatus::as_str).collect();
        let is_other = |one: &&Credential| lifecycle::in_slot(others, one.slot) != Some(*one);
        let changed = self.credentials.iter().filter(is_other);
        let slots: Vec<serde_json::Value> = changed.map(slot_of).collect();
        let transfer = self.transfer.map(|transfer| {
            serde_json::json!({
                "direction": transfer.direction.as_str(),
                "status": transfer.status.as_str(),
                "losing": transfer.losing,
                "gaining": transfer.gaining,
                "actingAt": transfer.acting_at,
            })
        });
        // That there is authorization information, and until when: never what it is.
        let auth_info = device.auth_info.as_ref().map(|record| record.valid_until);
        serde_json::json!({
            "account": device.account,
            "statuses": statuses,
            "deleteRequestedAt": device.delete_requested_at,
            "expiresAt": device.expires_at,
            "version": device.version,
            "authInfoUntil": auth_info,
            "slots": slots,
            "transfer": transfer,
        })
        .to_string()
    }
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn slot_of(credential: &Credential) -> serde_json::Value {
    let serial = credential.serial.as_deref().map(hex);
    serde_json::json!({
        "slot": credential.slot.get(),
        "serial": serial,
        "fingerprint": hex(credential.fingerprint.as_octets()),
        "notAfter": credential.not_after,
        "withdrawn": credential.withdrawn.map(|reason| reason.as_str()),
        "asp": credential.asp,
        "replaceBy": credential.replace_by,
    })
}
