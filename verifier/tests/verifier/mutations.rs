//! Damaged evidence: every single bit of good answers flipped, and octets at random. Nothing may
//! panic, and nothing may be accepted with changed content.

use iot_verifier::{Channel, Known, Lookup, RootAnchor, Verdict, Wanted, ZoneAnchor};
use proptest::prelude::*;

use crate::rogue::above::{Above, Answers};
use crate::rogue::*;

/// What a verdict says: state, name, fingerprint.
fn content(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Active(active) => format!("active {} {}", active.owner(), active.fingerprint()),
        Verdict::Inactive(_) => format!("inactive {}", verdict.owner()),
        Verdict::Absent(_) => format!("absent {}", verdict.owner()),
    }
}

/// The verdict over these messages, answers to the lookup's queries in their order.
fn judge(
    world: &World,
    anchor: &ZoneAnchor,
    wanted: Wanted,
    messages: &[Vec<u8>],
) -> Option<Verdict> {
    let mut lookup = Lookup::new(owner(), wanted, None, [1, 2, 3, 4, 5, 6]);
    while lookup.poll_query().is_some() {}
    for message in messages {
        lookup.handle_response(message, Channel::Stream, NOW).ok()?;
    }
    let evidence = lookup.finish()?;
    validate(&evidence, anchor, &policy_at(world.now), NOW).ok()
}

fn messages(case: &Case) -> Vec<Vec<u8>> {
    let mut lookup = Lookup::new(owner(), case.wanted, None, [1, 2, 3, 4, 5, 6]);
    let mut messages = Vec::new();
    while let Some(query) = lookup.poll_query() {
        messages.push(answer(case, &query.octets));
    }
    messages
}

/// Flips every bit of every message; gives the number of mutants and of those that were accepted.
fn flip_every_bit(world: &World, case: &Case) -> (usize, usize) {
    let anchor = world.anchor();
    let good = messages(case);
    let honest = judge(world, &anchor, case.wanted, &good).unwrap();
    let (mut mutants, mut accepted) = (0, 0);
    for message in 0..good.len() {
        for bit in 0..good[message].len() * 8 {
            let mut mutant = good.clone();
            mutant[message][bit / 8] ^= 0x80 >> (bit % 8);
            mutants += 1;
            if let Some(verdict) = judge(world, &anchor, case.wanted, &mutant) {
                accepted += 1;
                assert_eq!(
                    content(&verdict),
                    content(&honest),
                    "message {message}, bit {bit}"
                );
                assert!(verdict.valid_until() <= honest.valid_until());
                assert_eq!(verdict.signatures().len(), honest.signatures().len());
            }
        }
    }
    (mutants, accepted)
}

#[test]
fn no_flipped_bit_changes_what_an_active_answer_says() {
    let world = World::new();
    let mut case = world.active();
    case.wanted = Wanted::Both;
    let (mutants, accepted) = flip_every_bit(&world, &case);
    // Flags that mean nothing, letter case, TTLs: some must pass, or nothing was tested.
    assert!(
        accepted > 50 && accepted < mutants / 4,
        "{accepted} of {mutants}"
    );
}

#[test]
fn no_flipped_bit_changes_what_an_inactive_answer_says() {
    let world = World::new();
    let (mutants, accepted) = flip_every_bit(&world, &world.inactive());
    assert!(
        accepted > 50 && accepted < mutants / 2,
        "{accepted} of {mutants}"
    );
}

#[test]
fn no_flipped_bit_changes_what_an_absent_answer_says() {
    let world = World::new();
    let (mutants, accepted) = flip_every_bit(&world, &world.absent());
    assert!(
        accepted > 50 && accepted < mutants / 2,
        "{accepted} of {mutants}"
    );
}

#[test]
fn no_flipped_bit_of_a_chain_changes_what_it_leads_to() {
    // One bit of each octet, each time another one: a chain is long, and the root's signatures are RSA.
    let above = Above::with_algorithms(8, 15);
    let good = chain_messages(&above.honest());
    let honest = judge_chain(&above, &good).unwrap();
    let (mut mutants, mut accepted) = (0, 0);
    for message in 0..good.len() {
        for octet in 0..good[message].len() {
            let mut mutant = good.clone();
            mutant[message][octet] ^= 1 << (octet % 8);
            mutants += 1;
            if let Some(verdict) = judge_chain(&above, &mutant) {
                accepted += 1;
                assert_eq!(content(&verdict), content(&honest), "{message} {octet}");
                assert!(verdict.valid_until() <= honest.valid_until());
            }
        }
    }
    assert!(
        accepted > 50 && accepted < mutants / 4,
        "{accepted} of {mutants}"
    );
}

/// The answers to a lookup's queries from the root, in their order.
fn chain_messages(answers: &Answers) -> Vec<Vec<u8>> {
    let mut lookup = chain_lookup();
    let mut messages = Vec::new();
    while let Some(query) = lookup.poll_query() {
        let (id, owner, record_type) = question(&query.octets);
        let found = answers
            .iter()
            .find(|((name, found), _)| *name == owner && *found == record_type);
        messages.push(encode(id, &owner, record_type, found.unwrap().1));
    }
    messages
}

