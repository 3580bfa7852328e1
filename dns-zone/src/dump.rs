//! A version of the zone as records, and as a master file (RFC 1035 §5).

mod owners;

use std::io;

use crate::error::ZoneError;
use crate::fixed::FixedName;
use crate::job::{Job, Name, Says, message};
use crate::position::Key;
use crate::presentation;
use crate::record_type::{TYPE_NSEC, TYPE_RRSIG, TYPE_SOA, mnemonic};
use crate::snapshot::{Next, Snapshot, push_device_wire};
use crate::store::StoreError;
use crate::store::record::RecordView;
use owners::Owners;
pub use owners::{Piece, Unread};

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
        let mut ended = false;
        let whole = move |piece| {
            if ended {
                return None;
            }
            ended = !matches!(piece, Piece::Name { .. });
            Some(match piece {
                Piece::Name { records, .. } => records.into_iter().map(Ok).collect(),
                Piece::Unread(Unread { page, .. }) => vec![Err(ZoneError::Damaged { page })],
                Piece::Lost => vec![Err(StoreError::PageLost.into())],
            })
        };
        self.pieces().map_while(whole).flatten()
    }

    /// The zone as a stream, likewise, a name at a time; it goes around pages that cannot be read.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        Owners::of(self)
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
/// Without NSEC where the next name is not known.
fn fixed_records(
    snapshot: &Snapshot,
    at: usize,
    name: &FixedName,
    next: Option<&Next<'_>>,
) -> Vec<Record> {
    let mut types: Vec<u16> = name.types().collect();
    // Master files begin with the SOA.
    types.sort_by_key(|record_type| *record_type != TYPE_SOA);
    let mut records = Vec::new();
    let stored = types.into_iter().map(|one| (one, Says::Stored(one)));
    let nsec = next.map(|next| {
        let next = next.name(&snapshot.fixed);
        (TYPE_NSEC, Says::FixedNsec { next })
    });
    for (record_type, says) in stored.chain(nsec) {
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
