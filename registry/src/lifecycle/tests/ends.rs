//! Renew, delete, restore, expiry.

use iot_epp_api::device::SlotReason;
use iot_epp_api::transfer::TransferStatus;
use time::macros::{date, datetime};

use super::*;

fn unix(at: time::OffsetDateTime) -> u64 {
    at.unix_timestamp() as u64
}

#[test]
fn months_end_on_the_last_day_of_shorter_ones() {
    let begin = unix(datetime!(2028-01-31 12:34:56 UTC));
    assert_eq!(
        months_after(begin, 1),
        Some(unix(datetime!(2028-02-29 12:34:56 UTC)))
    );
    assert_eq!(
        months_after(begin, 12),
        Some(unix(datetime!(2029-01-31 12:34:56 UTC)))
    );
    assert_eq!(months_after(begin, 0), Some(begin));
    let leap = unix(datetime!(2028-02-29 00:00 UTC));
    assert_eq!(
        months_after(leap, 12),
        Some(unix(datetime!(2029-02-28 00:00 UTC)))
    );
    assert_eq!(months_after(u64::MAX, 1), None);
    assert_eq!(months_after(begin, u32::MAX), None);
}

#[test]
fn renewal_extends_the_day_that_was_named_and_no_other() {
    let expires_at = unix(datetime!(2028-03-01 08:00 UTC));
    let facts = facts_with(|device| device.expires_at = expires_at);
    let renew = |day, months| decide_renewal(id(), &facts, SPONSOR, day, months, NOW);
    let outcome = renew(date!(2028 - 03 - 01), 12).unwrap();
    assert_eq!(
        outcome.device.expires_at,
        unix(datetime!(2029-03-01 08:00 UTC))
    );
    assert!(!outcome.publishes_all);
    assert_eq!(renew(date!(2028 - 03 - 02), 12), Err(Refusal::OtherExpiry));
    assert_eq!(
        renew(date!(2028 - 03 - 01), 20 * 12),
        Err(Refusal::ExpiryTooFar(20))
    );
}

#[test]
fn renewal_waits_for_what_prohibits_it() {
    let day = date!(2028 - 02 - 19);
    let renew = |facts: &Facts| decide_renewal(id(), facts, SPONSOR, day, 12, NOW).unwrap_err();
    assert_eq!(renew(&pending_delete()), Refusal::Deleted(id()));
    let status = SettableStatus::ClientRenewProhibited;
    assert_eq!(renew(&with_status(status)), Refusal::Prohibited(status));
    let mut moving = facts();
    moving.transfer = Some(transfers::pending_pull());
    assert_eq!(renew(&moving), Refusal::PendingTransfer(id()));
}

#[test]
fn deletion_is_told_ends_a_transfer_and_happens_once() {
    let mut moving = facts();
    moving.transfer = Some(transfers::pending_pull());
    let outcome = decide_deletion(id(), &moving, SPONSOR, NOW).unwrap();
    assert_eq!(outcome.device.delete_requested_at, Some(NOW));
    assert!(outcome.publishes_all);
    assert_eq!(
        outcome.transfer.as_ref().map(|one| one.status),
        Some(TransferStatus::ServerCancelled)
    );
    assert_eq!(
        told(&outcome),
        [("asp-one", "deleted"), ("mno-b", "transfer")]
    );
    let again = decide_deletion(id(), &pending_delete(), SPONSOR, NOW);
    assert_eq!(again, Err(Refusal::Deleted(id())));
    let status = SettableStatus::ClientDeleteProhibited;
    let locked = decide_deletion(id(), &with_status(status), SPONSOR, NOW);
    assert_eq!(locked, Err(Refusal::Prohibited(status)));
    for actor in [OTHER, OPERATOR, PROVIDER] {
        let foreign = decide_deletion(id(), &facts(), actor, NOW);
        assert_eq!(foreign, Err(Refusal::NotFound(id())));
    }
}

#[test]
fn a_restored_device_comes_back_held() {
    let outcome = decide_restoration(id(), &pending_delete(), SPONSOR, 12, NOW).unwrap();
    assert_eq!(outcome.device.delete_requested_at, None);
    assert!(outcome.device.statuses.contains(SettableStatus::ClientHold));
    assert!(outcome.publishes_all);
    assert_eq!(told(&outcome), [("asp-one", "restored")]);
    let not_deleted = decide_restoration(id(), &facts(), SPONSOR, 12, NOW);
    assert_eq!(not_deleted, Err(Refusal::NotDeleted(id())));
    let gone = facts_with(|device| device.delete_requested_at = Some(NOW - RESTORE_WINDOW_SECS));
    let too_late = decide_restoration(id(), &gone, SPONSOR, 12, NOW);
    assert_eq!(too_late, Err(Refusal::NotFound(id())));
}

#[test]
fn a_registration_that_ends_is_deleted_and_its_restoration_renews_it() {
    let ended = facts_with(|device| device.expires_at = NOW - 1);
    let outcome = registration_expired(ended.device.as_ref().unwrap(), &ended, NOW);
    assert_eq!(
        told(&outcome),
        [("asp-one", "deleted"), ("mno-a", "registrationExpired")]
    );
    let mut deleted = ended;
    deleted.device = Some(outcome.device);
    let outcome = decide_restoration(id(), &deleted, SPONSOR, 12, NOW).unwrap();
    assert_eq!(Some(outcome.device.expires_at), months_after(NOW, 12));
}

#[test]
fn a_certificate_that_ends_is_withdrawn_for_good_and_told() {
    let facts = facts();
    let device = facts.device.as_ref().unwrap();
    let outcome = credential_expired(device, &facts, Slot::FIRST, NOW);
    assert_eq!(outcome.credentials[0].withdrawn, Some(SlotReason::Expired));
    assert_eq!(
        told(&outcome),
        [("asp-one", "slotExpired"), ("mno-a", "slotExpired")]
    );
}
