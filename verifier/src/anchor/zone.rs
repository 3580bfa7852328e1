//! What is known of the registry's zone itself: the anchor file that the registry gives out.

use iot_identity::ZoneName;

use super::line::{self, AnchorLine, AnchorLineFault};
use super::{ANCHOR_FILE_OCTETS_MAX, ANCHOR_RECORDS_MAX, AnchorError};
use crate::public_key::Algorithms;
use crate::trusted_key::{TrustedKey, digest_of_all};

/// Comment that carries the zone's lifetime maximum.
pub(super) const LIFETIME_COMMENT: &str = "lifetime-max:";

/// What is known of one zone's keys before anything is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneAnchor {
    zone: ZoneName,
    keys: Vec<TrustedKey>,
    lifetime_max_secs: Option<u64>,
    digest: [u8; 32],
}

impl ZoneAnchor {
    /// Reads an anchor file: DS and DNSKEY records of one zone, one on a line, the owner fully
    /// qualified (final dot optional), TTL and class optional; comments begin with `;`, and the
    /// comment line `; lifetime-max: <seconds>` carries the zone's own lifetime maximum.
    ///
    /// # Errors
    /// [`AnchorError`] with the line. A text without records is an error, never an empty anchor.
    pub fn parse(text: &str) -> Result<Self, AnchorError> {
        if text.len() > ANCHOR_FILE_OCTETS_MAX {
            return Err(AnchorError::TooLong { octets: text.len() });
        }
        let mut draft = Draft::default();
        for (index, line) in text.lines().enumerate() {
            draft.read_line(line).map_err(|fault| AnchorError::Line {
                line: index + 1,
                fault,
            })?;
        }
        draft.finish().ok_or(AnchorError::Empty)
    }

    /// What a parent says of the zone: its DS records.
    pub(crate) fn delegated(zone: ZoneName, keys: Vec<TrustedKey>) -> Self {
        Self::new(zone, keys, None)
    }

    fn new(zone: ZoneName, keys: Vec<TrustedKey>, lifetime_max_secs: Option<u64>) -> Self {
        let digest = digest_of_all(zone.wire(), &keys);
        Self {
            zone,
            keys,
            lifetime_max_secs,
            digest,
        }
    }

    /// The zone for which this anchor speaks, and no other.
    pub fn zone(&self) -> &ZoneName {
        &self.zone
    }

    /// The lifetime maximum that the file carries for this zone.
    pub fn lifetime_max_secs(&self) -> Option<u64> {
        self.lifetime_max_secs
    }

    /// Key tags of the keys that are named.
    pub fn key_tags(&self) -> Vec<u16> {
        self.keys.iter().map(TrustedKey::key_tag).collect()
    }

    /// Identifies zone and records: keys that one anchor vouched for are not those of another.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(crate) fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }
}

/// What was read so far.
#[derive(Default)]
struct Draft {
    zone: Option<ZoneName>,
    keys: Vec<TrustedKey>,
    lifetime_max_secs: Option<u64>,
}

impl Draft {
    fn read_line(&mut self, line: &str) -> Result<(), AnchorLineFault> {
        let (owner, fields) = match line::split(line) {
            AnchorLine::Record { owner, fields } => (owner, fields),
            AnchorLine::Comment(comment) => return self.read_comment(comment),
        };
        let zone = ZoneName::parse(owner)?;
        match &self.zone {
            Some(expected) if *expected != zone => {
                return Err(AnchorLineFault::OtherZone {
                    found: zone,
                    expected: expected.clone(),
                });
            }
            _ => self.zone = Some(zone),
        }
        let key = line::read_key(fields, Algorithms::Registry)?;
        if self.keys.len() == ANCHOR_RECORDS_MAX {
            return Err(AnchorLineFault::TooMany);
        }
        self.keys.push(key);
        Ok(())
    }

    fn read_comment(&mut self, comment: &str) -> Result<(), AnchorLineFault> {
        let Some(value) = comment.trim().strip_prefix(LIFETIME_COMMENT) else {
            return Ok(());
        };
        let secs = value
            .trim()
            .parse()
            .map_err(|_| AnchorLineFault::LifetimeMax)?;
        match self.lifetime_max_secs.replace(secs) {
            None => Ok(()),
            Some(_) => Err(AnchorLineFault::LifetimeMax),
        }
    }

    fn finish(self) -> Option<ZoneAnchor> {
        let zone = self.zone.filter(|_| !self.keys.is_empty())?;
        Some(ZoneAnchor::new(zone, self.keys, self.lifetime_max_secs))
    }
}
