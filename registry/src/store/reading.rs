//! Reading outside of the write transactions: info, lists, authentication, and what the publisher
//! needs.

use std::path::Path;

use iot_identity::{DeviceId, Publication, Slot};

use super::rows::{self, corrupt, optional_u32, optional_unix, sql_time, unix};
use super::sql::{self, Access, Row};
use super::{Store, StoreError};
use crate::lifecycle::Facts;

const IDENTITY: &str = "SELECT * FROM registry WHERE id = 1";

/// The literal is that of an index.
pub(super) const HOLDS_AFTER: &str =
    "SELECT * FROM journal WHERE seq > ? AND publication <> 'active' ORDER BY seq LIMIT ?";
pub(super) const REFUSED_ROWS: &str = "SELECT * FROM journal AS refused
     WHERE quarantined IS NOT NULL AND seq <= ? AND NOT EXISTS (
         SELECT 1 FROM journal AS later
         WHERE later.device_id = refused.device_id AND later.slot = refused.slot
               AND later.seq > refused.seq)
     ORDER BY seq LIMIT ?";

/// What the database says of itself before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Tells this database from a copy of another registry.
    pub database_id: [u8; 16],
    /// SHA-256 of the key signing key's DNSKEY RDATA.
    pub ksk_hash: [u8; 32],
    /// Token of the last process.
    pub fencing_token: u64,
    /// SOA serial that the zone may not pass.
    pub serial_ceiling: u32,
    /// Expiration that no signature may pass.
    pub expiration_ceiling: u32,
    /// Newest journal row.
    pub journal_head: u64,
    /// Latest time that was written down.
    pub seen_at: u64,
}

/// One line of the journal: what the zone shall say of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Its place in commit order.
    pub seq: u64,
    /// The device.
    pub device_id: DeviceId,
    /// The credential.
    pub slot: Slot,
    /// The command it came from: such as `create` or `deactivate`.
    pub kind: String,
    /// The resulting publication.
    pub publication: Publication,
    /// Serial, time and end of belief in the contrary, once published.
    pub published: Option<(u32, u64, Option<u32>)>,
    /// A later row of the same name was published with it.
    pub superseded: bool,
    /// Why the gate refused it.
    pub quarantined: Option<String>,
}

impl Identity {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let number = |column| optional_u32(row, column)?.ok_or_else(|| corrupt(column));
        Ok(Self {
            database_id: sql::octets(row, "database_id")?
                .try_into()
                .map_err(corrupt)?,
            ksk_hash: sql::octets(row, "ksk_hash")?.try_into().map_err(corrupt)?,
            fencing_token: unix(row, "fencing_token")?,
            serial_ceiling: number("serial_ceiling")?,
            expiration_ceiling: number("expiration_ceiling")?,
            journal_head: unix(row, "journal_head")?,
            seen_at: unix(row, "seen_at")?,
        })
    }
}

impl JournalRow {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let serial = optional_u32(row, "published_serial")?;
        let at = optional_unix(row, "published_at")?;
        let until = optional_u32(row, "believed_until")?;
        Ok(Self {
            seq: unix(row, "seq")?,
            device_id: rows::device_id(row)?,
            slot: rows::slot(row)?,
            kind: row.get("kind")?,
            publication: rows::publication(row)?,
            published: serial.zip(at).map(|(serial, at)| (serial, at, until)),
            superseded: row.get("superseded")?,
            quarantined: row.get("quarantined")?,
        })
    }
}

