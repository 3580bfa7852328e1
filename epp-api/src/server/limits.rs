//! How much of the server one client, one account, and all of them together, may take.

use std::time::Duration;

use crate::json::BODY_OCTETS_MAX;

/// Limits of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time; more wait in the operating system's queue.
    pub connections_max: usize,
    /// Connections at one time of one network (an IPv4 address, 64 bits of IPv6) on which nobody has shown
    /// yet whose they are; more are closed.
    pub network_strangers_max: usize,
    /// Commands being carried out at one time; more wait, at most until their deadline.
    pub commands_max: usize,
    /// Commands of one account at one time, from before their body is read; more are refused (429).
    pub commands_per_account_max: usize,
    /// Parts of jobs of one account at one time, each of up to
    /// [`JOB_PART_OCTETS_MAX`](crate::command::JOB_PART_OCTETS_MAX) octets; more are refused (429).
    pub job_parts_per_account_max: usize,
    /// Event streams of one account at one time; more are refused (429).
    pub event_streams_per_account_max: usize,
    /// An event stream says at least so often that it is alive.
    pub event_interval: Duration,
    /// Streams at one time on one HTTP/2 connection.
    pub streams_max: u32,
    /// Octets of the header section of one request; with HTTP/1.1 at least 8192.
    pub header_octets_max: u32,
    /// Header fields of one request.
    pub header_fields_max: usize,
    /// Octets of one body that is a document; never more than [`BODY_OCTETS_MAX`].
    pub body_octets_max: usize,
    /// From the accepted socket to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first wait for a request to the end of its header section (HTTP/1.1).
    pub header_timeout: Duration,
    /// From the end of the header section to the answer.
    pub request_timeout: Duration,
    /// Without any request: the connection is closed.
    pub idle_timeout: Duration,
    /// What a connection that is being closed has for its last answers.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            network_strangers_max: 256,
            commands_max: 1024,
            commands_per_account_max: 256,
            job_parts_per_account_max: 4,
            event_streams_per_account_max: 4,
            event_interval: Duration::from_secs(15),
            streams_max: 64,
            header_octets_max: 16 * 1024,
            header_fields_max: 64,
            body_octets_max: BODY_OCTETS_MAX,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
