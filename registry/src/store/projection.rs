//! The zone as the database wants it, read page by page at one instant.

use std::path::Path;
use std::time::Duration;

use iot_identity::{DeviceId, Publication, Slot};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use super::rows::{self, corrupt, sql_time};
use super::{Store, StoreError};
use crate::lifecycle;

/// Credentials in a page; more than a device can have, so that each page ends at least one device.
const PAGE_ROWS: usize = 20_000;
/// Longest wait for the lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Deleted devices are few; asked for in this order, the credentials of all others are not read.
pub(super) const WITHDRAWN_NAMES: &str =
    "SELECT device_id, credential.slot, credential.released_until
     FROM device CROSS JOIN credential USING (device_id)
     WHERE delete_requested_at IS NOT NULL AND released_until >= ?";

/// One name that the zone must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneEntry {
    /// The device.
    pub device_id: DeviceId,
    /// The credential.
    pub slot: Slot,
    /// What the DNS shall say; an absent name is listed for what was released of it.
    pub publication: Publication,
    /// What is known of released signatures.
    pub released_until: Option<u32>,
}

/// A reading of the whole zone from the database, in canonical order of names.
///
/// A certificate counts as expired once [`Expire`](super::Expire) has withdrawn it, so that this
/// and the journal never disagree.
pub struct Projection {
    transaction: Transaction<'static, Sqlite>,
    head: u64,
    after: String,
    ended: bool,
}

impl Store {
    /// Begins to read the zone as the database wants it; nothing that is written later is seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn projection(&self) -> Result<Projection, StoreError> {
        Projection::begin(self.readers()).await
    }

    /// The names that are not in the zone and of which a released signature may still be believed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn withdrawn_names(&self, now: u64) -> Result<Vec<ZoneEntry>, StoreError> {
        let rows = sqlx::query(WITHDRAWN_NAMES)
            .bind(sql_time(now))
            .fetch_all(self.readers())
            .await?;
        let entry = |row: &SqliteRow| {
            Ok(ZoneEntry {
                device_id: rows::device_id(row)?,
                slot: rows::slot(row)?,
                publication: Publication::Absent,
                released_until: rows::optional_u32(row, "released_until")?,
            })
        };
        rows.iter().map(entry).collect()
    }
}

impl Projection {
    /// Begins to read the database of a running registry, from another process; nothing is written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn beside(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let one = SqlitePoolOptions::new().max_connections(1);
        Self::begin(&one.connect_with(options).await?).await
    }

    async fn begin(readers: &SqlitePool) -> Result<Self, StoreError> {
        let mut transaction = readers.begin().await?;
        let head: i64 = sqlx::query_scalar("SELECT journal_head FROM registry WHERE id = 1")
            .fetch_one(&mut *transaction)
            .await?;
        Ok(Self {
            transaction,
            head: u64::try_from(head).map_err(corrupt)?,
            after: String::new(),
            ended: false,
        })
    }

    /// The journal row that this reading includes, together with all before it.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The next names; none after the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_page(&mut self) -> Result<Vec<ZoneEntry>, StoreError> {
        if self.ended {
            return Ok(Vec::new());
        }
        // Text order of ids and of slot numbers is the canonical order of labels (RFC 4034 §6.1).
        let rows = sqlx::query(
            "SELECT device.*, credential.slot, credential.withdrawn, credential.fingerprint,
                    credential.serial, credential.not_before, credential.not_after,
                    credential.released_until, credential.asp, credential.replace_by
             FROM credential JOIN device USING (device_id)
             WHERE credential.device_id > ?
             ORDER BY credential.device_id, CAST(credential.slot AS TEXT) LIMIT ?",
        )
        .bind(&self.after)
        .bind(PAGE_ROWS as i64)
        .fetch_all(&mut *self.transaction)
        .await?;
        let mut entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        self.ended = rows.len() < PAGE_ROWS;
        if !self.ended {
            // The last device may go on behind the page: it belongs to the next one.
            let last = entries.last().map(|entry| entry.device_id);
            entries.retain(|entry| Some(entry.device_id) != last);
        }
        if let Some(last) = entries.last() {
            last.device_id.as_str().clone_into(&mut self.after);
        }
        Ok(entries)
    }

    /// The names at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collect(mut self) -> Result<Vec<ZoneEntry>, StoreError> {
        let mut entries = Vec::new();
        loop {
            let page = self.next_page().await?;
            if page.is_empty() {
                return Ok(entries);
            }
            entries.extend(page);
        }
    }
}

fn entry(row: &SqliteRow) -> Result<ZoneEntry, StoreError> {
    let (device, credential) = (rows::device(row)?, rows::credential(row)?);
    let publication = lifecycle::publication(&device, &credential, 0);
    // While it is active, more is being released than was written down.
    let active = matches!(publication, Publication::Active(_));
    Ok(ZoneEntry {
        device_id: device.device_id,
        slot: credential.slot,
        publication,
        released_until: credential.released_until.filter(|_| !active),
    })
}
