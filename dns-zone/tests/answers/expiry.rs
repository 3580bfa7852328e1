//! Signatures that have run out.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use iot_dns_zone::Transport;

use crate::asking::*;
use crate::fixture::{self, NOW, eid, iccid};

#[test]
fn an_expired_signature_is_never_sent() {
    let zone = devices();
    let late = NOW + 6 * 3600 + 1;
    for (name, record_type) in [
        (name("1", iccid()), TYPE_CERT),
        (name("1", eid(8)), TYPE_CERT),
        (name("2", eid(7)), TYPE_CERT),
        (fixture::APEX.to_owned(), 6),
        (name("1", iccid()), 46),
        (name("1", iccid()), 255),
    ] {
        for question in [
            Ask::new(&name, record_type),
            Ask::new(&name, record_type).plain(),
        ] {
            let octets = respond(&zone, &question.octets(), Transport::Stream, late).unwrap();
            let message = Message::from_vec(&octets).unwrap();
            assert_eq!(
                message.metadata.response_code,
                ResponseCode::ServFail,
                "{name}"
            );
            assert!(message.answers.is_empty() && message.authorities.is_empty());
            if let Some(edns) = message.edns {
                let options: Vec<_> = edns.options().as_ref().iter().collect();
                assert!(
                    matches!(&options[..], [(_, EdnsOption::Unknown(15, code))] if code == &[0, 7])
                );
            }
        }
    }
    // Keys live longer, so the way to a repaired zone stays open.
    let keys = Ask::new(fixture::APEX, 48);
    let octets = respond(&zone, &keys.octets(), Transport::Stream, late).unwrap();
    assert_eq!(Message::from_vec(&octets).unwrap().answers.len(), 3);
    // At its very last second a signature is still good.
    let last = |name: &str| {
        let message = ask(&zone, &Ask::new(name, TYPE_CERT));
        rrsigs(&message.answers)[0].input().sig_expiration.get()
    };
    let name = name("1", iccid());
    for (now, count) in [(u64::from(last(&name)), 2), (u64::from(last(&name)) + 1, 0)] {
        let octets = respond(
            &zone,
            &Ask::new(&name, TYPE_CERT).octets(),
            Transport::Stream,
            now,
        );
        assert_eq!(
            Message::from_vec(&octets.unwrap()).unwrap().answers.len(),
            count
        );
    }
}
