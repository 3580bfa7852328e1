//! What a session asks of who drives it, and is told back.

use std::time::Instant;

use time::OffsetDateTime;

use crate::account::AccountName;
use crate::command::Request;
use crate::epp::login::UserAgent;
use crate::epp::transaction_id::ServerTransactionId;
use crate::secret::Secret;
use crate::transaction::ClientTransactionId;

/// The time by both clocks, and the name of the next transaction: never the same one twice.
#[derive(Clone, Debug)]
pub struct Moment {
    /// For deadlines.
    pub now: Instant,
    /// For documents.
    pub date: OffsetDateTime,
    /// For an answer that the session gives by itself.
    pub server_transaction_id: ServerTransactionId,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these octets, and when `close` is set, close the connection after them.
    Send {
        /// One or more whole frames.
        octets: Vec<u8>,
        /// Whether this is the end.
        close: bool,
    },
    /// Find out whether this login is right, and tell [`super::Session::login_checked`].
    CheckLogin(LoginCheck),
    /// Carry this out, and tell [`super::Session::answered`] or [`super::Session::gave_up`].
    CarryOut(Box<Request>),
}

/// A login to look into. The account is that of the client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCheck {
    /// The account.
    pub account: AccountName,
    /// What it says its password is.
    pub password: Secret,
    /// What is to be its password, if the present one is right; strong enough for
    /// [`crate::secret::weakness`].
    pub new_password: Option<Secret>,
    /// What the client runs on, where it says so.
    pub user_agent: Option<UserAgent>,
    /// The client's name for the transaction.
    pub client_transaction_id: Option<ClientTransactionId>,
}

/// What became of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginVerdict {
    /// Right; the new password, if any, is set.
    Accepted,
    /// Wrong password, or the account may not log in: not told apart.
    Wrong,
    /// The password is right, and the new one is not acceptable. Nothing was changed.
    NewPasswordRefused {
        /// Why not.
        reason: String,
    },
    /// The account has as many sessions as it may have.
    TooManySessions,
    /// It could not be found out.
    Unavailable,
}
