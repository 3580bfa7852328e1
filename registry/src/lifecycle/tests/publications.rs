//! The state table of the design.

use iot_epp_api::device::SlotReason;
use iot_identity::Publication;

use super::*;

#[test]
fn state_table_is_that_of_the_design() {
    let active = Publication::Active(credential(1).fingerprint);
    let table = |change: fn(&mut Device, &mut Credential)| {
        let (mut device, mut credential) = (device(), credential(1));
        change(&mut device, &mut credential);
        publication(&device, &credential, NOW)
    };
    assert_eq!(table(|_, _| {}), active);
    assert_eq!(table(|_, credential| credential.not_after = NOW), active);
    for hold in [SettableStatus::ClientHold, SettableStatus::ServerHold] {
        let mut held = device();
        held.statuses = held.statuses.with(hold);
        assert_eq!(
            publication(&held, &credential(1), NOW),
            Publication::Inactive
        );
        held.delete_requested_at = Some(NOW);
        assert_eq!(publication(&held, &credential(1), NOW), Publication::Absent);
    }
    let withdrawn =
        |credential: &mut Credential| credential.withdrawn = Some(SlotReason::Superseded);
    let mut ended = credential(1);
    withdrawn(&mut ended);
    assert_eq!(publication(&device(), &ended, NOW), Publication::Inactive);
    assert_eq!(
        table(|_, credential| credential.not_after = NOW - 1),
        Publication::Inactive
    );
    assert_eq!(
        table(|device, _| device.delete_requested_at = Some(NOW)),
        Publication::Absent
    );
}

#[test]
fn statuses_other_than_holds_publish_nothing_less() {
    let active = Publication::Active(credential(1).fingerprint);
    for status in SettableStatus::ALL {
        let mut device = device();
        device.statuses = device.statuses.with(*status);
        let is_active = publication(&device, &credential(1), NOW) == active;
        assert_eq!(is_active, !device.statuses.is_held(), "{status}");
    }
}
