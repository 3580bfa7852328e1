//! Records as octets: what never changes between two answers is made once for each shape of the
//! zone, and the rest is copied from the store around it.

mod prepared;
mod writer;

use iot_identity::{InactiveText, TYPE_CERT, TYPE_TLSA, TYPE_TXT, ZoneName};

use crate::fixed::FixedRrset;
use crate::key::{ALGORITHM, PublicKeys, Role};
use crate::nsec;
use crate::position::{DeviceName, Key};
use crate::profile::{INCEPTION_SKEW_SECS, Profile};
use crate::query::Question;
use crate::record_type::{TYPE_NS, TYPE_NSEC, TYPE_RRSIG, TYPE_SOA, is_key_type};
use crate::rrsig::{Fields, SIGNATURE_OCTETS};

/// Type, class, TTL and RDLENGTH of a record.
const HEAD_OCTETS: usize = 10;
/// Head and numbers of an RRSIG record, up to the signer's name.
const RRSIG_OCTETS: usize = HEAD_OCTETS + Fields::FIXED_OCTETS;
const EXPIRATION_AT: usize = HEAD_OCTETS + 8;
const INCEPTION_AT: usize = HEAD_OCTETS + 12;
/// First offset that a compression pointer cannot tell (RFC 1035 §4.1.4).
const POINTERS: u16 = 0x4000;
/// At least the octets of the longest apex (26 characters, two more in wire form).
const APEX_OCTETS_MAX: usize = 32;
/// Fields of CERT and TLSA in front of the fingerprint, as in `CertRecord` and `TlsaRecord`.
const CERT_FIELDS: [u8; 5] = [0, 1, 0, 1, 0];
const TLSA_FIELDS: [u8; 3] = [3, 0, 1];
const FINGERPRINT_OCTETS: usize = 32;
const TEXT_OCTETS: usize = 1 + InactiveText::TEXT.len();
const ACTIVE_BITMAP_OCTETS: usize = 9;
const INACTIVE_BITMAP_OCTETS: usize = 8;

pub(crate) use prepared::Prepared;
pub(crate) use writer::Writer;

/// Octets that every answer of a zone with the same apex, profile and keys has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Templates {
    /// The apex in wire form, zeros behind it.
    apex: [u8; APEX_OCTETS_MAX],
    apex_octets: usize,
    apex_labels: u8,
    profile: Profile,
    ksk_tag: u16,
    zsk_tag: u16,
    cert: [u8; HEAD_OCTETS + CERT_FIELDS.len()],
    tlsa: [u8; HEAD_OCTETS + TLSA_FIELDS.len()],
    text: [u8; HEAD_OCTETS + TEXT_OCTETS],
    /// RRSIGs of devices over CERT, TLSA, TXT and NSEC.
    cert_rrsig: RrsigHead,
    tlsa_rrsig: RrsigHead,
    text_rrsig: RrsigHead,
    nsec_rrsig: RrsigHead,
    active_bitmap: [u8; ACTIVE_BITMAP_OCTETS],
    inactive_bitmap: [u8; INACTIVE_BITMAP_OCTETS],
}

/// An RRSIG record without owner, times, signer and signature.
type RrsigHead = [u8; RRSIG_OCTETS];

/// A signature that is valid now, with its times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) inception: u32,
    pub(crate) expiration: u32,
    pub(crate) octets: &'a [u8; SIGNATURE_OCTETS],
}

/// The owner of a record: labels of its own, and where in the message the rest of it stands.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) labels: OwnLabels<'a>,
    /// Octets from the start of the message, below 2^14.
    pub(crate) rest_at: u16,
    /// Where the apex stands in the message, likewise.
    pub(crate) apex_at: u16,
    /// Labels of the whole name, the apex's included.
    pub(crate) label_count: u8,
}

impl Owner<'_> {
    /// The same name, once it stands at `at` in the message: nothing but a pointer to there.
    #[inline]
    pub(crate) fn repeated(&self, at: usize) -> Self {
        match (&self.labels, u16::try_from(at)) {
            (OwnLabels::None, _) | (_, Err(_) | Ok(POINTERS..)) => *self,
            (_, Ok(rest_at)) => Self {
                labels: OwnLabels::None,
                rest_at,
                ..*self
            },
        }
    }
}

/// The labels of an owner that the question does not have.
#[derive(Clone, Copy)]
pub(crate) enum OwnLabels<'a> {
    None,
    Device(DeviceName),
    Slot(DeviceName),
    /// Octets of a name's key.
    Canonical(&'a [u8]),
}

