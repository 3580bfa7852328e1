//! The zone and the database of a registry that runs in another process on this machine: read where
//! they are, so that no zone is too large to be looked at.

use std::time::{Duration, Instant};

use anyhow::bail;
use iot_dns_zone::{Snapshot, ZoneError, ZoneKeys, ZoneObserver};
use iot_epp_api::ZoneReport;

use crate::config::Config;
use crate::directory::Directory;
use crate::service;
use crate::store::Projection;

/// Attempts at catching database and zone at the same journal row, and the wait for each.
const SAME_ROW_ATTEMPTS: u32 = 20;
const SAME_ROW_PATIENCE: Duration = Duration::from_millis(250);
/// Time between two looks at the zone.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A running registry's zone, seen from beside it.
pub(super) struct Beside<'a> {
    directory: &'a Directory,
    zone: ZoneObserver,
}

impl<'a> Beside<'a> {
    /// Looks at the zone; none when no process serves it from this directory.
    pub(super) fn open(directory: &'a Directory) -> anyhow::Result<Option<Self>> {
        if !directory.is_initialised() {
            return Ok(None);
        }
        let config = Config::load(directory)?;
        let path = directory.zone();
        let keys = ZoneKeys::load(&path)?.public().clone();
        let zone = ZoneObserver::open(&path, &config.zone, keys)?;
        Ok(zone.map(|zone| Self { directory, zone }))
    }

    /// The newest version; the registry keeps its pages until it is dropped.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot, ZoneError> {
        self.zone.snapshot()
    }

    /// Verifies every signature and compares the zone with the database.
    pub(super) async fn check(&mut self) -> anyhow::Result<ZoneReport> {
        let (snapshot, projection) = self.zone_and_database().await?;
        Ok(service::zone::held_against(&snapshot, projection)?)
    }

    /// The zone and the database's idea of it, at the same journal row.
    async fn zone_and_database(&mut self) -> anyhow::Result<(Snapshot, Projection)> {
        let (mut in_zone, mut in_database) = (0, 0);
        for _ in 0..SAME_ROW_ATTEMPTS {
            let projection = Projection::beside(&self.directory.database()).await?;
            in_database = projection.head();
            let begun = Instant::now();
            loop {
                let snapshot = self.zone.snapshot()?;
                in_zone = snapshot.applied();
                if in_zone == in_database {
                    return Ok((snapshot, projection));
                }
                if in_zone > in_database || begun.elapsed() > SAME_ROW_PATIENCE {
                    break;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        bail!(
            "the zone has change {in_zone} and the database {in_database}: either they change too \
             fast to be compared (try again), or the database is an older copy"
        );
    }
}
