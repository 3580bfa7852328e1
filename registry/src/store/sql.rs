//! Statements of SQLite, carried out on the thread that asks: they take microseconds, and handing each
//! to another thread costs more than most of them.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, ToSqlOutput, Value, ValueRef};
pub use rusqlite::{Connection, Row};
use rusqlite::{ErrorCode, OpenFlags, params_from_iter};

use super::StoreError;

/// Longest wait for the lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared: more than the store has.
const PREPARED_MAX: usize = 256;

/// Values that most statements have room for at once.
const VALUES: usize = 12;

/// A statement and the values of its parameters, in order.
#[must_use]
pub struct Query<'a> {
    text: &'a str,
    values: Vec<ToSqlOutput<'a>>,
}

/// A statement without values yet.
pub fn query(text: &str) -> Query<'_> {
    Query {
        text,
        values: Vec::with_capacity(VALUES),
    }
}

impl<'a> Query<'a> {
    /// The value of the next parameter.
    pub fn bind(mut self, value: impl Bind<'a>) -> Self {
        self.values.push(value.bound());
        self
    }

    /// Carries it out; the number of rows that it changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn execute(self, connection: &Connection) -> Result<usize, StoreError> {
        let mut statement = connection.prepare_cached(self.text)?;
        Ok(statement.execute(params_from_iter(self.values))?)
    }

    /// Its first row, read by `read`; none when it has no row.
    ///
    /// # Errors
    /// [`StoreError`]; what `read` says.
    pub fn optional<T>(
        self,
        connection: &Connection,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = connection.prepare_cached(self.text)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        match rows.next()? {
            Some(row) => read(row).map(Some),
            None => Ok(None),
        }
    }

    /// Its one row, read by `read`. A statement that writes has done so afterwards.
    ///
    /// # Errors
    /// [`StoreError`]: also when it has none.
    pub fn one<T>(
        self,
        connection: &Connection,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let found = self.optional(connection, read)?;
        found.ok_or_else(|| StoreError::Sql("a statement that has one row had none".to_owned()))
    }

    /// All its rows, each read by `read`.
    ///
    /// # Errors
    /// [`StoreError`]; what `read` says.
    pub fn all<T>(
        self,
        connection: &Connection,
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut read = read;
        let mut statement = connection.prepare_cached(self.text)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }
}

/// Reads a row of one column.
///
/// # Errors
/// [`StoreError`]: it is of another type.
pub fn scalar<T: FromSql>(row: &Row<'_>) -> Result<T, StoreError> {
    Ok(row.get(0)?)
}

/// The text in a column, without a copy.
///
/// # Errors
/// [`StoreError`]: it is of another type.
pub fn text<'row>(row: &'row Row<'_>, column: &str) -> Result<&'row str, StoreError> {
    let value = row.get_ref(column)?.as_str();
    value.map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

/// The octets in a column, without a copy.
///
/// # Errors
/// [`StoreError`]: they are of another type.
pub fn octets<'row>(row: &'row Row<'_>, column: &str) -> Result<&'row [u8], StoreError> {
    let value = row.get_ref(column)?.as_blob();
    value.map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

/// The octets in a column that may be empty (NULL), without a copy.
///
/// # Errors
/// [`StoreError`]: they are of another type.
pub fn optional_octets<'row>(
    row: &'row Row<'_>,
    column: &str,
) -> Result<Option<&'row [u8]>, StoreError> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => octets(row, column).map(Some),
    }
}

/// What a parameter may be.
pub trait Bind<'a> {
    /// As SQLite takes it.
    fn bound(self) -> ToSqlOutput<'a>;
}

impl<'a> Bind<'a> for &'a str {
    fn bound(self) -> ToSqlOutput<'a> {
        ToSqlOutput::Borrowed(ValueRef::Text(self.as_bytes()))
    }
}

impl<'a> Bind<'a> for &'a String {
    fn bound(self) -> ToSqlOutput<'a> {
        self.as_str().bound()
    }
}

impl<'a> Bind<'a> for &'a [u8] {
    fn bound(self) -> ToSqlOutput<'a> {
        ToSqlOutput::Borrowed(ValueRef::Blob(self))
    }
}

impl<'a, const OCTETS: usize> Bind<'a> for &'a [u8; OCTETS] {
    fn bound(self) -> ToSqlOutput<'a> {
        self.as_slice().bound()
    }
}

impl<'a> Bind<'a> for &'a Vec<u8> {
    fn bound(self) -> ToSqlOutput<'a> {
        self.as_slice().bound()
    }
}

impl<'a, T: Bind<'a>> Bind<'a> for Option<T> {
    fn bound(self) -> ToSqlOutput<'a> {
        self.map_or(ToSqlOutput::Owned(Value::Null), Bind::bound)
    }
}

impl<'a> Bind<'a> for &'a Option<String> {
    fn bound(self) -> ToSqlOutput<'a> {
        self.as_deref().bound()
    }
}

