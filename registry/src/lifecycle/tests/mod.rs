//! Every decision, on facts made by hand.

mod changes;
mod ends;
mod issuance;
mod publications;
mod transfers;

use iot_epp_api::Role;
use iot_epp_api::device::SettableStatus;
use iot_identity::{DeviceId, Fingerprint, Slot};

use super::*;

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const DAY: u64 = 24 * 3600;
pub(super) const SPONSOR: Actor<'_> = Actor {
    account: "mno-a",
    role: Role::Mno,
};
pub(super) const OTHER: Actor<'_> = Actor {
    account: "mno-b",
    role: Role::Mno,
};
pub(super) const OPERATOR: Actor<'_> = Actor {
    account: "operator",
    role: Role::Operator,
};
pub(super) const PROVIDER: Actor<'_> = Actor {
    account: "asp-one",
    role: Role::Asp,
};

pub(super) fn id() -> DeviceId {
    DeviceId::parse("89049032123451234512345678901235").unwrap()
}

pub(super) fn iccid() -> DeviceId {
    DeviceId::parse("8912230200031010008f").unwrap()
}

pub(super) fn device() -> Device {
    Device {
        device_id: id(),
        repository_id: 7,
        account: "mno-a".to_owned(),
        statuses: Statuses::at_registration(),
        delete_requested_at: None,
        created_at: NOW - 1000,
        updated_at: NOW - 1000,
        expires_at: NOW + 400 * DAY,
        transferred_at: None,
        auth_info: None,
        version: 1,
    }
}

pub(super) fn credential(number: u16) -> Credential {
    Credential {
        slot: Slot::new(number).unwrap(),
        withdrawn: None,
        fingerprint: Fingerprint::of_certificate(&number.to_be_bytes()),
        serial: Some(vec![1; 16]),
        not_before: NOW - 1000,
        not_after: NOW + 1000,
        released_until: None,
        asp: None,
        replace_by: None,
    }
}

/// A device with one live slot that is bound to the provider.
pub(super) fn facts() -> Facts {
    let bound = Credential {
        asp: Some("asp-one".to_owned()),
        ..credential(1)
    };
    Facts {
        device: Some(device()),
        credentials: vec![bound],
        slot_reserved_max: 1,
        permission: Permission::Granted,
        ..Facts::default()
    }
}

/// The same, changed.
pub(super) fn facts_with(change: impl FnOnce(&mut Device)) -> Facts {
    let mut facts = facts();
    change(facts.device.as_mut().unwrap());
    facts
}

pub(super) fn with_status(status: SettableStatus) -> Facts {
    facts_with(|device| device.statuses = device.statuses.with(status))
}

pub(super) fn pending_delete() -> Facts {
    facts_with(|device| device.delete_requested_at = Some(NOW - DAY))
}

/// Who is told what, in the order of names.
pub(super) fn told(outcome: &Outcome) -> Vec<(&str, &'static str)> {
    let notices = outcome.notices.iter();
    let mut told: Vec<_> = notices
        .map(|one| (one.to.as_str(), one.event.as_str()))
        .collect();
    told.sort_unstable();
    told
}
