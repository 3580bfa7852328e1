//! Replies that a registry could give.

use iot_epp_api::device::RepositoryId;
use iot_epp_api::endpoint::EndpointProfile;
use iot_epp_api::job::{JobInfo, JobResult, JobState};
use iot_epp_api::message::{Change, ChangeOperation, Detail, Event, Message};
use iot_epp_api::response::{Issued, Pending, SlotCertificate};
use iot_epp_api::transfer::{Direction, TransferInfo, TransferStatus};
use iot_epp_api::{
    AccountInfo, AccountName, DeviceInfo, DeviceState, DeviceStatus, ProcessKind, PublicationTimes,
    ResultCode, Role, SlotInfo, SlotState, ZoneReport,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot, ZoneName};
use time::macros::datetime;

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

pub(crate) fn account(text: &str, disabled: bool) -> AccountInfo {
    AccountInfo {
        name: name(text),
        role: Role::Mno,
        disabled,
        created_at: datetime!(2026-11-22 00:00:00 UTC),
        prefixes: Vec::new(),
        imported_ids: 0,
        iccids_allowed: false,
        devices_max: 1000,
        devices: 1,
        strict_transaction_ids: false,
        tokens: Vec::new(),
        certificates: Vec::new(),
        consents: vec![name("asp-one")],
    }
}

pub(crate) fn device(device_id: DeviceId, account: AccountName) -> DeviceInfo {
    let zone = ZoneName::parse("iotregistry.example").unwrap();
    DeviceInfo {
        device_id,
        repository_id: RepositoryId(7),
        account,
        state: DeviceState::Active,
        statuses: vec![DeviceStatus::Ok],
        slots: vec![SlotInfo {
            slot: Slot::FIRST,
            owner_name: OwnerName::new(Slot::FIRST, device_id, &zone),
            fingerprint: Fingerprint::from_octets([0x5a; 32]),
            serial: Some("00ff".to_owned()),
            not_before: datetime!(2026-11-22 00:00:00 UTC),
            not_after: datetime!(2031-11-22 00:00:00 UTC),
            state: SlotState::Live,
            reason: None,
            asp: None,
            inherited: false,
            replace_by: None,
        }],
        created_at: datetime!(2026-11-22 01:00:00.25 UTC),
        updated_at: datetime!(2026-11-22 01:00:00.25 UTC),
        expires_at: datetime!(2027-11-22 01:00:00 UTC),
        transferred_at: None,
        restore_until: None,
        version: 1,
    }
}

pub(crate) fn certificate(slot: Slot) -> SlotCertificate {
    SlotCertificate {
        slot,
        certificate: b"certificate".to_vec(),
        chain: vec![b"issuer".to_vec(), b"root".to_vec()],
    }
}

pub(crate) fn issued(info: DeviceInfo) -> Issued {
    Issued {
        info,
        certificate: certificate(Slot::FIRST),
        times: PublicationTimes {
            published_serial: 7,
            visible_everywhere_by: Some(datetime!(2026-11-22 02:05:00 UTC)),
            ..PublicationTimes::default()
        },
    }
}

pub(crate) fn withdrawn() -> PublicationTimes {
    PublicationTimes {
        published_serial: 8,
        denied_everywhere_by: Some(datetime!(2026-11-22 02:05:00 UTC)),
        honest_caches_by: Some(datetime!(2026-11-22 01:01:00 UTC)),
        visible_everywhere_by: None,
    }
}

pub(crate) fn pending(device_id: DeviceId, kind: ProcessKind) -> Pending {
    Pending {
        process_id: 7,
        device_id,
        kind,
        slot: None,
        at: datetime!(2026-11-22 01:00:00 UTC),
        expires_at: datetime!(2027-11-22 01:00:00 UTC),
        transfer: None,
    }
}

pub(crate) fn transfer(device_id: DeviceId, status: TransferStatus) -> TransferInfo {
    TransferInfo {
        transfer_id: 3,
        device_id,
        direction: Direction::Pull,
        status,
        losing: name("mno-one"),
        gaining: name("mno-two"),
        requested_by: name("mno-two"),
        requested_at: datetime!(2026-11-22 01:00:00 UTC),
        acting: name("mno-one"),
        acting_at: datetime!(2026-11-27 01:00:00 UTC),
        arrival: None,
        replace_by: None,
    }
}

pub(crate) fn message(message_id: u64, device_id: DeviceId) -> Message {
    let change = Change {
        operation: ChangeOperation::Update,
        who: "operator".to_owned(),
        server_transaction_id: "IOTR-1".to_owned(),
        at: datetime!(2026-11-22 01:00:00 UTC),
        reason: Some("court order".to_owned()),
        before: Some(device(device_id, name("mno-one"))),
        after: None,
    };
    Message {
        message_id,
        queued_at: datetime!(2026-11-22 01:00:00 UTC),
        event: Event::StatusChanged,
        text: "the registry set serverHold".to_owned(),
        device_id: Some(device_id),
        detail: Detail::Change(Box::new(change)),
    }
}

pub(crate) fn job(job_id: u64, octets_received: u64) -> JobInfo {
    JobInfo {
        job_id,
        action: "create".to_owned(),
        state: JobState::Open,
        octets_received,
        rows_done: 0,
        rows_succeeded: 0,
        rows_failed: 0,
        created_at: datetime!(2026-11-22 01:00:00 UTC),
        ended_at: None,
    }
}

pub(crate) fn job_result(row: u64) -> JobResult {
    JobResult {
        row,
        device_id: None,
        code: ResultCode::ParameterSyntax,
        server_transaction_id: "IOTR-1".to_owned(),
        reason: Some("no JSON".to_owned()),
        slot: None,
        certificate_pem: None,
    }
}

pub(crate) fn endpoint() -> EndpointProfile {
    EndpointProfile {
        fqdn: "iot.asp.example".to_owned(),
        port: 8883,
        url: None,
        certificate_pem: None,
        tlsa_fingerprint: Some(Fingerprint::from_octets([1; 32])),
        wifi_ciphertext: None,
    }
}

pub(crate) fn zone_report() -> ZoneReport {
    ZoneReport {
        zone: ZoneName::parse("iotregistry.example").unwrap(),
        serial: 9,
        device_names: 1,
        signatures_verified: 3,
        findings: Vec::new(),
    }
}
