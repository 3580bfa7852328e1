//! What strangers may read.

use http::Request;
use serde_json::json;

use crate::support::Door;

async fn read(door: &Door, path: &str) -> crate::support::Answer {
    door.send(Request::get(path).body(Vec::new()).unwrap())
        .await
}

#[tokio::test]
async fn discovery_tells_what_there_is() {
    let door = Door::open().await;
    let answer = read(&door, "/.well-known/rpp.json").await;
    assert_eq!((answer.status, answer.header("rpp-code")), (200, "01000"));
    let document = answer.json();
    assert_eq!(document["base_url"], "https://localhost:8443/rpp/v1");
    let environment = json!({"name": "test", "status": "test"});
    assert_eq!(document["environment"], environment);
    assert_eq!(document["zones"], json!(["iotregistry.example"]));
    assert_eq!(document["authentication"][0]["type"], "bearer");
    assert_eq!(document["authentication"][1]["type"], "mutualTLS");
    assert_eq!(
        document["authentication"][1]["base_url"],
        "https://localhost:8445/rpp/v1"
    );
    assert_eq!(document["scopes"].as_array().unwrap().len(), 10);
    assert_eq!(document["limits"]["body_octets"], 65536);
    assert_eq!(document["limits"]["job_part_octets"], 4 * 1024 * 1024);
    let endpoints = document["endpoints"].as_array().unwrap();
    let results = endpoints
        .iter()
        .find(|one| one["name"] == "jobResults")
        .unwrap();
    assert_eq!(
        results["url_template"],
        "/jobs/{jobId}/results{?after,limit}"
    );
    assert_eq!(results["scope"], "job");
    assert_eq!(door.registry.request_count(), 0);
}

#[tokio::test]
async fn openapi_and_discovery_tell_of_the_same_operations() {
    let door = Door::open().await;
    let discovery = read(&door, "/.well-known/rpp.json").await.json();
    let openapi = read(&door, "/rpp/v1/openapi.json").await.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    let paths = openapi["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|path| path.as_object().unwrap());
    let operations = operations.filter(|(method, _)| *method != "head").count();
    assert_eq!(operations, discovery["endpoints"].as_array().unwrap().len());
    for endpoint in discovery["endpoints"].as_array().unwrap() {
        let template = endpoint["url_template"].as_str().unwrap();
        let template = template.split("{?").next().unwrap();
        let method = endpoint["method"].as_str().unwrap().to_ascii_lowercase();
        assert_eq!(paths[template][&method]["operationId"], endpoint["name"]);
    }
}

#[tokio::test]
async fn page_is_readable_and_loads_nothing() {
    let door = Door::open().await;
    let answer = read(&door, "/rpp/v1/").await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    let page = answer.text();
    assert!(page.contains("deactivateProcesses") && page.contains("openapi.json"));
    assert!(page.contains("If-Match") && page.contains("RPP-Authorization"));
    for loaded in ["<script", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(loaded), "{loaded}");
    }
}

#[tokio::test]
async fn open_documents_have_get_and_head_alone() {
    let door = Door::open().await;
    for path in ["/.well-known/rpp.json", "/rpp/v1/openapi.json", "/rpp/v1/"] {
        let refused = door
            .send(Request::post(path).body(Vec::new()).unwrap())
            .await;
        refused.reason(405, "02000");
        assert_eq!(refused.header("allow"), "GET, HEAD");
        let head = door
            .send(Request::head(path).body(Vec::new()).unwrap())
            .await;
        let get = read(&door, path).await;
        assert_eq!(head.header("content-length"), get.body.len().to_string());
        assert!(head.body.is_empty());
    }
}
