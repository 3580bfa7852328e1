//! `zone rebuild`: the way out when the database is older than the zone that was published, and when
//! the zone on disk is damaged.

use std::path::Path;

use iot_dns_zone::{Ceiling, CommitRecord, StoreError, ZoneError, ZoneKeys, ZoneWriter, serial};

use super::database::ksk_hash;
use super::{Core, StartError};
use crate::clock::unix_now;
use crate::config::Config;
use crate::directory::Directory;
use crate::store::{AcceptClock, AcceptKey, RaiseCeiling, RecordLoss, StartUp, Store};

/// Accepts the database as the truth although the published zone is ahead of it, another's, or
/// damaged: the new zone starts above every serial that was published. Returns its serial.
///
/// # Errors
/// [`StartError`]. Where the zone was gone by then, the next start builds it.
pub async fn rebuild(directory: &Directory) -> Result<u32, StartError> {
    let lock = directory.lock()?;
    let config = Config::load(directory)?;
    let last = last_commit_if_readable(&directory.zone())?;
    let store = Store::open(&directory.database()).await?;
    let now = unix_now();
    let new_database_id = crate::service::random_octets();
    let zone = config.zone.apex.clone();
    let ksk_hash = ksk_hash(&ZoneKeys::load(&directory.zone())?);
    let opened = store
        .commit(StartUp {
            zone,
            ksk_hash,
            new_database_id,
            now,
        })
        .await?;
    // Above whatever the lost state can have published, and believed as long as any signature made
    // up to this moment.
    let known = opened.serial_ceiling;
    let published = last.map_or(known, |last| serial::later(known, last.serial));
    let Ceiling { serial, expiration } = Ceiling::for_start(config.zone.profile, published, now);
    store
        .commit(RaiseCeiling {
            serial,
            expiration,
            now,
        })
        .await?;
    let lost_until = serial::later(expiration, opened.expiration_ceiling);
    store.commit(RecordLoss { lost_until }).await?;
    store.close().await;
    ZoneWriter::forget_last_commit(&directory.zone())?;
    drop(lock);
    let core = Core::open(directory).await?;
    let serial = core.serial();
    core.close().await;
    Ok(serial)
}

/// The last commit of the zone. Without one that can be read, what the database has promised bounds
/// everything that was published.
fn last_commit_if_readable(zone: &Path) -> Result<Option<CommitRecord>, ZoneError> {
    use StoreError::{Damaged, OtherFormat, RedoDamaged, RedoGap, RedoMissing, SuperblockDamaged};
    match ZoneWriter::last_commit(zone) {
        Err(
            error @ (ZoneError::Damaged { .. }
            | ZoneError::Store(
                Damaged { .. }
                | OtherFormat
                | RedoDamaged { .. }
                | RedoGap { .. }
                | RedoMissing { .. }
                | SuperblockDamaged,
            )),
        ) => {
            tracing::warn!(%error, "the last commit of the zone cannot be read");
            Ok(None)
        }
        last => last,
    }
}

/// Takes the present time as right although the database was last used long ago, or later.
///
/// # Errors
/// [`StartError`].
pub async fn accept_clock(directory: &Directory) -> Result<(), StartError> {
    let _lock = directory.lock()?;
    let store = Store::open(&directory.database()).await?;
    store.commit(AcceptClock { now: unix_now() }).await?;
    store.close().await;
    Ok(())
}

/// Takes the present key signing key as right although the registry began with another: after the
/// loss of that one, when every verifier is given the new anchor.
///
/// # Errors
/// [`StartError`].
pub async fn accept_key(directory: &Directory) -> Result<(), StartError> {
    let _lock = directory.lock()?;
    let ksk_hash = ksk_hash(&ZoneKeys::load(&directory.zone())?);
    let store = Store::open(&directory.database()).await?;
    store.commit(AcceptKey { ksk_hash }).await?;
    store.close().await;
    Ok(())
}
