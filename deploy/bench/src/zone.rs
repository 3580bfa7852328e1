//! Our zone of a fleet: built with the product's own writer, and written out as a master file that
//! the peers load.

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use iot_dns_zone::{
    Ceiling, Entry, Opening, Profile, Start, StaticRecords, ZoneConfig, ZoneKeys, ZoneWriter, dump,
};
use iot_identity::{CertRecord, OwnerName, Publication, Slot, TlsaRecord, ZoneName};

use crate::population::Population;
use crate::queries::APEX;

/// Identity of the database that these zones pretend to come from.
const DATABASE_ID: [u8; 16] = *b"iot-bench-zone-0";

pub(crate) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

pub(crate) fn apex() -> ZoneName {
    ZoneName::parse(APEX).expect("the apex is a zone name")
}

pub(crate) fn config(profile: Profile) -> anyhow::Result<ZoneConfig> {
    let apex = apex();
    Ok(ZoneConfig {
        static_records: StaticRecords::parse("ns1 A 127.0.0.1", &apex)?,
        name_servers: vec![format!("ns1.{APEX}")],
        contact: format!("hostmaster@{APEX}"),
        apex,
        profile,
    })
}

pub(crate) fn start(profile: Profile, now: u64) -> Start {
    Start {
        database_id: DATABASE_ID,
        fencing_token: 1,
        applied: 0,
        serial_above: 0,
        ceiling: Ceiling::for_start(profile, 0, now),
        released_until: 0,
        lost_until: 0,
    }
}

/// Every device of the fleet as active, in the order of names.
pub(crate) fn entries(population: Population) -> impl Iterator<Item = Result<Entry, Infallible>> {
    population.in_order().into_iter().map(move |number| {
        let number = u64::from(number);
        Ok(Entry {
            device_id: population.device(number),
            slot: Slot::FIRST,
            publication: Publication::Active(Population::fingerprint(number)),
            released_until: None,
        })
    })
}

/// Signs the whole fleet into a directory at a time of the caller's, with new keys that are kept
/// beside the zone.
pub(crate) fn build(
    directory: &Path,
    population: Population,
    profile: Profile,
    start: Start,
    now: u64,
) -> anyhow::Result<ZoneWriter> {
    let keys = ZoneKeys::generate()?;
    keys.save(directory)?;
    let entries = entries(population);
    Ok(ZoneWriter::build(
        directory,
        config(profile)?,
        keys,
        entries,
        start,
        now,
    )?)
}

/// Opens the zone that a directory holds.
pub(crate) fn open(directory: &Path, profile: Profile, start: Start) -> anyhow::Result<ZoneWriter> {
    let keys = ZoneKeys::load(directory)?;
    match ZoneWriter::open(directory, &config(profile)?, keys, start, unix_now())? {
        Opening::Ready(writer) => Ok(*writer),
        Opening::Build { reason, .. } => bail!("{}: {reason}", directory.display()),
    }
}

/// Writes the signed zone as a master file.
pub(crate) fn write_signed(writer: &ZoneWriter, path: &Path) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    dump(&writer.snapshot(), &mut out)?;
    out.flush()?;
    Ok(())
}

/// Writes the fleet's records without any signature, as the input of signing tools.
pub(crate) fn write_unsigned(
    population: Population,
    profile: Profile,
    path: &Path,
) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (ttl, negative) = (profile.ttl_secs(), profile.negative_ttl_secs());
    writeln!(out, "$ORIGIN {APEX}.\n$TTL {ttl}")?;
    writeln!(out, "@ IN SOA ns1 hostmaster 1 3600 600 604800 {negative}")?;
    writeln!(out, "@ IN NS ns1\nns1 IN A 127.0.0.1")?;
    let zone = apex();
    for number in population.in_order() {
        let number = u64::from(number);
        let name = OwnerName::new(Slot::FIRST, population.device(number), &zone).fqdn();
        let fingerprint = Population::fingerprint(number);
        let cert = generic(&CertRecord { fingerprint }.rdata());
        let tlsa = generic(&TlsaRecord { fingerprint }.rdata());
        writeln!(out, "{name} IN TYPE37 {cert}\n{name} IN TYPE52 {tlsa}")?;
    }
    out.flush()?;
    Ok(())
}

/// RDATA in the form that fits every type (RFC 3597 §5).
fn generic(rdata: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = format!("\\# {} ", rdata.len());
    for octet in rdata {
        let _ = write!(text, "{octet:02x}"); // writing to a String cannot fail
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Ids;

    #[test]
    fn the_master_file_has_every_device_with_its_signatures() {
        let directory = tempfile::tempdir().unwrap();
        let population = Population {
            ids: Ids::Clustered,
            devices: 25,
        };
        let writer = {
            let (profile, now) = (Profile::Fleet, unix_now());
            build(
                directory.path(),
                population,
                profile,
                start(profile, now),
                now,
            )
            .unwrap()
        };
        let path = directory.path().join("zone.db");
        write_signed(&writer, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let count = |wanted: &str| text.lines().filter(|line| line.contains(wanted)).count();
        assert_eq!(count("\tIN\tCERT\t"), 25);
        assert_eq!(count("\tRRSIG\tCERT "), 25);
        write_unsigned(population, Profile::Fleet, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 5 + 2 * 25);
    }
}
