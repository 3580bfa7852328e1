//! Records, deltas and commits for the tests of the store.

use iot_identity::Fingerprint;

use super::delta::Delta;
use super::page::Key;
use super::record::{State, StoredRecord, StoredSignature};
use super::record_of_commit::tests::record as commit_record;
use super::zone_store::Commit;

/// Signing times of samples begin here.
pub(super) const BASE: u32 = 1_800_000_000;

/// A key whose order is that of the number.
pub(super) fn key(number: u64) -> Key {
    let mut key = [0x11; 18];
    key[10..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn signature(seed: u64) -> Option<StoredSignature> {
    let signed_at = BASE + (seed % 1000) as u32;
    (!seed.is_multiple_of(7)).then_some(StoredSignature {
        signed_at,
        octets: [(seed % 251) as u8; 64],
    })
}

/// A record that depends on the seed in every field.
pub(super) fn record(seed: u64) -> StoredRecord {
    let state = match seed % 5 {
        0 => State::Inactive {
            withdrawn_until: None,
        },
        1 => State::Inactive {
            withdrawn_until: Some(BASE + (seed % 100) as u32),
        },
        _ => State::Active(Fingerprint::from_octets([(seed % 253) as u8; 32])),
    };
    let is_active = matches!(state, State::Active(_));
    StoredRecord {
        state,
        nsec: signature(seed / 2),
        first: signature(seed / 3),
        tlsa: signature(seed / 5).filter(|_| is_active),
    }
}

/// A commit of one new name and, in every third version, of new fixed names.
pub(super) fn commit(zone_version: u64) -> Commit {
    let delta = Delta {
        key: key(zone_version),
        before: None,
        after: Some(record(zone_version + 3)),
    };
    let fixed = zone_version.is_multiple_of(3);
    Commit {
        record: commit_record(zone_version),
        deltas: vec![delta],
        fixed: fixed.then(|| zone_version.to_le_bytes().repeat(10)),
    }
}
