//! The writer: what it promises about serials, times, ceilings, restarts and re-signing.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../fixture/mod.rs"]
mod fixture;
mod gate;
mod restarts;

use fixture::{NOW, active, config, eid, in_order, slot, start, zone};
use iot_dns_zone::{Change, Entry, Profile, Snapshot, Start, ZoneError, ZoneKeys, ZoneWriter};
use iot_identity::Publication;

fn change(number: u64, publication: Publication) -> Change {
    Change {
        device_id: eid(number),
        slot: slot(1),
        publication,
    }
}

fn said(snapshot: &Snapshot, number: u64) -> Publication {
    snapshot.publication(eid(number), slot(1)).unwrap()
}

fn rebuild(
    dir: &tempfile::TempDir,
    entries: Vec<Entry>,
    start: Start,
    now: u64,
) -> Result<ZoneWriter, ZoneError> {
    let keys = ZoneKeys::generate().unwrap();
    let config = config(Profile::Standard);
    ZoneWriter::build(dir.path(), config, keys, in_order(entries), start, now)
}

#[test]
fn a_commit_is_recorded_before_it_is_visible_and_serials_count_up() {
    let mut zone = zone(Profile::Standard, Vec::new());
    let reader = zone.writer.reader();
    let before = reader.snapshot();
    assert_eq!(before.serial(), 101);
    let report = zone
        .writer
        .apply(&[change(1, active(1))], 5, NOW + 1)
        .unwrap();
    assert_eq!(report.serial, 102);
    assert_eq!(report.outcomes[0].serial, 102);
    assert_eq!(report.outcomes[0].published_at, NOW + 1);
    let record = ZoneWriter::last_commit(zone.dir.path()).unwrap().unwrap();
    assert_eq!((record.serial, record.applied), (102, 5));
    assert_eq!(record.zone_version, reader.snapshot().zone_version());
    // A reader that holds a version keeps it.
    assert_eq!(said(&before, 1), Publication::Absent);
    assert_eq!(said(&reader.snapshot(), 1), active(1));
}

#[test]
fn applying_the_same_again_moves_only_the_sequence() {
    let mut zone = zone(Profile::Standard, Vec::new());
    let batch = [
        change(1, active(1)),
        change(2, Publication::Inactive),
        change(3, Publication::Absent),
    ];
    let first = zone.writer.apply(&batch, 3, NOW + 1).unwrap();
    let again = zone.writer.apply(&batch, 4, NOW + 2).unwrap();
    assert_eq!(again.serial, first.serial);
    assert_eq!(zone.writer.snapshot().applied(), 4);
    // It was denied before its own signatures were made, which bound it from then on.
    let denied_until = again.outcomes[0].denied_until.unwrap();
    assert!(denied_until >= first.outcomes[0].denied_until.unwrap());
    assert!(denied_until <= NOW as u32 + 1 + 3600);
    let error = zone.writer.apply(&batch, 3, NOW + 3).unwrap_err();
    assert!(matches!(
        error,
        ZoneError::AppliedBackwards {
            applied: 3,
            present: 4
        }
    ));
}

#[test]
fn withdrawal_reports_the_last_expiration_ever_released() {
    let mut zone = zone(Profile::Standard, Vec::new());
    let outcome = |report: iot_dns_zone::Applied| report.outcomes[0];
    let activated = outcome(zone.writer.apply(&[change(1, active(1))], 1, NOW).unwrap());
    assert_eq!(activated.withdrawn_until, None);
    let denied_until = activated.denied_until.unwrap();
    let validity = NOW as u32 + 3600;
    assert_eq!(denied_until, validity);

    let later = NOW + 60;
    let withdrawn = outcome(
        zone.writer
            .apply(&[change(1, Publication::Inactive)], 2, later)
            .unwrap(),
    );
    let until = withdrawn.withdrawn_until.unwrap();
    assert_eq!(until, validity, "signed at NOW, not later");
    let deleted = outcome(
        zone.writer
            .apply(&[change(1, Publication::Absent)], 3, later)
            .unwrap(),
    );
    assert_eq!(
        deleted.withdrawn_until,
        Some(until),
        "deleting keeps what is known"
    );
    let never = outcome(
        zone.writer
            .apply(&[change(2, Publication::Absent)], 4, later)
            .unwrap(),
    );
    assert_eq!(
        never.withdrawn_until, None,
        "nothing was ever released here"
    );

    // Back to active: the NSEC that denied it was signed at `later`.
    let back = outcome(
        zone.writer
            .apply(&[change(1, active(1))], 5, later + 1)
            .unwrap(),
    );
    assert_eq!(back.denied_until, Some(later as u32 + 3600));
}

