//! `<loginSec:loginSecData>` (RFC 8807 §4.1): what a client should know about its login, such as a
//! certificate that is about to expire.

use time::OffsetDateTime;

use crate::epp::namespace::login_security;
use crate::epp::read_error::ReadError;
use crate::epp::reason::short_token;
use crate::epp::xml::{XmlReader, XmlWriter, instant};

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
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Password,
        Self::Certificate,
        Self::Cipher,
        Self::TlsProtocol,
        Self::NewPassword,
        Self::Statistic,
        Self::Custom,
    ];

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

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
    /// An event with nothing but its sentence.
    pub fn new(
        kind: SecurityEventKind,
        level: SecurityEventLevel,
        text: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            level,
            name: None,
            expires_at: None,
            value: None,
            duration_days: None,
            text: text.into(),
        }
    }

    /// The new password was not accepted.
    pub fn new_password_refused(reason: impl Into<String>) -> Self {
        Self::new(
            SecurityEventKind::NewPassword,
            SecurityEventLevel::Error,
            reason,
        )
    }

    /// The client's certificate expires at this time.
    pub fn certificate_expires(at: OffsetDateTime) -> Self {
        let text = "the client certificate expires; ask for a new one before";
        let mut event = Self::new(
            SecurityEventKind::Certificate,
            SecurityEventLevel::Warning,
            text,
        );
        event.expires_at = Some(at);
        event
    }

    /// The password expires, or expired, at this time.
    pub fn password_expires(at: OffsetDateTime, level: SecurityEventLevel) -> Self {
        let text = "the password expires; set a new one with the login";
        let mut event = Self::new(SecurityEventKind::Password, level, text);
        event.expires_at = Some(at);
        event
    }

    /// So many logins of this account failed within so many days.
    pub fn failed_logins(count: u64, within_days: u16) -> Self {
        let text = format!("{count} logins of this account failed within {within_days} days");
        let mut event = Self::new(
            SecurityEventKind::Statistic,
            SecurityEventLevel::Warning,
            text,
        );
        event.name = Some("failedLogins".to_owned());
        event.value = Some(count.to_string());
        event.duration_days = Some(within_days);
        event
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

    /// Reads the children of `loginSecData`, which was entered.
    pub(crate) fn read_all(reader: &mut XmlReader<'_>) -> Result<Vec<Self>, ReadError> {
        let mut events = Vec::new();
        while reader.try_enter(login_security("event"))? {
            events.push(Self::read(reader)?);
        }
        Ok(events)
    }

    fn read(reader: &mut XmlReader<'_>) -> Result<Self, ReadError> {
        let levels = [
            ("warning", SecurityEventLevel::Warning),
            ("error", SecurityEventLevel::Error),
        ];
        let kind = reader
            .required_attribute("type")?
            .named(SecurityEventKind::from_name)?;
        let level = reader.required_attribute("level")?.one_of(&levels)?;
        let name = reader
            .attribute("name")
            .map(|name| name.token().to_string());
        let expires_at = reader
            .attribute("exDate")
            .map(|at| at.instant())
            .transpose()?;
        let value = reader
            .attribute("value")
            .map(|value| value.token().to_string());
        let days = |text: &str| text.strip_prefix('P')?.strip_suffix('D')?.parse().ok();
        let duration_days = reader
            .attribute("duration")
            .map(|value| value.named(days))
            .transpose()?;
        Ok(Self {
            kind,
            level,
            name,
            expires_at,
            value,
            duration_days,
            text: reader.value("event")?.normalized().to_string(),
        })
    }
}