/// The next name of an NSEC record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextName<'a> {
    Apex,
    Device(Key),
    /// Octets of a name's key.
    Canonical(&'a [u8]),
}

/// The content of an RRset.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    Cert(&'a [u8; FINGERPRINT_OCTETS]),
    Tlsa(&'a [u8; FINGERPRINT_OCTETS]),
    InactiveText,
    DeviceNsec {
        next: NextName<'a>,
        active: bool,
    },
    FixedNsec {
        next: NextName<'a>,
        /// What the name owns, in ascending order of type.
        rrsets: &'a [FixedRrset],
    },
    Stored(&'a FixedRrset),
}

impl Templates {
    /// Makes the octets for a shape.
    pub(crate) fn new(apex: &ZoneName, profile: Profile, keys: &PublicKeys) -> Self {
        let mut apex_wire = [0; APEX_OCTETS_MAX];
        let apex_octets = apex.wire().len();
        apex_wire[..apex_octets].copy_from_slice(apex.wire());
        let zsk_tag = keys.of(Role::Zsk).tag();
        let (ttl_secs, nsec_ttl_secs) = (profile.ttl_secs(), profile.nsec_ttl_secs());
        let apex_labels = apex.label_count();
        let device_rrsig = |record_type, ttl_secs| {
            let numbers = RrsigNumbers {
                record_type,
                label_count: apex_labels + 2,
                original_ttl_secs: ttl_secs,
                key_tag: zsk_tag,
            };
            rrsig_head(numbers, ttl_secs, apex_octets)
        };
        Self {
            apex: apex_wire,
            apex_octets,
            apex_labels,
            profile,
            ksk_tag: keys.of(Role::Ksk).tag(),
            zsk_tag,
            cert: record(
                TYPE_CERT,
                ttl_secs,
                CERT_FIELDS.len() + FINGERPRINT_OCTETS,
                &CERT_FIELDS,
            ),
            tlsa: record(
                TYPE_TLSA,
                ttl_secs,
                TLSA_FIELDS.len() + FINGERPRINT_OCTETS,
                &TLSA_FIELDS,
            ),
            text: record(TYPE_TXT, ttl_secs, TEXT_OCTETS, &InactiveText.rdata()),
            cert_rrsig: device_rrsig(TYPE_CERT, ttl_secs),
            tlsa_rrsig: device_rrsig(TYPE_TLSA, ttl_secs),
            text_rrsig: device_rrsig(TYPE_TXT, ttl_secs),
            nsec_rrsig: device_rrsig(TYPE_NSEC, nsec_ttl_secs),
            active_bitmap: bitmap(&[TYPE_CERT, TYPE_TLSA]),
            inactive_bitmap: bitmap(&[TYPE_TXT]),
        }
    }

    /// Number of a question's labels that are below the apex; `None` outside of the zone.
    #[inline]
    pub(crate) fn labels_below(&self, question: &Question<'_>) -> Option<usize> {
        let below = question
            .label_count()
            .checked_sub(usize::from(self.apex_labels))?;
        // Lengths are below the letters, so folding case leaves them; equal octets from the start
        // of a label on are equal labels.
        let asked = &question.octets[question.start(below)..question.name_octets()];
        let apex = &self.apex[..self.apex_octets];
        // Most ask in lower case.
        (asked == apex || asked.eq_ignore_ascii_case(apex)).then_some(below)
    }

    /// Labels of the apex.
    #[inline]
    pub(crate) fn apex_labels(&self) -> u8 {
        self.apex_labels
    }

    /// The TTL of everything in a negative answer.
    #[inline]
    pub(crate) fn negative_ttl_secs(&self) -> u32 {
        self.profile.nsec_ttl_secs()
    }

    /// The times of a signature over a type that was made at `signed_at`.
    #[inline]
    pub(crate) fn signed<'a>(
        &self,
        record_type: u16,
        (signed_at, octets): (u32, &'a [u8; SIGNATURE_OCTETS]),
    ) -> Signed<'a> {
        let validity_secs = if is_key_type(record_type) {
            self.profile.key_validity_secs()
        } else {
            self.profile.validity_secs()
        };
        Signed {
            // Times of signatures wrap (RFC 4034 §3.1.5).
            inception: signed_at.wrapping_sub(INCEPTION_SKEW_SECS),
            expiration: signed_at.wrapping_add(validity_secs),
            octets,
        }
    }

    /// The octets of a name in front of the apex, when it ends with it; and all its octets. `None`
    /// for octets that are no name. The name is in canonical form and not compressed.
    fn in_front_of_apex(&self, octets: &[u8]) -> Option<(Option<usize>, usize)> {
        let apex = &self.apex[..self.apex_octets];
        let (mut at, mut front) = (0, None);
        loop {
            let rest = octets.get(at..)?;
            if front.is_none() && rest.starts_with(apex) {
                front = Some(at);
            }
            let length = usize::from(*rest.first()?);
            at += 1 + length;
            if length == 0 {
                return Some((front, at));
            }
        }
    }

    #[inline]
    fn key_tag(&self, record_type: u16) -> u16 {
        match Role::for_type(record_type) {
            Role::Ksk => self.ksk_tag,
            Role::Zsk => self.zsk_tag,
        }
    }
}

