//! How much of the server one client, one account, and all of them together may take.

use std::time::Duration;

use crate::epp::SessionLimits;

/// Limits of an EPP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EppLimits {
    /// Connections at one time; more wait in the operating system's queue.
    pub connections_max: usize,
    /// TLS handshakes at one time, which cost far more than a connection; more wait, at most until
    /// their deadline.
    pub handshakes_max: usize,
    /// Connections at one time of one network (an IPv4 address, 64 bits of IPv6) whose handshake is
    /// not done; further ones are closed.
    pub network_handshakes_max: usize,
    /// Connections at one time of one account, logged in or not; further ones are told so and closed.
    pub account_connections_max: usize,
    /// Sessions at one time in which one account is logged in; a further login is answered with 2502.
    pub account_sessions_max: usize,
    /// Commands being carried out at one time; more wait, at most until their deadline.
    pub commands_max: usize,
    /// From the accepted socket to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From a whole command to its answer; after it the session ends, because the next command must
    /// not overtake this one.
    pub command_timeout: Duration,
    /// For a client to take an answer.
    pub send_timeout: Duration,
    /// What the sessions have for their last answers when the listener is shut down.
    pub drain_timeout: Duration,
    /// Those of each session.
    pub session: SessionLimits,
}

impl Default for EppLimits {
    fn default() -> Self {
        Self {
            connections_max: 2048,
            handshakes_max: 64,
            network_handshakes_max: 256,
            account_connections_max: 128,
            account_sessions_max: 64,
            commands_max: 1024,
            handshake_timeout: Duration::from_secs(10),
            command_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            session: SessionLimits::default(),
        }
    }
}
