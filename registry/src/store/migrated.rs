//! A database of the last version before the two doors says the same in this one.

use std::collections::BTreeMap;
use std::path::Path;

use iot_epp_api::device::{SettableStatus, SlotReason};
use iot_epp_api::{Role, Scopes};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot, ZoneName};

use super::sql::{self, Access, Connection, Row};
use super::{AuditReader, Chain, ChangeDevice, Changed, Origin, StartUp, Store, Wish, schema};
use crate::lifecycle::{Permission, Statuses};

/// Migrations of the version before.
const EARLIER: usize = 4;
/// When everything happened.
const THEN: u64 = 1_790_000_000;
const NOW: u64 = THEN + 3600;
const TOKEN: &str = "a-token-of-the-version-before-this";

const ACTIVE: &str = "89049032123451234512345678901235";
const HELD: &str = "8912230200031010008f";
const HELD_BY_BOTH: &str = "89049032123451234512345678901332";
const DELETED: &str = "8912230200031060003f";
const LOADED: &str = "8912230200031010271f";
const GONE: &str = "89122302000310100087";

/// Content of such a database. Fingerprints, keys and serials are of one octet, repeated.
const CONTENT: &str = "
INSERT INTO registry (id, database_id, zone, ksk_hash, created_at, fencing_token, serial_ceiling,
                      expiration_ceiling, seen_at, lost_until, journal_head, zone_stale)
VALUES (1, unhex(replace(hex(zeroblob(16)), '00', '01')), 'iotregistry.example', zeroblob(32),
        1790000000, 3, 1790009999, 1790009998, 1790000000, 17, 8, 0);
INSERT INTO account (name, role, created_at, disabled_at) VALUES
    ('operator', 'operator', 1790000000, NULL), ('mno-a', 'mno', 1790000001, NULL),
    ('mno-b', 'mno', 1790000002, 1790000003), ('asp-a', 'asp', 1790000004, NULL);
INSERT INTO device (device_id, account, client_hold, server_hold, delete_requested_at, created_at,
                    updated_at) VALUES
    ('89049032123451234512345678901235', 'mno-a', 0, 0, NULL, 1790000000, 1790000001),
    ('8912230200031010008f', 'mno-a', 1, 0, NULL, 1790000000, 1790000002),
    ('89049032123451234512345678901332', 'mno-b', 1, 1, NULL, 1790000000, 1790000003),
    ('8912230200031060003f', 'mno-a', 1, 0, 1790000004, 1790000000, 1790000004),
    ('8912230200031010271f', 'mno-a', 0, 1, NULL, 1790000000, 1790000005);
INSERT INTO credential (device_id, slot, withdrawn, key_hash, serial, fingerprint, not_before,
                        not_after, certificate, released_until)
SELECT column1, column2, column3, unhex(replace(hex(zeroblob(32)), '00', column4)),
       unhex(replace(hex(zeroblob(16)), '00', column4)), unhex(replace(hex(zeroblob(32)), '00', column4)),
       1790000000, 1947000000, x'30', column5
FROM (VALUES ('89049032123451234512345678901235', 1, 'expired', 'a1', 1790003000),
             ('89049032123451234512345678901235', 2, NULL, 'a2', NULL),
             ('8912230200031010008f', 1, NULL, 'a3', 1790003600),
             ('89049032123451234512345678901332', 10, NULL, 'a4', NULL),
             ('8912230200031060003f', 1, NULL, 'a5', 1790003700),
             ('89122302000310100087', 1, 'deleted', 'a6', 1790003800));