#[test]
fn the_denial_of_a_gap_is_inherited_when_it_is_split_and_joined() {
    let mut start = start(Profile::Standard, NOW);
    start.released_until = NOW as u32 + 9000;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = rebuild(&dir, Vec::new(), start, NOW).unwrap();
    let mut denied = |number, applied| {
        let report = writer
            .apply(&[change(number, active(number))], applied, NOW)
            .unwrap();
        report.outcomes[0].denied_until
    };
    // Each splits what is left of the gap that the earlier start denied.
    assert_eq!(denied(50, 1), Some(NOW as u32 + 9000));
    assert_eq!(denied(80, 2), Some(NOW as u32 + 9000));
    assert_eq!(denied(20, 3), Some(NOW as u32 + 9000));
    writer
        .apply(&[change(50, Publication::Absent)], 4, NOW)
        .unwrap();
    let report = writer.apply(&[change(51, active(51))], 5, NOW).unwrap();
    assert_eq!(report.outcomes[0].denied_until, Some(NOW as u32 + 9000));
}

#[test]
fn the_ceiling_stops_before_signing_and_is_asked_for_in_time() {
    let mut zone = zone(Profile::Standard, Vec::new());
    assert_eq!(zone.writer.ceiling_wanted(NOW), None);
    // The database was away for more than a day.
    let late = NOW + 25 * 3600;
    let wanted = zone
        .writer
        .ceiling_wanted(late)
        .expect("the expiration is near");
    let error = zone
        .writer
        .apply(&[change(1, active(1))], 1, late)
        .unwrap_err();
    assert!(
        matches!(error, ZoneError::CeilingReached { serial: 102, .. }),
        "{error}"
    );
    assert!(zone.writer.work(late, 10).is_err());
    assert_eq!(zone.writer.snapshot().serial(), 101);
    zone.writer.raise_ceiling(wanted);
    zone.writer.apply(&[change(1, active(1))], 1, late).unwrap();
    assert_eq!(zone.writer.ceiling_wanted(late), None);
    // It is wanted before it is reached: at every moment in between, work goes on.
    let mut now = late;
    for applied in 2..40 {
        now += 300;
        if let Some(wanted) = zone.writer.ceiling_wanted(now) {
            zone.writer.raise_ceiling(wanted);
        }
        zone.writer
            .apply(&[change(applied, active(1))], applied, now)
            .unwrap();
    }
}

#[test]
fn the_serial_has_a_ceiling_too() {
    let mut start = start(Profile::Standard, NOW);
    start.serial_above = u32::MAX - 1;
    start.ceiling.serial = 0;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = rebuild(&dir, Vec::new(), start, NOW).unwrap();
    assert_eq!(writer.snapshot().serial(), u32::MAX);
    // The next serial wraps to 0, which the ceiling still admits; 1 is beyond.
    assert_eq!(
        writer
            .apply(&[change(1, active(1))], 1, NOW)
            .unwrap()
            .serial,
        0
    );
    let error = writer.apply(&[change(2, active(2))], 2, NOW).unwrap_err();
    assert!(matches!(error, ZoneError::CeilingReached { serial: 1, .. }));
    let wanted = writer.ceiling_wanted(NOW).unwrap();
    writer.raise_ceiling(wanted);
    writer.apply(&[change(2, active(2))], 2, NOW).unwrap();
}

#[test]
fn key_records_are_signed_for_days_and_renewed_in_the_middle() {
    let mut zone = zone(Profile::Standard, Vec::new());
    let key_signature = |zone: &fixture::Zone| {
        let records = fixture::records(&zone.writer.snapshot());
        let mut covering = records
            .iter()
            .filter(|record| record.record_type == 46 && record.rdata[..2] == [0, 48]);
        u32::from_be_bytes(covering.next().unwrap().rdata[8..12].try_into().unwrap())
    };
    let first = key_signature(&zone);
    let days = |count: f64| NOW as u32 + (count * 86_400.0) as u32;
    assert_eq!(first, days(3.0));
    let mut now = NOW;
    while now < NOW + 2 * 86_400 {
        now += 900;
        if let Some(wanted) = zone.writer.ceiling_wanted(now) {
            zone.writer.raise_ceiling(wanted);
        }
        zone.writer.work(now, 100).unwrap();
    }
    assert!(key_signature(&zone) > first);
    assert_eq!(
        fixture::findings(&zone.writer.snapshot(), Vec::new(), now),
        []
    );
}