impl Content<'_> {
    /// The type of the RRset.
    #[inline]
    pub(crate) fn record_type(&self) -> u16 {
        match self {
            Self::Cert(_) => TYPE_CERT,
            Self::Tlsa(_) => TYPE_TLSA,
            Self::InactiveText => TYPE_TXT,
            Self::DeviceNsec { .. } | Self::FixedNsec { .. } => TYPE_NSEC,
            Self::Stored(rrset) => rrset.record_type,
        }
    }

    /// The TTL that it is signed with.
    #[inline]
    pub(crate) fn ttl_secs(&self, templates: &Templates) -> u32 {
        match self {
            Self::Stored(rrset) => rrset.ttl_secs,
            Self::DeviceNsec { .. } | Self::FixedNsec { .. } => templates.profile.nsec_ttl_secs(),
            _ => templates.profile.ttl_secs(),
        }
    }
}

/// Names at the start of RDATA that may be compressed: only those of the types that every receiver
/// knows (RFC 1035 §4.1.4, RFC 3597 §4).
fn compressible_names(record_type: u16) -> usize {
    match record_type {
        TYPE_NS => 1,
        TYPE_SOA => 2,
        _ => 0,
    }
}

/// What an RRSIG says besides times, signer and signature.
struct RrsigNumbers {
    record_type: u16,
    label_count: u8,
    original_ttl_secs: u32,
    key_tag: u16,
}

fn rrsig_head(numbers: RrsigNumbers, ttl_secs: u32, apex_octets: usize) -> RrsigHead {
    let rdata_octets = Fields::FIXED_OCTETS + apex_octets + SIGNATURE_OCTETS;
    let mut octets = [0; RRSIG_OCTETS];
    octets[..HEAD_OCTETS].copy_from_slice(&head(TYPE_RRSIG, ttl_secs, rdata_octets));
    let fields = &mut octets[HEAD_OCTETS..];
    fields[..2].copy_from_slice(&numbers.record_type.to_be_bytes());
    fields[2..4].copy_from_slice(&[ALGORITHM, numbers.label_count]);
    fields[4..8].copy_from_slice(&numbers.original_ttl_secs.to_be_bytes());
    fields[16..18].copy_from_slice(&numbers.key_tag.to_be_bytes());
    octets
}

/// Type, class IN, TTL and RDLENGTH.
#[inline]
fn head(record_type: u16, ttl_secs: u32, rdata_octets: usize) -> [u8; HEAD_OCTETS] {
    let mut octets = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    octets[..2].copy_from_slice(&record_type.to_be_bytes());
    octets[4..8].copy_from_slice(&ttl_secs.to_be_bytes());
    // RDATA is bounded where it is made.
    octets[8..].copy_from_slice(&(rdata_octets as u16).to_be_bytes());
    octets
}

/// A record without owner, up to where its fields end.
fn record<const N: usize>(
    record_type: u16,
    ttl_secs: u32,
    rdata_octets: usize,
    fields: &[u8],
) -> [u8; N] {
    let mut octets = [0; N];
    octets[..HEAD_OCTETS].copy_from_slice(&head(record_type, ttl_secs, rdata_octets));
    octets[HEAD_OCTETS..].copy_from_slice(fields);
    octets
}

fn bitmap<const N: usize>(types: &[u16]) -> [u8; N] {
    nsec::rdata(&[], types.iter().copied())
        .try_into()
        .expect("the bitmaps of devices have these lengths")
}
