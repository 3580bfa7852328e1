//! What no door shows: the rows of a registry's database, read beside the process that serves it.

use std::collections::HashMap;

use anyhow::{bail, ensure};
use iot_identity::{DeviceId, Slot};
use iot_registry::directory::Directory;
use iot_registry::store::{AuditReader, Chain};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};

use crate::certificates::Serials;

/// Audit rows read at once.
const AUDIT_ROWS: u32 = 10_000;

/// A database that is only read.
pub struct Inside {
    connection: SqliteConnection,
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
    pub async fn open(directory: &Directory) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new().filename(directory.database());
        let connection = SqliteConnection::connect_with(&options.read_only(true)).await?;
        Ok(Self { connection })
    }

    /// Everything about an id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn kept(&mut self, device_id: DeviceId) -> anyhow::Result<Kept> {
        let id = device_id.as_str();
        let sponsor = sqlx::query_scalar("SELECT account FROM device WHERE device_id = ?")
            .bind(id)
            .fetch_optional(&mut self.connection)
            .await?;
        let rows = sqlx::query(
            "SELECT slot, certificate FROM credential WHERE device_id = ? ORDER BY slot",
        )
        .bind(id)
        .fetch_all(&mut self.connection)
        .await?;
        let mut credentials = Vec::new();
        for row in &rows {
            let slot = Slot::new(u16::try_from(row.try_get::<i64, _>("slot")?)?)?;
            credentials.push((slot, row.try_get("certificate")?));
        }
        let numbers = sqlx::query(
            "SELECT coalesce((SELECT slot_max FROM slot_reserved WHERE device_id = ?1), 0) AS slot_max,
                    (SELECT count(*) FROM intent WHERE device_id = ?1) AS intents,
                    (SELECT count(*) FROM voided_serial WHERE device_id = ?1) AS voided",
        )
        .bind(id)
        .fetch_one(&mut self.connection)
        .await?;
        let number = |name| anyhow::Ok(u64::try_from(numbers.try_get::<i64, _>(name)?)?);
        Ok(Kept {
            sponsor,
            credentials,
            slot_max: u16::try_from(number("slot_max")?)?,
            intents: number("intents")?,
            voided: number("voided")?,
        })
    }

    /// How many devices, credentials and certificates that are being signed there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn counts(&mut self) -> anyhow::Result<(u64, u64, u64)> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM device) AS devices,
                    (SELECT count(*) FROM credential) AS credentials,
                    (SELECT count(*) FROM intent) AS intents",
        )
        .fetch_one(&mut self.connection)
        .await?;
        let number = |name| anyhow::Ok(u64::try_from(row.try_get::<i64, _>(name)?)?);
        Ok((
            number("devices")?,
            number("credentials")?,
            number("intents")?,
        ))
    }

    /// Notes every certificate and every serial number that was given up.
    ///
    /// # Errors
    /// A serial number that was used twice.
    pub async fn note_serials(&mut self, serials: &mut Serials) -> anyhow::Result<()> {
        let certificates: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT certificate FROM credential WHERE certificate IS NOT NULL")
                .fetch_all(&mut self.connection)
                .await?;
        for certificate in &certificates {
            serials.note(certificate)?;
        }
        let voided: Vec<Vec<u8>> = sqlx::query_scalar("SELECT serial FROM voided_serial")
            .fetch_all(&mut self.connection)
            .await?;
        for serial in &voided {
            serials.note_voided(serial)?;
        }
        Ok(())
    }
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
