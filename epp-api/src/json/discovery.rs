//! The discovery document `/.well-known/rpp.json` (draft-ietf-rpp-core-01, "Discoverability"), open
//! to everybody: what this server is and which resources it has.

use http::{HeaderMap, Method};
use iot_identity::ZoneName;
use serde::Serialize;

use crate::json::encode::{encode_document, encode_refusal};
use crate::json::header::client_transaction_id;
use crate::json::refusal::Refusal;
use crate::json::route::BASE_PATH;

/// What an operator says about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Scheme and authority under which clients reach the server, such as
    /// `https://registry.example:8443`, without a path.
    pub origin: String,
    /// Name of the server.
    pub name: String,
    /// `production`, `test` or `development`.
    pub status: String,
    /// The registry's zone.
    pub zone: ZoneName,
}

#[derive(Serialize)]
struct Document<'a> {
    base_url: String,
    version: &'static str,
    environment: Environment<'a>,
    tlds: [&'static str; 0],
    zones: [&'a str; 1],
    objects: [&'static str; 2],
    profiles: [Profile; 1],
    authentication: [&'static str; 1],
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize)]
struct Environment<'a> {
    name: &'a str,
    status: &'a str,
}

#[derive(Serialize)]
struct Profile {
    name: &'static str,
    id: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Endpoint {
    name: &'static str,
    method: &'static str,
    url_template: &'static str,
}

/// Every endpoint: name, method, URI template (RFC 6570) below the base URL.
const ENDPOINTS: [(&str, &str, &str); 14] = [
    ("create", "POST", "/devices"),
    ("list", "GET", "/devices{?after,limit}"),
    ("info", "GET", "/devices/{id}"),
    ("delete", "DELETE", "/devices/{id}"),
    ("availability", "GET", "/devices/{id}/availability"),
    ("availability", "HEAD", "/devices/{id}/availability"),
    (
        "activate",
        "POST",
        "/devices/{id}/processes/activateProcesses",
    ),
    (
        "deactivate",
        "POST",
        "/devices/{id}/processes/deactivateProcesses",
    ),
    (
        "process",
        "GET",
        "/devices/{id}/processes/{process-collection}/{process-id}",
    ),
    ("account create", "POST", "/accounts"),
    ("account list", "GET", "/accounts"),
    (
        "account disable",
        "POST",
        "/accounts/{id}/processes/disableProcesses",
    ),
    ("zone dump", "GET", "/zone"),
    ("zone check", "GET", "/zone/check"),
];

impl Discovery {
    fn document(&self) -> Document<'_> {
        let endpoint = |(name, method, url_template)| Endpoint {
            name,
            method,
            url_template,
        };
        Document {
            base_url: format!("{}{BASE_PATH}", self.origin),
            version: "1.0",
            environment: Environment {
                name: &self.name,
                status: &self.status,
            },
            tlds: [],
            zones: [self.zone.as_str()],
            objects: ["devices", "accounts"],
            profiles: [Profile {
                name: "IoT device registry",
                id: "tag:iotregistry.example,2026:rpp:profile:device",
                version: "1.0",
            }],
            authentication: ["Bearer"],
            endpoints: ENDPOINTS.map(endpoint).into(),
        }
    }

    /// Answers a request for the document.
    pub fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
        server_transaction_id: &str,
    ) -> http::Response<Vec<u8>> {
        let client = client_transaction_id(headers).ok().flatten();
        if method != Method::GET && method != Method::HEAD {
            let refusal = Refusal::method(method, "GET, HEAD");
            return encode_refusal(client.as_ref(), server_transaction_id, &refusal);
        }
        encode_document(client.as_ref(), server_transaction_id, &self.document())
            .expect("texts are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::route::Route;

    #[test]
    fn every_endpoint_is_a_route_that_allows_its_method() {
        for (name, method, template) in ENDPOINTS {
            let id = match template.starts_with("/accounts") {
                true => "mno-one",
                false => "89049032123451234512345678901235",
            };
            let path = template
                .replace("{?after,limit}", "")
                .replace("{id}", id)
                .replace("{process-collection}", "createProcesses")
                .replace("{process-id}", "7");
            let route = Route::parse(&format!("{BASE_PATH}{path}")).expect(name);
            let allowed = route.allow().split(", ").any(|allowed| allowed == method);
            assert!(allowed, "{name} {method}");
        }
    }
}
