//! Starts after a clock that was wrong.

use iot_dns_zone::{Profile, Start};
use iot_identity::Publication;

use crate::fixture::{self, NOW, active, config, eid, slot, start};
use crate::{Place, change, devices, listed};

#[test]
fn bounds_hold_when_the_clock_goes_back_and_over_a_restart() {
    let place = Place::new();
    let standard = config(Profile::Standard);
    let first = start(Profile::Standard, NOW);
    let mut writer = place.build(Profile::Standard, devices(20), first, NOW);
    let until = Some(NOW as u32 + 3600);
    let back = NOW - 2000;
    // Signed again by a clock that is right now: these expire before those of the wrong one.
    writer.apply(&[change(5, active(55))], 1, back).unwrap();
    writer
        .apply(
            &[change(30, active(30)), change(31, Publication::Inactive)],
            2,
            back,
        )
        .unwrap();
    let report = writer
        .apply(
            &[
                change(5, Publication::Inactive),
                change(32, active(32)),
                change(31, active(31)),
            ],
            3,
            back + 10,
        )
        .unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    assert_eq!(report.outcomes[1].denied_until, until);
    assert_eq!(report.outcomes[2].denied_until, until);
    assert_eq!(
        writer.snapshot().commit_record().floor_until,
        NOW as u32 + 3600
    );
    drop(writer);

    let mut writer = place.ready(
        &standard,
        Start {
            applied: 3,
            ..first
        },
        back + 20,
    );
    let report = writer
        .apply(
            &[
                change(30, Publication::Absent),
                change(5, Publication::Absent),
            ],
            4,
            back + 30,
        )
        .unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    assert_eq!(report.outcomes[1].withdrawn_until, until);
    // What is gone is known until the process ends, then the database tells.
    let again = [change(5, Publication::Absent)];
    let report = writer.apply(&again, 5, back + 31).unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    drop(writer);
    let mut writer = place.ready(
        &standard,
        Start {
            applied: 5,
            ..first
        },
        back + 40,
    );
    let report = writer.apply(&again, 6, back + 41).unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, None);
    writer.remember_released([(eid(5), slot(1), NOW as u32 + 3600)], back + 42);
    let report = writer.apply(&again, 7, back + 42).unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, until);
    // Once the floor lies in the past, bounds are those of the present signatures.
    let late = NOW + 4000;
    while writer.next_work_at() <= late {
        writer.work(late, 1000).unwrap();
    }
    let report = writer
        .apply(&[change(7, Publication::Absent)], 8, late + 5)
        .unwrap();
    assert_eq!(report.outcomes[0].withdrawn_until, Some(late as u32 + 3600));
}

#[test]
fn a_clock_that_was_ahead_by_far_leaves_no_signature_of_the_future() {
    let place = Place::new();
    let ahead = NOW + 400 * 86_400;
    let mut writer = place.build(
        Profile::Standard,
        devices(60),
        start(Profile::Standard, ahead),
        ahead,
    );
    let mut turns = 0;
    while writer.next_work_at() <= NOW || turns < 400 {
        writer.work(NOW + turns * 5, 200).unwrap();
        turns += 1;
    }
    let now = NOW + 400 * 5;
    let found = fixture::findings(&writer.snapshot(), listed(60), now);
    assert_eq!(found, []);
    assert_eq!(writer.sweep_behind(now), 0);
}
