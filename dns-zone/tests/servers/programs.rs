//! What programs of others make of the answers: kdig over every transport, delv in validating.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fixture::{self, apex, eid, iccid, judge};
use crate::{devices, start};

/// Certificate and key of a server, made by openssl.
fn tls(dir: &Path) -> Option<Arc<ServerConfig>> {
    let (key, cert) = (dir.join("tls.key"), dir.join("tls.crt"));
    let made = judge(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=dns.test",
            "-addext",
            "subjectAltName=DNS:dns.test",
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            cert.to_str().unwrap(),
        ],
    )?;
    assert!(made.status.success());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(cert).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    Some(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn kdig_is_answered_over_every_transport() {
    let zone = devices();
    let Some(tls) = tls(zone.dir.path()) else {
        return;
    };
    let server = start(&zone, Some(tls)).await;
    let bound = server.bound().clone();
    let ca = format!("+tls-ca={}", zone.dir.path().join("tls.crt").display());
    let name = format!("1.{}.iotregistry.example", iccid());
    let expected = fixture::fingerprint(1).to_string().to_uppercase();
    for (address, options) in [
        (bound.udp[0], vec!["+notcp", "+ignore"]),
        (bound.tcp[0], vec!["+tcp"]),
        (bound.dot[0], vec!["+tls", &ca, "+tls-hostname=dns.test"]),
        (bound.doh[0], vec!["+https", &ca, "+tls-hostname=dns.test"]),
    ] {
        let port = address.port().to_string();
        let mut arguments = vec!["@127.0.0.1", "-p", &port, "+dnssec", "+retry=0"];
        arguments.extend(options.iter().copied());
        arguments.extend([name.as_str(), "TLSA"]);
        let output = judge("kdig", &arguments).expect("openssl was there, so nothing is skipped");
        let text = String::from_utf8_lossy(&output.stdout).to_uppercase();
        assert!(output.status.success(), "{options:?}: {text}");
        assert!(text.contains("STATUS: NOERROR"), "{options:?}: {text}");
        assert!(text.contains("FLAGS: QR AA RD"), "{options:?}: {text}");
        let record = text.split_whitespace().collect::<String>();
        assert!(
            record.contains(&format!("TLSA301{expected}")),
            "{options:?}: {text}"
        );
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kdig_is_told_that_nobody_knows_its_key() {
    let zone = devices();
    let server = start(&zone, None).await;
    let bound = server.bound().clone();
    let key = "hmac-sha256:transfer.example:c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ==";
    for (address, option) in [(bound.udp[0], "+notcp"), (bound.tcp[0], "+tcp")] {
        let port = address.port().to_string();
        let asked = ["-y", key, option, "+retry=0", "iotregistry.example", "SOA"];
        let arguments = [&["@127.0.0.1", "-p", &port][..], &asked].concat();
        let Some(output) = judge("kdig", &arguments) else {
            break;
        };
        let said = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&said).to_uppercase();
        // NOTAUTH in the header is shown as what the record says.
        assert!(text.contains("STATUS: BADKEY"), "{option}: {text}");
        assert!(text.contains("TSIG PSEUDOSECTION"), "{option}: {text}");
        assert!(!text.contains("MALFORMED"), "{option}: {text}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn delv_validates_presence_inactivity_and_absence() {
    let zone = devices();
    let server = start(&zone, None).await;
    let port = server.bound().udp[0].port();
    // delv asks over TCP too when an answer is truncated, on the same port number; ours are not.
    let anchor = zone.dir.path().join("anchor.conf");
    let ds = zone.writer.keys().ds_presentation(&apex());
    let fields: Vec<&str> = ds.split(' ').collect();
    let text = format!(
        "trust-anchors {{ {} static-ds {} {} {} \"{}\"; }};\n",
        fields[0], fields[3], fields[4], fields[5], fields[6]
    );
    fs::write(&anchor, text).unwrap();
    let (port, anchor) = (port.to_string(), anchor.display().to_string());
    for (name, record_type, expected) in [
        (format!("1.{}", iccid()), "TLSA", "; fully validated"),
        (format!("1.{}", iccid()), "CERT", "; fully validated"),
        (
            format!("2.{}", eid(7)),
            "TLSA",
            "; negative response, fully validated",
        ),
        (
            format!("{}", eid(7)),
            "TLSA",
            "; negative response, fully validated",
        ),
        (
            format!("1.{}", eid(8)),
            "TLSA",
            "; negative response, fully validated",
        ),
        (
            format!("3.{}", eid(7)),
            "TLSA",
            "; negative response, fully validated",
        ),
        ("_853._tcp.ns1".to_owned(), "TLSA", "; fully validated"),
    ] {
        let name = format!("{name}.iotregistry.example");
        let arguments = [
            "@127.0.0.1",
            "-p",
            &port,
            "-a",
            &anchor,
            "+root=iotregistry.example",
            name.as_str(),
            record_type,
        ];
        let Some(output) = judge("delv", &arguments) else {
            return;
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(expected), "{name} {record_type}: {text}");
    }
    server.shutdown().await.unwrap();
}
