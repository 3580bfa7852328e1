//! Slots that are taken back, and why: the graver reason stays.

use std::time::Duration;

use iot_epp_api::device::{SlotReason, WithdrawReason};
use iot_epp_api::message::{Detail, Event};
use iot_epp_api::{DeviceInfo, SlotState};
use iot_registry::clock::unix_now;

use crate::stage::*;

const SUPERSEDED: WithdrawReason = WithdrawReason::Superseded;
const COMPROMISED: WithdrawReason = WithdrawReason::Compromised;

fn first(info: &DeviceInfo) -> (SlotState, Option<SlotReason>) {
    (info.slots[0].state, info.slots[0].reason)
}

/// The reason in the only message, which is about a withdrawn slot, and its text.
async fn told(party: &Party) -> (Option<SlotReason>, String) {
    match &party.messages().await[..] {
        [message] => match message.detail {
            Detail::Slot { reason, .. } if message.event == Event::SlotWithdrawn => {
                (reason, message.text.clone())
            }
            _ => panic!("{message:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compromised_replaces_superseded_and_nothing_replaces_compromised() {
    let stage = Stage::open().await;
    let (mno, asp) = (stage.mno("mno-a").await, stage.asp("asp-one").await);
    let id = eid(1);
    mno.issued(create_with(id, new_csr(), Some("asp-one")))
        .await;
    asp.messages().await;
    for (reason, word) in [
        (SlotReason::Superseded, SUPERSEDED),
        (SlotReason::Compromised, COMPROMISED),
    ] {
        let withdrawn = mno.changed(withdraw(id, 1, word)).await;
        assert_eq!(first(&withdrawn), (SlotState::Withdrawn, Some(reason)));
        let text = format!("slot 1 of device {id} was withdrawn: {reason}");
        assert_eq!(told(&asp).await, (Some(reason), text));
        assert_eq!(first(&asp.sees(id).await).1, Some(reason));
        assert_eq!(stage.dns(id, 1).await, Said::Inactive);
        let rows = crate::audit::rows_after(&stage, 0).await;
        let row = rows.iter().rfind(|row| row.object == id.as_str());
        let after = row.unwrap().after.as_deref().unwrap();
        assert!(
            after.contains(&format!("\"withdrawn\":\"{reason}\"")),
            "{after}"
        );
    }
    for word in [SUPERSEDED, COMPROMISED] {
        let again = mno.changed(withdraw(id, 1, word)).await;
        assert_eq!(first(&again).1, Some(SlotReason::Compromised), "{word}");
        assert!(asp.messages().await.is_empty(), "nothing changed");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compromised_replaces_expired_and_superseded_does_not() {
    let stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    let issued = mno.issued(create(id)).await;
    let end = u64::try_from(issued.info.slots[0].not_after.unix_timestamp()).unwrap();
    stage.at(end + 1).await;
    for (word, expected) in [
        (SUPERSEDED, (SlotState::Expired, Some(SlotReason::Expired))),
        (
            COMPROMISED,
            (SlotState::Withdrawn, Some(SlotReason::Compromised)),
        ),
    ] {
        let after = mno.changed(withdraw(id, 1, word)).await;
        assert_eq!(first(&after), expected);
        assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_has_just_expired_is_taken_back_in_the_dns_by_its_withdrawal() {
    let mut stage = Stage::open().await;
    let mno = stage.mno("mno-a").await;
    let id = eid(1);
    mno.issued(create(id)).await;
    let root = stage.directory.database();
    // Behind the look at the time that a start begins with, and long before the next one.
    let end = unix_now() + 4;
    let ending = format!("UPDATE credential SET not_after = {end}");
    stage = stage.edited(&root, &ending).await;
    while unix_now() <= end {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mno = stage.again(&mno, &mno.token);
    let lesser = mno.changed(withdraw(id, 1, SUPERSEDED)).await;
    assert_eq!(first(&lesser).1, Some(SlotReason::Expired));
    assert!(
        matches!(stage.dns(id, 1).await, Said::Active(_)),
        "not looked at yet"
    );
    let graver = mno.changed(withdraw(id, 1, COMPROMISED)).await;
    assert_eq!(first(&graver).1, Some(SlotReason::Compromised));
    assert_eq!(stage.dns(id, 1).await, Said::Inactive);
    stage.close().await;
}
