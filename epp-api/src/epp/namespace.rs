//! The namespaces of the EPP door, and the names in them.

/// EPP itself (RFC 5730).
pub const EPP: &str = "urn:ietf:params:xml:ns:epp-1.0";
/// The device object of this registry: `schema/device-1.0.xsd`.
pub const DEVICE: &str = "tag:iotregistry.example,2026:epp:device-1.0";
/// Changes that the client did not make itself, explained in its queue (RFC 8590).
pub const CHANGE_POLL: &str = "urn:ietf:params:xml:ns:changePoll-1.0";
/// Long passwords and events about the login (RFC 8807).
pub const LOGIN_SECURITY: &str = "urn:ietf:params:xml:ns:epp:loginSec-1.0";
/// What a client did not log in for is moved into the result (RFC 9038); has no elements.
pub const UNHANDLED_NAMESPACES: &str = "urn:ietf:params:xml:ns:epp:unhandled-namespaces-1.0";
/// Authorization information is random, short-lived and stored hashed (RFC 9154); has no elements.
pub const SECURE_AUTH_INFO: &str = "urn:ietf:params:xml:ns:epp:secure-authinfo-transfer-1.0";
/// Hints for validators, which may stand in any document.
pub(crate) const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The objects that a client can log in for.
pub const OBJECTS: [&str; 1] = [DEVICE];
/// The extensions that a client can log in for.
pub const EXTENSIONS: [&str; 4] = [
    CHANGE_POLL,
    LOGIN_SECURITY,
    UNHANDLED_NAMESPACES,
    SECURE_AUTH_INFO,
];

/// An element's name: namespace and local name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// One of the namespaces of this module.
    pub namespace: &'static str,
    /// Name within it.
    pub local: &'static str,
}

impl Name {
    /// The prefix with which we write the namespace; EPP itself has none.
    pub(crate) fn prefix(self) -> Option<&'static str> {
        match self.namespace {
            DEVICE => Some("device"),
            CHANGE_POLL => Some("changePoll"),
            LOGIN_SECURITY => Some("loginSec"),
            _ => None,
        }
    }
}

/// A name of EPP itself.
pub(crate) const fn epp(local: &'static str) -> Name {
    Name {
        namespace: EPP,
        local,
    }
}

/// A name of the device object.
pub(crate) const fn device(local: &'static str) -> Name {
    Name {
        namespace: DEVICE,
        local,
    }
}

/// Elements of the device object that a reason can be about, by their own names and by those of the
/// members of JSON documents where these differ.
const ELEMENTS: [(&str, &str); 16] = [
    ("id", "id"),
    ("deviceId", "id"),
    ("csr", "csr"),
    ("period", "period"),
    ("asp", "asp"),
    ("authInfo", "authInfo"),
    ("curExpDate", "curExpDate"),
    ("currentExpiry", "curExpDate"),
    ("slot", "slot"),
    ("status", "status"),
    ("statuses", "status"),
    ("to", "to"),
    ("gainingClientId", "to"),
    ("arrival", "arrival"),
    ("newSlot", "newSlot"),
    ("restore", "restore"),
];

/// The element of the device object that is known by this name.
pub(crate) fn device_element(known_as: &str) -> Option<Name> {
    let found = ELEMENTS.iter().find(|(name, _)| *name == known_as);
    found.map(|(_, local)| device(local))
}

/// A name of the change poll extension.
pub(crate) const fn change_poll(local: &'static str) -> Name {
    Name {
        namespace: CHANGE_POLL,
        local,
    }
}

/// A name of the login security extension.
pub(crate) const fn login_security(local: &'static str) -> Name {
    Name {
        namespace: LOGIN_SECURITY,
        local,
    }
}
