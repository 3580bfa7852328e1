//! The HTTPS door of a registry that only answers the DNS: it says so to whoever asks.

use iot_epp_api::message::Message;
use iot_epp_api::server::{Credential, Registry};
use iot_epp_api::{AccountName, Caller, Problem, Request, Response, ResultCode};
use tokio::sync::watch;

/// Time after which a client may look again.
const RETRY_SECS: u32 = 60;

/// Takes no command. Accounts are not known here, so nobody is told why.
pub(super) struct Refusing;

impl Registry for Refusing {
    async fn authenticate(&self, _credential: Credential<'_>) -> Result<Option<Caller>, Problem> {
        Err(problem())
    }

    async fn execute(&self, _caller: &Caller, _request: Request) -> Response {
        let octets = crate::service::random_octets();
        Response::failure(iot_epp_api::server_transaction_id(octets), problem())
    }

    async fn messages_after(
        &self,
        _caller: &Caller,
        _after: u64,
        _limit: u16,
    ) -> Result<Vec<Message>, Problem> {
        Err(problem())
    }

    fn news(&self, _account: &AccountName) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

fn problem() -> Problem {
    let reason = "the registry takes no commands at the moment: it only answers the DNS, from what was \
                  published last; its operator is told why";
    Problem::new(ResultCode::CommandFailed, reason).retry_after(RETRY_SECS)
}
