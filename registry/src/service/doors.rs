//! The registry as the doors see it: who asks, what is asked, and that there is news.

use std::time::Duration;

use iot_epp_api::epp::security_event::{SecurityEvent, SecurityEventKind, SecurityEventLevel};
use iot_epp_api::epp::session::LoginVerdict;
use iot_epp_api::message::Message;
use iot_epp_api::server::epp::{CertificateLogin, EppRegistry, LoginOutcome, PasswordMark};
use iot_epp_api::server::{Credential, Registry};
use iot_epp_api::{AccountName, Caller, Command, Door, Problem, Request, Response, ResultCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::passwords::{Login, mark_of};
use super::recognition::Proof;
use super::{
    Handled, Service, caller_of, clock_problem, forbidden_problem, random_octets, store_problem,
};
use crate::authorisation;
use crate::clock::{self, unix_now};
use crate::description::calendar;
use crate::store::{Origin, Recognised};

/// How long before its end a client is told that its certificate ends.
const CERTIFICATE_WARNING_SECS: u64 = 30 * 24 * 3600;

impl Registry for Service {
    async fn authenticate(&self, credential: Credential<'_>) -> Result<Option<Caller>, Problem> {
        // By a wrong clock a good token would seem to have ended.
        clock::check().map_err(clock_problem)?;
        let now = unix_now();
        let Some(proof) = Proof::of(credential) else {
            return Ok(None);
        };
        let recognition = &self.inner.recognition;
        if let Some(caller) = recognition.caller(&proof, now) {
            return Ok(Some(caller));
        }
        let since = recognition.generation();
        let Some(found) = self.look_up(credential, now).await? else {
            return Ok(None);
        };
        let valid_until = found.valid_until;
        let caller = caller_of(found)?;
        recognition.keep(proof, &caller, valid_until, since);
        Ok(Some(caller))
    }

    async fn execute(&self, caller: &Caller, request: Request) -> Response {
        let begin = Instant::now();
        let server_transaction_id = iot_epp_api::server_transaction_id(random_octets());
        let origin = Origin {
            account: caller.account.to_string(),
            door: request.door.as_str(),
            verb: request.command.verb(),
            client_transaction_id: request
                .client_transaction_id
                .as_ref()
                .map(ToString::to_string),
            server_transaction_id: server_transaction_id.clone(),
            digest: request.digest,
        };
        match self.handle(caller, request, origin).await {
            Ok(Handled { reply, replayed }) => {
                let response = Response::success(server_transaction_id, reply);
                if replayed {
                    response.as_replay()
                } else {
                    response
                }
            }
            Err(problem) => {
                if tells_nothing(problem.code) {
                    sleep_until(at_full_step(begin, Instant::now())).await;
                }
                Response::failure(server_transaction_id, problem)
            }
        }
    }

    async fn messages_after(
        &self,
        caller: &Caller,
        after: u64,
        limit: u16,
    ) -> Result<Vec<Message>, Problem> {
        let command = Command::Message(iot_epp_api::command::MessageCommand::Head);
        authorisation::check(caller, &command, Door::Json)
            .map_err(|forbidden| forbidden_problem(&forbidden))?;
        let (_, messages) = self.messages(caller, after, u32::from(limit)).await?;
        Ok(messages)
    }

    fn news(&self, account: &AccountName) -> watch::Receiver<u64> {
        self.inner.news.of(account.as_str())
    }
}

impl EppRegistry for Service {
    async fn check_login(&self, login: CertificateLogin) -> LoginOutcome {
        let CertificateLogin {
            certificates,
            login,
            server_transaction_id,
        } = login;
        let (verdict, password) = match self.log_in(login, &server_transaction_id).await {
            Ok(Login::Right(mark)) => (LoginVerdict::Accepted, Some(mark)),
            Ok(Login::Wrong) => (LoginVerdict::Wrong, None),
            Err(_) => (LoginVerdict::Unavailable, None),
        };
        let mut outcome = LoginOutcome::from(verdict);
        outcome.password = password;
        let own = certificates.first();
        let warning = own.and_then(|own| ends_soon(own, unix_now()));
        outcome.security_events.extend(warning);
        outcome
    }

    async fn has_password(
        &self,
        account: &AccountName,
        mark: PasswordMark,
    ) -> Result<bool, Problem> {
        let recognition = &self.inner.recognition;
        if let Some(present) = recognition.password(account) {
            return Ok(present == mark);
        }
        let since = recognition.generation();
        let kept = self.store().password(account.as_str()).await;
        let Some(kept) = kept.map_err(store_problem)? else {
            return Ok(false);
        };
        let present = mark_of(&kept);
        recognition.keep_password(account, present, since);
        Ok(present == mark)
    }
}

impl Service {
    async fn look_up(
        &self,
        credential: Credential<'_>,
        now: u64,
    ) -> Result<Option<Recognised>, Problem> {
        let store = self.store();
        let found = match credential {
            Credential::Token(token) => store.by_token(token, now).await,
            Credential::Certificate(chain) => {
                let own = chain.first();
                let Some(keys) = own.and_then(|own| self.trust().account.keys_of(own)) else {
                    return Ok(None);
                };
                store.by_certificate(&keys.issuer, &keys.subject, now).await
            }
        };
        found.map_err(store_problem)
    }
}

/// Refusals that are the same for a foreign object as for an absent one. They leave at full steps of time from
/// their beginning, so that what was found out meanwhile does not show in when: a foreign device takes some
/// microseconds longer to read than none.
fn tells_nothing(code: ResultCode) -> bool {
    matches!(
        code,
        ResultCode::ObjectDoesNotExist | ResultCode::InvalidAuthorizationInformation
    )
}

/// Such a step; reading takes a tenth of it.
const STEP: Duration = Duration::from_millis(2);

/// The end of the step in which `now` is.
fn at_full_step(begin: Instant, now: Instant) -> Instant {
    let steps = (now - begin).as_nanos() / STEP.as_nanos() + 1;
    begin + STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

/// What a client is told whose certificate ends soon.
fn ends_soon(certificate: &[u8], now: u64) -> Option<SecurityEvent> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let not_after = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    let is_soon = not_after.saturating_sub(now) < CERTIFICATE_WARNING_SECS;
    is_soon.then(|| SecurityEvent {
        kind: SecurityEventKind::Certificate,
        level: SecurityEventLevel::Warning,
        name: None,
        expires_at: Some(calendar(not_after)),
        value: None,
        duration_days: None,
        text: "the client certificate ends soon; ask the registry's operators for another one"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_nothing_leaves_at_full_steps() {
        let begin = Instant::now();
        for (micros, steps) in [
            (0, 1),
            (150, 1),
            (1_999, 1),
            (2_000, 2),
            (2_150, 2),
            (9_000, 5),
        ] {
            let now = begin + Duration::from_micros(micros);
            assert_eq!(at_full_step(begin, now), begin + STEP * steps, "{micros}");
        }
        assert!(tells_nothing(ResultCode::ObjectDoesNotExist));
        assert!(!tells_nothing(ResultCode::StatusProhibits));
    }
}
