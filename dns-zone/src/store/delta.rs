//! What a commit did to one name: the record before and after, and how the redo log writes it.
//!
//! The log holds only what changed, old values kept (a transfer of differences sends both): key 18;
//! one octet of bits (1 there was a record, 2 there is one, 4 state, 8 NSEC signature, 16 first
//! signature, 32 TLSA signature changed); then, in this order, for each changed field the old value
//! if there was a record and the new one if there is. A state is a tag (0 active, then the
//! fingerprint; 1 inactive; 2 inactive with a withdrawal, then its time, 4); a signature is a tag
//! (0 none, 1 some), then signed-at 4 and octets 64.

use iot_identity::Fingerprint;

use super::octets::Octets;
use super::page::Key;
use super::record::{State, StoredRecord, StoredSignature};

const WAS: u8 = 1;
const IS: u8 = 2;
const STATE: u8 = 4;
const NSEC: u8 = 8;
const FIRST: u8 = 16;
const TLSA: u8 = 32;
const ALL_FIELDS: u8 = STATE | NSEC | FIRST | TLSA;

/// What a commit does to one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) key: Key,
    pub(crate) before: Option<StoredRecord>,
    pub(crate) after: Option<StoredRecord>,
}

/// A record as the log has it: fields that did not change are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoggedRecord {
    pub(crate) state: Option<State>,
    pub(crate) nsec: Option<Option<StoredSignature>>,
    pub(crate) first: Option<Option<StoredSignature>>,
    pub(crate) tlsa: Option<Option<StoredSignature>>,
}

/// A delta as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedDelta {
    pub(crate) key: Key,
    pub(crate) before: Option<LoggedRecord>,
    pub(crate) after: Option<LoggedRecord>,
}

/// The log says that there was a record, and there is none; or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherHistory;

impl Delta {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let changed = self.changed_fields();
        let mut bits = changed;
        bits |= if self.before.is_some() { WAS } else { 0 };
        bits |= if self.after.is_some() { IS } else { 0 };
        out.extend_from_slice(&self.key);
        out.push(bits);
        let both = [self.before.as_ref(), self.after.as_ref()];
        for (field, put) in FIELDS {
            if changed & field != 0 {
                both.iter().flatten().for_each(|record| put(record, out));
            }
        }
    }

    fn changed_fields(&self) -> u8 {
        let (Some(before), Some(after)) = (&self.before, &self.after) else {
            return ALL_FIELDS;
        };
        let bit = |changed: bool, field: u8| if changed { field } else { 0 };
        bit(before.state != after.state, STATE)
            | bit(before.nsec != after.nsec, NSEC)
            | bit(before.first != after.first, FIRST)
            | bit(before.tlsa != after.tlsa, TLSA)
    }
}

type Put = fn(&StoredRecord, &mut Vec<u8>);

const FIELDS: [(u8, Put); 4] = [
    (STATE, |record, out| put_state(record.state, out)),
    (NSEC, |record, out| put_signature(record.nsec.as_ref(), out)),
    (FIRST, |record, out| {
        put_signature(record.first.as_ref(), out)
    }),
    (TLSA, |record, out| put_signature(record.tlsa.as_ref(), out)),
];

fn put_state(state: State, out: &mut Vec<u8>) {
    match state {
        State::Active(fingerprint) => {
            out.push(0);
            out.extend_from_slice(fingerprint.as_octets());
        }
        State::Inactive {
            withdrawn_until: None,
        } => out.push(1),
        State::Inactive {
            withdrawn_until: Some(until),
        } => {
            out.push(2);
            out.extend_from_slice(&until.to_le_bytes());
        }
    }
}

fn put_signature(signature: Option<&StoredSignature>, out: &mut Vec<u8>) {
    out.push(u8::from(signature.is_some()));
    if let Some(signature) = signature {
        out.extend_from_slice(&signature.signed_at.to_le_bytes());
        out.extend_from_slice(&signature.octets);
    }
}

fn take_state(octets: &mut Octets<'_>) -> Option<State> {
    Some(match octets.u8()? {
        0 => State::Active(Fingerprint::from_octets(octets.array()?)),
        1 => State::Inactive {
            withdrawn_until: None,
        },
        2 => State::Inactive {
            withdrawn_until: Some(octets.u32()?),
        },
        _ => return None,
    })
}

fn take_signature(octets: &mut Octets<'_>) -> Option<Option<StoredSignature>> {
    match octets.u8()? {
        0 => Some(None),
        1 => Some(Some(StoredSignature {
            signed_at: octets.u32()?,
            octets: octets.array()?,
        })),
        _ => None,
    }
}

