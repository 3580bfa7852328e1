//! What a request asks for beside its key: refused where the registry would not grant it, rather than
//! silently answered differently.

use iot_identity::{DeviceId, OwnerName, ZoneName};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::CsrError;

/// The subject is not used, but it must not name somebody else.
pub(super) fn check_subject(
    request: &X509CertificationRequest<'_>,
    device_id: DeviceId,
    zone: &ZoneName,
) -> Result<(), CsrError> {
    for attribute in request.certification_request_info.subject.iter_attributes() {
        let text = attribute.as_str().map_err(|_| CsrError::Subject)?;
        if text.chars().any(is_control_or_direction) {
            return Err(CsrError::Subject);
        }
    }
    for attribute in request
        .certification_request_info
        .subject
        .iter_common_name()
    {
        let common_name = attribute.as_str().map_err(|_| CsrError::Subject)?;
        if names_another_device(common_name, device_id, zone) {
            return Err(CsrError::OtherDevice {
                common_name: common_name.to_owned(),
                device_id,
            });
        }
    }
    Ok(())
}

fn is_control_or_direction(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A text with a label that is the id of another device, or an owner name of another zone.
fn names_another_device(text: &str, device_id: DeviceId, zone: &ZoneName) -> bool {
    let mut ids = text
        .split('.')
        .filter_map(|label| DeviceId::parse(label).ok());
    ids.any(|named| named != device_id)
        || OwnerName::parse_in_any_zone(text).is_ok_and(|owner| owner.zone() != zone)
}

pub(super) fn check_attributes(
    request: &X509CertificationRequest<'_>,
    device_id: DeviceId,
    zone: &ZoneName,
) -> Result<(), CsrError> {
    for attribute in request.certification_request_info.iter_attributes() {
        match attribute.parsed_attribute() {
            ParsedCriAttribute::ExtensionRequest(requested) => {
                for extension in &requested.extensions {
                    let granted = check_extension(extension.parsed_extension(), device_id, zone)?;
                    if !granted {
                        let what = format!("the extension {}", extension.oid);
                        return Err(CsrError::NotGranted { what });
                    }
                }
            }
            _ => {
                let what = format!("the attribute {}", attribute.oid);
                return Err(CsrError::NotGranted { what });
            }
        }
    }
    Ok(())
}

/// Whether what an extension asks for is what every device gets anyway.
fn check_extension(
    extension: &ParsedExtension<'_>,
    device_id: DeviceId,
    zone: &ZoneName,
) -> Result<bool, CsrError> {
    match extension {
        ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
            Err(CsrError::AsksForAuthority)
        }
        ParsedExtension::BasicConstraints(_) => Ok(true),
        ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => {
            Err(CsrError::AsksForAuthority)
        }
        // Bit 0 alone: what else is asked for would not be granted (RFC 5280 §4.2.1.3).
        ParsedExtension::KeyUsage(usage) => Ok(usage.flags == 1),
        ParsedExtension::ExtendedKeyUsage(usage) => Ok(usage.client_auth
            && !(usage.any || usage.server_auth || usage.code_signing || usage.email_protection)
            && !(usage.time_stamping || usage.ocsp_signing || !usage.other.is_empty())),
        ParsedExtension::SubjectKeyIdentifier(_) => Ok(true),
        ParsedExtension::SubjectAlternativeName(names) => {
            for name in &names.general_names {
                check_alternative_name(name, device_id, zone)?;
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn check_alternative_name(
    name: &GeneralName<'_>,
    device_id: DeviceId,
    zone: &ZoneName,
) -> Result<(), CsrError> {
    let own = match name {
        GeneralName::DNSName(name) => {
            OwnerName::parse(name, zone).is_ok_and(|owner| owner.device_id() == device_id)
        }
        _ => false,
    };
    if own {
        return Ok(());
    }
    let name = name.to_string().escape_debug().to_string();
    Err(CsrError::ForeignName {
        name,
        device_id,
        zone: zone.clone(),
    })
}
