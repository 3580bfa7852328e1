//! The run `operations`, small; and proof that its judges object to what is wrong.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

use iot_dns_zone::{
    Ceiling, Entry, Profile, Start, StaticRecords, ZoneConfig, ZoneKeys, ZoneWriter, dump,
};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot, ZoneName};
use iot_registry::clock::unix_now;
use iot_trials::accounts::ZONE;
use iot_trials::operations::{Operations, judges};
use iot_trials::zone_text::ZoneText;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_thousand_operations_the_zone_is_what_the_database_says() {
    let operations = Operations {
        count: 1_000,
        seed: 20_261_122,
        profile: Profile::Standard,
    };
    let report = operations.run().await.unwrap();
    print!("{report}");
    for kind in [
        "registrations",
        "deactivations",
        "reactivations",
        "deletions",
    ] {
        assert!(report.counts[kind] >= 50, "{kind}: {report}");
    }
    assert!(report.counts["refused as they must be"] >= 20, "{report}");
}

#[test]
fn the_outside_judges_object_to_a_missing_record() {
    let text = zone_with_one_device();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("dump.zone");
    let judge = |text: &str| {
        std::fs::write(&file, text).unwrap();
        judges::outside(&file, &ZoneText::parse(text).unwrap())
    };
    if judge(&text).unwrap().is_none() {
        return; // the judges are left out
    }
    let lines = |keep: &dyn Fn(&str) -> bool| {
        let kept: Vec<&str> = text.lines().filter(|line| keep(line)).collect();
        assert_eq!(
            kept.len() + 1,
            text.lines().count(),
            "one record is left out"
        );
        kept.join("\n") + "\n"
    };
    let without_tlsa = lines(&|line| !line.contains("\tTLSA\t"));
    let without_signature = lines(&|line| !line.contains("\tRRSIG\tCERT "));
    for damaged in [without_tlsa, without_signature] {
        let error = judge(&damaged).unwrap_err().to_string();
        assert!(error.contains("dnssec-verify"), "{error}");
    }
}

fn zone_with_one_device() -> String {
    let now = unix_now();
    let apex = ZoneName::parse(ZONE).unwrap();
    let config = ZoneConfig {
        static_records: StaticRecords::parse("ns1 A 127.0.0.1", &apex).unwrap(),
        name_servers: vec![format!("ns1.{apex}")],
        contact: format!("hostmaster@{apex}"),
        apex,
        profile: Profile::Standard,
    };
    let entry = Entry {
        device_id: DeviceId::parse("89049032123451234512345678901235").unwrap(),
        slot: Slot::FIRST,
        publication: Publication::Active(Fingerprint::of_certificate(b"certificate")),
        released_until: None,
    };
    let start = Start {
        database_id: [1; 16],
        fencing_token: 1,
        applied: 1,
        serial_above: 0,
        ceiling: Ceiling::for_start(config.profile, 0, now),
        released_until: 0,
        lost_until: 0,
    };
    let scratch = tempfile::tempdir().unwrap();
    let keys = ZoneKeys::generate().unwrap();
    let entries = [Ok::<_, std::convert::Infallible>(entry)];
    let writer = ZoneWriter::build(scratch.path(), config, keys, entries, start, now).unwrap();
    let mut text = Vec::new();
    dump(&writer.snapshot(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}
