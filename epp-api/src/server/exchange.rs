//! One request: authorisation before the body, the codec, the registry, the answer.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_LENGTH, EXPECT, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use http_body_util::Either;
use hyper::body::{Body, Bytes, Incoming};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::{Instant, timeout_at};
use tracing::{error, info};

use crate::account::Caller;
use crate::command::Request;
use crate::json::header::{EVENTS_MEDIA_TYPE, client_transaction_id};
use crate::json::{Head, Refusal, encode, encode_refusal, encode_success};
use crate::problem::Problem;
use crate::response::Response;
use crate::result_code::ResultCode;
use crate::server::Registry;
use crate::server::body;
use crate::server::connection::Running;
use crate::server::events::{EventBody, MESSAGES_MAX, Stream};
use crate::server::held::Held;
use crate::server::identity::{Identity, PeerCertificates};
use crate::server::listener::Shared;
use crate::server::networks::Unknown;
use crate::server::quota::{Entered, Quota};
use crate::transaction::server_transaction_id;

/// A document, or a stream of events.
pub(super) type AnswerBody = Either<Held<Option<Permits>>, EventBody>;

/// An account's places: of commands and of parts of jobs. Kept by the command until it has ended and by
/// its answer until it is sent, whichever is later.
type Permits = Arc<(Entered, Option<Entered>)>;

/// One request and where it came from.
pub(super) struct Exchange<R> {
    pub(super) shared: Arc<Shared<R>>,
    pub(super) certificates: Option<PeerCertificates>,
    pub(super) running: Running,
    /// What counts the connection as a stranger's, until it is known whose it is.
    pub(super) unknown: Arc<Mutex<Option<Unknown>>>,
}

/// What a request is answered with.
enum Answered {
    Document(http::Response<Vec<u8>>, Permits),
    Events(Box<Stream>),
}

impl<R: Registry> Exchange<R> {
    /// Answers one request; there is an answer for everything.
    pub(super) async fn answer(
        self,
        request: http::Request<Incoming>,
    ) -> http::Response<AnswerBody> {
        let transaction_id = new_transaction_id();
        let shared = Arc::clone(&self.shared);
        let (parts, mut body) = request.into_parts();
        let (method, headers) = (&parts.method, &parts.headers);
        let path = parts.uri.path();
        if !names_its_host(parts.version, headers) {
            let reason = "a request has one header field Host, with the name of this server";
            let refusal = Problem::new(ResultCode::SyntaxError, reason).into();
            let answer = encode_refusal(None, &transaction_id, &refusal);
            return document(method, answer.map(Bytes::from), None);
        }
        if let Some(answer) = shared.open.answer(method, path, headers, &transaction_id) {
            let answer = answer.map(Bytes::from_owner);
            return document(method, answer, None);
        }
        let client = client_transaction_id(headers).ok().flatten();
        match self.respond(&parts, &mut body).await {
            Ok(Answered::Document(answer, permits)) => {
                document(method, answer.map(Bytes::from), Some(permits))
            }
            Ok(Answered::Events(stream)) => {
                let media_type = EVENTS_MEDIA_TYPE;
                let head = encode_success(client.as_ref(), &transaction_id, media_type, Vec::new());
                match *method == Method::HEAD {
                    true => head.map(|_| Either::Left(Held::new(Bytes::new(), None))),
                    false => head.map(|_| Either::Right(stream.open(shared))),
                }
            }
            Err(refusal) => {
                // Beside the answer: a client that waits before it sends the rest has it at once, and
                // one that was told to ask first sends nothing more (RFC 9110, 10.1.1).
                if !body.is_end_stream() && !headers.contains_key(EXPECT) {
                    tokio::spawn(body::discard(body));
                }
                let answer = encode_refusal(client.as_ref(), &transaction_id, &refusal);
                document(method, answer.map(Bytes::from), None)
            }
        }
    }

