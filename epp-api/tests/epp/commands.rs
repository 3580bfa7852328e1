//! Every command that can be said comes back as it was said.

use iot_epp_api::device::WithdrawReason;
use iot_epp_api::epp::device::*;
use iot_epp_api::epp::{EppCommand, Frame, Login, Poll};
use iot_epp_api::period::{Period, PeriodUnit};
use iot_epp_api::secret::{AuthInfo, Secret};
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{AccountName, ClientTransactionId, DeviceStatus};
use iot_identity::{DeviceId, Slot};
use proptest::collection::{hash_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::schemas::validate;

fn device_id() -> impl Strategy<Value = DeviceId> + Clone {
    let ids = ["89049032123451234512345678901235", "8912230200031010008f"];
    select(ids.to_vec()).prop_map(|id| DeviceId::parse(id).unwrap())
}

fn account() -> impl Strategy<Value = AccountName> + Clone {
    "[a-z0-9][a-z0-9-]{1,14}[a-z0-9]".prop_map(|name| AccountName::parse(&name).unwrap())
}

fn auth_info() -> impl Strategy<Value = AuthInfo> + Clone {
    "[!-~]{20,64}".prop_map(|text| AuthInfo::parse(&text).unwrap())
}

/// What `normalizedString` leaves as it is.
fn presented() -> impl Strategy<Value = Secret> + Clone {
    "[ -~äß🦀]{0,80}".prop_map(Secret::new)
}

fn slot() -> impl Strategy<Value = Slot> + Clone {
    (1..=9999_u16).prop_map(|number| Slot::new(number).unwrap())
}

fn period() -> impl Strategy<Value = Option<Period>> + Clone {
    let units = [PeriodUnit::Years, PeriodUnit::Months];
    of((1..=99_u8, select(units.to_vec()))
        .prop_map(|(count, unit)| Period::new(count, unit).unwrap()))
}

fn csr() -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(any::<u8>(), 1..600)
}

fn create() -> impl Strategy<Value = DeviceRequest> {
    (device_id(), period(), csr(), of(account()), of(auth_info())).prop_map(
        |(device_id, period, csr, asp, auth_info)| {
            DeviceRequest::Create(Create {
                device_id,
                period,
                csr,
                asp,
                auth_info,
            })
        },
    )
}

fn statuses_and_bindings() -> impl Strategy<Value = StatusesAndBindings> {
    use DeviceStatus::*;
    let statuses = [
        ClientHold,
        ServerHold,
        ClientDeleteProhibited,
        ServerUpdateProhibited,
        Ok,
    ];
    let binding = (slot(), account()).prop_map(|(slot, asp)| Binding { slot, asp });
    (
        hash_set(select(statuses.to_vec()), 0..5),
        vec(binding, 0..4),
    )
        .prop_map(|(statuses, bindings)| StatusesAndBindings {
            statuses: statuses.into_iter().collect(),
            bindings,
        })
}

fn change() -> impl Strategy<Value = Change> {
    let auth_info = prop_oneof![
        Just(AuthInfoChange::Clear),
        auth_info().prop_map(AuthInfoChange::Set),
    ];
    let new_slot = (csr(), of(account())).prop_map(|(csr, asp)| NewSlot { csr, asp });
    let reasons = [WithdrawReason::Superseded, WithdrawReason::Compromised];
    let withdrawal =
        (slot(), select(reasons.to_vec())).prop_map(|(slot, reason)| Withdrawal { slot, reason });
    (
        of(auth_info),
        of(new_slot),
        vec(withdrawal, 0..4),
        any::<bool>(),
    )
        .prop_map(|(auth_info, new_slot, withdrawals, restore)| Change {
            auth_info,
            new_slot,
            withdrawals,
            restore,
        })
}

fn update() -> impl Strategy<Value = DeviceRequest> {
    let parts = (
        device_id(),
        statuses_and_bindings(),
        statuses_and_bindings(),
        change(),
    );
    parts.prop_filter_map(
        "an update has something to do",
        |(device_id, add, remove, change)| {
            let empty = StatusesAndBindings::default();
            let nothing = add == empty && remove == empty && change == Change::default();
            (!nothing).then_some(DeviceRequest::Update(Update {
                device_id,
                add,
                remove,
                change,
            }))
        },
    )
}

