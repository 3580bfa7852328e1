//! Moves what is in the write-ahead log into the database beside the commits, so that no command waits
//! for it.
//!
//! A connection of its own copies pages (`PRAGMA wal_checkpoint`, SQLite's documentation of WAL, "PASSIVE":
//! waits for nobody, nobody waits for it). While commands arrive without a pause the log is never copied
//! whole, so it would never begin anew; once it is long, the writer copies the few pages that are left
//! between two transactions, and its next commit starts at the front of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::StoreError;
use super::sql::{self, Connection};

/// Pages in the log that are worth a copy: 4 MiB, SQLite's own measure.
const COPY_PAGES: i64 = 1_000;
/// Pages in the log from which the writer helps that it begins anew: 64 MiB.
const LONG_PAGES: i64 = 16_384;
/// Pages in the log that somebody has to hear of, and after how much growth again: 1 GiB.
const ALARM_PAGES: i64 = 262_144;
/// Pause between two looks at the log.
const PAUSE: Duration = Duration::from_millis(100);

/// What the log and the database have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Log {
    /// Pages in the log.
    pages: i64,
    /// Of these, how many the database has too.
    copied: i64,
}

/// The copying thread, as the writer sees it.
pub(super) struct Checkpoints {
    committed: SyncSender<()>,
    is_long: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts the thread with a connection of its own.
    pub(super) fn spawn(connection: Connection) -> Self {
        // One commit that was not looked at is as good as many.
        let (committed, commits) = sync_channel(1);
        let is_long = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_long);
        let thread = std::thread::Builder::new().name("database-checkpoints".to_owned());
        let thread = thread.spawn(move || run(connection, &commits, &told));
        Self {
            committed,
            is_long,
            thread: thread.expect("the system has a thread"),
        }
    }

    /// To be called between two transactions, with the connection that writes.
    ///
    /// # Errors
    /// [`StoreError::Durability`]: what reached the disk is not known.
    pub(super) fn between(&self, writer: &Connection) -> Result<(), StoreError> {
        if self.is_long.swap(false, Ordering::Relaxed) {
            copy(writer)?;
        }
        // Full when there is a commit to look at already.
        let _ = self.committed.try_send(());
        Ok(())
    }

    /// Ends the thread and closes its connection.
    pub(super) fn close(self) {
        drop(self.committed);
        // A thread that panicked has ended the process.
        let _ = self.thread.join();
    }
}

fn run(connection: Connection, commits: &Receiver<()>, is_long: &AtomicBool) {
    let _guard = crate::panics::AbortOnPanic("the database's checkpoints");
    let mut alarm_at = ALARM_PAGES;
    while commits.recv().is_ok() {
        match look(&connection) {
            Ok(log) => {
                is_long.store(log.pages > LONG_PAGES, Ordering::Relaxed);
                alarm_at = tell(log, alarm_at);
            }
            Err(StoreError::Durability(reason)) => {
                tracing::error!(%reason, "a checkpoint may not be durable; ending the process");
                std::process::abort();
            }
            // A full disk: the pages stay in the log, which is part of the database.
            Err(error) => tracing::error!(alarm = true, %error, "no checkpoint of the database"),
        }
        std::thread::sleep(PAUSE);
    }
    sql::close(connection);
}

/// Copies when there is enough to copy.
fn look(connection: &Connection) -> Result<Log, StoreError> {
    let log = pragma(connection, "PRAGMA wal_checkpoint(NOOP)")?;
    if log.pages - log.copied < COPY_PAGES {
        return Ok(log);
    }
    copy(connection)
}

fn copy(connection: &Connection) -> Result<Log, StoreError> {
    pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)")
}

fn pragma(connection: &Connection, text: &'static str) -> Result<Log, StoreError> {
    let log = connection.query_row(text, [], |row| {
        Ok(Log {
            pages: row.get(1)?,
            copied: row.get(2)?,
        })
    });
    log.map_err(|error| sql::durability(&error))
}

/// Says that the log is long: somebody reads from before it, or the disk takes nothing. Returns when to
/// say it the next time.
fn tell(log: Log, alarm_at: i64) -> i64 {
    if log.pages < alarm_at {
        return if log.pages < LONG_PAGES {
            ALARM_PAGES
        } else {
            alarm_at
        };
    }
    let mebibytes = log.pages / 256;
    tracing::error!(
        alarm = true,
        mebibytes,
        copied = log.copied,
        "the database's write-ahead log grows: a reader that does not end holds it, or the disk is full"
    );
    log.pages + ALARM_PAGES
}

