//! `<loginSec:loginSecData>` (RFC 8807 §4.1): what a client should know about its login, such as a
//! certificate that is about to expire.

use time::OffsetDateTime;

use crate::epp::namespace::login_security;
use crate::epp::reason::short_token;
use crate::epp::xml::{XmlWriter, instant};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityEvent {
    /// What it is about.
    pub kind: SecurityEventKind,
    /// How bad it is.
    pub level: SecurityEventLevel,
    /// Name of a statistic or of a custom event.
    pub name: Option<String>,
    /// When something expires.
    pub expires_at: Option<OffsetDateTime>,
    /// A value: the cipher in use, a number of failures.
    pub value: Option<String>,
    /// Over how many days a statistic was taken.
    pub duration_days: Option<u16>,
    /// A sentence.
    pub text: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityEventKind {
    /// The password expires.
    Password,
    /// The client's certificate expires.
    Certificate,
    /// The cipher is insecure or deprecated.
    Cipher,
    /// The TLS version is insecure or deprecated.
    TlsProtocol,
    /// The new password was not accepted.
    NewPassword,
    /// A statistic, such as failed logins.
    Statistic,
    /// Anything else, with a name.
    Custom,
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityEventLevel {
    /// It will be an error.
    Warning,
    /// It made the login fail.
    Error,
}

impl SecurityEventKind {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Certificate => "certificate",
            Self::Cipher => "cipher",
            Self::TlsProtocol => "tlsProtocol",
            Self::NewPassword => "newPW",
            Self::Statistic => "stat",
            Self::Custom => "custom",
        }
    }
}

impl SecurityEventLevel {
    /// The name in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl SecurityEvent {
    /// The new password was not accepted.
    pub fn new_password_refused(reason: impl Into<String>) -> Self {
        Self {
            kind: SecurityEventKind::NewPassword,
            level: SecurityEventLevel::Error,
            name: None,
            expires_at: None,
            value: None,
            duration_days: None,
            text: reason.into(),
        }
    }

    /// Writes the events, of which there is at least one.
    pub(crate) fn write_all(events: &[Self], writer: &mut XmlWriter) {
        writer.within(login_security("loginSecData"), &[], |writer| {
            for event in events {
                event.write(writer);
            }
        });
    }

    fn write(&self, writer: &mut XmlWriter) {
        let expires_at = self.expires_at.map(instant);
        let duration = self.duration_days.map(|days| format!("P{days}D"));
        let optional = [
            ("name", &self.name),
            ("exDate", &expires_at),
            ("value", &self.value),
            ("duration", &duration),
        ];
        let mut attributes = vec![("type", self.kind.as_str()), ("level", self.level.as_str())];
        for (name, value) in optional {
            attributes.extend(value.as_deref().map(|value| (name, value)));
        }
        let text = short_token(&self.text, 1024);
        writer.text(login_security("event"), &attributes, &text);
    }
}
