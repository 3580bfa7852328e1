//! Any command that there can be.

use iot_epp_api::command::{
    AccountChange, AccountCommand, DeviceChange, DeviceCommand, EndpointCommand, JobAction,
    JobCommand, MessageCommand, TransferCommand, ZoneCommand, status_added_and_removed,
};
use iot_epp_api::device::{SettableStatus, WithdrawReason};
use iot_epp_api::endpoint::EndpointProfile;
use iot_epp_api::period::{Period, PeriodUnit};
use iot_epp_api::secret::{AuthInfo, Secret};
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{
    AccountName, BearerToken, ClientTransactionId, Command, IdPrefix, ProcessKind, Role, Scope,
    Scopes,
};
use iot_identity::{DeviceId, Fingerprint, Slot};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use time::Date;

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

pub(super) fn any_id() -> impl Strategy<Value = DeviceId> {
    prop_oneof![any_eid(), any_iccid()]
}

pub(super) fn any_name() -> impl Strategy<Value = AccountName> {
    "[a-z0-9][a-z0-9-]{1,14}[a-z0-9]".prop_filter_map("self", |name| AccountName::parse(&name).ok())
}

pub(super) fn any_slot() -> impl Strategy<Value = Slot> {
    (1..=9999u16).prop_map(|number| Slot::new(number).unwrap())
}

pub(super) fn any_transaction() -> impl Strategy<Value = ClientTransactionId> {
    "[!-~]( [!-~]|[!-~] ?[!-~])( ?[!-~]){0,30}"
        .prop_map(|text| ClientTransactionId::parse(&text).unwrap())
}

pub(super) fn any_token() -> impl Strategy<Value = BearerToken> {
    "[A-Za-z0-9._~+/-]{16,253}={0,3}".prop_map(|text| BearerToken::parse(&text).unwrap())
}

fn any_csr() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..2000),
        "\\PC{0,200}".prop_map(|text| format!("-----BEGIN {text}\r\n").into_bytes()),
    ]
}

fn any_auth_info() -> impl Strategy<Value = AuthInfo> {
    "[!-~]{20,64}".prop_map(|text| AuthInfo::parse(&text).unwrap())
}

fn any_secret() -> impl Strategy<Value = Secret> {
    "\\PC{0,64}".prop_map(Secret::new)
}

fn any_period() -> impl Strategy<Value = Period> {
    let unit = select(vec![PeriodUnit::Years, PeriodUnit::Months]);
    (1..=99u8, unit).prop_map(|(count, unit)| Period::new(count, unit).unwrap())
}

/// Days of the years 0 to 9999.
fn any_day() -> impl Strategy<Value = Date> {
    (1_721_060..=5_373_484).prop_map(|day| Date::from_julian_day(day).unwrap())
}

pub(super) fn any_arrival() -> impl Strategy<Value = Arrival> {
    select(Arrival::ALL)
}

fn any_change() -> impl Strategy<Value = DeviceChange> {
    let status = || select(SettableStatus::ALL);
    prop_oneof![
        status().prop_map(DeviceChange::AddStatus),
        status().prop_map(DeviceChange::RemoveStatus),
        (any_slot(), any_name()).prop_map(|(slot, asp)| DeviceChange::Bind { slot, asp }),
        (any_slot(), any_name()).prop_map(|(slot, asp)| DeviceChange::Unbind { slot, asp }),
        any_auth_info().prop_map(DeviceChange::SetAuthInfo),
        Just(DeviceChange::ClearAuthInfo),
        (any_slot(), select(WithdrawReason::ALL))
            .prop_map(|(slot, reason)| DeviceChange::Withdraw { slot, reason }),
    ]
}

