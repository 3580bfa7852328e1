//! What a parent does not say of a zone: V7 to V9. The domain's DS record is gone; whoever took it away
//! has to prove that it never was, and nothing that he can prove is a verdict.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;
use iot_verifier::chain::{ChainFault, NoDelegationFault, Nsec3Fault};
use iot_verifier::limits::Limit;
use iot_verifier::rrset::AnswerFault;
use iot_verifier::signature::SignatureFault;
use iot_verifier::wire::WireError;
use iot_verifier::{Bogus, ChainEnd, ValidationError};

use super::broken;
use crate::rogue::above::*;
use crate::rogue::records::raw;
use crate::rogue::*;

/// The root's denial of the domain's DS record.
fn deny(above: &Above, answers: &mut Answers, records: Vec<Record>) {
    let mut authority = Vec::new();
    for record in records {
        authority.extend(above.by_root(vec![record]));
    }
    answers.insert((TLD, DS), denied(ResponseCode::NoError, authority));
}

fn no_delegation(fault: NoDelegationFault) -> Bogus {
    let name = name_of(TLD);
    ChainFault::NoDelegation { name, fault }.into()
}

fn exists(record_type: u16) -> Bogus {
    no_delegation(NoDelegationFault::TypeExists { record_type })
}

fn at(fault: impl Into<Bogus>) -> Bogus {
    let (name, fault) = (name_of(TLD), Box::new(fault.into()));
    ChainFault::At { name, fault }.into()
}

fn unsigned() -> ValidationError {
    let name = name_of(TLD);
    ValidationError::ChainEnds(ChainEnd::Unsigned { name })
}

fn no_name() -> ValidationError {
    let name = name_of(TLD);
    ValidationError::ChainEnds(ChainEnd::NoName { name })
}

/// The root's names by their hashes.
const HASHED: Hashed<'static> = Hashed {
    zone: ROOT,
    iterations: 0,
    salt: &[],
    flags: 0,
    types: &[NS],
};

/// The root itself, in hashed form.
fn hashed_root() -> Record {
    let types = &[NS, SOA, DNSKEY, 51];
    Hashed { types, ..HASHED }.at(ROOT)
}

/// The denial by NSEC3 with one field changed.
fn nsec3_fault(above: &Above, answers: &mut Answers, record: Record, fault: Nsec3Fault) -> Bogus {
    let owner = name_of(&record.name.to_ascii());
    deny(above, answers, vec![record]);
    no_delegation(NoDelegationFault::Nsec3 { owner, fault })
}

