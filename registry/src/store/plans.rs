//! What the registry asks of its database is answered without reading a whole table, however many
//! devices there are: the plans of SQLite say so, of every statement in the sources of this folder.
//!
//! Statements are taken from the sources, so that one that is added is looked at without being named
//! here. Those that are put together while the program runs are no literals; they ask by primary keys.

use std::path::Path;

use super::sql::{self, Connection};
use super::{Step, Store, StoreError};

/// Statements that a literal in the sources begins with.
const BEGINNINGS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];

/// What is read from end to end, and why it may be.
const SCANS: [(&str, &str); 6] = [
    ("sqlite_schema", "a row for each table and index"),
    ("intent", "what is being issued at this moment"),
    ("account", "in the order of their names, for operators"),
    (
        "device USING INDEX device_pending_delete",
        "deleted devices",
    ),
    (
        "job USING INDEX job_unfinished",
        "at most sixteen an account",
    ),
    (
        "audit USING INDEX audit_unchained",
        "what this transaction has written",
    ),
];

/// Where everything before a place is read, and why that is little.
const BEHIND: [(&str, &str); 8] = [
    (
        "journal_not_written_down (seq<?)",
        "what the publisher writes down now",
    ),
    ("journal_refused (seq<?)", "what the gate refused"),
    ("idempotency_by_age (created_at<?)", "forgotten by this"),
    ("transfer_overdue (acting_at<?)", "ended by this"),
    (
        "device_pending_delete (delete_requested_at<?)",
        "put away by this",
    ),
    ("job_by_end (ended_at<?)", "forgotten by this"),
    (
        "SEARCH pending_answer USING INTEGER PRIMARY KEY (rowid<?)",
        "told by this",
    ),
    (
        "SEARCH audit USING INTEGER PRIMARY KEY (rowid<?)",
        "one row, the newest",
    ),
];

/// The plan of a statement, a line a table; none when it is only a part of one.
struct Plan(String);

impl Step for Plan {
    type Output = Option<Vec<String>>;

    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError> {
        // Parameters stay without values: the plan is the same.
        let Ok(mut statement) = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", self.0))
        else {
            return Ok(None);
        };
        let mut rows = statement.raw_query();
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            lines.push(sql::text(row, "detail")?.replace("COVERING ", ""));
        }
        Ok(Some(lines))
    }
}

/// A literal of a source file, and whether it is all of a statement.
struct Literal {
    text: String,
    is_whole: bool,
}

/// The string literals of a source file.
fn literals(source: &str) -> Vec<Literal> {
    let mut found = Vec::new();
    let mut before = String::new();
    let mut characters = source.chars().peekable();
    while let Some(character) = characters.next() {
        if before.ends_with('/') && character == '/' {
            characters.by_ref().find(|one| *one == '\n');
            before.clear();
        } else if character != '"' || before.ends_with('\'') {
            before.push(character);
        } else {
            let mut text = String::new();
            while let Some(character) = characters.next_if(|one| *one != '"') {
                match character {
                    '\\' => match characters.next() {
                        Some('n') | None => text.push('\n'),
                        // The line goes on behind the blanks of the next one.
                        Some('\n') => while characters.next_if(|one| *one == ' ').is_some() {},
                        Some(other) => text.push(other),
                    },
                    other => text.push(other),
                }
            }
            characters.next();
            let given_to = before.trim_end();
            let is_whole = ["query(", ": &str ="]
                .iter()
                .any(|ending| given_to.ends_with(ending));
            found.push(Literal { text, is_whole });
            before.clear();
        }
    }
    found
}

/// The statements in the sources of this folder.
fn statements() -> Vec<Literal> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        // What is below is for tests.
        let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        let is_test = ["plans.rs", "migrated.rs"].map(|name| path.ends_with(name));
        if !is_test.contains(&true) {
            found.extend(literals(source));
        }
    }
    let begins = |literal: &Literal| BEGINNINGS.iter().any(|one| literal.text.starts_with(one));
    found.retain(begins);
    found
}

/// Whether a line of a plan reads a table from end to end, or from its beginning, that may grow with
/// the devices.
fn is_too_much(line: &str) -> bool {
    let Some(table) = line.strip_prefix("SCAN ") else {
        let bounds = line.rsplit_once('(').map_or("", |(_, bounds)| bounds);
        let is_all_before = bounds.ends_with("<?)") && !bounds.contains(['=', '>']);
        let is_little = BEHIND.iter().any(|(behind, _)| line.ends_with(behind));
        return line.contains("AUTOMATIC") || (is_all_before && !is_little);
    };
    let is_named = |few: &str| table == few || table.starts_with(&format!("{few} "));
    !SCANS.iter().any(|(few, _)| is_named(few)) && !table.starts_with("CONSTANT ROW")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_the_store_reads_a_whole_table() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("registry.db"))
        .await
        .unwrap();
    let mut looked_at = 0;
    let mut too_much = Vec::new();
    for Literal { text, is_whole } in statements() {
        match store.commit(Plan(text.clone())).await.unwrap() {
            Some(plan) => {
                looked_at += 1;
                if plan.iter().any(|line| is_too_much(line)) {
                    too_much.push(format!("{text}\n{plan:#?}"));
                }
            }
            None => assert!(!is_whole, "not understood: {text}"),
        }
    }
    assert!(too_much.is_empty(), "{}", too_much.join("\n\n"));
    assert!(looked_at > 100, "only {looked_at} statements were found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scan_looks_like_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("registry.db"))
        .await
        .unwrap();
    for (query, expected) in [
        ("SELECT * FROM journal WHERE committed_at = ?", true),
        ("SELECT device_id FROM device WHERE account = ?", false),
        ("SELECT device_id FROM device WHERE account < ?", true),
        (
            "SELECT * FROM journal WHERE publication <> 'active' AND seq <= ?",
            true,
        ),
        ("SELECT count(*) FROM credential WHERE asp IS NULL", true),
    ] {
        let plan = store.commit(Plan(query.to_owned())).await.unwrap().unwrap();
        let found = plan.iter().any(|line| is_too_much(line));
        assert_eq!(found, expected, "{query}\n{plan:#?}");
    }
}
