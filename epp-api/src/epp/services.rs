//! What a client logged in for (RFC 5730 §2.9.1.1). Everything else is unhandled (RFC 9038).

use crate::epp::greeting::{LANGUAGE, VERSION};
use crate::epp::login::Login;
use crate::epp::namespace::{CHANGE_POLL, EXTENSIONS, LOGIN_SECURITY, OBJECTS};
use crate::result_code::ResultCode;

/// The namespaces of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    uris: Vec<&'static str>,
}

impl Services {
    /// What a login asks for.
    ///
    /// # Errors
    /// Code and sentence: a version, language, object or extension that is not in the greeting.
    pub fn of(login: &Login) -> Result<Self, (ResultCode, &'static str)> {
        if login.version != VERSION {
            return Err((
                ResultCode::UnimplementedVersion,
                "the version has to be 1.0",
            ));
        }
        // Tags of languages have no case (RFC 5646 §2.1.1).
        if !login.language.eq_ignore_ascii_case(LANGUAGE) {
            return Err((ResultCode::UnimplementedOption, "the language has to be en"));
        }
        let mut uris = Vec::new();
        for uri in &login.object_uris {
            let reason = "the login lists an object service that the greeting does not have";
            let refusal = (ResultCode::UnimplementedObjectService, reason);
            uris.push(known(&OBJECTS, uri).ok_or(refusal)?);
        }
        for uri in &login.extension_uris {
            let reason = "the login lists an extension that the greeting does not have";
            let refusal = (ResultCode::UnimplementedExtension, reason);
            uris.push(known(&EXTENSIONS, uri).ok_or(refusal)?);
        }
        Ok(Self { uris })
    }

    /// Those of a client that logged in for nothing yet.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything that the greeting has.
    pub fn all() -> Self {
        let uris = OBJECTS.into_iter().chain(EXTENSIONS).collect();
        Self { uris }
    }

    /// Whether the client handles a namespace.
    pub(crate) fn handles(&self, namespace: &str) -> bool {
        self.uris.contains(&namespace)
    }

    /// Whether the client reads what is said about changes.
    pub fn change_poll(&self) -> bool {
        self.handles(CHANGE_POLL)
    }

    /// Whether the client reads events of its login.
    pub fn login_security(&self) -> bool {
        self.handles(LOGIN_SECURITY)
    }
}

fn known(all: &[&'static str], uri: &str) -> Option<&'static str> {
    all.iter().copied().find(|known| *known == uri)
}
