//! One commit in the redo log: whole, or the tail of the log ends before it.
//!
//! | octets | field |
//! |---|---|
//! | 0..4 | magic `IRDO` |
//! | 4..8 | octets after the head |
//! | 8..12 | CRC32C of the store's id, of the head with these four octets zero, and of what follows |
//! | 12..16 | count of deltas |
//! | 16..24 | zone version |
//! | 24..194 | commit record |
//! | 194..198 | octets of the fixed names; all ones: they did not change |
//! | 198.. | fixed names, then the deltas in ascending order of keys |
//!
//! Numbers are little-endian. The next frame begins at the next multiple of eight octets; the
//! octets between are zero and are written with the frame.

use super::delta::{Delta, LoggedDelta};
use super::octets::Octets;
use super::record_of_commit::CommitRecord;
use super::zone_store::Commit;

const MAGIC: [u8; 4] = *b"IRDO";
const HEAD_OCTETS: usize = 24;
const FIXED_UNCHANGED: u32 = u32::MAX;
/// A frame begins at a multiple of this.
pub(super) const ALIGNMENT: usize = 8;
/// Largest frame after its head.
const MAX_PAYLOAD_OCTETS: usize = 256 << 20;
/// Most octets of fixed names: a few dozen names.
pub(super) const MAX_FIXED_OCTETS: usize = 1 << 20;
/// Most names in one commit.
pub(crate) const MAX_DELTAS: usize = 1 << 18;

/// A commit cannot be written as one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// A commit as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) record: CommitRecord,
    pub(crate) fixed: Option<Vec<u8>>,
    pub(crate) deltas: Vec<LoggedDelta>,
}

/// Where a whole frame lies, before its content is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WholeFrame<'a> {
    pub(super) zone_version: u64,
    /// Octets up to the next frame.
    pub(super) octets: usize,
    deltas: u32,
    payload: &'a [u8],
}

fn checksum(store_id: &[u8; 16], parts: &[&[u8]]) -> u32 {
    let of_id = crc32c::crc32c(store_id);
    let append = |so_far, part: &&[u8]| crc32c::crc32c_append(so_far, part);
    parts.iter().fold(of_id, append)
}

/// Encodes a commit, padded to the alignment.
pub(super) fn encode(store_id: &[u8; 16], commit: &Commit) -> Result<Vec<u8>, TooLarge> {
    let fixed = commit.fixed.as_deref();
    let fits = commit.deltas.len() <= MAX_DELTAS
        && fixed.is_none_or(|fixed| fixed.len() <= MAX_FIXED_OCTETS);
    if !fits {
        return Err(TooLarge);
    }
    let mut out = vec![0; HEAD_OCTETS];
    commit.record.encode(&mut out);
    let fixed_octets = fixed.map_or(FIXED_UNCHANGED, |fixed| fixed.len() as u32);
    out.extend_from_slice(&fixed_octets.to_le_bytes());
    out.extend_from_slice(fixed.unwrap_or_default());
    for delta in &commit.deltas {
        delta.encode(&mut out);
    }
    let payload_octets = out.len() - HEAD_OCTETS;
    if payload_octets > MAX_PAYLOAD_OCTETS {
        return Err(TooLarge);
    }
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&(payload_octets as u32).to_le_bytes());
    out[12..16].copy_from_slice(&(commit.deltas.len() as u32).to_le_bytes());
    out[16..24].copy_from_slice(&commit.record.zone_version.to_le_bytes());
    let checksum = checksum(store_id, &[&out]);
    out[8..12].copy_from_slice(&checksum.to_le_bytes());
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    Ok(out)
}

/// Finds the frame at the front of the octets; `None` unless it is whole and of this store.
pub(super) fn whole<'a>(store_id: &[u8; 16], octets: &'a [u8]) -> Option<WholeFrame<'a>> {
    let (head, rest) = octets.split_first_chunk::<HEAD_OCTETS>()?;
    let mut fields = Octets::new(head);
    if fields.array()? != MAGIC {
        return None;
    }
    let payload_octets = usize::try_from(fields.u32()?).ok()?;
    let checksum = fields.u32()?;
    let deltas = fields.u32()?;
    let zone_version = fields.u64()?;
    if payload_octets > MAX_PAYLOAD_OCTETS {
        return None;
    }
    let payload = rest.get(..payload_octets)?;
    let mut unsummed = *head;
    unsummed[8..12].fill(0);
    (self::checksum(store_id, &[&unsummed, payload]) == checksum).then_some(WholeFrame {
        zone_version,
        octets: (HEAD_OCTETS + payload_octets).next_multiple_of(ALIGNMENT),
        deltas,
        payload,
    })
}

