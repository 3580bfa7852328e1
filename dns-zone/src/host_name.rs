//! Host names that the operator writes: name servers, mailbox domains, owners of static records.

use thiserror::Error;

/// Octets of a name on the wire (RFC 1035 §3.1).
const WIRE_OCTETS_MAX: usize = 255;

/// A text that is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not a name of labels with 1 to 63 letters, digits, hyphens and underscores and at most 255 octets"
)]
pub struct HostNameError {
    /// The text as given.
    pub text: String,
}

/// Splits an absolute name (final dot optional) into lower-case labels, leftmost first.
pub(crate) fn labels(text: &str) -> Result<Vec<Vec<u8>>, HostNameError> {
    let error = || HostNameError {
        text: text.to_owned(),
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let labels: Vec<Vec<u8>> = name
        .split('.')
        .map(|label| label.to_ascii_lowercase().into_bytes())
        .collect();
    let octets: usize = labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1;
    if octets > WIRE_OCTETS_MAX || !labels.iter().all(|label| is_label(label)) {
        return Err(error());
    }
    Ok(labels)
}

/// Wire octets of labels, root label included.
pub(crate) fn wire(labels: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}

fn is_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_lower_case_wire_octets() {
        let labels = labels("NS1.Example.").unwrap();
        assert_eq!(wire(&labels), b"\x03ns1\x07example\0");
    }

    #[test]
    fn other_texts_are_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = vec!["a".repeat(63); 4].join(".");
        for text in [
            "",
            ".",
            "a..b",
            "a b",
            "*.a",
            "a\\.b",
            &long_label,
            &long_name,
        ] {
            assert!(labels(text).is_err(), "{text:?}");
        }
    }
}
