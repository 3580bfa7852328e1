//! Whether the database's pages are whole.

use super::sql::{self, Access};
use super::{Store, StoreError};

impl Store {
    /// Reads every page of the database, over a connection of its own; what the first fault is, or
    /// nothing when there is none. Takes as long as reading the file does.
    ///
    /// # Errors
    /// [`StoreError`]: the database is so damaged that it cannot be looked at, or is not there.
    pub async fn damage(&self) -> Result<Option<String>, StoreError> {
        let path = self.readers.path().to_owned();
        // Structure, order and types of all rows; not whether indexes agree, which takes far longer.
        let check = move || {
            let connection = sql::open(&path, Access::Read)?;
            sql::query("PRAGMA quick_check(1)").one(&connection, sql::scalar)
        };
        let verdict: String = off_the_runtime(check).await?;
        Ok(Some(verdict).filter(|verdict| verdict != "ok"))
    }
}

/// Carries out what takes longer than a statement on a thread where nothing else waits.
pub(super) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StoreError::Stopped)?
}

#[cfg(test)]
mod tests {

    use super::super::Step;
    use super::super::sql::Connection;
    use super::*;

    /// Fills the voided serials, which nothing else reads.
    struct Fill;

    impl Step for Fill {
        type Output = ();

        fn run(self, connection: &Connection) -> Result<(), StoreError> {
            for number in 0..2_000_u32 {
                let row = sql::query("INSERT INTO voided_serial VALUES (?, 'id', 1, 1)");
                row.bind(number.to_be_bytes().repeat(4))
                    .execute(connection)?;
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_damaged_page_is_found_and_a_whole_database_has_none() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("registry.db");
        let store = Store::open(&path).await.unwrap();
        store.commit(Fill).await.unwrap();
        assert_eq!(store.damage().await.unwrap(), None);
        store.close().await;
        let mut octets = std::fs::read(&path).unwrap();
        let last = octets.len() - 4096;
        octets[last..last + 8].fill(0x55);
        std::fs::write(&path, octets).unwrap();
        // The page is met by nobody who opens the database.
        let store = Store::open(&path).await.unwrap();
        assert!(!matches!(store.damage().await, Ok(None)));
        store.close().await;
    }
}
