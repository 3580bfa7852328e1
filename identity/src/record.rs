//! The records that a credential becomes in the DNS, as values and as RDATA wire octets.
//!
//! Parsing is strict: octets that differ in any field from what the registry publishes are errors,
//! so that whoever holds a value knows every bit of its RDATA.

use thiserror::Error;

use crate::Fingerprint;

/// RR type number of CERT (RFC 4398).
pub const TYPE_CERT: u16 = 37;
/// RR type number of TLSA (RFC 6698).
pub const TYPE_TLSA: u16 = 52;
/// RR type number of TXT (RFC 1035).
pub const TYPE_TXT: u16 = 16;

/// What the DNS shall say about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// CERT and TLSA with the fingerprint.
    Active(Fingerprint),
    /// Only the TXT record of [`InactiveText`].
    Inactive,
    /// Nothing: the name does not exist.
    Absent,
}

/// Why RDATA is not one of the registry's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// More or fewer octets than the record has.
    #[error("RDATA of {found} octets where {expected} are expected")]
    Length {
        /// Octets found.
        found: usize,
        /// Octets of the record.
        expected: usize,
    },
    /// A field in front of the fingerprint has another value than the registry publishes.
    #[error("the fields before the fingerprint are not those that the registry publishes")]
    Fields,
    /// A text other than the registry's status text.
    #[error("the text is not the registry's status text")]
    Text,
}

/// `CERT 1 1 0 <fingerprint>`: type PKIX, key tag 1, algorithm 0, and in place of the certificate
/// its fingerprint, as CIRA's registry publishes it. (RFC 4398 would want the certificate.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertRecord {
    /// What is published.
    pub fingerprint: Fingerprint,
}

/// `TLSA 3 0 1 <fingerprint>`: DANE-EE, whole certificate, SHA-256 (RFC 6698 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsaRecord {
    /// What is published.
    pub fingerprint: Fingerprint,
}

/// `TXT "v=iotr1; status=inactive"`: keeps the name of a withdrawn credential in existence and
/// tells people why. The verdict never rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InactiveText;

/// Type 1 (PKIX), key tag 1, algorithm 0.
const CERT_FIELDS: [u8; 5] = [0, 1, 0, 1, 0];
/// Usage 3, selector 0, matching type 1.
const TLSA_FIELDS: [u8; 3] = [3, 0, 1];
const CERT_OCTETS: usize = CERT_FIELDS.len() + Fingerprint::OCTETS;
const TLSA_OCTETS: usize = TLSA_FIELDS.len() + Fingerprint::OCTETS;

impl CertRecord {
    /// The RDATA.
    pub fn rdata(&self) -> [u8; CERT_OCTETS] {
        let mut rdata = [0; CERT_OCTETS];
        rdata[..CERT_FIELDS.len()].copy_from_slice(&CERT_FIELDS);
        rdata[CERT_FIELDS.len()..].copy_from_slice(self.fingerprint.as_octets());
        rdata
    }

    /// Reads RDATA.
    ///
    /// # Errors
    /// Anything but the octets that [`CertRecord::rdata`] makes.
    pub fn parse_rdata(rdata: &[u8]) -> Result<Self, RecordError> {
        Ok(Self {
            fingerprint: parse_fields(rdata, &CERT_FIELDS)?,
        })
    }
}

impl TlsaRecord {
    /// The RDATA.
    pub fn rdata(&self) -> [u8; TLSA_OCTETS] {
        let mut rdata = [0; TLSA_OCTETS];
        rdata[..TLSA_FIELDS.len()].copy_from_slice(&TLSA_FIELDS);
        rdata[TLSA_FIELDS.len()..].copy_from_slice(self.fingerprint.as_octets());
        rdata
    }

    /// Reads RDATA.
    ///
    /// # Errors
    /// Anything but the octets that [`TlsaRecord::rdata`] makes.
    pub fn parse_rdata(rdata: &[u8]) -> Result<Self, RecordError> {
        Ok(Self {
            fingerprint: parse_fields(rdata, &TLSA_FIELDS)?,
        })
    }
}

impl InactiveText {
    /// The text.
    pub const TEXT: &'static str = "v=iotr1; status=inactive";

    /// The RDATA: one character string.
    pub fn rdata(&self) -> Vec<u8> {
        let mut rdata = vec![Self::TEXT.len() as u8];
        rdata.extend_from_slice(Self::TEXT.as_bytes());
        rdata
    }

    /// Reads RDATA.
    ///
    /// # Errors
    /// Any other text, also the same one cut into several character strings.
    pub fn parse_rdata(rdata: &[u8]) -> Result<Self, RecordError> {
        if rdata == Self.rdata() {
            Ok(Self)
        } else {
            Err(RecordError::Text)
        }
    }
}

/// Splits RDATA into its constant fields and the fingerprint.
fn parse_fields(rdata: &[u8], fields: &[u8]) -> Result<Fingerprint, RecordError> {
    let expected = fields.len() + Fingerprint::OCTETS;
    let length = RecordError::Length {
        found: rdata.len(),
        expected,
    };
    let (head, hash) = rdata.split_at_checked(fields.len()).ok_or(length)?;
    let hash = hash.try_into().map_err(|_| length)?;
    if head != fields {
        return Err(RecordError::Fields);
    }
    Ok(Fingerprint::from_octets(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_field_or_length_is_refused() {
        let fingerprint = Fingerprint::of_certificate(b"abc");
        let cert = CertRecord { fingerprint }.rdata();
        let tlsa = TlsaRecord { fingerprint }.rdata();
        for index in 0..CERT_FIELDS.len() {
            let mut wrong = cert;
            wrong[index] ^= 1;
            assert_eq!(CertRecord::parse_rdata(&wrong), Err(RecordError::Fields));
        }
        for index in 0..TLSA_FIELDS.len() {
            let mut wrong = tlsa;
            wrong[index] ^= 1;
            assert_eq!(TlsaRecord::parse_rdata(&wrong), Err(RecordError::Fields));
        }
        for length in 0..cert.len() {
            let expected = RecordError::Length {
                found: length,
                expected: 37,
            };
            assert_eq!(CertRecord::parse_rdata(&cert[..length]), Err(expected));
        }
        assert!(TlsaRecord::parse_rdata(&cert).is_err());
        assert!(CertRecord::parse_rdata(&[&cert[..], &[0]].concat()).is_err());
    }

    #[test]
    fn the_inactive_text_is_one_character_string() {
        assert_eq!(
            InactiveText::parse_rdata(&InactiveText.rdata()),
            Ok(InactiveText)
        );
        assert_eq!(InactiveText::parse_rdata(b""), Err(RecordError::Text));
        let split = b"\x08v=iotr1;\x10 status=inactive";
        assert_eq!(InactiveText::parse_rdata(split), Err(RecordError::Text));
    }
}
