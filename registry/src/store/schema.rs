//! The schema and its history.

use super::StoreError;
use super::sql::{self, Connection};

/// The steps from an empty file, in order; a released file never changes.
pub(super) const STEPS: [&str; 8] = [
    include_str!("../../migrations/sqlite/0001_registry.sql"),
    include_str!("../../migrations/sqlite/0002_loaded_credentials.sql"),
    include_str!("../../migrations/sqlite/0003_refused_rows.sql"),
    include_str!("../../migrations/sqlite/0004_holds_of_a_backlog.sql"),
    include_str!("../../migrations/sqlite/0005_doors.sql"),
    include_str!("../../migrations/sqlite/0006_wrong_authorization_information.sql"),
    include_str!("../../migrations/sqlite/0007_strict_transaction_ids.sql"),
    include_str!("../../migrations/sqlite/0008_results_by_content.sql"),
];

/// Carries out the steps that a database has not seen, each in a transaction of its own. How many it has
/// seen is its `user_version`.
///
/// # Errors
/// [`StoreError::NewerSchema`]; [`StoreError::Sql`].
pub(super) fn bring_up_to_date(connection: &Connection) -> Result<(), StoreError> {
    let seen = steps_seen(connection)?;
    if seen > STEPS.len() {
        return Err(StoreError::NewerSchema {
            found: seen,
            known: STEPS.len(),
        });
    }
    for (number, step) in (1..).zip(STEPS).skip(seen) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

fn steps_seen(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != 0 {
        return usize::try_from(version).map_err(super::rows::corrupt);
    }
    // The first versions of this program listed the steps in a table.
    let listed = "SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    if sql::query(listed)
        .optional(connection, |_| Ok(()))?
        .is_none()
    {
        return Ok(0);
    }
    let steps: i64 =
        connection.query_row("SELECT max(version) FROM _sqlx_migrations", [], |row| {
            row.get(0)
        })?;
    connection.pragma_update(None, "user_version", steps)?;
    usize::try_from(steps).map_err(super::rows::corrupt)
}

#[cfg(test)]
mod tests {
    use super::super::sql::Access;
    use super::*;

    fn database() -> (tempfile::TempDir, Connection) {
        let scratch = tempfile::tempdir().unwrap();
        let connection = sql::open(&scratch.path().join("database"), Access::Write).unwrap();
        (scratch, connection)
    }

    #[test]
    fn a_database_of_a_later_version_is_refused() {
        let (_scratch, connection) = database();
        bring_up_to_date(&connection).unwrap();
        bring_up_to_date(&connection).unwrap();
        connection.pragma_update(None, "user_version", 9).unwrap();
        let error = bring_up_to_date(&connection).unwrap_err();
        assert!(matches!(
            error,
            StoreError::NewerSchema { found: 9, known: 8 }
        ));
    }

    #[test]
    fn a_step_that_fails_leaves_what_was_there() {
        let (_scratch, connection) = database();
        connection.execute_batch(STEPS[0]).unwrap();
        // As if nothing had been carried out: the first step meets its own tables.
        assert!(bring_up_to_date(&connection).is_err());
        assert_eq!(steps_seen(&connection).unwrap(), 0);
        assert!(connection.is_autocommit());
    }
}
