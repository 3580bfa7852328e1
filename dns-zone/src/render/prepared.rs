//! RRsets of the apex that nearly every denial has, rendered once for a batch.

use super::{Content, HEAD_OCTETS, Owner, Signed, Templates, Writer, compressible_names};

/// More than SOA or NSEC with its signature has in most zones; longer ones are not prepared.
const OCTETS_MAX: usize = 384;
/// Most of them fit in this: copied at once, whatever their length, where there is room.
const OCTETS_AT_ONCE: usize = 256;
/// Pointers to the apex: both owners, and two names in RDATA.
const POINTERS_MAX: usize = 4;

/// One record of the apex and the signature over it.
#[derive(Clone)]
pub(crate) struct Prepared {
    octets: [u8; OCTETS_MAX],
    length: usize,
    /// Where pointers to the apex stand: 0 for the first, and for those that are not there.
    pointers_at: [u16; POINTERS_MAX],
}

impl Prepared {
    /// Records of a prepared RRset.
    pub(crate) const RECORDS: u16 = 2;

    /// Renders an RRset of one record at the apex, whose owner is nothing but a pointer. `None` for
    /// more records, or too many octets.
    pub(crate) fn new(
        templates: &Templates,
        owner: &Owner<'_>,
        content: &Content<'_>,
        ttl_secs: u32,
        signed: &Signed<'_>,
    ) -> Option<Self> {
        let mut octets = [0; OCTETS_MAX];
        let mut writer = Writer::new(&mut octets);
        let count = writer.rrset(templates, owner, content, ttl_secs);
        let signature_at = writer.length();
        writer.rrsig(templates, owner, content, ttl_secs, signed);
        let length = writer.length();
        if count != 1 || writer.is_overflown() {
            return None;
        }
        // The record's own pointer stands at the start.
        let mut pointers_at = [0; POINTERS_MAX];
        // All places are below `OCTETS_MAX`.
        pointers_at[1] = signature_at as u16;
        let mut at = POINTER_OCTETS + HEAD_OCTETS;
        let names = compressible_names(content.record_type());
        for place in pointers_at.iter_mut().skip(2).take(names) {
            let (pointer_at, end) = pointer_in(&octets, at)?;
            *place = pointer_at.unwrap_or(0) as u16;
            at = end;
        }
        Some(Self {
            octets,
            length,
            pointers_at,
        })
    }

    /// Appends the records to a response in which the apex stands at `apex_at`.
    #[inline]
    pub(crate) fn write(&self, writer: &mut Writer<'_>, apex_at: u16) {
        let start = writer.length();
        match self.octets.first_chunk::<OCTETS_AT_ONCE>() {
            Some(octets) if self.length <= OCTETS_AT_ONCE => writer.start_of(octets, self.length),
            _ => writer.octets(&self.octets[..self.length]),
        }
        if writer.is_overflown() {
            return;
        }
        let pointer = (0xc000 | apex_at).to_be_bytes();
        let written = &mut writer.written()[start..];
        for at in self.pointers_at.map(usize::from) {
            written[at..at + POINTER_OCTETS].copy_from_slice(&pointer);
        }
    }
}

/// Octets of a pointer.
const POINTER_OCTETS: usize = 2;

/// Where the pointer of a name stands, if it ends with one, and where the name ends; `None` when it
/// does not end.
fn pointer_in(octets: &[u8], mut at: usize) -> Option<(Option<usize>, usize)> {
    loop {
        match usize::from(*octets.get(at)?) {
            0 => return Some((None, at + 1)),
            length @ 1..=63 => at += 1 + length,
            _ => return Some((Some(at), at + POINTER_OCTETS)),
        }
    }
}
