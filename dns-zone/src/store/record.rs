//! One device in a page: key, state, and up to three signatures with their times.
//!
//! ```text
//! 0..18     key
//! 18..24    3 ticks of 16 bits: NSEC, CERT (or TXT), TLSA
//! 24..56    fingerprint; when inactive, withdrawn_until in the first four octets
//! 56..248   3 signatures of 64 octets, in the order of the ticks
//! ```
//!
//! A tick of 0 says that there is no signature; otherwise it was made at `base + tick × unit`, where
//! the base is the block's. The third tick of an inactive device is 0xFFFF.

use iot_identity::Fingerprint;

use super::page::{KEY_OCTETS, Key, array};

/// Octets of a record.
pub(crate) const RECORD_OCTETS: usize = 248;

/// The octets of one record.
pub(crate) type RecordOctets = [u8; RECORD_OCTETS];

/// Octets of an ECDSA P-256 signature (RFC 6605, section 4).
pub(crate) const SIGNATURE_OCTETS: usize = 64;

const TICKS_AT: usize = KEY_OCTETS;
const FINGERPRINT_AT: usize = TICKS_AT + 3 * 2;
const SIGNATURES_AT: usize = FINGERPRINT_AT + Fingerprint::OCTETS;

const NSEC: usize = 0;
const FIRST: usize = 1;
const TLSA: usize = 2;

/// Third tick of an inactive device.
const INACTIVE: u16 = 0xFFFF;
/// Largest tick that is a time.
const LAST_TICK: u16 = 0xFFFE;

/// What the zone holds of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    /// What is published.
    pub(crate) state: State,
    /// Signature over the NSEC record; `None` must be signed.
    pub(crate) nsec: Option<StoredSignature>,
    /// Signature over CERT, or over TXT when inactive.
    pub(crate) first: Option<StoredSignature>,
    /// Signature over TLSA; an inactive device has none, and what is given is not kept.
    pub(crate) tlsa: Option<StoredSignature>,
}

/// What is published of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// CERT and TLSA with this fingerprint.
    Active(Fingerprint),
    /// TXT only.
    Inactive {
        /// Until when caches may hold the withdrawn records, seconds since 1970; `Some(0)` is not
        /// kept apart from `None`.
        withdrawn_until: Option<u32>,
    },
}

/// A signature and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredSignature {
    /// Seconds since 1970, a multiple of the store's time unit (else it is rounded down).
    pub(crate) signed_at: u32,
    /// r and s.
    pub(crate) octets: [u8; SIGNATURE_OCTETS],
}

/// A record inside a page; everything is read on demand, nothing copied.
#[derive(Clone, Copy)]
pub(crate) struct RecordView<'a> {
    octets: &'a RecordOctets,
    base_secs: u32,
    unit_secs: u32,
}

impl<'a> RecordView<'a> {
    /// A record whose block has this base.
    #[inline]
    pub(crate) fn new(octets: &'a RecordOctets, base_secs: u32, unit_secs: u32) -> Self {
        Self {
            octets,
            base_secs,
            unit_secs,
        }
    }

