//! Everything that a sequence released: what did not change keeps its signature, and no bound that
//! the writer tells is earlier than what can be replayed.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, ensure};
use iot_dns_zone::{Applied, Change, Record};
use iot_identity::{OwnerName, Publication, ZoneName};

use crate::accounts::ZONE;

const TYPE_SOA: u16 = 6;
const TYPE_CERT: u16 = 37;
const TYPE_RRSIG: u16 = 46;
const TYPE_NSEC: u16 = 47;
const TYPE_TLSA: u16 = 52;

/// Name and type.
type Owned = (Vec<u8>, u16);

/// An RRset with its one signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rrset {
    ttl_secs: u32,
    rdatas: Vec<Vec<u8>>,
    signature: Vec<u8>,
}

/// What was released so far.
#[derive(Debug)]
pub(super) struct History {
    apex: ZoneName,
    present: BTreeMap<Owned, Rrset>,
    /// Latest expiration of a signature over CERT or TLSA at a name.
    confirmed_until: HashMap<Vec<u8>, u32>,
    /// Every NSEC: owner and next name in canonical order, whether CERT is there, expiration.
    denials: Vec<Denial>,
}

#[derive(Debug)]
struct Denial {
    owner: Vec<Vec<u8>>,
    next: Vec<Vec<u8>>,
    has_cert: bool,
    until: u32,
}

impl History {
    /// Begins with the records of the first version.
    pub(super) fn begin(records: Vec<Record>) -> anyhow::Result<Self> {
        let mut history = Self {
            apex: ZoneName::parse(ZONE)?,
            present: BTreeMap::new(),
            confirmed_until: HashMap::new(),
            denials: Vec::new(),
        };
        history.release(records)?;
        Ok(history)
    }

    /// Notes a version.
    pub(super) fn release(&mut self, records: Vec<Record>) -> anyhow::Result<()> {
        let rrsets = rrsets(records)?;
        for ((owner, record_type), rrset) in &rrsets {
            let known = self.present.get(&(owner.clone(), *record_type));
            if known == Some(rrset) {
                continue;
            }
            let until = expiration(&rrset.signature)?;
            match *record_type {
                TYPE_CERT | TYPE_TLSA => {
                    let latest = self.confirmed_until.entry(owner.clone()).or_default();
                    *latest = until.max(*latest);
                }
                TYPE_NSEC => {
                    let rdata = rrset.rdatas.first().context("an NSEC record")?;
                    let (next, octets) = canonical(rdata);
                    // CERT is type 37: bit 2 of octet 4 in window 0.
                    let bitmap = rdata.get(octets..).unwrap_or_default();
                    let bits = bitmap.get(2 + usize::from(TYPE_CERT) / 8);
                    let has_cert = bits.is_some_and(|bits| bits & 0x80 >> (TYPE_CERT % 8) != 0);
                    let (owner, _) = canonical(owner);
                    self.denials.push(Denial {
                        owner,
                        next,
                        has_cert,
                        until,
                    });
                }
                _ => {}
            }
        }
        self.present = rrsets;
        Ok(())
    }

    /// Notes the version of a batch. What it did not touch is as it was, its signature octet for
    /// octet; touched are the names of the changes, and NSEC records that point to one of them.
    ///
    /// # Errors
    /// An RRset that was signed anew for nothing.
    pub(super) fn release_batch(
        &mut self,
        records: Vec<Record>,
        changes: &[Change],
    ) -> anyhow::Result<()> {
        let owner = |change: &Change| OwnerName::new(change.slot, change.device_id, &self.apex);
        let touched: HashSet<Vec<u8>> = changes.iter().map(|c| owner(c).wire()).collect();
        let is_touched = |owner: &Vec<u8>, rrset: &Rrset| {
            let points_there = |name: &Vec<u8>| rrset.rdatas.iter().any(|r| r.starts_with(name));
            touched.contains(owner) || touched.iter().any(points_there)
        };
        let before = std::mem::take(&mut self.present);
        self.present.clone_from(&before);
        self.release(records)?;
        for ((owner, record_type), rrset) in &self.present {
            let Some(known) = before.get(&(owner.clone(), *record_type)) else {
                continue;
            };
            let same = (known.ttl_secs, &known.rdatas) == (rrset.ttl_secs, &rrset.rdatas);
            ensure!(
                !same
                    || known.signature == rrset.signature
                    || *record_type == TYPE_SOA
                    || is_touched(owner, rrset),
                "{:?} type {record_type} did not change and was signed anew",
                String::from_utf8_lossy(owner)
            );
        }
        Ok(())
    }

    /// Holds the bounds that the writer tells to what was released before the batch.
    ///
    /// # Errors
    /// A bound that is too early or missing.
    pub(super) fn hold_bounds(&self, applied: &Applied, now: u64) -> anyhow::Result<()> {
        for outcome in &applied.outcomes {
            let owner = OwnerName::new(outcome.slot, outcome.device_id, &self.apex);
            let (told, until) = match outcome.publication {
                Publication::Active(_) => (outcome.denied_until, self.denied_until(&owner.wire())),
                _ => {
                    let wire = owner.wire().to_ascii_lowercase();
                    let until = self.confirmed_until.get(&wire).copied().unwrap_or(0);
                    (outcome.withdrawn_until, until)
                }
            };
            ensure!(
                u64::from(until) <= now || told.is_some_and(|told| told >= until),
                "{owner}: told {told:?}, and {until} was released: {outcome:?}"
            );
        }
        Ok(())
    }

