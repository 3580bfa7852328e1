//! The audit log: who changed what, through which door, and what it was before and after. Its rows are
//! a chain: the hash of each covers the one before it.

use std::path::Path;

use ring::digest;

use super::rows::{sql_time, unix};
use super::sql::{self, Access, Connection, Row};
use super::{Origin, StoreError};

/// Rows that are chained with one statement, at most.
const CHAINED_MAX: i64 = 5000;

/// One audit row, with the states before and after as texts, chained to the newest row. Behind a row that
/// is not chained yet it is not chained either: [`chain`] does it.
pub(super) fn write_audit_text(
    connection: &Connection,
    origin: &Origin,
    object: &str,
    before: Option<&str>,
    after: Option<&str>,
    now: u64,
) -> Result<(), StoreError> {
    let (newest_id, newest_hash) =
        sql::query("SELECT id, hash FROM audit WHERE id = (SELECT max(id) FROM audit)")
            .optional(connection, |row| Ok((unix(row, "id")?, hash(row)?)))?
            .unwrap_or((0, Some(CHAIN_BEGIN)));
    let (id, client_transaction_id) = (newest_id + 1, origin.client_transaction_id.as_deref());
    let columns = Columns {
        id,
        at: now,
        texts: [
            Some(&origin.account),
            Some(origin.door),
            Some(origin.verb),
            Some(object),
            client_transaction_id,
            Some(&origin.server_transaction_id),
            before,
            after,
        ],
    };
    let hash = newest_hash.map(|previous| columns.chained_to(&previous));
    sql::query(
        "INSERT INTO audit (id, at, account, door, verb, object, client_transaction_id,
                            server_transaction_id, before, after, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(sql_time(id))
    .bind(sql_time(now))
    .bind(&origin.account)
    .bind(origin.door)
    .bind(origin.verb)
    .bind(object)
    .bind(client_transaction_id)
    .bind(&origin.server_transaction_id)
    .bind(before)
    .bind(after)
    .bind(hash.as_ref())
    .execute(connection)?;
    Ok(())
}

/// What a row's hash covers.
struct Columns<'a> {
    id: u64,
    at: u64,
    texts: [Option<&'a str>; 8],
}

impl Columns<'_> {
    /// SHA-256 over the previous hash and every column, each preceded by its length.
    fn chained_to(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |octets: Option<&[u8]>| {
            let length = octets.map_or(u64::MAX, |octets| octets.len() as u64);
            context.update(&length.to_be_bytes());
            context.update(octets.unwrap_or_default());
        };
        add(Some(previous));
        add(Some(&self.id.to_be_bytes()));
        add(Some(&self.at.to_be_bytes()));
        for text in self.texts {
            add(text.map(str::as_bytes));
        }
        let hash = context.finish();
        hash.as_ref().try_into().expect("SHA-256 has 32 octets")
    }
}

/// A hash of another length is none: the chain ends there.
fn hash(row: &Row<'_>) -> Result<Option<[u8; 32]>, StoreError> {
    let octets = sql::optional_octets(row, "hash")?;
    Ok(octets.and_then(|octets| octets.try_into().ok()))
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; dense, from 1.
    pub id: u64,
    /// When it happened.
    pub at: u64,
    /// Who did it.
    pub account: String,
    /// Through which door.
    pub door: String,
    /// What was done.
    pub verb: String,
    /// To what.
    pub object: String,
    /// The client's name for the transaction.
    pub client_transaction_id: Option<String>,
    /// The server's name for it.
    pub server_transaction_id: String,
    /// The object before.
    pub before: Option<String>,
    /// The object afterwards.
    pub after: Option<String>,
    /// SHA-256 over the hash of the row before and this row; none until it is chained.
    pub hash: Option<[u8; 32]>,
}

impl AuditRow {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: unix(row, "id")?,
            at: unix(row, "at")?,
            account: row.get("account")?,
            door: row.get("door")?,
            verb: row.get("verb")?,
            object: row.get("object")?,
            client_transaction_id: row.get("client_transaction_id")?,
            server_transaction_id: row.get("server_transaction_id")?,
            before: row.get("before")?,
            after: row.get("after")?,
            hash: hash(row)?,
        })
    }

    /// The hash that the row must have behind this one: SHA-256 over the previous hash and every
    /// column, each preceded by its length.
    pub fn chained_to(&self, previous: &[u8; 32]) -> [u8; 32] {
        let columns = Columns {
            id: self.id,
            at: self.at,
            texts: [
                Some(&self.account),
                Some(&self.door),
                Some(&self.verb),
                Some(&self.object),
                self.client_transaction_id.as_deref(),
                Some(&self.server_transaction_id),
                self.before.as_deref(),
                self.after.as_deref(),
            ],
        };
        columns.chained_to(previous)
    }
}

/// What the first row is chained to.
pub const CHAIN_BEGIN: [u8; 32] = [0; 32];

/// Chains the oldest rows that are not chained: those of a version that had no chain, and what was written
/// behind them. True when there may be more of them than one statement takes.
pub(super) fn chain(connection: &Connection) -> Result<bool, StoreError> {
    let rows = sql::query("SELECT * FROM audit WHERE hash IS NULL ORDER BY id LIMIT ?")
        .bind(CHAINED_MAX)
        .all(connection, AuditRow::read)?;
    let Some(first) = rows.first() else {
        return Ok(false);
    };
    let mut previous = hash_before(connection, first.id)?;
    for row in &rows {
        previous = row.chained_to(&previous);
        sql::query("UPDATE audit SET hash = ? WHERE id = ?")
            .bind(&previous)
            .bind(sql_time(row.id))
            .execute(connection)?;
    }
    Ok(rows.len() as i64 == CHAINED_MAX)
}

