//! Octets going into the caller's buffer.

use super::{
    Content, EXPIRATION_AT, INCEPTION_AT, NextName, OwnLabels, Owner, RrsigNumbers, Signed,
    Templates, compressible_names, head, rrsig_head,
};
use crate::canonical::for_each_wire_piece;
use crate::position::{DEVICE_OCTETS_MAX, DeviceName};
use crate::record_type::{TYPE_NSEC, TYPE_RRSIG};

/// Octets being written into a buffer. Whatever does not fit is left out and remembered.
pub(crate) struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
    overflown: bool,
}

impl<'o> Writer<'o> {
    /// Writes from the start of `out`.
    #[inline]
    pub(crate) fn new(out: &'o mut [u8]) -> Self {
        Self {
            out,
            at: 0,
            overflown: false,
        }
    }

    /// Octets written.
    #[inline]
    pub(crate) fn length(&self) -> usize {
        self.at
    }

    /// Octets that still fit.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.out.len() - self.at
    }

    /// Whether something did not fit since the start or the last [`Writer::rewind`].
    #[inline]
    pub(crate) fn is_overflown(&self) -> bool {
        self.overflown
    }

    /// Forgets everything behind the first `length` octets.
    #[inline]
    pub(crate) fn rewind(&mut self, length: usize) {
        self.at = self.at.min(length);
        self.overflown = false;
    }

    /// What was written, to be changed.
    #[inline]
    pub(crate) fn written(&mut self) -> &mut [u8] {
        &mut self.out[..self.at]
    }

    /// Appends octets, their number known to the compiler.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, octets: &[u8; N]) {
        match self
            .out
            .get_mut(self.at..)
            .and_then(<[u8]>::first_chunk_mut)
        {
            Some(room) => {
                *room = *octets;
                self.at += N;
            }
            None => self.overflown = true,
        }
    }

    /// Appends the first `length` octets of an array; copies all of it where there is room.
    #[inline]
    pub(super) fn start_of<const N: usize>(&mut self, octets: &[u8; N], length: usize) {
        match self
            .out
            .get_mut(self.at..)
            .and_then(<[u8]>::first_chunk_mut)
        {
            Some(room) => {
                *room = *octets;
                self.at += length.min(N);
            }
            None => self.octets(&octets[..length.min(N)]),
        }
    }

    /// Appends octets.
    #[inline]
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        match self
            .out
            .get_mut(self.at..self.at.saturating_add(octets.len()))
        {
            Some(room) => {
                room.copy_from_slice(octets);
                self.at += octets.len();
            }
            None => self.overflown = true,
        }
    }

    /// Appends a number.
    #[inline]
    pub(crate) fn number(&mut self, number: u16) {
        self.array(&number.to_be_bytes());
    }

    /// Appends zeros.
    pub(crate) fn zeros(&mut self, count: usize) {
        match self.out.get_mut(self.at..self.at.saturating_add(count)) {
            Some(room) => {
                room.fill(0);
                self.at += count;
            }
            None => self.overflown = true,
        }
    }

    #[inline]
    fn owner(&mut self, owner: &Owner<'_>) {
        match &owner.labels {
            OwnLabels::None => {}
            OwnLabels::Device(name) => self.device(name),
            OwnLabels::Slot(name) => self.octets(name.slot_wire()),
            OwnLabels::Canonical(name) => self.canonical(name),
        }
        self.number(0xc000 | owner.rest_at);
    }

    #[inline]
    fn device(&mut self, name: &DeviceName) {
        let (octets, length): (&[u8; DEVICE_OCTETS_MAX], usize) = name.wire_padded();
        self.start_of(octets, length);
    }

    fn canonical(&mut self, name: &[u8]) {
        for_each_wire_piece(name, |piece| self.octets(piece));
    }

    /// Appends all records of an RRset; returns how many.
    #[inline]
    pub(crate) fn rrset(
        &mut self,
        templates: &Templates,
        owner: &Owner<'_>,
        content: &Content<'_>,
        ttl_secs: u32,
    ) -> u16 {
        match content {
            Content::Cert(fingerprint) => {
                self.owner(owner);
                self.array(&templates.cert);
                self.array(fingerprint);
            }
            Content::Tlsa(fingerprint) => {
                self.owner(owner);
                self.array(&templates.tlsa);
                self.array(fingerprint);
            }
            Content::InactiveText => {
                self.owner(owner);
                self.array(&templates.text);
            }
            Content::DeviceNsec { next, active } => {
                self.nsec(templates, owner, next, ttl_secs, |writer| {
                    if *active {
                        writer.array(&templates.active_bitmap);
                    } else {
                        writer.array(&templates.inactive_bitmap);
                    }
                });
            }
            Content::FixedNsec { next, rrsets } => {
                self.nsec(templates, owner, next, ttl_secs, |writer| {
                    writer.bitmap(rrsets.iter().map(|rrset| rrset.record_type));
                });
            }
            Content::Stored(rrset) => {
                for rdata in &rrset.rdatas {
                    self.owner(owner);
                    self.array(&head(rrset.record_type, ttl_secs, 0));
                    let start = self.at;
                    self.rdata(templates, rrset.record_type, rdata, owner.apex_at);
                    self.set_rdata_octets(start);
                }
                // Bounded by the static records file.
                return rrset.rdatas.len() as u16;
            }
        }
        1
    }

    #[inline]
    fn nsec(
        &mut self,
        templates: &Templates,
        owner: &Owner<'_>,
        next: &NextName<'_>,
        ttl_secs: u32,
        bitmap: impl FnOnce(&mut Self),
    ) {
        self.owner(owner);
        self.array(&head(TYPE_NSEC, ttl_secs, 0));
        let start = self.at;
        match next {
            NextName::Apex => {}
            NextName::Device(key) => self.device(&DeviceName::of(key)),
            NextName::Canonical(name) => self.canonical(name),
        }
        self.start_of(&templates.apex, templates.apex_octets);
        bitmap(self);
        self.set_rdata_octets(start);
    }

    /// Appends stored RDATA, with pointers to the apex where it may have some.
    fn rdata(&mut self, templates: &Templates, record_type: u16, rdata: &[u8], apex_at: u16) {
        let mut rest = rdata;
        for _ in 0..compressible_names(record_type) {
            let Some((front, octets)) = templates.in_front_of_apex(rest) else {
                break;
            };
            match front {
                Some(front) => {
                    self.octets(&rest[..front]);
                    self.number(0xc000 | apex_at);
                }
                None => self.octets(&rest[..octets]),
            }
            rest = &rest[octets..];
        }
        self.octets(rest);
    }

    /// Writes the length in front of the RDATA that began at `start` and ends here.
    #[inline]
    fn set_rdata_octets(&mut self, start: usize) {
        if !self.overflown {
            // RDATA is bounded where it is made.
            let length = (self.at - start) as u16;
            self.out[start - 2..start].copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Appends the type bitmap of a name (RFC 4034 §4.1.2) for its types, which ascend, and RRSIG
    /// and NSEC.
    fn bitmap(&mut self, types: impl Iterator<Item = u16>) {
        let mut window = Window::new(0);
        window.set(TYPE_RRSIG);
        window.set(TYPE_NSEC);
        for record_type in types {
            let [number, _] = record_type.to_be_bytes();
            if number != window.number {
                self.window(&window);
                window = Window::new(number);
            }
            window.set(record_type);
        }
        self.window(&window);
    }

    fn window(&mut self, window: &Window) {
        // At most 32 octets.
        self.array(&[window.number, window.length as u8]);
        self.octets(&window.octets[..window.length]);
    }

    /// Appends the RRSIG record over an RRset.
    #[inline]
    pub(crate) fn rrsig(
        &mut self,
        templates: &Templates,
        owner: &Owner<'_>,
        content: &Content<'_>,
        ttl_secs: u32,
        signed: &Signed<'_>,
    ) {
        let mut head = match content {
            Content::Cert(_) => templates.cert_rrsig,
            Content::Tlsa(_) => templates.tlsa_rrsig,
            Content::InactiveText => templates.text_rrsig,
            Content::DeviceNsec { .. } => templates.nsec_rrsig,
            Content::FixedNsec { .. } | Content::Stored { .. } => {
                let numbers = RrsigNumbers {
                    record_type: content.record_type(),
                    label_count: owner.label_count,
                    original_ttl_secs: content.ttl_secs(templates),
                    key_tag: templates.key_tag(content.record_type()),
                };
                rrsig_head(numbers, ttl_secs, templates.apex_octets)
            }
        };
        head[EXPIRATION_AT..EXPIRATION_AT + 4].copy_from_slice(&signed.expiration.to_be_bytes());
        head[INCEPTION_AT..INCEPTION_AT + 4].copy_from_slice(&signed.inception.to_be_bytes());
        self.owner(owner);
        self.array(&head);
        self.start_of(&templates.apex, templates.apex_octets);
        self.array(signed.octets);
    }
}

/// A window of 256 types in a bitmap.
struct Window {
    number: u8,
    octets: [u8; 32],
    length: usize,
}

impl Window {
    #[inline]
    fn new(number: u8) -> Self {
        Self {
            number,
            octets: [0; 32],
            length: 0,
        }
    }

    fn set(&mut self, record_type: u16) {
        let bit = usize::from(record_type & 0xff);
        self.octets[bit / 8] |= 0x80 >> (bit % 8);
        self.length = self.length.max(bit / 8 + 1);
    }
}
