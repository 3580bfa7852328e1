//! What is known of the root's keys.

use super::line::{self, AnchorLine, AnchorLineFault};
use super::{ANCHOR_FILE_OCTETS_MAX, ANCHOR_RECORDS_MAX, AnchorError};
use crate::public_key::Algorithms;
use crate::trusted_key::{TrustedKey, digest_of_all};

/// Wire octets of the root's name.
const ROOT: [u8; 1] = [0];
/// The root's key signing keys of 2017, and of 2024, which signs since October 2026 (RFC 9718).
const IANA: &str = "\
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
";

/// The root's keys that are believed before anything is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootAnchor {
    keys: Vec<TrustedKey>,
    digest: [u8; 32],
}

impl RootAnchor {
    /// The keys of the Internet's root, as IANA publishes them: both that are in use.
    pub fn iana() -> Self {
        Self::parse(IANA).expect("a constant, which a test reads")
    }

    /// Reads an anchor file: DS and DNSKEY records of the root, one on a line, TTL and class optional;
    /// comments begin with `;`.
    ///
    /// # Errors
    /// [`AnchorError`] with the line. A text without records is an error, never an empty anchor.
    pub fn parse(text: &str) -> Result<Self, AnchorError> {
        if text.len() > ANCHOR_FILE_OCTETS_MAX {
            return Err(AnchorError::TooLong { octets: text.len() });
        }
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let read = read_line(&mut keys, line);
            read.map_err(|fault| AnchorError::Line {
                line: index + 1,
                fault,
            })?;
        }
        if keys.is_empty() {
            return Err(AnchorError::Empty);
        }
        let digest = digest_of_all(&ROOT, &keys);
        Ok(Self { keys, digest })
    }

    /// Key tags of the keys that are named.
    pub fn key_tags(&self) -> Vec<u16> {
        self.keys.iter().map(TrustedKey::key_tag).collect()
    }

    /// Identifies the records: what one anchor led to is not what another leads to.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(crate) fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }
}

fn read_line(keys: &mut Vec<TrustedKey>, line: &str) -> Result<(), AnchorLineFault> {
    let AnchorLine::Record { owner, fields } = line::split(line) else {
        return Ok(());
    };
    if owner != "." {
        return Err(AnchorLineFault::NotRoot);
    }
    let key = line::read_key(fields, Algorithms::Parent)?;
    if keys.len() == ANCHOR_RECORDS_MAX {
        return Err(AnchorLineFault::TooMany);
    }
    keys.push(key);
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;

    use super::*;
    use crate::name::Name;

    /// The root's key signing key of 2017.
    const KSK_2017: &str = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlE\
        xOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF\
        0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXx\
        uOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";

    #[test]
    fn both_of_the_roots_keys_are_believed() {
        let anchor = RootAnchor::iana();
        assert_eq!(anchor.key_tags(), [20_326, 38_696]);
        let key = BASE64_STANDARD.decode(KSK_2017).unwrap();
        let rdata = [&[1, 1, 3, 8][..], &key].concat();
        let root = Name::parse_wire(&ROOT).unwrap();
        assert!(anchor.keys()[0].is(&root, &rdata));
        assert!(!anchor.keys()[1].is(&root, &rdata));
        // A key is believed at its own name only.
        let other = Name::parse_wire(b"\x07example\x00").unwrap();
        assert!(!anchor.keys()[0].is(&other, &rdata));
    }

    #[test]
    fn a_file_about_another_name_or_without_records_is_refused() {
        let line = IANA.lines().next().unwrap();
        assert_eq!(RootAnchor::parse(line).unwrap().key_tags(), [20_326]);
        let fault = |text: &str| match RootAnchor::parse(text) {
            Err(AnchorError::Line { fault, .. }) => fault,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            fault(&line.replacen('.', "example.", 1)),
            AnchorLineFault::NotRoot
        );
        let old = line.replacen(" 8 2 ", " 5 2 ", 1);
        assert_eq!(fault(&old), AnchorLineFault::Algorithm { algorithm: 5 });
        let sha1 = line.replacen(" 8 2 ", " 8 1 ", 1);
        assert_eq!(fault(&sha1), AnchorLineFault::DigestType { digest_type: 1 });
        assert_eq!(
            fault(&line.repeat(2)),
            AnchorLineFault::Digest { octets: 32 }
        );
        let many = format!("{line}\n").repeat(ANCHOR_RECORDS_MAX + 1);
        assert_eq!(fault(&many), AnchorLineFault::TooMany);
        assert_eq!(RootAnchor::parse("; none\n"), Err(AnchorError::Empty));
        let long = " ".repeat(ANCHOR_FILE_OCTETS_MAX + 1);
        assert!(matches!(
            RootAnchor::parse(&long),
            Err(AnchorError::TooLong { .. })
        ));
    }
}
