//! Programs of others, where they are installed.

use std::process::{Command, Output, Stdio};

use super::*;

/// Runs a program; `None` where it is not installed.
fn judge(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{program}: {error}"),
    }
}

fn kdig(port: u16, how: &[&str]) -> Option<String> {
    let port = port.to_string();
    let mut arguments = vec!["@127.0.0.1", "-p", &port];
    arguments.extend(how);
    arguments.extend(["exxx", "TXT", "eyyy", "TXT"]);
    let output = judge("kdig", &arguments)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    Some(text)
}

#[test]
fn kdig_asks_over_one_tcp_connection() {
    let server = start(Limits::default());
    let Some(text) = kdig(server.tcp_address().port(), &["+tcp", "+keepopen"]) else {
        return;
    };
    assert_eq!(text.matches("status: NOERROR").count(), 2, "{text}");
    server.eventually("two queries", |figures| figures.queries == 2);
    assert_eq!(server.figures().accepted, 1);
}

#[test]
fn kdig_asks_over_one_tls_connection() {
    let server = start(Limits::default());
    let Some(text) = kdig(server.dot_address().port(), &["+tls", "+keepopen"]) else {
        return;
    };
    assert_eq!(text.matches("status: NOERROR").count(), 2, "{text}");
    assert!(text.contains("TLS1.3"), "{text}");
    let figures = server.figures();
    assert_eq!((figures.accepted, figures.handshakes), (1, 1));
}

#[test]
fn openssl_speaks_1_2_and_1_3_and_nothing_older() {
    let server = start(Limits::default());
    let address = server.dot_address().to_string();
    for (version, is_served) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        let arguments = [
            "s_client",
            "-connect",
            &address,
            version,
            "-alpn",
            "dot",
            "-cipher",
            "ALL:@SECLEVEL=0",
        ];
        let Some(output) = judge("openssl", &arguments) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.contains("ALPN protocol: dot"), is_served, "{text}");
        if is_served {
            assert!(text.contains("Secure Renegotiation IS"), "{text}");
        }
    }
    let figures = server.figures();
    assert_eq!((figures.handshakes, figures.tls_refused), (2, 1));
}

#[test]
fn openssl_cannot_renegotiate() {
    let server = start(Limits::default());
    let mut client = match Command::new("openssl")
        .args(["s_client", "-connect", &server.dot_address().to_string()])
        .args(["-tls1_2", "-legacy_renegotiation"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
    {
        Ok(client) => client,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => panic!("openssl: {error}"),
    };
    server.eventually("a handshake", |figures| figures.handshakes == 1);
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"R\n").unwrap();
    let output = client.wait_with_output().unwrap();
    drop(input);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no renegotiation"), "{text}");
    server.eventually("closed", |figures| figures.open == 0);
    let figures = server.figures();
    assert_eq!((figures.handshakes, figures.faults), (1, 0));
}
