//! What the configuration says differently about the apex, and the times that follow from it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use fixture::{NOW, active, config, eid, entry, in_order, slot, start};
use iot_dns_zone::{Opening, Profile, Record, ZoneConfig, ZoneKeys, ZoneWriter};
use tempfile::TempDir;

const NS: u16 = 2;
const SOA: u16 = 6;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const DEVICES: u64 = 40;

fn built(profile: Profile) -> (TempDir, ZoneWriter) {
    let dir = tempfile::tempdir().unwrap();
    let keys = ZoneKeys::generate().unwrap();
    keys.save(dir.path()).unwrap();
    let entries = (1..=DEVICES).map(|number| entry(eid(number), 1, active(number)));
    let entries = in_order(entries.collect());
    let start = start(profile, NOW);
    let writer = ZoneWriter::build(dir.path(), config(profile), keys, entries, start, NOW);
    (dir, writer.unwrap())
}

fn reopened(dir: &TempDir, config: &ZoneConfig, now: u64) -> ZoneWriter {
    let keys = ZoneKeys::load(dir.path()).unwrap();
    let start = start(config.profile, NOW);
    match ZoneWriter::open(dir.path(), config, keys, start, now).unwrap() {
        Opening::Ready(writer) => *writer,
        Opening::Build { reason, .. } => panic!("{reason}"),
    }
}

fn of_type(records: &[Record], record_type: u16) -> Vec<&Record> {
    let chosen = records.iter().filter(|one| one.record_type == record_type);
    chosen.collect()
}

fn assert_whole(writer: &ZoneWriter, now: u64) {
    let listed = (1..=DEVICES).map(|number| (eid(number), slot(1), active(number)));
    let found = fixture::findings(&writer.snapshot(), listed.collect(), now);
    assert_eq!(found, []);
}

#[test]
fn other_name_servers_and_another_contact_are_signed_at_a_start() {
    let (dir, writer) = built(Profile::Standard);
    let before = fixture::records(&writer.snapshot());
    drop(writer);
    let mut changed = config(Profile::Standard);
    changed.name_servers = vec!["ns1.iotregistry.example".into(), "a.example.org".into()];
    changed.contact = "somebody.else@example.org".into();
    let later = NOW + 60;
    let writer = reopened(&dir, &changed, later);
    assert_whole(&writer, later);
    let after = fixture::records(&writer.snapshot());
    let name_servers = of_type(&after, NS).into_iter();
    let mut name_servers: Vec<&[u8]> = name_servers.map(|one| &one.rdata[..]).collect();
    name_servers.sort_unstable();
    let expected = [
        &b"\x01a\x07example\x03org\0"[..],
        b"\x03ns1\x0biotregistry\x07example\0",
    ];
    assert_eq!(name_servers, expected);
    let [soa] = of_type(&after, SOA)[..] else {
        panic!("one SOA");
    };
    let mailbox = b"\x0dsomebody.else\x07example\x03org\0";
    let found = soa.rdata.windows(mailbox.len()).any(|part| part == mailbox);
    assert!(found, "{:?}", soa.rdata);
    let of_devices = |records: &[Record]| -> Vec<Record> {
        let of_devices = of_type(records, RRSIG).into_iter();
        let of_devices = of_devices.filter(|one| one.owner.starts_with(b"\x011\x20"));
        of_devices.cloned().collect()
    };
    assert_eq!(of_devices(&before).len() as u64, 3 * DEVICES);
    assert_eq!(
        of_devices(&after),
        of_devices(&before),
        "no device was signed"
    );
    drop(writer);
    assert_whole(
        &reopened(&dir, &config(Profile::Standard), later + 1),
        later + 1,
    );
}

#[test]
fn denials_live_for_the_lesser_of_the_soas_ttl_and_minimum() {
    for profile in Profile::ALL {
        let (_dir, writer) = built(profile);
        let records = fixture::records(&writer.snapshot());
        let [soa] = of_type(&records, SOA)[..] else {
            panic!("one SOA");
        };
        let minimum = soa
            .rdata
            .last_chunk()
            .map(|octets| u32::from_be_bytes(*octets));
        // RFC 9077 §3.1.
        let expected = soa.ttl_secs.min(minimum.unwrap());
        let denials = of_type(&records, NSEC);
        assert!(denials.len() as u64 > DEVICES);
        assert!(
            denials.iter().all(|one| one.ttl_secs == expected),
            "{profile}"
        );
        // A signature has the TTL of what it covers (RFC 4034 §3).
        for signature in of_type(&records, RRSIG) {
            let covered = u16::from_be_bytes([signature.rdata[0], signature.rdata[1]]);
            let of = |one: &&Record| one.owner == signature.owner && one.record_type == covered;
            let covers = records.iter().find(of).unwrap();
            let original = u32::from_be_bytes(signature.rdata[4..8].try_into().unwrap());
            assert_eq!(
                (signature.ttl_secs, original),
                (covers.ttl_secs, covers.ttl_secs)
            );
        }
        let keys = of_type(&records, DNSKEY);
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| key.ttl_secs == keys[0].ttl_secs));
    }
}
