//! Connections that read beside the one that writes.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::StoreError;
use super::sql::{self, Access, Connection};

/// Connections that are kept open while nobody reads.
const IDLE_MAX: usize = 8;

/// Opens connections when they are needed, and keeps some. Whoever reads does so on the thread that it
/// runs on, so that there are never more of them than threads.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection for some statements; it goes back when it is dropped.
    pub(super) fn reader(&self) -> Result<Reader<'_>, StoreError> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => sql::open(&self.path, Access::Read)?,
        };
        Ok(Reader {
            readers: self,
            connection: Some(connection),
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that reads.
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Reader<'_> {
    /// Until it is dropped, every statement sees the database as it is at the first one.
    pub(super) fn one_instant(&self) -> Result<OneInstant<'_>, StoreError> {
        sql::query("BEGIN").execute(self)?;
        Ok(OneInstant(self))
    }
}

/// A transaction that reads.
pub(super) struct OneInstant<'a>(&'a Connection);

impl Drop for OneInstant<'_> {
    fn drop(&mut self) {
        // There is nothing to undo, so that it cannot fail.
        let _ = sql::query("COMMIT").execute(self.0);
    }
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("it is there until the drop")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.idle();
        if idle.len() < IDLE_MAX {
            idle.extend(self.connection.take());
        }
    }
}
