//! The story of a device with tools that know nothing of us: openssl makes the request and judges
//! the certificate, kdig and delv judge what is published, iot-verify agrees with them.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;
mod judges;

use std::path::{Path, PathBuf};

use base64::prelude::*;
use harness::{EID, Registry, Serving, ZONE, judge, openssl_request, program, succeed};
use iot_dns_zone::Profile;
use judges::{Server, Way, delv, openssl, openssl_fingerprint, present};

const POSITIVE: &str = "; fully validated";
const NEGATIVE: &str = "; negative response, fully validated";

/// A registry in which openssl's request has been registered.
struct Story {
    serving: Serving,
    csr: PathBuf,
    certificate: PathBuf,
    chain: PathBuf,
    /// Trust anchor for delv, and the DS record for iot-verify.
    anchor: PathBuf,
    ds: PathBuf,
    owner: String,
}

impl Story {
    fn begin() -> Option<Self> {
        if !present(&["openssl", "kdig", "delv"]) {
            return None;
        }
        let serving = Registry::init(Profile::Standard).serve();
        let scratch = serving.registry.scratch.path().to_owned();
        let (_, csr) = openssl_request(&scratch, "x");
        // Relative file names, as people type them.
        let output = program()
            .current_dir(&scratch)
            .env("IOT_REGISTRY_SERVER", serving.api.to_string())
            .arg("--dir")
            .arg(&serving.registry.dir)
            .args(["device", "register", "--id", EID, "--csr", "x.csr"])
            .args(["--out", "x.pem", "--chain", "chain.pem"])
            .output()
            .unwrap();
        succeed(&output);
        let (anchor, ds) = (scratch.join("anchor.bind"), scratch.join("anchor.ds"));
        let format_bind = serving.run(&["zone", "ds", "--format", "bind"]);
        std::fs::write(&anchor, succeed(&format_bind)).unwrap();
        std::fs::write(&ds, succeed(&serving.run(&["zone", "ds"]))).unwrap();
        Some(Self {
            csr,
            certificate: scratch.join("x.pem"),
            chain: scratch.join("chain.pem"),
            anchor,
            ds,
            owner: format!("1.{EID}.{ZONE}"),
            serving,
        })
    }

    fn server<'a>(&self, way: Way, roots: &'a Path) -> Server<'a> {
        let address = match way {
            Way::Udp | Way::Tcp => self.serving.dns,
            Way::Tls => self.serving.dot,
            Way::Https => self.serving.doh,
        };
        Server {
            address,
            way,
            roots,
            name: "localhost",
        }
    }

    fn delv(&self, owner: &str, record_type: &str) -> String {
        delv(self.serving.dns, &self.anchor, owner, record_type)
    }

    fn device(&self, verb: &str) -> String {
        succeed(&self.serving.run(&["device", verb, "--id", EID]))
    }

    /// Exit code of iot-verify for a certificate file, over DNS-over-TLS.
    fn verify(&self, certificate: &Path) -> Option<i32> {
        let program = Path::new(env!("CARGO_BIN_EXE_iot-registry")).with_file_name("iot-verify");
        let output = judge(
            program.to_str().unwrap(),
            &[
                certificate.to_str().unwrap(),
                "--resolver",
                &self.serving.dot.to_string(),
                "--tls-name",
                "localhost",
                "--tls-roots",
                self.serving.service_root().to_str().unwrap(),
                "--anchor",
                self.ds.to_str().unwrap(),
                "--record",
                "both",
            ],
        )?;
        output.status.code()
    }
}

