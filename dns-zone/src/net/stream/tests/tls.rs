//! DNS over TLS, with rustls on the other side.

use rustls::{CipherSuite, HandshakeKind, ProtocolVersion};

use super::*;

/// Speaks until the handshake has ended, then asks.
fn handshake(stream: &mut TlsStream) {
    ask(stream, 1);
    assert!(!stream.conn.is_handshaking());
}

#[test]
fn queries_are_answered_and_the_transport_is_known_to_be_encrypted() {
    let server = start(Limits::default());
    let mut client = server.dot();
    handshake(&mut client);
    assert_eq!(client.conn.alpn_protocol(), Some(&b"dot"[..]));
    client.write_all(&framed(&query(3, b'P'))).unwrap();
    assert_eq!(read_message(&mut client).len(), 468);
    let mut plain = server.tcp();
    plain.write_all(&framed(&query(3, b'P'))).unwrap();
    assert_eq!(read_message(&mut plain).len(), 22);
}

#[test]
fn aes_128_is_taken_although_the_client_would_rather_have_another() {
    let server = start(Limits::default());
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| u8::from(suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256));
    let config = Arc::new(server.client_config_with(provider));
    let mut client = server.dot_with(&config);
    handshake(&mut client);
    let suite = client.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
}

#[test]
fn a_client_without_aes_128_is_served_too() {
    let server = start(Limits::default());
    let mut provider = rustls::crypto::ring::default_provider();
    let only = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
    provider.cipher_suites.retain(|suite| suite.suite() == only);
    let mut client = server.dot_with(&Arc::new(server.client_config_with(provider)));
    handshake(&mut client);
    assert_eq!(client.conn.negotiated_cipher_suite().unwrap().suite(), only);
}

#[test]
fn sessions_resume_in_both_versions() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = start(Limits::default());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(server.roots.clone())
            .with_no_client_auth();
        let config = Arc::new(config);
        for round in 0..3 {
            let mut client = server.dot_with(&config);
            handshake(&mut client);
            let kind = if round == 0 {
                HandshakeKind::Full
            } else {
                HandshakeKind::Resumed
            };
            assert_eq!(client.conn.handshake_kind(), Some(kind));
            assert_eq!(client.conn.protocol_version(), Some(version.version));
        }
        let figures = server.figures();
        assert_eq!((figures.handshakes, figures.resumed), (3, 2));
    }
}

#[test]
fn early_data_is_not_offered() {
    let server = start(Limits::default());
    let mut config = server.client_config();
    config.enable_early_data = true;
    let config = Arc::new(config);
    for _ in 0..2 {
        let mut client = server.dot_with(&config);
        assert!(client.conn.early_data().is_none());
        handshake(&mut client);
    }
    assert_eq!(server.figures().resumed, 1);
}

#[test]
fn another_protocol_is_refused_and_none_is_not() {
    let server = start(Limits::default());
    let mut config = server.client_config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = server.dot_with(&Arc::new(config));
    let error = client.write_all(&framed(&query(1, ECHO))).unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
    server.eventually("refused", |figures| figures.tls_refused == 1);
    let mut config = server.client_config();
    config.alpn_protocols = Vec::new();
    handshake(&mut server.dot_with(&Arc::new(config)));
}

#[test]
fn octets_without_tls_get_an_alert_and_the_end() {
    let server = start(Limits::default());
    let mut client = connect(server.dot_address());
    client.write_all(&framed(&query(1, ECHO))).unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&21), "an alert record");
    server.eventually("refused", |figures| figures.tls_refused == 1);
    assert_eq!(server.figures().queries, 0);
}

#[test]
fn a_handshake_in_small_records_and_single_octets_succeeds() {
    let server = start(Limits::default());
    let mut config = server.client_config();
    config.max_fragment_size = Some(32);
    let name = ServerName::try_from("dns.test").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = connect(server.dot_address());
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    for octet in hello {
        socket.write_all(&[octet]).unwrap();
    }
    let mut stream = StreamOwned::new(client, socket);
    handshake(&mut stream);
    let queries: Vec<u8> = (0..100).flat_map(|id| framed(&query(id, ECHO))).collect();
    stream.write_all(&queries).unwrap();
    for id in 0..100 {
        assert_eq!(id_of(&read_message(&mut stream)), id);
    }
}

