//! The OpenAPI 3.1 description, written from the table of operations.

use serde_json::{Map, Value, json};

use crate::json::answer_header::{self, of_refusal, of_success};
use crate::json::discovery::Discovery;
use crate::json::document::problem::PROBLEM;
use crate::json::header::{
    EVENTS_MEDIA_TYPE, LINES_MEDIA_TYPE, MEDIA_TYPE, PROBLEM_MEDIA_TYPE, ZONE_MEDIA_TYPE,
};
use crate::json::operation::{Body, Condition, Content, Operation, Verb};
use crate::json::operations;
use crate::json::route::BASE_PATH;
use crate::json::schema::{ANY_NUMBER, Schema, Text};

/// The whole description.
pub(super) fn description(discovery: &Discovery) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas = Map::new();
    PROBLEM.write(&mut schemas);
    for operation in operations::all() {
        write_documents(operation, &mut schemas);
        let path = paths.entry(operation.template).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_ascii_lowercase()] = described(operation, false);
        if operation.method == Verb::Get {
            path["head"] = described(operation, true);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "IoT device registry",
            "version": "1.0",
            "description": "Registration of device credentials that are published in the DNS, in the shape of RPP (draft-ietf-rpp-core). Each response lists the header fields that it has beside those of HTTP itself.",
        },
        "servers": [{ "url": format!("{}{BASE_PATH}", discovery.origin) }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": answer_header::descriptions(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "The account's token, made for the scope that the operation names." },
                "certificate": { "type": "mutualTLS", "description": "A client certificate of the account, on the listener that asks for it." },
            },
        },
    })
}

fn write_documents(operation: &Operation, schemas: &mut Map<String, Value>) {
    for document in operation.body.documents() {
        document.write(schemas);
    }
    for answer in operation.answers {
        if let Content::Document(document) | Content::Lines(document) = answer.content {
            document.write(schemas);
        }
    }
}

fn described(operation: &Operation, is_head: bool) -> Value {
    let suffix = if is_head { "Head" } else { "" };
    let mut described = json!({
        "operationId": format!("{}{suffix}", operation.id),
        "summary": operation.summary,
        "tags": [operation.template.split('/').nth(1).unwrap_or("")],
        "security": [{ "bearer": [operation.scope.as_str()] }, { "certificate": [] }],
        "parameters": parameters(operation),
        "responses": responses(operation, is_head),
    });
    if let Some(body) = request_body(operation.body) {
        described["requestBody"] = body;
    }
    described
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let mut parameters: Vec<Value> = Vec::new();
    for parameter in operation.path_parameters() {
        parameters.push(json!({
            "name": parameter.name(), "in": "path", "required": true,
            "schema": parameter.schema().to_json(),
        }));
    }
    for parameter in operation.query {
        parameters.push(json!({
            "name": parameter.name(), "in": "query", "required": parameter.is_required(),
            "schema": parameter.schema().to_json(),
        }));
    }
    parameters.push(header(
        "RPP-Cltrid",
        operation.changes,
        TRANSACTION_ID,
        "The client's name for this request: a new one for each, the same one for a retry. Idempotency-Key is another name of it.",
    ));
    if operation.takes_auth_info {
        let about = "Authorization information of the object: authinfo value=<base64>.";
        parameters.push(header("RPP-Authorization", false, AUTHORIZATION, about));
    }
    match operation.condition {
        Condition::No => {}
        Condition::Read => {
            let about = "Entity tags of versions that the client has: 304 when the device is in one of them.";
            parameters.push(header("If-None-Match", false, ENTITY_TAG, about));
        }
        Condition::Change => {
            let about = "Entity tag of the version that is to be changed: 412 when the device is in another.";
            parameters.push(header("If-Match", false, ENTITY_TAG, about));
        }
    }
    if operation
        .answers
        .iter()
        .any(|answer| matches!(answer.content, Content::Events))
    {
        let about = "Number of the last message that the client has.";
        parameters.push(header("Last-Event-ID", false, ANY_NUMBER, about));
    }
    parameters
}

const TRANSACTION_ID: Schema = Schema::Text(&Text {
    format: None,
    // Three characters at least, and no two blanks side by side.
    pattern: Some("^[!-~]( [!-~]|[!-~] ?[!-~])( ?[!-~])*$"),
    most: Some(64),
    example: "fleet-7-0001",
});
const AUTHORIZATION: Schema = Schema::Text(&Text {
    format: None,
    pattern: Some(
        "^authinfo value=([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$",
    ),
    most: None,
    example: "authinfo value=Sng3LVF3WjRlIXBMbTJ2VDlzUmsw",
});
const ENTITY_TAG: Schema = Schema::Text(&Text {
    format: None,
    pattern: Some("^\"(0|[1-9][0-9]{0,18})\"$"),
    most: None,
    example: "\"7\"",
});

