//! What a session asks of the registry: to look into a login, to carry out a command.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{error, info};

use crate::account::{AccountName, Caller};
use crate::command::Request;
use crate::epp::ServerTransactionId;
use crate::epp::session::{LoginCheck, LoginVerdict};
use crate::response::Response;
use crate::result_code::ResultCode;
use crate::server::Credential;
use crate::server::epp::listener::Shared;
use crate::server::epp::sessions::Connected;
use crate::server::epp::{CertificateLogin, Certificates, EppRegistry, LoginOutcome, PasswordMark};

/// Why a session is told something else than what the registry answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct GaveUp {
    pub(super) code: ResultCode,
    pub(super) reason: &'static str,
}

const SUSPENDED: GaveUp = GaveUp {
    code: ResultCode::AuthenticationErrorClosing,
    reason: "the client certificate belongs to no active account any more",
};
const OTHER_PASSWORD: GaveUp = GaveUp {
    code: ResultCode::AuthenticationErrorClosing,
    reason: "the account has another password than the one that this session has logged in with",
};
const UNKNOWN_ACCOUNT: GaveUp = GaveUp {
    code: ResultCode::CommandFailed,
    reason: "the registry cannot look up the account now; nothing was done, send the command again",
};
const NOT_BEGUN: GaveUp = GaveUp {
    code: ResultCode::CommandFailed,
    reason: "the registry is busy and did not begin with the command; send it again",
};
const OVERDUE: GaveUp = GaveUp {
    code: ResultCode::CommandFailedClosing,
    reason: "the registry did not answer in time, so the result is not known; send the same command with the same clTRID again",
};
const BROKEN: GaveUp = GaveUp {
    code: ResultCode::CommandFailed,
    reason: "the command failed inside the registry; its operator is informed",
};

/// Whose certificate it is, at this moment.
async fn present_caller<R: EppRegistry>(
    shared: &Shared<R>,
    certificates: &Certificates,
    account: &AccountName,
    deadline: Instant,
) -> Result<Caller, GaveUp> {
    let credential = Credential::Certificate(certificates);
    let known = shared.registry.authenticate(credential);
    match timeout_at(deadline, known).await {
        Ok(Ok(Some(caller))) if caller.account == *account => Ok(caller),
        Ok(Ok(_)) => Err(SUSPENDED),
        Ok(Err(_)) | Err(_) => Err(UNKNOWN_ACCOUNT),
    }
}

/// That a session has logged in with the password that the account has at this moment.
async fn require_password<R: EppRegistry>(
    shared: &Shared<R>,
    account: &AccountName,
    password: Option<PasswordMark>,
    deadline: Instant,
) -> Result<(), GaveUp> {
    let Some(mark) = password else {
        return Ok(());
    };
    let is_present = shared.registry.has_password(account, mark);
    match timeout_at(deadline, is_present).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(OTHER_PASSWORD),
        Ok(Err(_)) | Err(_) => Err(UNKNOWN_ACCOUNT),
    }
}

/// Has the registry carry out a request in a task of its own: a client that goes away, or the
/// deadline, must not stop a command half-way.
pub(super) async fn carry_out<R: EppRegistry>(
    shared: &Shared<R>,
    certificates: &Certificates,
    account: &AccountName,
    password: Option<PasswordMark>,
    request: Request,
) -> Result<Response, GaveUp> {
    let deadline = Instant::now() + shared.limits.command_timeout;
    let caller = present_caller(shared, certificates, account, deadline).await?;
    require_password(shared, account, password, deadline).await?;
    let permit = timeout_at(deadline, Arc::clone(&shared.commands).acquire_owned());
    let permit = permit.await.map_err(|_| NOT_BEGUN)?;
    let permit = permit.expect("the semaphore is never closed");
    let registry = Arc::clone(&shared.registry);
    let verb = request.command.verb();
    let begin = Instant::now();
    let task = tokio::spawn(async move {
        let response = registry.execute(&caller, request).await;
        drop(permit);
        info!(
            door = "epp",
            account = %caller.account,
            verb,
            code = response.code.number(),
            replayed = response.replayed,
            server_transaction_id = response.server_transaction_id,
            elapsed_ms = milliseconds(begin.elapsed()),
            "command"
        );
        response
    });
    match timeout_at(deadline, task).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(failure)) => {
            error!(door = "epp", verb, %failure, "a command ended without an answer");
            Err(BROKEN)
        }
        Err(_) => Err(OVERDUE),
    }
}

/// Has the registry look into a login, in a task of its own: a new password is set wholly or not at
/// all. Counts the session before, so that no two logins share the last place.
pub(super) async fn check_login<R: EppRegistry>(
    shared: &Shared<R>,
    certificates: &Certificates,
    connected: &mut Connected,
    login: LoginCheck,
    server_transaction_id: ServerTransactionId,
) -> Result<LoginOutcome, GaveUp> {
    let deadline = Instant::now() + shared.limits.command_timeout;
    let account = login.account.clone();
    present_caller(shared, certificates, &account, deadline).await?;
    if !connected.log_in(shared.limits.account_sessions_max) {
        log_login(&account, &LoginVerdict::TooManySessions);
        return Ok(LoginVerdict::TooManySessions.into());
    }
    let registry = Arc::clone(&shared.registry);
    let certificates = Arc::clone(certificates);
    let task = tokio::spawn(async move {
        let login = CertificateLogin {
            certificates,
            login,
            server_transaction_id,
        };
        registry.check_login(login).await
    });
    let outcome = match timeout_at(deadline, task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(failure)) => {
            error!(door = "epp", %account, %failure, "a login ended without an answer");
            LoginVerdict::Unavailable.into()
        }
        Err(_) => LoginVerdict::Unavailable.into(),
    };
    if outcome.verdict != LoginVerdict::Accepted {
        connected.log_out();
    }
    log_login(&account, &outcome.verdict);
    Ok(outcome)
}

fn log_login(account: &AccountName, verdict: &LoginVerdict) {
    let outcome = match verdict {
        LoginVerdict::Accepted => "accepted",
        LoginVerdict::Wrong => "wrong",
        LoginVerdict::NewPasswordRefused { .. } => "new password refused",
        LoginVerdict::TooManySessions => "too many sessions",
        LoginVerdict::Unavailable => "unavailable",
    };
    info!(door = "epp", %account, outcome, "login");
}

fn milliseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
