//! The publisher beside a database that hangs, and rows that the gate refused before.

use std::convert::Infallible;
use std::time::Duration;

use iot_dns_zone::{
    Ceiling, Entry, Profile, Start, StaticRecords, ZoneConfig, ZoneKeys, ZoneWriter,
};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot, ZoneName};

use super::{PublicationResult, Publisher};
use crate::clock::unix_now;
use crate::store::{LeftOut, RecordRebuilt, StartUp, Step, Store, StoreError, sql};

const EID: &str = "89049032123451234512345678901235";
const ICCID: &str = "8912230200031010008f";

fn active() -> Publication {
    Publication::Active(Fingerprint::of_certificate(b"certificate"))
}

/// A zone with the first device, signed at a time.
fn zone(directory: &std::path::Path, applied: u64, signed_at: u64) -> ZoneWriter {
    let config = ZoneConfig {
        apex: ZoneName::parse("iotregistry.example").unwrap(),
        profile: Profile::Standard,
        name_servers: vec!["ns.example.net".into()],
        contact: "h@example.net".into(),
        static_records: StaticRecords::default(),
    };
    let start = Start {
        database_id: [1; 16],
        fencing_token: 1,
        applied,
        serial_above: 0,
        ceiling: Ceiling::for_start(Profile::Standard, 0, signed_at),
        released_until: 0,
        lost_until: 0,
    };
    let entry = Entry {
        device_id: DeviceId::parse(ICCID).unwrap(),
        slot: Slot::FIRST,
        publication: active(),
        released_until: None,
    };
    let entries = [Ok::<_, Infallible>(entry)];
    let keys = ZoneKeys::generate().unwrap();
    ZoneWriter::build(directory, config, keys, entries, start, signed_at).unwrap()
}

/// A step that never ends.
struct Hang;

impl Step for Hang {
    type Output = ();

    fn run(self, _connection: &sql::Connection) -> Result<(), StoreError> {
        loop {
            std::thread::park();
        }
    }
}

/// The first journal row: refused by the gate, or published.
struct FirstRow {
    quarantined: Option<&'static str>,
    published: Option<i64>,
}

impl Step for FirstRow {
    type Output = ();

    fn run(self, connection: &sql::Connection) -> Result<(), StoreError> {
        let fingerprint = Fingerprint::of_certificate(b"certificate");
        sql::query(
            "INSERT INTO journal (seq, device_id, slot, kind, publication, fingerprint,
                                  committed_at, quarantined, published_serial, published_at)
             VALUES (1, ?1, 1, 'create', 'active', ?2, 1, ?3, ?4, ?4)",
        )
        .bind(EID)
        .bind(fingerprint.as_octets().as_slice())
        .bind(self.quarantined)
        .bind(self.published)
        .execute(connection)?;
        sql::query("UPDATE registry SET journal_head = 1").execute(connection)?;
        Ok(())
    }
}

async fn store(directory: &std::path::Path) -> Store {
    let store = Store::open(&directory.join("registry.db")).await.unwrap();
    let step = StartUp {
        zone: ZoneName::parse("iotregistry.example").unwrap(),
        ksk_hash: [0; 32],
        new_database_id: [1; 16],
        now: unix_now(),
    };
    store.commit(step).await.unwrap();
    store
}

async fn within_ten_seconds(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_does_not_stop_signing_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    // Every signature has expired, and a higher ceiling is wanted.
    let long_ago = unix_now() - 2 * 3600;
    let writer = zone(directory.path(), 0, long_ago);
    assert!(writer.ceiling_wanted(unix_now()).is_some());
    let hanging = store.clone();
    tokio::spawn(async move { hanging.commit(Hang).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (publisher, task) = Publisher::spawn(writer, store, 0);
    let reader = publisher.reader();
    within_ten_seconds("nothing is signed", || {
        let record = reader.snapshot().commit_record().clone();
        u64::from(record.last_signed_at) > long_ago + 3600
    })
    .await;
    publisher.stop();
    tokio::time::timeout(Duration::from_secs(10), task)
        .await
        .expect("it ends without the database")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_gate_refused_is_tried_again_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let refused = FirstRow {
        quarantined: Some("the gate said so"),
        published: None,
    };
    store.commit(refused).await.unwrap();
    let writer = zone(directory.path(), 1, unix_now());
    let (publisher, task) = Publisher::spawn(writer, store.clone(), 1);
    let device_id = DeviceId::parse(EID).unwrap();
    let reader = publisher.reader();
    within_ten_seconds("it is not published", || {
        let said = reader.snapshot().publication(device_id, Slot::FIRST);
        said.unwrap() == active()
    })
    .await;
    for _ in 0..500 {
        let row = store.journal_row(1).await.unwrap().unwrap();
        if row.published.is_some() {
            assert_eq!(row.quarantined, None);
            publisher.stop();
            task.await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is not written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_build_left_out_is_not_told_as_published_until_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let published = FirstRow {
        quarantined: None,
        published: Some(5),
    };
    store.commit(published).await.unwrap();
    let [known, loaded] = [EID, ICCID].map(|id| DeviceId::parse(id).unwrap());
    let left_out = |device_id| LeftOut {
        device_id,
        slot: Slot::FIRST,
        publication: active(),
        reason: "the gate said so".to_owned(),
    };
    let rebuilt = RecordRebuilt {
        applied: 1,
        serial: 9,
        at: unix_now(),
        released_until: 0,
        built: Some(vec![left_out(known), left_out(loaded)]),
    };
    store.commit(rebuilt).await.unwrap();
    let row = store.journal_row(1).await.unwrap().unwrap();
    assert_eq!((row.published, row.superseded), (None, false));
    assert_eq!(row.quarantined.as_deref(), Some("the gate said so"));
    // One that was loaded had no row; it gets one that is still to be published.
    let row = store.journal_row(2).await.unwrap().unwrap();
    assert_eq!((row.device_id, row.publication), (loaded, active()));
    assert_eq!((row.published, row.quarantined), (None, None));
    assert_eq!(store.journal_head().await.unwrap(), 2);

    let writer = zone(directory.path(), 1, unix_now());
    let (publisher, task) = Publisher::spawn(writer, store.clone(), 1);
    for seq in [1, 2] {
        let patience = Duration::from_secs(10);
        let result = publisher.wait(seq, patience).await;
        assert!(
            matches!(result, Some(PublicationResult::Activated(_))),
            "{seq}: {result:?}"
        );
    }
    publisher.stop();
    task.await.unwrap();
}