    /// The device.
    #[inline]
    pub(crate) fn key(&self) -> &'a Key {
        key_of(self.octets)
    }

    /// Whether CERT and TLSA are published; else TXT is.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.tick(TLSA) != INACTIVE
    }

    /// SHA-256 of the certificate's key; of no meaning when inactive.
    #[inline]
    pub(crate) fn fingerprint(&self) -> &'a [u8; Fingerprint::OCTETS] {
        array(self.octets, FINGERPRINT_AT)
    }

    /// Until when caches may hold what was withdrawn; `None` too when active.
    #[inline]
    pub(crate) fn withdrawn_until(&self) -> Option<u32> {
        if self.is_active() {
            return None;
        }
        match u32::from_le_bytes(*array(self.octets, FINGERPRINT_AT)) {
            0 => None,
            until => Some(until),
        }
    }

    /// When the NSEC record was signed, and the signature.
    #[inline]
    pub(crate) fn nsec(&self) -> Option<(u32, &'a [u8; SIGNATURE_OCTETS])> {
        self.signature(NSEC)
    }

    /// When CERT (or TXT when inactive) was signed, and the signature.
    #[inline]
    pub(crate) fn first(&self) -> Option<(u32, &'a [u8; SIGNATURE_OCTETS])> {
        self.signature(FIRST)
    }

    /// When TLSA was signed, and the signature; `None` when inactive.
    #[inline]
    pub(crate) fn tlsa(&self) -> Option<(u32, &'a [u8; SIGNATURE_OCTETS])> {
        if self.is_active() {
            self.signature(TLSA)
        } else {
            None
        }
    }

    /// A copy that outlives the page.
    pub(crate) fn to_stored(self) -> StoredRecord {
        let state = if self.is_active() {
            State::Active(Fingerprint::from_octets(*self.fingerprint()))
        } else {
            State::Inactive {
                withdrawn_until: self.withdrawn_until(),
            }
        };
        StoredRecord {
            state,
            nsec: self.nsec().map(stored),
            first: self.first().map(stored),
            tlsa: self.tlsa().map(stored),
        }
    }

    /// When the signatures were made, 0 where there is none.
    pub(crate) fn times(&self) -> [u32; 3] {
        [self.nsec(), self.first(), self.tlsa()].map(|signature| signature.map_or(0, |(at, _)| at))
    }

    #[inline]
    fn tick(&self, which: usize) -> u16 {
        u16::from_le_bytes(*array(self.octets, TICKS_AT + 2 * which))
    }

    #[inline]
    fn signature(&self, which: usize) -> Option<(u32, &'a [u8; SIGNATURE_OCTETS])> {
        let tick = self.tick(which);
        if tick == 0 {
            return None;
        }
        let signed_at = self
            .base_secs
            .saturating_add(u32::from(tick).saturating_mul(self.unit_secs));
        let octets = array(self.octets, SIGNATURES_AT + which * SIGNATURE_OCTETS);
        Some((signed_at, octets))
    }
}

fn stored((signed_at, octets): (u32, &[u8; SIGNATURE_OCTETS])) -> StoredSignature {
    StoredSignature {
        signed_at,
        octets: *octets,
    }
}

/// The key of a record.
#[inline]
pub(crate) fn key_of(octets: &RecordOctets) -> &Key {
    array(octets, 0)
}

/// When the signatures of a record were made, 0 where there is none.
pub(crate) fn stored_times(record: &StoredRecord) -> [u32; 3] {
    let tlsa = match record.state {
        State::Active(_) => record.tlsa.as_ref(),
        State::Inactive { .. } => None,
    };
    [record.nsec.as_ref(), record.first.as_ref(), tlsa]
        .map(|signature| signature.map_or(0, |signature| signature.signed_at))
}

/// Time base from which as many as possible of these times can be told, the newest first; a multiple
/// of the unit. 0 stands for no time.
pub(crate) fn base_of(times: impl Iterator<Item = u32>, unit_secs: u32) -> u32 {
    let (mut oldest, mut newest) = (u32::MAX, 0);
    for time in times.filter(|time| *time != 0) {
        oldest = oldest.min(time);
        newest = newest.max(time);
    }
    if newest == 0 {
        return 0;
    }
    let (oldest_units, newest_units) = (oldest / unit_secs, newest / unit_secs);
    let base_units = oldest_units
        .saturating_sub(1)
        .max(newest_units.saturating_sub(u32::from(LAST_TICK)));
    base_units * unit_secs
}

/// Tick of a time against a base; 0 when it is not after the base, and so cannot be told.
fn tick_of(time: u32, base_secs: u32, unit_secs: u32) -> u16 {
    let units = time.saturating_sub(base_secs) / unit_secs;
    u16::try_from(units).unwrap_or(LAST_TICK).min(LAST_TICK)
}

/// Writes a record into its place in a page.
pub(crate) fn encode(
    out: &mut RecordOctets,
    key: &Key,
    record: &StoredRecord,
    base_secs: u32,
    unit_secs: u32,
) {
    out.fill(0);
    out[..KEY_OCTETS].copy_from_slice(key);
    match record.state {
        State::Active(fingerprint) => {
            out[FINGERPRINT_AT..SIGNATURES_AT].copy_from_slice(fingerprint.as_octets());
        }
        State::Inactive { withdrawn_until } => {
            let until = withdrawn_until.unwrap_or(0).to_le_bytes();
            out[FINGERPRINT_AT..FINGERPRINT_AT + 4].copy_from_slice(&until);
        }
    }
    let signatures = [&record.nsec, &record.first, &record.tlsa];
    for (which, signature) in signatures.into_iter().enumerate() {
        if let Some(signature) = signature {
            let at = SIGNATURES_AT + which * SIGNATURE_OCTETS;
            out[at..at + SIGNATURE_OCTETS].copy_from_slice(&signature.octets);
        }
    }
    let inactive = matches!(record.state, State::Inactive { .. });
    set_times(out, stored_times(record), inactive, base_secs, unit_secs);
}

