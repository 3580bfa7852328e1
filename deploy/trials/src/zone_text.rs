//! A dumped zone as values, read from its text: what the registry writes for people and tools is
//! what is judged.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iot_identity::{DeviceId, Fingerprint, OwnerName, Publication, Slot, ZoneName};
use time::PrimitiveDateTime;
use time::macros::format_description;

/// Credentials and what is published of them.
pub type Publications = BTreeMap<(DeviceId, Slot), Publication>;

/// A zone that was dumped with one record a line and absolute names.
#[derive(Debug)]
pub struct ZoneText<'a> {
    records: Vec<Record<'a>>,
}

#[derive(Debug)]
struct Record<'a> {
    owner: &'a str,
    ttl_secs: &'a str,
    record_type: &'a str,
    rdata: &'a str,
}

impl<'a> ZoneText<'a> {
    /// Splits the lines: owner, TTL, class, type and RDATA between tabulators.
    ///
    /// # Errors
    /// A line that is none of these.
    pub fn parse(text: &'a str) -> anyhow::Result<Self> {
        let record = |line: &'a str| {
            let mut fields = line.splitn(5, '\t');
            let mut next = || fields.next().with_context(|| format!("record {line:?}"));
            let (owner, ttl_secs, class) = (next()?, next()?, next()?);
            ensure!(class == "IN", "class {class:?}");
            let (record_type, rdata) = (next()?, next()?);
            Ok(Record {
                owner,
                ttl_secs,
                record_type,
                rdata,
            })
        };
        let records = text.lines().map(record).collect::<anyhow::Result<_>>()?;
        Ok(Self { records })
    }

    /// Every credential's publication.
    ///
    /// # Errors
    /// Records at a device's name that no publication has.
    pub fn publications(&self, zone: &ZoneName) -> anyhow::Result<Publications> {
        let mut names: BTreeMap<(DeviceId, Slot), BTreeSet<(&str, &str)>> = BTreeMap::new();
        for record in &self.records {
            let Ok(owner) = OwnerName::parse(record.owner, zone) else {
                continue;
            };
            if !matches!(record.record_type, "NSEC" | "RRSIG") {
                let name = names.entry((owner.device_id(), owner.slot())).or_default();
                ensure!(
                    name.insert((record.record_type, record.rdata)),
                    "{owner} has a record twice"
                );
            }
        }
        let publication = |(name, records): (_, BTreeSet<_>)| {
            let found = publication_of(&records).with_context(|| format!("{name:?}"));
            Ok((name, found?))
        };
        names.into_iter().map(publication).collect()
    }

    /// Everything but signatures and the SOA's serial, one line a record.
    pub fn unsigned(&self) -> BTreeSet<String> {
        let unsigned = self.records.iter().filter(|r| r.record_type != "RRSIG");
        let line = |record: &Record<'_>| {
            let mut rdata: Vec<&str> = record.rdata.split(' ').collect();
            if record.record_type == "SOA" && rdata.len() == 7 {
                rdata[2] = "(serial)";
            }
            let (owner, ttl_secs) = (record.owner, record.ttl_secs);
            format!(
                "{owner} {ttl_secs} {} {}",
                record.record_type,
                rdata.join(" ")
            )
        };
        unsigned.map(line).collect()
    }

    /// Every signature without its times and octets: what it covers, and with which key.
    ///
    /// # Errors
    /// An RRSIG without the fields of RFC 4034 §3.2, or one that is there twice.
    pub fn signatures(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut signatures = BTreeSet::new();
        for record in self.rrsigs() {
            let rdata: Vec<&str> = record.rdata.split(' ').collect();
            let [covered, algorithm, labels, ttl, _, _, tag, signer, _] = rdata[..] else {
                bail!("RRSIG {:?}", record.rdata);
            };
            let (owner, ttl_secs) = (record.owner, record.ttl_secs);
            let line =
                format!("{owner} {ttl_secs} {covered} {algorithm} {labels} {ttl} {tag} {signer}");
            ensure!(
                signatures.insert(line),
                "{owner} has two signatures over {covered}"
            );
        }
        Ok(signatures)
    }

    /// When the first signature expires, Unix seconds.
    ///
    /// # Errors
    /// No signatures, or an expiration that is no time.
    pub fn first_expiration(&self) -> anyhow::Result<u64> {
        let mut first = None;
        for record in self.rrsigs() {
            let expiration = record.rdata.split(' ').nth(4);
            let expiration = calendar_time(expiration.context("RRSIG without expiration")?)?;
            first = Some(first.map_or(expiration, |first: u64| first.min(expiration)));
        }
        first.context("the zone has no signatures")
    }

    fn rrsigs(&self) -> impl Iterator<Item = &Record<'a>> {
        self.records.iter().filter(|r| r.record_type == "RRSIG")
    }
}