fn any_device_command() -> impl Strategy<Value = DeviceCommand> {
    let created = (
        any_id(),
        any_csr(),
        option::of(any_period()),
        option::of(any_name()),
        option::of(any_auth_info()),
    );
    prop_oneof![
        vec(any_id(), 1..5).prop_map(|device_ids| DeviceCommand::Check { device_ids }),
        (any_id(), option::of(any_secret())).prop_map(|(device_id, auth_info)| {
            DeviceCommand::Info {
                device_id,
                auth_info,
            }
        }),
        (option::of(any_id()), 1..=1000u16)
            .prop_map(|(after, limit)| DeviceCommand::List { after, limit }),
        (any_id(), any_slot())
            .prop_map(|(device_id, slot)| DeviceCommand::Certificate { device_id, slot }),
        created.prop_map(
            |(device_id, csr, period, asp, auth_info)| DeviceCommand::Create {
                device_id,
                csr,
                period,
                asp,
                auth_info,
            }
        ),
        (any_id(), any_csr(), option::of(any_name())).prop_map(|(device_id, csr, asp)| {
            DeviceCommand::NewSlot {
                device_id,
                csr,
                asp,
            }
        }),
        (any_id(), vec(any_change(), 1..6))
            .prop_filter(
                "one update does not add and remove one status",
                |(_, changes)| { status_added_and_removed(changes).is_none() }
            )
            .prop_map(|(device_id, changes)| DeviceCommand::Update { device_id, changes }),
        any_id().prop_map(|device_id| DeviceCommand::Activate { device_id }),
        any_id().prop_map(|device_id| DeviceCommand::Deactivate { device_id }),
        (any_id(), any_day(), option::of(any_period())).prop_map(
            |(device_id, current_expiry, period)| DeviceCommand::Renew {
                device_id,
                current_expiry,
                period,
            }
        ),
        any_id().prop_map(|device_id| DeviceCommand::Delete { device_id }),
        any_id().prop_map(|device_id| DeviceCommand::Restore { device_id }),
        (any_id(), select(ProcessKind::ALL), any::<u64>()).prop_map(
            |(device_id, kind, process_id)| DeviceCommand::Process {
                device_id,
                kind,
                process_id,
            }
        ),
    ]
}

fn any_transfer_command() -> impl Strategy<Value = TransferCommand> {
    let id = any_id;
    prop_oneof![
        (id(), any_secret(), any_arrival()).prop_map(|(device_id, auth_info, arrival)| {
            TransferCommand::Pull {
                device_id,
                auth_info,
                arrival,
            }
        }),
        (id(), any_name()).prop_map(|(device_id, to)| TransferCommand::Push { device_id, to }),
        (id(), option::of(any_secret())).prop_map(|(device_id, auth_info)| {
            TransferCommand::Query {
                device_id,
                auth_info,
            }
        }),
        (id(), option::of(any_arrival()))
            .prop_map(|(device_id, arrival)| TransferCommand::Approve { device_id, arrival }),
        id().prop_map(|device_id| TransferCommand::Reject { device_id }),
        id().prop_map(|device_id| TransferCommand::Cancel { device_id }),
        (id(), any_name(), any_arrival()).prop_map(|(device_id, to, arrival)| {
            TransferCommand::Force {
                device_id,
                to,
                arrival,
            }
        }),
    ]
}

fn any_job_command() -> impl Strategy<Value = JobCommand> {
    let action = prop_oneof![
        Just(JobAction::Create),
        Just(JobAction::Activate),
        Just(JobAction::Deactivate),
        Just(JobAction::Delete),
        Just(JobAction::Restore),
        any_arrival().prop_map(|arrival| JobAction::Pull { arrival }),
        any_name().prop_map(|to| JobAction::Push { to }),
        option::of(any_arrival()).prop_map(|arrival| JobAction::Approve { arrival }),
        Just(JobAction::Reject),
        Just(JobAction::Cancel),
    ];
    let job_id = any::<u64>;
    prop_oneof![
        action.prop_map(|action| JobCommand::Create { action }),
        (job_id(), any::<u64>(), vec(any::<u8>(), 0..200)).prop_map(|(job_id, offset, rows)| {
            JobCommand::Append {
                job_id,
                offset,
                rows,
            }
        }),
        job_id().prop_map(|job_id| JobCommand::Close { job_id }),
        job_id().prop_map(|job_id| JobCommand::Cancel { job_id }),
        job_id().prop_map(|job_id| JobCommand::Info { job_id }),
        Just(JobCommand::List),
        (job_id(), any::<u64>(), 1..=10_000u32).prop_map(|(job_id, after, limit)| {
            JobCommand::Results {
                job_id,
                after,
                limit,
            }
        }),
    ]
}

