//! Any answer of a registry that an EPP command can have, for the properties.

use iot_epp_api::device::{RepositoryId, SlotReason};
use iot_epp_api::epp::mapping::Asked;
use iot_epp_api::message::{Change, ChangeOperation, Detail, Event, Message};
use iot_epp_api::response::{Issued, Pending, SlotCertificate};
use iot_epp_api::transfer::{Arrival, Direction, TransferInfo, TransferStatus};
use iot_epp_api::{
    AccountName, Availability, ClientTransactionId, DeviceInfo, DeviceState, DeviceStatus, Problem,
    ProcessKind, PublicationTimes, Reply, Response, ResultCode, SlotInfo, SlotState,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use time::OffsetDateTime;

fn device_id() -> impl Strategy<Value = DeviceId> + Clone {
    let ids = ["89049032123451234512345678901235", "8912230200031010008f"];
    select(ids.to_vec()).prop_map(|id| DeviceId::parse(id).unwrap())
}

fn account() -> impl Strategy<Value = AccountName> + Clone {
    "[a-z0-9][a-z0-9-]{1,14}[a-z0-9]".prop_map(|name| AccountName::parse(&name).unwrap())
}

/// To the second, from 1950 to 2200.
fn instant() -> impl Strategy<Value = OffsetDateTime> + Clone {
    (-631_152_000..7_258_118_400_i64)
        .prop_map(|seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap())
}

/// Whatever somebody may write: markup, white space, characters that XML does not allow.
fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        "[ -~]{0,60}",
        "\\PC{0,40}",
        ".{0,40}",
        "[<>&\"'\\]\\t\\n\\r\u{0}-\u{1f} ]{0,20}"
    ]
}

fn slot() -> impl Strategy<Value = Slot> + Clone {
    (1..=9999_u16).prop_map(|number| Slot::new(number).unwrap())
}

fn der() -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(any::<u8>(), 1..300)
}

fn times() -> impl Strategy<Value = PublicationTimes> + Clone {
    (any::<u32>(), of(instant()), of(instant()), of(instant())).prop_map(
        |(published_serial, denied, caches, visible)| PublicationTimes {
            published_serial,
            denied_everywhere_by: denied,
            honest_caches_by: caches,
            visible_everywhere_by: visible,
        },
    )
}

fn slot_info() -> impl Strategy<Value = SlotInfo> {
    (
        slot(),
        select(SlotState::ALL),
        of(select(SlotReason::ALL)),
        of("[0-9a-f]{1,40}"),
        (instant(), instant()),
        of(account()),
        any::<bool>(),
        of(instant()),
    )
        .prop_map(
            |(slot, state, reason, serial, (not_before, not_after), asp, inherited, replace_by)| {
                let name = format!("{slot}.8912230200031010008f.z.example");
                SlotInfo {
                    slot,
                    owner_name: OwnerName::parse_in_any_zone(&name).unwrap(),
                    fingerprint: Fingerprint::of_certificate(&slot.get().to_be_bytes()),
                    serial,
                    not_before,
                    not_after,
                    state,
                    reason,
                    asp,
                    inherited,
                    replace_by,
                }
            },
        )
}

fn device_info() -> impl Strategy<Value = DeviceInfo> {
    (
        (
            device_id(),
            any::<u64>(),
            account(),
            select(DeviceState::ALL),
        ),
        vec(select(DeviceStatus::ALL), 0..5),
        vec(slot_info(), 0..4),
        (instant(), instant(), instant()),
        (of(instant()), of(instant()), any::<u64>()),
    )
        .prop_map(|(who, statuses, slots, when, rest)| DeviceInfo {
            device_id: who.0,
            repository_id: RepositoryId(who.1),
            account: who.2,
            state: who.3,
            statuses,
            slots,
            created_at: when.0,
            updated_at: when.1,
            expires_at: when.2,
            transferred_at: rest.0,
            restore_until: rest.1,
            version: rest.2,
        })
}

fn transfer_info() -> impl Strategy<Value = TransferInfo> {
    (
        (any::<u64>(), device_id(), select(Direction::ALL)),
        select(TransferStatus::ALL),
        (account(), account(), account(), account()),
        (instant(), instant(), of(instant())),
        of(select(Arrival::ALL)),
    )
        .prop_map(|(what, status, accounts, when, arrival)| TransferInfo {
            transfer_id: what.0,
            device_id: what.1,
            direction: what.2,
            status,
            losing: accounts.0,
            gaining: accounts.1,
            requested_by: accounts.2,
            requested_at: when.0,
            acting: accounts.3,
            acting_at: when.1,
            arrival,
            replace_by: when.2,
        })
}

fn pem() -> impl Strategy<Value = String> {
    use base64::Engine;
    let pem = |der| {
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    prop_oneof![4 => der().prop_map(pem), 1 => text()]
}

/// Names that registries give, and one that no document has room for.
fn transaction_name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "IOTR-[0-9a-f]{32}", 1 => text()]
}