fn transfer() -> impl Strategy<Value = DeviceRequest> {
    use TransferOperation::*;
    let arrival = || select(vec![Arrival::AsIs, Arrival::Held]);
    let operation = prop_oneof![
        (presented(), arrival()).prop_map(|(auth_info, arrival)| Pull { auth_info, arrival }),
        account().prop_map(|gaining| Push { gaining }),
        of(presented()).prop_map(|auth_info| Query { auth_info }),
        of(arrival()).prop_map(|arrival| Approve { arrival }),
        Just(Reject),
        Just(Cancel),
    ];
    (device_id(), operation).prop_map(|(device_id, operation)| {
        DeviceRequest::Transfer(Transfer {
            device_id,
            operation,
        })
    })
}

pub(crate) fn device_command() -> impl Strategy<Value = EppCommand> {
    let renew = (device_id(), 0..3_000_i64, period()).prop_map(|(device_id, days, period)| {
        DeviceRequest::Renew(Renew {
            device_id,
            current_expiry: time::macros::date!(2026 - 11 - 22) + time::Duration::days(days),
            period,
        })
    });
    let info = (device_id(), of(presented())).prop_map(|(device_id, auth_info)| {
        DeviceRequest::Info(Info {
            device_id,
            auth_info,
        })
    });
    let check =
        vec(device_id(), 1..9).prop_map(|device_ids| DeviceRequest::Check(Check { device_ids }));
    let delete = device_id().prop_map(|device_id| DeviceRequest::Delete { device_id });
    let certificate = (device_id(), slot()).prop_map(|(device_id, slot)| {
        DeviceRequest::Certificate(CertificateRequest { device_id, slot })
    });
    prop_oneof![
        create(),
        update(),
        transfer(),
        renew,
        info,
        certificate,
        check,
        delete
    ]
    .prop_map(EppCommand::Device)
}

fn login() -> impl Strategy<Value = EppCommand> {
    let password = || "[!-~]{6,20}( [!-~]{1,20}){0,4}".prop_map(Secret::new);
    (
        account(),
        password(),
        of(password()),
        vec("urn:[a-z:]{1,20}", 1..5),
        vec("https://[a-z]{1,9}/[a-z-]{0,30}", 0..5),
    )
        .prop_filter(
            "the sentinel is no password",
            |(_, password, new_password, ..)| {
                let is_sentinel = |secret: &Secret| secret.expose() == "[LOGIN-SECURITY]";
                !is_sentinel(password) && !new_password.as_ref().is_some_and(is_sentinel)
            },
        )
        .prop_map(
            |(client_id, password, new_password, object_uris, extension_uris)| {
                EppCommand::Login(Login {
                    client_id: client_id.to_string(),
                    password,
                    new_password,
                    version: "1.0".to_owned(),
                    language: "en".to_owned(),
                    object_uris,
                    extension_uris,
                    user_agent: None,
                })
            },
        )
}

fn frame() -> impl Strategy<Value = Frame> {
    let poll = prop_oneof![
        Just(Poll::Request),
        any::<u64>().prop_map(|message_id| Poll::Acknowledge { message_id }),
    ];
    let command = prop_oneof![
        1 => login(),
        1 => poll.prop_map(EppCommand::Poll),
        8 => device_command(),
    ];
    (command, of("[!-~]{3,64}")).prop_map(|(command, id)| Frame::Command {
        command: Box::new(command),
        client_transaction_id: id.map(|id| ClientTransactionId::parse(&id).unwrap()),
    })
}

proptest! {
    #[test]
    fn every_command_comes_back_as_it_was_said(frame in frame()) {
        prop_assert_eq!(Frame::read(frame.write().as_bytes()), Ok(frame));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// What our reader accepts and what the schemas accept is the same where both are meant.
    #[test]
    fn every_command_is_valid_as_we_write_it(frames in vec(frame(), 50)) {
        let written = frames.iter().enumerate();
        let written: Vec<_> = written.map(|(n, frame)| (n.to_string(), frame.write())).collect();
        validate(&written);
    }
}
