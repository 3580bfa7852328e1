//! The listener of the JSON door: TLS sockets in, commands to a [`Registry`], answers out.
//!
//! `listener` accepts, `connection` keeps one client within its [`Limits`], `exchange` takes one
//! HTTP message through the codec. This is the only part of the crate with sockets and clocks.

mod body;
mod connection;
mod exchange;
mod limits;
mod listener;

use std::future::Future;

use crate::account::Caller;
use crate::command::Request;
use crate::problem::Problem;
use crate::response::Response;

pub use limits::Limits;
pub use listener::{ServerHandle, serve};

/// What stands behind the doors: decides, remembers, publishes.
pub trait Registry: Send + Sync + 'static {
    /// The account that a token belongs to at this moment; `None` when to none, or to one that is
    /// disabled. Asked for every request, so that a disabled account is refused at once.
    ///
    /// # Errors
    /// When it cannot be known now; the client is told to come again, not that its token is wrong.
    fn authenticate(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<Option<Caller>, Problem>> + Send;

    /// Carries out a request. Runs to its end even when the client has gone.
    fn execute(&self, caller: &Caller, request: Request) -> impl Future<Output = Response> + Send;
}
