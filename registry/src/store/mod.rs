//! The database: the truth from which the zone is derived. SQLite through sqlx.
//!
//! - [`Store`]: opening, and reading outside of transactions.
//! - `writer`: one task that commits what has queued up as one transaction.
//! - `registration`, `completion`, `change`, `transfers`, `expiry`, `publication`, `accounts`, `grants`,
//!   `proofs`, `messages`, `load`, `start`: the steps of such a transaction, by what they are about.
//! - `checkpoint`: moves the write-ahead log into the database, beside the commits.
//! - `outcome`, `journal`, `audit`, `audited`, `replay`: what is written with each of them.
//! - `rows`: rows to values.

mod accounts;
mod audit;
mod audited;
mod change;
mod checkpoint;
mod completion;
mod endpoints;
mod expiry;
mod grants;
mod integrity;
mod job_reading;
mod jobs;
mod journal;
mod load;
mod messages;
#[cfg(test)]
mod migrated;
mod outcome;
mod pending;
#[cfg(test)]
mod plans;
mod projection;
mod proofs;
mod publication;
mod reading;
mod registration;
mod replay;
mod rows;
mod start;
mod transfers;
mod writer;

use std::borrow::Cow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlStr, SqliteConnection};
use thiserror::Error;

pub use accounts::{AccountRow, ChangeAccount, CreateAccount};
pub use audit::{AuditReader, AuditRow, CHAIN_BEGIN, Chain};
pub use change::{ChangeDevice, Changed, Wish};
pub use completion::{Complete, Completed};
pub use endpoints::SetEndpoint;
pub use expiry::Expire;
pub use grants::{Consent, Grants, ImportIds, Imported};
pub use jobs::{CreateJob, EndJob, ForgetJobs, JobCreated, JobRow, RowsArrived, RowsDone};
pub use load::{BeginLoad, CheckLines, LoadLines, LoadProgress, LoadRefusal};
pub use messages::{Acknowledge, Left, REGISTRY_ITSELF};
pub use outcome::{Rows, Written};
pub use pending::{NotePending, TellCompleted};
pub use projection::{Projection, ZoneEntry};
pub use proofs::{
    AddCertificate, AddToken, CertificateAdded, CertificateRow, ClientCertificate, NewToken,
    PasswordRecord, Recognised, SetPassword, TokenRow,
};
pub use publication::{
    BoundUnrecorded, LeftOut, Published, Quarantined, RaiseCeiling, RecordPublished,
    RecordQuarantined, RecordRebuilt,
};
pub use reading::{Identity, JournalRow};
pub use registration::{Closed, Purpose, Reserve, Reserved};
pub use start::{AcceptClock, AcceptKey, Opened, RecordLoss, StartUp};
pub use transfers::{DecideTransfer, EndOverdue, TransferWish, Transferred, WrongAuthInfo};
pub use writer::{Step, Writer};

use checkpoint::Checkpoints;

/// First SQLite version without the WAL-reset corruption bug (3.51.3, March 2026).
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Connections that read beside the one that writes.
const READERS: u32 = 4;

/// Who asked for a change, and how: part of every audit row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the account.
    pub account: String,
    /// Name of the door.
    pub door: &'static str,
    /// Verb of the command.
    pub verb: &'static str,
    /// The client's transaction id, when it gave one.
    pub client_transaction_id: Option<String>,
    /// Ours.
    pub server_transaction_id: String,
    /// Digest of the command's content.
    pub digest: [u8; 32],
}

