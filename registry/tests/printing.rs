//! What commands print when whoever reads has gone, or when it cannot be written.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod harness;

use std::fs::File;
use std::process::{Output, Stdio};

use harness::{Registry, program, succeed};
use iot_dns_zone::Profile;

fn printing_to(registry: &Registry, out: impl Into<Stdio>, arguments: &[&str]) -> Output {
    let mut command = program();
    command.arg("--dir").arg(&registry.dir).args(arguments);
    command.stdout(out).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

const COMMANDS: [&[&str]; 5] = [
    &["zone", "ds"],
    &["zone", "ds", "--format", "dnskey"],
    &["account", "show", "mno-a"],
    &["account", "add-token", "mno-a", "--scopes", "message"],
    &["audit", "verify"],
];

#[test]
fn who_reads_no_further_ends_what_is_printed_and_nothing_else() {
    let registry = Registry::init(Profile::Archive);
    for arguments in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = printing_to(&registry, writer, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert_eq!(said, "", "{arguments:?}");
    }
    let shown = succeed(&registry.run(&["account", "show", "mno-a"]));
    let tokens = shown.lines().filter(|line| line.starts_with("token"));
    assert_eq!(tokens.count(), 2, "the token was made: {shown}");
}

#[test]
fn what_cannot_be_written_for_another_reason_is_told() {
    let registry = Registry::init(Profile::Archive);
    for arguments in COMMANDS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = printing_to(&registry, full, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("standard output: "), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}