fn chain_lookup() -> Lookup {
    let random = std::array::from_fn(|index| index as u8);
    Lookup::from_root(owner(), Wanted::Cert, Known::default(), random)
}

fn judge_chain(above: &Above, messages: &[Vec<u8>]) -> Option<Verdict> {
    let mut lookup = chain_lookup();
    while lookup.poll_query().is_some() {}
    for message in messages {
        lookup.handle_response(message, Channel::Stream, NOW).ok()?;
    }
    let evidence = lookup.finish()?;
    iot_verifier::validate(&evidence, &above.anchor(), &policy_at(NOW), NOW).ok()
}

#[test]
fn answers_cannot_be_exchanged_between_states() {
    // Every combination of the sections of two honest answers: none says a third thing.
    let world = World::new();
    let honest = [world.active(), world.inactive(), world.absent()];
    let allowed: Vec<_> = honest
        .iter()
        .map(|case| content(&world.judge(case).unwrap()))
        .collect();
    for code in &honest {
        for answer in &honest {
            for authority in &honest {
                let mut case = honest[0].clone();
                case.cert.code = code.cert.code;
                case.cert.answer = answer.cert.answer.clone();
                case.cert.authority = authority.cert.authority.clone();
                if let Ok(verdict) = world.judge(&case) {
                    let content = content(&verdict);
                    assert!(allowed.contains(&content));
                    // A positive answer may bring any authority section; a negative one its own.
                    assert!(content.starts_with("active") || case.cert.answer.is_empty());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn octets_at_random_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut lookup = Lookup::new(owner(), Wanted::Cert, None, [1, 2, 3, 4, 5, 6]);
        let query = lookup.poll_query().unwrap();
        let _ = lookup.handle_response(&octets, Channel::Datagram, NOW);
        // After a good question, so that the sections are reached.
        let mut message = query.octets;
        message[2] = 0x80;
        message[6..12].copy_from_slice(&[0, 2, 0, 2, 0, 1]);
        message.truncate(12 + name_of(OWNER).wire().len() + 4);
        message.extend_from_slice(&octets);
        let _ = lookup.handle_response(&message, Channel::Stream, NOW);
    }

    #[test]
    fn rdata_at_random_is_never_accepted(
        rdata in proptest::collection::vec(any::<u8>(), 0..120),
        record_type in prop::sample::select(vec![CERT, TLSA, RRSIG, NSEC, DNSKEY, TXT, CNAME]),
        place in 0..4_usize,
    ) {
        let world = World::new();
        let mut case = world.active();
        let record = records::raw(OWNER, record_type, &rdata);
        match place {
            0 => case.cert.answer = vec![record],
            1 => case.cert.answer[0] = record,
            2 => case.cert.answer[1] = record,
            _ => case.keys.answer[0] = record,
        }
        prop_assert!(world.judge(&case).is_err());
    }

    #[test]
    fn signed_nsec_rdata_at_random_never_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..80),
        next in "[a-z]{1,8}",
    ) {
        let world = World::new();
        let mut rdata = name_of(&zone_name(&next)).wire().to_vec();
        rdata.extend_from_slice(&tail);
        let denial = records::raw(&zone_name("7"), NSEC, &rdata);
        let case = world.denied(hickory_proto::op::ResponseCode::NXDomain, vec![vec![denial]]);
        // One NSEC that begins after the wildcard cannot prove absence, and is not our name's.
        prop_assert!(world.judge(&case).is_err());
    }

    #[test]
    fn signed_records_at_random_in_a_chain_never_panic(
        rdata in proptest::collection::vec(any::<u8>(), 0..120),
        record_type in prop::sample::select(vec![43, NSEC, 50]),
        is_hash in any::<bool>(),
    ) {
        let above = Above::with_algorithms(13, 13);
        let mut answers = above.honest();
        let owner = match is_hash {
            true => "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.",
            false => "example.",
        };
        let signed = above.by_root(vec![records::raw(owner, record_type, &rdata)]);
        let (answer, authority) = match record_type {
            43 => (signed, Vec::new()),
            _ => (Vec::new(), signed),
        };
        let code = hickory_proto::op::ResponseCode::NoError;
        answers.insert(("example.", 43), Sections { code, answer, authority });
        prop_assert!(above.judge(&answers).is_err());
    }

    #[test]
    fn anchor_texts_at_random_never_panic(text in "(?s).{0,200}") {
        let _ = ZoneAnchor::parse(&text);
    }

    #[test]
    fn anchor_lines_at_random_never_panic(
        fields in proptest::collection::vec("[A-Za-z0-9+/=;:. -]{0,12}", 0..9),
        kind in prop::sample::select(vec!["DS", "DNSKEY", "IN DS", "60 IN DNSKEY", "; lifetime-max:"]),
    ) {
        let text = format!("{ZONE} {kind} {}", fields.join(" "));
        let _ = ZoneAnchor::parse(&text);
        let text = format!(". {kind} {}", fields.join(" "));
        let _ = RootAnchor::parse(&text);
    }
}
