//! Answers queries over a zone of random devices in batches of 32, as the UDP threads do, and
//! nothing else: to be run under an instruction counter.
//!
//! `answers DIRECTORY DEVICES present|absent ROUNDS`: the zone is built in the directory when it is
//! not there yet. Two runs that differ in rounds differ by the answers alone.

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;

use iot_dns_zone::{
    Answering, Ceiling, Disposition, Entry, Exchange, Opening, Patience, Profile, Snapshot, Start,
    StaticRecords, Transport, ZoneConfig, ZoneKeys, ZoneWriter, answer_batch,
};
use iot_identity::{DeviceId, Fingerprint, PackedKey, Publication, Slot, ZoneName};

const NOW: u64 = 1_800_000_000;
const BATCH: usize = 32;
const QUERIES: usize = 4096;
const OUT_OCTETS: usize = 1232;
const CERT: u16 = 37;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, devices, kind, rounds] = &arguments[..] else {
        return Err("DIRECTORY DEVICES present|absent ROUNDS".into());
    };
    let devices: u64 = devices.parse()?;
    let writer = zone(Path::new(directory), devices)?;
    let queries: Vec<Vec<u8>> = (0..QUERIES as u64)
        .map(|number| match kind.as_str() {
            "present" => query(device(number * 7919 % devices)),
            _ => query(device(devices + number)),
        })
        .collect();
    let octets = answer_all(&writer.snapshot(), &queries, rounds.parse()?);
    println!("{octets} octets an answer");
    Ok(())
}

/// Answers every query `rounds` times; returns the mean length.
fn answer_all(snapshot: &Snapshot, queries: &[Vec<u8>], rounds: usize) -> usize {
    let answering = Answering::default();
    let mut rooms = vec![[0; OUT_OCTETS]; BATCH];
    let (mut answers, mut octets) = (0, 0);
    for batch in (0..rounds).flat_map(|_| queries.chunks(BATCH)) {
        let pairs = batch.iter().zip(&mut rooms);
        let mut exchanges: Vec<_> = pairs
            .map(|(query, out)| Exchange::new(query, out))
            .collect();
        answer_batch(
            snapshot,
            &answering,
            &mut exchanges,
            Transport::Datagram,
            Patience::Wait,
            NOW,
        );
        for exchange in &exchanges {
            if let Disposition::Answer(length) = exchange.disposition {
                answers += 1;
                octets += length;
            }
        }
    }
    octets / answers.max(1)
}

fn zone(directory: &Path, devices: u64) -> Result<ZoneWriter, Box<dyn Error>> {
    let apex = ZoneName::parse("iotregistry.example")?;
    let config = ZoneConfig {
        name_servers: vec!["ns1.iotregistry.example".into()],
        contact: "hostmaster@iotregistry.example".into(),
        static_records: StaticRecords::parse("ns1 A 192.0.2.1\n", &apex)?,
        apex,
        profile: Profile::Fleet,
    };
    let start = Start {
        database_id: [7; 16],
        fencing_token: 1,
        applied: 0,
        serial_above: 100,
        ceiling: Ceiling::for_start(Profile::Fleet, 100, NOW),
        released_until: 0,
        lost_until: 0,
    };
    if !directory.exists() {
        std::fs::create_dir_all(directory)?;
        ZoneKeys::generate()?.save(directory)?;
    }
    let keys = ZoneKeys::load(directory)?;
    let files = directory.join("zone");
    let keys = match ZoneWriter::open(&files, &config, keys, start, NOW)? {
        Opening::Ready(writer) => return Ok(*writer),
        Opening::Build { keys, .. } => *keys,
    };
    let mut entries: Vec<Entry> = (0..devices)
        .map(|number| Entry {
            device_id: device(number),
            slot: Slot::FIRST,
            publication: Publication::Active(Fingerprint::of_certificate(&number.to_be_bytes())),
            released_until: None,
        })
        .collect();
    entries.sort_by_key(|entry| PackedKey::new(entry.device_id, entry.slot));
    let entries = entries.into_iter().map(Ok::<_, Infallible>);
    Ok(ZoneWriter::build(
        &files, config, keys, entries, start, NOW,
    )?)
}

/// A device with digits that look random.
fn device(number: u64) -> DeviceId {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let body = format!("89{:020}{:08}", state ^ state >> 27, number % 100_000_000);
    (0..100)
        .find_map(|check| DeviceId::parse(&format!("{body}{check:02}")).ok())
        .expect("one of the check digits is right")
}

/// CERT of the device's first slot, with EDNS and DO.
fn query(device: DeviceId) -> Vec<u8> {
    let mut octets = vec![1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, b'1'];
    for label in [device.to_string().as_str(), "iotregistry", "example"] {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets.extend(CERT.to_be_bytes());
    octets.extend(b"\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\0");
    octets
}
