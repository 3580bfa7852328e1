//! What a start or a turn of the publisher asks is answered without reading a whole table, however
//! many devices there are: the plans of SQLite say so.

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::projection::WITHDRAWN_NAMES;
use super::publication::{BOUND_UNRECORDED, RECORD_REBUILT};
use super::reading::{HOLDS_AFTER, REFUSED_ROWS};
use super::{Step, Store, StoreError};

/// The plan of a query, a line a table.
struct Plan(&'static str);

#[async_trait::async_trait]
impl Step for Plan {
    type Output = Vec<String>;

    async fn run(self, connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
        let query = format!("EXPLAIN QUERY PLAN {}", self.0);
        let rows = sqlx::query(AssertSqlSafe(query))
            .fetch_all(connection)
            .await?;
        let lines = rows.iter().map(|row| Ok(row.try_get("detail")?));
        lines.collect()
    }
}

#[tokio::test]
async fn what_is_asked_at_starts_and_turns_scans_no_table() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("registry.db"))
        .await
        .unwrap();
    for query in [
        WITHDRAWN_NAMES,
        HOLDS_AFTER,
        REFUSED_ROWS,
        BOUND_UNRECORDED,
        RECORD_REBUILT,
    ] {
        let plan = store.commit(Plan(query)).await.unwrap();
        assert!(!plan.is_empty(), "{query}");
        for line in &plan {
            let scans = line.starts_with("SCAN") && !line.contains("USING");
            assert!(!scans && !line.contains("AUTOMATIC"), "{query}\n{plan:#?}");
        }
    }
    let scan = Plan("SELECT * FROM journal WHERE committed_at = ?");
    let plan = store.commit(scan).await.unwrap();
    assert_eq!(plan, ["SCAN journal"], "what a scan looks like");
}
