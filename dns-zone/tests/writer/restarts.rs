//! What a new writer goes on from, and what it refuses.

use iot_dns_zone::{Ceiling, Profile, Start, ZoneError};
use iot_identity::Publication;

use crate::fixture::{NOW, active, eid, entry, start};
use crate::{change, rebuild};

#[test]
fn an_earlier_start_bounds_what_may_still_be_believed() {
    let released_until = NOW as u32 + 4000;
    let known = NOW as u32 + 100;
    let mut start = start(Profile::Standard, NOW);
    start.released_until = released_until;
    let mut inactive = entry(eid(1), 1, Publication::Inactive);
    inactive.released_until = Some(known);
    let unknown = entry(eid(2), 1, Publication::Inactive);
    let mut gone = entry(eid(3), 1, Publication::Absent);
    gone.released_until = Some(known);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = rebuild(&dir, vec![inactive, unknown, gone], start, NOW).unwrap();
    let batch = [1, 2, 3, 4].map(|number| change(number, Publication::Absent));
    let report = writer.apply(&batch, 1, NOW).unwrap();
    let until: Vec<Option<u32>> = report
        .outcomes
        .iter()
        .map(|one| one.withdrawn_until)
        .collect();
    let bound = Some(released_until);
    // The fourth is not listed: it was never published.
    assert_eq!(until, [Some(known), bound, Some(known), None]);
    let report = writer.apply(&[change(5, active(5))], 2, NOW).unwrap();
    assert_eq!(report.outcomes[0].denied_until, bound);
}

#[test]
fn a_loss_bounds_what_may_be_believed_of_names_that_nobody_lists() {
    let mut start = start(Profile::Standard, NOW);
    start.lost_until = NOW as u32 + 5000;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = rebuild(&dir, Vec::new(), start, NOW).unwrap();
    let mut withdrawn = |publication, applied| {
        let report = writer
            .apply(&[change(1, publication)], applied, NOW)
            .unwrap();
        report.outcomes[0].withdrawn_until
    };
    assert_eq!(withdrawn(Publication::Absent, 1), Some(NOW as u32 + 5000));
    // Published again, for a shorter time than what was lost.
    withdrawn(active(1), 2);
    assert_eq!(withdrawn(Publication::Inactive, 3), Some(NOW as u32 + 5000));
}

#[test]
fn a_restart_goes_on_above_everything_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut first_start = start(Profile::Standard, NOW);
    let mut writer = rebuild(&dir, Vec::new(), first_start, NOW).unwrap();
    for number in 1..=5 {
        writer
            .apply(&[change(number, active(number))], number, NOW)
            .unwrap();
    }
    let (serial, version) = (writer.snapshot().serial(), writer.snapshot().zone_version());
    drop(writer);
    // The database lags with its promise: the commit record counts.
    first_start.applied = 5;
    let writer = rebuild(
        &dir,
        vec![entry(eid(1), 1, active(1))],
        first_start,
        NOW + 9,
    )
    .unwrap();
    assert_eq!(writer.snapshot().serial(), serial + 1);
    assert_eq!(writer.snapshot().zone_version(), version + 1);
    assert_eq!(writer.snapshot().applied(), 5);
}

#[test]
fn starts_that_the_commit_record_contradicts_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut good = start(Profile::Standard, NOW);
    (good.applied, good.fencing_token) = (7, 3);
    rebuild(&dir, Vec::new(), good, NOW).unwrap();
    let refused = |start: Start| rebuild(&dir, Vec::new(), start, NOW).unwrap_err();
    let other = Start {
        database_id: [1; 16],
        ..good
    };
    assert!(matches!(refused(other), ZoneError::OtherDatabase { found } if found == [9; 16]));
    let behind = Start { applied: 6, ..good };
    assert!(matches!(
        refused(behind),
        ZoneError::AheadOfDatabase {
            zone: 7,
            database: 6
        }
    ));
    let old = Start {
        fencing_token: 2,
        ..good
    };
    assert!(matches!(
        refused(old),
        ZoneError::Fenced {
            token: 2,
            committed: 3
        }
    ));
    let ceiling = Ceiling {
        expiration: NOW as u32 + 3599,
        ..good.ceiling
    };
    assert!(matches!(
        refused(Start { ceiling, ..good }),
        ZoneError::CeilingReached { .. }
    ));
    let twice = vec![
        entry(eid(1), 1, active(1)),
        entry(eid(1), 1, Publication::Inactive),
    ];
    let error = rebuild(&dir, twice, good, NOW).unwrap_err();
    assert!(matches!(error, ZoneError::DuplicateEntry { .. }));
    rebuild(&dir, Vec::new(), good, NOW).unwrap();
}
