//! What the issuing CA signs and what it refuses to, at the edges of numbers and times.

use std::collections::HashSet;

use iot_identity::{DeviceId, OwnerName, Slot, ZoneName};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;
use x509_parser::prelude::X509Certificate;

use super::issue::random_serial;
use super::{IssueError, Issued, SERIAL_OCTETS, TbsDevice, TrustError, TrustRoots};
use crate::csr;
use crate::directory::Directory;

const EID: &str = "89049032123451234512345678901235";
const YEAR_SECS: u64 = 365 * 24 * 3600;
/// 2027-01-01T00:00:00Z.
const NOW: u64 = 1_798_761_600;
/// The last second that UTCTime can say: 2049-12-31T23:59:59Z.
const LAST_OF_UTC_TIME: u64 = 2_524_607_999;
/// The last second of 2048-02-29.
const LEAP_DAY_END: u64 = 2_466_633_599;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

struct Roots {
    _scratch: TempDir,
    directory: Directory,
    zone: ZoneName,
}

impl Roots {
    /// Roots that were made at a time.
    fn made_at(now: u64) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let directory = Directory::new(scratch.path().join("registry"));
        let zone = ZoneName::parse("iotregistry.example").unwrap();
        TrustRoots::create(&directory, &zone, &["localhost".to_owned()], now).unwrap();
        Self {
            _scratch: scratch,
            directory,
            zone,
        }
    }

    fn load(&self) -> Result<TrustRoots, TrustError> {
        TrustRoots::load(&self.directory, &self.zone)
    }

    fn issue(
        &self,
        serial: [u8; SERIAL_OCTETS],
        validity_secs: u64,
        now: u64,
    ) -> Result<Issued, IssueError> {
        let device_id = DeviceId::parse(EID).unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let request = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let device = TbsDevice {
            csr: csr::accept(request.der(), device_id, &self.zone).unwrap(),
            owner: OwnerName::new(Slot::FIRST, device_id, &self.zone),
            serial,
        };
        self.load()
            .unwrap()
            .issuing
            .issue(device, validity_secs, now)
    }
}

fn parsed(issued: &Issued) -> X509Certificate<'_> {
    x509_parser::parse_x509_certificate(&issued.der).unwrap().1
}

/// Tags of the two times in DER.
fn time_tags(issued: &Issued) -> [u8; 2] {
    // Validity: a sequence of two times of 13 or 15 characters that end in Z.
    let is_time = |at: usize| match issued.der[at..] {
        [UTC_TIME, 13, ..] => issued.der.get(at + 14) == Some(&b'Z'),
        [GENERALIZED_TIME, 15, ..] => issued.der.get(at + 16) == Some(&b'Z'),
        _ => false,
    };
    let places: Vec<usize> = (0..issued.der.len() - 17)
        .filter(|at| is_time(*at))
        .collect();
    assert_eq!(places.len(), 2, "{places:?}");
    [issued.der[places[0]], issued.der[places[1]]]
}

#[test]
fn serial_numbers_are_positive_and_short_however_the_random_bits_fall() {
    let roots = Roots::made_at(NOW);
    let mut small = [0; SERIAL_OCTETS];
    small[SERIAL_OCTETS - 1] = 1;
    for serial in [
        [0xff; SERIAL_OCTETS],
        [0x80; SERIAL_OCTETS],
        [0x7f; SERIAL_OCTETS],
        small,
    ] {
        let issued = roots.issue(serial, YEAR_SECS, NOW).unwrap();
        let certificate = parsed(&issued);
        // RFC 5280 §4.1.2.2: positive, at most 20 octets.
        let octets = certificate.raw_serial();
        assert!(octets[0] < 0x80 && octets.len() <= 20, "{octets:?}");
        assert!(octets.iter().any(|octet| *octet != 0));
    }
    let refused = roots.issue([0; SERIAL_OCTETS], YEAR_SECS, NOW);
    assert!(
        matches!(refused, Err(IssueError::ReadBack(_))),
        "{refused:?}"
    );
}

