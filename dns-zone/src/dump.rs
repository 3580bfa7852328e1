//! A version of the zone as records, and as a master file (RFC 1035 §5).

use std::io;

use crate::error::ZoneError;
use crate::fixed::FixedName;
use crate::job::{Job, Name, Says, message};
use crate::position::Key;
use crate::presentation;
use crate::record_type::{TYPE_NSEC, TYPE_RRSIG, TYPE_SOA, mnemonic};
use crate::snapshot::{Next, Snapshot, earlier, push_device_wire};
use crate::store::record::RecordView;
use crate::store::tree::Walk;
use crate::store::{Damaged, StoreError};

/// A record on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner name as uncompressed lower-case wire octets.
    pub owner: Vec<u8>,
    /// RR type number.
    pub record_type: u16,
    /// TTL.
    pub ttl_secs: u32,
    /// RDATA octets, names uncompressed.
    pub rdata: Vec<u8>,
}

impl Snapshot {
    /// Every record of the zone as a stream, names in canonical order, at the apex the SOA first,
    /// each RRset followed by its RRSIG. It ends after a page that cannot be read.
    pub fn records(&self) -> impl Iterator<Item = Result<Record, ZoneError>> + '_ {
        let owners = Owners {
            snapshot: self,
            devices: self.tree().walk(None),
            device: None,
            fixed: 0,
            ended: false,
            begun: false,
            lost: self.version.mapping.lost(),
        };
        owners.flat_map(|records| match records {
            Ok(records) => records.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }
}

/// The owners of the zone in canonical order, each as its records.
struct Owners<'a> {
    snapshot: &'a Snapshot,
    devices: Walk<'a>,
    /// The next device.
    device: Option<RecordView<'a>>,
    /// Place of the next fixed name.
    fixed: usize,
    begun: bool,
    ended: bool,
    /// Pages lost before it began.
    lost: u64,
}

impl Iterator for Owners<'_> {
    type Item = Result<Vec<Record>, ZoneError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut step = self.step().map_err(ZoneError::from).transpose();
        if self.snapshot.version.mapping.has_lost_since(self.lost) {
            step = Some(Err(StoreError::PageLost.into()));
        }
        self.ended = !matches!(step, Some(Ok(_)));
        step
    }
}

impl Owners<'_> {
    fn step(&mut self) -> Result<Option<Vec<Record>>, Damaged> {
        if !self.begun {
            self.begun = true;
            self.device = self.devices.next().transpose()?;
        }
        let names = &self.snapshot.fixed;
        let fixed = names.names().get(self.fixed);
        let device_first = match (&self.device, fixed) {
            (Some(device), Some(name)) => *device.key() <= name.position.key,
            (device, _) => device.is_some(),
        };
        if device_first && let Some(device) = self.device {
            self.device = self.devices.next().transpose()?;
            let following = self.device.map(|record| *record.key());
            let next = earlier(names, fixed.map(|_| self.fixed), following);
            return Ok(Some(device_records(self.snapshot, &device, &next)));
        }
        let Some(name) = fixed else { return Ok(None) };
        let at = self.fixed;
        self.fixed += 1;
        let following = (self.fixed < names.names().len()).then_some(self.fixed);
        let device = self.device.map(|record| *record.key());
        let next = earlier(names, following, device);
        Ok(Some(fixed_records(self.snapshot, at, name, &next)))
    }
}

/// The records of a device, its NSEC last.
fn device_records(snapshot: &Snapshot, device: &RecordView<'_>, next: &Next<'_>) -> Vec<Record> {
    let mut records = Vec::with_capacity(6);
    for (job, signed) in device_rrsets(device, next.name(&snapshot.fixed)) {
        push_rrset(snapshot, &job, signed, &mut records);
    }
    records
}

