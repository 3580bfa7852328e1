//! Proofs that something does not exist: V6, V7, V9.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;
use iot_verifier::denial::DenialFault;
use iot_verifier::limits::Limit;
use iot_verifier::message::MessageError;
use iot_verifier::rrset::AnswerFault;
use iot_verifier::signature::SignatureFault;
use iot_verifier::wire::WireError;
use iot_verifier::{Bogus, ResponseCode as Said};

use super::refused;
use crate::rogue::records::{Signing, nsec, raw};
use crate::rogue::*;

const DEVICE_TYPES: [u16; 4] = [CERT, TLSA, RRSIG, NSEC];
const TEXT_TYPES: [u16; 3] = [TXT, RRSIG, NSEC];

/// NODATA with an NSEC of our name and these types.
fn with_types(world: &World, types: &[u16]) -> Case {
    let denial = vec![nsec(OWNER, &zone_name("zz"), types)];
    world.denied(ResponseCode::NoError, vec![denial])
}

/// NXDOMAIN with these NSEC records, each rightly signed.
fn absent_by(world: &World, nsecs: Vec<Record>) -> Case {
    let rrsets = nsecs.into_iter().map(|nsec| vec![nsec]).collect();
    world.denied(ResponseCode::NXDomain, rrsets)
}

fn apex_nsec() -> Record {
    nsec(ZONE, &zone_name("7"), &APEX_TYPES)
}

fn covering_nsec() -> Record {
    nsec(&zone_name("8"), &zone_name("zz"), &TEXT_TYPES)
}

fn over_nsec(fault: SignatureFault) -> Bogus {
    Bogus::Signature {
        record_type: NSEC,
        fault,
    }
}

