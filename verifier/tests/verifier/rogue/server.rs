//! Servers of the rogue: DNS over TLS, UDP and TCP on loopback, with bad manners on request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::RootCertStore;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::{Case, answer};

/// Name in the server's certificate.
pub(crate) const SERVER_NAME: &str = "dns.registry.example";

/// How a server behaves on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    Honest,
    /// Honest, and no garbage before datagrams, which not every client bears.
    Quiet,
    /// Sends each answer with another id before the right one, and one with another question.
    NoiseFirst,
    /// Collects three queries and answers them backwards.
    Backwards,
    /// One octet a second.
    Slow,
    /// Closes each connection after one answer.
    OneAnswer,
    /// Closes without an answer.
    NoAnswer,
    /// Sets TC in every answer, also on streams.
    AlwaysTruncated,
    /// Sends a length that no message has.
    OutOfStep,
    /// SERVFAIL.
    Failing,
}

/// What has happened at a server so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicUsize,
    pub(crate) queries: AtomicUsize,
}

impl Counts {
    pub(crate) fn read(&self) -> (usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (read(&self.connections), read(&self.queries))
    }
}

/// The server's certificate and key.
pub(crate) struct Credentials {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Credentials {
    pub(crate) fn generate() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap(),
            key,
        }
    }

    /// Roots that hold this certificate alone.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        Arc::new(roots)
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The pin, from the key itself and not from the certificate.
    pub(crate) fn pin(&self) -> [u8; 32] {
        use rcgen::PublicKeyData;
        let spki = self.key.subject_public_key_info();
        digest(&SHA256, &spki).as_ref().try_into().unwrap()
    }

    /// The same certificate and key.
    pub(crate) fn again(&self) -> Self {
        Self {
            certificate: self.certificate.clone(),
            key: KeyPair::from_pem(&self.key.serialize_pem()).unwrap(),
        }
    }

    /// A server that shows this certificate without having its key.
    pub(crate) fn stolen(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: self.certificate.clone(),
            key,
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let der = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        // `with_single_cert` would see that a stolen certificate has another key.
        let signer = rustls::crypto::ring::sign::any_supported_type(&der).unwrap();
        let chain = vec![self.certificate.der().clone()];
        let certified = Arc::new(rustls::sign::CertifiedKey::new(chain, signer));
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Starts a DNS-over-TLS server.
pub(crate) async fn start_dot(
    credentials: &Credentials,
    case: Case,
    manners: Manners,
) -> (SocketAddr, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::new(Counts::default());
    let (acceptor, seen) = (credentials.acceptor(), Arc::clone(&counts));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen, case) = (acceptor.clone(), Arc::clone(&seen), case.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    seen.connections.fetch_add(1, Ordering::SeqCst);
                    // The client may leave at any time.
                    let _ = serve_stream(stream, &case, manners, &seen).await;
                }
            });
        }
    });
    (address, counts)
}

/// Starts a plain server on UDP and TCP of one port. Datagrams are truncated when `truncates`, and
/// come after garbage.
pub(crate) async fn start_plain(case: Case, manners: Manners, truncates: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    let datagrams = case.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let mut response = respond(&datagrams, &buffer[..length], manners);
            if truncates {
                response[2] |= 2;
                response.truncate(90);
            }
            if manners != Manners::Quiet {
                for noise in [&b"garbage"[..], &[], &with_other_id(&response)] {
                    socket.send_to(noise, peer).await.unwrap();
                }
            }
            socket.send_to(&response, peer).await.unwrap();
        }
    });
    tokio::spawn(async move {
        let counts = Counts::default();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = serve_stream(stream, &case, manners, &counts).await;
        }
    });
    address
}

async fn serve_stream<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    case: &Case,
    manners: Manners,
    counts: &Counts,
) -> std::io::Result<()> {
    let mut held = Vec::new();
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        counts.queries.fetch_add(1, Ordering::SeqCst);
        let response = respond(case, &query, manners);
        match manners {
            Manners::NoiseFirst => {
                send(&mut stream, &with_other_id(&response)).await?;
                let mut other_question = response.clone();
                other_question[14] ^= 1;
                send(&mut stream, &other_question).await?;
                send(&mut stream, &[0; 12]).await?;
            }
            Manners::Backwards => {
                held.push(response);
                if held.len() == 3 {
                    for response in held.drain(..).rev() {
                        send(&mut stream, &response).await?;
                    }
                }
                continue;
            }
            Manners::Slow => {
                for octet in response {
                    stream.write_u8(octet).await?;
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                continue;
            }
            Manners::NoAnswer => return stream.shutdown().await,
            Manners::OutOfStep => {
                stream.write_all(&[0, 3, 1, 2, 3]).await?;
                stream.flush().await?;
                continue;
            }
            Manners::Honest
            | Manners::Quiet
            | Manners::OneAnswer
            | Manners::AlwaysTruncated
            | Manners::Failing => {}
        }
        send(&mut stream, &response).await?;
        if manners == Manners::OneAnswer {
            return stream.shutdown().await;
        }
    }
}

fn respond(case: &Case, query: &[u8], manners: Manners) -> Vec<u8> {
    let mut response = answer(case, query);
    match manners {
        Manners::AlwaysTruncated => response[2] |= 2,
        Manners::Failing => response[3] = response[3] & 0xf0 | 2,
        _ => {}
    }
    response
}

fn with_other_id(response: &[u8]) -> Vec<u8> {
    let mut other = response.to_vec();
    other[0] ^= 0xff;
    other
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> std::io::Result<()> {
    let mut frame = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(message);
    stream.write_all(&frame).await?;
    stream.flush().await
}