/// What a device's RRsets say, with time and octets of their signatures.
pub(crate) fn device_rrsets<'a>(
    device: &RecordView<'a>,
    next: Name,
) -> impl Iterator<Item = (Job, Option<(u32, &'a [u8; 64])>)> + use<'a> {
    let active = device.is_active();
    let fingerprint = iot_identity::Fingerprint::from_octets(*device.fingerprint());
    let owner = Name::Device(*device.key());
    let first = if active {
        Says::Cert(fingerprint)
    } else {
        Says::Text
    };
    let tlsa = active.then(|| (Says::Tlsa(fingerprint), device.tlsa()));
    let nsec = Says::DeviceNsec { active, next };
    let rrsets = [(first, device.first())].into_iter().chain(tlsa);
    let rrsets = rrsets.chain([(nsec, device.nsec())]);
    rrsets.map(move |(says, signature)| (Job { owner, says }, signature))
}

/// The records of a fixed name, at the apex the SOA first, NSEC last.
fn fixed_records(snapshot: &Snapshot, at: usize, name: &FixedName, next: &Next<'_>) -> Vec<Record> {
    let mut types: Vec<u16> = name.types().collect();
    // Master files begin with the SOA.
    types.sort_by_key(|record_type| *record_type != TYPE_SOA);
    let mut records = Vec::new();
    for record_type in types.into_iter().chain([TYPE_NSEC]) {
        let says = if record_type == TYPE_NSEC {
            let next = next.name(&snapshot.fixed);
            Says::FixedNsec { next }
        } else {
            Says::Stored(record_type)
        };
        let owner = Name::Fixed(at);
        let signature = name.signature(record_type);
        let signature = signature.map(|signature| (signature.signed_at, &signature.octets));
        push_rrset(snapshot, &Job { owner, says }, signature, &mut records);
    }
    records
}

/// Appends an RRset and its RRSIG, both as they are in the octets that were signed: that is one
/// making of records less that could differ from the others.
fn push_rrset(
    snapshot: &Snapshot,
    job: &Job,
    signature: Option<(u32, &[u8; 64])>,
    records: &mut Vec<Record>,
) {
    let (shape, fixed) = (&snapshot.shape, &snapshot.fixed);
    let signed_at = signature.map_or(0, |(signed_at, _)| signed_at);
    let mut signed = Vec::new();
    if !message(shape, fixed, job, signed_at, &mut signed) {
        return;
    }
    let prefix_octets = crate::rrsig::Fields::FIXED_OCTETS + shape.apex.wire().len();
    let (prefix, mut rest) = signed.split_at(prefix_octets);
    let owner = owner_wire(snapshot, job.owner);
    let ttl_secs = u32::from_be_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
    let mut push = |record_type, rdata| {
        records.push(Record {
            owner: owner.clone(),
            record_type,
            ttl_secs,
            rdata,
        });
    };
    while let Some(fields) = rest.get(owner.len()..owner.len() + 10) {
        let length = usize::from(u16::from_be_bytes([fields[8], fields[9]]));
        let from = owner.len() + 10;
        push(job.record_type(), rest[from..from + length].to_vec());
        rest = &rest[from + length..];
    }
    if let Some((_, octets)) = signature {
        push(TYPE_RRSIG, [prefix, octets].concat());
    }
}

fn owner_wire(snapshot: &Snapshot, owner: Name) -> Vec<u8> {
    match owner {
        Name::Fixed(at) => snapshot.fixed.names()[at].key.wire(snapshot.apex()),
        Name::Device(key) => device_wire(snapshot, &key),
    }
}

fn device_wire(snapshot: &Snapshot, key: &Key) -> Vec<u8> {
    let mut wire = Vec::new();
    push_device_wire(key, snapshot.apex(), &mut wire);
    wire
}

/// Writes a version of the zone as a master file with absolute names, one record a line, as a
/// stream.
///
/// # Errors
/// Those of `out`, and a page of the store that cannot be read: what was written is no whole zone
/// then.
pub fn dump(snapshot: &Snapshot, out: &mut dyn io::Write) -> io::Result<()> {
    for record in snapshot.records() {
        let record = record.map_err(io::Error::other)?;
        writeln!(
            out,
            "{}\t{}\tIN\t{}\t{}",
            presentation::name(&record.owner),
            record.ttl_secs,
            mnemonic(record.record_type),
            presentation::rdata(record.record_type, &record.rdata)
        )?;
    }
    Ok(())
}
