//! Any reply that fits a command.

use iot_epp_api::command::{
    AccountCommand, DeviceCommand, EndpointCommand, JobCommand, MessageCommand, TransferCommand,
    ZoneCommand,
};
use iot_epp_api::device::{RepositoryId, SlotReason};
use iot_epp_api::job::{JobInfo, JobResult, JobState};
use iot_epp_api::message::{Change, ChangeOperation, Detail, Event, Message};
use iot_epp_api::response::{ClientCertificateInfo, Issued, Pending, SlotCertificate, TokenInfo};
use iot_epp_api::secret::Secret;
use iot_epp_api::transfer::{Direction, TransferInfo, TransferStatus};
use iot_epp_api::{
    AccountInfo, Availability, Command, DeviceInfo, DeviceState, DeviceStatus, IdPrefix,
    ProcessKind, ProcessState, ProcessStatus, PublicationTimes, Reply, ResultCode, Role, SlotInfo,
    SlotState, ZoneReport,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, ZoneName};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use time::OffsetDateTime;

use crate::commands::{
    any_arrival, any_command, any_id, any_name, any_profile, any_slot, any_token, any_transaction,
};

fn any_time() -> impl Strategy<Value = OffsetDateTime> {
    // Years 1 to 9999, to the nanosecond.
    (-62_135_596_800i64..253_402_300_800, 0..1_000_000_000i64).prop_map(|(secs, nanos)| {
        OffsetDateTime::from_unix_timestamp(secs).unwrap() + time::Duration::nanoseconds(nanos)
    })
}

fn moment() -> impl Strategy<Value = Option<OffsetDateTime>> {
    option::of(any_time())
}

fn any_times() -> impl Strategy<Value = PublicationTimes> {
    (any::<u32>(), moment(), moment(), moment()).prop_map(
        |(published_serial, denied_everywhere_by, honest_caches_by, visible_everywhere_by)| {
            PublicationTimes {
                published_serial,
                denied_everywhere_by,
                honest_caches_by,
                visible_everywhere_by,
            }
        },
    )
}

fn any_slot_info(device_id: DeviceId) -> impl Strategy<Value = SlotInfo> {
    let zone = ZoneName::parse("iotregistry.example").unwrap();
    let times = (any_time(), any_time(), moment());
    let state = (select(SlotState::ALL), option::of(select(SlotReason::ALL)));
    let serial = option::of("[0-9a-f]{32}");
    let asp = option::of(any_name());
    (
        any_slot(),
        any::<[u8; 32]>(),
        serial,
        times,
        state,
        asp,
        any::<bool>(),
    )
        .prop_map(
            move |(
                slot,
                digest,
                serial,
                (not_before, not_after, replace_by),
                state,
                asp,
                inherited,
            )| {
                SlotInfo {
                    slot,
                    owner_name: OwnerName::new(slot, device_id, &zone),
                    fingerprint: Fingerprint::from_octets(digest),
                    serial,
                    not_before,
                    not_after,
                    state: state.0,
                    reason: state.1,
                    asp,
                    inherited,
                    replace_by,
                }
            },
        )
}

fn any_device() -> impl Strategy<Value = DeviceInfo> {
    let numbers = (any::<u64>(), any::<u64>());
    let state = (
        select(DeviceState::ALL),
        vec(select(DeviceStatus::ALL), 0..3),
    );
    let times = (any_time(), any_time(), any_time(), moment(), moment());
    (any_id(), any_name(), state, times, numbers).prop_flat_map(
        |(device_id, account, (state, statuses), times, (repository_id, version))| {
            vec(any_slot_info(device_id), 0..3).prop_map(move |slots| DeviceInfo {
                device_id,
                repository_id: RepositoryId(repository_id),
                account: account.clone(),
                state,
                statuses: statuses.clone(),
                slots,
                created_at: times.0,
                updated_at: times.1,
                expires_at: times.2,
                transferred_at: times.3,
                restore_until: times.4,
                version,
            })
        },
    )
}

fn any_certificate() -> impl Strategy<Value = SlotCertificate> {
    let der = || vec(any::<u8>(), 0..200);
    (any_slot(), der(), vec(der(), 0..3)).prop_map(|(slot, certificate, chain)| SlotCertificate {
        slot,
        certificate,
        chain,
    })
}

