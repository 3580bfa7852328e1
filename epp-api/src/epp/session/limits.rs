//! What one session may take.

use std::time::Duration;

/// Limits of a session. The longest frame is [`crate::epp::FRAME_OCTETS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Frames of a client; the next one is answered with 2502 and the end.
    pub frames_max: u32,
    /// Failed logins; the last of them is answered with 2501 and the end.
    pub failed_logins_max: u32,
    /// From the begin of the session to its login.
    pub login_timeout: Duration,
    /// From the first octet of a frame to its last.
    pub frame_timeout: Duration,
    /// Without any frame.
    pub idle_timeout: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            frames_max: 1_000_000,
            failed_logins_max: 3,
            login_timeout: Duration::from_secs(60),
            frame_timeout: Duration::from_secs(10),
            // EPP clients keep their sessions open between commands, and say hello to keep them.
            idle_timeout: Duration::from_secs(600),
        }
    }
}
