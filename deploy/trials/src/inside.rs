//! What no door shows: the rows of a registry's database, read beside the process that serves it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{bail, ensure};
use iot_identity::{DeviceId, Slot};
use iot_registry::directory::Directory;
use iot_registry::store::{AuditReader, Chain};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use crate::certificates::Serials;

/// Audit rows read at once.
const AUDIT_ROWS: u32 = 10_000;
/// Longest wait for a lock of the registry.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A database that is only read.
pub struct Inside {
    connection: Connection,
}

/// Everything that a database keeps about one id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its sponsor, where it is registered.
    pub sponsor: Option<String>,
    /// Its credentials, also withdrawn ones, with their certificates.
    pub credentials: Vec<(Slot, Vec<u8>)>,
    /// Highest slot that was ever set aside.
    pub slot_max: u16,
    /// Certificates that are being signed.
    pub intents: u64,
    /// Serial numbers that were given up.
    pub voided: u64,
}

impl Inside {
    /// Opens the database of a directory in which a registry is served.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(directory: &Directory) -> anyhow::Result<Self> {
        let only_read = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(directory.database(), only_read)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(Self { connection })
    }

    /// Everything about an id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn kept(&self, device_id: DeviceId) -> anyhow::Result<Kept> {
        let id = device_id.as_str();
        let sponsor = "SELECT account FROM device WHERE device_id = ?";
        let sponsor = self.connection.query_row(sponsor, [id], |row| row.get(0));
        let mut statement = self.connection.prepare(
            "SELECT slot, certificate FROM credential WHERE device_id = ? ORDER BY slot",
        )?;
        let rows = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut credentials = Vec::new();
        for row in rows {
            let (slot, certificate): (u16, _) = row?;
            credentials.push((Slot::new(slot)?, certificate));
        }
        let numbers =
            "SELECT max(coalesce((SELECT max(slot) FROM credential WHERE device_id = ?1), 0),
                                  coalesce((SELECT slot_max FROM slot_reserved WHERE device_id = ?1), 0)),
                              (SELECT count(*) FROM intent WHERE device_id = ?1),
                              (SELECT count(*) FROM voided_serial WHERE device_id = ?1)";
        let numbers = self.connection.query_row(numbers, [id], three)?;
        Ok(Kept {
            sponsor: sponsor.optional()?,
            credentials,
            slot_max: u16::try_from(numbers.0)?,
            intents: numbers.1,
            voided: numbers.2,
        })
    }

    /// How many devices, credentials and certificates that are being signed there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counts(&self) -> anyhow::Result<(u64, u64, u64)> {
        let query = "SELECT (SELECT count(*) FROM device), (SELECT count(*) FROM credential),
                            (SELECT count(*) FROM intent)";
        Ok(self.connection.query_row(query, [], three)?)
    }

    /// Notes every certificate and every serial number that was given up.
    ///
    /// # Errors
    /// A serial number that was used twice.
    pub fn note_serials(&self, serials: &mut Serials) -> anyhow::Result<()> {
        for certificate in
            self.octets("SELECT certificate FROM credential WHERE certificate IS NOT NULL")?
        {
            serials.note(&certificate)?;
        }
        for serial in self.octets("SELECT serial FROM voided_serial")? {
            serials.note_voided(&serial)?;
        }
        Ok(())
    }

    fn octets(&self, query: &str) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn three(row: &Row<'_>) -> rusqlite::Result<(u64, u64, u64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// What the audit log says.
#[derive(Clone, Debug, Default)]
pub struct Audited {
    /// Hash of its newest row.
    pub head: [u8; 32],
    /// Its rows.
    pub rows: u64,
    /// Changes by account, name that the client gave the transaction, and object.
    pub changes: HashMap<(String, String, String), u64>,
}

/// Follows the chain of the audit log from the first row to the last. `earlier` is the head that was
/// found earlier: it has to be in the chain.
///
/// # Errors
/// Where the chain breaks, or was cut off.
pub async fn audit(directory: &Directory, earlier: Option<[u8; 32]>) -> anyhow::Result<Audited> {
    let mut reader = AuditReader::open(&directory.database()).await?;
    let mut chain = Chain::default();
    let mut changes = HashMap::new();
    loop {
        let rows = reader.after(chain.rows, AUDIT_ROWS).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            chain.follow(&row, earlier.as_ref());
            if let Some(broken_at) = chain.broken_at {
                bail!("the audit chain breaks at row {broken_at}: {row:?}");
            }
            if let Some(id) = row.client_transaction_id {
                *changes.entry((row.account, id, row.object)).or_default() += 1;
            }
        }
    }
    ensure!(
        earlier.is_none() || chain.met_wanted,
        "the audit log does not have the head that it had before: it was cut off or written anew"
    );
    Ok(Audited {
        head: chain.head,
        rows: chain.rows,
        changes,
    })
}
