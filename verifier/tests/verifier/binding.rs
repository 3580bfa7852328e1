//! A certificate against the registry's word, and trust anchor files.

use iot_identity::{CertRecord, Fingerprint};
use iot_verifier::anchor::AnchorLineFault;
use iot_verifier::dnskey::KeyFlaw;
use iot_verifier::{
    ActiveDevice, AnchorError, BindingError, CertificateError, PresentedCertificate, Verdict,
    ZoneAnchor, bind,
};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

use crate::rogue::records::raw;
use crate::rogue::*;

/// Makes a self-signed certificate of the registry's form, changed as wanted.
pub(crate) fn certificate(change: impl FnOnce(&mut CertificateParams)) -> rcgen::Certificate {
    let name = OWNER.trim_end_matches('.');
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap()
}

fn common_name(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

fn dns_name(name: &str) -> SanType {
    SanType::DnsName(Ia5String::try_from(name).unwrap())
}

/// The registry's word for a certificate with this fingerprint.
fn active(fingerprint: Fingerprint) -> ActiveDevice {
    let world = World::new();
    let mut case = world.active();
    let record = raw(OWNER, CERT, &CertRecord { fingerprint }.rdata());
    case.cert.answer = world.by_zsk().sign(vec![record]);
    match world.judge(&case) {
        Ok(Verdict::Active(active)) => active,
        other => panic!("{other:?}"),
    }
}

fn read(change: impl FnOnce(&mut CertificateParams)) -> Result<(), CertificateError> {
    PresentedCertificate::from_der(certificate(change).der()).map(|_| ())
}

#[test]
fn the_certificate_that_is_published_is_admitted() {
    let made = certificate(|_| ());
    let presented = PresentedCertificate::from_pem(made.pem().as_bytes()).unwrap();
    assert_eq!(
        presented,
        PresentedCertificate::from_der(made.der()).unwrap()
    );
    assert_eq!(*presented.owner(), owner());
    let active = active(Fingerprint::of_certificate(made.der()));
    let admitted = bind(&active, &presented, NOW).unwrap();
    assert_eq!(admitted.fingerprint(), presented.fingerprint());
    assert_eq!(*admitted.owner(), owner());
    assert_eq!(admitted.recheck_at(), NOW + ttl());
}

#[test]
fn letter_case_of_the_certificates_names_does_not_matter() {
    let upper = OWNER.trim_end_matches('.').to_uppercase();
    let made = certificate(|params| common_name(params, &upper));
    let presented = PresentedCertificate::from_der(made.der()).unwrap();
    assert_eq!(*presented.owner(), owner());
}

#[test]
fn another_certificate_of_the_same_name_is_superseded() {
    let presented = PresentedCertificate::from_der(certificate(|_| ()).der()).unwrap();
    let expected = BindingError::Superseded {
        published: fingerprint(),
        presented: presented.fingerprint(),
    };
    assert_eq!(bind(&active(fingerprint()), &presented, NOW), Err(expected));
}

#[test]
fn the_certificate_of_another_device_is_refused() {
    let other = OTHER_OWNER.trim_end_matches('.');
    let made = certificate(|params| {
        common_name(params, other);
        params.subject_alt_names = vec![dns_name(other)];
    });
    let presented = PresentedCertificate::from_der(made.der()).unwrap();
    let expected = BindingError::OtherName {
        presented: Box::new(presented.owner().clone()),
        asked: Box::new(owner()),
    };
    // Even when its fingerprint stands at the name that was asked.
    let active = active(presented.fingerprint());
    assert_eq!(bind(&active, &presented, NOW), Err(expected));
}

#[test]
fn certificates_outside_their_dates_are_refused_although_published() {
    let made = certificate(|params| params.not_after = date_time_ymd(2026, 11, 1));
    let presented = PresentedCertificate::from_der(made.der()).unwrap();
    let not_after = presented.not_after();
    assert_eq!(
        bind(&active(presented.fingerprint()), &presented, NOW),
        Err(BindingError::CertificateExpired { not_after })
    );
    let made = certificate(|params| params.not_before = date_time_ymd(2026, 12, 1));
    let presented = PresentedCertificate::from_der(made.der()).unwrap();
    let not_before = presented.not_before();
    assert_eq!(
        bind(&active(presented.fingerprint()), &presented, NOW),
        Err(BindingError::CertificateNotYetValid { not_before })
    );
}

#[test]
fn an_old_verdict_admits_nobody() {
    let presented = PresentedCertificate::from_der(certificate(|_| ()).der()).unwrap();
    let active = active(presented.fingerprint());
    let valid_until = NOW + ttl();
    assert!(bind(&active, &presented, valid_until).is_ok());
    assert_eq!(
        bind(&active, &presented, valid_until + 1),
        Err(BindingError::VerdictOutdated { valid_until })
    );
}

#[test]
fn certificates_of_another_form_are_refused() {
    use CertificateError as E;
    let nameless = read(|params| params.distinguished_name = rcgen::DistinguishedName::new());
    assert_eq!(nameless, Err(E::CommonNames { found: 0 }));
    let two_names = read(|params| params.subject_alt_names.push(dns_name("attacker.example")));
    assert_eq!(two_names, Err(E::SubjectAlternativeName));
    let no_name = read(|params| params.subject_alt_names.clear());
    assert_eq!(no_name, Err(E::SubjectAlternativeName));
    let mail = read(|params| {
        let mail = SanType::Rfc822Name(Ia5String::try_from("a@b.example").unwrap());
        params.subject_alt_names = vec![mail];
    });
    assert_eq!(mail, Err(E::SubjectAlternativeName));
    let other = read(|params| common_name(params, OTHER_OWNER.trim_end_matches('.')));
    assert!(matches!(other, Err(E::NamesDiffer { .. })), "{other:?}");
    for name in [
        "www.iotregistry.example",
        "1.89049032123451234512345678901234.iotregistry.example",
        "0.89049032123451234512345678901235.iotregistry.example",
        "1.89049032123451234512345678901235.iotregistry.example.",
    ] {
        let result = read(|params| {
            common_name(params, name);
            params.subject_alt_names = vec![dns_name(name)];
        });
        assert!(matches!(result, Err(E::Name { .. })), "{name}: {result:?}");
    }
}

#[test]
fn octets_that_are_not_one_certificate_are_refused() {
    use CertificateError as E;
    let made = certificate(|_| ());
    let (pem, der) = (made.pem(), made.der().to_vec());
    let from_pem = |text: &str| PresentedCertificate::from_pem(text.as_bytes()).map(|_| ());
    assert_eq!(from_pem(&format!("a note\n{pem}\nanother\n")), Ok(()));
    assert_eq!(from_pem(&format!("{pem}{pem}")), Err(E::Pem));
    let key = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(from_pem(&key), Err(E::Pem));
    assert_eq!(from_pem(&format!("{pem}{key}")), Err(E::Pem));
    assert_eq!(from_pem("no certificate"), Err(E::Pem));
    let from_der = |der: &[u8]| PresentedCertificate::from_der(der).map(|_| ());
    assert_eq!(from_der(&der[..der.len() - 1]), Err(E::Der));
    assert_eq!(from_der(&[&der[..], &[0]].concat()), Err(E::Der));
    assert_eq!(from_der(&[]), Err(E::Der));
    assert_eq!(from_der(&[0; 16_385]), Err(E::TooLong { octets: 16_385 }));
}

#[test]
fn anchor_files_that_are_wrong_are_refused_with_the_line() {
    use AnchorLineFault as F;
    let digest = "ab".repeat(32);
    let fault = |record: &str| match ZoneAnchor::parse(&format!("; comment\n\n{record}\n")) {
        Err(AnchorError::Line { line: 3, fault }) => fault,
        other => panic!("{record}: {other:?}"),
    };
    assert_eq!(
        fault("iotregistry.example. DS 1 13 2"),
        F::Digest { octets: 32 }
    );
    assert_eq!(
        fault(&format!("iotregistry.example. DS 1 13 2 {digest}ab")),
        F::Digest { octets: 32 }
    );
    assert_eq!(
        fault(&format!("iotregistry.example. DS 1 13 4 {digest}")),
        F::Digest { octets: 48 }
    );
    assert_eq!(
        fault(&format!("iotregistry.example. DS 1 13 1 {digest}")),
        F::DigestType { digest_type: 1 }
    );
    assert_eq!(
        fault(&format!("iotregistry.example. DS 1 8 2 {digest}")),
        F::Algorithm { algorithm: 8 }
    );
    assert_eq!(
        fault("iotregistry.example. DNSKEY 257 3 8 AwEAAQ=="),
        F::Algorithm { algorithm: 8 }
    );
    let key = format!("{}A==", "A".repeat(85));
    assert_eq!(
        fault(&format!("iotregistry.example. DNSKEY 1 3 13 {key}")),
        F::Key(KeyFlaw::NotZoneKey)
    );
    assert_eq!(
        fault(&format!("iotregistry.example. DNSKEY 385 3 13 {key}")),
        F::Key(KeyFlaw::Revoked)
    );
    assert_eq!(
        fault(&format!("iotregistry.example. DNSKEY 257 2 13 {key}")),
        F::Key(KeyFlaw::Protocol)
    );
    assert_eq!(fault("iotregistry.example. DNSKEY 257 3 13 !"), F::Base64);
    assert_eq!(fault("iotregistry.example. A 192.0.2.1"), F::Syntax);
    assert_eq!(fault("iotregistry.example."), F::Syntax);
    assert_eq!(fault("; lifetime-max: soon"), F::LifetimeMax);
    assert!(matches!(fault(". DS 1 13 2 ab"), F::Zone(_)));
}

#[test]
fn anchor_files_of_several_zones_or_none_are_refused() {
    assert_eq!(ZoneAnchor::parse(""), Err(AnchorError::Empty));
    let only_comments = "; nothing\n; lifetime-max: 60\n";
    assert_eq!(ZoneAnchor::parse(only_comments), Err(AnchorError::Empty));
    let first = World::new().anchor_text();
    let second = first.replace(ZONE, "other.example.");
    let both = ZoneAnchor::parse(&format!("{first}\n{second}\n"));
    assert!(matches!(
        both,
        Err(AnchorError::Line {
            line: 2,
            fault: AnchorLineFault::OtherZone { .. }
        })
    ));
    let nine = format!("{first}\n").repeat(9);
    assert!(matches!(
        ZoneAnchor::parse(&nine),
        Err(AnchorError::Line {
            line: 9,
            fault: AnchorLineFault::TooMany
        })
    ));
    let long = "; ".repeat(40_000);
    assert_eq!(
        ZoneAnchor::parse(&long),
        Err(AnchorError::TooLong { octets: 80_000 })
    );
}

#[test]
fn a_sha384_anchor_is_accepted() {
    use ring::digest::{SHA384, digest};
    let world = World::new();
    let octets = [name_of(ZONE).wire(), &world.ksk.rdata()].concat();
    let hash = digest(&SHA384, &octets);
    let text: String = hash
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let (first, second) = text.split_at(30);
    let line = format!("{ZONE} IN 60 DS {} 13 4 {first} {second}", world.ksk.tag());
    let anchor = ZoneAnchor::parse(&line).unwrap();
    let evidence = gather(&world.active()).unwrap();
    assert!(validate(&evidence, &anchor, &policy_at(NOW), NOW).is_ok());
}
