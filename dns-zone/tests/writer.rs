//! The writer: what it promises about serials, times, ceilings, restarts and re-signing.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::collections::HashMap;
use std::sync::Arc;

use fixture::{NOW, active, config, eid, entry, in_order, slot, start, zone};
use iot_dns_zone::{
    Ceiling, Change, Entry, Jitter, Profile, PublicKeys, Signers, Snapshot, Start, Thoroughness,
    ZoneError, ZoneKeys, ZoneWriter, gate, plan, sign_batch,
};
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

#[test]
fn a_signer_with_an_unpublished_key_does_not_pass_the_gate() {
    let zone = zone(Profile::Standard, Vec::new());
    let snapshot = zone.writer.snapshot();
    let other = Signers::start(Arc::new(ZoneKeys::generate().unwrap()));
    let refused = |signers: &PublicKeys| {
        let to_sign = plan(&snapshot, &[change(1, active(1))], NOW).unwrap();
        let signed = sign_batch(to_sign, &other).unwrap();
        let sample = Thoroughness::Sample;
        let passed = gate(signed, signers, sample, &mut Jitter::seeded(1), &other);
        passed.unwrap().unwrap_err()
    };
    let error = refused(&other.keys().public());
    assert!(error.concerns_everything(), "{error}");
    assert!(
        error.to_string().contains("not in the published DNSKEY"),
        "{error}"
    );
    // Also when the signer claims to be the published key, as a token with a wrong slot would.
    let error = refused(snapshot.keys());
    assert!(error.to_string().contains("does not verify"), "{error}");
}

/// Two pairs of keys with the same KSK, and ZSKs of one tag.
fn keys_with_one_tag() -> [ZoneKeys; 2] {
    let mut tags = HashMap::new();
    let (one, other) = loop {
        let keys = ZoneKeys::generate().unwrap();
        let tag = keys.zsk_tag();
        if let Some(known) = tags.insert(tag, keys) {
            break (known, tags.remove(&tag).unwrap());
        }
    };
    let [first, second] = [one, other].map(|keys| {
        let dir = tempfile::tempdir().unwrap();
        keys.save(dir.path()).unwrap();
        dir
    });
    let ksk = iot_dns_zone::KSK_FILE;
    std::fs::copy(first.path().join(ksk), second.path().join(ksk)).unwrap();
    [first, second].map(|dir| ZoneKeys::load(dir.path()).unwrap())
}

#[test]
fn a_key_with_the_tag_of_the_published_one_does_not_pass_the_gate() {
    let [published, twin] = keys_with_one_tag();
    let dir = tempfile::tempdir().unwrap();
    let (config, start) = (config(Profile::Standard), start(Profile::Standard, NOW));
    let entries = in_order(vec![entry(eid(1), 1, active(1))]);
    let writer = ZoneWriter::build(dir.path(), config, published, entries, start, NOW).unwrap();
    let snapshot = writer.snapshot();
    let signers = Signers::start(Arc::new(twin));
    for claimed in [signers.keys().public(), snapshot.keys().clone()] {
        let to_sign = plan(&snapshot, &[change(2, active(2))], NOW).unwrap();
        let signed = sign_batch(to_sign, &signers).unwrap();
        let sample = Thoroughness::Sample;
        let passed = gate(signed, &claimed, sample, &mut Jitter::seeded(1), &signers);
        assert!(passed.unwrap().is_err());
    }
    assert_eq!(
        said(&writer.snapshot(), 1),
        active(1),
        "the zone is as before"
    );
    assert_eq!(said(&writer.snapshot(), 2), Publication::Absent);
}