fn any_issued() -> impl Strategy<Value = Reply> {
    (any_device(), any_certificate(), any_times()).prop_map(|(info, certificate, times)| {
        Reply::Issued(Box::new(Issued {
            info,
            certificate,
            times,
        }))
    })
}

fn any_changed() -> impl Strategy<Value = Reply> {
    (any_device(), option::of(any_times())).prop_map(|(info, times)| Reply::Changed {
        info: Box::new(info),
        times,
    })
}

fn any_pending() -> impl Strategy<Value = Reply> {
    let kind = select(ProcessKind::ALL);
    let slot = option::of(any_slot());
    (any::<u64>(), any_id(), kind, slot, any_time(), any_time()).prop_map(
        |(process_id, device_id, kind, slot, at, expires_at)| {
            Reply::Pending(Pending {
                process_id,
                device_id,
                kind,
                slot,
                at,
                expires_at,
                transfer: None,
            })
        },
    )
}

fn any_transfer() -> impl Strategy<Value = TransferInfo> {
    let names = (any_name(), any_name(), any_name(), any_name());
    let how = (
        select(Direction::ALL),
        select(TransferStatus::ALL),
        option::of(any_arrival()),
    );
    (
        any::<u64>(),
        any_id(),
        names,
        how,
        (any_time(), any_time(), moment()),
    )
        .prop_map(
            |(transfer_id, device_id, names, (direction, status, arrival), times)| TransferInfo {
                transfer_id,
                device_id,
                direction,
                status,
                losing: names.0,
                gaining: names.1,
                requested_by: names.2,
                requested_at: times.0,
                acting: names.3,
                acting_at: times.1,
                arrival,
                replace_by: times.2,
            },
        )
}

fn any_detail() -> impl Strategy<Value = Detail> {
    let pem = option::of("\\PC{0,40}");
    let change = (
        select(ChangeOperation::ALL),
        "\\PC{0,20}",
        any_time(),
        option::of("\\PC{0,20}"),
        option::of(any_device()),
        option::of(any_device()),
    );
    let action = (
        any::<bool>(),
        option::of(any_transaction()),
        option::of(any_slot()),
        option::of(any_times()),
    );
    prop_oneof![
        Just(Detail::None),
        (
            any_slot(),
            any_time(),
            option::of(select(SlotReason::ALL)),
            pem
        )
            .prop_map(|(slot, not_after, reason, certificate_pem)| Detail::Slot {
                slot,
                not_after,
                reason,
                certificate_pem
            }),
        change.prop_map(|(operation, who, at, reason, before, after)| {
            Detail::Change(Box::new(Change {
                operation,
                who,
                server_transaction_id: "IOTR-1".to_owned(),
                at,
                reason,
                before,
                after,
            }))
        }),
        any_transfer().prop_map(|transfer| Detail::Transfer(Box::new(transfer))),
        action.prop_map(|(is_done, client_transaction_id, slot, publication)| {
            Detail::PendingAction {
                is_done,
                client_transaction_id,
                server_transaction_id: "IOTR-1".to_owned(),
                slot,
                publication,
            }
        }),
        (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(job_id, succeeded, failed)| {
            Detail::Job {
                job_id,
                succeeded,
                failed,
            }
        }),
    ]
}

pub(super) fn any_message() -> impl Strategy<Value = Message> {
    let event = select(Event::ALL);
    let device_id = option::of(any_id());
    (
        any::<u64>(),
        any_time(),
        event,
        "\\PC{0,60}",
        device_id,
        any_detail(),
    )
        .prop_map(
            |(message_id, queued_at, event, text, device_id, detail)| Message {
                message_id,
                queued_at,
                event,
                text,
                device_id,
                detail,
            },
        )
}

fn any_job() -> impl Strategy<Value = JobInfo> {
    let numbers = any::<[u64; 5]>();
    (
        "[a-zA-Z]{1,20}",
        select(JobState::ALL),
        numbers,
        any_time(),
        moment(),
    )
        .prop_map(|(action, state, numbers, created_at, ended_at)| JobInfo {
            job_id: numbers[0],
            action,
            state,
            octets_received: numbers[1],
            rows_done: numbers[2],
            rows_succeeded: numbers[3],
            rows_failed: numbers[4],
            created_at,
            ended_at,
        })
}