fn publication_of(records: &BTreeSet<(&str, &str)>) -> anyhow::Result<Publication> {
    let records: Vec<(&str, &str)> = records.iter().copied().collect();
    match records[..] {
        [("TXT", "\"v=iotr1; status=inactive\"")] => Ok(Publication::Inactive),
        [("CERT", cert), ("TLSA", tlsa)] => {
            let cert = cert.strip_prefix("1 1 0 ").context("not CERT 1 1 0")?;
            let tlsa = tlsa.strip_prefix("3 0 1 ").context("not TLSA 3 0 1")?;
            let octets: [u8; 32] = match STANDARD.decode(cert)?.try_into() {
                Ok(octets) => octets,
                Err(octets) => bail!("a fingerprint of {} octets", octets.len()),
            };
            let fingerprint = Fingerprint::from_octets(octets);
            ensure!(tlsa == fingerprint.to_string(), "CERT and TLSA disagree");
            Ok(Publication::Active(fingerprint))
        }
        _ => bail!("no publication has these records: {records:?}"),
    }
}

/// YYYYMMDDHHmmSS (RFC 4034 §3.2).
fn calendar_time(text: &str) -> anyhow::Result<u64> {
    let format = format_description!("[year][month][day][hour][minute][second]");
    let time = PrimitiveDateTime::parse(text, format).with_context(|| format!("time {text:?}"))?;
    Ok(u64::try_from(time.assume_utc().unix_timestamp())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "1.8912230200031010008f.z.example.\t60\tIN\tRRSIG\tTXT 13 4 60 20261122020000 20261122000000 7 z.example. AA==";

    #[test]
    fn a_dump_reads_as_what_it_says() {
        let text = format!(
            "z.example.\t60\tIN\tSOA\tns.z.example. h.z.example. 7 1 2 3 4\n\
             1.8912230200031010008f.z.example.\t60\tIN\tTXT\t\"v=iotr1; status=inactive\"\n{SIGNATURE}\n"
        );
        let zone = ZoneText::parse(&text).unwrap();
        let publications = zone
            .publications(&ZoneName::parse("z.example").unwrap())
            .unwrap();
        assert_eq!(
            publications.into_values().collect::<Vec<_>>(),
            [Publication::Inactive]
        );
        assert_eq!(zone.first_expiration().unwrap(), 1_795_312_800);
        let unsigned = zone.unsigned();
        assert!(unsigned.contains("z.example. 60 SOA ns.z.example. h.z.example. (serial) 1 2 3 4"));
        assert_eq!(zone.signatures().unwrap().len(), 1);
    }

    #[test]
    fn records_that_contradict_each_other_are_no_publication() {
        let one = format!("1 1 0 {}", STANDARD.encode([1; 32]));
        let other = format!("3 0 1 {}", "02".repeat(32));
        let refused = |records: &[(&str, &str)]| publication_of(&records.iter().copied().collect());
        assert!(refused(&[("CERT", &one), ("TLSA", &other)]).is_err());
        assert!(refused(&[("CERT", &one)]).is_err());
        let twice = format!("{SIGNATURE}\n{SIGNATURE}\n");
        assert!(ZoneText::parse(&twice).unwrap().signatures().is_err());
    }
}
