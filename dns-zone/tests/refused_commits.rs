//! Commits that a full disk refuses: nothing of them happened, also not to what the writer keeps in
//! memory beside the zone.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::io::ErrorKind;
use std::sync::Arc;

use fixture::{NOW, active, config, eid, entry, in_order, slot, start};
use iot_dns_zone::simulation::{SimulatedDisk, StoreLimits};
use iot_dns_zone::{Change, Ground, Profile, StoreError, Work, ZoneError, ZoneKeys, ZoneWriter};
use tempfile::TempDir;

const COUNT: u64 = 400;
const INTERVAL_SECS: u64 = 1800;

/// A zone on a disk whose room is counted.
struct Narrow {
    _dir: TempDir,
    disk: SimulatedDisk,
    writer: ZoneWriter,
}

impl Narrow {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = SimulatedDisk::new(&dir.path().join("zone")).unwrap();
        let entries = (1..=COUNT).map(|number| entry(eid(number), 1, active(number)));
        let writer = ZoneWriter::build_on(
            Ground::following(Arc::new(disk.clone()), StoreLimits::tiny()),
            config(Profile::Standard),
            ZoneKeys::generate().unwrap(),
            in_order(entries.collect()),
            start(Profile::Standard, NOW),
            NOW,
        );
        Self {
            _dir: dir,
            disk,
            writer: writer.unwrap(),
        }
    }

    /// Fills the disk and what the zone keeps free, so that the next commit is refused.
    fn fill(&mut self) {
        self.disk.leave_room(Some(0));
        for applied in 1.. {
            let change = change(1, 1 + applied % 2);
            match self.writer.apply(&[change], applied, NOW) {
                Ok(_) => assert!(applied < 1000, "the disk is never full"),
                Err(error) => return assert_is_full(&error),
            }
        }
    }

    fn work(&mut self, now: u64) -> Result<Work, ZoneError> {
        self.writer.work(now, ZoneWriter::WORK_SIGNATURES)
    }

    /// Everything that a refused commit has to leave as it was.
    fn state(&self, now: u64) -> impl PartialEq + std::fmt::Debug + use<> {
        let snapshot = self.writer.snapshot();
        (
            snapshot.commit_record().clone(),
            self.writer.next_work_at(),
            self.writer.sweep_behind(now),
            self.writer.freshness(now),
            self.writer.names_gone(),
        )
    }
}

fn change(number: u64, said: u64) -> Change {
    Change {
        device_id: eid(number),
        slot: slot(1),
        publication: active(said),
    }
}

fn assert_is_full(error: &ZoneError) {
    let ZoneError::Store(StoreError::Io { source, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), ErrorKind::StorageFull);
}

#[test]
fn names_whose_renewal_was_refused_are_passed_again() {
    let mut zone = Narrow::new();
    zone.fill();
    let late = NOW + INTERVAL_SECS;
    let before = zone.state(late);
    for _ in 0..20 {
        assert_is_full(&zone.work(late).unwrap_err());
        assert_eq!(zone.state(late), before);
    }
    zone.disk.leave_room(None);
    let mut passed = 0;
    while zone.writer.next_work_at() <= late {
        passed += zone.work(late).unwrap().passed;
    }
    assert!(passed >= COUNT, "the whole lap was due: {passed}");
    let snapshot = zone.writer.snapshot();
    let listed = (1..=COUNT).map(|number| {
        let (id, slot) = (eid(number), slot(1));
        (id, slot, snapshot.publication(id, slot).unwrap())
    });
    // Every signature lives for as long as one of now does, but for those that the next lap renews.
    let found = fixture::findings(&snapshot, listed.collect(), late + INTERVAL_SECS);
    assert_eq!(found, []);
}

#[test]
fn names_that_were_refused_do_not_hurry_the_hand() {
    let mut zone = Narrow::new();
    zone.fill();
    let before = zone.state(NOW + 60);
    let applied = zone.writer.snapshot().applied();
    let more: Vec<Change> = (1001..=1100).map(|number| change(number, number)).collect();
    for _ in 0..20 {
        assert_is_full(&zone.writer.apply(&more, applied + 1, NOW).unwrap_err());
        assert_eq!(zone.state(NOW + 60), before);
    }
    zone.disk.leave_room(None);
    zone.writer.apply(&more, applied + 1, NOW).unwrap();
    let snapshot = zone.writer.snapshot();
    assert_eq!(snapshot.device_names(), COUNT + 100);
    let listed = (2..=COUNT).chain(1001..=1100);
    let listed = listed.map(|number| (eid(number), slot(1), active(number)));
    let first = snapshot.publication(eid(1), slot(1)).unwrap();
    let listed = [(eid(1), slot(1), first)].into_iter().chain(listed);
    let found = fixture::findings(&snapshot, listed.collect(), NOW);
    assert_eq!(found, []);
}
