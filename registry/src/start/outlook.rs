//! Whether a start would succeed now, for a process that only answers: then it says so, and whoever
//! watches it decides when to start it anew. It does not do that by itself: somebody may be in the
//! middle of a repair.

use iot_dns_zone::{CommitRecord, ZoneKeys, ZoneWriter};

use super::{StartError, database};
use crate::ca::TrustRoots;
use crate::clock::unix_now;
use crate::config::Config;
use crate::detached;
use crate::directory::Directory;
use crate::store::{Store, StoreError};

/// What stands in the way of a start, as far as can be told without opening zone or database for
/// writing. Takes as long as the disk does; given up, it leaves nothing but a thread behind.
pub(super) async fn look(directory: &Directory) -> Result<(), StartError> {
    let place = directory.clone();
    let (keys, last) = detached::run(move || look_at_files(&place))
        .await
        .unwrap_or(Err(StartError::Store(StoreError::Stopped)))?;
    let identity = Store::identity_in(&directory.database()).await?;
    database::check(identity, &keys, last.as_ref(), unix_now())
}

fn look_at_files(directory: &Directory) -> Result<(ZoneKeys, Option<CommitRecord>), StartError> {
    let config = Config::load(directory)?;
    TrustRoots::load(directory, &config.zone.apex)?;
    database::operator_token(directory)?;
    directory.check_room()?;
    let keys = ZoneKeys::load(&directory.zone())?;
    let last = ZoneWriter::last_commit(&directory.zone())?;
    Ok((keys, last))
}