broken! {
    ds_taken_away_without_proof_is_refused => |_, answers| {
        answers.insert((TLD, DS), denied(ResponseCode::NoError, Vec::new()));
        no_delegation(NoDelegationFault::NoProof)
    };
    ds_taken_away_with_an_unsigned_nsec_is_refused => |_, answers| {
        let nsec = root_nsec(TLD, "f.", &[NS]);
        answers.insert((TLD, DS), denied(ResponseCode::NoError, vec![nsec]));
        at(Bogus::Signature { record_type: NSEC, fault: SignatureFault::Unsigned })
    };
    ds_taken_away_with_another_signed_type_of_that_name_is_refused => |above, answers| {
        // The NSEC has no signature of its own; that of a TXT record stands beside it.
        let mut authority = above.by_root(vec![raw(TLD, TXT, &[1, b'x'])]);
        authority.push(root_nsec(TLD, "f.", &[NS]));
        answers.insert((TLD, DS), denied(ResponseCode::NoError, authority));
        at(Bogus::Signature { record_type: NSEC, fault: SignatureFault::Unsigned })
    };
    ds_denied_by_the_child_itself_is_refused => |above, answers| {
        let nsec = nsec_at_apex();
        answers.insert((TLD, DS), denied(ResponseCode::NoError, above.by_tld(vec![nsec])));
        let signer = name_of(TLD);
        at(Bogus::Signature { record_type: NSEC, fault: SignatureFault::Signer { signer } })
    };
    ds_denied_by_the_childs_side_of_the_cut_is_refused => |above, answers| {
        deny(above, answers, vec![nsec_at_apex()]);
        exists(SOA)
    };
    an_nsec_that_shows_the_ds_record_denies_nothing => |above, answers| {
        deny(above, answers, vec![root_nsec(TLD, "f.", &[NS, DS])]);
        exists(DS)
    };
    an_nsec_that_shows_an_alias_is_refused => |above, answers| {
        deny(above, answers, vec![root_nsec(TLD, "f.", &[CNAME])]);
        exists(CNAME)
    };
    an_nsec_that_shows_an_alias_of_everything_below_is_refused => |above, answers| {
        deny(above, answers, vec![root_nsec(TLD, "f.", &[DNAME])]);
        exists(DNAME)
    };
    an_unsigned_delegation_is_no_verdict => |above, answers| {
        deny(above, answers, vec![root_nsec(TLD, "f.", &[NS])]);
        unsigned()
    };
    a_domain_that_does_not_exist_is_no_verdict => |above, answers| {
        deny(above, answers, vec![root_nsec("e.", "f.", &[NS])]);
        answers.get_mut(&(TLD, DS)).unwrap().code = ResponseCode::NXDomain;
        no_name()
    };
    an_nsec_of_another_name_denies_nothing => |above, answers| {
        deny(above, answers, vec![root_nsec("f.", "g.", &[NS])]);
        no_delegation(NoDelegationFault::NotDenied)
    };
    an_nsec_that_ends_at_the_name_denies_nothing => |above, answers| {
        deny(above, answers, vec![root_nsec("e.", TLD, &[NS])]);
        no_delegation(NoDelegationFault::NotDenied)
    };
    an_nsec_that_points_backwards_is_refused => |above, answers| {
        deny(above, answers, vec![root_nsec("e.", "d.", &[NS])]);
        no_delegation(NoDelegationFault::Place { owner: name_of("e.") })
    };
    nsecs_that_contradict_each_other_are_refused => |above, answers| {
        let records = vec![root_nsec(TLD, "f.", &[NS]), root_nsec("e.", "f.", &[NS])];
        deny(above, answers, records);
        no_delegation(NoDelegationFault::Contradiction)
    };
    two_nsecs_of_one_name_are_refused => |above, answers| {
        let both = vec![root_nsec(TLD, "f.", &[NS]), root_nsec(TLD, "g.", &[TXT])];
        answers.insert((TLD, DS), denied(ResponseCode::NoError, above.by_root(both)));
        no_delegation(NoDelegationFault::Several { owner: name_of(TLD) })
    };
    an_nsec_that_cannot_be_read_is_refused => |above, answers| {
        deny(above, answers, vec![raw(TLD, NSEC, &[0, 0, 1])]);
        let (owner, fault) = (name_of(TLD), WireError::Short);
        no_delegation(NoDelegationFault::Nsec { owner, fault })
    };
    a_name_that_goes_on_under_nxdomain_is_refused => |above, answers| {
        deny(above, answers, vec![root_nsec(TLD, "f.", &[TXT])]);
        answers.get_mut(&(TLD, DS)).unwrap().code = ResponseCode::NXDomain;
        let response_code = iot_verifier::ResponseCode::NameError;
        at(AnswerFault::ResponseCode { response_code })
    };
    a_zone_cut_that_is_hidden_ends_at_the_next_signature => |above, answers| {
        // The root claims to go on below the domain; the zone's DS record is the domain's.
        deny(above, answers, vec![root_nsec(TLD, "f.", &[TXT])]);
        let fault = Bogus::Signature {
            record_type: DS,
            fault: SignatureFault::Signer { signer: name_of(TLD) },
        };
        Bogus::from(ChainFault::At { name: name_of(ZONE), fault: Box::new(fault) })
    };
    a_delegation_above_denies_nothing_below_it => |above, answers| {
        // The domain's own delegation, as if it spoke of the zone below.
        deny(above, answers, vec![root_nsec(TLD, "f.", &[TXT])]);
        let authority = above.by_root(vec![root_nsec(TLD, "f.", &[NS, DS])]);
        answers.insert((ZONE, DS), denied(ResponseCode::NoError, authority));
        let (name, fault) = (name_of(ZONE), NoDelegationFault::Above);
        Bogus::from(ChainFault::NoDelegation { name, fault })
    };
    more_denials_than_a_proof_needs_are_refused => |above, answers| {
        let records = ["a.", "b.", "c.", "d.", "e."];
        deny(above, answers, records.map(|owner| root_nsec(owner, "f.", &[NS])).to_vec());
        Bogus::from(Limit::NsecRrsets)
    };
    an_unsigned_delegation_by_its_hash_is_no_verdict => |above, answers| {
        deny(above, answers, vec![HASHED.at(TLD)]);
        unsigned()
    };
    a_span_with_opt_out_may_hide_an_unsigned_delegation => |above, answers| {
        let around = Hashed { flags: 1, ..HASHED }.around(TLD);
        deny(above, answers, vec![hashed_root(), around]);
        unsigned()
    };
    a_span_without_opt_out_says_that_there_is_no_name => |above, answers| {
        deny(above, answers, vec![hashed_root(), HASHED.around(TLD)]);
        no_name()
    };
    a_hash_that_shows_the_ds_record_denies_nothing => |above, answers| {
        deny(above, answers, vec![Hashed { types: &[NS, DS], ..HASHED }.at(TLD)]);
        exists(DS)
    };
    a_hash_of_the_childs_side_is_refused => |above, answers| {
        deny(above, answers, vec![Hashed { types: &[NS, SOA], ..HASHED }.at(TLD)]);
        exists(SOA)
    };
    a_span_without_the_closest_encloser_proves_nothing => |above, answers| {
        deny(above, answers, vec![HASHED.around(TLD)]);
        no_delegation(NoDelegationFault::NotDenied)
    };
    the_closest_encloser_alone_proves_nothing => |above, answers| {
        deny(above, answers, vec![hashed_root()]);
        no_delegation(NoDelegationFault::NotDenied)
    };
    a_closest_encloser_that_is_an_alias_is_refused => |above, answers| {
        let root = Hashed { types: &[NS, SOA, DNAME], ..HASHED }.at(ROOT);
        deny(above, answers, vec![root, HASHED.around(TLD)]);
        no_delegation(NoDelegationFault::Above)
    };
    hashes_that_contradict_each_other_are_refused => |above, answers| {
        deny(above, answers, vec![HASHED.at(TLD), HASHED.around(TLD)]);
        no_delegation(NoDelegationFault::Contradiction)
    };
    iterations_without_end_are_not_computed => |above, answers| {
        let iterations = 65_535;
        let record = raw(
            &HASHED.at(TLD).name.to_ascii(),
            NSEC3,
            &[&[1, 0, 0xff, 0xff, 0, 20][..], &[7; 20]].concat(),
        );
        nsec3_fault(above, answers, record, Nsec3Fault::Iterations { iterations })
    };
    hashes_of_another_algorithm_are_refused => |above, answers| {
        let owner = HASHED.at(TLD).name.to_ascii();
        let record = raw(&owner, NSEC3, &[&[2, 0, 0, 0, 0, 20][..], &[7; 20]].concat());
        nsec3_fault(above, answers, record, Nsec3Fault::Kind)
    };
    hashes_with_flags_that_nobody_knows_are_refused => |above, answers| {
        let record = Hashed { flags: 3, ..HASHED }.at(TLD);
        nsec3_fault(above, answers, record, Nsec3Fault::Kind)
    };
    a_hash_of_another_length_is_refused => |above, answers| {
        let owner = HASHED.at(TLD).name.to_ascii();
        let record = raw(&owner, NSEC3, &[&[1, 0, 0, 0, 0, 19][..], &[7; 19]].concat());
        nsec3_fault(above, answers, record, Nsec3Fault::Kind)
    };
    an_owner_that_is_no_hash_is_refused => |above, answers| {
        let rdata = [&[1, 0, 0, 0, 0, 20][..], &[7; 20]].concat();
        nsec3_fault(above, answers, raw("nohash.", NSEC3, &rdata), Nsec3Fault::Owner)
    };
    a_hash_below_another_zone_is_refused => |above, answers| {
        let zone = "test.";
        let record = Hashed { zone, ..HASHED }.at(TLD);
        nsec3_fault(above, answers, record, Nsec3Fault::Owner)
    };
    a_hash_that_is_cut_off_is_refused => |above, answers| {
        let owner = HASHED.at(TLD).name.to_ascii();
        let fault = Nsec3Fault::Malformed(WireError::Short);
        nsec3_fault(above, answers, raw(&owner, NSEC3, &[1, 0, 0, 0, 9]), fault)
    };
    hashes_of_two_kinds_are_refused => |above, answers| {
        let salted = Hashed { salt: &[1], ..HASHED }.around(TLD);
        let plain = hashed_root();
        // In canonical order of their owners the second is the one refused.
        let mut names = [name_of(&salted.name.to_ascii()), name_of(&plain.name.to_ascii())];
        names.sort();
        deny(above, answers, vec![plain, salted]);
        let (owner, fault) = (names[1].clone(), Nsec3Fault::Parameters);
        no_delegation(NoDelegationFault::Nsec3 { owner, fault })
    };
    an_unsigned_hash_is_refused => |_, answers| {
        answers.insert((TLD, DS), denied(ResponseCode::NoError, vec![HASHED.at(TLD)]));
        at(Bogus::Signature { record_type: NSEC3, fault: SignatureFault::Unsigned })
    };
}

/// The domain's own apex, as an NSEC shows it.
fn nsec_at_apex() -> Record {
    root_nsec(TLD, "f.", &[NS, SOA, DNSKEY])
}