fn any_account_change() -> impl Strategy<Value = AccountChange> {
    let prefix = || "89[0-9]{0,29}".prop_map(|text| IdPrefix::parse(&text).unwrap());
    prop_oneof![
        Just(AccountChange::Disable),
        Just(AccountChange::Enable),
        prefix().prop_map(AccountChange::AddPrefix),
        prefix().prop_map(AccountChange::RemovePrefix),
        vec(any_id(), 1..5).prop_map(AccountChange::RemoveIds),
        any::<bool>().prop_map(AccountChange::AllowIccids),
        any::<u64>().prop_map(AccountChange::SetDevicesMax),
        any::<bool>().prop_map(AccountChange::StrictTransactionIds),
        any::<u64>().prop_map(|token_id| AccountChange::RevokeToken { token_id }),
        any::<u64>().prop_map(|certificate_id| AccountChange::RevokeCertificate { certificate_id }),
    ]
}

fn any_account_command() -> impl Strategy<Value = AccountCommand> {
    let scopes = vec(select(&Scope::ALL[..]), 1..10);
    let scopes = scopes.prop_map(|scopes| scopes.into_iter().collect::<Scopes>());
    prop_oneof![
        (any_name(), select(&Role::ALL[..]))
            .prop_map(|(name, role)| AccountCommand::Create { name, role }),
        Just(AccountCommand::List),
        option::of(any_name()).prop_map(|name| AccountCommand::Info { name }),
        (any_name(), any_account_change())
            .prop_map(|(name, change)| AccountCommand::Update { name, change }),
        (any_name(), vec(any_id(), 1..5))
            .prop_map(|(name, device_ids)| AccountCommand::ImportIds { name, device_ids }),
        (any_name(), scopes, any::<u32>()).prop_map(|(name, scopes, lifetime_secs)| {
            AccountCommand::IssueToken {
                name,
                scopes,
                lifetime_secs,
            }
        }),
        (any_name(), any_csr())
            .prop_map(|(name, csr)| AccountCommand::IssueCertificate { name, csr }),
        any_name().prop_map(|name| AccountCommand::ResetPassword { name }),
        (any_name(), any::<bool>())
            .prop_map(|(asp, granted)| AccountCommand::Consent { asp, granted }),
    ]
}

pub(super) fn any_profile() -> impl Strategy<Value = EndpointProfile> {
    let fqdn = "[a-z0-9]{1,20}\\.[a-z0-9-]{0,20}[a-z0-9]";
    let fqdn = fqdn.prop_filter("hyphen", |fqdn| !fqdn.contains(".-"));
    let url = option::of("[a-z]{2,5}");
    let pinned = prop_oneof![
        "\\PC{0,200}".prop_map(|pem| (Some(pem), None)),
        any::<[u8; 32]>().prop_map(|octets| (None, Some(Fingerprint::from_octets(octets)))),
    ];
    let wifi = option::of("[A-Za-z0-9+/]{0,40}={0,2}");
    (fqdn, 1..=u16::MAX, url, pinned, wifi).prop_map(
        |(fqdn, port, scheme, (certificate_pem, tlsa_fingerprint), wifi_ciphertext)| {
            EndpointProfile {
                url: scheme.map(|scheme| format!("{scheme}://{fqdn}:{port}/x?y#z")),
                fqdn,
                port,
                certificate_pem,
                tlsa_fingerprint,
                wifi_ciphertext,
            }
        },
    )
}

pub(super) fn any_command() -> impl Strategy<Value = Command> {
    let profile = any_profile().prop_map(Box::new);
    prop_oneof![
        6 => any_device_command().prop_map(Command::Device),
        3 => any_transfer_command().prop_map(Command::Transfer),
        1 => Just(Command::Message(MessageCommand::Head)),
        1 => any::<u64>().prop_map(|message_id| {
            Command::Message(MessageCommand::Acknowledge { message_id })
        }),
        3 => any_job_command().prop_map(Command::Job),
        4 => any_account_command().prop_map(Command::Account),
        1 => option::of(any_name()).prop_map(|asp| {
            Command::Endpoint(EndpointCommand::Info { asp })
        }),
        1 => profile.prop_map(|profile| Command::Endpoint(EndpointCommand::Set { profile })),
        1 => Just(Command::Endpoint(EndpointCommand::Remove)),
        1 => Just(Command::Zone(ZoneCommand::Dump)),
        1 => Just(Command::Zone(ZoneCommand::Check)),
    ]
}
