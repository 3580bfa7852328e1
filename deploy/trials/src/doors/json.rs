//! A connection to the JSON door.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use iot_epp_api::client::ClientRequest;
use iot_epp_api::{ClientTransactionId, Command};
use tokio::task::JoinHandle;

use super::answer::{Answer, Body};
use super::{LineError, Member, connect};

/// A connection that was idle for so long is not used again: the door closes it soon.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Fields with the time, or with the names of the transaction.
const OF_THE_MOMENT: [&str; 3] = ["date", "rpp-svtrid", "rpp-cltrid"];

pub(super) struct JsonLine {
    address: SocketAddr,
    member: Member,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    used_at: Instant,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl JsonLine {
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
        let usable = |open: &Open| open.used_at.elapsed() < IDLE_MAX && !open.sender.is_closed();
        if self.open.as_ref().is_some_and(usable) {
            return Ok(());
        }
        self.open = None;
        let stream = connect(self.address, &self.member.tls).await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(LineError::lost)?;
        let driver = tokio::spawn(async move {
            // What ends it is seen by who waits for an answer.
            let _ = connection.await;
        });
        self.open = Some(Open {
            sender,
            driver,
            used_at: Instant::now(),
        });
        Ok(())
    }

    pub(super) async fn give(
        &mut self,
        command: &Command,
        id: &ClientTransactionId,
    ) -> Result<Answer, LineError> {
        let asked = ClientRequest::new(command.clone(), id.clone());
        let request = asked
            .to_http(&self.member.token)
            .map_err(LineError::wrong)?;
        let mut request = request.map(|body| Full::new(Bytes::from(body)));
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, host);
        let Some(open) = &mut self.open else {
            return Err(LineError::lost("it was never opened"));
        };
        // Its last answer is here, and the connection may be a moment behind.
        open.sender.ready().await.map_err(LineError::lost)?;
        let sent = open.sender.send_request(request).await;
        let (head, body) = sent.map_err(LineError::lost)?.into_parts();
        let body = body.collect().await.map_err(LineError::lost)?.to_bytes();
        open.used_at = Instant::now();
        let response = asked.parse_response(head.status, &head.headers, &body);
        let response = response.map_err(LineError::wrong)?;
        let fields = head.headers.iter();
        let fields = fields.filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
        let mut fields: Vec<String> = fields
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        fields.sort();
        let text = format!(
            "{}\n{}\n\n{}",
            head.status.as_u16(),
            fields.join("\n"),
            String::from_utf8_lossy(&body)
        );
        Ok(Answer {
            code: response.code,
            http_status: Some(head.status.as_u16()),
            said: text.replace(&response.server_transaction_id, "(server transaction)"),
            body: Body::Json(Box::new(response)),
        })
    }
}