impl LoggedDelta {
    /// Takes a delta off the front; `None` when it is not as [`Delta::encode`] writes it.
    pub(super) fn decode(octets: &mut Octets<'_>) -> Option<Self> {
        let key = octets.array()?;
        let bits = octets.u8()?;
        let stays = bits & (WAS | IS) == WAS | IS;
        let known = bits & !(WAS | IS | ALL_FIELDS) == 0;
        if !known || (!stays && bits & ALL_FIELDS != ALL_FIELDS) {
            return None;
        }
        let record = |bit: u8| (bits & bit != 0).then(LoggedRecord::default);
        let (mut before, mut after) = (record(WAS), record(IS));
        for field in [STATE, NSEC, FIRST, TLSA] {
            if bits & field != 0 {
                for record in [&mut before, &mut after].into_iter().flatten() {
                    record.take_field(field, octets)?;
                }
            }
        }
        Some(Self { key, before, after })
    }

    /// The record after this delta, given the one before.
    pub(crate) fn after(
        &self,
        before: Option<&StoredRecord>,
    ) -> Result<Option<StoredRecord>, OtherHistory> {
        if before.is_some() != self.before.is_some() {
            return Err(OtherHistory);
        }
        let Some(after) = &self.after else {
            return Ok(None);
        };
        let kept = |field: fn(&StoredRecord) -> Option<StoredSignature>| before.and_then(field);
        Ok(Some(StoredRecord {
            state: after
                .state
                .or(before.map(|record| record.state))
                .ok_or(OtherHistory)?,
            nsec: after.nsec.unwrap_or_else(|| kept(|record| record.nsec)),
            first: after.first.unwrap_or_else(|| kept(|record| record.first)),
            tlsa: after.tlsa.unwrap_or_else(|| kept(|record| record.tlsa)),
        }))
    }
}

impl LoggedRecord {
    fn take_field(&mut self, field: u8, octets: &mut Octets<'_>) -> Option<()> {
        match field {
            STATE => self.state = Some(take_state(octets)?),
            NSEC => self.nsec = Some(take_signature(octets)?),
            FIRST => self.first = Some(take_signature(octets)?),
            _ => self.tlsa = Some(take_signature(octets)?),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{key, record, signature};
    use super::*;

    fn logged(delta: &Delta) -> (LoggedDelta, usize) {
        let mut octets = Vec::new();
        delta.encode(&mut octets);
        let mut rest = Octets::new(&octets);
        let logged = LoggedDelta::decode(&mut rest).unwrap();
        assert!(rest.is_empty());
        for length in 0..octets.len() {
            let mut short = Octets::new(&octets[..length]);
            assert_eq!(LoggedDelta::decode(&mut short), None, "{length}");
        }
        (logged, octets.len())
    }

    #[test]
    fn every_kind_of_change_is_read_back_on_top_of_the_record_before() {
        let samples = (0..60).map(|seed| Some(record(seed))).chain([None]);
        let samples: Vec<_> = samples.collect();
        for before in &samples {
            for after in samples.iter().rev().step_by(3) {
                let delta = Delta {
                    key: key(4),
                    before: before.clone(),
                    after: after.clone(),
                };
                let (logged, _) = logged(&delta);
                assert_eq!(logged.key, delta.key);
                assert_eq!(logged.after(before.as_ref()), Ok(after.clone()));
                let other = before.is_none().then(|| record(1));
                assert_eq!(logged.after(other.as_ref()), Err(OtherHistory));
            }
        }
    }

    #[test]
    fn old_values_are_kept_and_unchanged_ones_are_not_written() {
        let before = record(12);
        let mut after = before.clone();
        after.nsec = signature(100);
        let (logged, octets) = logged(&Delta {
            key: key(1),
            before: Some(before.clone()),
            after: Some(after.clone()),
        });
        assert_eq!(octets, 18 + 1 + 2 * 69);
        let (was, is) = (logged.before.unwrap(), logged.after.unwrap());
        assert_eq!((was.nsec, is.nsec), (Some(before.nsec), Some(after.nsec)));
        assert_eq!((was.state, is.first, is.tlsa), (None, None, None));
    }

    #[test]
    fn bits_that_nobody_writes_are_refused() {
        let mut octets = Vec::new();
        let after = Some(record(2));
        let before = None;
        let key = key(1);
        Delta { key, before, after }.encode(&mut octets);
        for bits in [0x40 | IS | ALL_FIELDS, IS | NSEC, WAS | STATE] {
            octets[18] = bits;
            assert_eq!(LoggedDelta::decode(&mut Octets::new(&octets)), None);
        }
    }
}