fn detail() -> impl Strategy<Value = Detail> {
    let slot_detail = (slot(), instant(), of(select(SlotReason::ALL)), of(pem())).prop_map(
        |(slot, not_after, reason, pem)| Detail::Slot {
            slot,
            not_after,
            reason,
            certificate_pem: pem,
        },
    );
    let change = (
        select(ChangeOperation::ALL),
        (text(), transaction_name(), instant(), of(text())),
        of(device_info()),
        of(device_info()),
    );
    let change = change.prop_map(|(operation, about, before, after)| {
        Detail::Change(Box::new(Change {
            operation,
            who: about.0,
            server_transaction_id: about.1,
            at: about.2,
            reason: about.3,
            before,
            after,
        }))
    });
    let pending = (
        any::<bool>(),
        of("[!-~]{3,64}"),
        transaction_name(),
        of(slot()),
        of(times()),
    );
    let pending =
        pending.prop_map(
            |(is_done, client, server, slot, publication)| Detail::PendingAction {
                is_done,
                client_transaction_id: client.map(|id| ClientTransactionId::parse(&id).unwrap()),
                server_transaction_id: server,
                slot,
                publication,
            },
        );
    let job = (any::<u64>(), any::<u64>(), any::<u64>());
    prop_oneof![
        Just(Detail::None),
        slot_detail,
        change,
        transfer_info().prop_map(|transfer| Detail::Transfer(Box::new(transfer))),
        pending,
        job.prop_map(|(job_id, succeeded, failed)| Detail::Job {
            job_id,
            succeeded,
            failed
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let head = (any::<u64>(), instant(), select(Event::ALL), text());
    (head, of(device_id()), detail()).prop_map(|(head, device_id, detail)| Message {
        message_id: head.0,
        queued_at: head.1,
        event: head.2,
        text: head.3,
        device_id,
        detail,
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let issued = (device_info(), slot(), der(), vec(der(), 0..3), times());
    let issued = issued.prop_map(|(info, slot, certificate, chain, times)| {
        let certificate = SlotCertificate {
            slot,
            certificate,
            chain,
        };
        Reply::Issued(Box::new(Issued {
            info,
            certificate,
            times,
        }))
    });
    let available = (device_id(), any::<bool>(), of(text()));
    let available = available.prop_map(|(device_id, available, reason)| Availability {
        device_id,
        available,
        reason,
    });
    let pending = (
        any::<u64>(),
        device_id(),
        select(ProcessKind::ALL),
        of(slot()),
        instant(),
        instant(),
    );
    let pending = pending.prop_map(
        |(process_id, device_id, kind, slot, at, expires_at)| Pending {
            process_id,
            device_id,
            kind,
            slot,
            at,
            expires_at,
            transfer: None,
        },
    );
    let queue = (any::<u64>(), of(message().prop_map(Box::new)));
    let left = (0..3_u64, of(any::<u64>()));
    prop_oneof![
        2 => issued,
        2 => device_info().prop_map(|info| Reply::Device(Box::new(info))),
        1 => (slot(), der(), vec(der(), 0..3)).prop_map(|(slot, certificate, chain)| {
            Reply::Certificate(SlotCertificate { slot, certificate, chain })
        }),
        1 => vec(available, 0..9).prop_map(Reply::Availability),
        2 => (device_info(), of(times()))
            .prop_map(|(info, times)| Reply::Changed { info: Box::new(info), times }),
        1 => pending.prop_map(Reply::Pending),
        2 => (transfer_info(), of(times()))
            .prop_map(|(transfer, times)| Reply::Transfer { transfer: Box::new(transfer), times }),
        1 => transfer_info().prop_map(|transfer| Reply::TransferQueried(Box::new(transfer))),
        6 => queue.prop_map(|(count, head)| Reply::Messages { count, head }),
        1 => left.prop_map(|(count, next_message_id)| Reply::Acknowledged { count, next_message_id }),
        // Not this door's.
        1 => Just(Reply::Done),
        1 => Just(Reply::ZoneText("example.".to_owned())),
    ]
}

fn problem() -> impl Strategy<Value = Problem> {
    let codes: Vec<_> = ResultCode::ALL
        .iter()
        .copied()
        .filter(|code| !code.is_success())
        .collect();
    let paths = [
        "$.csr",
        "$['deviceId']",
        "$.changes[0].slot",
        "$.limit",
        "",
        "$..*",
    ];
    let paths = vec(select(paths.to_vec()), 0..12);
    (select(codes), text(), of(text()), paths, of(any::<u32>())).prop_map(
        |(code, reason, title, paths, retry_after_secs)| {
            let mut problem = Problem::new(code, reason);
            problem.title = title.unwrap_or(problem.title);
            problem.paths = paths.into_iter().map(str::to_owned).collect();
            problem.retry_after_secs = retry_after_secs;
            problem
        },
    )
}

/// What a registry answers.
pub(crate) fn response() -> impl Strategy<Value = Response> {
    let outcome = prop_oneof![
        4 => reply().prop_map(Ok),
        1 => problem().prop_map(Err),
    ];
    (outcome, transaction_name(), any::<bool>()).prop_map(|(outcome, name, replayed)| {
        let mut response = match outcome {
            Ok(reply) => Response::success(name, reply),
            Err(problem) => Response::failure(name, problem),
        };
        response.replayed = replayed;
        response
    })
}

/// What it is the answer to.
pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        Just(Asked::Create),
        Just(Asked::Renew),
        device_id().prop_map(|device_id| Asked::Certificate { device_id }),
        Just(Asked::Other),
        any::<u64>().prop_map(|message_id| Asked::Acknowledge { message_id }),
    ]
}
