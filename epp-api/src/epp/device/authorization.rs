//! `authInfo`: presented by whoever has it, set by the sponsor (RFC 9154 §4).

use crate::epp::device::read_optional;
use crate::epp::namespace::device;
use crate::epp::read_error::ReadError;
use crate::epp::xml::{XmlReader, XmlWriter};
use crate::secret::{AuthInfo, Secret};

/// What becomes of an object's authorization information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthInfoChange {
    /// It is this from now on.
    Set(AuthInfo),
    /// There is none from now on.
    Clear,
}

/// `authInfo` as somebody presents it.
pub(super) fn read_presented(reader: &mut XmlReader<'_>) -> Result<Option<Secret>, ReadError> {
    if !reader.try_enter(device("authInfo"))? {
        return Ok(None);
    }
    let presented = reader.required(device("pw"))?.normalized();
    reader.leave()?;
    Ok(Some(Secret::from_zeroizing(presented)))
}

pub(super) fn write_presented(presented: Option<&Secret>, writer: &mut XmlWriter) {
    if let Some(secret) = presented {
        writer.within(device("authInfo"), &[], |writer| {
            writer.element(device("pw"), secret.expose());
        });
    }
}

/// `authInfo` of a create: an empty one is none.
pub(super) fn read_new(reader: &mut XmlReader<'_>) -> Result<Option<AuthInfo>, ReadError> {
    match read_set(reader, false)? {
        Some(AuthInfoChange::Set(auth_info)) => Ok(Some(auth_info)),
        Some(AuthInfoChange::Clear) | None => Ok(None),
    }
}

/// `authInfo` of an update: an empty one, or `<null/>`, clears it.
pub(super) fn read_change(reader: &mut XmlReader<'_>) -> Result<Option<AuthInfoChange>, ReadError> {
    read_set(reader, true)
}

fn read_set(
    reader: &mut XmlReader<'_>,
    null_allowed: bool,
) -> Result<Option<AuthInfoChange>, ReadError> {
    if !reader.try_enter(device("authInfo"))? {
        return Ok(None);
    }
    let value = read_optional(reader, "pw", |value| Ok(value.normalized()))?;
    let change = match value {
        Some(text) if text.is_empty() => AuthInfoChange::Clear,
        // Not a fault of syntax: the schema of other registries would take it.
        Some(text) => AuthInfoChange::Set(AuthInfo::parse(&text).map_err(|_| {
            let reason = "has 20 to 64 random printable ASCII characters, or none (RFC 9154)";
            ReadError::ValuePolicy {
                name: "authInfo",
                reason,
            }
        })?),
        None if null_allowed && reader.flag(device("null"))? => AuthInfoChange::Clear,
        None => return Err(ReadError::MissingElement { element: "pw" }),
    };
    reader.leave()?;
    Ok(Some(change))
}

pub(super) fn write_new(auth_info: Option<&AuthInfo>, writer: &mut XmlWriter) {
    if let Some(auth_info) = auth_info {
        writer.within(device("authInfo"), &[], |writer| {
            writer.element(device("pw"), auth_info.expose());
        });
    }
}

pub(super) fn write_change(change: Option<&AuthInfoChange>, writer: &mut XmlWriter) {
    match change {
        None => {}
        Some(AuthInfoChange::Set(auth_info)) => write_new(Some(auth_info), writer),
        Some(AuthInfoChange::Clear) => writer.within(device("authInfo"), &[], |writer| {
            writer.empty(device("pw"), &[]);
        }),
    }
}
