//! The state table, and every decision of it.

use super::*;

const NOW: u64 = 1_800_000_000;

fn device_id() -> DeviceId {
    DeviceId::parse("89049032123451234512345678901235").unwrap()
}

fn device() -> Device {
    Device {
        device_id: device_id(),
        account: "mno-a".to_owned(),
        client_hold: false,
        server_hold: false,
        delete_requested_at: None,
        created_at: NOW - 1000,
        updated_at: NOW - 1000,
    }
}

fn credential() -> Credential {
    Credential {
        slot: Slot::FIRST,
        withdrawn: false,
        fingerprint: Fingerprint::of_certificate(b"certificate"),
        serial: Some(vec![1; 16]),
        not_before: NOW - 1000,
        not_after: NOW + 1000,
        released_until: None,
    }
}

fn facts(device: Device) -> Facts {
    Facts {
        device: Some(device),
        credentials: vec![credential()],
        slot_reserved_max: 1,
        ..Facts::default()
    }
}

fn decide(device: Device, actor: Actor<'_>, transition: Transition) -> Result<Device, Refusal> {
    decide_transition(device_id(), &facts(device), actor, transition, NOW)
}

#[test]
fn state_table_is_that_of_the_design() {
    let active = Publication::Active(credential().fingerprint);
    let table = |change: fn(&mut Device, &mut Credential)| {
        let (mut device, mut credential) = (device(), credential());
        change(&mut device, &mut credential);
        publication(&device, &credential, NOW)
    };
    assert_eq!(table(|_, _| {}), active);
    assert_eq!(table(|_, credential| credential.not_after = NOW), active);
    assert_eq!(
        table(|device, _| device.client_hold = true),
        Publication::Inactive
    );
    assert_eq!(
        table(|device, _| device.server_hold = true),
        Publication::Inactive
    );
    assert_eq!(
        table(|_, credential| credential.withdrawn = true),
        Publication::Inactive
    );
    assert_eq!(
        table(|_, credential| credential.not_after = NOW - 1),
        Publication::Inactive
    );
    assert_eq!(
        table(|device, _| device.delete_requested_at = Some(NOW)),
        Publication::Absent
    );
    let both = |device: &mut Device, _: &mut Credential| {
        device.client_hold = true;
        device.delete_requested_at = Some(NOW);
    };
    assert_eq!(table(both), Publication::Absent);
}

#[test]
fn foreign_and_absent_devices_are_the_same_to_a_stranger() {
    let stranger = Actor::Sponsor("mno-b");
    for transition in [
        Transition::Activate,
        Transition::Deactivate,
        Transition::Delete,
    ] {
        let foreign = decide(device(), stranger, transition).unwrap_err();
        let absent = decide_transition(device_id(), &Facts::default(), stranger, transition, NOW);
        assert_eq!(Err(foreign), absent);
    }
}

#[test]
fn a_sponsor_cannot_lift_the_operators_hold() {
    let held = decide(device(), Actor::Operator, Transition::Deactivate).unwrap();
    let after = decide(held, Actor::Sponsor("mno-a"), Transition::Activate).unwrap();
    assert_eq!(
        publication(&after, &credential(), NOW),
        Publication::Inactive
    );
}

#[test]
fn holds_are_accepted_in_every_state() {
    let deleted = decide(device(), Actor::Sponsor("mno-a"), Transition::Delete).unwrap();
    for start in [
        device(),
        Device {
            client_hold: true,
            ..device()
        },
        deleted,
    ] {
        for actor in [Actor::Operator, Actor::Sponsor("mno-a")] {
            assert!(decide(start.clone(), actor, Transition::Deactivate).is_ok());
        }
    }
}

#[test]
fn a_deleted_device_is_not_activated_or_deleted_again() {
    let deleted = decide(device(), Actor::Sponsor("mno-a"), Transition::Delete).unwrap();
    for transition in [Transition::Activate, Transition::Delete] {
        assert_eq!(
            decide(deleted.clone(), Actor::Sponsor("mno-a"), transition),
            Err(Refusal::Deleted(device_id()))
        );
    }
}

#[test]
fn registration_takes_the_next_slot_that_was_never_reserved() {
    let fresh = decide_registration(device_id(), &Facts::default(), NOW).unwrap();
    assert_eq!(
        fresh,
        Reservation {
            slot: Slot::FIRST,
            supersedes_deleted: false
        }
    );

    let deleted_at = NOW - RESTORE_WINDOW_SECS;
    let gone = facts(Device {
        delete_requested_at: Some(deleted_at),
        ..device()
    });
    let again = decide_registration(device_id(), &gone, NOW).unwrap();
    assert_eq!(
        again,
        Reservation {
            slot: Slot::new(2).unwrap(),
            supersedes_deleted: true
        }
    );

    let within = facts(Device {
        delete_requested_at: Some(deleted_at + 1),
        ..device()
    });
    let refusal = decide_registration(device_id(), &within, NOW);
    assert_eq!(refusal, Err(Refusal::Exists(device_id())));
}

#[test]
fn registration_is_refused_for_known_ids_known_keys_and_used_up_slots() {
    let exists = Err(Refusal::Exists(device_id()));
    assert_eq!(
        decide_registration(device_id(), &facts(device()), NOW),
        exists
    );
    let pending = Facts {
        intent_pending: true,
        ..Facts::default()
    };
    assert_eq!(decide_registration(device_id(), &pending, NOW), exists);
    let known = Facts {
        key_known: true,
        ..Facts::default()
    };
    assert_eq!(
        decide_registration(device_id(), &known, NOW),
        Err(Refusal::KeyKnown)
    );
    let full = Facts {
        slot_reserved_max: Slot::NUMBER_MAX,
        ..Facts::default()
    };
    let none_left = Err(Refusal::NoSlotLeft(device_id()));
    assert_eq!(decide_registration(device_id(), &full, NOW), none_left);
}
