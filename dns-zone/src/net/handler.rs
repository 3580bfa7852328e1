//! Between hickory's messages and our octets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hickory_proto::ProtoError;
use hickory_proto::op::{Header, HeaderCounts, Message, MessageType, Metadata, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::serialize::binary::{BinDecoder, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};
use tracing::{debug, error};

use super::Clock;
use super::source::{Source, ZoneSource};
use super::waiting::PATIENCE;
use crate::answer::{Answering, Disposition, Exchange, Patience, Transport};
use crate::query::{HEADER_OCTETS, OPTION_PADDING, Options, Query};
use crate::reader::ZoneReader;
use crate::response::padding_octets;

/// Octets of the longest message on a stream (RFC 1035 §4.2.2).
const MESSAGE_OCTETS_MAX: usize = 65_535;
/// How soon a query that waits for a signature is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Answers every request from the version of the zone that is current when it arrives.
pub(super) struct Handler {
    source: ZoneSource,
    /// Padded queries get padded responses. Here, because hickory writes them anew.
    padding: bool,
}

impl Handler {
    /// HTTP has its own ways to keep connections, so nothing is told of that.
    pub(super) fn new(reader: ZoneReader, answering: Answering, clock: Clock) -> Self {
        let padding = answering.padding;
        let answering = Answering {
            padding: false,
            keepalive_tenths: None,
            ..answering
        };
        let source = ZoneSource::new(reader, Arc::new(answering), clock);
        Self {
            source: source.over(Transport::Stream),
            padding,
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
        let padded = self.padding && wants_padding(request.as_slice());
        match send(&out[..octets], padded, response_handle).await {
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

fn wants_padding(query: &[u8]) -> bool {
    let edns = Query::parse(query).and_then(|query| query.edns.ok().flatten());
    edns.is_some_and(|edns| edns.options().has(Options::PADDING))
}

enum SendError {
    /// The octets could not be read back.
    NotOurs(ProtoError),
    /// The connection is gone.
    Peer(NetError),
}

impl From<ProtoError> for SendError {
    fn from(error: ProtoError) -> Self {
        Self::NotOurs(error)
    }
}

/// Hands our octets to hickory, which only takes records: they are read and written again. The
/// question is passed on as octets, so its case stays.
async fn send<R: ResponseHandler>(
    octets: &[u8],
    padded: bool,
    mut handle: R,
) -> Result<ResponseInfo, SendError> {
    let mut message = Message::from_vec(octets).map_err(ProtoError::from)?;
    let mut decoder = BinDecoder::new(&octets[HEADER_OCTETS..]);
    let count = message.queries.len();
    let queries = Queries::read(&mut decoder, count).map_err(ProtoError::from)?;
    if padded {
        pad(&mut message, &queries)?;
    }
    let response = response(&message, &queries);
    handle
        .send_response(response)
        .await
        .map_err(SendError::Peer)
}

type Records<'m> = std::slice::Iter<'m, Record>;
type NoRecords<'m> = std::iter::Empty<&'m Record>;

fn response<'m>(
    message: &'m Message,
    queries: &'m Queries,
) -> MessageResponse<'m, 'm, Records<'m>, Records<'m>, NoRecords<'m>, Records<'m>> {
    MessageResponseBuilder::new(queries, message.edns.as_ref()).build(
        message.metadata,
        message.answers.iter(),
        message.authorities.iter(),
        std::iter::empty(),
        message.additionals.iter(),
    )
}

/// Pads a response to whole blocks of the octets that hickory will write (RFC 8467 §4.1): it is
/// written once to see how many those are.
fn pad(message: &mut Message, queries: &Queries) -> Result<(), ProtoError> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_max_size(u16::MAX);
    response(message, queries).destructive_emit(&mut encoder)?;
    let room = MESSAGE_OCTETS_MAX.saturating_sub(octets.len());
    if let (Some(edns), Some(padding)) = (&mut message.edns, padding_octets(octets.len(), room)) {
        let padding = EdnsOption::Unknown(OPTION_PADDING, vec![0; padding]);
        edns.options_mut().insert(padding);
    }
    Ok(())
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
