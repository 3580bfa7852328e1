//! The readable page: the table of operations for people, without anything from elsewhere.

use std::fmt::Write;

use crate::json::discovery::Discovery;
use crate::json::operation::{Action, Body, Condition, Content, Operation};
use crate::json::route::{BASE_PATH, DISCOVERY_PATH, OPENAPI_PATH};
use crate::json::schema::{Document, Schema};
use crate::json::{openapi, operations};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}code{font-size:.95em}h2{margin-top:2.5rem;font-size:1.1rem}table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #ddd;padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top}th{font-weight:600}.m{font-weight:600}@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}td,th{border-color:#444}a{color:#9cf}}";

/// The page.
pub(super) fn page(discovery: &Discovery) -> String {
    let mut page = String::new();
    let name = escaped(&discovery.name);
    let zone = escaped(discovery.zone.as_str());
    let origin = escaped(&discovery.origin);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{name}</title><style>{STYLE}</style><h1>{name}</h1><p>Device registry of the zone <code>{zone}</code>, in the shape of RPP, below <code>{origin}{BASE_PATH}</code>. For programs: <a href=\"{OPENAPI_PATH}\">OpenAPI 3.1</a>, <a href=\"{DISCOVERY_PATH}\">discovery</a>.</p><p>Every request needs <code>Authorization: Bearer &lt;token&gt;</code> or a client certificate; every change needs <code>RPP-Cltrid</code>, a new one for each request and the same one for a retry. Answers have <code>RPP-Code</code> and <code>RPP-Svtrid</code>; refusals are problem documents that name the place.</p>"
    );
    for operation in operations::all() {
        section(&mut page, operation);
    }
    page.push_str("</html>\n");
    page
}

fn section(page: &mut String, operation: &Operation) {
    let Operation {
        id,
        template,
        summary,
        ..
    } = operation;
    let method = operation.method.as_str();
    let _ = write!(
        page,
        "<h2 id=\"{id}\"><span class=\"m\">{method}</span> <code>{template}</code></h2><p>{}</p><table><tr><th>scope<td><code>{}</code>",
        escaped(summary),
        operation.scope.as_str()
    );
    for parameter in operation.query {
        let needed = if parameter.is_required() {
            ", needed"
        } else {
            ""
        };
        let _ = write!(
            page,
            "<tr><th>query<td><code>{}</code>{needed}",
            parameter.name()
        );
    }
    for header in headers(operation) {
        let _ = write!(page, "<tr><th>header<td><code>{header}</code>");
    }
    for document in operation.body.documents() {
        members(page, document);
    }
    if let Body::Rows = operation.body {
        page.push_str("<tr><th>body<td>one JSON object a line");
    }
    for answer in operation.answers {
        let what = match answer.content {
            Content::Document(document) | Content::Lines(document) => document.name,
            Content::Nothing | Content::Zone | Content::Events => "",
        };
        let about = escaped(answer.about);
        let _ = write!(
            page,
            "<tr><th>{}<td>{about} <code>{what}</code>",
            answer.status
        );
    }
    for status in operation.refusals() {
        let _ = write!(
            page,
            "<tr><th>{status}<td>{}",
            escaped(openapi::refusal_in_words(status))
        );
    }
    page.push_str("</table>");
}

/// The header fields that mean something to an operation, beside those of every request.
fn headers(operation: &Operation) -> Vec<&'static str> {
    let condition = match operation.condition {
        Condition::No => None,
        Condition::Read => Some("If-None-Match"),
        Condition::Change => Some("If-Match"),
    };
    let auth_info = operation
        .takes_auth_info
        .then_some("RPP-Authorization: authinfo value=…");
    let events = matches!(operation.action, Action::Events).then_some("Last-Event-ID");
    [auth_info, condition, events]
        .into_iter()
        .flatten()
        .collect()
}

fn members(page: &mut String, document: &Document) {
    let _ = write!(page, "<tr><th>body<td>{}<table>", escaped(document.about));
    for member in document.members {
        let needed = if member.required && !document.is_choice {
            ", needed"
        } else {
            ""
        };
        let kind = kind_in_words(member.schema);
        let about = escaped(member.about);
        let _ = write!(
            page,
            "<tr><th><code>{}</code><td>{kind}{needed}<td>{about}",
            member.name
        );
    }
    page.push_str("</table>");
}

fn kind_in_words(schema: Schema) -> String {
    match schema {
        Schema::Text(_) => "string".to_owned(),
        Schema::Names(names) => format!("one of {}", names().join(", ")),
        Schema::Whole { .. } => "number".to_owned(),
        Schema::Boolean => "boolean".to_owned(),
        Schema::List { of, .. } => format!("array: {}", kind_in_words(*of)),
        Schema::Document(document) => {
            let names: Vec<&str> = document.members.iter().map(|member| member.name).collect();
            format!("{} {{{}}}", document.name, names.join(", "))
        }
    }
}

/// Text as it may stand in an element or a quoted attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
