//! One line of a file of credentials that were issued elsewhere.
//!
//! `<device id> <slot> <SHA-256 of the certificate, hexadecimal> <notAfter> [held]`, separated by
//! spaces or tabs. `<notAfter>` is seconds since 1970 or a time of RFC 3339. `held` means that the
//! device is deactivated. Empty lines and those that begin with `#` are skipped.

use iot_identity::{DeviceId, DeviceIdError, Fingerprint, Slot};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Octets of a line at most, without its end.
pub(crate) const LINE_OCTETS_MAX: usize = 256;

/// A credential as a line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoadedCredential {
    /// The device.
    pub(crate) device_id: DeviceId,
    /// The number of the credential.
    pub(crate) slot: Slot,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: Fingerprint,
    /// Last second of the certificate's validity, since 1970.
    pub(crate) not_after: u64,
    /// The device is deactivated by its operator.
    pub(crate) held: bool,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum LineError {
    #[error("the line is longer than {LINE_OCTETS_MAX} octets, or not text")]
    NotALine,
    #[error(
        "expected: device id, slot, fingerprint, notAfter and possibly 'held'; found {0} fields"
    )]
    Fields(usize),
    #[error(transparent)]
    DeviceId(#[from] DeviceIdError),
    #[error("the slot {0:?} is not a number from 1 to 9999 without leading zeros")]
    Slot(String),
    #[error("the fingerprint {0:?} is not the 64 hexadecimal digits of a SHA-256")]
    Fingerprint(String),
    #[error("notAfter {0:?} is neither seconds since 1970 nor a time such as 2031-11-22T00:00:00Z")]
    NotAfter(String),
    #[error("the fifth field is {0:?}; only 'held' is known")]
    State(String),
}

impl LoadedCredential {
    /// Reads a line; `None` for one that says nothing.
    pub(crate) fn parse(line: &[u8]) -> Result<Option<Self>, LineError> {
        if line.len() > LINE_OCTETS_MAX {
            return Err(LineError::NotALine);
        }
        let text = std::str::from_utf8(line).map_err(|_| LineError::NotALine)?;
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let mut fields = [""; 5];
        let mut count = 0;
        for field in text.split_ascii_whitespace() {
            if let Some(place) = fields.get_mut(count) {
                *place = field;
            }
            count += 1;
        }
        if !(4..=5).contains(&count) {
            return Err(LineError::Fields(count));
        }
        let [device_id, slot, fingerprint, not_after, state] = fields;
        let held = match state {
            "" => false,
            "held" => true,
            other => return Err(LineError::State(other.to_owned())),
        };
        Ok(Some(Self {
            device_id: DeviceId::parse(device_id)?,
            slot: Slot::parse(slot).map_err(|_| LineError::Slot(slot.to_owned()))?,
            fingerprint: fingerprint
                .parse()
                .map_err(|_| LineError::Fingerprint(fingerprint.to_owned()))?,
            not_after: time_of(not_after)
                .ok_or_else(|| LineError::NotAfter(not_after.to_owned()))?,
            held,
        }))
    }
}

fn time_of(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(seconds.into());
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "89049032123451234512345678901235";

    fn parse(line: &str) -> Result<Option<LoadedCredential>, LineError> {
        LoadedCredential::parse(line.as_bytes())
    }

    #[test]
    fn a_line_is_read_with_either_kind_of_time() {
        let fingerprint = "ab".repeat(32);
        let line = format!("{ID} 12\t{fingerprint} 1900000000 held");
        let read = parse(&line).unwrap().unwrap();
        assert_eq!(read.device_id.as_str(), ID);
        assert_eq!((read.slot.get(), read.held), (12, true));
        assert_eq!(read.fingerprint.as_octets(), &[0xab; 32]);
        assert_eq!(read.not_after, 1_900_000_000);
        let line = format!("  {ID} 1 {fingerprint} 2030-03-17T17:46:40Z\r");
        assert_eq!(parse(&line).unwrap().unwrap().not_after, 1_900_000_000);
        assert_eq!(parse("# a comment"), Ok(None));
        assert_eq!(parse("  "), Ok(None));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let good = "ab".repeat(32);
        let error = |line: String| parse(&line).unwrap_err();
        assert_eq!(error(format!("{ID} 1 {good}")), LineError::Fields(3));
        assert!(matches!(
            error(format!("{ID}0 1 {good} 1")),
            LineError::DeviceId(_)
        ));
        assert!(matches!(
            error(format!("{ID} 01 {good} 1")),
            LineError::Slot(_)
        ));
        assert!(matches!(
            error(format!("{ID} 1 {}g 1", &good[1..])),
            LineError::Fingerprint(_)
        ));
        assert!(matches!(
            error(format!("{ID} 1 {good} soon")),
            LineError::NotAfter(_)
        ));
        assert!(matches!(
            error(format!("{ID} 1 {good} -5")),
            LineError::NotAfter(_)
        ));
        assert!(matches!(
            error(format!("{ID} 1 {good} 1 off")),
            LineError::State(_)
        ));
        assert_eq!(error("x".repeat(300)), LineError::NotALine);
        assert_eq!(
            LoadedCredential::parse(&[0xff, 0xfe]),
            Err(LineError::NotALine)
        );
    }
}
