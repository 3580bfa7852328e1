//! The floor of TCP and DNS over TLS: reads all that is there, answers every whole query with a
//! prebuilt message, writes all answers at once. No lookup, no limits, no time-outs.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificate::{CERTIFICATE_FILE, KEY_FILE};
use crate::kernel::Waiting;
use crate::message_stream::{MessageStream, Tls};
use crate::queries::{Asked, HEADER_OCTETS};
use crate::udp_floor::{Answers, prebuilt, question_end};

const PATIENCE: Duration = Duration::from_secs(1);

/// Answers until the process is ended; one in ten answers is as long as a denial, as in the mix.
#[allow(clippy::print_stdout)] // says that it listens
pub(crate) fn run(
    listen: SocketAddr,
    listen_tls: SocketAddr,
    tls: &Path,
    answers: Answers,
) -> anyhow::Result<()> {
    let plain = listener(listen)?;
    let encrypted = listener(listen_tls)?;
    let config = Arc::new(server_config(tls)?);
    let present = prebuilt(answers.present_octets, false);
    let denial = prebuilt(answers.absent_octets, true);
    let mut waiting = Waiting::default();
    waiting.add(plain.as_raw_fd());
    waiting.add(encrypted.as_raw_fd());
    let mut streams: Vec<MessageStream> = Vec::new();
    let mut number = 0;
    println!("ready");
    loop {
        waiting.wait(PATIENCE)?;
        for index in (0..streams.len()).rev() {
            if !waiting.is_ready(index + 2) {
                continue;
            }
            let stream = &mut streams[index];
            if serve(stream, &present, &denial, &mut number).is_err() || stream.ended {
                waiting.swap_remove(index + 2);
                streams.swap_remove(index);
            }
        }
        for (index, listener) in [&plain, &encrypted].into_iter().enumerate() {
            while let Ok((socket, _)) = listener.accept() {
                let tls = (index == 1)
                    .then(|| ServerConnection::new(config.clone()))
                    .transpose()?;
                let tls = tls.map(|session| Tls::Server(Box::new(session)));
                let stream = MessageStream::new(socket, tls)?;
                waiting.add(stream.socket.as_raw_fd());
                streams.push(stream);
            }
        }
    }
}

fn listener(at: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn serve(
    stream: &mut MessageStream,
    present: &[u8],
    denial: &[u8],
    number: &mut u64,
) -> std::io::Result<()> {
    stream.fill()?;
    let mut replies = std::mem::take(stream.outgoing());
    while let Some(query) = stream.next_message() {
        let Some(end) = question_end(query) else {
            continue;
        };
        *number += 1;
        let answer = if Asked::Mix.is_absent(*number) {
            denial
        } else {
            present
        };
        replies.extend((answer.len() as u16).to_be_bytes());
        let begin = replies.len();
        replies.extend_from_slice(answer);
        replies[begin..begin + 2].copy_from_slice(&query[..2]);
        replies[begin + HEADER_OCTETS..begin + end].copy_from_slice(&query[HEADER_OCTETS..end]);
    }
    *stream.outgoing() = replies;
    stream.flush()
}

fn server_config(tls: &Path) -> anyhow::Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(tls.join(CERTIFICATE_FILE))?
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(tls.join(KEY_FILE))?;
    let mut provider = rustls::crypto::ring::default_provider();
    // SHA-256 has instructions of its own where SHA-384 has none.
    let first = TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.retain(|suite| *suite != first);
    provider.cipher_suites.insert(0, first);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"dot".to_vec()];
    Ok(config)
}