#[test]
fn a_hundred_thousand_serial_numbers_are_all_different() {
    let serials: HashSet<_> = (0..100_000).map(|_| random_serial()).collect();
    assert_eq!(serials.len(), 100_000);
    // 64 random bits at least (CA/Browser Forum): each half alone is never the same either.
    let halves = serials.iter().map(|serial| &serial[..8]);
    assert_eq!(halves.collect::<HashSet<_>>().len(), 100_000);
}

#[test]
fn a_certificate_is_valid_for_its_validity_to_the_second_and_not_from_long_ago() {
    let roots = Roots::made_at(NOW);
    for validity_secs in [1, 3600, YEAR_SECS] {
        let issued = roots
            .issue(random_serial(), validity_secs, NOW + 1000)
            .unwrap();
        // The last second counts (RFC 5280 §4.1.2.5).
        assert_eq!(issued.not_after - issued.not_before + 1, validity_secs);
        assert_eq!(issued.not_before, NOW + 1000 - 300);
        let validity = parsed(&issued).validity().clone();
        assert_eq!(validity.not_before.timestamp() as u64, issued.not_before);
        assert_eq!(validity.not_after.timestamp() as u64, issued.not_after);
    }
}

#[test]
fn a_certificate_never_outlives_or_precedes_its_ca() {
    let roots = Roots::made_at(NOW);
    let ca_end = NOW + 10 * YEAR_SECS;
    let issued = roots.issue(random_serial(), 100 * YEAR_SECS, NOW).unwrap();
    assert_eq!((issued.not_before, issued.not_after), (NOW - 300, ca_end));
    let last = roots.issue(random_serial(), YEAR_SECS, ca_end).unwrap();
    assert_eq!(last.not_after, ca_end);
    let first = roots.issue(random_serial(), YEAR_SECS, NOW - 300).unwrap();
    assert_eq!(first.not_before, NOW - 300);
}

#[test]
fn a_ca_that_is_not_valid_yet_or_no_longer_issues_nothing() {
    let roots = Roots::made_at(NOW);
    for now in [
        0,
        NOW - 301,
        NOW + 10 * YEAR_SECS + 1,
        253_402_300_800,
        u64::MAX,
    ] {
        let refused = roots.issue(random_serial(), YEAR_SECS, now);
        let is_said = matches!(refused, Err(IssueError::CaNotValid { now: at, .. }) if at == now);
        assert!(is_said, "{now}: {refused:?}");
    }
}

#[test]
fn times_are_written_as_rfc_5280_wants_them_before_and_after_2050() {
    let roots = Roots::made_at(LAST_OF_UTC_TIME - 5 * YEAR_SECS);
    // (not before, life, tags)
    let cases = [
        (LEAP_DAY_END, 1, [UTC_TIME, UTC_TIME]),
        (LAST_OF_UTC_TIME, 1, [UTC_TIME, UTC_TIME]),
        (LAST_OF_UTC_TIME, 2, [UTC_TIME, GENERALIZED_TIME]),
        (
            LAST_OF_UTC_TIME + 1,
            1,
            [GENERALIZED_TIME, GENERALIZED_TIME],
        ),
    ];
    for (not_before, validity_secs, tags) in cases {
        let issued = roots
            .issue(random_serial(), validity_secs, not_before + 300)
            .unwrap();
        assert_eq!(issued.not_before, not_before);
        assert_eq!(issued.not_after, not_before + validity_secs - 1);
        assert_eq!(time_tags(&issued), tags, "{not_before}");
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_before_anything_is_signed() {
    let (roots, other) = (Roots::made_at(NOW), Roots::made_at(NOW));
    let key_of = |roots: &Roots| roots.directory.trust().join("device/issuing.key.pem");
    std::fs::copy(key_of(&other), key_of(&roots)).unwrap();
    let error = roots.load().err().map(|error| error.to_string());
    let said = error.expect("another key was taken");
    assert!(said.contains("belongs to another certificate"), "{said}");
}

#[test]
fn what_is_no_key_or_no_certificate_is_refused_with_the_file_s_name() {
    for file in ["issuing.key.pem", "issuing.cert.pem", "root.cert.pem"] {
        let roots = Roots::made_at(NOW);
        let path = roots.directory.trust().join("device").join(file);
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
        let error = roots.load().err().map(|error| error.to_string());
        assert!(error.is_some_and(|said| said.contains(file)), "{file}");
    }
}
