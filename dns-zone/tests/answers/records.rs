//! Names and types that exist.

use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};

use crate::asking::*;
use crate::denials::negative;
use crate::fixture::{self, eid, iccid};

#[test]
fn records_that_exist_are_answered_with_their_signature() {
    let zone = devices();
    for (name, record_type, count) in [
        (name("1", iccid()), TYPE_CERT, 1),
        (name("1", iccid()), TYPE_TLSA, 1),
        (name("2", eid(7)), TYPE_TXT, 1),
        (name("1", eid(7)), TYPE_NSEC, 1),
        (fixture::APEX.into(), 6, 1),
        (fixture::APEX.into(), 2, 2),
        (fixture::APEX.into(), 48, 2),
        (fixture::APEX.into(), 59, 1),
        (fixture::APEX.into(), 60, 1),
        (fixture::APEX.into(), 257, 1),
        (fixture::APEX.into(), TYPE_NSEC, 1),
        (under_apex("ns1"), 1, 1),
        (under_apex("_853._tcp.ns1"), TYPE_TLSA, 1),
        (under_apex("dns.api"), 65, 1),
    ] {
        let question = Ask::new(&name, record_type);
        let signed = ask(&zone, &question);
        assert_eq!(
            signed.metadata.response_code,
            ResponseCode::NoError,
            "{name}"
        );
        assert!(signed.metadata.authoritative);
        assert_eq!(signed.answers.len(), count + 1, "{name} {record_type}");
        assert_eq!(rrsigs(&signed.answers).len(), 1);
        assert!(signed.authorities.is_empty());
        verify_section(&zone, &signed.answers);
        let plain = ask(&zone, &question.plain());
        assert_eq!(
            plain.answers.len(),
            count,
            "{name} {record_type} without DNSSEC"
        );
        assert_eq!(rrsigs(&plain.answers).len(), 0);
    }
}

#[test]
fn the_fingerprint_is_in_cert_and_tlsa() {
    let zone = devices();
    let expected = *fixture::fingerprint(1).as_octets();
    let cert = ask(&zone, &Ask::new(&name("1", iccid()), TYPE_CERT));
    let RData::CERT(cert) = &cert.answers[0].data else {
        panic!("no CERT")
    };
    assert_eq!(cert.cert_data, expected);
    let tlsa = ask(&zone, &Ask::new(&name("1", iccid()), TYPE_TLSA));
    let RData::TLSA(tlsa) = &tlsa.answers[0].data else {
        panic!("no TLSA")
    };
    assert_eq!(tlsa.cert_data, expected);
    assert_eq!(tlsa_numbers(tlsa), (3, 0, 1));
}

fn tlsa_numbers(tlsa: &hickory_proto::rr::rdata::TLSA) -> (u8, u8, u8) {
    (
        tlsa.cert_usage.into(),
        tlsa.selector.into(),
        tlsa.matching.into(),
    )
}

#[test]
fn any_gets_one_record_set_and_rrsig_the_signatures() {
    let zone = devices();
    let any = ask(&zone, &Ask::new(&name("1", iccid()), 255));
    assert_eq!(types(&any.answers), [RecordType::CERT, RecordType::RRSIG]);
    let any = ask(&zone, &Ask::new(fixture::APEX, 255));
    assert_eq!(
        types(&any.answers),
        [RecordType::NS, RecordType::NS, RecordType::RRSIG]
    );
    let any = ask(&zone, &Ask::new(&name("2", eid(7)), 255).plain());
    assert_eq!(types(&any.answers), [RecordType::TXT]);
    let any = negative(
        &zone,
        &under_apex(&iccid().to_string()),
        255,
        ResponseCode::NoError,
    );
    assert_eq!(any.authorities.len(), 4);

    let signatures = ask(&zone, &Ask::new(&name("1", iccid()), 46).plain());
    let covered: Vec<String> = rrsigs(&signatures.answers)
        .iter()
        .map(|rrsig| rrsig.input().type_covered.to_string())
        .collect();
    assert_eq!(covered, ["CERT", "TLSA", "NSEC"]);
    let signatures = ask(&zone, &Ask::new(fixture::APEX, 46));
    assert_eq!(signatures.answers.len(), 8);
}

#[test]
fn case_is_kept_and_does_not_matter() {
    let zone = devices();
    let mut question = Ask::new(&name("1", iccid()), TYPE_TLSA);
    for label in &mut question.labels {
        for (index, octet) in label.iter_mut().enumerate() {
            if index % 2 == 0 {
                octet.make_ascii_uppercase();
            }
        }
    }
    assert!(question.labels.concat().contains(&b'I'));
    let message = ask(&zone, &question);
    assert_eq!(message.answers.len(), 2);
    verify_section(&zone, &message.answers);
}

#[test]
fn the_ds_line_covers_the_published_ksk() {
    let zone = devices();
    let keys = ask(&zone, &Ask::new(fixture::APEX, 48)).answers;
    let secure_entry_point = keys.iter().find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) if key.secure_entry_point() => Some(key),
        _ => None,
    });
    let apex = fqdn(fixture::APEX);
    let key = secure_entry_point.unwrap();
    let digest = key.to_digest(&apex, DigestType::SHA256).unwrap();
    let hexadecimal: String = digest
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let expected = format!(
        "{}. IN DS {} 13 2 {hexadecimal}",
        fixture::APEX,
        key.calculate_key_tag().unwrap()
    );
    assert_eq!(
        zone.writer.keys().ds_presentation(&fixture::apex()),
        expected
    );
    let line = zone.writer.keys().dnskey_presentation(&fixture::apex());
    assert!(
        line.starts_with("iotregistry.example. IN DNSKEY 257 3 13 "),
        "{line}"
    );
}
