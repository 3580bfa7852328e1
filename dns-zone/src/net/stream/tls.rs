//! DNS over TLS (RFC 7858): a TLS session as octets in, octets out.
//!
//! The session keeps no buffers of its own: records are decrypted where they were read and encrypted
//! into the thread's scratch, so that an idle connection costs its keys and little else. TLS 1.2 and
//! 1.3; sessions resume by stateless tickets; no early data (it could be replayed, RFC 8446 §8);
//! rustls never renegotiates.

use std::fmt;
use std::sync::Arc;

use rustls::server::{NoServerSessionStorage, ResolvesServerCert, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{CipherSuite, HandshakeKind, ServerConfig};
use thiserror::Error;

/// The protocol name of RFC 7858 in ALPN.
const ALPN: &[u8] = b"dot";
/// A client gets one for its next connection, and the next one then.
const TICKETS: usize = 1;
/// What a record adds to its content, at most: header, explicit nonce, content type, tag.
const RECORD_OVERHEAD: usize = 64;
/// Content of a record (RFC 8446 §5.1).
const RECORD_OCTETS: usize = 16_384;

/// Why a TLS session cannot go on. Alerts to the peer are written already.
#[derive(Debug, Error)]
pub(super) enum TlsError {
    /// The peer broke the protocol, or offers nothing that we speak.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
    /// All that these keys may encrypt was encrypted.
    #[error("the keys of this session are used up")]
    Exhausted,
    /// Answers were there before the session could carry them.
    #[error("the session cannot carry data")]
    NotOpen,
}

/// The configuration of DNS over TLS with the given source of certificates.
///
/// AES-128-GCM comes first for clients that have it: on processors with AES and SHA-256
/// instructions its handshake and records are the cheapest, and SHA-384 has no such instructions.
///
/// # Errors
/// The system has no random octets for the ticket keys.
pub(super) fn server_config(
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.ignore_client_order = true;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.send_tls13_tickets = TICKETS;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// What was taken from a buffer of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Octets at the front that are done with. The others must be there again at the next call,
    /// with what was received since behind them.
    pub(super) used_octets: usize,
    /// The peer said that it sends nothing more.
    pub(super) ended: bool,
}

/// One TLS session.
pub(super) struct Session {
    session: UnbufferedServerConnection,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("is_handshaking", &self.is_handshaking())
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(config: &Arc<ServerConfig>) -> Result<Self, TlsError> {
        let session = UnbufferedServerConnection::new(Arc::clone(config))?;
        Ok(Self { session })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Takes all whole records: their content goes to `plain`, what must be sent to `outgoing`,
    /// alerts included when it fails.
    pub(super) fn open(
        &mut self,
        records: &mut [u8],
        plain: &mut Vec<u8>,
        outgoing: &mut Vec<u8>,
    ) -> Result<Opened, TlsError> {
        let mut opened = Opened {
            used_octets: 0,
            ended: false,
        };
        loop {
            let rest = records.get_mut(opened.used_octets..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.session.process_tls_records(rest);
            let step = match state {
                Ok(state) => step(state, &mut discard, plain, outgoing, &mut opened.ended),
                Err(error) => {
                    opened.used_octets += discard;
                    let rest = records.get_mut(opened.used_octets..).unwrap_or_default();
                    self.write_alerts(rest, outgoing);
                    return Err(error.into());
                }
            };
            opened.used_octets += discard;
            if step? == Step::Done {
                return Ok(opened);
            }
        }
    }

    /// Writes what rustls has to say about an error. It hands that out before it looks at records
    /// again, which after an error it must not.
    fn write_alerts(&mut self, mut rest: &mut [u8], outgoing: &mut Vec<u8>) {
        while self.session.wants_write() {
            let UnbufferedStatus { discard, state } = self.session.process_tls_records(rest);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = state else {
                return;
            };
            if append(outgoing, 0, |room| data.encode(room)).is_err() {
                return;
            }
            rest = rest.get_mut(discard..).unwrap_or_default();
        }
    }

    /// Encrypts `plain` behind `outgoing`. `rest` is what [`open`](Self::open) left unused: rustls
    /// looks at begun handshake messages in it again.
    pub(super) fn seal(
        &mut self,
        rest: &mut [u8],
        plain: &[u8],
        outgoing: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        if plain.is_empty() {
            return Ok(());
        }
        let records = plain.len().div_ceil(RECORD_OCTETS) + 1;
        let room = plain.len() + records * RECORD_OVERHEAD;
        self.write(rest, outgoing, |mut traffic, outgoing| {
            append(outgoing, room, |room| traffic.encrypt(plain, room))
        })
    }

    /// Writes the alert that nothing more will come (RFC 8446 §6.1).
    pub(super) fn say_goodbye(&mut self, rest: &mut [u8], outgoing: &mut Vec<u8>) {
        // A session that is not open has nobody to say it to.
        let _ = self.write(rest, outgoing, |mut traffic, outgoing| {
            append(outgoing, RECORD_OVERHEAD, |room| {
                traffic.queue_close_notify(room)
            })
        });
    }

    fn write(
        &mut self,
        rest: &mut [u8],
        outgoing: &mut Vec<u8>,
        write: impl FnOnce(Traffic<'_>, &mut Vec<u8>) -> Result<(), TlsError>,
    ) -> Result<(), TlsError> {
        loop {
            let UnbufferedStatus { discard, state } = self.session.process_tls_records(rest);
            if discard != 0 {
                return Err(TlsError::NotOpen);
            }
            match state? {
                ConnectionState::WriteTraffic(traffic) => return write(traffic, outgoing),
                ConnectionState::EncodeTlsData(mut data) => {
                    append(outgoing, 0, |room| data.encode(room))?;
                }
                ConnectionState::TransmitTlsData(sent) => sent.done(),
                _ => return Err(TlsError::NotOpen),
            }
        }
    }
}

type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, rustls::server::ServerConnectionData>;
type State<'c, 'i> = ConnectionState<'c, 'i, rustls::server::ServerConnectionData>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There may be more to take.
    More,
    /// Nothing until more is received.
    Done,
}

/// Does what rustls asks for.
fn step(
    state: State<'_, '_>,
    discard: &mut usize,
    plain: &mut Vec<u8>,
    outgoing: &mut Vec<u8>,
    ended: &mut bool,
) -> Result<Step, TlsError> {
    match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                *discard += record.discard;
                plain.extend_from_slice(record.payload);
            }
        }
        ConnectionState::EncodeTlsData(mut data) => append(outgoing, 0, |room| data.encode(room))?,
        // It is sent when this turn ends, before anything else can be.
        ConnectionState::TransmitTlsData(sent) => sent.done(),
        ConnectionState::PeerClosed => *ended = true,
        ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake => {
            return Ok(Step::Done);
        }
        ConnectionState::Closed => {
            *ended = true;
            return Ok(Step::Done);
        }
        // Early data is off; nothing else exists.
        _ => return Err(TlsError::NotOpen),
    }
    Ok(Step::More)
}

/// How rustls says that it needs more room, in its two error enums.
trait Shortage {
    fn required(self) -> Result<usize, TlsError>;
}

impl Shortage for EncodeError {
    fn required(self) -> Result<usize, TlsError> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Ok(required_size),
            Self::AlreadyEncoded => Err(TlsError::NotOpen),
        }
    }
}

impl Shortage for EncryptError {
    fn required(self) -> Result<usize, TlsError> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Ok(required_size),
            Self::EncryptExhausted => Err(TlsError::Exhausted),
        }
    }
}

/// Lets `write` append to `outgoing`: with room for a guess first, then for what it asked for.
fn append<E: Shortage>(
    outgoing: &mut Vec<u8>,
    guess_octets: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> Result<(), TlsError> {
    let start = outgoing.len();
    let mut room = guess_octets;
    for _ in 0..2 {
        outgoing.resize(start + room, 0);
        match write(&mut outgoing[start..]) {
            Ok(written) => {
                outgoing.truncate(start + written);
                return Ok(());
            }
            Err(error) => {
                outgoing.truncate(start);
                room = error.required()?;
            }
        }
    }
    Err(TlsError::NotOpen)
}
