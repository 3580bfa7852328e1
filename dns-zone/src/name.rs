//! Names in the zone as octets that sort in canonical order (RFC 4034 §6.1).

use std::fmt;
use std::sync::Arc;

use iot_identity::{DeviceId, Slot, ZoneName};

/// A name at or below the apex, without the apex: its labels from the apex downwards, lower case,
/// each followed by a zero octet. Zero and one inside a label are written as one followed by one
/// or two, so comparing octets compares labels, "no octet" before any octet, and a name sorts
/// directly before everything below it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameKey(Arc<[u8]>);

const END: u8 = 0;
const ESCAPE: u8 = 1;

impl NameKey {
    /// The apex.
    pub(crate) fn apex() -> Self {
        Self(Arc::from([].as_slice()))
    }

    /// A name from its labels below the apex, leftmost first as in wire octets, in any case.
    pub(crate) fn from_labels<'a>(labels: impl DoubleEndedIterator<Item = &'a [u8]>) -> Self {
        let mut octets = Vec::with_capacity(40);
        for label in labels.rev() {
            push_label(&mut octets, label);
        }
        Self(octets.into())
    }

    /// The name of a device's credential.
    pub(crate) fn device(device_id: DeviceId, slot: Slot) -> Self {
        let slot = slot.to_string();
        Self::from_labels([slot.as_bytes(), device_id.as_octets()].into_iter())
    }

    /// Labels below the apex, leftmost first.
    pub(crate) fn labels(&self) -> Vec<Vec<u8>> {
        let mut labels = Vec::new();
        let mut label = Vec::new();
        let mut octets = self.0.iter();
        while let Some(octet) = octets.next() {
            match *octet {
                END => labels.push(std::mem::take(&mut label)),
                // An escape is always followed by the octet that it stands for, plus one.
                ESCAPE => label.push(octets.next().map_or(0, |escaped| escaped - 1)),
                other => label.push(other),
            }
        }
        labels.reverse();
        labels
    }

    /// The octets that sort canonically.
    pub(crate) fn as_octets(&self) -> &[u8] {
        &self.0
    }

    /// Number of labels below the apex.
    pub(crate) fn label_count(&self) -> u8 {
        // A name has at most 127 labels.
        self.0.iter().filter(|octet| **octet == END).count() as u8
    }

    /// The whole name as uncompressed lower-case wire octets.
    pub(crate) fn wire(&self, apex: &ZoneName) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.0.len() + apex.wire().len());
        for label in self.labels() {
            // Labels come from wire octets or device ids: at most 63 octets.
            wire.push(label.len() as u8);
            wire.extend_from_slice(&label);
        }
        wire.extend_from_slice(apex.wire());
        wire
    }

    /// The whole name in presentation form with its final dot.
    pub(crate) fn presentation(&self, apex: &ZoneName) -> String {
        crate::presentation::name(&self.wire(apex))
    }
}

fn push_label(octets: &mut Vec<u8>, label: &[u8]) {
    for octet in label.iter().map(u8::to_ascii_lowercase) {
        if octet <= ESCAPE {
            octets.extend_from_slice(&[ESCAPE, octet + 1]);
        } else {
            octets.push(octet);
        }
    }
    octets.push(END);
}

impl fmt::Debug for NameKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in self.labels() {
            write!(formatter, "{}.", String::from_utf8_lossy(&label))?;
        }
        formatter.write_str("@")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Name;
    use proptest::prelude::*;

    fn key(labels: &[&[u8]]) -> NameKey {
        NameKey::from_labels(labels.iter().copied())
    }

    #[test]
    fn a_dot_inside_a_label_is_not_a_boundary() {
        assert_ne!(key(&[b"1.890"]), key(&[b"1", b"890"]));
        assert_eq!(key(&[b"1.890"]).label_count(), 1);
    }

    proptest! {
        #[test]
        fn order_is_canonical_order_and_labels_come_back(
            left in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..6), 0..4),
            right in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..6), 0..4),
        ) {
            let to_key = |labels: &[Vec<u8>]| NameKey::from_labels(labels.iter().map(Vec::as_slice));
            // hickory compares case-insensitively but keeps the case, so give it lower case.
            let to_name = |labels: &[Vec<u8>]| {
                Name::from_labels(labels.iter().map(|label| label.to_ascii_lowercase())).unwrap()
            };
            prop_assert_eq!(
                to_key(&left).cmp(&to_key(&right)),
                to_name(&left).cmp(&to_name(&right))
            );
            let lower: Vec<Vec<u8>> = left.iter().map(|label| label.to_ascii_lowercase()).collect();
            prop_assert_eq!(to_key(&left).labels(), lower);
        }
    }
}
