//! Messages that belong to no query, or say that there is no answer: V19.

use hickory_proto::op::ResponseCode;
use iot_verifier::message::MessageError;
use iot_verifier::wire::WireError;
use iot_verifier::{Channel, Lookup, LookupError, Wanted};

use crate::rogue::*;

/// A lookup with its first query sent, and the honest answer to that.
fn started() -> (Lookup, Vec<u8>) {
    let world = World::new();
    let mut lookup = Lookup::new(owner(), Wanted::Cert, None, [1, 2, 3, 4, 5, 6]);
    let query = lookup.poll_query().unwrap();
    let response = answer(&world.active(), &query.octets);
    (lookup, response)
}

/// What the lookup says to the honest answer after this change.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> LookupError {
    let (mut lookup, mut response) = started();
    change(&mut response);
    let error = lookup
        .handle_response(&response, Channel::Stream, NOW)
        .unwrap_err();
    if error.is_to_be_ignored() {
        // The honest answer is still welcome.
        let (_, honest) = started();
        assert_eq!(
            lookup.handle_response(&honest, Channel::Stream, NOW),
            Ok(())
        );
    }
    error
}

/// What the lookup says to this response code.
fn coded(code: ResponseCode) -> LookupError {
    let (mut lookup, _) = started();
    let sections = Sections::negative(code, Vec::new());
    let response = encode(0x0102, OWNER, CERT, &sections);
    lookup
        .handle_response(&response, Channel::Stream, NOW)
        .unwrap_err()
}

#[test]
fn an_answer_with_another_id_is_ignored() {
    assert_eq!(changed(|octets| octets[1] ^= 1), LookupError::Unrelated);
}

#[test]
fn an_answer_to_another_name_is_ignored() {
    // The slot's digit.
    assert_eq!(changed(|octets| octets[13] = b'2'), LookupError::Unrelated);
}

#[test]
fn an_answer_to_another_type_or_class_is_ignored() {
    let question_end = 12 + name_of(OWNER).wire().len();
    assert_eq!(
        changed(|octets| octets[question_end + 1] = 52),
        LookupError::Unrelated
    );
    assert_eq!(
        changed(|octets| octets[question_end + 3] = 3),
        LookupError::Unrelated
    );
}

#[test]
fn a_query_or_another_opcode_is_ignored() {
    assert_eq!(changed(|octets| octets[2] &= 0x7f), LookupError::Unrelated);
    assert_eq!(changed(|octets| octets[2] |= 0x20), LookupError::Unrelated);
}

#[test]
fn an_answer_without_question_or_with_two_is_ignored() {
    assert_eq!(changed(|octets| octets[5] = 0), LookupError::Unrelated);
    assert_eq!(changed(|octets| octets[5] = 2), LookupError::Unrelated);
}

#[test]
fn garbage_is_ignored() {
    assert_eq!(
        changed(|octets| octets.truncate(11)),
        LookupError::Unrelated
    );
    assert_eq!(changed(Vec::clear), LookupError::Unrelated);
    assert_eq!(changed(|octets| octets.fill(0xff)), LookupError::Unrelated);
}

#[test]
fn a_second_answer_is_ignored() {
    let (mut lookup, response) = started();
    assert_eq!(
        lookup.handle_response(&response, Channel::Stream, NOW),
        Ok(())
    );
    let again = lookup.handle_response(&response, Channel::Stream, NOW);
    assert_eq!(again, Err(LookupError::Unrelated));
}

#[test]
fn an_answer_before_its_query_is_sent_is_ignored() {
    let world = World::new();
    let mut lookup = Lookup::new(owner(), Wanted::Cert, None, [1, 2, 3, 4, 5, 6]);
    let response = encode(0x0102, OWNER, CERT, &world.active().cert);
    let early = lookup.handle_response(&response, Channel::Stream, NOW);
    assert_eq!(early, Err(LookupError::Unrelated));
}

#[test]
fn an_incomplete_lookup_has_no_evidence() {
    let (mut lookup, response) = started();
    lookup
        .handle_response(&response, Channel::Stream, NOW)
        .unwrap();
    assert!(!lookup.is_complete());
    assert!(lookup.finish().is_none());
}

#[test]
fn a_cut_answer_is_malformed() {
    let short = LookupError::Malformed(MessageError::Wire(WireError::Short));
    assert_eq!(changed(|octets| octets.truncate(octets.len() - 1)), short);
    let trailing = LookupError::Malformed(MessageError::Wire(WireError::Trailing));
    assert_eq!(changed(|octets| octets.push(0)), trailing);
}

#[test]
fn counts_beyond_any_honest_answer_are_refused_unread() {
    let too_many = LookupError::Malformed(MessageError::TooManyRecords);
    assert_eq!(changed(|octets| octets[6..12].fill(0xff)), too_many);
    assert_eq!(changed(|octets| octets[7] = 65), too_many);
    let short = LookupError::Malformed(MessageError::Wire(WireError::Short));
    assert_eq!(changed(|octets| octets[7] = 64), short);
}

#[test]
fn a_truncated_answer_over_a_stream_is_refused() {
    assert_eq!(changed(|octets| octets[2] |= 2), LookupError::Truncated);
}

#[test]
fn failures_of_the_resolver_have_their_names() {
    assert_eq!(coded(ResponseCode::ServFail), LookupError::ServerFailure);
    assert_eq!(coded(ResponseCode::Refused), LookupError::Refused);
    assert_eq!(
        coded(ResponseCode::FormErr),
        LookupError::ResponseCode { code: 1 }
    );
    assert_eq!(
        coded(ResponseCode::NotImp),
        LookupError::ResponseCode { code: 4 }
    );
}

#[test]
fn a_failure_is_not_softened_by_good_records() {
    let (mut lookup, _) = started();
    let mut sections = World::new().active().cert;
    sections.code = ResponseCode::ServFail;
    let response = encode(0x0102, OWNER, CERT, &sections);
    let error = lookup.handle_response(&response, Channel::Stream, NOW);
    assert_eq!(error, Err(LookupError::ServerFailure));
    assert!(lookup.finish().is_none());
}
