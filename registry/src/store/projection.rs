//! The zone as the database wants it, read page by page at one instant.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use iot_identity::{DeviceId, Publication, Slot};

use super::integrity::off_the_runtime;
use super::rows::{self, corrupt, sql_time};
use super::sql::{self, Access, Connection, Row};
use super::{Store, StoreError};
use crate::lifecycle;

/// Credentials in a page; more than a device can have, so that each page ends at least one device.
const PAGE_ROWS: usize = 20_000;

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
    /// In a transaction, which is what keeps the instant.
    connection: Arc<Mutex<Connection>>,
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
        Projection::beside(self.readers.path()).await
    }

    /// The names that are not in the zone and of which a released signature may still be believed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn withdrawn_names(&self, now: u64) -> Result<Vec<ZoneEntry>, StoreError> {
        sql::query(WITHDRAWN_NAMES)
            .bind(sql_time(now))
            .all(&*self.reader().await?, |row| {
                let (device_id, slot) = rows::name(row)?;
                Ok(ZoneEntry {
                    device_id,
                    slot,
                    publication: Publication::Absent,
                    released_until: rows::optional_u32(row, "released_until")?,
                })
            })
    }
}

impl Projection {
    /// Begins to read the database of a running registry, from another process; nothing is written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn beside(path: &Path) -> Result<Self, StoreError> {
        let connection = sql::open(path, Access::Read)?;
        connection.execute_batch("BEGIN")?;
        let head: i64 = sql::query("SELECT journal_head FROM registry WHERE id = 1")
            .one(&connection, sql::scalar)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
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
        let (connection, after) = (Arc::clone(&self.connection), self.after.clone());
        let mut entries = off_the_runtime(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            page(&connection, &after)
        })
        .await?;
        self.ended = entries.len() < PAGE_ROWS;
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

fn page(connection: &Connection, after: &str) -> Result<Vec<ZoneEntry>, StoreError> {
    // Text order of ids and of slot numbers is the canonical order of labels (RFC 4034 §6.1).
    sql::query(
        "SELECT device.*, credential.slot, credential.withdrawn, credential.fingerprint,
                credential.serial, credential.not_before, credential.not_after,
                credential.released_until, credential.asp, credential.replace_by
         FROM credential JOIN device USING (device_id)
         WHERE credential.device_id > ?
         ORDER BY credential.device_id, CAST(credential.slot AS TEXT) LIMIT ?",
    )
    .bind(after)
    .bind(PAGE_ROWS as i64)
    .all(connection, entry)
}

fn entry(row: &Row<'_>) -> Result<ZoneEntry, StoreError> {
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
