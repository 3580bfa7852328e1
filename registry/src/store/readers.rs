//! Connections that read beside the one that writes.
//!
//! Whoever reads does so on the runtime's thread that it runs on, because a few rows by their keys take
//! less time than going to another thread. Should the disk not answer, that thread waits with it: so
//! fewer threads than the runtime has may read at a time, and the others go on with everything else.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::StoreError;
use super::sql::{self, Access, Connection};

/// Connections that read at a time, at most.
const READERS_MAX: usize = 8;

/// Opens connections when they are needed, and keeps them.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
            places: Semaphore::new(places_on(Handle::current().metrics().num_workers())),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection for some statements; it goes back when it is dropped.
    pub(super) async fn reader(&self) -> Result<Reader<'_>, StoreError> {
        let place = self.places.acquire().await;
        let place = place.map_err(|_| StoreError::Stopped)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => sql::open(&self.path, Access::Read)?,
        };
        Ok(Reader {
            readers: self,
            connection: Some(connection),
            _place: place,
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
    /// Given back after the connection.
    _place: SemaphorePermit<'a>,
}

/// How many may read at a time on a runtime with so many threads.
fn places_on(threads: usize) -> usize {
    threads.saturating_sub(1).clamp(1, READERS_MAX)
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
        self.readers.idle().extend(self.connection.take());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn count(connection: &Connection) -> i64 {
        let count = sql::query("SELECT count(*) FROM filled");
        count.one(connection, sql::scalar).unwrap()
    }

    #[tokio::test]
    async fn one_instant_is_one_instant_and_ends() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("database");
        let writer = sql::open(&path, Access::Write).unwrap();
        writer
            .execute_batch("CREATE TABLE filled (one INTEGER)")
            .unwrap();
        let readers = Readers::new(&path);
        let reader = readers.reader().await.unwrap();
        let instant = reader.one_instant().unwrap();
        assert_eq!(count(&reader), 0);
        writer
            .execute_batch("INSERT INTO filled VALUES (1)")
            .unwrap();
        assert_eq!(count(&reader), 0);
        drop(instant);
        assert_eq!(count(&reader), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_disk_that_does_not_answer_leaves_threads_for_everything_else() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("database");
        let _writer = sql::open(&path, Access::Write).unwrap();
        let readers = Readers::new(&path);
        let mut hanging = Vec::new();
        for _ in 0..places_on(4) {
            hanging.push(readers.reader().await.unwrap());
        }
        let waited = Duration::from_millis(50);
        let another = tokio::time::timeout(waited, readers.reader()).await;
        assert!(another.is_err(), "all four threads would hang");
        hanging.pop();
        drop(readers.reader().await.unwrap());
        assert_eq!(readers.idle().len(), 1, "the connection is used again");
    }

    #[test]
    fn one_thread_is_never_without_work_and_many_have_few_connections() {
        let places = [1, 2, 3, 64].map(places_on);
        assert_eq!(places, [1, 1, 2, READERS_MAX]);
    }
}