INSERT INTO credential (device_id, slot, fingerprint, not_before, not_after)
VALUES ('8912230200031010271f', 7, unhex(replace(hex(zeroblob(32)), '00', 'a7')), 1790000000, 1900000000);
INSERT INTO slot_reserved SELECT device_id, max(slot) FROM credential GROUP BY device_id;
INSERT INTO voided_serial VALUES (zeroblob(16), '89049032123451234512345678901235', 3, 1790000000);
INSERT INTO journal (seq, device_id, slot, kind, publication, fingerprint, committed_at,
                     published_serial, published_at, believed_until, superseded, quarantined) VALUES
    (1, '89049032123451234512345678901235', 1, 'create', 'active',
     unhex(replace(hex(zeroblob(32)), '00', 'a1')), 1790000000, 5, 1790000001, NULL, 0, NULL),
    (2, '89049032123451234512345678901235', 1, 'expire', 'inactive', NULL, 1790000001, 6, 1790000002,
     1790003000, 0, NULL),
    (3, '8912230200031010008f', 1, 'deactivate', 'inactive', NULL, 1790000002, 7, 1790000003,
     1790003600, 1, NULL),
    (4, '8912230200031010008f', 1, 'activate', 'active',
     unhex(replace(hex(zeroblob(32)), '00', 'a3')), 1790000003, 8, 1790000004, NULL, 0, NULL),
    (5, '8912230200031010008f', 1, 'deactivate', 'inactive', NULL, 1790000004, 9, 1790000005,
     1790003600, 0, NULL),
    (6, '8912230200031060003f', 1, 'delete', 'absent', NULL, 1790000004, 10, 1790000005, 1790003700, 0,
     NULL),
    (7, '89049032123451234512345678901332', 10, 'deactivate', 'inactive', NULL, 1790000005, NULL, NULL,
     NULL, 0, 'the gate said so'),
    (8, '89049032123451234512345678901235', 2, 'create', 'active',
     unhex(replace(hex(zeroblob(32)), '00', 'a2')), 1790000006, NULL, NULL, NULL, 0, NULL);
INSERT INTO idempotency VALUES ('mno-a', 'delete-1', unhex(replace(hex(zeroblob(32)), '00', '07')),
                                '8912230200031060003f', 6, 6, 1790000004);
INSERT INTO load VALUES (zeroblob(32), 'mno-a', 12, 900, 1790000000, 1790000005);
INSERT INTO audit (at, account, door, verb, object, client_transaction_id, server_transaction_id,
                   before, after) VALUES
    (1790000000, 'mno-a', 'json', 'device.create', '89049032123451234512345678901235', NULL, 'IOTR-1',
     NULL, '{}'),
    (1790000004, 'mno-a', 'json', 'device.delete', '8912230200031060003f', 'delete-1', 'IOTR-2', '{}',
     '{}');
";

/// Rows of each table, as SQL literals.
type Tables = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// Makes the database as the version before did, and tells what is in it.
fn make(path: &Path) -> Tables {
    let connection = sql::open(path, Access::Write).unwrap();
    for step in &schema::STEPS[..EARLIER] {
        connection.execute_batch(step).unwrap();
    }
    let listed = "CREATE TABLE _sqlx_migrations (
        version BIGINT PRIMARY KEY, description TEXT NOT NULL,
        installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL,
        checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";
    connection.execute_batch(listed).unwrap();
    for version in 1..=EARLIER as i64 {
        let row = "INSERT INTO _sqlx_migrations VALUES (?, 'step', 0, 1, zeroblob(48), 0)";
        sql::query(row).bind(version).execute(&connection).unwrap();
    }
    connection.execute_batch(CONTENT).unwrap();
    let token = ring::digest::digest(&ring::digest::SHA256, TOKEN.as_bytes());
    sql::query("INSERT INTO token (hash, account, created_at) VALUES (?, 'mno-a', ?)")
        .bind(token.as_ref())
        .bind(THEN as i64)
        .execute(&connection)
        .unwrap();
    read(&connection)
}

fn read(connection: &Connection) -> Tables {
    let names: Vec<String> = sql::query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND name <> '_sqlx_migrations'",
    )
    .all(connection, sql::scalar)
    .unwrap();
    let mut tables = Tables::new();
    for table in names {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns: Vec<String> = sql::query(&columns).all(connection, sql::scalar).unwrap();
        let quoted = columns
            .iter()
            .map(|name| format!("quote({name}) AS {name}"));
        let quoted = quoted.collect::<Vec<_>>().join(", ");
        let query = format!("SELECT {quoted} FROM {table} ORDER BY 1, 2");
        let row = |row: &Row<'_>| {
            let cells = columns
                .iter()
                .map(|name| Ok((name.clone(), row.get(name.as_str())?)));
            cells.collect()
        };
        tables.insert(table, sql::query(&query).all(connection, row).unwrap());
    }
    tables
}

/// The database after its migration.
async fn migrated(path: &Path) -> (Tables, Store) {
    let store = Store::open(path).await.unwrap();
    let connection = sql::open(path, Access::Read).unwrap();
    (read(&connection), store)
}

fn id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