refused! {
    empty_answer_without_proof_is_refused => |world: &World| (
        world.denied(ResponseCode::NoError, Vec::new()),
        Bogus::from(DenialFault::NoProof),
    );
    no_such_name_without_proof_is_refused => |world: &World| (
        world.denied(ResponseCode::NXDomain, Vec::new()),
        Bogus::from(DenialFault::NoProof),
    );
    status_text_without_nsec_is_refused => |world: &World| {
        let mut case = world.inactive();
        case.cert.authority = world.by_zsk().sign(vec![status_text()]);
        (case, Bogus::from(DenialFault::NoProof))
    };
    denial_by_nsec3_is_refused => |world: &World| {
        let mut case = world.absent();
        let nsec3 = raw(&zone_name("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"), 50, &[1, 0, 0, 0, 0]);
        case.cert.authority = world.by_zsk().sign(vec![nsec3]);
        (case, Bogus::from(DenialFault::NoProof))
    };
    unsigned_nsec_is_refused => |world: &World| {
        let mut case = world.inactive();
        case.cert.authority = vec![nsec(OWNER, &zone_name("zz"), &TEXT_TYPES)];
        (case, over_nsec(SignatureFault::Unsigned))
    };
    nsec_beside_a_signature_over_another_type_is_refused => |world: &World| {
        let mut case = world.inactive();
        case.cert.authority = world.by_zsk().sign(vec![status_text()]);
        case.cert.authority.push(nsec(OWNER, &zone_name("zz"), &TEXT_TYPES));
        (case, over_nsec(SignatureFault::Unsigned))
    };
    nsec_signed_by_the_parent_is_refused => |world: &World| {
        let mut case = world.inactive();
        let signing = Signing { signer: "example.", ..world.by_zsk() };
        case.cert.authority = signing.sign(vec![nsec(OWNER, &zone_name("zz"), &TEXT_TYPES)]);
        (case, over_nsec(SignatureFault::Signer { signer: name_of("example.") }))
    };
    expired_nsec_is_refused => |world: &World| {
        let mut case = world.inactive();
        let signing = Signing { inception: NOW - 4_000, expiration: NOW - 301, ..world.by_zsk() };
        case.cert.authority = signing.sign(vec![nsec(OWNER, &zone_name("zz"), &TEXT_TYPES)]);
        (case, over_nsec(SignatureFault::Expired { expiration: NOW as i64 - 301 }))
    };
    nsec_expanded_from_a_wildcard_is_refused => |world: &World| {
        let mut case = world.inactive();
        let signing = Signing { labels: Some(2), ..world.by_zsk() };
        case.cert.authority = signing.sign(vec![nsec(OWNER, &zone_name("zz"), &TEXT_TYPES)]);
        (case, over_nsec(SignatureFault::WildcardExpanded { labels: 2, owner_labels: 4 }))
    };
    nsec_of_a_wildcard_is_refused => |world: &World| {
        // RFC 4034 does not count the asterisk, so an honest signer of a wildcard says 2 here.
        let wildcard = nsec(&zone_name("*"), &zone_name("zz"), &TEXT_TYPES);
        let signing = Signing { labels: Some(2), ..world.by_zsk() };
        let mut case = world.absent();
        case.cert.authority = signing.sign(vec![wildcard]);
        (case, over_nsec(SignatureFault::WildcardExpanded { labels: 2, owner_labels: 3 }))
    };
    one_unsigned_nsec_beside_good_ones_is_refused => |world: &World| {
        let mut case = world.absent();
        case.cert.authority.push(nsec(&zone_name("a"), &zone_name("b"), &TEXT_TYPES));
        (case, over_nsec(SignatureFault::Unsigned))
    };
    name_that_has_the_record_is_not_inactive => |world: &World| (
        with_types(world, &DEVICE_TYPES),
        Bogus::from(DenialFault::TypeExists { record_type: CERT }),
    );
    name_that_has_an_association_is_not_inactive => |world: &World| (
        with_types(world, &[TXT, TLSA, RRSIG, NSEC]),
        Bogus::from(DenialFault::TypeExists { record_type: TLSA }),
    );
    name_that_has_certificate_and_text_is_not_inactive => |world: &World| (
        with_types(world, &[TXT, CERT, RRSIG, NSEC]),
        Bogus::from(DenialFault::TypeExists { record_type: CERT }),
    );
    name_without_status_text_is_not_inactive => |world: &World| (
        with_types(world, &[RRSIG, NSEC]),
        Bogus::from(DenialFault::NoStatusText),
    );
    name_that_is_an_alias_is_not_inactive => |world: &World| (
        with_types(world, &[TXT, CNAME, RRSIG, NSEC]),
        Bogus::from(DenialFault::Alias { owner: name_of(OWNER) }),
    );
    name_that_is_redirected_is_not_inactive => |world: &World| (
        with_types(world, &[TXT, DNAME, RRSIG, NSEC]),
        Bogus::from(DenialFault::Alias { owner: name_of(OWNER) }),
    );
    name_that_is_delegated_is_not_inactive => |world: &World| (
        with_types(world, &[NS, TXT, RRSIG, NSEC]),
        Bogus::from(DenialFault::Delegation { owner: name_of(OWNER) }),
    );
    inactive_with_the_code_for_no_such_name_is_refused => |world: &World| {
        let mut case = world.inactive();
        case.cert.code = ResponseCode::NXDomain;
        (case, Bogus::from(AnswerFault::ResponseCode { response_code: Said::NameError }))
    };
    absent_with_the_code_for_no_data_is_refused => |world: &World| {
        let mut case = world.absent();
        case.cert.code = ResponseCode::NoError;
        (case, Bogus::from(AnswerFault::ResponseCode { response_code: Said::NoError }))
    };
    nsec_of_another_device_denies_nothing => |world: &World| (
        absent_by(world, vec![apex_nsec(), nsec(OTHER_OWNER, &zone_name("zz"), &TEXT_TYPES)]),
        Bogus::from(DenialFault::NextCloserNotDenied { next_closer: name_of(OWNER) }),
    );
    nsec_that_ends_before_the_name_denies_nothing => |world: &World| (
        absent_by(world, vec![nsec(ZONE, &zone_name("8"), &APEX_TYPES)]),
        Bogus::from(DenialFault::NextCloserNotDenied { next_closer: name_of(OWNER) }),
    );
    nsec_that_ends_at_the_name_denies_nothing => |world: &World| (
        absent_by(world, vec![nsec(ZONE, OWNER, &APEX_TYPES)]),
        Bogus::from(DenialFault::NextCloserNotDenied { next_closer: name_of(OWNER) }),
    );
    wildcard_that_is_not_denied_is_refused => |world: &World| (
        absent_by(world, vec![covering_nsec()]),
        Bogus::from(DenialFault::WildcardNotDenied { wildcard: name_of(&zone_name("*")) }),
    );
    wildcard_below_a_known_device_that_is_not_denied_is_refused => |world: &World| {
        let wildcard = format!("*.{DEVICE}.{ZONE}");
        let zero = format!("0.{DEVICE}.{ZONE}");
        (
            absent_by(world, vec![apex_nsec(), nsec(&zero, &zone_name("zz"), &TEXT_TYPES)]),
            Bogus::from(DenialFault::WildcardNotDenied { wildcard: name_of(&wildcard) }),
        )
    };
    wildcard_that_has_names_below_it_is_not_denied => |world: &World| {
        let below = format!("a.*.{ZONE}");
        (
            absent_by(world, vec![nsec(ZONE, &below, &APEX_TYPES), covering_nsec()]),
            Bogus::from(DenialFault::WildcardNotDenied { wildcard: name_of(&zone_name("*")) }),
        )
    };
    empty_non_terminal_as_no_such_name_is_refused => |world: &World| {
        let below = format!("a.{OWNER}");
        let denial = nsec(&zone_name("8"), &below, &TEXT_TYPES);
        (
            absent_by(world, vec![apex_nsec(), denial]),
            Bogus::from(DenialFault::EmptyNonTerminal { next: name_of(&below) }),
        )
    };
    empty_non_terminal_as_no_data_is_refused => |world: &World| {
        let below = format!("a.{OWNER}");
        let denial = vec![nsec(&zone_name("8"), &below, &TEXT_TYPES)];
        (
            world.denied(ResponseCode::NoError, vec![denial]),
            Bogus::from(DenialFault::EmptyNonTerminal { next: name_of(&below) }),
        )
    };
    nsec_that_points_out_of_the_zone_is_refused => |world: &World| {
        let denial = nsec(&zone_name("8"), "zz.example.", &TEXT_TYPES);
        (
            absent_by(world, vec![apex_nsec(), denial]),
            Bogus::from(DenialFault::NextOutsideZone {
                owner: name_of(&zone_name("8")),
                next: name_of("zz.example."),
            }),
        )
    };
    nsec_of_the_zone_above_is_refused => |world: &World| (
        absent_by(world, vec![nsec("example.", "zz.example.", &APEX_TYPES)]),
        Bogus::from(DenialFault::OwnerOutsideZone { owner: name_of("example.") }),
    );
    nsec_that_points_backwards_is_refused => |world: &World| {
        let denial = nsec(&zone_name("8"), &zone_name("7"), &TEXT_TYPES);
        (
            absent_by(world, vec![apex_nsec(), denial]),
            Bogus::from(DenialFault::NextNotAfterOwner {
                owner: name_of(&zone_name("8")),
                next: name_of(&zone_name("7")),
            }),
        )
    };
    nsec_that_points_to_itself_is_refused => |world: &World| {
        let itself = zone_name("8");
        (
            absent_by(world, vec![apex_nsec(), nsec(&itself, &itself, &TEXT_TYPES)]),
            Bogus::from(DenialFault::NextNotAfterOwner {
                owner: name_of(&itself),
                next: name_of(&itself),
            }),
        )
    };
    nsec_of_a_delegation_above_the_name_is_refused => |world: &World| {
        let device = format!("{DEVICE}.{ZONE}");
        let denial = nsec(&device, &zone_name("zz"), &[NS, RRSIG, NSEC]);
        (
            absent_by(world, vec![apex_nsec(), denial]),
            Bogus::from(DenialFault::Delegation { owner: name_of(&device) }),
        )
    };
    nsec_of_a_redirection_above_the_name_is_refused => |world: &World| {
        let device = format!("{DEVICE}.{ZONE}");
        let denial = nsec(&device, &zone_name("zz"), &[DNAME, RRSIG, NSEC]);
        (
            absent_by(world, vec![apex_nsec(), denial]),
            Bogus::from(DenialFault::Alias { owner: name_of(&device) }),
        )
    };
    parents_nsec_at_the_apex_is_refused => |world: &World| (
        absent_by(world, vec![nsec(ZONE, &zone_name("7"), &[NS, RRSIG, NSEC]), covering_nsec()]),
        Bogus::from(DenialFault::Delegation { owner: name_of(ZONE) }),
    );
    nsec_of_a_zone_below_is_refused => |world: &World| {
        let device = format!("{DEVICE}.{ZONE}");
        let denial = nsec(&device, &zone_name("zz"), &[SOA, NS, RRSIG, NSEC]);
        (
            absent_by(world, vec![apex_nsec(), denial]),
            Bogus::from(DenialFault::Delegation { owner: name_of(&device) }),
        )
    };
    contradicting_nsecs_are_refused => |world: &World| {
        let denial = vec![
            vec![nsec(OWNER, &zone_name("zz"), &TEXT_TYPES)],
            vec![covering_nsec()],
        ];
        (world.denied(ResponseCode::NoError, denial), Bogus::from(DenialFault::Contradiction))
    };
    two_nsecs_at_one_name_are_refused => |world: &World| {
        let denial = vec![vec![
            nsec(OWNER, &zone_name("zz"), &TEXT_TYPES),
            nsec(OWNER, &zone_name("zzz"), &TEXT_TYPES),
        ]];
        (
            world.denied(ResponseCode::NoError, denial),
            Bogus::from(DenialFault::Several { owner: name_of(OWNER) }),
        )
    };
    nsec_with_malformed_bit_maps_is_refused => |world: &World| {
        let denial = raw(OWNER, NSEC, b"\x02zz\x0biotregistry\x07example\x00\x00\x00");
        (
            world.denied(ResponseCode::NoError, vec![vec![denial]]),
            Bogus::from(DenialFault::Malformed {
                owner: name_of(OWNER),
                fault: WireError::BitMaps,
            }),
        )
    };
    nsec_with_a_compressed_next_name_is_refused => |world: &World| {
        let denial = raw(OWNER, NSEC, b"\xc0\x0c\x00\x01\x40");
        (
            world.denied(ResponseCode::NoError, vec![vec![denial]]),
            Bogus::from(DenialFault::Malformed {
                owner: name_of(OWNER),
                fault: WireError::Compressed,
            }),
        )
    };
    five_nsecs_are_too_many => |world: &World| {
        let labels = ["a", "b", "c"].map(|label| nsec(&zone_name(label), &zone_name("zz"), &TEXT_TYPES));
        let mut nsecs = vec![apex_nsec(), covering_nsec()];
        nsecs.extend(labels);
        (absent_by(world, nsecs), Bogus::from(Limit::NsecRrsets))
    };
    a_thousand_nsecs_are_not_even_read => |world: &World| {
        let mut case = world.absent();
        // Small ones, so that they fit into 64 KiB.
        let small = nsec(ZONE, ZONE, &[NSEC]);
        case.cert.authority.extend(std::iter::repeat_n(small, 1_000));
        (case, Failure::Lookup(MessageError::TooManyRecords.into()))
    };
}
