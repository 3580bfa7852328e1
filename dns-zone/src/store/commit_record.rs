//! The commit record: 512 octets that say which version of the zone is durable.
//!
//! | octets | field |
//! |---|---|
//! | 0..8 | magic `iotzone1` |
//! | 8..24 | database id |
//! | 24..32 | fencing token |
//! | 32..40 | zone version |
//! | 40..44 | SOA serial |
//! | 44..52 | applied sequence number |
//! | 52..56 | latest expiration of any signature released |
//! | 56..88 | SHA-256 of the octets before |
//! | 88..512 | zero |
//!
//! Numbers are big-endian. A disk writes a sector of 512 octets whole or torn; the checksum tells.

use ring::digest;

const MAGIC: &[u8; 8] = b"iotzone1";
const CHECKED_OCTETS: usize = 56;
const DIGEST_END: usize = CHECKED_OCTETS + 32;

/// Which version of the zone is durable, and what it contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitRecord {
    /// The database whose changes these are.
    pub database_id: [u8; 16],
    /// Token of the writer; a writer with a smaller one is an old one.
    pub fencing_token: u64,
    /// Number of the version.
    pub zone_version: u64,
    /// SOA serial of the version.
    pub serial: u32,
    /// Sequence number of the last change in the version.
    pub applied: u64,
    /// Latest expiration of any signature released in this version or before, those over DNSKEY,
    /// CDS and CDNSKEY excepted; 0 when there was none.
    pub released_until: u32,
}

impl CommitRecord {
    /// Octets of a record in the file.
    pub(crate) const OCTETS: usize = 512;

    pub(crate) fn encode(&self) -> [u8; Self::OCTETS] {
        let mut octets = [0; Self::OCTETS];
        octets[..8].copy_from_slice(MAGIC);
        octets[8..24].copy_from_slice(&self.database_id);
        octets[24..32].copy_from_slice(&self.fencing_token.to_be_bytes());
        octets[32..40].copy_from_slice(&self.zone_version.to_be_bytes());
        octets[40..44].copy_from_slice(&self.serial.to_be_bytes());
        octets[44..52].copy_from_slice(&self.applied.to_be_bytes());
        octets[52..56].copy_from_slice(&self.released_until.to_be_bytes());
        let digest = digest::digest(&digest::SHA256, &octets[..CHECKED_OCTETS]);
        octets[CHECKED_OCTETS..DIGEST_END].copy_from_slice(digest.as_ref());
        octets
    }

    /// Reads a record; `None` unless it is whole.
    pub(crate) fn decode(octets: &[u8; Self::OCTETS]) -> Option<Self> {
        let digest = digest::digest(&digest::SHA256, &octets[..CHECKED_OCTETS]);
        let whole = octets.starts_with(MAGIC)
            && octets[CHECKED_OCTETS..DIGEST_END] == *digest.as_ref()
            && octets[DIGEST_END..].iter().all(|octet| *octet == 0);
        if !whole {
            return None;
        }
        let number = |at: usize| Some(u64::from_be_bytes(octets[at..at + 8].try_into().ok()?));
        Some(Self {
            database_id: octets[8..24].try_into().ok()?,
            fencing_token: number(24)?,
            zone_version: number(32)?,
            serial: u32::from_be_bytes(octets[40..44].try_into().ok()?),
            applied: number(44)?,
            released_until: u32::from_be_bytes(octets[52..56].try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_any_flipped_bit_is_seen() {
        let record = CommitRecord {
            database_id: *b"0123456789abcdef",
            fencing_token: 3,
            zone_version: u64::MAX,
            serial: 0xfedc_ba98,
            applied: 77,
            released_until: 0x8000_0001,
        };
        let octets = record.encode();
        assert_eq!(CommitRecord::decode(&octets), Some(record));
        for bit in 0..CommitRecord::OCTETS * 8 {
            let mut torn = octets;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(CommitRecord::decode(&torn), None, "bit {bit}");
        }
        assert_eq!(CommitRecord::decode(&[0; CommitRecord::OCTETS]), None);
    }
}