fn hash_before(connection: &Connection, id: u64) -> Result<[u8; 32], StoreError> {
    let before = sql::query("SELECT hash FROM audit WHERE id < ? ORDER BY id DESC LIMIT 1")
        .bind(sql_time(id))
        .optional(connection, hash)?;
    Ok(before.flatten().unwrap_or(CHAIN_BEGIN))
}

/// The log of a database that may be open in another process; it is only read.
pub struct AuditReader {
    connection: Connection,
}

impl AuditReader {
    /// Opens the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = sql::open(path, Access::Read)?;
        Ok(Self { connection })
    }

    /// The rows behind this one, oldest first, at most so many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn after(&mut self, id: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        sql::query("SELECT * FROM audit WHERE id > ? ORDER BY id LIMIT ?")
            .bind(sql_time(id))
            .bind(i64::from(limit))
            .all(&self.connection, AuditRow::read)
    }
}

/// What following the chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Rows followed.
    pub rows: u64,
    /// Hash of the newest of them.
    pub head: [u8; 32],
    /// Rows behind them that are not chained yet: of a version that had no chain, just after its
    /// database was brought up to date.
    pub waiting: u64,
    /// Number of the row at which the chain breaks: it is missing, was changed, or follows another one.
    pub broken_at: Option<u64>,
    /// Whether the wanted hash was come by.
    pub met_wanted: bool,
}

impl Chain {
    /// Follows one row more. `wanted` is the hash of a row that was noted down earlier.
    pub fn follow(&mut self, row: &AuditRow, wanted: Option<&[u8; 32]>) {
        if self.broken_at.is_some() {
            return;
        }
        if row.hash.is_none() && row.id == self.seen() + 1 {
            self.waiting += 1;
            return;
        }
        let expected = row.chained_to(&self.head);
        if self.waiting > 0 || row.id != self.rows + 1 || row.hash != Some(expected) {
            self.broken_at = Some(self.rows + 1);
            return;
        }
        self.rows += 1;
        self.head = expected;
        self.met_wanted |= wanted == Some(&expected);
    }

    /// Number of the newest row that was looked at.
    pub fn seen(&self) -> u64 {
        self.rows + self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64) -> Vec<AuditRow> {
        let mut previous = CHAIN_BEGIN;
        let chained = |id| {
            let mut row = AuditRow {
                id,
                at: 1000 + id,
                account: "mno-a".to_owned(),
                door: "json".to_owned(),
                verb: "device.create".to_owned(),
                object: id.to_string(),
                client_transaction_id: None,
                server_transaction_id: format!("IOTR-{id}"),
                before: None,
                after: Some("{}".to_owned()),
                hash: None,
            };
            previous = row.chained_to(&previous);
            row.hash = Some(previous);
            row
        };
        (1..=count).map(chained).collect()
    }

    fn followed(rows: &[AuditRow], wanted: Option<&[u8; 32]>) -> Chain {
        let mut chain = Chain::default();
        rows.iter().for_each(|row| chain.follow(row, wanted));
        chain
    }

    #[test]
    fn a_whole_chain_is_followed_to_its_head() {
        let rows = rows(5);
        let chain = followed(&rows, rows[2].hash.as_ref());
        assert_eq!(
            (chain.rows, chain.broken_at, chain.met_wanted),
            (5, None, true)
        );
        assert_eq!(Some(chain.head), rows[4].hash);
    }

    #[test]
    fn an_edit_a_gap_and_a_swap_break_it_and_a_missing_end_lacks_the_wanted_hash() {
        let edits: [fn(&mut Vec<AuditRow>); 5] = [
            |rows| rows[2].account = "mno-b".to_owned(),
            |rows| rows[2].before = Some(String::new()),
            |rows| rows[2].hash = None,
            |rows| drop(rows.remove(2)),
            |rows| rows.swap(2, 3),
        ];
        for edit in edits {
            let mut rows = rows(5);
            edit(&mut rows);
            assert_eq!(followed(&rows, None).broken_at, Some(3));
        }
        let rows = rows(5);
        let cut = followed(&rows[..4], rows[4].hash.as_ref());
        assert_eq!((cut.broken_at, cut.met_wanted), (None, false));
    }

    #[test]
    fn rows_that_are_not_chained_yet_are_counted_at_the_end_and_only_there() {
        let mut rows = rows(5);
        rows[3].hash = None;
        rows[4].hash = None;
        let chain = followed(&rows, None);
        assert_eq!((chain.rows, chain.waiting, chain.broken_at), (3, 2, None));
        assert_eq!(Some(chain.head), rows[2].hash);
        rows.remove(3);
        assert_eq!(followed(&rows, None).broken_at, Some(4), "a gap among them");
    }

    #[test]
    fn a_row_that_is_written_anew_with_its_hash_breaks_the_next_one() {
        let mut rows = rows(5);
        rows[2].verb = "device.delete".to_owned();
        let before = rows[1].hash.unwrap();
        rows[2].hash = Some(rows[2].chained_to(&before));
        assert_eq!(followed(&rows, None).broken_at, Some(4));
    }
}