/// Why the database did not do it.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The library in use corrupts data.
    #[error("SQLite {found} has the WAL-reset bug; {SQLITE_VERSION_MIN} or later is needed")]
    SqliteVersion {
        /// Version number of the library.
        found: i32,
    },
    /// The file belongs to another zone.
    #[error("the database belongs to the zone {found}, the configuration says {expected}")]
    OtherZone {
        /// Zone in the database.
        found: String,
        /// Zone in the configuration.
        expected: String,
    },
    /// A row that no version of this program writes.
    #[error("the database contains what no registry wrote: {0}")]
    Corrupt(String),
    /// The account may not act any more.
    #[error("the account {0} is disabled or unknown")]
    AccountDisabled(String),
    /// A line of a file to be loaded is refused.
    #[error(transparent)]
    Load(#[from] LoadRefusal),
    /// Durability is in doubt; the process must end, recovery is the next start.
    #[error("the database could not make a commit durable: {0}")]
    Durability(String),
    /// The writer has stopped.
    #[error("the registry is stopping")]
    Stopped,
    /// Anything else that SQLite says.
    #[error("database: {0}")]
    Sql(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.to_string())
    }
}

/// The open database.
#[derive(Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: Writer,
}

impl Store {
    /// Opens or makes the database, brings its schema up to date and starts the writer.
    ///
    /// The caller holds the directory's lock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        let options = options(path)?;
        let mut connection = SqliteConnection::connect_with(&options).await?;
        check_version(&mut connection).await?;
        migrations()
            .run(&mut connection)
            .await
            .map_err(|error| StoreError::Sql(error.to_string()))?;
        let checkpoints = Checkpoints::spawn(SqliteConnection::connect_with(&options).await?);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            // A file does not go away as a server may; asking first costs a change its time.
            .test_before_acquire(false)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self {
            readers,
            writer: Writer::spawn(connection, checkpoints),
        })
    }

    /// Runs a step in the next group transaction and returns once it is durable.
    ///
    /// # Errors
    /// What the step or the commit says; then nothing of the step is in the database.
    pub async fn commit<S: Step>(&self, step: S) -> Result<S::Output, StoreError> {
        self.writer.commit(step).await
    }

    fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Finishes what is queued and closes the file.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// How every connection is opened; readers take it read-only.
fn options(path: &Path) -> Result<SqliteConnectOptions, sqlx::Error> {
    let options = SqliteConnectOptions::from_str("sqlite://")?
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // WAL with FULL: a commit is durable when COMMIT returns.
        .synchronous(SqliteSynchronous::Full)
        // A commit copies no pages from the log: `checkpoint` does.
        .pragma("wal_autocheckpoint", "0")
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        // Statements are nothing that an operator could do something about.
        .disable_statement_logging();
    Ok(options)
}

/// The schema's history, in order; a released file never changes. Listed here rather than by
/// sqlx's macro, which would build SQLite a second time for the compiler.
fn migrations() -> Migrator {
    let steps = [
        (
            1,
            "registry",
            include_str!("../../migrations/sqlite/0001_registry.sql"),
        ),
        (
            2,
            "loaded credentials",
            include_str!("../../migrations/sqlite/0002_loaded_credentials.sql"),
        ),
        (
            3,
            "refused rows",
            include_str!("../../migrations/sqlite/0003_refused_rows.sql"),
        ),
        (
            4,
            "holds of a backlog",
            include_str!("../../migrations/sqlite/0004_holds_of_a_backlog.sql"),
        ),
        (
            5,
            "two doors",
            include_str!("../../migrations/sqlite/0005_doors.sql"),
        ),
        (
            6,
            "wrong authorization information",
            include_str!("../../migrations/sqlite/0006_wrong_authorization_information.sql"),
        ),
    ];
    let migration = |(version, description, sql)| {
        let (kind, sql) = (MigrationType::Simple, SqlStr::from_static(sql));
        Migration::new(version, Cow::Borrowed(description), kind, sql, false)
    };
    Migrator::with_migrations(steps.map(migration).into())
}

/// Makes the file for its owner only; SQLite gives its companions (-wal, -shm) the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let options = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    options
        .map(drop)
        .map_err(|error| StoreError::Sql(format!("{}: {error}", path.display())))
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await?;
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<i32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let found = next() * 1_000_000 + next() * 1_000 + next();
    if found < SQLITE_VERSION_MIN {
        return Err(StoreError::SqliteVersion { found });
    }
    Ok(())
}
