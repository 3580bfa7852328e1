//! The discovery document `/.well-known/rpp.json` (draft-ietf-rpp-core-01, "Discoverability"), open
//! to everybody: what this server is and which resources it has.

use iot_identity::ZoneName;
use serde_json::{Value, json};

use crate::command::{
    CHANGES_MAX, CSR_OCTETS_MAX, DEVICES_MAX, IMPORTED_IDS_MAX, JOB_PART_OCTETS_MAX,
    JOB_RESULTS_MAX, JOB_ROW_OCTETS_MAX,
};
use crate::json::BODY_OCTETS_MAX;
use crate::json::header::{
    EVENTS_MEDIA_TYPE, LINES_MEDIA_TYPE, MEDIA_TYPE, PROBLEM_MEDIA_TYPE, ZONE_MEDIA_TYPE,
};
use crate::json::operation::Operation;
use crate::json::operations;
use crate::json::route::{BASE_PATH, OPENAPI_PATH, PAGE_PATH};
use crate::scope::Scope;

/// What an operator says about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Scheme and authority under which clients reach the server, such as
    /// `https://registry.example:8443`, without a path.
    pub origin: String,
    /// The same for the listener that asks for client certificates, where there is one.
    pub certificate_origin: Option<String>,
    /// Name of the server.
    pub name: String,
    /// `production`, `test` or `development`.
    pub status: String,
    /// The registry's zone.
    pub zone: ZoneName,
}

impl Discovery {
    /// The document.
    pub(super) fn to_json(&self) -> Value {
        let scopes: Vec<&str> = Scope::ALL.into_iter().map(Scope::as_str).collect();
        let endpoints: Vec<Value> = operations::all().map(endpoint).collect();
        let mut authentication = vec![json!({
            "type": "bearer", "base_url": format!("{}{BASE_PATH}", self.origin),
        })];
        if let Some(origin) = &self.certificate_origin {
            authentication.push(json!({
                "type": "mutualTLS", "base_url": format!("{origin}{BASE_PATH}"),
            }));
        }
        json!({
            "base_url": format!("{}{BASE_PATH}", self.origin),
            "version": "1.0",
            "environment": { "name": self.name, "status": self.status },
            "tlds": [],
            "zones": [self.zone.as_str()],
            "objects": ["devices", "messages", "jobs", "accounts", "endpoints", "zone"],
            "profiles": [{
                "name": "IoT device registry",
                "id": "tag:iotregistry.example,2026:rpp:profile:device",
                "version": "1.0",
            }],
            "authentication": authentication,
            "scopes": scopes,
            "media_types": [
                MEDIA_TYPE, PROBLEM_MEDIA_TYPE, LINES_MEDIA_TYPE, EVENTS_MEDIA_TYPE, ZONE_MEDIA_TYPE,
            ],
            "limits": {
                "body_octets": BODY_OCTETS_MAX,
                "csr_octets": CSR_OCTETS_MAX,
                "devices_per_page": DEVICES_MAX,
                "ids_per_check": DEVICES_MAX,
                "ids_per_import": IMPORTED_IDS_MAX,
                "changes_per_update": CHANGES_MAX,
                "job_part_octets": JOB_PART_OCTETS_MAX,
                "job_row_octets": JOB_ROW_OCTETS_MAX,
                "job_results": JOB_RESULTS_MAX,
            },
            "description": {
                "openapi": format!("{}{OPENAPI_PATH}", self.origin),
                "page": format!("{}{PAGE_PATH}", self.origin),
            },
            "endpoints": endpoints,
        })
    }
}

fn endpoint(operation: &Operation) -> Value {
    let mut template = operation.template.to_owned();
    let names: Vec<&str> = operation.query.iter().map(|one| one.name()).collect();
    if !names.is_empty() {
        // A form-style query (RFC 6570 §3.2.8).
        template.push_str(&format!("{{?{}}}", names.join(",")));
    }
    json!({
        "name": operation.id,
        "method": operation.method.as_str(),
        "url_template": template,
        "scope": operation.scope.as_str(),
    })
}