    /// Latest expiration of any NSEC that says of a name that it has no CERT.
    fn denied_until(&self, wire: &[u8]) -> u32 {
        let (name, _) = canonical(&wire.to_ascii_lowercase());
        let denials = self.denials.iter().filter(|denial| {
            let (owner, next) = (&denial.owner, &denial.next);
            let covers = *owner < name && (name < *next || next <= owner);
            *owner == name && !denial.has_cert || covers
        });
        denials.map(|denial| denial.until).max().unwrap_or(0)
    }
}

/// Groups records; one signature an RRset.
fn rrsets(records: Vec<Record>) -> anyhow::Result<BTreeMap<Owned, Rrset>> {
    let mut rrsets: BTreeMap<Owned, Rrset> = BTreeMap::new();
    for record in records {
        let covered = match (record.record_type, record.rdata.as_slice()) {
            (TYPE_RRSIG, [high, low, ..]) => u16::from_be_bytes([*high, *low]),
            (own, _) => own,
        };
        let rrset = rrsets.entry((record.owner, covered)).or_default();
        if record.record_type == TYPE_RRSIG {
            ensure!(rrset.signature.is_empty(), "type {covered} is signed twice");
            rrset.signature = record.rdata;
        } else {
            rrset.ttl_secs = record.ttl_secs;
            rrset.rdatas.push(record.rdata);
        }
    }
    Ok(rrsets)
}

/// Expiration in RRSIG RDATA (RFC 4034 §3.1).
fn expiration(signature: &[u8]) -> anyhow::Result<u32> {
    let octets = signature.get(8..12).context("a signature")?;
    Ok(u32::from_be_bytes(octets.try_into()?))
}

/// A name as its labels, rightmost first, which compare as RFC 4034 §6.1 has it; and its octets.
fn canonical(wire: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut labels = Vec::new();
    let mut at = 0;
    while let Some(length @ 1..=255) = wire.get(at).copied() {
        let end = at + 1 + usize::from(length);
        labels.push(wire.get(at + 1..end).unwrap_or_default().to_vec());
        at = end;
    }
    labels.reverse();
    (labels, at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iot_dns_zone::Outcome;
    use iot_identity::{DeviceId, Fingerprint, Slot};

    const NOW: u64 = 1_800_000_000;
    const UNTIL: u32 = 1_800_003_600;

    fn device() -> DeviceId {
        DeviceId::parse("8912230200031010008f").unwrap()
    }

    fn wire(name: &str) -> Vec<u8> {
        let labels = name.split('.').filter(|label| !label.is_empty());
        let mut wire: Vec<u8> = labels
            .flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat())
            .collect();
        wire.push(0);
        wire
    }

    /// A record with its signature of these octets.
    fn signed(owner: &str, record_type: u16, rdata: Vec<u8>, octet: u8) -> [Record; 2] {
        let mut signature = record_type.to_be_bytes().to_vec();
        signature.extend([13, 2, 0, 0, 0, 60]);
        signature.extend(UNTIL.to_be_bytes());
        signature.push(octet);
        [(record_type, rdata), (TYPE_RRSIG, signature)].map(|(record_type, rdata)| Record {
            owner: wire(owner),
            record_type,
            ttl_secs: 60,
            rdata,
        })
    }

    fn applied(publication: Publication, told: Option<u32>) -> Applied {
        let outcome = Outcome {
            device_id: device(),
            slot: Slot::FIRST,
            publication,
            published_at: NOW,
            serial: 2,
            withdrawn_until: told,
            denied_until: told,
        };
        let (serial, zone_version) = (2, 2);
        Applied {
            serial,
            zone_version,
            outcomes: vec![outcome],
            quarantined: Vec::new(),
        }
    }

    #[test]
    fn a_signature_made_anew_for_nothing_is_found() {
        let of = |octet| signed("ns1.iotregistry.example", 1, vec![1, 2, 3, 4], octet).to_vec();
        let mut history = History::begin(of(1)).unwrap();
        history.release_batch(of(1), &[]).unwrap();
        assert!(history.release_batch(of(2), &[]).is_err());
        let twice = [of(1), of(1)].concat();
        assert!(history.release(twice).is_err(), "two signatures");
    }

    #[test]
    fn bounds_that_are_missing_or_early_are_found() {
        let owner = format!("1.{}.{ZONE}", device());
        let nsec = [wire("zz.iotregistry.example"), vec![0, 1, 0x40]].concat();
        let mut records = signed(&owner, TYPE_CERT, vec![7], 1).to_vec();
        records.extend(signed(ZONE, TYPE_NSEC, nsec, 1));
        let history = History::begin(records).unwrap();
        let active = Publication::Active(Fingerprint::of_certificate(b"x"));
        for publication in [Publication::Inactive, Publication::Absent, active] {
            let hold = |told, now| history.hold_bounds(&applied(publication, told), now);
            hold(Some(UNTIL), NOW).unwrap();
            hold(Some(UNTIL + 1), NOW).unwrap();
            hold(None, u64::from(UNTIL)).unwrap();
            assert!(hold(None, NOW).is_err(), "{publication:?}");
            assert!(hold(Some(UNTIL - 1), NOW).is_err(), "{publication:?}");
        }
    }
}
