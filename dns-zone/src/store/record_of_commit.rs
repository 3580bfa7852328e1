//! The commit record: which version of the zone is durable, and what it contains.
//!
//! 170 octets in every frame of the redo log and in the superblock, numbers little-endian: database
//! id 16, fencing token 8, zone version 8, SOA serial 4, applied 8, released, floor, lost and last
//! signed 4 each, sweep (key 18, lap start 8, names passed 8, names of the lap 8), signature of the
//! SOA record (signed at 4, octets 64). Whoever stores it adds a checksum.

use super::octets::Octets;
use super::page::Key;
use super::record::StoredSignature;

/// Which version of the zone is durable, and what it contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRecord {
    /// The database whose changes these are.
    pub database_id: [u8; 16],
    /// Token of the writer; a writer with a smaller one is an old one.
    pub fencing_token: u64,
    /// Number of the version; the next commit has the next number.
    pub zone_version: u64,
    /// SOA serial of the version.
    pub serial: u32,
    /// Sequence number of the last change in the version.
    pub applied: u64,
    /// Latest expiration of any signature released in this version or before, those over DNSKEY,
    /// CDS and CDNSKEY excepted, in seconds since 1970; 0 when there was none.
    pub released_until: u32,
    /// Until when nothing released before the clock last went back has expired for certain, in
    /// seconds since 1970; 0 when the clock never went back.
    pub floor_until: u32,
    /// Until when signatures of a history that this database does not know may be valid, in seconds
    /// since 1970; 0 when nothing was lost.
    pub lost_until: u32,
    /// When the newest signature of the zone was made, in seconds since 1970.
    pub last_signed_at: u32,
    /// Where re-signing is.
    pub(crate) sweep: Sweep,
    /// Signature of the SOA record, whose serial changes with every version.
    pub(crate) soa: StoredSignature,
}

/// Where the hand that re-signs the zone in key order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// The next name.
    pub(crate) key: Key,
    /// When this lap began, in seconds since 1970.
    pub(crate) lap_started_at: u64,
    /// Names of this lap that the hand has passed.
    pub(crate) names_passed: u64,
    /// Names of this lap in all.
    pub(crate) lap_names: u64,
}

impl CommitRecord {
    /// Appends the record.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.database_id);
        out.extend_from_slice(&self.fencing_token.to_le_bytes());
        out.extend_from_slice(&self.zone_version.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.applied.to_le_bytes());
        out.extend_from_slice(&self.released_until.to_le_bytes());
        out.extend_from_slice(&self.floor_until.to_le_bytes());
        out.extend_from_slice(&self.lost_until.to_le_bytes());
        out.extend_from_slice(&self.last_signed_at.to_le_bytes());
        out.extend_from_slice(&self.sweep.key);
        out.extend_from_slice(&self.sweep.lap_started_at.to_le_bytes());
        out.extend_from_slice(&self.sweep.names_passed.to_le_bytes());
        out.extend_from_slice(&self.sweep.lap_names.to_le_bytes());
        out.extend_from_slice(&self.soa.signed_at.to_le_bytes());
        out.extend_from_slice(&self.soa.octets);
    }

    /// Takes a record off the front; `None` when the octets end within it.
    pub(super) fn decode(octets: &mut Octets<'_>) -> Option<Self> {
        Some(Self {
            database_id: octets.array()?,
            fencing_token: octets.u64()?,
            zone_version: octets.u64()?,
            serial: octets.u32()?,
            applied: octets.u64()?,
            released_until: octets.u32()?,
            floor_until: octets.u32()?,
            lost_until: octets.u32()?,
            last_signed_at: octets.u32()?,
            sweep: Sweep {
                key: octets.array()?,
                lap_started_at: octets.u64()?,
                names_passed: octets.u64()?,
                lap_names: octets.u64()?,
            },
            soa: StoredSignature {
                signed_at: octets.u32()?,
                octets: octets.array()?,
            },
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record whose fields all differ.
    pub(in crate::store) fn record(zone_version: u64) -> CommitRecord {
        CommitRecord {
            database_id: *b"0123456789abcdef",
            fencing_token: 3,
            zone_version,
            serial: zone_version as u32 ^ 0xfedc_0000,
            applied: zone_version + 77,
            released_until: 0x8000_0001,
            floor_until: 5,
            lost_until: 6,
            last_signed_at: 1_800_000_000,
            sweep: Sweep {
                key: *b"the next name of a",
                lap_started_at: 8,
                names_passed: 9,
                lap_names: 10,
            },
            soa: StoredSignature {
                signed_at: 11,
                octets: [12; 64],
            },
        }
    }

    #[test]
    fn a_record_is_read_back_and_a_short_one_is_none() {
        let mut octets = Vec::new();
        record(u64::MAX - 77).encode(&mut octets);
        assert_eq!(octets.len(), 170);
        let mut whole = Octets::new(&octets);
        assert_eq!(
            CommitRecord::decode(&mut whole),
            Some(record(u64::MAX - 77))
        );
        assert!(whole.is_empty());
        for length in 0..octets.len() {
            assert_eq!(
                CommitRecord::decode(&mut Octets::new(&octets[..length])),
                None
            );
        }
    }
}
