//! Any command, reply and problem that there can be, for the properties.

use iot_epp_api::{
    AccountInfo, AccountName, Availability, BearerToken, ClientTransactionId, Command, DeviceInfo,
    DeviceState, DeviceStatus, ProcessKind, ProcessState, ProcessStatus, PublicationTimes, Reply,
    Role, SlotInfo, SlotState, ZoneReport,
};
use iot_identity::{DeviceId, Fingerprint, OwnerName, Slot, ZoneName};
use proptest::collection::vec;
use proptest::prelude::*;
use time::OffsetDateTime;

/// Thirty digits and the two check digits of ISO 7064 MOD 97-10.
fn any_eid() -> impl Strategy<Value = DeviceId> {
    "[0-9]{30}".prop_map(|digits| {
        let remainder = digits.bytes().chain(*b"00").fold(0, |remainder, digit| {
            (remainder * 10 + u32::from(digit - b'0')) % 97
        });
        DeviceId::parse(&format!("{digits}{:02}", 98 - remainder)).unwrap()
    })
}

/// The one final digit that fits Luhn, with and without filler.
fn any_iccid() -> impl Strategy<Value = DeviceId> {
    ("89[0-9]{16,17}", any::<bool>()).prop_filter_map("length", |(digits, capital)| {
        let filler = match (digits.len(), capital) {
            (18, false) => "f",
            (18, true) => "F",
            _ => "",
        };
        (0..10).find_map(|digit| DeviceId::parse(&format!("{digits}{digit}{filler}")).ok())
    })
}

fn any_id() -> impl Strategy<Value = DeviceId> {
    prop_oneof![any_eid(), any_iccid()]
}

fn any_name() -> impl Strategy<Value = AccountName> {
    "[a-z0-9][a-z0-9-]{1,14}[a-z0-9]".prop_map(|name| AccountName::parse(&name).unwrap())
}

fn any_csr() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..2000),
        "\\PC{0,200}".prop_map(|text| format!("-----BEGIN {text}\r\n").into_bytes()),
    ]
}

pub(super) fn any_command() -> impl Strategy<Value = Command> {
    let kind = prop::sample::select(&ProcessKind::ALL[..]);
    let role = prop::sample::select(&Role::ALL[..]);
    prop_oneof![
        any_id().prop_map(|id| Command::DeviceCheck {
            device_ids: vec![id]
        }),
        any_id().prop_map(|device_id| Command::DeviceInfo { device_id }),
        (prop::option::of(any_id()), 1..=1000u16)
            .prop_map(|(after, limit)| Command::DeviceList { after, limit }),
        (any_id(), any_csr()).prop_map(|(device_id, csr)| Command::DeviceCreate { device_id, csr }),
        any_id().prop_map(|device_id| Command::DeviceActivate { device_id }),
        any_id().prop_map(|device_id| Command::DeviceDeactivate { device_id }),
        any_id().prop_map(|device_id| Command::DeviceDelete { device_id }),
        (any_id(), kind, any::<u64>()).prop_map(|(device_id, kind, process_id)| {
            Command::ProcessInfo {
                device_id,
                kind,
                process_id,
            }
        }),
        (any_name(), role).prop_map(|(name, role)| Command::AccountCreate { name, role }),
        Just(Command::AccountList),
        any_name().prop_map(|name| Command::AccountDisable { name }),
        Just(Command::ZoneDump),
        Just(Command::ZoneCheck),
    ]
}

pub(super) fn any_transaction() -> impl Strategy<Value = ClientTransactionId> {
    "[!-~]{3,64}".prop_map(|text| ClientTransactionId::parse(&text).unwrap())
}

pub(super) fn any_token() -> impl Strategy<Value = BearerToken> {
    "[A-Za-z0-9._~+/-]{16,253}={0,3}".prop_map(|text| BearerToken::parse(&text).unwrap())
}

fn any_time() -> impl Strategy<Value = OffsetDateTime> {
    // Years 1 to 9999, to the nanosecond.
    (-62_135_596_800i64..253_402_300_800, 0..1_000_000_000i64).prop_map(|(secs, nanos)| {
        OffsetDateTime::from_unix_timestamp(secs).unwrap() + time::Duration::nanoseconds(nanos)
    })
}

