//! A load that an earlier attempt has begun, and a database that has changed since.

use std::fmt::Write as _;

use iot_epp_api::{BearerToken, Role, Scopes};
use iot_identity::{Fingerprint, ZoneName};

use super::*;
use crate::store::{CreateAccount, NewToken, StartUp};

const NOW: u64 = 1_800_000_000;
const IDS: [&str; 3] = [
    "89049032123451234512345678901235",
    "8912230200031010008f",
    "89049032123451234512345678901332",
];

fn line(number: usize) -> String {
    let fingerprint = Fingerprint::of_certificate(&[number as u8]);
    format!("{} 1 {fingerprint} 1900000000\n", IDS[number])
}

fn origin() -> Origin {
    Origin {
        account: "mno-a".into(),
        door: "command-line",
        verb: "zone.load",
        client_transaction_id: None,
        server_transaction_id: "load".into(),
        digest: [0; 32],
    }
}

async fn store_with_account(directory: &Path) -> Store {
    let store = Store::open(&directory.join("registry.db")).await.unwrap();
    let begin = StartUp {
        zone: ZoneName::parse("iotregistry.example").unwrap(),
        ksk_hash: [0; 32],
        new_database_id: [1; 16],
        now: NOW,
    };
    store.commit(begin).await.unwrap();
    let account = CreateAccount {
        origin: origin(),
        name: "mno-a".into(),
        role: Role::Mno,
        token: NewToken {
            token: BearerToken::parse("a-token-of-thirty-two-characters").unwrap(),
            scopes: Scopes::ALL,
            expires_at: NOW + 1000,
        },
        now: NOW,
    };
    assert!(store.commit(account).await.unwrap());
    store
}

fn checked(directory: &Path, text: &str) -> Checked {
    let path = directory.join("credentials");
    std::fs::write(&path, text).unwrap();
    check(&path).unwrap()
}

/// Loads the first transaction's lines and no more.
async fn begin(store: &Store, file: &Checked) {
    let before = store
        .commit(BeginLoad {
            origin: origin(),
            account: "mno-a".into(),
            digest: file.digest,
            now: NOW,
        })
        .await
        .unwrap();
    let mut lines = Lines::open(&file.path, 0, 0).unwrap();
    let credentials = lines.some(file).unwrap();
    let after = LoadProgress {
        lines: lines.number,
        octets: lines.octets,
        ..before
    };
    let step = LoadLines {
        account: "mno-a".into(),
        digest: file.digest,
        credentials,
        before,
        after,
        expires_at: NOW + 1000,
        now: NOW,
    };
    store.commit(step).await.unwrap();
}

/// Loads a file, so many seconds later.
async fn run(store: &Store, file: &Checked, later_secs: u64) -> Result<(), LoadError> {
    load(
        store,
        origin(),
        "mno-a",
        file,
        (NOW + later_secs, 120),
        |_| (),
    )
    .await
}

#[tokio::test]
async fn what_stays_of_a_load_that_cannot_go_on_is_told_and_the_rest_is_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_with_account(directory.path()).await;
    let mut text = line(0);
    for number in 1..TRANSACTION_LINES {
        let _ = writeln!(text, "# {number}");
    }
    text.push_str(&line(1));
    text.push_str(&line(2));
    let file = checked(directory.path(), &text);
    begin(&store, &file).await;
    // Meanwhile the device of a later line came from elsewhere.
    let other = checked(directory.path(), &line(2));
    run(&store, &other, 1).await.unwrap();

    let file = checked(directory.path(), &text);
    let said = run(&store, &file, 2).await.unwrap_err().to_string();
    let (refusal, advice) = said.split_once("; ").unwrap();
    assert!(refusal.starts_with("line 10002: the device"), "{said}");
    assert_eq!(
        advice,
        "lines 1 to 10000 of this file are loaded and stay; load the corrected rest (from line \
         10001) as a file of its own"
    );
    let rest = checked(directory.path(), &line(1));
    run(&store, &rest, 3).await.unwrap();
    let names = store.projection().await.unwrap().collect().await.unwrap();
    assert_eq!(names.len(), 3);
    store.close().await;
}

#[tokio::test]
async fn a_later_line_that_the_database_refuses_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_with_account(directory.path()).await;
    run(&store, &checked(directory.path(), &line(2)), 1)
        .await
        .unwrap();
    let mut text = line(0);
    for number in 0..2 * TRANSACTION_LINES {
        let _ = writeln!(text, "# {number}");
    }
    let of = |number| Fingerprint::of_certificate(&[number]).to_string();
    let fingerprint_used = line(1).replace(&of(1), &of(2));
    let slot_used = line(2).replace(&of(2), &of(1));
    for (wrong, later_secs, why) in [
        (fingerprint_used, 2, "the fingerprint is"),
        (line(2), 2, "the device"),
        // A file of the same second is not told from the one before.
        (slot_used, 1, "the slot 1 of"),
    ] {
        let file = checked(directory.path(), &format!("{text}{wrong}"));
        let said = run(&store, &file, later_secs)
            .await
            .unwrap_err()
            .to_string();
        assert!(said.starts_with(&format!("line 20002: {why}")), "{said}");
        assert!(said.ends_with("; nothing was loaded"), "{said}");
        let names = store.projection().await.unwrap().collect().await.unwrap();
        assert_eq!(names.len(), 1);
    }
    let file = checked(directory.path(), &format!("{text}{}", line(1)));
    run(&store, &file, 2).await.unwrap();
    store.close().await;
}
