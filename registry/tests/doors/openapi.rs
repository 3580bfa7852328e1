//! The registry itself against its own description: requests made from the OpenAPI document, valid and
//! broken, by every role, about devices that are there in every state, are never answered with a failure
//! and never with anything that the document does not tell of.

#[path = "../../../epp-api/tests/openapi/document.rs"]
mod document;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use document::{Asked, Description};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use iot_epp_api::command::JobAction;
use iot_epp_api::device::WithdrawReason;
use iot_identity::DeviceId;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use tokio_rustls::TlsConnector;

use crate::stage::*;

const BASE: &str = "/rpp/v1";
/// Requests to each operation.
const REQUESTS: usize = 24;

/// Asks over HTTP/2, over one connection.
struct Client(SendRequest<Full<Bytes>>);

struct Answer {
    status: StatusCode,
    media_type: String,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Client {
    async fn connect(stage: &Stage) -> Self {
        let config = client_tls(stage.roots(), None, &[b"h2"]);
        let name = "localhost".try_into().unwrap();
        let socket = tokio::net::TcpStream::connect(stage.running.listen.api).await;
        let connector = TlsConnector::from(std::sync::Arc::new(config));
        let stream = connector.connect(name, socket.unwrap()).await.unwrap();
        let executor = TokioExecutor::new();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    async fn answer(&self, request: Request<Vec<u8>>) -> Answer {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("https://localhost{}", parts.uri).parse().unwrap();
        let request = Request::from_parts(parts, Full::new(Bytes::from(body)));
        let answer = self.0.clone().send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let media_type = head.headers.get(CONTENT_TYPE);
        Answer {
            status: head.status,
            media_type: media_type
                .map_or("", |one| one.to_str().unwrap())
                .to_owned(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }
}

/// A device in each state, and ids that no registration was made for.
async fn prepared(sponsor: &Party, gaining: &Party) -> Vec<DeviceId> {
    let ids: Vec<DeviceId> = (1..=9).map(eid).collect();
    for &id in &ids[..7] {
        let create = create_with(id, new_csr(), Some("asp-one"));
        sponsor.issued(create).await;
        sponsor.changed(set_auth_info(id)).await;
    }
    sponsor.changed(hold(ids[1])).await;
    sponsor.changed(delete(ids[2])).await;
    let reason = WithdrawReason::Compromised;
    sponsor.changed(withdraw(ids[3], 1, reason)).await;
    sponsor.transfer(push(ids[4], gaining.name.as_str())).await;
    sponsor.issued(new_slot(ids[5], new_csr(), None)).await;
    ids
}

/// The request, about one of these devices in most cases, with a certificate request that is one.
fn about(asked: Asked, ids: &[DeviceId], number: usize) -> Request<Vec<u8>> {
    let (mut parts, mut body) = asked.request.into_parts();
    let id = ids[number % ids.len()].as_str();
    if !number.is_multiple_of(5) {
        let path = parts.uri.path().strip_prefix(BASE).unwrap_or_default();
        let named = asked.operation.template.split('/').zip(path.split('/'));
        let path: Vec<&str> = named
            .map(|(known, given)| if known == "{deviceId}" { id } else { given })
            .collect();
        let query = parts.uri.query();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{BASE}{}{query}", path.join("/"));
        parts.uri = target.parse::<Uri>().unwrap_or(parts.uri);
        if let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) {
            for (name, value) in &mut members {
                match name.as_str() {
                    "id" | "deviceId" => *value = id.into(),
                    "csr" => *value = STANDARD.encode(new_csr()).into(),
                    _ => {}
                }
            }
            body = Value::Object(members).to_string().into_bytes();
        }
    }
    if asked.is_valid && parts.headers.contains_key("rpp-cltrid") {
        let own = format!("request-{number}-{}", parts.uri.path().len());
        parts.headers.insert("rpp-cltrid", own.parse().unwrap());
    }
    Request::from_parts(parts, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_the_registry_are_documented_and_never_failures() {
    let stage = Stage::open().await;
    let (sponsor, gaining) = (stage.mno("mno-one").await, stage.mno("mno-two").await);
    let asp = stage.asp("asp-one").await;
    let ids = prepared(&sponsor, &gaining).await;
    let rows = crate::jobs::rows_of(&ids[..2]);
    crate::jobs::carried_out(&sponsor, JobAction::Deactivate, &rows).await;
    let client = Client::connect(&stage).await;
    let described = Request::get("/rpp/v1/openapi.json").body(Vec::new());
    let described = client.answer(described.unwrap()).await.body;
    let description = Description::new(serde_json::from_slice(&described).unwrap());
    let callers = [&sponsor, &gaining, &asp, &stage.operator];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut statuses: BTreeMap<String, BTreeMap<u16, usize>> = BTreeMap::new();
    let mut number = 0;
    for operation in description.operations() {
        // A stream has no end.
        if operation.template == "/events" && operation.method == "GET" {
            continue;
        }
        let strategy = description.requests(BASE, &operation);
        for _ in 0..REQUESTS {
            number += 1;
            let asked = strategy.new_tree(&mut runner).unwrap().current();
            let (operation, shown) = (asked.operation.clone(), format!("{asked:?}"));
            let mut request = about(asked, &ids, number / callers.len());
            let token = callers[number % callers.len()].token.expose();
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, bearer);
            let answer = client.answer(request).await;
            let status = answer.status.as_u16();
            let fault =
                description.fault_of_answer(&operation, status, &answer.media_type, &answer.body);
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(fault, None, "{shown}\n{text}");
            let fault = description.fault_of_headers(&operation, status, &answer.headers);
            assert_eq!(fault, None, "{shown}\n{text}");
            let name = format!("{} {}", operation.method, operation.template);
            *statuses.entry(name).or_default().entry(status).or_default() += 1;
        }
    }
    let of_devices = statuses
        .iter()
        .filter(|(name, _)| name.contains("{deviceId}"));
    let reached = of_devices.filter(|(_, statuses)| statuses.keys().any(|status| *status < 300));
    let reached: Vec<&String> = reached.map(|(name, _)| name).collect();
    assert!(reached.len() > 5, "{reached:?} of {statuses:?}");
    stage.settled().await;
    stage.close().await;
}
