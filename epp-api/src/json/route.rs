//! The paths of the door.

use crate::json::refusal::Refusal;

/// Path below which every resource but the discovery document lies.
pub const BASE_PATH: &str = "/rpp/v1";
/// Path of the discovery document, open to everybody.
pub const DISCOVERY_PATH: &str = "/.well-known/rpp.json";
/// Path of the OpenAPI description, open to everybody.
pub const OPENAPI_PATH: &str = "/rpp/v1/openapi.json";
/// Path of the readable page, open to everybody.
pub const PAGE_PATH: &str = "/rpp/v1/";

/// What follows the base path.
pub(super) fn below_base_path(path: &str) -> Result<&str, Refusal> {
    path.strip_prefix(BASE_PATH)
        .ok_or_else(Refusal::no_resource)
}
