//! `zone rebuild`: the way out when the database is older than the zone that was published, and when
//! the zone on disk is damaged.

use std::path::Path;

use iot_dns_zone::{Ceiling, CommitRecord, ZoneError, ZoneKeys, ZoneWriter, serial};

use super::database::ksk_hash;
use super::{StartError, zone};
use crate::clock::unix_now;
use crate::config::Config;
use crate::directory::Directory;
use crate::store::{AcceptClock, AcceptKey, RaiseCeiling, RecordLoss, StartUp, Store};

/// Accepts the database as the truth although the published zone is ahead of it, another's, or
/// damaged: the new zone starts above every serial that was published. Returns its serial.
///
/// # Errors
/// [`StartError`]; the zone on the disk is the old one then, and what is read of it as before. Whether
/// this process fails or is killed, the next start serves the old zone or builds the new one.
pub async fn rebuild(directory: &Directory) -> Result<u32, StartError> {
    let _lock = directory.lock()?;
    let config = Config::load(directory)?;
    let keys = ZoneKeys::load(&directory.zone())?;
    let last = last_commit_if_readable(&directory.zone())?;
    let store = Store::open(&directory.database()).await?;
    let place = zone::Place {
        directory,
        config: &config,
    };
    let rebuilt = rebuild_from(&store, place, keys, last).await;
    store.close().await;
    rebuilt
}

async fn rebuild_from(
    store: &Store,
    place: zone::Place<'_>,
    keys: ZoneKeys,
    last: Option<CommitRecord>,
) -> Result<u32, StartError> {
    let now = unix_now();
    let step = StartUp {
        zone: place.config.zone.apex.clone(),
        ksk_hash: ksk_hash(&keys),
        new_database_id: crate::service::random_octets(),
        now,
    };
    let mut opened = store.commit(step).await?;
    // Above whatever the lost state can have published, and believed as long as any signature made
    // up to this moment.
    let known = opened.serial_ceiling;
    let published = last.map_or(known, |last| serial::later(known, last.serial));
    let profile = place.config.zone.profile;
    let Ceiling { serial, expiration } = Ceiling::for_start(profile, published, now);
    store
        .commit(RaiseCeiling {
            serial,
            expiration,
            now,
        })
        .await?;
    let lost_until = serial::later(expiration, opened.expiration_ceiling);
    store.commit(RecordLoss { lost_until }).await?;
    opened.lost_until = opened.lost_until.max(lost_until);
    let known = zone::Known {
        serial: serial::later(published, serial),
        released_until: lost_until,
    };
    zone::rebuild(store, place, keys, &opened, known).await
}

/// The last commit of the zone. Without one that can be read, what the database has promised bounds
/// everything that was published.
fn last_commit_if_readable(zone: &Path) -> Result<Option<CommitRecord>, ZoneError> {
    match ZoneWriter::last_commit(zone) {
        Err(error) if error.is_damage() => {
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
