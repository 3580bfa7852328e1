//! Profiles of application service providers.

use crate::endpoint::EndpointProfile;
use crate::json::document::device::FINGERPRINT;
use crate::json::refusal::Refusal;
use crate::json::schema::{Document, PEM, Schema, Text, optional, required};
use crate::result_code::ResultCode;

pub(crate) const ENDPOINT: Document = Document::new(
    "EndpointProfile",
    "Where the devices of an application service provider connect, and whom they trust there. Either certificatePem or tlsaFingerprint is there.",
    &[
        required(
            "fqdn",
            HOST,
            "Host name of the service, lower case, without a final dot.",
        ),
        required(
            "port",
            Schema::Whole {
                least: 1,
                most: 65535,
            },
            "Port of the service.",
        ),
        optional(
            "url",
            URL,
            "Where the service is, for protocols that have URLs; its host is that of fqdn.",
        ),
        optional(
            "certificatePem",
            PEM,
            "The service's certificate, at most 8 KiB.",
        ),
        optional(
            "tlsaFingerprint",
            FINGERPRINT,
            "SHA-256 of the service's certificate, as TLSA 3 0 1 has it.",
        ),
        optional(
            "wifiCiphertext",
            CIPHERTEXT,
            "Settings of a wireless network, encrypted for the devices; the registry cannot read them.",
        ),
    ],
);

const HOST: Schema = Schema::Text(&Text {
    format: Some("hostname"),
    pattern: None,
    most: Some(253),
    example: "iot.asp.example",
});
const URL: Schema = Schema::Text(&Text {
    format: Some("uri"),
    pattern: None,
    most: Some(1024),
    example: "mqtts://iot.asp.example:8883/fleet",
});
const CIPHERTEXT: Schema = Schema::Text(&Text {
    format: Some("base64"),
    pattern: Some("^[A-Za-z0-9+/=]*$"),
    most: Some(4096),
    example: "AAEC",
});

/// Holds a profile against its rules; what is broken is named by its member.
pub(crate) fn check(profile: EndpointProfile) -> Result<EndpointProfile, Refusal> {
    use crate::endpoint::EndpointError;

    match profile.check() {
        Ok(()) => Ok(profile),
        Err(error) => {
            let path = match error {
                EndpointError::Fqdn => "$.fqdn",
                EndpointError::Port => "$.port",
                EndpointError::Url => "$.url",
                EndpointError::Certificate => "$.certificatePem",
                EndpointError::Ciphertext => "$.wifiCiphertext",
            };
            Err(Refusal::new(ResultCode::ParameterSyntax, error.to_string()).at(path))
        }
    }
}