#[cfg(test)]
mod tests {
    use super::super::sql::Access;
    use super::*;

    /// SQLite's own.
    const PAGE_OCTETS: i64 = 4096;

    fn pages_in(connection: &Connection) -> Log {
        pragma(connection, "PRAGMA wal_checkpoint(NOOP)").unwrap()
    }

    fn write(connection: &Connection, pages: i64) {
        let text = "INSERT INTO filled (octets) VALUES (zeroblob(?1))";
        let query = sql::query(text).bind(pages * PAGE_OCTETS);
        query.execute(connection).unwrap();
    }

    struct Bench {
        _scratch: tempfile::TempDir,
        writer: Connection,
        checkpoints: Checkpoints,
        path: std::path::PathBuf,
    }

    fn bench() -> Bench {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("database");
        let writer = sql::open(&path, Access::Write).unwrap();
        let text = "CREATE TABLE filled (octets BLOB NOT NULL) STRICT";
        writer.execute_batch(text).unwrap();
        let checkpoints = Checkpoints::spawn(sql::open(&path, Access::Write).unwrap());
        Bench {
            _scratch: scratch,
            writer,
            checkpoints,
            path,
        }
    }

    #[test]
    fn a_commit_leaves_copying_to_the_task() {
        let bench = bench();
        write(&bench.writer, 3 * COPY_PAGES);
        let after = pages_in(&bench.writer);
        assert!(after.pages > 3 * COPY_PAGES, "{after:?}");
        assert_eq!(after.copied, 0, "the commit copied: {after:?}");
        bench.checkpoints.between(&bench.writer).unwrap();
        let mut log = after;
        while log.copied < after.pages {
            std::thread::sleep(Duration::from_millis(5));
            log = pages_in(&bench.writer);
        }
        bench.checkpoints.close();
    }

    #[test]
    fn the_log_stays_short_under_commits_without_a_pause() {
        let bench = bench();
        for _ in 0..400 {
            write(&bench.writer, COPY_PAGES / 4);
            bench.checkpoints.between(&bench.writer).unwrap();
        }
        bench.checkpoints.close();
        let log = std::fs::metadata(bench.path.with_file_name("database-wal")).unwrap();
        let written = 400 * (COPY_PAGES / 4 * PAGE_OCTETS).unsigned_abs();
        assert!(log.len() < written / 2, "{} of {written} octets", log.len());
    }

    #[test]
    fn a_reader_that_does_not_end_is_told_of_and_stops_no_commit() {
        let bench = bench();
        write(&bench.writer, 1);
        let reader = sql::open(&bench.path, Access::Read).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let read = "SELECT count(*) FROM filled";
        let before: i64 = sql::query(read).one(&reader, sql::scalar).unwrap();
        for _ in 0..20 {
            write(&bench.writer, LONG_PAGES / 10);
            bench.checkpoints.is_long.store(true, Ordering::Relaxed);
            bench.checkpoints.between(&bench.writer).unwrap();
        }
        let log = pages_in(&bench.writer);
        assert!(log.pages > LONG_PAGES && log.copied < COPY_PAGES, "{log:?}");
        let after: i64 = sql::query(read).one(&reader, sql::scalar).unwrap();
        assert_eq!(before, after);
        reader.execute_batch("ROLLBACK").unwrap();
        copy(&bench.writer).unwrap();
        write(&bench.writer, 1);
        let log = pages_in(&bench.writer);
        assert!(log.pages < LONG_PAGES, "it did not begin anew: {log:?}");
        bench.checkpoints.close();
    }

    #[test]
    fn a_long_log_is_told_of_once_for_each_gibibyte() {
        let log = |pages| Log { pages, copied: 0 };
        let again_at = tell(log(ALARM_PAGES), ALARM_PAGES);
        assert_eq!(again_at, 2 * ALARM_PAGES);
        assert_eq!(tell(log(ALARM_PAGES + 1), again_at), again_at);
        assert_eq!(tell(log(2 * ALARM_PAGES), again_at), 3 * ALARM_PAGES);
        assert_eq!(tell(log(10), again_at), ALARM_PAGES);
    }
}
