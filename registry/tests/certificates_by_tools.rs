//! Device certificates before eyes that did not make them: GnuTLS, webpki as rustls has it, x509-parser and
//! openssl agree on chain, purpose, name and key, and their fingerprint is the one in the zone.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;
mod judges;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness::{EID, ICCID, Registry, Serving, ZONE, judge, openssl_request, succeed};
use iot_dns_zone::Profile;
use judges::{Server, Way, openssl, openssl_fingerprint, present};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use x509_parser::prelude::*;

const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
const SERVER: &str = "1.3.6.1.5.5.7.3.1";

/// A certificate that was issued for a request, as files.
struct Issued {
    csr: PathBuf,
    certificate: PathBuf,
    owner: String,
}

/// A registry with a device whose request openssl made, one whose request GnuTLS made, and a second
/// certificate of the first.
struct Scene {
    serving: Serving,
    issued: Vec<Issued>,
    root: PathBuf,
    issuing: PathBuf,
}

impl Scene {
    fn set() -> Option<Self> {
        if !present(&["openssl", "certtool", "kdig"]) {
            return None;
        }
        let serving = Registry::init(Profile::Standard).serve();
        let scratch = serving.registry.scratch.path().to_owned();
        let wanted = [
            ("register", EID, 1, openssl_request(&scratch, "one").1),
            ("add-slot", EID, 2, openssl_request(&scratch, "two").1),
            ("register", ICCID, 1, certtool_request(&scratch, "three")),
        ];
        let issued = wanted.map(|(verb, id, slot, csr)| {
            let certificate = csr.with_extension("pem");
            succeed(&serving.run(&[
                "device",
                verb,
                "--id",
                id,
                "--csr",
                text(&csr),
                "--out",
                text(&certificate),
            ]));
            Issued {
                csr,
                certificate,
                owner: format!("{slot}.{id}.{ZONE}"),
            }
        });
        let trust = serving.registry.dir.join("trust/device");
        Some(Self {
            issued: issued.into(),
            root: trust.join("root.cert.pem"),
            issuing: trust.join("issuing.cert.pem"),
            serving,
        })
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn der(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

/// What GnuTLS prints, having succeeded.
fn certtool(arguments: &[&str]) -> String {
    succeed(&judge("certtool", arguments).unwrap())
}

/// A key and a request of GnuTLS; the request's file.
fn certtool_request(scratch: &Path, stem: &str) -> PathBuf {
    let [key, template, csr] =
        ["key", "template", "csr"].map(|end| scratch.join(format!("{stem}.{end}")));
    std::fs::write(&template, "cn = \"device\"\n").unwrap();
    let key = text(&key);
    certtool(&[
        "--generate-privkey",
        "--key-type=ecdsa",
        "--curve=secp256r1",
        "--outfile",
        key,
    ]);
    certtool(&[
        "--generate-request",
        "--no-text",
        "--load-privkey",
        key,
        "--template",
        text(&template),
        "--outfile",
        text(&csr),
    ]);
    csr
}

/// The public key at the end of what a tool prints.
fn public_key(printed: &str) -> &str {
    let begin = printed.find("-----BEGIN PUBLIC KEY-----").unwrap();
    printed[begin..].trim_end()
}

#[test]
fn gnutls_verifies_the_chain_for_tls_clients_of_the_name_alone() {
    let Some(scene) = Scene::set() else { return };
    let foreign = scene.serving.service_root();
    for one in &scene.issued {
        let chain = one.certificate.with_extension("chain");
        let parts = [&one.certificate, &scene.issuing];
        let parts = parts.map(|part| std::fs::read_to_string(part).unwrap());
        std::fs::write(&chain, parts.concat()).unwrap();
        let verifies = |root: &Path, purpose: &str, name: &str| {
            let arguments = [
                "--verify",
                "--verify-profile=medium",
                "--load-ca-certificate",
                text(root),
                "--infile",
                text(&chain),
                "--verify-purpose",
                purpose,
                "--verify-hostname",
                name,
            ];
            judge("certtool", &arguments).unwrap().status.success()
        };
        assert!(verifies(&scene.root, CLIENT, &one.owner), "{}", one.owner);
        assert!(!verifies(&scene.root, SERVER, &one.owner), "a server");
        let other = format!("9.{EID}.{ZONE}");
        assert!(!verifies(&scene.root, CLIENT, &other), "another name");
        assert!(!verifies(&foreign, CLIENT, &one.owner), "another root");
        // The whole of it, ending in the root.
        let whole = one.certificate.with_extension("whole");
        let root = std::fs::read_to_string(&scene.root).unwrap();
        std::fs::write(&whole, parts.concat() + &root).unwrap();
        let profile = "--verify-profile=medium";
        certtool(&["--verify-chain", profile, "--infile", text(&whole)]);
    }
}

#[test]
fn gnutls_and_openssl_read_the_key_of_the_request_and_the_fingerprint_of_the_zone() {
    let Some(scene) = Scene::set() else { return };
    let roots = scene.serving.service_root();
    let server = Server {
        address: scene.serving.dns,
        way: Way::Udp,
        roots: &roots,
        name: "localhost",
    };
    let mut keys = Vec::new();
    for one in &scene.issued {
        let (csr, certificate) = (text(&one.csr), text(&one.certificate));
        let requested = certtool(&["--pubkey-info", "--load-request", csr]);
        let certified = certtool(&["--pubkey-info", "--load-certificate", certificate]);
        let key = public_key(&requested);
        assert_eq!(key, public_key(&certified), "{}", one.owner);
        let of_openssl = openssl(&["x509", "-in", certificate, "-noout", "-pubkey"]);
        assert_eq!(key, public_key(&of_openssl), "{}", one.owner);
        assert!(!keys.contains(&key.to_owned()), "each has its own");
        keys.push(key.to_owned());

        let hash = ["--fingerprint", "--hash", "sha256", "--infile", certificate];
        let fingerprint = certtool(&hash).trim().to_owned();
        assert_eq!(fingerprint, openssl_fingerprint(&one.certificate));
        let tlsa = server.ask(&one.owner, "TLSA").unwrap().data("TLSA");
        assert_eq!(tlsa.to_ascii_lowercase(), format!("3 0 1 {fingerprint}"));

        let printed = certtool(&["-i", "--infile", certificate]);
        for part in [
            &format!("Subject: CN={}\n", one.owner),
            &format!("DNSname: {}\n", one.owner),
            "Certificate Authority (CA): FALSE\n",
            "Key Usage (critical):\n\t\t\tDigital signature.\n",
            "TLS WWW Client.\n",
        ] {
            assert!(printed.contains(part), "{part:?} is not in {printed}");
        }
        assert!(!printed.contains("Unknown extension"), "{printed}");
    }
}

#[test]
fn webpki_lets_the_certificate_in_as_a_client_of_its_name_and_of_no_other_root() {
    let Some(scene) = Scene::set() else { return };
    let verifier = |root: &Path| {
        let mut roots = RootCertStore::empty();
        roots.add(der(root)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap()
    };
    let (own, foreign) = (
        verifier(&scene.root),
        verifier(&scene.serving.service_root()),
    );
    let (issuing, now) = ([der(&scene.issuing)], UnixTime::now());
    for one in &scene.issued {
        let certificate = der(&one.certificate);
        own.verify_client_cert(&certificate, &issuing, now).unwrap();
        let unchained = own.verify_client_cert(&certificate, &[], now);
        assert!(unchained.is_err(), "without the issuing CA");
        let refused = foreign.verify_client_cert(&certificate, &issuing, now);
        assert!(refused.is_err(), "another root");
        let parsed = ParsedCertificate::try_from(&certificate).unwrap();
        let named = |name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            rustls::client::verify_server_name(&parsed, &name).is_ok()
        };
        assert!(named(&one.owner) && !named(&format!("9.{EID}.{ZONE}")));
    }
}

#[test]
fn x509_parser_reads_the_key_of_the_request_and_nothing_that_was_not_meant() {
    let Some(scene) = Scene::set() else { return };
    let issuing = der(&scene.issuing);
    let (_, issuing) = X509Certificate::from_der(&issuing).unwrap();
    for one in &scene.issued {
        let octets = der(&one.certificate);
        let (rest, certificate) = X509Certificate::from_der(&octets).unwrap();
        assert!(rest.is_empty(), "octets behind it");
        let pem = std::fs::read(&one.csr).unwrap();
        let (_, pem) = parse_x509_pem(&pem).unwrap();
        let (_, request) = X509CertificationRequest::from_der(&pem.contents).unwrap();
        let requested = &request.certification_request_info.subject_pki;
        assert_eq!(certificate.public_key().raw, requested.raw, "{}", one.owner);
        let signed = certificate.verify_signature(Some(issuing.public_key()));
        signed.unwrap();
        let by_itself = certificate.verify_signature(None);
        assert!(by_itself.is_err(), "it is not its own issuer");
        assert_eq!(certificate.issuer(), issuing.subject());
        let mut extensions: Vec<String> = certificate
            .extensions()
            .iter()
            .map(|one| format!("{} {}", one.oid, one.critical))
            .collect();
        extensions.sort();
        // Key identifiers, usage, alternative name, constraints, authority's identifier, purposes.
        assert_eq!(
            extensions,
            [
                "2.5.29.14 false",
                "2.5.29.15 true",
                "2.5.29.17 false",
                "2.5.29.19 true",
                "2.5.29.35 false",
                "2.5.29.37 false"
            ]
        );
        let key_id = |certificate: &X509Certificate<'_>| {
            let found = certificate.extensions().iter();
            found
                .filter_map(|one| match one.parsed_extension() {
                    ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                    _ => None,
                })
                .next()
        };
        let authority = certificate.extensions().iter();
        let authority = authority.filter_map(|one| match one.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref(),
            _ => None,
        });
        let authority: Vec<Vec<u8>> = authority.map(|id| id.0.to_vec()).collect();
        assert_eq!(authority, [key_id(&issuing).unwrap()]);
    }
}