impl Store {
    /// What the database says of itself; `None` for a new one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn identity(&self) -> Result<Option<Identity>, StoreError> {
        sql::query(IDENTITY).optional(&*self.reader().await?, Identity::read)
    }

    /// The same of a database that is not open here. It is only read.
    ///
    /// # Errors
    /// [`StoreError`]: it cannot be read.
    pub async fn identity_in(path: &Path) -> Result<Option<Identity>, StoreError> {
        let connection = sql::open(path, Access::Read)?;
        sql::query(IDENTITY).optional(&connection, Identity::read)
    }

    /// Everything about one device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts(&self, device_id: DeviceId) -> Result<Facts, StoreError> {
        let reader = self.reader().await?;
        let _instant = reader.one_instant()?;
        rows::facts(&reader, device_id)
    }

    /// What the issue of a certificate for this device by this account would rest on.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::AccountDisabled`] too.
    pub async fn issuance_facts(
        &self,
        device_id: DeviceId,
        asking: &str,
    ) -> Result<Facts, StoreError> {
        rows::issuance_facts(&*self.reader().await?, device_id, asking, None)
    }

    /// The ids of an account's devices after `after`, in order; of all accounts when `account` is
    /// `None`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn device_ids(
        &self,
        account: Option<&str>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<DeviceId>, StoreError> {
        let after = after.as_ref().map_or("", DeviceId::as_str);
        let query = match account {
            Some(account) => sql::query(
                "SELECT device_id FROM device WHERE account = ? AND device_id > ?
                 ORDER BY device_id LIMIT ?",
            )
            .bind(account),
            None => sql::query(
                "SELECT device_id FROM device WHERE device_id > ? ORDER BY device_id LIMIT ?",
            ),
        };
        let query = query.bind(after).bind(i64::from(limit));
        query.all(&*self.reader().await?, rows::device_id)
    }

    /// The ids of the devices with a slot that is bound to a provider, after `after`, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bound_device_ids(
        &self,
        asp: &str,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Result<Vec<DeviceId>, StoreError> {
        sql::query(
            "SELECT DISTINCT device_id FROM credential WHERE asp = ? AND device_id > ?
             ORDER BY device_id LIMIT ?",
        )
        .bind(asp)
        .bind(after.as_ref().map_or("", DeviceId::as_str))
        .bind(i64::from(limit))
        .all(&*self.reader().await?, rows::device_id)
    }

    /// The certificate of a credential, DER; none of one that was issued elsewhere.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn certificate(
        &self,
        device_id: DeviceId,
        slot: Slot,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let certificate: Option<Option<Vec<u8>>> =
            sql::query("SELECT certificate FROM credential WHERE device_id = ? AND slot = ?")
                .bind(device_id.as_str())
                .bind(i64::from(slot.get()))
                .optional(&*self.reader().await?, sql::scalar)?;
        Ok(certificate.flatten())
    }

    /// One journal row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn journal_row(&self, seq: u64) -> Result<Option<JournalRow>, StoreError> {
        sql::query("SELECT * FROM journal WHERE seq = ?")
            .bind(sql_time(seq))
            .optional(&*self.reader().await?, JournalRow::read)
    }

    /// The journal after `seq`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn journal_after(&self, seq: u64, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        sql::query("SELECT * FROM journal WHERE seq > ? ORDER BY seq LIMIT ?")
            .bind(sql_time(seq))
            .bind(i64::from(limit))
            .all(&*self.reader().await?, JournalRow::read)
    }

    /// The holds among the journal after `seq`, oldest first: they jump the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn holds_after(&self, seq: u64, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        sql::query(HOLDS_AFTER)
            .bind(sql_time(seq))
            .bind(i64::from(limit))
            .all(&*self.reader().await?, JournalRow::read)
    }

    /// Rows up to `seq` that the gate refused, the newest of their names, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refused_rows(&self, seq: u64, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        sql::query(REFUSED_ROWS)
            .bind(sql_time(seq))
            .bind(i64::from(limit))
            .all(&*self.reader().await?, JournalRow::read)
    }

    /// Sequence number of the newest journal row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn journal_head(&self) -> Result<u64, StoreError> {
        let head: i64 = sql::query("SELECT journal_head FROM registry WHERE id = 1")
            .one(&*self.reader().await?, sql::scalar)?;
        u64::try_from(head).map_err(corrupt)
    }
}
