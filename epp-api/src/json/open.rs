//! What strangers may read, made once: discovery, the OpenAPI description, the readable page.

use std::sync::Arc;

use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, HeaderValue, Method};

use crate::json::discovery::Discovery;
use crate::json::encode::{encode_refusal, encode_success};
use crate::json::header::client_transaction_id;
use crate::json::refusal::Refusal;
use crate::json::route::{DISCOVERY_PATH, OPENAPI_PATH, PAGE_PATH};
use crate::json::{openapi, page};

/// The open documents of a server.
#[derive(Clone, Debug)]
pub struct OpenDocuments([OpenDocument; 3]);

#[derive(Clone, Debug)]
struct OpenDocument {
    path: &'static str,
    media_type: &'static str,
    /// Shared by all answers: strangers ask for it.
    body: Arc<[u8]>,
}

impl OpenDocuments {
    /// The documents of a server that says this about itself.
    pub fn new(discovery: &Discovery) -> Self {
        Self([
            OpenDocument {
                path: DISCOVERY_PATH,
                media_type: "application/json",
                body: discovery.to_json().to_string().into_bytes().into(),
            },
            OpenDocument {
                path: OPENAPI_PATH,
                media_type: "application/json",
                body: openapi::description(discovery)
                    .to_string()
                    .into_bytes()
                    .into(),
            },
            OpenDocument {
                path: PAGE_PATH,
                media_type: "text/html; charset=utf-8",
                body: page::page(discovery).into_bytes().into(),
            },
        ])
    }

    /// Answers a request for one of them; none for other paths.
    pub fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        server_transaction_id: &str,
    ) -> Option<http::Response<Arc<[u8]>>> {
        let document = self.0.iter().find(|document| document.path == path)?;
        let client = client_transaction_id(headers).ok().flatten();
        if method != Method::GET && method != Method::HEAD {
            let refusal = Refusal::method(method, "GET, HEAD".to_owned());
            let answer = encode_refusal(client.as_ref(), server_transaction_id, &refusal);
            return Some(answer.map(Arc::from));
        }
        let media_type = document.media_type;
        let empty = Vec::new();
        let answer = encode_success(client.as_ref(), server_transaction_id, media_type, empty);
        let mut answer = answer.map(|_| Arc::clone(&document.body));
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        Some(answer)
    }
}
