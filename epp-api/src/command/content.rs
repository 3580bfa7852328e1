//! The digest of a command's content: what tells a retry from another request.

use ring::digest;

/// Hashes a sequence of octet strings so that no two sequences hash the same octets.
pub(super) struct Content(digest::Context);

impl Content {
    /// Begins with the verb.
    pub(super) fn new(verb: &str) -> Self {
        let mut content = Self(digest::Context::new(&digest::SHA256));
        content.parameter(verb.as_bytes());
        content
    }

    /// Adds a parameter, preceded by its length.
    pub(super) fn parameter(&mut self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        self.0.update(&(octets.len() as u64).to_be_bytes());
        self.0.update(octets);
    }

    /// Adds a parameter that may be absent; an absent one differs from an empty one.
    pub(super) fn optional(&mut self, octets: Option<impl AsRef<[u8]>>) {
        match octets {
            None => self.parameter([]),
            Some(octets) => {
                self.parameter([1]);
                self.parameter(octets);
            }
        }
    }

    pub(super) fn finish(self) -> [u8; 32] {
        let digest = self.0.finish();
        digest.as_ref().try_into().expect("SHA-256 has 32 octets")
    }
}