fn any_job_result() -> impl Strategy<Value = JobResult> {
    let device_id = option::of(any_id());
    let reason = option::of("\\PC{0,40}");
    let slot = option::of(any_slot());
    let pem = option::of("(\\PC|\n){0,40}");
    (
        any::<u64>(),
        device_id,
        select(ResultCode::ALL),
        reason,
        slot,
        pem,
    )
        .prop_map(
            |(row, device_id, code, reason, slot, certificate_pem)| JobResult {
                row,
                device_id,
                code,
                server_transaction_id: "IOTR-1".to_owned(),
                reason,
                slot,
                certificate_pem,
            },
        )
}

fn any_account() -> impl Strategy<Value = AccountInfo> {
    let token = (any::<u64>(), "[a-z: ]{0,20}", any_time(), any_time());
    let token = token.prop_map(|(token_id, scopes, created_at, expires_at)| TokenInfo {
        token_id,
        scopes,
        created_at,
        expires_at,
    });
    let certificate = (any::<u64>(), any::<[u8; 32]>(), any_time());
    let certificate =
        certificate.prop_map(
            |(certificate_id, digest, not_after)| ClientCertificateInfo {
                certificate_id,
                fingerprint: Fingerprint::from_octets(digest),
                not_after,
            },
        );
    let prefix = "89[0-9]{0,29}".prop_map(|text| IdPrefix::parse(&text).unwrap());
    let who = (any_name(), select(&Role::ALL[..]), any_time());
    let lists = (
        vec(prefix, 0..3),
        vec(token, 0..3),
        vec(certificate, 0..3),
        vec(any_name(), 0..3),
    );
    (who, any::<[bool; 3]>(), any::<[u64; 3]>(), lists).prop_map(
        |((name, role, created_at), flags, numbers, (prefixes, tokens, certificates, consents))| {
            AccountInfo {
                name,
                role,
                disabled: flags[0],
                created_at,
                prefixes,
                imported_ids: numbers[0],
                iccids_allowed: flags[1],
                devices_max: numbers[1],
                devices: numbers[2],
                strict_transaction_ids: flags[2],
                tokens,
                certificates,
                consents,
            }
        },
    )
}

fn device_reply(command: &DeviceCommand) -> BoxedStrategy<Reply> {
    match command.clone() {
        DeviceCommand::Check { device_ids } => {
            let one = (any::<bool>(), option::of("\\PC{0,60}"));
            let several = vec(one, device_ids.len());
            let zipped = several.prop_map(move |answers| {
                let pairs = device_ids.iter().zip(answers);
                let check = |(id, (available, reason)): (&DeviceId, _)| Availability {
                    device_id: *id,
                    available,
                    reason,
                };
                Reply::Availability(pairs.map(check).collect())
            });
            zipped.boxed()
        }
        DeviceCommand::Info { .. } => any_device()
            .prop_map(|info| Reply::Device(Box::new(info)))
            .boxed(),
        DeviceCommand::List { .. } => (vec(any_device(), 0..3), option::of(any_id()))
            .prop_map(|(devices, next_after)| Reply::Devices {
                devices,
                next_after,
            })
            .boxed(),
        DeviceCommand::Certificate { .. } => any_certificate().prop_map(Reply::Certificate).boxed(),
        DeviceCommand::Create { .. } | DeviceCommand::NewSlot { .. } => {
            prop_oneof![any_pending(), any_issued()].boxed()
        }
        DeviceCommand::Process {
            kind, process_id, ..
        } => (select(ProcessState::ALL), option::of(any_times()))
            .prop_map(move |(state, publication)| {
                Reply::Process(ProcessStatus {
                    process_id,
                    kind,
                    state,
                    publication,
                })
            })
            .boxed(),
        _ => prop_oneof![any_pending(), any_changed()].boxed(),
    }
}