/// A handshake message of which a part is there when the connection is closed from our side.
#[test]
fn closing_in_the_middle_of_a_handshake_message_is_no_fault() {
    for octets in [40, 37 * 3, 37 * 4 + 3] {
        let server = start(Limits {
            connections: 1,
            ..Limits::default()
        });
        let mut config = server.client_config();
        config.max_fragment_size = Some(32);
        let name = ServerName::try_from("dns.test").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = connect(server.dot_address());
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        socket.write_all(&hello[..octets]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        ask(&mut server.tcp(), 2);
        assert!(is_closed(&mut socket));
        let figures = server.figures();
        assert_eq!((figures.evicted, figures.faults), (1, 0));
    }
}

/// Anybody can say that before there are keys, so it ends nothing by itself; the deadline does.
#[test]
fn close_notify_in_a_handshake_is_no_fault() {
    let server = start(quick());
    let close_notify = [21, 3, 3, 0, 2, 1, 0];
    let name = ServerName::try_from("dns.test").unwrap();
    let config = Arc::new(server.client_config());
    for with_hello in [false, true] {
        let mut socket = connect(server.dot_address());
        if with_hello {
            let mut hello = Vec::new();
            let mut client = ClientConnection::new(Arc::clone(&config), name.clone()).unwrap();
            client.write_tls(&mut hello).unwrap();
            socket.write_all(&hello).unwrap();
        }
        socket.write_all(&close_notify).unwrap();
        let start = Instant::now();
        assert!(is_closed(&mut socket));
        assert!(start.elapsed() < Duration::from_secs(3));
    }
    server.eventually("gone", |figures| figures.open == 0);
    handshake(&mut server.dot_with(&config));
    assert_eq!(server.figures().faults, 0);
}

#[test]
fn a_client_that_leaves_right_after_the_handshake_hurts_nobody() {
    let server = start(Limits::default());
    let config = Arc::new(server.client_config());
    for round in 0..20 {
        let mut client = server.dot_with(&config);
        while client.conn.is_handshaking() {
            client.conn.complete_io(&mut client.sock).unwrap();
        }
        if round % 2 == 0 {
            client.conn.send_close_notify();
            let _ = client.conn.complete_io(&mut client.sock);
        }
    }
    server.eventually("all gone", |figures| figures.open == 0);
    handshake(&mut server.dot_with(&config));
    assert_eq!(server.figures().faults, 0);
}

#[test]
fn close_notify_after_queries_gets_the_answers_and_close_notify() {
    let server = start(Limits::default());
    let mut client = server.dot();
    client
        .write_all(&framed(&query(1, ECHO)).repeat(700))
        .unwrap();
    client.conn.send_close_notify();
    client.flush().unwrap();
    for _ in 0..700 {
        assert_eq!(id_of(&read_message(&mut client)), 1);
    }
    // rustls calls an end without close_notify an error.
    assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 0);
    server.eventually("gone", |figures| figures.open == 0);
}

#[test]
fn a_broken_record_ends_with_an_alert() {
    let server = start(Limits::default());
    let mut client = server.dot();
    handshake(&mut client);
    client.sock.write_all(&[23, 3, 3, 0, 20]).unwrap();
    client.sock.write_all(&[0; 20]).unwrap();
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    server.eventually("refused", |figures| figures.tls_refused == 1);
}

#[test]
fn handshakes_have_a_deadline_also_when_octets_keep_coming() {
    let server = start(quick());
    let mut silent = connect(server.dot_address());
    let mut dripping = connect(server.dot_address());
    let start = Instant::now();
    // The beginning of a record of 16,000 octets of a ClientHello.
    for octet in [22, 3, 1, 62, 128, 1, 0, 62, 124]
        .into_iter()
        .chain([3; 100])
    {
        if dripping.write_all(&[octet]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(is_closed(&mut silent));
    assert!(is_closed(&mut dripping));
    server.eventually("both closed", |figures| figures.closed_handshake == 2);
}

#[test]
fn a_handshake_message_without_end_is_refused() {
    let server = start(Limits::default());
    let mut client = connect(server.dot_address());
    // A ClientHello that says it has 65,000 octets, in records of 1,000.
    let mut hello = vec![1, 0, 0xFD, 0xE8];
    hello.resize(60_000, 3);
    for part in hello.chunks(1000) {
        let mut record = vec![22, 3, 1];
        record.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        record.extend(part);
        if client.write_all(&record).is_err() {
            break;
        }
    }
    assert!(is_closed(&mut client));
    server.eventually("closed", |figures| figures.open == 0);
    let figures = server.figures();
    assert_eq!(
        figures.closed_malformed + figures.tls_refused + figures.closed_reset,
        1
    );
}

#[test]
fn ten_thousand_encrypted_queries_without_reading_are_all_answered_once_read() {
    let server = start(Limits {
        stalled: Duration::from_secs(10),
        ..Limits::default()
    });
    let mut client = server.dot();
    handshake(&mut client);
    let queries: Vec<u8> = (0..10_000)
        .flat_map(|id| framed(&query(id, LONG)))
        .collect();
    let mut records = Vec::new();
    for part in queries.chunks(20_000) {
        client.conn.writer().write_all(part).unwrap();
        while client.conn.wants_write() {
            client.conn.write_tls(&mut records).unwrap();
        }
    }
    let mut writer = client.sock.try_clone().unwrap();
    let thread = std::thread::spawn(move || writer.write_all(&records).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    for id in 0..10_000 {
        let message = read_message(&mut client);
        assert_eq!((id_of(&message), message.len()), (id, 1400));
    }
    thread.join().unwrap();
    assert_eq!(
        client.conn.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
}

#[test]
fn the_longest_message_passes_encrypted_too() {
    let server = start(Limits::default());
    let mut client = server.dot();
    let junk: Vec<u8> = (0..65_535_u32).map(|at| (at % 251) as u8 | 1).collect();
    client.write_all(&framed(&junk)).unwrap();
    let message = read_message(&mut client);
    assert_eq!((message.len(), &message[4..]), (65_535, &junk[4..]));
    ask(&mut client, 2);
}
