//! The listeners of the JSON door: TLS sockets in, commands to a [`Registry`], answers out.
//!
//! `listener` accepts, `connection` keeps one client within its [`Limits`], `exchange` takes one HTTP
//! message through the codec, `identity` finds out who asks, `quota` and `networks` keep one
//! account or stranger from taking the place of others, `held` keeps an answer's place until it is sent,
//! `events` tells of messages while a client listens. With the EPP listener this is the only part of
//! the crate with sockets and clocks.

mod body;
mod connection;
mod events;
mod exchange;
mod held;
mod identity;
mod limits;
mod listener;
mod networks;
mod quota;

mod accepting;
pub mod epp;
pub mod mutual_tls;

use std::future::Future;

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use crate::account::{AccountName, Caller};
use crate::command::Request;
use crate::message::Message;
use crate::problem::Problem;
use crate::response::Response;

pub use limits::Limits;
pub use listener::{Admission, ServerHandle, serve};

/// What an account proves itself with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A bearer token.
    Token(&'a str),
    /// A client certificate with those that came with it, the client's own first. The handshake has
    /// shown that the client holds its key and that it ends at the account root; whose it is, and
    /// whether it is void, is to be looked up by issuer and key, never by name.
    Certificate(&'a [CertificateDer<'a>]),
}

/// What stands behind the doors: decides, remembers, publishes.
pub trait Registry: Send + Sync + 'static {
    /// The account that a credential belongs to at this moment; `None` when to none, or to one that is
    /// disabled. Asked for every request, so that a disabled account is refused at once.
    ///
    /// # Errors
    /// When it cannot be known now; the client is told to come again, not that it is a stranger.
    fn authenticate(
        &self,
        credential: Credential<'_>,
    ) -> impl Future<Output = Result<Option<Caller>, Problem>> + Send;

    /// Carries out a request. Runs to its end even when the client has gone.
    fn execute(&self, caller: &Caller, request: Request) -> impl Future<Output = Response> + Send;

    /// The account's messages with a number above `after`, in the order of their numbers, at most
    /// `limit`. To be authorised as [`crate::command::MessageCommand::Head`] is.
    ///
    /// # Errors
    /// When the caller may not read messages, or they cannot be read now.
    fn messages_after(
        &self,
        caller: &Caller,
        after: u64,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<Message>, Problem>> + Send;

    /// Changes whenever a message may have been queued for the account; more often is allowed.
    fn news(&self, account: &AccountName) -> watch::Receiver<u64>;
}
