//! An answer on its way to HTTP: status, header fields and body of every kind of answer.

use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use crate::json::code::rpp_code;
use crate::json::document::problem::ProblemDocument;
use crate::json::header::{PROBLEM_MEDIA_TYPE, RPP_CLTRID, RPP_CODE, RPP_SVTRID};
use crate::problem::Problem;
use crate::result_code::ResultCode;
use crate::transaction::{ClientTransactionId, is_transaction_id};

/// An answer before the header fields that all answers have.
pub(super) struct Written {
    pub(super) status: StatusCode,
    pub(super) code: ResultCode,
    /// Empty for an answer without content.
    pub(super) media_type: &'static str,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Vec<u8>,
}

impl Written {
    pub(super) fn problem(status: StatusCode, problem: &Problem) -> Self {
        let document = ProblemDocument::new(status, problem);
        let body = serde_json::to_vec(&document).expect("texts and numbers are always JSON");
        let mut written = Self {
            status,
            code: problem.code,
            media_type: PROBLEM_MEDIA_TYPE,
            headers: Vec::new(),
            body,
        };
        if let Some(secs) = problem.retry_after_secs {
            written = written.with(RETRY_AFTER, secs.to_string());
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = "Bearer realm=\"iot-registry\"".to_owned();
            written = written.with(WWW_AUTHENTICATE, challenge);
        }
        written
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(super) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn with_optional(self, name: HeaderName, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn finish(
        self,
        client_transaction_id: Option<&ClientTransactionId>,
        server_transaction_id: &str,
    ) -> http::Response<Vec<u8>> {
        let mut answer = http::Response::new(self.body);
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        if !self.media_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Answers hold certificates, tokens and the state of this moment.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut identifiers = vec![(RPP_CODE, rpp_code(self.code))];
        let client = client_transaction_id.map(ClientTransactionId::as_str);
        let client = client.filter(|id| is_transaction_id(id));
        identifiers.extend(client.map(|id| (RPP_CLTRID, id.to_owned())));
        if is_transaction_id(server_transaction_id) {
            identifiers.push((RPP_SVTRID, server_transaction_id.to_owned()));
        }
        for (name, value) in identifiers.into_iter().chain(self.headers) {
            let value = HeaderValue::try_from(value).expect("made of identifiers and digits");
            headers.append(name, value);
        }
        answer
    }
}
