//! The listener of the EPP door (RFC 5734): TLS with client certificates in, commands to an
//! [`EppRegistry`], answers out.
//!
//! `listener` accepts, `connection` finds out whose certificate it is and drives one
//! [`Session`](crate::epp::Session), `exchange` has the registry look into logins and carry out
//! commands, `sessions` counts what each account has, `handshakes` what each network has before that.
//! What a session may say and how long it may take for that is decided in [`crate::epp`], without
//! sockets.

mod connection;
mod exchange;
mod limits;
mod listener;
mod sessions;

use std::future::Future;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::account::AccountName;
use crate::epp::ServerTransactionId;
use crate::epp::security_event::SecurityEvent;
use crate::epp::session::{LoginCheck, LoginVerdict};
use crate::problem::Problem;
use crate::server::Registry;

pub use limits::EppLimits;
pub use listener::{EppHandle, serve_epp};

/// What the EPP door needs of the registry beyond what every door needs.
///
/// [`Registry::authenticate`] is asked when a client connects and again before every command, so that
/// a suspended account and a revoked or expired certificate are refused at once. So are sessions whose
/// login showed a password that was changed since.
pub trait EppRegistry: Registry {
    /// Whether a login is right: the account's password, and the new one if there is one. Runs to its
    /// end even when the client has gone.
    fn check_login(&self, login: CertificateLogin) -> impl Future<Output = LoginOutcome> + Send;

    /// Whether the account's password is still the one of this mark. Asked before every command of a
    /// session whose login was given a mark.
    ///
    /// # Errors
    /// The registry cannot say now.
    fn has_password(
        &self,
        account: &AccountName,
        mark: PasswordMark,
    ) -> impl Future<Output = Result<bool, Problem>> + Send;
}

/// The certificates that a client has shown in its handshake, its own first.
pub type Certificates = Arc<[CertificateDer<'static>]>;

/// A login with the certificate that it came with.
#[derive(Clone, Debug)]
pub struct CertificateLogin {
    /// The client certificate with those that came with it, the client's own first; it belongs to the
    /// account.
    pub certificates: Certificates,
    /// The rest.
    pub login: LoginCheck,
    /// The name of the transaction with which the login will be answered.
    pub server_transaction_id: ServerTransactionId,
}

/// Which of the passwords that an account has had: another mark for each, also where the password
/// itself is the same again. It tells nothing about the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordMark(pub [u8; 16]);

/// What came of a login.
#[derive(Clone, Debug)]
pub struct LoginOutcome {
    /// Whether it is right.
    pub verdict: LoginVerdict,
    /// What the client should know (RFC 8807 §4.1): that its certificate or password expires, how
    /// often somebody else tried.
    pub security_events: Vec<SecurityEvent>,
    /// The account's password from now on, where the login is right; none when the session is to
    /// outlive it.
    pub password: Option<PasswordMark>,
}

impl From<LoginVerdict> for LoginOutcome {
    /// A verdict with nothing more to say.
    fn from(verdict: LoginVerdict) -> Self {
        let security_events = Vec::new();
        Self {
            verdict,
            security_events,
            password: None,
        }
    }
}