fn header(name: &str, required: bool, schema: Schema, about: &str) -> Value {
    json!({
        "name": name, "in": "header", "required": required,
        "schema": schema.to_json(), "description": about,
    })
}

fn request_body(body: Body) -> Option<Value> {
    match body {
        Body::Nothing | Body::Empty => None,
        Body::Document(document) => Some(json!({
            "required": true,
            "content": { (MEDIA_TYPE): { "schema": document.reference() } },
        })),
        Body::OneOf(documents) => {
            let documents: Vec<Value> = documents.iter().map(|one| one.reference()).collect();
            Some(json!({
                "required": true,
                "content": { (MEDIA_TYPE): { "schema": { "oneOf": documents } } },
            }))
        }
        Body::OptionalDocument(document) => Some(json!({
            "required": false,
            "content": { (MEDIA_TYPE): { "schema": document.reference() } },
        })),
        Body::Rows => Some(json!({
            "required": false,
            "description": "One JSON object a line.",
            "content": { (LINES_MEDIA_TYPE): { "schema": { "type": "string" } } },
        })),
    }
}

fn responses(operation: &Operation, is_head: bool) -> Value {
    let mut responses = Map::new();
    for answer in operation.answers {
        let status = answer.status.to_string();
        let content = content(answer.content).filter(|_| !is_head);
        if let (Some(known), Some(content)) = (responses.get_mut(&status), &content) {
            add_choice(known, answer.about, content);
            continue;
        }
        let mut response = json!({
            "description": answer.about,
            "headers": answer_header::references(&of_success(operation, answer.status)),
        });
        if let Some(content) = content {
            response["content"] = content;
        }
        responses.insert(status, response);
    }
    if operation.condition == Condition::Read {
        let response = json!({
            "description": "The device is in a version that the client has.",
            "headers": answer_header::references(&of_success(operation, 304)),
        });
        responses.insert("304".to_owned(), response);
    }
    for status in operation.refusals() {
        let mut response = json!({ "description": refusal_in_words(status) });
        let headers = of_refusal(operation, status);
        if !headers.is_empty() {
            response["headers"] = answer_header::references(&headers);
        }
        // Too large a header section is refused before there is a request to answer.
        if status != 431 && !is_head {
            response["content"] =
                json!({ (PROBLEM_MEDIA_TYPE): { "schema": PROBLEM.reference() } });
        }
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

/// One status with two documents: either of them.
fn add_choice(response: &mut Value, about: &str, content: &Value) {
    let described = response["description"].as_str().unwrap_or("");
    response["description"] = format!("{described} Or: {about}").into();
    let first = response["content"][MEDIA_TYPE]["schema"].take();
    let second = content[MEDIA_TYPE]["schema"].clone();
    response["content"][MEDIA_TYPE]["schema"] = json!({ "oneOf": [first, second] });
}

fn content(content: Content) -> Option<Value> {
    let (media_type, schema) = match content {
        Content::Nothing => return None,
        Content::Document(document) => (MEDIA_TYPE, document.reference()),
        Content::Lines(document) => (LINES_MEDIA_TYPE, document.reference()),
        Content::Zone => (ZONE_MEDIA_TYPE, json!({ "type": "string" })),
        Content::Events => (EVENTS_MEDIA_TYPE, json!({ "type": "string" })),
    };
    Some(json!({ (media_type): { "schema": schema } }))
}

/// What a status of a refusal means here.
pub(super) fn refusal_in_words(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed; the problem names the place.",
        401 => "No valid token or client certificate, or wrong authorization information.",
        403 => "The account, or the token's scope, does not allow it.",
        404 => "There is no such object for this account, or it is not available.",
        408 => "The request did not arrive in time.",
        409 => "The state of the object does not allow it, or the object exists.",
        412 => "The device is in another version than If-Match names.",
        413 => "The body is too long.",
        415 => "The body is of another media type, or compressed.",
        422 => {
            "A policy of the registry does not allow it, or the transaction id was used for another request."
        }
        429 => "The account has too much at work.",
        431 => "The header section is too long.",
        500 => "The registry failed; its operator is informed.",
        501 => "The registry does not do this.",
        503 => {
            "The registry is busy or cannot do this now; the header Retry-After says when to come again."
        }
        _ => "Refused.",
    }
}
