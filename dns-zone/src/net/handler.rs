//! Between hickory's messages and our octets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hickory_proto::op::{Header, HeaderCounts, Message, MessageType, Metadata, ResponseCode};
use hickory_proto::serialize::binary::BinDecoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponseBuilder, Queries};
use tracing::{debug, error};

use super::Clock;
use super::source::{Source, ZoneSource};
use super::waiting::PATIENCE;
use crate::answer::{Answering, Disposition, Exchange, Patience, Transport};
use crate::query::HEADER_OCTETS;
use crate::reader::ZoneReader;

/// Octets of the longest message on a stream (RFC 1035 §4.2.2).
const MESSAGE_OCTETS_MAX: usize = 65_535;
/// How soon a query that waits for a signature is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Answers every request from the version of the zone that is current when it arrives.
pub(super) struct Handler {
    source: ZoneSource,
}

impl Handler {
    pub(super) fn new(reader: ZoneReader, clock: Clock) -> Self {
        let source = ZoneSource::new(reader, Arc::new(Answering::default()), clock);
        Self {
            source: source.over(Transport::Stream),
        }
    }

    /// Writes the answer to `out` and returns its length. A query whose signature has expired waits
    /// for a new one, as those of other transports do.
    async fn answer(&self, query: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut source = self.source.clone();
        let mut patience = Patience::Wait;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut exchange = Exchange::new(query, out);
            source.answer(std::slice::from_mut(&mut exchange), patience);
            let name = match (exchange.disposition, patience) {
                (Disposition::Answer(octets), _) => return Some(octets),
                (Disposition::Wait(name), Patience::Wait) => name,
                (Disposition::Drop | Disposition::Wait(_), _) => return None,
            };
            if !source.want(name) || Instant::now() >= deadline {
                patience = Patience::Refuse;
                continue;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        response_handle: R,
    ) -> ResponseInfo {
        // hickory writes the first owner name in full where ours points into the question.
        let room = request.queries.as_bytes().len();
        let mut out = vec![0; MESSAGE_OCTETS_MAX.saturating_sub(room)];
        let Some(octets) = self.answer(request.as_slice(), &mut out).await else {
            return unanswered(request);
        };
        match send(&out[..octets], response_handle).await {
            Ok(info) => info,
            Err(SendError::NotOurs(error)) => {
                error!(%error, "an answer of ours is not a message");
                unanswered(request)
            }
            Err(SendError::Peer(error)) => {
                debug!(%error, peer = %request.src(), "answer not sent");
                unanswered(request)
            }
        }
    }
}

enum SendError {
    /// The octets could not be read back.
    NotOurs(hickory_proto::ProtoError),
    /// The connection is gone.
    Peer(NetError),
}

/// Hands our octets to hickory, which only takes records: they are read and written again. The
/// question is passed on as octets, so its case stays.
async fn send<R: ResponseHandler>(octets: &[u8], mut handle: R) -> Result<ResponseInfo, SendError> {
    let message = Message::from_vec(octets).map_err(|error| SendError::NotOurs(error.into()))?;
    let mut decoder = BinDecoder::new(&octets[HEADER_OCTETS..]);
    let queries = Queries::read(&mut decoder, message.queries.len())
        .map_err(|error| SendError::NotOurs(error.into()))?;
    let response = MessageResponseBuilder::new(&queries, message.edns.as_ref()).build(
        message.metadata,
        message.answers.iter(),
        message.authorities.iter(),
        [],
        message.additionals.iter(),
    );
    handle
        .send_response(response)
        .await
        .map_err(SendError::Peer)
}

/// What hickory is told when nothing was sent.
fn unanswered(request: &Request) -> ResponseInfo {
    let mut metadata = Metadata::new(
        request.metadata.id,
        MessageType::Response,
        request.metadata.op_code,
    );
    metadata.response_code = ResponseCode::ServFail;
    ResponseInfo::from(Header {
        metadata,
        counts: HeaderCounts::default(),
    })
}