impl WholeFrame<'_> {
    /// Reads the commit; `None` when the content is not as [`encode`] writes it.
    pub(super) fn decode(&self) -> Option<Frame> {
        let mut octets = Octets::new(self.payload);
        let record = self.record_of(&mut octets)?;
        let fixed = match octets.u32()? {
            FIXED_UNCHANGED => None,
            length => {
                let length = usize::try_from(length).ok()?;
                (length <= MAX_FIXED_OCTETS).then_some(())?;
                Some(octets.slice(length)?.to_vec())
            }
        };
        let count = usize::try_from(self.deltas).ok()?;
        (count <= MAX_DELTAS).then_some(())?;
        let mut deltas = Vec::<LoggedDelta>::with_capacity(count);
        for _ in 0..count {
            let delta = LoggedDelta::decode(&mut octets)?;
            if deltas.last().is_some_and(|last| last.key >= delta.key) {
                return None;
            }
            deltas.push(delta);
        }
        octets.is_empty().then_some(Frame {
            record,
            fixed,
            deltas,
        })
    }

    /// Reads the commit record alone.
    pub(super) fn record(&self) -> Option<CommitRecord> {
        self.record_of(&mut Octets::new(self.payload))
    }

    fn record_of(&self, octets: &mut Octets<'_>) -> Option<CommitRecord> {
        CommitRecord::decode(octets).filter(|record| record.zone_version == self.zone_version)
    }
}

/// Whether the keys ascend without repetition.
pub(super) fn keys_ascend(deltas: &[Delta]) -> bool {
    deltas.is_sorted_by(|one, next| one.key < next.key)
}

/// Whether the octets begin as a frame does; cheap.
pub(super) fn may_begin(octets: &[u8]) -> bool {
    octets.starts_with(&MAGIC)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{commit, key, record};
    use super::*;

    const ID: [u8; 16] = *b"id of this store";

    #[test]
    fn frame_is_read_back_whole_and_is_aligned() {
        for zone_version in 1..9 {
            let octets = encode(&ID, &commit(zone_version)).unwrap();
            assert_eq!(octets.len() % ALIGNMENT, 0);
            let found = whole(&ID, &octets).unwrap();
            assert_eq!(
                (found.octets, found.zone_version),
                (octets.len(), zone_version)
            );
            let frame = found.decode().unwrap();
            assert_eq!(frame.record, commit(zone_version).record);
            assert_eq!(found.record().unwrap(), frame.record);
            assert_eq!(frame.fixed, commit(zone_version).fixed);
            let after = frame.deltas[0].after(None).unwrap();
            assert_eq!(after, commit(zone_version).deltas[0].after);
        }
    }

    #[test]
    fn frame_torn_at_any_octet_or_with_any_bit_flipped_is_not_whole() {
        let octets = encode(&ID, &commit(3)).unwrap();
        let padding = 7;
        for length in 0..octets.len() - padding {
            assert_eq!(whole(&ID, &octets[..length]), None, "{length}");
            let mut torn = octets.clone();
            torn[length..].fill(0);
            let intact = torn == octets;
            assert_eq!(whole(&ID, &torn).is_some(), intact, "{length}");
        }
        let end = HEAD_OCTETS + whole(&ID, &octets).unwrap().payload.len();
        for bit in 0..end * 8 {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(whole(&ID, &flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn frame_of_another_store_is_none() {
        let octets = encode(&ID, &commit(3)).unwrap();
        assert_eq!(whole(b"id of that store", &octets), None);
    }

    #[test]
    fn length_that_reaches_beyond_the_octets_is_no_frame() {
        for length in [u32::MAX, MAX_PAYLOAD_OCTETS as u32 + 1, 4096] {
            let mut octets = encode(&ID, &commit(3)).unwrap();
            octets[4..8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(whole(&ID, &octets), None);
        }
    }

    #[test]
    fn commit_beyond_the_maxima_is_refused() {
        let mut large = commit(1);
        large.fixed = Some(vec![0; MAX_FIXED_OCTETS + 1]);
        assert_eq!(encode(&ID, &large), Err(TooLarge));
        let mut large = commit(1);
        large.deltas = vec![large.deltas[0].clone(); MAX_DELTAS + 1];
        assert_eq!(encode(&ID, &large), Err(TooLarge));
    }

    #[test]
    fn whole_frame_whose_keys_do_not_ascend_is_not_decoded() {
        let mut unsorted = commit(1);
        for number in [9, 9] {
            unsorted.deltas.push(Delta {
                key: key(number),
                before: None,
                after: Some(record(number)),
            });
        }
        assert!(!keys_ascend(&unsorted.deltas));
        let octets = encode(&ID, &unsorted).unwrap();
        assert_eq!(whole(&ID, &octets).unwrap().decode(), None);
    }
}