macro_rules! owned {
    ($($kind:ty),*) => {$(
        impl<'a> Bind<'a> for $kind {
            fn bound(self) -> ToSqlOutput<'a> {
                ToSqlOutput::Owned(Value::from(self))
            }
        }
    )*};
}
owned!(i64, u32, bool, String, Vec<u8>);

/// Memory for pages of a connection that writes. A commit takes longer with more of it.
const WRITER_CACHE_KIBIBYTES: i64 = 16 * 1024;
/// Of one that reads; there are as many as threads.
const READER_CACHE_KIBIBYTES: i64 = 8 * 1024;

/// How a database file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is there, or is made by whoever opens it, and is written to.
    Write,
    /// It is only read.
    Read,
}

/// Opens a database file.
///
/// # Errors
/// [`StoreError`]: it is not there, or not a database.
pub fn open(path: &Path, access: Access) -> Result<Connection, StoreError> {
    let (way, cache_kibibytes) = match access {
        Access::Write => (
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            WRITER_CACHE_KIBIBYTES,
        ),
        Access::Read => (OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE_KIBIBYTES),
    };
    // One thread at a time has a connection: the compiler sees to it.
    let connection = Connection::open_with_flags(path, way | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    // A plan does not depend on the values: otherwise statements are prepared again for each of them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -cache_kibibytes)?;
    // What a step could have to undo stays in memory: in a file, every page of it would be written there.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    if access == Access::Write {
        // WAL with FULL: a commit is durable when COMMIT returns. A commit copies no pages from the
        // log: `checkpoint` does.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON;",
        )?;
    }
    Ok(connection)
}

/// Closes a connection; what it says is only told, because nothing depends on it.
pub(super) fn close(connection: Connection) {
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "closing the database");
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error.to_string())
    }
}

/// Makes what was written in the present transaction durable.
///
/// # Errors
/// [`StoreError::Durability`] and others, as [`durability`] tells them apart.
pub(super) fn commit(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("COMMIT")?;
    statement.execute([]).map_err(|error| durability(&error))?;
    Ok(())
}

/// Whether a commit failed in a way that leaves open what is on disk: a full disk is an ordinary
/// refusal, an I/O error (primary code 10) is not.
pub(super) fn durability(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => StoreError::Durability(error.to_string()),
        _ => StoreError::Sql(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    const TABLE: &str = "CREATE TABLE device (name TEXT COLLATE NOCASE, held INTEGER NOT NULL);
                         CREATE INDEX device_by_name ON device (name);
                         INSERT INTO device VALUES ('one', 1), ('two', 0), (NULL, 0);";

    fn database() -> (tempfile::TempDir, Connection) {
        let scratch = tempfile::tempdir().unwrap();
        let connection = open(&scratch.path().join("database"), Access::Write).unwrap();
        connection.execute_batch(TABLE).unwrap();
        (scratch, connection)
    }

    #[test]
    fn a_statement_is_not_prepared_again_for_other_values() {
        const TEXT: &str = "SELECT name FROM device WHERE name LIKE ?";
        let (_scratch, connection) = database();
        for pattern in ["one%", "t%", "%", "one%"] {
            let found = query(TEXT).bind(pattern).all(&connection, scalar::<String>);
            assert!(!found.unwrap().is_empty());
        }
        let statement = connection.prepare_cached(TEXT).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        assert_eq!(statement.get_status(StatementStatus::Run), 4);
    }

    #[test]
    fn values_of_another_type_and_too_few_of_them_are_errors() {
        let (_scratch, connection) = database();
        let of_held = |row: &Row<'_>| text(row, "held").map(str::to_owned);
        let wrong = query("SELECT held FROM device").all(&connection, of_held);
        assert!(matches!(wrong, Err(StoreError::Corrupt(_))), "{wrong:?}");
        let of_null = |row: &Row<'_>| octets(row, "name").map(<[u8]>::to_vec);
        let wrong = query("SELECT name FROM device WHERE name IS NULL").one(&connection, of_null);
        assert!(matches!(wrong, Err(StoreError::Corrupt(_))), "{wrong:?}");
        let few = query("SELECT held FROM device WHERE name = ?").all(&connection, scalar::<i64>);
        assert!(matches!(few, Err(StoreError::Sql(_))), "{few:?}");
        let none =
            query("SELECT held FROM device WHERE name = 'x'").one(&connection, scalar::<i64>);
        assert!(matches!(none, Err(StoreError::Sql(_))), "{none:?}");
    }

    #[test]
    fn whoever_reads_writes_nothing_and_makes_no_file() {
        let (scratch, connection) = database();
        let reader = open(&scratch.path().join("database"), Access::Read).unwrap();
        let refused = query("DELETE FROM device").execute(&reader);
        assert!(matches!(refused, Err(StoreError::Sql(_))), "{refused:?}");
        let count: i64 = query("SELECT count(*) FROM device")
            .one(&connection, scalar)
            .unwrap();
        assert_eq!(count, 3);
        let missing = scratch.path().join("missing");
        assert!(open(&missing, Access::Read).is_err());
        assert!(!missing.exists());
    }
}