fn any_times() -> impl Strategy<Value = PublicationTimes> {
    let moment = || prop::option::of(any_time());
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

fn any_slot(device_id: DeviceId) -> impl Strategy<Value = SlotInfo> {
    let zone = ZoneName::parse("iotregistry.example").unwrap();
    let states = [SlotState::Live, SlotState::Withdrawn, SlotState::Expired];
    let state = prop::sample::select(states.to_vec());
    let times = (any_time(), any_time());
    (
        1..=9999u16,
        any::<[u8; 32]>(),
        prop::option::of("[0-9a-f]{32}"),
        times,
        state,
    )
        .prop_map(
            move |(number, digest, serial, (not_before, not_after), state)| {
                let slot = Slot::new(number).unwrap();
                SlotInfo {
                    slot,
                    owner_name: OwnerName::new(slot, device_id, &zone),
                    fingerprint: Fingerprint::from_octets(digest),
                    serial,
                    not_before,
                    not_after,
                    state,
                }
            },
        )
}

fn any_device() -> impl Strategy<Value = DeviceInfo> {
    let states = [
        DeviceState::Active,
        DeviceState::Inactive,
        DeviceState::PendingDelete,
    ];
    let state = prop::sample::select(states.to_vec());
    let statuses = [
        DeviceStatus::Ok,
        DeviceStatus::ClientHold,
        DeviceStatus::ServerHold,
    ];
    let statuses = vec(prop::sample::select(statuses.to_vec()), 0..3);
    let times = (any_time(), any_time(), prop::option::of(any_time()));
    (any_id(), any_name(), state, statuses, times).prop_flat_map(
        |(device_id, account, state, statuses, (created_at, updated_at, restore_until))| {
            vec(any_slot(device_id), 0..4).prop_map(move |slots| DeviceInfo {
                device_id,
                account: account.clone(),
                state,
                statuses: statuses.clone(),
                slots,
                created_at,
                updated_at,
                restore_until,
            })
        },
    )
}

/// A reply that fits the command.
fn any_reply(command: &Command) -> BoxedStrategy<Reply> {
    let pending = any::<u64>().prop_map(|process_id| Reply::Pending { process_id });
    match command.clone() {
        Command::DeviceCheck { device_ids } => {
            let check = move |(available, reason)| Availability {
                device_id: device_ids[0],
                available,
                reason,
            };
            (any::<bool>(), prop::option::of("\\PC{0,60}"))
                .prop_map(check)
                .prop_map(|one| Reply::Availability(vec![one]))
                .boxed()
        }
        Command::DeviceInfo { .. } => any_device().prop_map(Reply::Device).boxed(),
        Command::DeviceList { .. } => (vec(any_device(), 0..3), prop::option::of(any_id()))
            .prop_map(|(devices, next_after)| Reply::Devices {
                devices,
                next_after,
            })
            .boxed(),
        Command::DeviceCreate { .. } => prop_oneof![
            pending,
            (any_device(), "\\PC{0,99}", "\\PC{0,99}", any_times()).prop_map(
                |(info, certificate_pem, chain_pem, publication)| Reply::DeviceCreated {
                    info,
                    certificate_pem,
                    chain_pem,
                    publication,
                }
            )
        ]
        .boxed(),
        Command::DeviceActivate { .. }
        | Command::DeviceDeactivate { .. }
        | Command::DeviceDelete { .. } => prop_oneof![
            pending,
            (any_device(), any_times()).prop_map(|(info, times)| Reply::Changed { info, times })
        ]
        .boxed(),
        Command::ProcessInfo {
            kind, process_id, ..
        } => {
            let states = [
                ProcessState::Pending,
                ProcessState::Completed,
                ProcessState::Failed,
            ];
            let state = prop::sample::select(states.to_vec());
            (state, prop::option::of(any_times()))
                .prop_map(move |(state, publication)| {
                    Reply::Process(ProcessStatus {
                        process_id,
                        kind,
                        state,
                        publication,
                    })
                })
                .boxed()
        }
        Command::AccountCreate { name, .. } => any_token()
            .prop_map(move |token| Reply::AccountCreated {
                name: name.clone(),
                token,
            })
            .boxed(),
        Command::AccountList => vec(any_account(), 0..4).prop_map(Reply::Accounts).boxed(),
        Command::AccountDisable { .. } => any_account().prop_map(Reply::Account).boxed(),
        Command::ZoneDump => "\\PC{0,300}".prop_map(Reply::ZoneText).boxed(),
        Command::ZoneCheck => (any::<u32>(), any::<u64>(), vec("\\PC{0,40}", 0..3))
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

fn any_account() -> impl Strategy<Value = AccountInfo> {
    let role = prop::sample::select(&Role::ALL[..]);
    (any_name(), role, any::<bool>(), any_time()).prop_map(|(name, role, disabled, created_at)| {
        AccountInfo {
            name,
            role,
            disabled,
            created_at,
        }
    })
}

pub(super) fn command_and_reply() -> impl Strategy<Value = (Command, Reply)> {
    any_command().prop_flat_map(|command| {
        let reply = any_reply(&command);
        (Just(command), reply)
    })
}