fn starting() -> StartUp {
    StartUp {
        zone: ZoneName::parse("iotregistry.example").unwrap(),
        ksk_hash: [0; 32],
        new_database_id: [9; 16],
        now: NOW,
    }
}

fn fingerprint(octet: u8) -> Fingerprint {
    Fingerprint::from_octets([octet; 32])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_version_before_is_there_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    let before = make(&path);
    let (after, store) = migrated(&path).await;
    let became = [("client_hold", "statuses"), ("server_hold", "statuses")];
    for (table, rows) in &before {
        assert!(!rows.is_empty() || table == "intent", "{table} is empty");
        let key = |row: &BTreeMap<String, String>| {
            let mut cells = row.clone();
            // What is new, or said in another way, is looked at below.
            cells.retain(|name, _| rows[0].contains_key(name));
            became.iter().for_each(|(old, _)| drop(cells.remove(*old)));
            cells
        };
        let mut expected: Vec<_> = rows.iter().map(key).collect();
        let mut found: Vec<_> = after[table].iter().map(key).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{table}");
    }
    assert_eq!(after["device"].len(), 5);
    for table in [
        "transfer",
        "message",
        "pending_answer",
        "job",
        "consent",
        "endpoint",
    ] {
        assert!(after[table].is_empty(), "{table}");
    }
    store.close().await;
    // Opening it again changes nothing.
    let (again, store) = migrated(&path).await;
    assert_eq!(again, after);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_what_they_were_and_the_zone_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    make(&path);
    let store = Store::open(&path).await.unwrap();
    let held = SettableStatus::ClientHold;
    let by_operator = SettableStatus::ServerHold;
    for (device_id, account, holds, deleted_at) in [
        (ACTIVE, "mno-a", vec![], None),
        (HELD, "mno-a", vec![held], None),
        (HELD_BY_BOTH, "mno-b", vec![held, by_operator], None),
        (DELETED, "mno-a", vec![held], Some(THEN + 4)),
        (LOADED, "mno-a", vec![by_operator], None),
    ] {
        let facts = store.facts(id(device_id)).await.unwrap();
        let device = facts.device.unwrap();
        // Like a device that is registered now, it does not leave by silence.
        let statuses = holds
            .into_iter()
            .fold(Statuses::at_registration(), Statuses::with);
        assert_eq!(device.statuses, statuses, "{device_id}");
        assert_eq!(device.account, account, "{device_id}");
        assert_eq!(device.delete_requested_at, deleted_at, "{device_id}");
        assert_eq!(
            (device.created_at, device.version),
            (THEN, 1),
            "{device_id}"
        );
        let years = (device.expires_at - THEN) / (365 * 24 * 3600);
        assert_eq!(years, 10, "{device_id}");
        assert_eq!(
            (device.auth_info, facts.transfer),
            (None, None),
            "{device_id}"
        );
    }
    assert_eq!(store.facts(id(GONE)).await.unwrap().device, None);

    let credentials = store.facts(id(ACTIVE)).await.unwrap().credentials;
    let [first, second] = &credentials[..] else {
        panic!("{credentials:?}");
    };
    assert_eq!(first.withdrawn, Some(SlotReason::Expired));
    assert_eq!(first.released_until, Some(1_790_003_000));
    assert_eq!(
        (second.withdrawn, second.fingerprint),
        (None, fingerprint(0xa2))
    );
    assert_eq!(second.serial.as_deref(), Some(&[0xa2; 16][..]));
    let loaded = store.facts(id(LOADED)).await.unwrap().credentials;
    assert_eq!((loaded[0].slot.get(), &loaded[0].serial), (7, &None));

    let zone = store.projection().await.unwrap().collect().await.unwrap();
    let mut said: Vec<_> = zone
        .iter()
        .map(|entry| {
            (
                entry.device_id.as_str(),
                entry.slot.get(),
                entry.publication,
            )
        })
        .collect();
    said.sort_by_key(|(device_id, slot, _)| (device_id.to_owned(), *slot));
    let mut expected = vec![
        (ACTIVE, 1, Publication::Inactive),
        (ACTIVE, 2, Publication::Active(fingerprint(0xa2))),
        (HELD, 1, Publication::Inactive),
        (HELD_BY_BOTH, 10, Publication::Inactive),
        (DELETED, 1, Publication::Absent),
        (LOADED, 7, Publication::Inactive),
    ];
    expected.sort_by_key(|(device_id, slot, _)| (*device_id, *slot));
    assert_eq!(said, expected);
    let holds = store.holds_after(0, 10).await.unwrap();
    let holds: Vec<u64> = holds.iter().map(|row| row.seq).collect();
    assert_eq!(holds, [2, 3, 5, 6, 7]);
    let refused = store.refused_rows(8, 10).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (refused[0].seq, refused[0].slot),
        (7, Slot::new(10).unwrap())
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_of_the_version_before_is_chained_while_nobody_asks_for_anything() {
    const MORE: &str = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number
                                                      WHERE n < 12000)
        INSERT INTO audit (at, account, door, verb, object, server_transaction_id)
        SELECT 1790000005, 'mno-a', 'json', 'device.update', 'x', 'IOTR-' || n FROM number";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    make(&path);
    let earlier = sql::open(&path, Access::Write).unwrap();
    earlier.execute_batch(MORE).unwrap();
    drop(earlier);

    let store = Store::open(&path).await.unwrap();
    store.commit(starting()).await.unwrap();
    let begin = std::time::Instant::now();
    loop {
        let mut reader = AuditReader::open(&path).await.unwrap();
        let mut chain = Chain::default();
        for row in reader.after(0, 20_000).await.unwrap() {
            chain.follow(&row, None);
        }
        assert_eq!(chain.broken_at, None, "never, however far it is");
        assert_eq!(chain.seen(), 12_002);
        if chain.waiting == 0 {
            break;
        }
        assert!(begin.elapsed().as_secs() < 60, "{} wait", chain.waiting);
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_may_do_what_they_could_and_retries_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    make(&path);
    let store = Store::open(&path).await.unwrap();
    let recognised = store.by_token(TOKEN, NOW).await.unwrap().unwrap();
    assert_eq!(recognised.account, "mno-a");
    assert_eq!(
        (recognised.role, recognised.scopes),
        (Role::Mno, Scopes::ALL)
    );
    for (account, devices, prefixes) in [
        ("mno-a", 4, 1),
        ("mno-b", 1, 1),
        ("asp-a", 0, 0),
        ("operator", 0, 0),
    ] {
        let row = store.account(account).await.unwrap().unwrap();
        assert_eq!(row.devices, devices, "{account}");
        assert_eq!(row.iccids_allowed, prefixes == 1, "{account}");
        assert!(!row.strict_transaction_ids, "{account}");
        let grants = store.grants(account).await.unwrap();
        assert_eq!(grants.prefixes, vec!["89"; prefixes], "{account}");
    }
    for device_id in [GONE, "89049032123451234512345678901429"] {
        let facts = store.issuance_facts(id(device_id), "mno-a").await.unwrap();
        assert_eq!(facts.permission, Permission::Granted, "{device_id}");
    }
    // Its key and its slot stay used.
    let facts = store.issuance_facts(id(GONE), "mno-a").await.unwrap();
    assert_eq!(facts.slot_reserved_max, 1);

    let opened = store.commit(starting()).await.unwrap();
    assert_eq!(opened.database_id, [1; 16]);
    assert_eq!((opened.fencing_token, opened.journal_head), (4, 8));
    assert_eq!((opened.lost_until, opened.zone_stale), (17, false));
    let retry = ChangeDevice {
        origin: Origin {
            account: "mno-a".to_owned(),
            door: "json",
            verb: "device.delete",
            client_transaction_id: Some("delete-1".to_owned()),
            server_transaction_id: "IOTR-3".to_owned(),
            digest: [7; 32],
        },
        role: Role::Mno,
        zone: ZoneName::parse("iotregistry.example").unwrap(),
        device_id: id(DELETED),
        wish: Wish::Delete,
        if_version: None,
        now: NOW,
    };
    let replayed = store.commit(retry).await.unwrap();
    assert!(
        matches!(replayed, Changed::Replay { rows: Some((6, 6)) }),
        "{replayed:?}"
    );
    // Rows of the version before are chained with the first commits.
    let rows = AuditReader::open(&path).await.unwrap().after(0, 10).await;
    let mut chain = Chain::default();
    rows.unwrap().iter().for_each(|row| chain.follow(row, None));
    assert_eq!((chain.rows, chain.broken_at), (2, None));
    store.close().await;
}