    async fn respond(self, parts: &Parts, body: &mut Incoming) -> Result<Answered, Refusal> {
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + shared.limits.request_timeout;
        let identity = Identity::of(&parts.headers, self.certificates)?;
        let known = timeout_at(deadline, identity.caller(shared.registry.as_ref()));
        let caller = known.await.map_err(|_| overdue())??;
        drop(
            self.unknown
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let head = Head::decode(&parts.method, &parts.uri, &parts.headers)?;
        let entered = enter(&shared.commands_of_accounts, &caller)?;
        let part = match head.carries_rows() {
            true => Some(enter(&shared.job_parts_of_accounts, &caller)?),
            false => None,
        };
        let body = body::read(body, octets_max(&shared, &head), deadline).await?;
        if let Some(after) = head.events_after() {
            let asked = EventsAsked {
                identity,
                caller,
                after,
                running: self.running,
            };
            let opened = timeout_at(deadline, asked.open(&shared));
            return opened.await.map_err(|_| overdue())?;
        }
        let (request, asked) = head.into_request(&body)?;
        drop(body);
        let permits = Arc::new((entered, part));
        let held = Arc::clone(&permits);
        let response = execute(&shared, caller, request, held, deadline).await?;
        Ok(Answered::Document(encode(&asked, response), permits))
    }
}

/// A request to be told of messages.
struct EventsAsked {
    identity: Identity,
    caller: Caller,
    after: u64,
    running: Running,
}

impl EventsAsked {
    /// Reads the first messages, so that who may not read them is refused as always.
    async fn open<R: Registry>(self, shared: &Shared<R>) -> Result<Answered, Refusal> {
        let entered = enter(&shared.event_streams_of_accounts, &self.caller)?;
        let registry = &shared.registry;
        let mut news = registry.news(&self.caller.account);
        let _ = news.borrow_and_update();
        let first = registry.messages_after(&self.caller, self.after, MESSAGES_MAX);
        let first = first.await?;
        Ok(Answered::Events(Box::new(Stream {
            identity: self.identity,
            caller: self.caller,
            after: self.after,
            news,
            first,
            _held: (entered, self.running),
        })))
    }
}

fn enter(quota: &Arc<Quota>, caller: &Caller) -> Result<Entered, Refusal> {
    let entered = quota.enter(&caller.account);
    entered.ok_or_else(|| {
        Refusal::too_many("the account has too many requests at work; send it again later")
    })
}

fn octets_max<R>(shared: &Shared<R>, head: &Head) -> usize {
    match head.carries_rows() {
        true => head.body_octets_max(),
        false => head.body_octets_max().min(shared.limits.body_octets_max),
    }
}

fn new_transaction_id() -> String {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .expect("the operating system has random octets");
    server_transaction_id(random)
}

/// Has the registry carry out the request in a task of its own: a client that goes away, or the
/// deadline, must not stop a command half-way.
async fn execute<R: Registry>(
    shared: &Shared<R>,
    caller: Caller,
    request: Request,
    permits: Permits,
    deadline: Instant,
) -> Result<Response, Refusal> {
    let permit = timeout_at(deadline, Arc::clone(&shared.commands).acquire_owned());
    let permit = permit.await.map_err(|_| overloaded())?;
    let permit = permit.expect("the semaphore is never closed");
    let registry = Arc::clone(&shared.registry);
    let verb = request.command.verb();
    let begin = Instant::now();
    let task = tokio::spawn(async move {
        let response = registry.execute(&caller, request).await;
        drop((permit, permits));
        info!(
            account = %caller.account,
            verb,
            code = response.code.number(),
            replayed = response.replayed,
            server_transaction_id = response.server_transaction_id,
            elapsed_ms = begin.elapsed().as_millis() as u64,
            "command"
        );
        response
    });
    match timeout_at(deadline, task).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(failure)) => {
            error!(verb, %failure, "a command ended without an answer");
            let reason = "the command failed inside the registry; its operator is informed";
            Err(Problem::new(ResultCode::CommandFailed, reason).into())
        }
        Err(_) => Err(overdue()),
    }
}

fn overloaded() -> Refusal {
    Refusal::busy("the registry is busy and did not begin with the command; send it again")
}

fn overdue() -> Refusal {
    Refusal::busy(
        "the registry did not answer in time, so the result is not known; send the same request with the same RPP-Cltrid again",
    )
}

/// An answer with what it holds. HEAD is answered with the length that GET would have (RFC 9110 §9.3.2),
/// but where an answer never has content (§8.6), and nothing behind it.
fn document(
    method: &Method,
    answer: http::Response<Bytes>,
    permits: Option<Permits>,
) -> http::Response<AnswerBody> {
    let (mut parts, mut octets) = answer.into_parts();
    if method == Method::HEAD {
        let has_none = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&parts.status);
        if !has_none {
            let length = HeaderValue::from(octets.len());
            parts.headers.insert(CONTENT_LENGTH, length);
        }
        octets = Bytes::new();
    }
    let body = Held::new(octets, permits);
    http::Response::from_parts(parts, Either::Left(body))
}

/// A request of HTTP/1.1 names its host, once (RFC 9112 §3.2): what stands between a client and the
/// registry may have taken another of two for it.
fn names_its_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next();
    if hosts.next().is_some() {
        return false;
    }
    match first {
        Some(host) => {
            Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        None => version != Version::HTTP_11,
    }
}
