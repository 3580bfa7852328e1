//! Device ids, paths, methods and list parameters that are refused.

use http::Method;
use serde_json::json;

use crate::support::{Door, EID, MNO, OPERATOR, PEM, get, request};
use crate::{DEVICES, create, refused};

#[tokio::test]
async fn device_ids_are_refused_with_the_rule_they_break() {
    let door = Door::open().await;
    for (id, says) in [
        ("8904903212345123451234567890123", "31"),
        ("890490321234512345123456789012355", "33"),
        ("", "0"),
        ("89049032123451234512345678901236", "check digits"),
        ("8904903212345123451234567890123x", "character 32"),
        ("８９049032123451234512345678901235", "character 1 "),
        ("+9049032123451234512345678901235", "character 1 "),
        ("8904903212345123 512345678901235", "character 17"),
        ("8904903212345123451234567890123\n", "character 32"),
        ("8904903212345123451234567890123\0", "character 32"),
        ("8912230200031010009f", "Luhn"),
        ("7912230200031010008f", "begins with 89"),
    ] {
        let body = json!({"id": id, "csr": PEM}).to_string();
        let (reason, paths) = refused(&door, create(body), 400, "02005").await;
        assert!(reason.contains(says), "{id:?}: {reason}");
        assert!(!reason.contains(char::is_control), "{reason:?}");
        assert_eq!(paths, json!(["$.id"]));
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn paths_that_are_no_resource_are_404_and_wrong_ids_400() {
    let door = Door::open().await;
    for (target, status, code) in [
        ("/", 404, "02000"),
        ("/rpp/v1", 404, "02000"),
        ("/rpp/v2/devices", 404, "02000"),
        ("/rpp/v1/devices/", 400, "02005"),
        ("/rpp/v1/devices/x", 400, "02005"),
        ("/rpp/v1/devices/..%2f..%2fzone", 400, "02005"),
        ("/rpp/v1/devices/%zz", 400, "02001"),
        ("/rpp/v1/devices/89%ff", 400, "02001"),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/renewProcesses/1",
            404,
            "02000",
        ),
        (
            "/rpp/v1/devices/89049032123451234512345678901235/processes/createProcesses/-1",
            400,
            "02005",
        ),
        ("/rpp/v1/accounts?x=1", 400, "02001"),
        ("/rpp/v1/zone?check", 400, "02001"),
        ("/.well-known/other", 404, "02000"),
    ] {
        refused(&door, get(target, OPERATOR), status, code).await;
    }
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn other_methods_are_405_with_those_there_are() {
    let door = Door::open().await;
    let device = format!("{DEVICES}/{EID}");
    for (method, target, allow) in [
        ("PUT", DEVICES.to_owned(), "GET, HEAD, POST"),
        ("PUT", device.clone(), "GET, HEAD, PATCH, DELETE"),
        ("OPTIONS", device.clone(), "GET, HEAD, PATCH, DELETE"),
        ("POST", device.clone(), "GET, HEAD, PATCH, DELETE"),
        ("BREW", format!("{device}/availability"), "GET, HEAD"),
        (
            "GET",
            format!("{device}/processes/activateProcesses"),
            "POST",
        ),
        (
            "DELETE",
            format!("{device}/processes/createProcesses/1"),
            "GET, HEAD",
        ),
        ("DELETE", "/rpp/v1/zone".to_owned(), "GET, HEAD"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let asked = request(method, &target, OPERATOR).body(Vec::new()).unwrap();
        let answer = door.send(asked).await;
        answer.reason(405, "02000");
        assert_eq!(answer.header("allow"), allow, "{target}");
    }
}

#[tokio::test]
async fn list_parameters_are_bounded_and_known() {
    let door = Door::open().await;
    for (query, code) in [
        ("limit=0", "02004"),
        ("limit=1001", "02004"),
        ("limit=1000000000", "02004"),
        ("limit=18446744073709551616", "02005"),
        ("limit=", "02005"),
        ("limit=-1", "02005"),
        ("limit=01", "02005"),
        ("limit=%", "02001"),
        ("limit=1&limit=1", "02001"),
        ("after=abc", "02005"),
        ("after=' OR 1=1", "02005"),
        ("account=mno-two", "02001"),
        ("Limit=1", "02001"),
    ] {
        let target = format!("{DEVICES}?{}", query.replace(' ', "%20"));
        refused(&door, get(&target, MNO), 400, code).await;
    }
    let most = door.send(get(&format!("{DEVICES}?limit=1000"), MNO)).await;
    assert_eq!(most.status, 200);
}