/// Copies a record from another page, against another base.
pub(crate) fn encode_copy(out: &mut RecordOctets, record: RecordView<'_>, base_secs: u32) {
    out.copy_from_slice(record.octets);
    if record.base_secs != base_secs {
        let inactive = !record.is_active();
        set_times(out, record.times(), inactive, base_secs, record.unit_secs);
    }
}

/// Writes the ticks, and clears signatures that have none.
fn set_times(
    out: &mut RecordOctets,
    times: [u32; 3],
    inactive: bool,
    base_secs: u32,
    unit_secs: u32,
) {
    for (which, time) in times.into_iter().enumerate() {
        let tick = tick_of(time, base_secs, unit_secs);
        if tick == 0 {
            let at = SIGNATURES_AT + which * SIGNATURE_OCTETS;
            out[at..at + SIGNATURE_OCTETS].fill(0);
        }
        let tick = if inactive && which == TLSA {
            INACTIVE
        } else {
            tick
        };
        let at = TICKS_AT + 2 * which;
        out[at..at + 2].copy_from_slice(&tick.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u32 = 1_800_000_000;

    fn signature(signed_at: u32) -> Option<StoredSignature> {
        Some(StoredSignature {
            signed_at,
            octets: [signed_at as u8 | 1; SIGNATURE_OCTETS],
        })
    }

    fn active() -> StoredRecord {
        StoredRecord {
            state: State::Active(Fingerprint::from_octets([9; 32])),
            nsec: signature(BASE + 16),
            first: None,
            tlsa: signature(BASE + 48),
        }
    }

    fn read_back(record: &StoredRecord, base_secs: u32, unit_secs: u32) -> StoredRecord {
        let mut octets = [0xAA; RECORD_OCTETS];
        encode(&mut octets, &[7; 18], record, base_secs, unit_secs);
        let view = RecordView::new(&octets, base_secs, unit_secs);
        assert_eq!(view.key(), &[7; 18]);
        view.to_stored()
    }

    #[test]
    fn active_record_reads_back_with_both_units() {
        assert_eq!(read_back(&active(), BASE, 1), active());
        assert_eq!(read_back(&active(), BASE, 16), active());
    }

    #[test]
    fn inactive_record_keeps_until_when_it_was_visible_and_has_no_tlsa() {
        for withdrawn_until in [None, Some(BASE + 5)] {
            let mut record = StoredRecord {
                state: State::Inactive { withdrawn_until },
                nsec: None,
                first: signature(BASE + 1),
                tlsa: None,
            };
            assert_eq!(read_back(&record, BASE, 1), record);
            record.tlsa = signature(BASE + 2);
            let read = read_back(&record, BASE, 1);
            assert_eq!(read.tlsa, None);
        }
    }

    #[test]
    fn copy_against_another_base_tells_the_same_times() {
        let mut octets = [0; RECORD_OCTETS];
        encode(&mut octets, &[7; 18], &active(), BASE, 16);
        let mut copy = [0; RECORD_OCTETS];
        encode_copy(&mut copy, RecordView::new(&octets, BASE, 16), BASE - 1600);
        assert_eq!(
            RecordView::new(&copy, BASE - 1600, 16).to_stored(),
            active()
        );
    }

    #[test]
    fn signature_too_old_for_its_block_becomes_none() {
        let newest = BASE + 65_534;
        let times = [BASE, BASE + 1, newest];
        let base = base_of(times.into_iter(), 1);
        assert_eq!(base, BASE);
        let mut record = active();
        record.nsec = signature(BASE);
        record.first = signature(BASE + 1);
        record.tlsa = signature(newest);
        let read = read_back(&record, base, 1);
        assert_eq!(read.nsec, None);
        assert_eq!(read.first, record.first);
        assert_eq!(read.tlsa, record.tlsa);
    }

    #[test]
    fn base_is_below_the_oldest_that_fits() {
        assert_eq!(base_of([0, 0].into_iter(), 1), 0);
        assert_eq!(base_of([BASE].into_iter(), 1), BASE - 1);
        assert_eq!(base_of([BASE, 0, BASE + 160].into_iter(), 16), BASE - 16);
        assert_eq!(base_of([5].into_iter(), 16), 0);
    }

    #[test]
    fn time_before_the_first_unit_is_no_time() {
        assert_eq!(tick_of(5, 0, 16), 0);
        assert_eq!(tick_of(u32::MAX, 0, 1), LAST_TICK);
    }
}
