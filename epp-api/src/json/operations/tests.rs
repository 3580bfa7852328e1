//! The table against the command model, the documents and itself.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, Method, Uri};

use super::*;
use crate::client::ClientRequest;
use crate::command::tests::one_of_each;
use crate::command::{Command, DeviceChange, DeviceCommand};
use crate::json::Head;
use crate::json::openapi::refusal_in_words;
use crate::json::operation::{Action, Body, Resource, Verb, allow};
use crate::json::refusal::Refusal;
use crate::json::route::BASE_PATH;
use crate::transaction::ClientTransactionId;

const EID: &str = "89049032123451234512345678901235";

/// A path that a template stands for.
fn path_of(template: &str) -> String {
    let mut path = BASE_PATH.to_owned();
    for segment in template.split('/').skip(1) {
        path.push('/');
        path.push_str(match segment {
            "{deviceId}" => EID,
            "{accountName}" => "mno-one",
            "{processCollection}" => "createProcesses",
            parameter if parameter.starts_with('{') => "7",
            fixed => fixed,
        });
    }
    path
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("rpp-cltrid", HeaderValue::from_static("test-1"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers
}

fn ask(operation: &Operation, query: &str, body: &[u8]) -> Result<Command, Refusal> {
    let target = format!("{}{query}", path_of(operation.template));
    let uri: Uri = target.parse().unwrap();
    let mut headers = headers();
    if matches!(operation.body, Body::Rows) {
        let lines = HeaderValue::from_static("application/x-ndjson");
        headers.insert("content-type", lines);
    }
    let head = Head::decode(&operation.method.method(), &uri, &headers)?;
    head.into_request(body).map(|(request, _)| request.command)
}

#[test]
fn every_row_is_found_by_its_method_and_path() {
    for row in all() {
        let path = path_of(row.template);
        let resource = Resource::find(path.strip_prefix(BASE_PATH).unwrap()).unwrap();
        let found = resource.operation(&row.method.method()).unwrap();
        assert_eq!(found.id, row.id);
        if row.method == Verb::Get {
            assert_eq!(resource.operation(&Method::HEAD).unwrap().id, row.id);
        }
        let refusal = resource.operation(&Method::OPTIONS).err().unwrap();
        assert_eq!(refusal.allow, Some(allow(row.template)));
    }
    let ids: BTreeSet<_> = all().map(|row| row.id).collect();
    assert_eq!(ids.len(), all().count());
}

#[test]
fn resources_allow_their_methods_and_no_others() {
    for (template, methods) in [
        ("/devices", "GET, HEAD, POST"),
        ("/devices/{deviceId}", "GET, HEAD, PATCH, DELETE"),
        ("/devices/{deviceId}/availability", "GET, HEAD"),
        ("/endpoints/self", "GET, HEAD, PUT, DELETE"),
        ("/jobs/{jobId}/rows", "PATCH"),
    ] {
        assert_eq!(allow(template), methods);
    }
}

#[test]
fn every_verb_has_a_row_that_says_the_truth_about_it() {
    let mut verbs = BTreeSet::new();
    for command in one_of_each() {
        let id = ClientTransactionId::parse("test-1").unwrap();
        let asked = ClientRequest::new(command.clone(), id);
        let (parts, body) = asked.to_http_without_token().unwrap().into_parts();
        let resource = Resource::find(parts.uri.path().strip_prefix(BASE_PATH).unwrap()).unwrap();
        let row = resource.operation(&parts.method).unwrap();
        assert_eq!(row.scope, command.scope(), "{}", row.id);
        assert_eq!(row.changes, !command.is_query(), "{}", row.id);
        let head = Head::decode(&parts.method, &parts.uri, &parts.headers).unwrap();
        let (request, _) = head.into_request(&body).unwrap();
        assert_eq!(request.command, command);
        verbs.insert(command.verb());
    }
    assert_eq!(verbs, Command::verbs().collect());
}

#[test]
fn every_row_without_a_document_is_a_command_of_its_scope() {
    for row in all() {
        let command = match (row.action, row.body) {
            (Action::Events, _) => continue,
            (_, Body::Document(_) | Body::OneOf(_)) => continue,
            (_, Body::Rows) => ask(row, "?offset=3", b"{}\n"),
            (_, _) => ask(row, "", b""),
        };
        let command = command.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", row.id));
        assert_eq!(row.scope, command.scope(), "{}", row.id);
        assert_eq!(row.changes, !command.is_query(), "{}", row.id);
    }
}

#[test]
fn withdrawal_of_one_slot_is_an_update() {
    let body = br#"{"slot":3,"reason":"compromised"}"#;
    let command = ask(named("slotWithdraw"), "", body).unwrap();
    let Command::Device(DeviceCommand::Update { changes, .. }) = command else {
        panic!("{command:?}");
    };
    assert!(matches!(changes[..], [DeviceChange::Withdraw { slot, .. }] if slot.get() == 3));
}

/// The members that a body may have are those that its document tells of: the reader names them
/// itself, from what `serde` derives.
#[test]
fn documents_tell_of_the_members_that_bodies_have() {
    let mut checked = 0;
    for row in all() {
        let documents = row.body.documents();
        if documents.is_empty() {
            continue;
        }
        let refusal = ask(row, "", br#"{"nobody":0}"#).unwrap_err();
        let reason = &refusal.problem.reason;
        let (_, known) = reason
            .split_once("only: ")
            .unwrap_or_else(|| panic!("{reason}"));
        let known: BTreeSet<&str> = known.split(", ").collect();
        let told = documents
            .iter()
            .flat_map(|one| one.members)
            .map(|one| one.name)
            .collect();
        assert_eq!(known, told, "{}", row.id);
        checked += 1;
    }
    assert!(checked >= 14, "{checked}");
    let nested = br#"{"changes":[{"bind":{"nobody":0}}]}"#;
    let refusal = ask(named("deviceUpdate"), "", nested).unwrap_err();
    assert!(
        refusal.problem.reason.ends_with("only: slot, asp"),
        "{refusal:?}"
    );
    let nested = br#"{"changes":[{"nobody":0}]}"#;
    let refusal = ask(named("deviceUpdate"), "", nested).unwrap_err();
    let known = "only: addStatus, removeStatus, bind, unbind, setAuthInfo, clearAuthInfo, withdraw";
    assert!(refusal.problem.reason.ends_with(known), "{refusal:?}");
}

#[test]
fn required_members_are_missed() {
    for row in all() {
        let (Body::Document(_) | Body::OneOf(_)) = row.body else {
            continue;
        };
        let document = row.body.documents()[0];
        if document.is_choice {
            let refusal = ask(row, "", b"{}").unwrap_err();
            assert!(
                refusal.problem.reason.contains("exactly one"),
                "{refusal:?}"
            );
            continue;
        }
        let refusal = ask(row, "", b"{}").unwrap_err();
        assert_eq!(refusal.problem.code.number(), 2003, "{}", row.id);
        let needed = document
            .members
            .iter()
            .find(|member| member.required)
            .unwrap();
        assert_eq!(
            refusal.problem.paths,
            [format!("$.{}", needed.name)],
            "{}",
            row.id
        );
    }
}

#[test]
fn every_refusal_is_explained() {
    for row in all() {
        for status in row.refusals() {
            assert_ne!(refusal_in_words(status), "Refused.", "{status}");
        }
        assert!(
            !row.answers.is_empty() && !row.summary.is_empty(),
            "{}",
            row.id
        );
    }
}

#[test]
fn paths_that_are_no_resource_are_404_and_wrong_values_400() {
    for (path, status) in [
        ("", 404),
        ("/", 404),
        ("*", 404),
        ("/rpp/v1", 404),
        ("/rpp/v1/", 404),
        ("/rpp/v1devices", 404),
        ("/rpp/v2/devices", 404),
        ("/rpp/v1/Devices", 404),
        ("/rpp/v1/devices/89049032123451234512345678901235/", 404),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/a/b/c/d",
            404,
        ),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses",
            404,
        ),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/otherProcesses/1",
            404,
        ),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses/01",
            400,
        ),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses/",
            400,
        ),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/slots/10000/certificate",
            400,
        ),
        ("/rpp/v1/devices/..%2f..%2fetc", 400),
        ("/rpp/v1/devices/%", 400),
        ("/rpp/v1/devices/%4", 400),
        ("/rpp/v1/devices/%zz", 400),
        ("/rpp/v1/devices/%ff", 400),
        ("/rpp/v1/devices/%00", 400),
        ("/rpp/v1/devices/", 400),
        ("/rpp/v1/accounts/A", 400),
        ("/rpp/v1/jobs/-1", 400),
    ] {
        let uri = match path {
            "" => Uri::default(),
            path => path.parse().unwrap_or_default(),
        };
        let refused = Head::decode(&Method::GET, &uri, &headers());
        let refusal = refused.expect_err(path);
        assert_eq!(refusal.status.as_u16(), status, "{path}");
    }
}

#[test]
fn conditions_and_authorizations_are_refused_where_they_mean_nothing() {
    for row in all() {
        let target = path_of(row.template);
        let query = if matches!(row.body, Body::Rows) {
            "?offset=0"
        } else {
            ""
        };
        let uri: Uri = format!("{target}{query}").parse().unwrap();
        for (name, value, has_meaning) in [
            (
                "if-match",
                "\"7\"",
                row.condition == crate::json::operation::Condition::Change,
            ),
            (
                "rpp-authorization",
                "authinfo value=YQ==",
                row.takes_auth_info,
            ),
        ] {
            let mut headers = headers();
            if matches!(row.body, Body::Rows) {
                let lines = HeaderValue::from_static("application/x-ndjson");
                headers.insert("content-type", lines);
            }
            headers.insert(name, HeaderValue::from_static(value));
            let decoded = Head::decode(&row.method.method(), &uri, &headers);
            assert_eq!(decoded.is_ok(), has_meaning, "{} {name}", row.id);
        }
    }
}
