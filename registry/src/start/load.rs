//! `zone load`: credentials that were issued elsewhere go into the database, then the zone is built.

use super::{Core, Opening, StartError, database};
use crate::clock::unix_now;
use crate::config::Config;
use crate::directory::Directory;
use crate::init::OPERATOR_ACCOUNT;
use crate::load::{self, Checked, LoadError};
use crate::store::{Origin, Store};
use iot_dns_zone::{ZoneKeys, ZoneWriter};

/// Loads a checked file into the database of a registry that is not running. `account` will sponsor
/// the devices; `progress` is told the number of lines that are durable.
///
/// # Errors
/// [`LoadError`], or [`StartError`] within it.
pub(crate) async fn load_file(
    directory: &Directory,
    account: &str,
    file: &Checked,
    progress: impl FnMut(u64),
) -> anyhow::Result<()> {
    let _lock = directory.lock()?;
    let config = Config::load(directory)?;
    let keys = ZoneKeys::load(&directory.zone())?;
    let store = Store::open(&directory.database()).await?;
    let last = ZoneWriter::last_commit(&directory.zone())?;
    let now = unix_now();
    database::check_before_writing(&store, &keys, last.as_ref(), now).await?;
    database::open(&store, &keys, directory, &config).await?;
    let origin = Origin {
        account: OPERATOR_ACCOUNT.to_owned(),
        door: "command-line",
        verb: "zone.load",
        client_transaction_id: None,
        server_transaction_id: "load".to_owned(),
        digest: [0; 32],
    };
    let months = config.registration_months;
    let loaded: Result<(), LoadError> =
        load::load(&store, origin, account, file, (now, months), progress).await;
    store.close().await;
    Ok(loaded?)
}

/// Opens the registry, which builds a stale zone, and closes it again. Returns the zone's serial
/// and number of names; `progress` is told the number of names signed.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn build_now(
    directory: &Directory,
    progress: impl Fn(u64) + Sync,
) -> Result<(u32, u64), StartError> {
    let opening = Opening {
        progress: &progress,
        ..Opening::default()
    };
    let core = Core::open_with(directory, opening).await?;
    let snapshot = core.service.publisher().reader().snapshot();
    let built = (snapshot.serial(), snapshot.device_names() as u64);
    drop(snapshot);
    core.close().await;
    Ok(built)
}
