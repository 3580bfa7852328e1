//! Header fields of answers, as data: which there are, what they say, and which answers carry which.

use serde_json::{Map, Value, json};

use crate::json::operation::{Answer, Condition, Operation};

/// A header field of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerHeader {
    Code,
    ServerTransactionId,
    ClientTransactionId,
    Replayed,
    EntityTag,
    Location,
    Link,
    QueueSize,
    RetryAfter,
    Challenge,
}

use AnswerHeader::{
    Challenge, ClientTransactionId, Code, EntityTag, Link, Location, QueueSize, Replayed,
    RetryAfter, ServerTransactionId,
};

/// What every answer to a request carries.
const COMMON: [AnswerHeader; 3] = [Code, ServerTransactionId, ClientTransactionId];

impl AnswerHeader {
    const ALL: [Self; 10] = [
        Code,
        ServerTransactionId,
        ClientTransactionId,
        Replayed,
        EntityTag,
        Location,
        Link,
        QueueSize,
        RetryAfter,
        Challenge,
    ];

    /// Its name.
    fn spelled(self) -> &'static str {
        match self {
            Code => "RPP-Code",
            ServerTransactionId => "RPP-Svtrid",
            ClientTransactionId => "RPP-Cltrid",
            Replayed => "RPP-Replayed",
            EntityTag => "ETag",
            Location => "Location",
            Link => "Link",
            QueueSize => "RPP-Queue-Size",
            RetryAfter => "Retry-After",
            Challenge => "WWW-Authenticate",
        }
    }

    fn described(self) -> Value {
        let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        let number = || json!({ "type": "integer", "minimum": 0 });
        let (about, schema) = match self {
            Code => (
                "Result code: 0 and the four digits of RFC 5730.",
                text("^0[0-9]{4}$"),
            ),
            ServerTransactionId => (
                "The server's name for this transaction.",
                text("^IOTR-[0-9a-f]{32}$"),
            ),
            ClientTransactionId => (
                "The client's name for this request, where it gave one.",
                json!({ "type": "string" }),
            ),
            Replayed => (
                "The answer is the result of an earlier request with the same transaction id.",
                text("^true$"),
            ),
            EntityTag => (
                "The version of the device, for If-Match and If-None-Match.",
                text("^\"[0-9]+\"$"),
            ),
            Location => ("Where to ask for what was made or begun.", text("^/")),
            Link => (
                "Where the next part is (rel=\"next\"), or how far a pending command is (rel=\"rpp-process\").",
                json!({ "type": "string" }),
            ),
            QueueSize => ("Messages in the account's queue.", number()),
            RetryAfter => ("Seconds after which to send the request again.", number()),
            Challenge => (
                "How to show a token (RFC 6750).",
                json!({ "type": "string" }),
            ),
        };
        let required = matches!(self, Code | ServerTransactionId);
        json!({ "description": about, "required": required, "schema": schema })
    }
}

/// All header fields with what they say.
pub(crate) fn descriptions() -> Value {
    let all = AnswerHeader::ALL.iter();
    let all = all.map(|one| (one.spelled().to_owned(), one.described()));
    Value::Object(all.collect())
}

/// References to these, for one response.
pub(crate) fn references(headers: &[AnswerHeader]) -> Value {
    let reference = |one: &AnswerHeader| {
        let name = one.spelled();
        let path = format!("#/components/headers/{name}");
        (name.to_owned(), json!({ "$ref": path }))
    };
    Value::Object(headers.iter().map(reference).collect::<Map<_, _>>())
}

/// What the answers of one status carry when the operation succeeds. The version of a device is told by
/// what can be asked for conditionally; what changes state may be a repetition.
pub(crate) fn of_success(operation: &Operation, status: u16) -> Vec<AnswerHeader> {
    let mut headers = COMMON.to_vec();
    if operation.condition == Condition::Read {
        headers.push(EntityTag);
    }
    if operation.changes {
        headers.push(Replayed);
    }
    let answers = operation.answers.iter();
    let own = answers.filter(|answer| answer.status == status);
    for header in own.flat_map(|answer: &Answer| answer.headers) {
        if !headers.contains(header) {
            headers.push(*header);
        }
    }
    headers
}

/// What a refusal of this status carries; one of the header section comes before there is a request.
pub(crate) fn of_refusal(operation: &Operation, status: u16) -> Vec<AnswerHeader> {
    let mut headers = match status {
        431 => return Vec::new(),
        _ => COMMON.to_vec(),
    };
    if operation.changes {
        headers.push(Replayed);
    }
    match status {
        401 => headers.extend([Challenge, RetryAfter]),
        429 | 503 => headers.push(RetryAfter),
        _ => {}
    }
    headers
}
