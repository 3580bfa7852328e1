//! Between hickory's messages and our octets.

use async_trait::async_trait;
use hickory_proto::op::{Header, HeaderCounts, Message, MessageType, Metadata, ResponseCode};
use hickory_proto::serialize::binary::BinDecoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponseBuilder, Queries};
use tracing::{debug, error};

use crate::answer::{Disposition, Transport, answer_with_room};
use crate::query::HEADER_OCTETS;
use crate::store::ZoneReader;

/// Tells the time in seconds since 1970.
pub type Clock = fn() -> u64;

/// Answers every request from the version of the zone that is current when it arrives.
pub(super) struct Handler {
    reader: ZoneReader,
    clock: Clock,
}

impl Handler {
    pub(super) fn new(reader: ZoneReader, clock: Clock) -> Self {
        Self { reader, clock }
    }
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        response_handle: R,
    ) -> ResponseInfo {
        let transport = match request.protocol() {
            Protocol::Udp => Transport::Datagram,
            _ => Transport::Stream,
        };
        let mut octets = Vec::with_capacity(1232);
        let snapshot = self.reader.snapshot();
        let now = (self.clock)();
        // hickory writes the first owner name in full where ours points into the question, and
        // knows the peer's limit only from our OPT record.
        let room = request.queries.as_bytes().len();
        let query = request.as_slice();
        match answer_with_room(&snapshot, query, transport, room, now, &mut octets) {
            Disposition::Drop => unanswered(request),
            Disposition::Answer => match send(&octets, response_handle).await {
                Ok(info) => info,
                Err(SendError::NotOurs(error)) => {
                    error!(%error, "an answer of ours is not a message");
                    unanswered(request)
                }
                Err(SendError::Peer(error)) => {
                    debug!(%error, peer = %request.src(), "answer not sent");
                    unanswered(request)
                }
            },
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
