//! The server's transaction identifier as it stands in answers.

use std::fmt;

use crate::transaction::{is_transaction_id, server_transaction_id};

/// The server's name for one transaction: a token of 3 to 64 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerTransactionId(String);

impl ServerTransactionId {
    /// A new one, from 16 random octets; see [`server_transaction_id`].
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(server_transaction_id(random))
    }

    /// One that was made before; none when the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_transaction_id(text).then(|| Self(text.to_owned()))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerTransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for ServerTransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ServerTransactionId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_schema_has_room_for_is_an_identifier() {
        let made = ServerTransactionId::from_random([7; 16]);
        assert_eq!(ServerTransactionId::parse(made.as_str()), Some(made));
        assert_eq!(ServerTransactionId::parse("a  b"), None);
        assert_eq!(ServerTransactionId::parse("ab"), None);
    }
}
