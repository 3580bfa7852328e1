//! What a bearer token may be used for. What its account may do is another question, asked as well.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A kind of use, named `<object>:<level>` as draft-ietf-rpp-oauth2 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Scope {
    /// Ask about devices.
    DeviceRead,
    /// Register devices and slots.
    DeviceCreate,
    /// Change, hold and renew devices.
    DeviceUpdate,
    /// Delete and restore devices.
    DeviceDelete,
    /// Move devices to other accounts.
    DeviceTransfer,
    /// Read the messages.
    Message,
    /// Bulk jobs, for actions that the token may be used for by itself.
    Job,
    /// Accounts, consents, tokens and certificates.
    Account,
    /// Endpoint profiles.
    Endpoint,
    /// The zone as a whole.
    Zone,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 10] = [
        Self::DeviceRead,
        Self::DeviceCreate,
        Self::DeviceUpdate,
        Self::DeviceDelete,
        Self::DeviceTransfer,
        Self::Message,
        Self::Job,
        Self::Account,
        Self::Endpoint,
        Self::Zone,
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceRead => "device:read",
            Self::DeviceCreate => "device:create",
            Self::DeviceUpdate => "device:update",
            Self::DeviceDelete => "device:delete",
            Self::DeviceTransfer => "device:transfer",
            Self::Message => "message",
            Self::Job => "job",
            Self::Account => "account",
            Self::Endpoint => "endpoint",
            Self::Zone => "zone",
        }
    }
}

/// A set of scopes; as text, their names with single blanks between them (RFC 6749 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

/// A name that is no scope, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "scopes are one or more of device:read, device:create, device:update, device:delete, device:transfer, message, job, account, endpoint, zone, with single blanks between them"
)]
pub struct ScopesError;

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);

    /// Whether the set has this scope.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }

    /// Whether the set has every scope of the other.
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, one| set | 1 << one as u16))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Scope::ALL.into_iter().filter(|scope| self.contains(*scope));
        let names: Vec<&str> = names.map(Scope::as_str).collect();
        formatter.pad(&names.join(" "))
    }
}

impl FromStr for Scopes {
    type Err = ScopesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |name: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
        text.split(' ')
            .map(named)
            .collect::<Option<Self>>()
            .ok_or(ScopesError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_written() {
        let all = Scopes::ALL;
        assert_eq!(all.to_string().parse(), Ok(all));
        let two: Scopes = "device:read zone".parse().unwrap();
        assert!(two.contains(Scope::Zone) && !two.contains(Scope::Job));
        assert!(all.covers(two) && !two.covers(all) && two.covers(two));
        for bad in [
            "",
            " ",
            "device",
            "device:read  zone",
            "device:read ",
            "Zone",
        ] {
            assert_eq!(bad.parse::<Scopes>(), Err(ScopesError), "{bad:?}");
        }
    }
}
