//! One function that issues and one that authorises, whatever door a command came through. Read from the
//! sources: who calls them is named here, so that a new way in cannot have its own unseen.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod sources;

use sources::sites::Code;

fn everywhere(_: &str, _: &str) -> bool {
    true
}

/// Where a value of this type is made, not declared, implemented or taken apart.
fn made(before: &str, _: &str) -> bool {
    let declares = ["struct ", "enum ", "impl ", "for ", "let ", "-> "];
    !declares.into_iter().any(|word| before.ends_with(word))
}

fn called(before: &str, _: &str) -> bool {
    !before.ends_with("fn ")
}

#[test]
fn device_certificates_are_signed_for_one_function() {
    let code = Code::read();
    let methods = code.sites(".issue(", everywhere);
    assert_eq!(
        methods,
        [
            // The certificate authority of another registry, which the demonstration has refused.
            "registry/src/demo/story.rs, other_registry: trust.issuing.issue(",
            // Client certificates of accounts.
            "registry/src/service/accounts.rs, issue_client_certificate: self.trust().account.issue(",
            "registry/src/service/mod.rs, device: self.issue(",
            "registry/src/service/registration.rs, sign: service.trust().issuing.issue(",
        ]
    );
    let paths = code.sites("::issue", |_, behind| {
        !behind.starts_with(|letter: char| letter.is_alphanumeric() || "_:".contains(letter))
    });
    // The command line's own, which asks a registry.
    assert_eq!(paths, ["registry/src/cli/device.rs, run: self::issue"; 2]);
}

#[test]
fn keys_of_certificate_authorities_sign_in_their_own_module() {
    let code = Code::read();
    assert_eq!(
        code.sites("signed_by(", everywhere),
        [
            "registry/src/ca/account.rs, issue: params.signed_by(",
            "registry/src/ca/issue.rs, issue: params.signed_by(",
            "registry/src/ca/trust.rs, issue_issuing_ca: params.signed_by(",
            "registry/src/ca/trust.rs, issue_server: params.signed_by(",
        ]
    );
}

#[test]
fn intents_are_made_and_turned_into_certificates_by_one_function() {
    let code = Code::read();
    let of_registry = |words: &str| {
        let mut sites = code.sites(words, made);
        sites.retain(|site| site.starts_with("registry/"));
        sites
    };
    let service = "registry/src/service/registration.rs";
    assert_eq!(
        of_registry("Reserve {"),
        [
            format!("{service}, issue: Reserve {{"),
            // The same once more, with the present time.
            format!("{service}, reserve: Reserve {{"),
        ]
    );
    assert_eq!(
        of_registry("Complete {"),
        [
            format!("{service}, issue: Complete {{"),
            // The same with the certificate.
            format!("{service}, sign_and_complete: Complete {{"),
        ]
    );
    for (table, writers) in [
        (
            "INSERT INTO intent",
            &["registry/src/store/registration.rs, write_intent: "][..],
        ),
        (
            "INSERT INTO credential",
            &[
                "registry/src/store/completion.rs, write_credential: ",
                // What operators load has its certificates already: fingerprints alone.
                "registry/src/store/load.rs, write_credential: ",
            ],
        ),
    ] {
        let writers: Vec<String> = writers.iter().map(|one| format!("{one}{table}")).collect();
        assert_eq!(code.sites(table, everywhere), writers);
    }
}

#[test]
fn every_way_in_ends_in_the_same_authorisation() {
    let code = Code::read();
    assert_eq!(
        code.sites("authorisation::check", everywhere),
        [
            // Events are read like the queue's head; there is no command for them.
            "registry/src/service/doors.rs, messages_after: authorisation::check",
            "registry/src/service/mod.rs, handle: authorisation::check",
        ]
    );
    assert_eq!(
        code.sites("permits(", called),
        ["registry/src/authorisation.rs, check: permits("]
    );
    assert_eq!(
        code.sites(".handle(", |_, behind| behind.starts_with("caller")),
        ["registry/src/service/doors.rs, execute: self.handle("]
    );
}

#[test]
fn the_ways_in_are_both_doors_jobs_and_the_command_line() {
    let code = Code::read();
    // Statements of the database, and commands of the card, are executed too.
    let by_the_registry = |_: &str, behind: &str| {
        let others = [
            "connection)",
            "self)",
            "self.0)",
            "[])",
            "params_",
            "&command)",
        ];
        !others.into_iter().any(|other| behind.starts_with(other))
    };
    assert_eq!(
        code.sites(".execute(", by_the_registry),
        [
            "epp-api/src/server/epp/exchange.rs, carry_out: registry.execute(",
            "epp-api/src/server/exchange.rs, execute: registry.execute(",
            "registry/src/cli/ask.rs, ask_core: core.service.execute(",
            "registry/src/jobs/runner.rs, carry_out_one: service.execute(",
        ]
    );
    assert_eq!(
        code.sites("Request::new(", everywhere),
        [
            "epp-api/src/epp/session/mod.rs, carry_out: Action::CarryOut(Box::new(Request::new(",
            "epp-api/src/json/decode.rs, into_request: Request::new(",
            "registry/src/cli/ask.rs, ask_core: Request::new(",
            "registry/src/jobs/runner.rs, carry_out_one: Request::new(",
        ]
    );
}

#[test]
fn beside_commands_the_database_is_changed_by_these_alone() {
    let code = Code::read();
    let mut files: Vec<String> = code
        .sites(".commit(", |_, behind| !behind.starts_with(')'))
        .into_iter()
        .filter_map(|site| site.split(", ").next().map(str::to_owned))
        .filter(|file| {
            file.starts_with("registry/src/") && !file.starts_with("registry/src/service/")
        })
        .collect();
    files.dedup();
    assert_eq!(
        files,
        [
            "registry/src/jobs/runner.rs",
            "registry/src/load/mod.rs",
            "registry/src/publisher/asking.rs",
            "registry/src/publisher/recording.rs",
            "registry/src/start/database.rs",
            "registry/src/start/rebuild.rs",
            "registry/src/start/zone.rs",
            "registry/src/store/mod.rs",
        ]
    );
}
