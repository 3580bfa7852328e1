//! The login of a session: what can be decided without the account's password is decided here.

use crate::epp::login::Login;
use crate::epp::mapping::Asked;
use crate::epp::response::Answer;
use crate::epp::security_event::SecurityEvent;
use crate::epp::services::Services;
use crate::epp::session::{Action, LoginCheck, LoginVerdict, Moment, Phase, Session, Waiting};
use crate::result_code::ResultCode;
use crate::secret::weakness;
use crate::transaction::ClientTransactionId;

impl Session {
    /// The driver found out about a login. None when no login was being looked into.
    pub fn login_checked(
        &mut self,
        verdict: LoginVerdict,
        security_events: Vec<SecurityEvent>,
        moment: &Moment,
    ) -> Option<Action> {
        let mut waiting = self.waiting.take_if(|waiting| waiting.login.is_some())?;
        let services = waiting.login.take()?;
        let mut answer = match verdict {
            LoginVerdict::Accepted => {
                self.phase = Phase::LoggedIn(services.clone());
                Answer::new(ResultCode::Completed)
            }
            LoginVerdict::Wrong => self.wrong_login(),
            LoginVerdict::NewPasswordRefused { reason } => new_password_refused(reason),
            LoginVerdict::TooManySessions => Answer::new(ResultCode::SessionLimitClosing),
            LoginVerdict::Unavailable => Answer::new(ResultCode::CommandFailed),
        };
        answer.security_events.extend(security_events);
        let id = waiting.client_transaction_id;
        let name = &moment.server_transaction_id;
        Some(self.send(&answer, &services, id.as_ref(), name, moment.now))
    }

    /// A login that is worth looking into, or the answer to one that is not.
    pub(super) fn login(
        &mut self,
        login: Login,
        id: Option<ClientTransactionId>,
        moment: &Moment,
    ) -> Action {
        let services = match Services::of(&login) {
            Ok(services) => services,
            Err((code, reason)) => {
                return self.answer(&Answer::refused(code, reason), id.as_ref(), moment);
            }
        };
        if let Some(answer) = self.refusal_of(&login) {
            let name = &moment.server_transaction_id;
            return self.send(&answer, &services, id.as_ref(), name, moment.now);
        }
        self.waiting = Some(Waiting {
            login: Some(services),
            asked: Asked::Other,
            client_transaction_id: id.clone(),
        });
        Action::CheckLogin(LoginCheck {
            account: self.account.clone(),
            password: login.password,
            new_password: login.new_password,
            user_agent: login.user_agent,
            client_transaction_id: id,
        })
    }

    fn refusal_of(&mut self, login: &Login) -> Option<Answer> {
        // The certificate says who it is; a password for somebody else is not even looked at.
        if login.client_id != self.account.as_str() {
            return Some(self.wrong_login());
        }
        let new_password = login.new_password.as_ref()?;
        let reason = weakness(new_password, &login.password, &login.client_id)?;
        Some(new_password_refused(reason))
    }

    fn wrong_login(&mut self) -> Answer {
        self.failed_logins += 1;
        Answer::new(if self.failed_logins >= self.limits.failed_logins_max {
            ResultCode::AuthenticationErrorClosing
        } else {
            ResultCode::AuthenticationError
        })
    }
}

fn new_password_refused(reason: impl Into<String>) -> Answer {
    let reason = reason.into();
    let mut answer = Answer::refused(ResultCode::ParameterPolicy, reason.clone());
    let event = SecurityEvent::new_password_refused(reason);
    answer.security_events.push(event);
    answer
}
