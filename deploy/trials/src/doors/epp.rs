//! A session with the EPP door.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use iot_epp_api::epp::client::{Received, ReceivedResponse};
use iot_epp_api::epp::mapping::said;
use iot_epp_api::epp::{EppCommand, Frame, FrameDecoder, Login, encode_frame};
use iot_epp_api::{ClientTransactionId, Command, ResultCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::answer::{Answer, Body};
use super::{LineError, Member, connect};

/// A session that was idle for so long is not used again: the door ends it soon.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// Octets that are read at once.
const PIECE_OCTETS: usize = 16 * 1024;

pub(super) struct EppLine {
    address: SocketAddr,
    member: Member,
    open: Option<Open>,
}

struct Open {
    stream: TlsStream<TcpStream>,
    decoder: FrameDecoder,
    used_at: Instant,
}

impl EppLine {
    pub(super) fn new(address: SocketAddr, member: Member) -> Self {
        Self {
            address,
            member,
            open: None,
        }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    pub(super) async fn prepare(&mut self) -> Result<(), LineError> {
        let usable = |open: &Open| open.used_at.elapsed() < IDLE_MAX;
        if self.open.as_ref().is_some_and(usable) {
            return Ok(());
        }
        self.open = None;
        let mut open = Open {
            stream: connect(self.address, &self.member.mutual_tls).await?,
            decoder: FrameDecoder::of_answers(),
            used_at: Instant::now(),
        };
        match open.receive().await? {
            (Received::Greeting(_), _) => {}
            (other, _) => return Err(LineError::wrong(format!("no greeting: {other:?}"))),
        }
        let login = Login::for_everything(&self.member.name, self.member.password.clone());
        let id = ClientTransactionId::parse("login").expect("five characters");
        let (login, _) = open.ask(EppCommand::Login(login), &id).await?;
        if login.answer.code != ResultCode::Completed {
            return Err(LineError::wrong(format!("login: {login:?}")));
        }
        self.open = Some(open);
        Ok(())
    }

    pub(super) async fn give(
        &mut self,
        command: &Command,
        id: &ClientTransactionId,
    ) -> Result<Answer, LineError> {
        let asked = said(command).ok_or_else(|| LineError::wrong("EPP has no words for it"))?;
        let Some(open) = &mut self.open else {
            return Err(LineError::lost("it was never opened"));
        };
        let (response, document) = open.ask(asked, id).await?;
        let server = response.server_transaction_id.as_str();
        let text = document.replace(server, "(server transaction)");
        let client = format!("<clTRID>{id}</clTRID>");
        Ok(Answer {
            code: response.answer.code,
            http_status: None,
            said: text.replace(&client, "<clTRID/>"),
            body: Body::Epp(Box::new(response)),
        })
    }
}

impl Open {
    async fn ask(
        &mut self,
        command: EppCommand,
        id: &ClientTransactionId,
    ) -> Result<(ReceivedResponse, String), LineError> {
        let frame = Frame::Command {
            command: Box::new(command),
            client_transaction_id: Some(id.clone()),
        };
        let octets = encode_frame(&frame.write());
        let written = self.stream.write_all(&octets).await;
        written.map_err(LineError::lost)?;
        self.stream.flush().await.map_err(LineError::lost)?;
        let (received, document) = self.receive().await?;
        self.used_at = Instant::now();
        match received {
            Received::Response(response) if response.client_transaction_id.as_ref() == Some(id) => {
                Ok((*response, document))
            }
            // A session that ends by itself says so without the name of a command.
            Received::Response(response) if response.client_transaction_id.is_none() => Err(
                LineError::lost(format!("the session was ended: {}", response.answer.code)),
            ),
            other => Err(LineError::wrong(format!("to another command: {other:?}"))),
        }
    }

    async fn receive(&mut self) -> Result<(Received, String), LineError> {
        let mut piece = vec![0; PIECE_OCTETS];
        loop {
            let document = self.decoder.next_document().map_err(LineError::wrong)?;
            if let Some(document) = document {
                let received = Received::read(&document).map_err(LineError::wrong)?;
                let text = String::from_utf8_lossy(&document).into_owned();
                return Ok((received, text));
            }
            match self.stream.read(&mut piece).await {
                Ok(0) => return Err(LineError::lost("closed")),
                Ok(octets) => self.decoder.push(&piece[..octets]),
                Err(error) => return Err(LineError::lost(error)),
            }
        }
    }
}
