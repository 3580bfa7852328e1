//! Application service providers: told of the slots that are bound to them, and asking for certificates
//! where the sponsor lets them.

use iot_epp_api::command::{AccountChange, AccountCommand, Command, DeviceChange};
use iot_epp_api::device::{SettableStatus, WithdrawReason};
use iot_epp_api::message::{Detail, Event};
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{DeviceStatus, ResultCode};
use rcgen::KeyPair;

use crate::stage::*;

async fn told(party: &Party) -> Vec<Event> {
    let messages = party.messages().await;
    messages.iter().map(|one| one.event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_gets_the_certificates_of_its_slots_and_a_message_of_every_change() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let gaining = stage.mno("mno-b").await;
    let asp = stage.asp("asp-one").await;
    let id = eid(1);
    let issued = mno
        .issued(create_with(id, new_csr(), Some("asp-one")))
        .await;
    let messages = asp.messages().await;
    let [message] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(
        (message.event, message.device_id),
        (Event::SlotIssued, Some(id))
    );
    let Detail::Slot {
        certificate_pem, ..
    } = &message.detail
    else {
        panic!("{message:?}");
    };
    let pem = certificate_pem.as_deref().unwrap();
    let der =
        <rustls::pki_types::CertificateDer as rustls::pki_types::pem::PemObject>::from_pem_slice(
            pem.as_bytes(),
        );
    assert_eq!(der.unwrap().as_ref(), issued.certificate.certificate);

    mno.issued(new_slot(id, new_csr(), None)).await;
    assert!(told(&asp).await.is_empty(), "that one is not its");
    mno.changed(bind(id, 2, "asp-one")).await;
    let bound = asp.messages().await;
    assert!(matches!(&bound[..], [one] if one.event == Event::SlotBound
        && matches!(&one.detail, Detail::Slot { certificate_pem: Some(_), .. })));
    mno.changed(hold(id)).await;
    mno.changed(hold(id)).await;
    assert_eq!(
        told(&asp).await,
        [Event::StatusChanged],
        "once for one change"
    );
    mno.changed(unhold(id)).await;
    stage.operator.changed(hold(id)).await;
    stage.operator.changed(unhold(id)).await;
    assert_eq!(told(&asp).await, [Event::StatusChanged; 3]);
    mno.changed(withdraw(id, 1, WithdrawReason::Superseded))
        .await;
    assert_eq!(told(&asp).await, [Event::SlotWithdrawn]);
    mno.changed(delete(id)).await;
    mno.changed(restore(id)).await;
    assert_eq!(told(&asp).await, [Event::Deleted, Event::Restored]);
    mno.changed(set_auth_info(id)).await;
    gaining.done(pull(id, AUTH_INFO, Arrival::AsIs)).await;
    mno.done(approve(id, None)).await;
    assert_eq!(told(&asp).await, [Event::StatusChanged, Event::Transfer]);
    let unbind = DeviceChange::Unbind {
        slot: slot(2),
        asp: account("asp-one"),
    };
    gaining.changed(update(id, &[unbind])).await;
    assert_eq!(told(&asp).await, [Event::SlotUnbound]);
    gaining.changed(hold(id)).await;
    gaining.changed(unhold(id)).await;
    assert!(told(&asp).await.is_empty(), "it has no part in it any more");
    stage.close().await;
}

/// The only message of the party: the statuses of a device changed; who did it, those that went, those
/// that came.
async fn status_change(party: &Party) -> (String, Vec<DeviceStatus>, Vec<DeviceStatus>) {
    let messages = party.messages().await;
    let [message] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(message.event, Event::StatusChanged);
    let Detail::Change(change) = &message.detail else {
        panic!("{message:?}");
    };
    let shown = format!("{message:?}");
    assert!(!shown.contains("mno-b"), "{shown}");
    let before = &change.before.as_ref().unwrap().statuses;
    let after = &change.after.as_ref().unwrap().statuses;
    let without = |one: &[DeviceStatus], other: &[DeviceStatus]| {
        let left = one.iter().filter(|status| !other.contains(status));
        left.copied().collect::<Vec<_>>()
    };
    (
        change.who.clone(),
        without(before, after),
        without(after, before),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_told_of_every_status_that_comes_or_goes() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let asp = stage.asp("asp-one").await;
    let id = eid(1);
    mno.issued(create_with(id, new_csr(), Some("asp-one")))
        .await;
    let lock = SettableStatus::ClientTransferProhibited;
    mno.changed(clear_status(id, lock)).await;
    asp.messages().await;
    let of_whom = |status: &SettableStatus| match status.is_client() {
        true => &mno,
        false => &stage.operator,
    };
    let named = |status: &SettableStatus| DeviceStatus::from_name(status.as_str()).unwrap();
    // Each beside the ones before it: a hold on a hold too.
    for status in SettableStatus::ALL {
        let party = of_whom(status);
        party.changed(set_status(id, *status)).await;
        let (who, _, came) = status_change(&asp).await;
        assert_eq!(
            (who.as_str(), came),
            (party.name.as_str(), vec![named(status)])
        );
    }
    mno.changed(hold(id)).await;
    assert!(told(&asp).await.is_empty(), "nothing changed");
    // The locks first: they prohibit the rest.
    for status in SettableStatus::ALL.iter().rev() {
        let party = of_whom(status);
        party.changed(clear_status(id, *status)).await;
        let (who, went, _) = status_change(&asp).await;
        assert_eq!(
            (who.as_str(), went),
            (party.name.as_str(), vec![named(status)])
        );
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_told_that_a_transfer_is_pending_or_not_and_not_with_whom() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let other = stage.mno("mno-b").await;
    let asp = stage.asp("asp-one").await;
    let id = eid(1);
    mno.issued(create_with(id, new_csr(), Some("asp-one")))
        .await;
    mno.changed(set_auth_info(id)).await;
    asp.messages().await;
    let pulled = || pull(id, AUTH_INFO, Arrival::AsIs);
    let (sponsor, registry) = ("mno-a".to_owned(), "registry".to_owned());
    for (begin, by, end) in [
        (
            (&other, pulled()),
            (&registry, &sponsor),
            (&mno, reject(id)),
        ),
        (
            (&other, pulled()),
            (&registry, &registry),
            (&other, cancel(id)),
        ),
        (
            (&mno, push(id, "mno-b")),
            (&sponsor, &registry),
            (&other, reject(id)),
        ),
        (
            (&mno, push(id, "mno-b")),
            (&sponsor, &sponsor),
            (&mno, cancel(id)),
        ),
    ] {
        let pending = || vec![DeviceStatus::PendingTransfer];
        begin.0.done(begin.1).await;
        assert_eq!(status_change(&asp).await, (by.0.clone(), vec![], pending()));
        mno.changed(hold(id)).await;
        let (_, went, came) = status_change(&asp).await;
        assert_eq!((went, came), (vec![], vec![DeviceStatus::ClientHold]));
        mno.changed(unhold(id)).await;
        assert_eq!(told(&asp).await, [Event::StatusChanged]);
        end.0.done(end.1).await;
        assert_eq!(status_change(&asp).await, (by.1.clone(), pending(), vec![]));
    }
    other.done(pulled()).await;
    asp.messages().await;
    let late = iot_registry::clock::unix_now() + iot_registry::lifecycle::PULL_WINDOW_SECS + 60;
    stage.at(late).await;
    let pending = vec![DeviceStatus::PendingTransfer];
    assert_eq!(status_change(&asp).await, (registry, pending, vec![]));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_slots_are_all_withdrawn_is_told_as_long_as_its_binding_stands() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let asp = stage.asp("asp-one").await;
    for (number, is_unbound) in [(1, false), (2, true)] {
        let id = eid(number);
        mno.issued(create_with(id, new_csr(), Some("asp-one")))
            .await;
        mno.issued(new_slot(id, new_csr(), None)).await;
        mno.changed(withdraw(id, 1, WithdrawReason::Superseded))
            .await;
        if is_unbound {
            let unbind = DeviceChange::Unbind {
                slot: slot(1),
                asp: account("asp-one"),
            };
            mno.changed(update(id, &[unbind])).await;
        }
        asp.messages().await;
        mno.changed(delete(id)).await;
        mno.changed(restore(id)).await;
        let all: &[Event] = &[Event::Deleted, Event::Restored];
        let expected = if is_unbound { &[] } else { all };
        assert_eq!(told(&asp).await, expected);
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_asks_for_certificates_only_by_the_sponsors_standing_consent() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let (asp, other) = (stage.asp("asp-one").await, stage.asp("asp-two").await);
    let id = eid(1);
    let consent = |granted| {
        Command::Account(AccountCommand::Consent {
            asp: account("asp-one"),
            granted,
        })
    };
    mno.issued(create_with(id, new_csr(), Some("asp-one")))
        .await;
    let csr = new_csr();
    let asked = new_slot(id, csr.clone(), None);
    assert_eq!(
        asp.code(asked.clone()).await,
        ResultCode::AuthorizationError
    );
    mno.done(consent(true)).await;
    let foreign = other.code(asked.clone()).await;
    assert_eq!(
        foreign,
        ResultCode::ObjectDoesNotExist,
        "it is nothing to that one"
    );
    let for_other = asp.code(new_slot(id, csr, Some("asp-two"))).await;
    assert_eq!(for_other, ResultCode::AuthorizationError);
    let issued = asp.issued(asked).await;
    assert_eq!(issued.certificate.slot, slot(2));
    assert!(matches!(stage.dns(id, 2).await, Said::Active(_)));
    let slots = &mno.sees(id).await.slots;
    assert_eq!(
        slots[1].asp.as_ref().unwrap().as_str(),
        "asp-one",
        "it is bound"
    );
    assert_eq!(told(&mno).await, [Event::SlotIssued], "the sponsor is told");
    let shown = issued.info.slots.iter().all(|one| one.asp.is_some());
    assert!(shown, "it is shown its own slots: {:?}", issued.info);

    mno.issued(new_slot(id, new_csr(), Some("asp-two"))).await;
    let more = asp.issued(new_slot(id, new_csr(), None)).await;
    let of_others = more.info.slots.iter().find(|one| one.slot == slot(3));
    assert!(of_others.is_none(), "and no others: {:?}", more.info);

    mno.done(consent(false)).await;
    let key = KeyPair::generate().unwrap();
    let asked = new_slot(id, csr_of(&key), None);
    assert_eq!(asp.code(asked).await, ResultCode::AuthorizationError);
    mno.done(consent(true)).await;
    for number in [1, 2, 4] {
        mno.changed(withdraw(id, number, WithdrawReason::Superseded))
            .await;
    }
    let asked = new_slot(id, csr_of(&key), None);
    let without_live = asp.code(asked).await;
    assert_eq!(
        without_live,
        ResultCode::AuthorizationError,
        "no live slot is its"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_to_a_provider_that_is_disabled_can_be_withdrawn() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let asp = stage.asp("asp-one").await;
    let consent = |asp: &str, granted| {
        let asp = account(asp);
        Command::Account(AccountCommand::Consent { asp, granted })
    };
    mno.done(consent("asp-one", true)).await;
    mno.issued(create_with(eid(1), new_csr(), Some("asp-one")))
        .await;
    stage.change("asp-one", AccountChange::Disable).await;
    let again = mno.code(consent("asp-one", true)).await;
    assert_eq!(again, ResultCode::ParameterPolicy);
    mno.done(consent("asp-one", false)).await;
    stage.change("asp-one", AccountChange::Enable).await;
    let asked = asp.code(new_slot(eid(1), new_csr(), None)).await;
    assert_eq!(asked, ResultCode::AuthorizationError);
    let nobody = mno.code(consent("asp-none", false)).await;
    assert_eq!(nobody, ResultCode::ParameterPolicy);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_loses_its_oldest_message() {
    const QUEUED_MAX: i64 = 1_000_000;
    let mut stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    stage.asp("asp-one").await;
    mno.issued(create_with(eid(1), new_csr(), Some("asp-one")))
        .await;
    mno.changed(hold(eid(1))).await;
    let queued = "SELECT messages FROM account WHERE name = 'asp-one'";
    let before = stage.count(queued).await;
    assert!(before >= 2, "{before}");
    // As many as a queue holds, but for the writing of them.
    let root = stage.directory.database();
    let filled = format!("UPDATE account SET messages = {QUEUED_MAX} WHERE name = 'asp-one'");
    stage = stage.edited(&root, &filled).await;
    let mno = stage.again(&mno, &mno.token);
    let oldest = "SELECT min(message_id) FROM message WHERE account = 'asp-one'";
    let first = stage.count(oldest).await;
    mno.changed(unhold(eid(1))).await;
    assert_eq!(stage.count(queued).await, QUEUED_MAX);
    assert_eq!(stage.count(oldest).await, first + 1);
    stage.close().await;
}
