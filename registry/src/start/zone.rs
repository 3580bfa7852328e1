//! The zone at the start: the one on disk, ready at once, or one that is built from the database.

use iot_dns_zone::{Ceiling, CommitRecord, Entry, Opening, Start, ZoneKeys, ZoneWriter, serial};

use super::StartError;
use super::entries::Entries;
use crate::clock::unix_now;
use crate::config::Config;
use crate::directory::Directory;
use crate::store::{
    BoundUnrecorded, Expire, LeftOut, Opened, RaiseCeiling, RecordRebuilt, Store, ZoneEntry,
};

/// Where the zone is, and how it is to be.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) directory: &'a Directory,
    pub(super) config: &'a Config,
}

/// What a start finds of the zone.
pub(super) enum Found {
    /// The zone that the last process left.
    Ready(Box<ZoneWriter>),
    /// None, or none of this kind: it has to be built, with these keys.
    Build(Box<ZoneKeys>),
}

/// Opens the zone that the last process left.
pub(super) async fn find(
    store: &Store,
    place: Place<'_>,
    keys: ZoneKeys,
    opened: &Opened,
    last: Option<&CommitRecord>,
) -> Result<Found, StartError> {
    if opened.zone_stale {
        return Ok(Found::Build(Box::new(keys)));
    }
    open_present(store, place, keys, opened, Known::of(opened, last)).await
}

/// Builds the zone that the database wants, where [`find`] found none.
pub(super) async fn build_wanted(
    store: &Store,
    place: Place<'_>,
    keys: ZoneKeys,
    opened: &Opened,
    last: Option<&CommitRecord>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<ZoneWriter, StartError> {
    let (bounds, old) = (Known::of(opened, last), OldZone::MustFit);
    build(store, place, keys, opened, bounds, old, progress).await
}

/// Builds the zone that the database wants in place of the one that is there, whatever that one says.
/// Returns its serial.
pub(super) async fn rebuild(
    store: &Store,
    place: Place<'_>,
    keys: ZoneKeys,
    opened: &Opened,
    known: Known,
) -> Result<u32, StartError> {
    let old = OldZone::IsGivenUp;
    let writer = build(store, place, keys, opened, known, old, &|_| {}).await?;
    let serial = writer.snapshot().serial();
    Ok(serial)
}

/// What a build makes of the zone that it takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OldZone {
    /// Its last commit has to be one of this database, and not beyond it.
    MustFit,
    /// Somebody has decided that the database is right.
    IsGivenUp,
}

/// What is known of everything that was released before this start.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) serial: u32,
    pub(super) released_until: u32,
}

impl Known {
    /// The commit record is exact when it is the one that the last process left. Otherwise the zone
    /// may be an older copy, and the database's ceilings bound it; a zone that was kept fresh without
    /// the database may be beyond them.
    fn of(opened: &Opened, last: Option<&CommitRecord>) -> Self {
        let ceilings = Self {
            serial: opened.serial_ceiling,
            released_until: opened.expiration_ceiling,
        };
        match last {
            None => ceilings,
            Some(last) if last.fencing_token.checked_add(1) == Some(opened.fencing_token) => Self {
                serial: last.serial,
                released_until: last.released_until,
            },
            Some(last) => Self {
                serial: serial::later(ceilings.serial, last.serial),
                released_until: match (ceilings.released_until, last.released_until) {
                    (known, 0) => known,
                    (0, known) => known,
                    (one, other) => serial::later(one, other),
                },
            },
        }
    }
}

async fn open_present(
    store: &Store,
    place: Place<'_>,
    keys: ZoneKeys,
    opened: &Opened,
    known: Known,
) -> Result<Found, StartError> {
    let now = unix_now();
    let start = promised(store, place, opened, known, opened.journal_head, now).await?;
    let (path, zone) = (place.directory.zone(), &place.config.zone);
    let opening = tokio::task::block_in_place(|| ZoneWriter::open(&path, zone, keys, start, now))?;
    let mut writer = match opening {
        Opening::Ready(writer) => writer,
        Opening::Build { keys, reason } => {
            tracing::info!(reason, "the zone is built from the database");
            return Ok(Found::Build(keys));
        }
    };
    let withdrawn = store.withdrawn_names(now).await?;
    let released = withdrawn.iter().filter_map(|entry| {
        let until = entry.released_until?;
        Some((entry.device_id, entry.slot, until))
    });
    writer.remember_released(released, now);
    let snapshot = writer.snapshot();
    let (applied, serial) = (snapshot.applied(), snapshot.serial());
    let released_until = known.released_until;
    store
        .commit(BoundUnrecorded {
            applied,
            released_until,
        })
        .await?;
    store
        .commit(RecordRebuilt {
            applied,
            serial,
            at: now,
            released_until,
            built: None,
        })
        .await?;
    Ok(Found::Ready(writer))
}

