//! DNS over TLS, with records made by hand on the other side.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;

use super::*;

/// A record of TLS 1.3 with AES-128-GCM, made or opened by hand.
struct Records {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Records {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Self {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            panic!("another cipher suite");
        };
        Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap()),
            iv: iv.as_ref().try_into().unwrap(),
            sequence,
        }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        for (octet, sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *octet ^= sequence;
        }
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let mut inner = [content, &[content_type]].concat();
        let length = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
        let header = [23, 3, 3, length[0], length[1]];
        let nonce = self.nonce();
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(header), &mut inner)
            .unwrap();
        [&header[..], &inner].concat()
    }

    /// Reads a record: its content, with its type behind.
    fn read(&mut self, from: &mut impl Read) -> Vec<u8> {
        let mut header = [0; 5];
        from.read_exact(&mut header).unwrap();
        let mut octets = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        from.read_exact(&mut octets).unwrap();
        let nonce = self.nonce();
        let content = self
            .key
            .open_in_place(nonce, Aad::from(header), &mut octets);
        content.unwrap().to_vec()
    }
}

/// rustls looks at the begun message again whenever an answer is encrypted: it has to be there.
#[test]
fn an_answer_in_the_middle_of_a_handshake_message_is_sent() {
    let server = start(Limits::default());
    let mut config = server.client_config();
    config.enable_secret_extraction = true;
    let mut client = server.dot_with(&Arc::new(config));
    ask(&mut client, 1);
    let (connection, mut socket) = client.into_parts();
    let secrets = connection.dangerous_extract_secrets().unwrap();
    let (mut to_server, mut from_server) = (Records::new(secrets.tx), Records::new(secrets.rx));

    let key_update = [24, 0, 0, 1, 0];
    let octets = [
        to_server.seal(23, &framed(&query(5, WAIT))),
        to_server.seal(22, &key_update[..1]),
        to_server.seal(22, &key_update[1..3]),
    ];
    socket.write_all(&octets.concat()).unwrap();
    let answer = from_server.read(&mut socket);
    assert_eq!((id_of(&answer[2..]), answer[5]), (5, 2), "SERVFAIL");

    socket
        .write_all(&to_server.seal(22, &key_update[3..]))
        .unwrap();
    server.eventually("no fault", |figures| figures.responses == 2);
    std::thread::sleep(Duration::from_millis(50));
    let figures = server.figures();
    assert_eq!(
        (figures.open, figures.faults, figures.tls_refused),
        (1, 0, 0)
    );
    // Closed by us in the middle of the next one.
    server.streams.stop();
    let mut end = Vec::new();
    while end.last() != Some(&21) {
        end = from_server.read(&mut socket);
    }
    assert_eq!(end, [1, 0, 21], "close_notify");
}
