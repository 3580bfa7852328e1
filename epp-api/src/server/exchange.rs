//! One request: authorisation before the body, the codec, the registry, the answer.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderValue, Method};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::{Instant, timeout_at};
use tracing::{error, info};

use crate::account::Caller;
use crate::command::Request;
use crate::json::header::{bearer_token, client_transaction_id};
use crate::json::{Asked, BODY_OCTETS_MAX, DISCOVERY_PATH, Head, Refusal, encode, encode_refusal};
use crate::problem::Problem;
use crate::response::Response;
use crate::result_code::ResultCode;
use crate::server::Registry;
use crate::server::body;
use crate::server::listener::Shared;
use crate::transaction::server_transaction_id;

/// Answers one request; there is an answer for everything.
pub(super) async fn exchange<R: Registry>(
    shared: &Shared<R>,
    request: http::Request<Incoming>,
) -> http::Response<Full<Bytes>> {
    let transaction_id = new_transaction_id();
    let (parts, mut body) = request.into_parts();
    let answer = if parts.uri.path() == DISCOVERY_PATH {
        let discovery = &shared.discovery;
        discovery.answer(&parts.method, &parts.headers, &transaction_id)
    } else {
        match respond(shared, &parts, &mut body).await {
            Ok((asked, response)) => encode(&asked, response),
            Err(refusal) => {
                body::discard(&mut body).await;
                let client = client_transaction_id(&parts.headers).ok().flatten();
                encode_refusal(client.as_ref(), &transaction_id, &refusal)
            }
        }
    };
    without_body_for_head(&parts.method, answer)
}

fn new_transaction_id() -> String {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .expect("the operating system has random octets");
    server_transaction_id(random)
}

async fn respond<R: Registry>(
    shared: &Shared<R>,
    parts: &Parts,
    body: &mut Incoming,
) -> Result<(Asked, Response), Refusal> {
    let deadline = Instant::now() + shared.limits.request_timeout;
    let token = bearer_token(&parts.headers)?;
    let known = timeout_at(deadline, shared.registry.authenticate(token.expose()));
    let known = known.await.map_err(|_| overdue())?;
    let caller = known?.ok_or_else(Refusal::token_invalid)?;
    let head = Head::decode(&parts.method, &parts.uri, &parts.headers)?;
    let octets_max = shared.limits.body_octets_max.min(BODY_OCTETS_MAX);
    let body = body::read(body, octets_max, deadline).await?;
    let (request, asked) = head.into_request(&body)?;
    let response = execute(shared, caller, request, deadline).await?;
    Ok((asked, response))
}

/// Has the registry carry out the request in a task of its own: a client that goes away, or the
/// deadline, must not stop a command half-way.
async fn execute<R: Registry>(
    shared: &Shared<R>,
    caller: Caller,
    request: Request,
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
        drop(permit);
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

/// HEAD is answered with the length that GET would have (RFC 9110 §9.3.2), and nothing behind it.
fn without_body_for_head(
    method: &Method,
    answer: http::Response<Vec<u8>>,
) -> http::Response<Full<Bytes>> {
    let (mut parts, body) = answer.into_parts();
    if method != Method::HEAD {
        return http::Response::from_parts(parts, Full::from(body));
    }
    let length = HeaderValue::from(body.len());
    parts.headers.insert(CONTENT_LENGTH, length);
    http::Response::from_parts(parts, Full::default())
}
