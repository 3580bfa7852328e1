//! Whether the database's pages are whole.

use sqlx::{Connection, SqliteConnection};

use super::{Store, StoreError};

impl Store {
    /// Reads every page of the database, over a connection of its own; what the first fault is, or
    /// nothing when there is none. Takes as long as reading the file does.
    ///
    /// # Errors
    /// [`StoreError`]: the database is so damaged that it cannot be looked at, or is not there.
    pub async fn damage(&self) -> Result<Option<String>, StoreError> {
        let options = self.readers().connect_options();
        let mut connection = SqliteConnection::connect_with(&options).await?;
        // Structure, order and types of all rows; not whether indexes agree, which takes far longer.
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(Some(verdict).filter(|verdict| verdict != "ok"))
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::super::Step;
    use super::*;

    /// Fills the voided serials, which nothing else reads.
    struct Fill;

    #[async_trait]
    impl Step for Fill {
        type Output = ();

        async fn run(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
            for number in 0..2_000_u32 {
                let row = sqlx::query("INSERT INTO voided_serial VALUES (?, 'id', 1, 1)");
                row.bind(number.to_be_bytes().repeat(4))
                    .execute(&mut *connection)
                    .await?;
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
