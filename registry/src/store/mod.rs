//! The database: the truth from which the zone is derived. SQLite through rusqlite.
//!
//! - [`Store`]: opening, and reading outside of transactions.
//! - `writer`: one task that commits what has queued up as one transaction.
//! - `registration`, `completion`, `change`, `transfers`, `expiry`, `publication`, `accounts`, `grants`,
//!   `proofs`, `messages`, `load`, `start`: the steps of such a transaction, by what they are about.
//! - `checkpoint`: moves the write-ahead log into the database, beside the commits.
//! - `outcome`, `journal`, `audit`, `audited`, `replay`: what is written with each of them.
//! - `rows`: rows to values; `sql`: statements; `readers`: connections; `schema`: its history.

mod accounts;
mod audit;
mod audited;
mod audited_account;
mod auth_info;
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
mod readers;
mod reading;
mod registration;
mod replay;
mod rows;
mod schema;
pub mod sql;
mod start;
mod transfers;
mod writer;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

pub use accounts::{AccountRow, ChangeAccount, CreateAccount};
pub use audit::{AuditReader, AuditRow, CHAIN_BEGIN, Chain};
pub use auth_info::WrongAuthInfo;
pub use change::{ChangeDevice, Changed, Wish};
pub use completion::{Complete, Completed};
pub use endpoints::SetEndpoint;
pub use expiry::Expire;
pub use grants::{Consent, Grants, ImportIds, Imported};
pub use jobs::{CreateJob, EndJob, ForgetJobs, JobCreated, JobRow, RowsArrived, RowsDone};
pub use load::{BeginLoad, CheckLines, LoadLines, LoadProgress, LoadRefusal};
pub use messages::{Acknowledge, Acknowledged, Left, REGISTRY_ITSELF};
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
pub use transfers::{DecideTransfer, EndOverdue, TransferWish, Transferred};
pub use writer::{Step, Writer};

use checkpoint::Checkpoints;
use readers::{Reader, Readers};
use sql::Access;

/// First SQLite version without the WAL-reset corruption bug (3.51.3, March 2026).
const SQLITE_VERSION_MIN: i32 = 3_051_003;

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
    /// A later version of this program has been at work.
    #[error(
        "the database is of a later version of this program: it has {found} steps of the schema's \
         history, this version knows {known}"
    )]
    NewerSchema {
        /// Steps that the database has seen.
        found: usize,
        /// Steps that this program knows.
        known: usize,
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

/// The open database.
#[derive(Clone)]
pub struct Store {
    readers: Arc<Readers>,
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
        check_version(rusqlite::version_number())?;
        let connection = sql::open(path, Access::Write)?;
        schema::bring_up_to_date(&connection)?;
        let checkpoints = Checkpoints::spawn(sql::open(path, Access::Write)?);
        Ok(Self {
            readers: Arc::new(Readers::new(path)),
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

    /// A connection that reads. What is read over it takes microseconds; what takes longer has a
    /// connection and a thread of its own.
    async fn reader(&self) -> Result<Reader<'_>, StoreError> {
        self.readers.reader().await
    }

    /// Finishes what is queued and closes the file, once all other handles are gone.
    pub async fn close(self) {
        // The last connection to close is the writer's.
        drop(self.readers);
        self.writer.close().await;
    }
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

fn check_version(found: i32) -> Result<(), StoreError> {
    if found < SQLITE_VERSION_MIN {
        return Err(StoreError::SqliteVersion { found });
    }
    Ok(())
}
