//! The zone at the start: the one on disk, or one that is built from the database.

use iot_dns_zone::{Ceiling, CommitRecord, Entry, Start, ZoneKeys, ZoneWriter};

use super::StartError;
use super::entries::Entries;
use crate::clock::unix_now;
use crate::config::Config;
use crate::directory::Directory;
use crate::store::{
    BoundUnrecorded, Expire, Opened, RaiseCeiling, RecordRebuilt, Store, ZoneEntry,
};

/// Where the zone is, and how it is to be.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) directory: &'a Directory,
    pub(super) config: &'a Config,
}

/// Signs the zone that the database wants, above every serial that was ever published.
pub(super) async fn build(
    store: &Store,
    place: Place<'_>,
    keys: ZoneKeys,
    opened: &Opened,
    last: Option<CommitRecord>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(ZoneWriter, u64), StartError> {
    // Certificates that ran out while nobody was here are withdrawn first.
    while store.commit(Expire { now: unix_now() }).await? > 0 {}
    let now = unix_now();
    // The commit record is exact when it is the one that the last process left.
    let exact = last.filter(|last| last.fencing_token + 1 == opened.fencing_token);
    let released_until = exact.map_or(opened.expiration_ceiling, |last| last.released_until);
    store.commit(BoundUnrecorded { released_until }).await?;
    let projection = store.projection().await?;
    let applied = projection.head();
    let serial_above = exact.map_or(opened.serial_ceiling, |last| last.serial);
    let ceiling = Ceiling::for_start(place.config.zone.profile, serial_above, now);
    let Ceiling { serial, expiration } = ceiling;
    store
        .commit(RaiseCeiling {
            serial,
            expiration,
            now,
        })
        .await?;
    let start = Start {
        database_id: opened.database_id,
        fencing_token: opened.fencing_token,
        applied,
        serial_above,
        ceiling,
        released_until,
        lost_until: opened.lost_until,
    };
    let entries = Entries::read(projection);
    let build = || -> Result<ZoneWriter, StartError> {
        let entries = counted(entries, progress).collect::<Result<Vec<Entry>, _>>()?;
        let zone = place.config.zone.clone();
        let path = place.directory.zone();
        Ok(ZoneWriter::build(&path, zone, keys, entries, start, now)?)
    };
    let writer = tokio::task::block_in_place(build)?;
    let serial = writer.snapshot().serial();
    store
        .commit(RecordRebuilt {
            applied,
            serial,
            at: now,
            released_until,
            built: true,
        })
        .await?;
    Ok((writer, applied))
}

/// The names as the zone takes them; every now and then, their number is told.
fn counted<'a>(
    entries: Entries,
    progress: &'a (dyn Fn(u64) + Sync),
) -> impl Iterator<Item = Result<Entry, StartError>> + 'a {
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
