//! Domain names as octets: canonical form and canonical order (RFC 4034 §6.1, §6.2).

use std::cmp::Ordering;
use std::fmt;

use iot_identity::{OwnerName, ZoneName};

use crate::wire::{Reader, WireError};

/// Longest name, length octets and root label included (RFC 1035 §2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// Most labels that fit into it, root label excluded.
const LABELS_MAX: usize = 127;

/// A domain name in lower-case, uncompressed wire octets; at most 255 of them.
///
/// Ordered as RFC 4034 §6.1 orders names: label by label from the right, octet by octet.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    wire: Vec<u8>,
}

impl Name {
    /// Takes labels from the wire, checked by the reader, in any case.
    ///
    /// `wire` must be labels with lengths 1 to 63 followed by the root label.
    pub(crate) fn from_checked_wire(mut wire: Vec<u8>) -> Self {
        // Length octets are below 64, so no length is taken for a letter.
        wire.make_ascii_lowercase();
        Self { wire }
    }

    /// Reads a whole uncompressed name, in any case.
    ///
    /// # Errors
    /// [`WireError`]: cut, too long, compressed, or octets after the root label.
    pub fn parse_wire(octets: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(octets);
        let name = reader.uncompressed_name()?;
        reader.expect_end()?;
        Ok(name)
    }

    /// Lower-case, uncompressed wire octets with the root label.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Labels from left to right, root label excluded.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let (offsets, count) = self.label_offsets();
        (0..count).map(move |index| self.label_at(usize::from(offsets[index])))
    }

    /// Number of labels, root label excluded.
    pub fn label_count(&self) -> usize {
        self.label_offsets().1
    }

    /// Whether this name is `ancestor` or lies below it.
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        self.shared_labels(ancestor) == ancestor.label_count()
    }

    /// Whether this name lies below `ancestor`.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self != ancestor && self.is_at_or_below(ancestor)
    }

    /// Labels that both names share, counted from the right, root label excluded.
    pub fn shared_labels(&self, other: &Self) -> usize {
        let (mine, my_count) = self.label_offsets();
        let (theirs, their_count) = other.label_offsets();
        (0..my_count.min(their_count))
            .take_while(|from_right| {
                let my_label = self.label_at(usize::from(mine[my_count - 1 - from_right]));
                my_label == other.label_at(usize::from(theirs[their_count - 1 - from_right]))
            })
            .count()
    }

    /// The name's last `label_count` labels; the name itself when it has no more.
    pub fn suffix(&self, label_count: usize) -> Self {
        let (offsets, count) = self.label_offsets();
        let start = match count.checked_sub(label_count) {
            None | Some(0) => 0,
            Some(skipped) if skipped == count => self.wire.len() - 1,
            Some(skipped) => usize::from(offsets[skipped]),
        };
        Self {
            wire: self.wire[start..].to_vec(),
        }
    }

    /// `*.<name>`; none when that would be too long to exist.
    pub fn wildcard(&self) -> Option<Self> {
        if self.wire.len() + 2 > NAME_OCTETS_MAX {
            return None;
        }
        let mut wire = vec![1, b'*'];
        wire.extend_from_slice(&self.wire);
        Some(Self { wire })
    }

    fn label_at(&self, offset: usize) -> &[u8] {
        let length = usize::from(self.wire[offset]);
        &self.wire[offset + 1..offset + 1 + length]
    }

    /// Where each label's length octet stands, and how many labels there are.
    fn label_offsets(&self) -> ([u8; LABELS_MAX], usize) {
        let mut offsets = [0; LABELS_MAX];
        let mut count = 0;
        let mut offset = 0;
        while self.wire[offset] != 0 {
            // The whole name has at most 255 octets.
            offsets[count] = offset as u8;
            count += 1;
            offset += 1 + usize::from(self.wire[offset]);
        }
        (offsets, count)
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let shared = self.shared_labels(other);
        let (mine, my_count) = self.label_offsets();
        let (theirs, their_count) = other.label_offsets();
        if shared == my_count || shared == their_count {
            return my_count.cmp(&their_count);
        }
        let my_label = self.label_at(usize::from(mine[my_count - 1 - shared]));
        let their_label = other.label_at(usize::from(theirs[their_count - 1 - shared]));
        my_label.cmp(their_label)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<&ZoneName> for Name {
    fn from(zone: &ZoneName) -> Self {
        Self {
            wire: zone.wire().to_vec(),
        }
    }
}

impl From<&OwnerName> for Name {
    fn from(owner: &OwnerName) -> Self {
        Self { wire: owner.wire() }
    }
}

/// Presentation form with the final dot; octets that are not graphic stand as `\DDD`.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.label_count() == 0 {
            return formatter.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'@' | b'(' | b')' | b'$' => {
                        write!(formatter, "\\{}", char::from(octet))?;
                    }
                    0x21..=0x7e => write!(formatter, "{}", char::from(octet))?,
                    _ => write!(formatter, "\\{octet:03}")?,
                }
            }
            formatter.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Name({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(labels: &[&[u8]]) -> Name {
        let mut wire = Vec::new();
        for label in labels {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label);
        }
        wire.push(0);
        Name::from_checked_wire(wire)
    }

    #[test]
    fn order_is_that_of_the_rfc() {
        // RFC 4034 §6.1.
        let ordered = [
            name(&[b"example"]),
            name(&[b"a", b"example"]),
            name(&[b"yljkjljk", b"a", b"example"]),
            name(&[b"Z", b"a", b"example"]),
            name(&[b"zABC", b"a", b"EXAMPLE"]),
            name(&[b"z", b"example"]),
            name(&[b"\x01", b"z", b"example"]),
            name(&[b"*", b"z", b"example"]),
            name(&[b"\xc8", b"z", b"example"]),
        ];
        for (index, left) in ordered.iter().enumerate() {
            for (other, right) in ordered.iter().enumerate() {
                assert_eq!(left.cmp(right), index.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn suffixes_and_ancestors_agree() {
        let child = name(&[b"1", b"id", b"zone", b"example"]);
        assert_eq!(child.suffix(2), name(&[b"zone", b"example"]));
        assert_eq!(child.suffix(0), name(&[]));
        assert_eq!(child.suffix(9), child);
        assert!(child.is_below(&child.suffix(3)) && !child.is_below(&child));
        assert!(child.is_at_or_below(&name(&[])));
        // The end of a label is not the end of a name.
        assert!(!name(&[b"xzone", b"example"]).is_at_or_below(&name(&[b"zone", b"example"])));
        assert_eq!(child.suffix(1).wildcard(), Some(name(&[b"*", b"example"])));
    }

    #[test]
    fn the_longest_name_has_127_labels() {
        let labels: Vec<&[u8]> = (0..LABELS_MAX).map(|_| &b"a"[..]).collect();
        let longest = name(&labels);
        assert_eq!(longest.wire().len(), NAME_OCTETS_MAX);
        assert_eq!(longest.label_count(), LABELS_MAX);
        assert_eq!(longest.wildcard(), None);
    }

    #[test]
    fn odd_octets_are_escaped() {
        assert_eq!(name(&[b"a.b\x00", b"c"]).to_string(), "a\\.b\\000.c.");
        assert_eq!(name(&[]).to_string(), ".");
    }
}
