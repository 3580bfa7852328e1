//! Accounts and their tokens, for the registry's operators.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iot_epp_api::{AccountName, BearerToken, Problem, Reply, ResultCode, Role};

use super::{Service, answer, random_octets, store_problem};
use crate::clock::unix_now;
use crate::store::{CreateAccount, DisableAccount, Origin};

/// A new token: 256 random bits.
pub fn new_token() -> BearerToken {
    let text = URL_SAFE_NO_PAD.encode(random_octets::<32>());
    BearerToken::parse(&text).expect("base64url is token syntax")
}

impl Service {
    /// Makes an account with one token, which is shown in this answer only.
    pub(super) async fn account_create(
        &self,
        origin: Origin,
        name: AccountName,
        role: Role,
    ) -> Result<Reply, Problem> {
        let token = new_token();
        let step = CreateAccount {
            origin,
            name: name.to_string(),
            role: role.as_str(),
            token: token.clone(),
            now: unix_now(),
        };
        if !self.store().commit(step).await.map_err(store_problem)? {
            let reason = format!("there is an account {name} already; choose another name");
            return Err(Problem::new(ResultCode::ObjectExists, reason).at("$.name"));
        }
        Ok(Reply::AccountCreated { name, token })
    }

    pub(super) async fn account_list(&self) -> Result<Reply, Problem> {
        let rows = self.store().accounts().await.map_err(store_problem)?;
        Ok(Reply::Accounts(
            rows.iter().map(answer::account).collect::<Result<_, _>>()?,
        ))
    }

    pub(super) async fn account_disable(
        &self,
        origin: Origin,
        name: AccountName,
    ) -> Result<Reply, Problem> {
        if name.as_str() == origin.account {
            return Err(Problem::new(
                ResultCode::ParameterPolicy,
                "an account cannot disable itself; use another operator's account",
            ));
        }
        let step = DisableAccount {
            origin,
            name: name.to_string(),
            now: unix_now(),
        };
        let row = self.store().commit(step).await.map_err(store_problem)?;
        let row = row.ok_or_else(Problem::object_does_not_exist)?;
        Ok(Reply::Account(answer::account(&row)?))
    }
}
