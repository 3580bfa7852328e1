//! Building the zone from what the database lists: a stream in the order of names, signed in chunks
//! on all cores (`chunks`), written as it comes, so that memory does not grow with the zone.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use super::chunks::Builder;
use super::{Entry, Start, ZoneWriter, numbers_after, numbers_beyond, random_seed};
use crate::apex::fixed_names;
use crate::ceiling::check_ceiling;
use crate::change::Numbers;
use crate::config::ZoneConfig;
use crate::error::ZoneError;
use crate::gate::check_keys;
use crate::jitter::Jitter;
use crate::key::ZoneKeys;
use crate::record_type::TYPE_CERT;
use crate::seal::{note_released, raise_floor};
use crate::serial;
use crate::signers::Signers;
use crate::snapshot::{Shape, Snapshot};
use crate::store::record::StoredSignature;
use crate::store::{CommitRecord, Disk, RealDisk, Store, StoreLimits, Sweep};

impl ZoneWriter {
    /// Builds the zone of the database's entries in place of the one that is there: signs all of it
    /// on all cores, and commits it as the first version to be answered from. The entries come in
    /// canonical order of their names (that of [`iot_identity::PackedKey`]) without duplicates. One that the gate
    /// refuses is left out; see [`ZoneWriter::take_quarantined`].
    ///
    /// # Errors
    /// The configuration, the ceiling, the commit record of an earlier start, the order of the
    /// entries or the gate refuse; the zone that was there is as before then.
    pub fn build<E: Into<Box<dyn StdError + Send + Sync>>>(
        dir: &Path,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let disk = Arc::new(RealDisk::in_directory(dir)?);
        let ground = Ground::following(disk, StoreLimits::default());
        Self::build_on(ground, config, keys, entries, start, now)
    }

    /// As [`ZoneWriter::build`], whatever the zone that is there says of its database and its last
    /// change, and also when it cannot be read. The caller has made sure that
    /// [`Start::serial_above`] and [`Start::released_until`] bound everything that was ever
    /// released.
    ///
    /// # Errors
    /// The configuration, the ceiling, the order of the entries or the gate refuse; the zone that
    /// was there is as before then.
    pub fn rebuild<E: Into<Box<dyn StdError + Send + Sync>>>(
        dir: &Path,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let disk = Arc::new(RealDisk::in_directory(dir)?);
        let ground = Ground::replacing(disk, StoreLimits::default());
        Self::build_on(ground, config, keys, entries, start, now)
    }

    /// [`ZoneWriter::build`] or [`ZoneWriter::rebuild`], on any disk and with other limits: for trials
    /// of power cuts. The whole zone is made, its apex signed, before it takes the place of the one
    /// that is there.
    ///
    /// # Errors
    /// As for those.
    #[doc(hidden)]
    pub fn build_on<E: Into<Box<dyn StdError + Send + Sync>>>(
        ground: Ground,
        config: ZoneConfig,
        keys: ZoneKeys,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        start: Start,
        now: u64,
    ) -> Result<Self, ZoneError> {
        let numbers = ground.numbers(&start)?;
        let Ground { disk, limits, .. } = ground;
        let config = config.check()?;
        check_ceiling(start.ceiling, config.profile, numbers.serial, now)?;
        let public = keys.public();
        let fixed = Arc::new(fixed_names(&config, &public));
        let shape = Arc::new(Shape::new(config.apex, config.profile, public));
        check_keys(&shape, &fixed, &keys.public())?;
        let signers = Signers::start(Arc::new(keys));

        let jitter = Jitter::seeded(random_seed()?);
        let mut builder = Builder::new(entries.into_iter(), &signers, &shape, &fixed, jitter, now);
        builder.released_until = Some(start.released_until).filter(|until| *until != 0);
        let record = first_record(&shape, &start, numbers, now);
        let made: Result<_, ZoneError> = Store::make_beside(
            limits,
            Arc::clone(&disk),
            shape.digest,
            shape.unit_secs,
            std::iter::from_fn(|| builder.next().transpose()),
            record,
            fixed.encode(),
        );
        let (store, version) = made?;
        let (gone, quarantined, verified) = (builder.gone, builder.quarantined, builder.verified);
        let snapshot = Snapshot::of_version(shape, version)?;
        let names = snapshot.device_names();
        let mut writer = Self::over(store, snapshot, signers, &start)?;
        writer.hand = crate::sweep::Hand::started(config.profile, names, now);
        (writer.gone, writer.quarantined, writer.verified) = (gone, quarantined, verified);
        // What the devices' signatures lack is the apex: its NSEC points to the first of them.
        if let Err(error) = writer.first_commit(&fixed, &start, now) {
            writer.store.give_up(&*disk);
            return Err(error);
        }
        writer.store.put_in_place(&*disk)?;
        Ok(writer)
    }
}

/// Where a zone is built, and what it makes of the one that is there.
#[doc(hidden)]
#[derive(Debug)]
pub struct Ground {
    disk: Arc<dyn Disk>,
    limits: StoreLimits,
    replaces: bool,
}

impl Ground {
    /// For a zone that goes on where the one that is there ended, as [`ZoneWriter::build`] makes it.
    pub fn following(disk: Arc<dyn Disk>, limits: StoreLimits) -> Self {
        Self {
            disk,
            limits,
            replaces: false,
        }
    }

    /// For a zone that takes the place of any other, as [`ZoneWriter::rebuild`] makes it.
    pub fn replacing(disk: Arc<dyn Disk>, limits: StoreLimits) -> Self {
        Self {
            replaces: true,
            ..Self::following(disk, limits)
        }
    }

    fn numbers(&self, start: &Start) -> Result<Numbers, ZoneError> {
        match Store::last_commit(&*self.disk) {
            Err(error) if self.replaces && error.is_damage() => Ok(numbers_beyond(None, start)),
            last if self.replaces => Ok(numbers_beyond(last?.as_ref(), start)),
            last => numbers_after(last?.as_ref(), start),
        }
    }
}

/// The record of a zone whose apex is still to be signed. It has the numbers of the version before,
/// since nobody is to see it.
fn first_record(shape: &Shape, start: &Start, numbers: Numbers, now: u64) -> CommitRecord {
    let signed_at = shape.signing_time(now);
    let mut record = CommitRecord {
        database_id: start.database_id,
        fencing_token: start.fencing_token,
        zone_version: numbers.zone_version,
        serial: numbers.serial,
        applied: start.applied,
        released_until: start.released_until,
        floor_until: 0,
        lost_until: start.lost_until,
        last_signed_at: signed_at,
        sweep: Sweep {
            key: [0; 18],
            lap_started_at: now,
            names_passed: 0,
            lap_names: 0,
        },
        soa: StoredSignature {
            signed_at: 0,
            octets: [0; 64],
        },
    };
    raise_floor(&mut record, start.released_until, now);
    note_released(&mut record, shape.expiration(TYPE_CERT, signed_at));
    record
}

impl Numbers {
    /// The later serial of this and a commit, and the commit's version.
    pub(super) fn beyond(self, last: &CommitRecord) -> Self {
        Self {
            serial: serial::later(self.serial, last.serial),
            zone_version: last.zone_version,
        }
    }
}