fn expect_in(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn openssl_accepts_the_certificate_as_a_tls_client_of_this_zone_only() {
    let Some(story) = Story::begin() else { return };
    let trust = story.serving.registry.dir.join("trust/device");
    let (root, issuing) = (trust.join("root.cert.pem"), trust.join("issuing.cert.pem"));
    let [root, issuing, chain, certificate, csr] = [
        &root,
        &issuing,
        &story.chain,
        &story.certificate,
        &story.csr,
    ]
    .map(|path| path.to_str().unwrap());
    let verify = |purpose: &str, untrusted: &str| {
        let arguments = [
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            root,
            "-untrusted",
            untrusted,
            certificate,
        ];
        judge("openssl", &arguments).unwrap().status.success()
    };
    assert!(verify("sslclient", chain) && verify("sslclient", issuing));
    assert!(
        !verify("sslserver", chain),
        "a device's certificate is not for servers"
    );

    let text = openssl(&["x509", "-in", certificate, "-noout", "-text"]);
    expect_in(
        &text,
        &[
            &format!("DNS:{}", story.owner),
            "CA:FALSE",
            "Digital Signature",
        ],
    );
    let subject = openssl(&["x509", "-in", certificate, "-noout", "-subject"]);
    assert_eq!(subject.trim(), format!("subject=CN = {}", story.owner));
    let key_of_certificate = openssl(&["x509", "-in", certificate, "-noout", "-pubkey"]);
    assert_eq!(
        key_of_certificate,
        openssl(&["req", "-in", csr, "-noout", "-pubkey"])
    );
}

#[test]
fn kdig_sees_the_fingerprint_that_openssl_computes_on_every_transport() {
    let Some(story) = Story::begin() else { return };
    let fingerprint = openssl_fingerprint(&story.certificate);
    let roots = story.serving.service_root();
    for way in [Way::Udp, Way::Tcp, Way::Tls, Way::Https] {
        let server = story.server(way, &roots);
        let answer = server
            .ask(&story.owner, "CERT")
            .unwrap_or_else(|| panic!("{way:?}"));
        assert!(
            answer.status == "NOERROR" && answer.has_flag("aa"),
            "{}",
            answer.text
        );
        let data = answer.data("CERT");
        let octets = data
            .strip_prefix("1 1 0 ")
            .map(|text| BASE64_STANDARD.decode(text).unwrap());
        let hex: String = octets
            .unwrap()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        assert_eq!(hex, fingerprint, "{way:?}");
        let data = server.ask(&story.owner, "TLSA").unwrap().data("TLSA");
        assert_eq!(
            data.to_ascii_lowercase(),
            format!("3 0 1 {fingerprint}"),
            "{way:?}"
        );
        let second = server.ask(&format!("2.{EID}.{ZONE}"), "CERT").unwrap();
        assert!(
            second.status == "NXDOMAIN" && second.is_signed_denial(),
            "{}",
            second.text
        );
    }
    for way in [Way::Tls, Way::Https] {
        let other_name = Server {
            name: "other.example",
            ..story.server(way, &roots)
        };
        assert_eq!(other_name.ask(&story.owner, "CERT"), None, "{way:?}");
        let device_root = story
            .serving
            .registry
            .dir
            .join("trust/device/root.cert.pem");
        assert_eq!(
            story.server(way, &device_root).ask(&story.owner, "CERT"),
            None,
            "{way:?}"
        );
    }
}

#[test]
fn delv_validates_presence_absence_and_the_apex() {
    let Some(story) = Story::begin() else { return };
    let fingerprint = openssl_fingerprint(&story.certificate);
    expect_in(
        &story.delv(&story.owner, "CERT"),
        &[POSITIVE, " CERT PKIX 1 0 "],
    );
    let tlsa = story
        .delv(&story.owner, "TLSA")
        .replace(' ', "")
        .to_ascii_lowercase();
    expect_in(&tlsa, &["fullyvalidated", &fingerprint]);
    // The second slot, another device, and the name between device and zone (no records of its own).
    let other = EID.replace("35", "99");
    for absent in [
        format!("2.{EID}.{ZONE}"),
        format!("1.{other}.{ZONE}"),
        format!("x.{ZONE}"),
    ] {
        expect_in(&story.delv(&absent, "CERT"), &[NEGATIVE, ";-$NXDOMAIN"]);
    }
    expect_in(
        &story.delv(&format!("{EID}.{ZONE}"), "CERT"),
        &[NEGATIVE, ";-$NXRRSET"],
    );
    for record_type in ["SOA", "NS", "DNSKEY", "CDS", "CDNSKEY", "NSEC"] {
        expect_in(&story.delv(ZONE, record_type), &[POSITIVE]);
    }
    expect_in(&story.delv(ZONE, "TXT"), &[NEGATIVE, ";-$NXRRSET"]);
    expect_in(
        &story.delv(&format!("ns1.{ZONE}"), "A"),
        &[POSITIVE, "127.0.0.1"],
    );

    // delv asks the parent for a DS; the denial is the one it has validated for TXT.
    let roots = story.serving.service_root();
    let server = story.server(Way::Tcp, &roots);
    let ds = server.ask(ZONE, "DS").unwrap();
    assert!(
        ds.status == "NOERROR" && ds.has_flag("aa") && ds.is_signed_denial(),
        "{}",
        ds.text
    );
    assert!(
        !ds.bitmap_of(ZONE).contains(&"DS".to_owned()),
        "{}",
        ds.text
    );
    assert_eq!(ds.authority, server.ask(ZONE, "TXT").unwrap().authority);
}

#[test]
fn delv_refuses_the_zone_under_another_anchor() {
    let Some(story) = Story::begin() else { return };
    let text = std::fs::read_to_string(&story.anchor).unwrap();
    let digest_begins = text.find('"').unwrap() + 1;
    let mut octets = text.into_bytes();
    octets[digest_begins] = if octets[digest_begins] == b'0' {
        b'1'
    } else {
        b'0'
    };
    let wrong = story.serving.registry.scratch.path().join("wrong.bind");
    std::fs::write(&wrong, octets).unwrap();
    for (owner, record_type) in [(story.owner.as_str(), "CERT"), (ZONE, "TXT")] {
        let text = delv(story.serving.dns, &wrong, owner, record_type);
        assert!(!text.contains("fully validated"), "{text}");
    }
}

#[test]
fn every_state_of_a_device_is_validated_by_delv_and_named_by_iot_verify() {
    let Some(story) = Story::begin() else { return };
    let stranger = story.serving.registry.scratch.path().join("stranger.pem");
    let (key, name) = (
        stranger.with_extension("key"),
        format!("DNS:{}", story.owner),
    );
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        &format!("/CN={}", story.owner),
        "-addext",
        &format!("subjectAltName={name}"),
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        stranger.to_str().unwrap(),
    ]);
    if story.verify(&story.certificate).is_none() {
        return;
    }
    assert_eq!(story.verify(&story.certificate), Some(0), "active");
    assert_eq!(
        story.verify(&stranger),
        Some(6),
        "the name is active, this certificate is not its"
    );

    expect_in(
        &story.device("deactivate"),
        &["denied_everywhere_by", "published_serial"],
    );
    let roots = story.serving.service_root();
    for record_type in ["CERT", "TLSA"] {
        expect_in(
            &story.delv(&story.owner, record_type),
            &[NEGATIVE, ";-$NXRRSET"],
        );
        let answer = story
            .server(Way::Tls, &roots)
            .ask(&story.owner, record_type)
            .unwrap();
        assert!(
            answer.status == "NOERROR" && answer.is_signed_denial(),
            "{}",
            answer.text
        );
        assert_eq!(answer.bitmap_of(&story.owner), ["TXT", "RRSIG", "NSEC"]);
    }
    expect_in(
        &story.delv(&story.owner, "TXT"),
        &[POSITIVE, "v=iotr1; status=inactive"],
    );
    assert_eq!(story.verify(&story.certificate), Some(1), "inactive");

    story.device("activate");
    expect_in(&story.delv(&story.owner, "CERT"), &[POSITIVE]);
    expect_in(&story.delv(&story.owner, "TXT"), &[NEGATIVE, ";-$NXRRSET"]);
    assert_eq!(story.verify(&story.certificate), Some(0), "active again");

    story.device("delete");
    for name in [story.owner.as_str(), &format!("{EID}.{ZONE}")] {
        expect_in(&story.delv(name, "CERT"), &[NEGATIVE, ";-$NXDOMAIN"]);
    }
    assert_eq!(story.verify(&story.certificate), Some(2), "absent");
}
