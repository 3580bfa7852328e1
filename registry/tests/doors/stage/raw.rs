//! Answers as the octets that come, through either door.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use iot_epp_api::client::ClientRequest;
use iot_epp_api::epp::mapping::said;
use iot_epp_api::epp::{EppCommand, Frame, FrameDecoder, Login, encode_frame};
use iot_epp_api::{ClientTransactionId, Command};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Identity, Party, Stage};

/// An answer of the JSON door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    /// `name: value` of each field, sorted, without those that differ between any two answers.
    pub(crate) fields: Vec<String>,
    pub(crate) body: String,
}

/// Fields with the time, or with the server's name for the transaction.
const OF_THE_MOMENT: [&str; 2] = ["date", "rpp-svtrid"];

/// TLS of a client that may have a certificate.
pub(crate) fn client_tls(
    roots: RootCertStore,
    identity: Option<&Identity>,
    protocols: &[&[u8]],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => config
            .with_client_auth_cert(identity.chain.clone(), identity.key())
            .unwrap(),
    };
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    config
}

impl Stage {
    /// A TLS connection; what fails later than here is the caller's to see.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        identity: Option<&Identity>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_for(address, identity, &[]).await
    }

    /// The same for these protocols.
    pub(crate) async fn connect_for(
        &self,
        address: SocketAddr,
        identity: Option<&Identity>,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let config = client_tls(self.roots(), identity, protocols);
        let name = ServerName::try_from("localhost").unwrap();
        let socket = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await
    }

    /// Gives a command to the JSON door with the party's token.
    pub(crate) async fn raw_json(&self, party: &Party, command: Command, id: &str) -> RawAnswer {
        let id = ClientTransactionId::parse(id).unwrap();
        let request = ClientRequest::new(command, id).to_http(&party.token);
        let stream = self.connect(self.running.listen.api, None).await.unwrap();
        exchange(stream, request.unwrap()).await
    }

    /// Gives a command to the JSON door for clients with certificates.
    pub(crate) async fn raw_certificate(
        &self,
        party: &Party,
        command: Command,
    ) -> std::io::Result<RawAnswer> {
        let id = ClientTransactionId::parse("with-a-certificate").unwrap();
        let request = ClientRequest::new(command, id).to_http_without_token();
        let address = self.running.listen.api_certificates.unwrap();
        let stream = self.connect(address, party.identity.as_ref()).await?;
        Ok(exchange(stream, request.unwrap()).await)
    }
}

async fn exchange(stream: TlsStream<TcpStream>, request: http::Request<Vec<u8>>) -> RawAnswer {
    let stream = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut request = request.map(|body| Full::new(Bytes::from(body)));
    let host = http::HeaderValue::from_static("localhost");
    request.headers_mut().insert(http::header::HOST, host);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    driver.abort();
    let fields = head.headers.iter();
    let fields = fields.filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
    let mut fields: Vec<String> = fields
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    fields.sort();
    RawAnswer {
        status: head.status.as_u16(),
        fields,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A session with the EPP door whose answers are the documents themselves.
pub(crate) struct RawTalk {
    stream: TlsStream<TcpStream>,
    decoder: FrameDecoder,
}

impl RawTalk {
    /// Logs in.
    pub(crate) async fn begin(stage: &Stage, party: &Party) -> Self {
        let address = stage.running.listen.epp.unwrap();
        let stream = stage.connect(address, party.identity.as_ref()).await;
        let mut talk = Self {
            stream: stream.unwrap(),
            decoder: FrameDecoder::of_answers(),
        };
        talk.receive().await;
        let password = party.password.clone().unwrap();
        let login = Login::for_everything(&party.name, password);
        let answer = talk.ask(EppCommand::Login(login), "raw-login").await;
        assert!(answer.contains("code=\"1000\""), "{answer}");
        talk
    }

    /// The document that answers a command, without the server's name for the transaction.
    pub(crate) async fn give(&mut self, command: &Command, id: &str) -> String {
        let answer = self.ask(said(command).unwrap(), id).await;
        let (before, rest) = answer.split_once("<svTRID>").unwrap();
        let (_, after) = rest.split_once("</svTRID>").unwrap();
        format!("{before}{after}")
    }

    async fn ask(&mut self, command: EppCommand, id: &str) -> String {
        let frame = Frame::Command {
            command: Box::new(command),
            client_transaction_id: Some(ClientTransactionId::parse(id).unwrap()),
        };
        let octets = encode_frame(&frame.write());
        self.stream.write_all(&octets).await.unwrap();
        self.receive().await
    }

    async fn receive(&mut self) -> String {
        let mut piece = vec![0; 16 * 1024];
        loop {
            if let Some(document) = self.decoder.next_document().unwrap() {
                return String::from_utf8(document.to_vec()).unwrap();
            }
            let octets = self.stream.read(&mut piece).await.unwrap();
            assert!(octets > 0, "the door was closed");
            self.decoder.push(&piece[..octets]);
        }
    }
}