/// Signs the zone that the database wants, above every serial that was ever published.
async fn build(
    store: &Store,
    place: Place<'_>,
    keys: ZoneKeys,
    opened: &Opened,
    known: Known,
    old: OldZone,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<ZoneWriter, StartError> {
    // Certificates that ran out while nobody was here are withdrawn first.
    loop {
        let step = Expire {
            zone: place.config.zone.apex.clone(),
            random: crate::service::random_octets(),
            now: unix_now(),
        };
        if store.commit(step).await? == 0 {
            break;
        }
    }
    let now = unix_now();
    let released_until = known.released_until;
    let applied = u64::MAX;
    store
        .commit(BoundUnrecorded {
            applied,
            released_until,
        })
        .await?;
    let projection = store.projection().await?;
    let applied = projection.head();
    let start = promised(store, place, opened, known, applied, now).await?;
    let entries = counted(Entries::read(projection), progress);
    let (path, zone) = (place.directory.zone(), place.config.zone.clone());
    let build = || match old {
        OldZone::MustFit => ZoneWriter::build(&path, zone, keys, entries, start, now),
        OldZone::IsGivenUp => ZoneWriter::rebuild(&path, zone, keys, entries, start, now),
    };
    let mut writer = tokio::task::block_in_place(build)?;
    let left_out = left_out_of(&mut writer);
    let serial = writer.snapshot().serial();
    store
        .commit(RecordRebuilt {
            applied,
            serial,
            at: now,
            released_until,
            built: Some(left_out),
        })
        .await?;
    Ok(writer)
}

/// What the build had to leave out: it is not published, and tried again by the publisher.
fn left_out_of(writer: &mut ZoneWriter) -> Vec<LeftOut> {
    let left_out = writer.take_quarantined().into_iter();
    let told = left_out.map(|(entry, error)| {
        let (device_id, slot) = (entry.device_id, entry.slot);
        tracing::error!(
            alarm = true, %device_id, %slot, %error,
            "the gate refused a credential; it is not published"
        );
        LeftOut {
            device_id,
            slot,
            publication: entry.publication,
            reason: error.to_string(),
        }
    });
    told.collect()
}

/// What a zone starts from, once the database has promised it room.
async fn promised(
    store: &Store,
    place: Place<'_>,
    opened: &Opened,
    known: Known,
    applied: u64,
    now: u64,
) -> Result<Start, StartError> {
    let ceiling = Ceiling::for_start(place.config.zone.profile, known.serial, now);
    let Ceiling { serial, expiration } = ceiling;
    store
        .commit(RaiseCeiling {
            serial,
            expiration,
            now,
        })
        .await?;
    Ok(Start {
        database_id: opened.database_id,
        fencing_token: opened.fencing_token,
        applied,
        serial_above: known.serial,
        ceiling,
        released_until: known.released_until,
        lost_until: opened.lost_until,
    })
}

/// The names as the zone takes them; every now and then, their number is told.
fn counted<'a>(
    entries: Entries,
    progress: &'a (dyn Fn(u64) + Sync),
) -> impl Iterator<Item = Result<Entry, StartError>> + 'a {
    progress(0);
    entries.enumerate().map(move |(index, entry)| {
        if index % 4096 == 4095 {
            progress(index as u64 + 1);
        }
        Ok(entry_of(&entry?))
    })
}

fn entry_of(entry: &ZoneEntry) -> Entry {
    Entry {
        device_id: entry.device_id,
        slot: entry.slot,
        publication: entry.publication,
        released_until: entry.released_until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iot_dns_zone::{Profile, StaticRecords, ZoneConfig};
    use iot_identity::ZoneName;

    const SERIAL: u32 = 5_000;
    const CEILING: u32 = 9_000;

    /// The record of a process with token 7, whose signatures expire at the time returned.
    fn record() -> (CommitRecord, u32) {
        let dir = tempfile::tempdir().unwrap();
        let now = 1_800_000_000;
        let config = ZoneConfig {
            apex: ZoneName::parse("iotregistry.example").unwrap(),
            profile: Profile::Standard,
            name_servers: vec!["ns.example.net".into()],
            contact: "h@example.net".into(),
            static_records: StaticRecords::default(),
        };
        let start = Start {
            database_id: [1; 16],
            fencing_token: 7,
            applied: 0,
            serial_above: SERIAL - 1,
            ceiling: Ceiling::for_start(Profile::Standard, SERIAL, now),
            released_until: 0,
            lost_until: 0,
        };
        let none = std::iter::empty::<Result<Entry, StartError>>();
        let keys = ZoneKeys::generate().unwrap();
        drop(ZoneWriter::build(dir.path(), config, keys, none, start, now).unwrap());
        let record = ZoneWriter::last_commit(dir.path()).unwrap().unwrap();
        assert_eq!((record.serial, record.fencing_token), (SERIAL, 7));
        let until = record.released_until;
        (record, until)
    }

    fn known(
        fencing_token: u64,
        serial_ceiling: u32,
        expiration_ceiling: u32,
        last: Option<&CommitRecord>,
    ) -> (u32, u32) {
        let opened = Opened {
            database_id: [1; 16],
            fencing_token,
            serial_ceiling,
            expiration_ceiling,
            lost_until: 0,
            journal_head: 0,
            voided: 0,
            zone_stale: false,
        };
        let known = Known::of(&opened, last);
        (known.serial, known.released_until)
    }

    #[test]
    fn the_record_of_the_last_process_is_exact_and_any_other_is_bounded_by_the_ceilings() {
        let (record, until) = record();
        let (before, beyond) = (until - 60, until + 60);
        assert_eq!(known(1, CEILING, beyond, None), (CEILING, beyond));
        let last = Some(&record);
        assert_eq!(known(8, CEILING, beyond, last), (SERIAL, until));
        // Processes in between may have gone up to the ceilings.
        for token in [9, 30, u64::MAX] {
            assert_eq!(known(token, CEILING, beyond, last), (CEILING, beyond));
        }
        // Without a database the zone was kept fresh beyond what the ceilings said.
        assert_eq!(known(9, SERIAL - 100, before, last), (SERIAL, until));
        assert_eq!(known(9, CEILING, before, last), (CEILING, until));
        assert_eq!(known(9, SERIAL - 100, beyond, last), (SERIAL, beyond));
        // A database that has promised nothing yet.
        assert_eq!(known(9, SERIAL - 100, 0, last), (SERIAL, until));
        let mut unsigned = record.clone();
        unsigned.released_until = 0;
        assert_eq!(
            known(9, CEILING, beyond, Some(&unsigned)),
            (CEILING, beyond)
        );
    }
}
