//! Who may register what, in which slot.

use super::*;

fn nobody() -> Facts {
    Facts {
        permission: Permission::Granted,
        ..Facts::default()
    }
}

fn register(facts: &Facts) -> Result<Reservation, Refusal> {
    decide_registration(id(), facts, None, NOW)
}

#[test]
fn an_unknown_id_gets_the_first_slot() {
    let reservation = register(&nobody()).unwrap();
    assert_eq!(reservation.slot, Slot::FIRST);
    assert!(!reservation.supersedes_deleted);
}

#[test]
fn an_id_outside_the_ranges_is_refused_whoever_has_it() {
    for mut facts in [nobody(), facts()] {
        facts.permission = Permission::OutsideRanges;
        assert_eq!(register(&facts), Err(Refusal::OutsideRanges(id())));
    }
}

#[test]
fn a_registered_or_half_registered_id_exists() {
    assert_eq!(register(&facts()), Err(Refusal::Exists(id())));
    assert_eq!(register(&pending_delete()), Err(Refusal::Exists(id())));
    let mut half = nobody();
    half.intent_pending = true;
    assert_eq!(register(&half), Err(Refusal::Exists(id())));
}

#[test]
fn a_full_account_registers_nothing_more() {
    let mut full = nobody();
    full.permission = Permission::NoRoom;
    assert_eq!(register(&full), Err(Refusal::NoRoom));
}

#[test]
fn a_deleted_id_starts_with_the_next_slot_once_its_window_is_over() {
    let requested_at = NOW - RESTORE_WINDOW_SECS;
    let gone = facts_with(|device| device.delete_requested_at = Some(requested_at));
    let reservation = register(&gone).unwrap();
    assert_eq!(reservation.slot.get(), 2);
    assert!(reservation.supersedes_deleted);
    let almost = facts_with(|device| device.delete_requested_at = Some(requested_at + 1));
    assert_eq!(register(&almost), Err(Refusal::Exists(id())));
}

#[test]
fn a_known_key_is_refused_and_slots_run_out() {
    let mut known = nobody();
    known.key_known = true;
    assert_eq!(register(&known), Err(Refusal::KeyKnown));
    let mut used = nobody();
    used.slot_reserved_max = 9998;
    assert_eq!(register(&used).unwrap().slot.get(), 9999);
    used.slot_reserved_max = 9999;
    assert_eq!(register(&used), Err(Refusal::NoSlotLeft(id())));
}

fn new_slot(facts: &Facts, actor: Actor<'_>, asp: Option<&str>) -> Result<Reservation, Refusal> {
    decide_new_slot(id(), facts, actor, asp.map(str::to_owned), NOW)
}

#[test]
fn the_sponsor_adds_slots_beside_those_that_are_there() {
    let reservation = new_slot(&facts(), SPONSOR, Some("asp-two")).unwrap();
    assert_eq!(reservation.slot.get(), 2);
    assert_eq!(reservation.asp.as_deref(), Some("asp-two"));
    assert_eq!(
        new_slot(&facts(), OTHER, None),
        Err(Refusal::NotFound(id()))
    );
}

#[test]
fn a_provider_adds_a_slot_of_its_own_with_the_sponsors_consent() {
    assert_eq!(new_slot(&facts(), PROVIDER, None), Err(Refusal::NoConsent));
    let mut consented = facts();
    consented.consent = true;
    let reservation = new_slot(&consented, PROVIDER, None).unwrap();
    assert_eq!(reservation.asp.as_deref(), Some("asp-one"));
    assert_eq!(
        new_slot(&consented, PROVIDER, Some("asp-two")),
        Err(Refusal::NoConsent),
        "for nobody else"
    );
    consented.credentials[0].not_after = NOW - 1;
    assert_eq!(
        new_slot(&consented, PROVIDER, None),
        Err(Refusal::NoConsent),
        "only beside a live one"
    );
}

#[test]
fn no_slot_is_added_while_something_prohibits_it() {
    let deleted = pending_delete();
    assert_eq!(
        new_slot(&deleted, SPONSOR, None),
        Err(Refusal::Deleted(id()))
    );
    let status = SettableStatus::ServerUpdateProhibited;
    assert_eq!(
        new_slot(&with_status(status), SPONSOR, None),
        Err(Refusal::Prohibited(status))
    );
    let mut moving = facts();
    moving.transfer = Some(transfers::pending_pull());
    assert_eq!(
        new_slot(&moving, SPONSOR, None),
        Err(Refusal::PendingTransfer(id()))
    );
    let mut issuing = facts();
    issuing.intent_pending = true;
    assert_eq!(
        new_slot(&issuing, SPONSOR, None),
        Err(Refusal::IssuingAlready(id()))
    );
}