fn transfer_reply(command: &TransferCommand) -> BoxedStrategy<Reply> {
    if let TransferCommand::Query { .. } = command {
        let boxed = any_transfer().prop_map(Box::new);
        return boxed.prop_map(Reply::TransferQueried).boxed();
    }
    let changed = (any_transfer(), option::of(any_times()));
    let changed = changed.prop_map(|(transfer, times)| Reply::Transfer {
        transfer: Box::new(transfer),
        times,
    });
    prop_oneof![changed, any_pending()].boxed()
}

fn job_reply(command: &JobCommand) -> BoxedStrategy<Reply> {
    match command {
        JobCommand::List => vec(any_job(), 0..3).prop_map(Reply::Jobs).boxed(),
        JobCommand::Results { .. } => (vec(any_job_result(), 0..4), option::of(any::<u64>()))
            .prop_map(|(results, next_after)| Reply::JobResults {
                results,
                next_after,
            })
            .boxed(),
        _ => any_job().prop_map(Reply::Job).boxed(),
    }
}

fn account_reply(command: &AccountCommand) -> BoxedStrategy<Reply> {
    let der = || vec(any::<u8>(), 0..100);
    match command.clone() {
        AccountCommand::Create { name, .. } => any_token()
            .prop_map(move |token| Reply::AccountCreated {
                name: name.clone(),
                token,
            })
            .boxed(),
        AccountCommand::List => vec(any_account(), 0..3).prop_map(Reply::Accounts).boxed(),
        AccountCommand::Info { .. } | AccountCommand::Update { .. } => any_account()
            .prop_map(|info| Reply::Account(Box::new(info)))
            .boxed(),
        AccountCommand::ImportIds { .. } => any::<u64>()
            .prop_map(|added| Reply::Imported { added })
            .boxed(),
        AccountCommand::IssueToken { .. } => (any::<u64>(), any_token())
            .prop_map(|(token_id, token)| Reply::TokenIssued { token_id, token })
            .boxed(),
        AccountCommand::IssueCertificate { .. } => (any::<u64>(), der(), der())
            .prop_map(
                |(certificate_id, certificate, root)| Reply::ClientCertificate {
                    certificate_id,
                    certificate,
                    root,
                },
            )
            .boxed(),
        AccountCommand::ResetPassword { .. } => "\\PC{0,40}"
            .prop_map(|text| Reply::Password(Secret::new(text)))
            .boxed(),
        AccountCommand::Consent { .. } => Just(Reply::Done).boxed(),
    }
}

/// A reply that fits the command.
fn any_reply(command: &Command) -> BoxedStrategy<Reply> {
    match command {
        Command::Device(command) => device_reply(command),
        Command::Transfer(command) => transfer_reply(command),
        Command::Message(MessageCommand::Head) => (any::<u64>(), option::of(any_message()))
            .prop_map(|(count, head)| Reply::Messages {
                count,
                head: head.map(Box::new),
            })
            .boxed(),
        Command::Message(MessageCommand::Acknowledge { .. }) => {
            (any::<u64>(), option::of(any::<u64>()))
                .prop_map(|(count, next_message_id)| Reply::Acknowledged {
                    count,
                    next_message_id,
                })
                .boxed()
        }
        Command::Job(command) => job_reply(command),
        Command::Account(command) => account_reply(command),
        Command::Endpoint(EndpointCommand::Remove) => Just(Reply::Done).boxed(),
        Command::Endpoint(_) => any_profile()
            .prop_map(|profile| Reply::Endpoint(Box::new(profile)))
            .boxed(),
        Command::Zone(ZoneCommand::Dump) => "\\PC{0,300}".prop_map(Reply::ZoneText).boxed(),
        Command::Zone(ZoneCommand::Check) => (any::<u32>(), any::<u64>(), vec("\\PC{0,40}", 0..3))
            .prop_map(|(serial, number, findings)| {
                Reply::ZoneReport(ZoneReport {
                    zone: ZoneName::parse("iotregistry.example").unwrap(),
                    serial,
                    device_names: number,
                    signatures_verified: number,
                    findings,
                })
            })
            .boxed(),
    }
}

pub(super) fn command_and_reply() -> impl Strategy<Value = (Command, Reply)> {
    any_command().prop_flat_map(|command| {
        let reply = any_reply(&command);
        (Just(command), reply)
    })
}
