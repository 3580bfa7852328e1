//! Where the card's random octets come from: the machine, or a test.

use ring::rand::SecureRandom as _;
use thiserror::Error;

/// The random source failed, or gives octets that cannot be random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the random source failed")]
pub struct RandomError;

/// A source of octets that nobody can predict.
pub trait RandomSource: Send {
    /// Fills `octets` wholly.
    ///
    /// # Errors
    /// When the source fails; nothing in `octets` may then be used.
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's random source.
#[derive(Debug)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    /// The operating system's random source.
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl RandomSource for SystemRandom {
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), RandomError> {
        self.0.fill(octets).map_err(|_| RandomError)
    }
}
