//! Moves what is in the write-ahead log into the database beside the commits, so that no command waits
//! for it.
//!
//! A connection of its own copies pages (`PRAGMA wal_checkpoint`, SQLite's documentation of WAL, "PASSIVE":
//! waits for nobody, nobody waits for it). While commands arrive without a pause the log is never copied
//! whole, so it would never begin anew; once it is long, the writer copies the few pages that are left
//! between two transactions, and its next commit starts at the front of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::StoreError;
use super::writer::durability;

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

/// The copying task, as the writer sees it.
pub(super) struct Checkpoints {
    committed: watch::Sender<()>,
    is_long: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts the task with a connection of its own.
    pub(super) fn spawn(connection: SqliteConnection) -> Self {
        let (committed, commits) = watch::channel(());
        let is_long = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(run(connection, commits, Arc::clone(&is_long)));
        Self {
            committed,
            is_long,
            task,
        }
    }

    /// To be called between two transactions, with the connection that writes.
    ///
    /// # Errors
    /// [`StoreError::Durability`]: what reached the disk is not known.
    pub(super) async fn between(&self, writer: &mut SqliteConnection) -> Result<(), StoreError> {
        if self.is_long.swap(false, Ordering::Relaxed) {
            copy(writer).await?;
        }
        self.committed.send_replace(());
        Ok(())
    }

    /// Ends the task and closes its connection.
    pub(super) async fn close(self) {
        drop(self.committed);
        // A task that panicked has ended the process.
        let _ = self.task.await;
    }
}

async fn run(
    mut connection: SqliteConnection,
    mut commits: watch::Receiver<()>,
    is_long: Arc<AtomicBool>,
) {
    let _guard = crate::panics::AbortOnPanic("the database's checkpoints");
    let mut alarm_at = ALARM_PAGES;
    while commits.changed().await.is_ok() {
        match look(&mut connection).await {
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
        tokio::time::sleep(PAUSE).await;
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "closing the database");
    }
}

/// Copies when there is enough to copy.
async fn look(connection: &mut SqliteConnection) -> Result<Log, StoreError> {
    let log = pragma(connection, "PRAGMA wal_checkpoint(NOOP)").await?;
    if log.pages - log.copied < COPY_PAGES {
        return Ok(log);
    }
    copy(connection).await
}

async fn copy(connection: &mut SqliteConnection) -> Result<Log, StoreError> {
    pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)").await
}

async fn pragma(connection: &mut SqliteConnection, text: &'static str) -> Result<Log, StoreError> {
    let row: (i64, i64, i64) = sqlx::query_as(text)
        .fetch_one(connection)
        .await
        .map_err(|error| durability(&error))?;
    let (_busy, pages, copied) = row;
    Ok(Log { pages, copied })
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
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;
    use crate::store::{create_private, options};

    /// SQLite's own.
    const PAGE_OCTETS: i64 = 4096;

    async fn pages_in(connection: &mut SqliteConnection) -> Log {
        pragma(connection, "PRAGMA wal_checkpoint(NOOP)")
            .await
            .unwrap()
    }

    async fn write(connection: &mut SqliteConnection, pages: i64) {
        let octets = pages * PAGE_OCTETS;
        let text = "INSERT INTO filled (octets) VALUES (zeroblob(?1))";
        sqlx::query(text)
            .bind(octets)
            .execute(connection)
            .await
            .unwrap();
    }

    struct Bench {
        _scratch: tempfile::TempDir,
        writer: SqliteConnection,
        readers: sqlx::SqlitePool,
        checkpoints: Checkpoints,
        path: std::path::PathBuf,
    }

    async fn bench() -> Bench {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("database");
        create_private(&path).unwrap();
        let options = options(&path).unwrap();
        let mut writer = SqliteConnection::connect_with(&options).await.unwrap();
        let text = "CREATE TABLE filled (octets BLOB NOT NULL) STRICT";
        sqlx::query(text).execute(&mut writer).await.unwrap();
        let other = SqliteConnection::connect_with(&options).await.unwrap();
        let readers = SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .unwrap();
        let checkpoints = Checkpoints::spawn(other);
        Bench {
            _scratch: scratch,
            writer,
            readers,
            checkpoints,
            path,
        }
    }

    #[tokio::test]
    async fn a_commit_leaves_copying_to_the_task() {
        let mut bench = bench().await;
        write(&mut bench.writer, 3 * COPY_PAGES).await;
        let after = pages_in(&mut bench.writer).await;
        assert!(after.pages > 3 * COPY_PAGES, "{after:?}");
        assert_eq!(after.copied, 0, "the commit copied: {after:?}");
        bench.checkpoints.between(&mut bench.writer).await.unwrap();
        let mut log = after;
        while log.copied < after.pages {
            tokio::time::sleep(Duration::from_millis(5)).await;
            log = pages_in(&mut bench.writer).await;
        }
        bench.checkpoints.close().await;
    }

    #[tokio::test]
    async fn the_log_stays_short_under_commits_without_a_pause() {
        let mut bench = bench().await;
        for _ in 0..400 {
            write(&mut bench.writer, COPY_PAGES / 4).await;
            bench.checkpoints.between(&mut bench.writer).await.unwrap();
        }
        bench.checkpoints.close().await;
        let log = std::fs::metadata(bench.path.with_file_name("database-wal")).unwrap();
        let written = 400 * (COPY_PAGES / 4 * PAGE_OCTETS).unsigned_abs();
        assert!(log.len() < written / 2, "{} of {written} octets", log.len());
    }

    #[tokio::test]
    async fn a_reader_that_does_not_end_is_told_of_and_stops_no_commit() {
        let mut bench = bench().await;
        write(&mut bench.writer, 1).await;
        let mut reader = bench.readers.begin().await.unwrap();
        let read = "SELECT count(*) FROM filled";
        let before: (i64,) = sqlx::query_as(read).fetch_one(&mut *reader).await.unwrap();
        for _ in 0..20 {
            write(&mut bench.writer, LONG_PAGES / 10).await;
            bench.checkpoints.is_long.store(true, Ordering::Relaxed);
            bench.checkpoints.between(&mut bench.writer).await.unwrap();
        }
        let log = pages_in(&mut bench.writer).await;
        assert!(log.pages > LONG_PAGES && log.copied < COPY_PAGES, "{log:?}");
        let after: (i64,) = sqlx::query_as(read).fetch_one(&mut *reader).await.unwrap();
        assert_eq!(before, after);
        reader.rollback().await.unwrap();
        copy(&mut bench.writer).await.unwrap();
        write(&mut bench.writer, 1).await;
        let log = pages_in(&mut bench.writer).await;
        assert!(log.pages < LONG_PAGES, "it did not begin anew: {log:?}");
        bench.checkpoints.close().await;
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
