//! The octets of a [`NameKey`](crate::name::NameKey) without memory of their own: for names that
//! are only asked for.

use crate::query::NAME_OCTETS_MAX;

/// Ends a label.
const END: u8 = 0;
/// Stands before a zero (then written as one) and before a one (then written as two).
const ESCAPE: u8 = 1;

/// A name below the apex in octets that sort canonically: the same as those of its key in the zone.
pub(crate) struct Canonical {
    octets: [u8; 2 * NAME_OCTETS_MAX],
    length: usize,
}

impl Canonical {
    /// The name with these labels, from the apex downwards, in any case. Together they have at most
    /// the octets of a name.
    pub(crate) fn of<'a>(labels_downwards: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut name = Self {
            octets: [0; 2 * NAME_OCTETS_MAX],
            length: 0,
        };
        for label in labels_downwards {
            for octet in label.iter().map(u8::to_ascii_lowercase) {
                if octet <= ESCAPE {
                    name.push(ESCAPE);
                    name.push(octet + 1);
                } else {
                    name.push(octet);
                }
            }
            name.push(END);
        }
        name
    }

    /// The octets, to be compared with those of keys.
    pub(crate) fn as_octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn push(&mut self, octet: u8) {
        self.octets[self.length] = octet;
        self.length += 1;
    }
}

/// Number of labels that two names share, from the apex downwards.
pub(crate) fn shared_labels(left: &[u8], right: &[u8]) -> usize {
    let same = left
        .iter()
        .zip(right)
        .take_while(|(left, right)| left == right);
    same.filter(|(octet, _)| **octet == END).count()
}

/// The octets that stand for the labels below the first `count` ones.
pub(crate) fn below(name: &[u8], count: usize) -> &[u8] {
    let mut rest = name;
    for _ in 0..count {
        let end = rest.iter().position(|octet| *octet == END);
        rest = end.map_or(&[], |end| &rest[end + 1..]);
    }
    rest
}

/// Calls `write` with each piece of the name in wire form (lengths and labels, leftmost label
/// first, without the apex), lower case.
pub(crate) fn for_each_wire_piece(name: &[u8], mut write: impl FnMut(&[u8])) {
    let Some((_, without_end)) = name.split_last() else {
        return;
    };
    for label in without_end.rsplit(|octet| *octet == END) {
        if !label.contains(&ESCAPE) {
            // At most 63 octets, as every label.
            write(&[label.len() as u8]);
            write(label);
            continue;
        }
        write(&[unescaped(label).count() as u8]);
        for octet in unescaped(label) {
            write(&[octet]);
        }
    }
}

fn unescaped(label: &[u8]) -> impl Iterator<Item = u8> {
    let mut octets = label.iter();
    std::iter::from_fn(move || match *octets.next()? {
        ESCAPE => octets.next().map(|escaped| escaped - 1),
        other => Some(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NameKey;
    use iot_identity::ZoneName;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn octets_and_wire_form_are_those_of_the_key(
            labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 0..6),
            other in prop::collection::vec(prop::collection::vec(0..3_u8, 1..3), 0..4),
            count in 0..6_usize,
        ) {
            let key_of = |labels: &[Vec<u8>]| NameKey::from_labels(labels.iter().map(Vec::as_slice));
            let of = |labels: &[Vec<u8>]| Canonical::of(labels.iter().rev().map(Vec::as_slice));
            let (key, name) = (key_of(&labels), of(&labels));
            prop_assert_eq!(key.as_octets(), name.as_octets());
            let apex = ZoneName::parse("example").unwrap();
            let mut wire = Vec::new();
            for_each_wire_piece(name.as_octets(), |piece| wire.extend_from_slice(piece));
            wire.extend_from_slice(apex.wire());
            prop_assert_eq!(wire, key.wire(&apex));

            let joined = [other, labels.clone()].concat();
            let count = count.min(joined.len());
            let name = of(&joined);
            let rest = of(&joined[..joined.len() - count]);
            prop_assert_eq!(below(name.as_octets(), count), rest.as_octets());
            prop_assert_eq!(shared_labels(name.as_octets(), key.as_octets()), labels.len());
        }
    }
}
