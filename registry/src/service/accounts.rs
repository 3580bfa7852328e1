//! Accounts, for the registry's operators and for the accounts themselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iot_epp_api::command::AccountCommand;
use iot_epp_api::response::{ClientCertificateInfo, TokenInfo};
use iot_epp_api::{
    AccountInfo, AccountName, BearerToken, Caller, IdPrefix, Problem, Reply, ResultCode, Role,
    Scopes,
};
use iot_identity::{DeviceId, Fingerprint};

use super::{Service, inconsistent, passwords, random_octets, store_problem};
use crate::ca::AccountIssueError;
use crate::clock::unix_now;
use crate::csr;
use crate::description::{Inconsistent, account_name, calendar};
use crate::store::{
    AccountRow, AddCertificate, AddToken, CertificateAdded, ChangeAccount, ClientCertificate,
    Consent, CreateAccount, Grants, ImportIds, Imported, NewToken, Origin, REGISTRY_ITSELF,
    SetPassword,
};

/// Life of an account's first token.
const FIRST_TOKEN_SECS: u64 = 366 * 24 * 3600;
/// Longest life of a token.
const TOKEN_SECS_MAX: u32 = 2 * 366 * 24 * 3600;

/// A new token: 256 random bits.
pub fn new_token() -> BearerToken {
    let text = URL_SAFE_NO_PAD.encode(random_octets::<32>());
    BearerToken::parse(&text).expect("base64url is token syntax")
}

impl Service {
    pub(super) async fn account(
        &self,
        caller: &Caller,
        origin: Origin,
        command: AccountCommand,
    ) -> Result<Reply, Problem> {
        match command {
            AccountCommand::Create { name, role } => {
                // Its first token has every scope.
                require_scopes(caller, Scopes::ALL)?;
                self.create_account(origin, name, role).await
            }
            AccountCommand::List => self.accounts().await,
            AccountCommand::Info { name } => {
                let name = name.unwrap_or_else(|| caller.account.clone());
                let found = self.store().account(name.as_str()).await;
                let row = found.map_err(store_problem)?;
                let row = row.ok_or_else(Problem::object_does_not_exist)?;
                Ok(Reply::Account(Box::new(self.account_info(&row).await?)))
            }
            AccountCommand::Update { name, change } => {
                self.change_account(origin, name, change).await
            }
            AccountCommand::ImportIds { name, device_ids } => {
                self.import_ids(origin, name, device_ids).await
            }
            AccountCommand::IssueToken {
                name,
                scopes,
                lifetime_secs,
            } => {
                require_scopes(caller, scopes)?;
                self.issue_token(origin, name, scopes, lifetime_secs).await
            }
            AccountCommand::IssueCertificate { name, csr } => {
                require_scopes(caller, Scopes::ALL)?;
                self.issue_client_certificate(origin, name, csr).await
            }
            AccountCommand::ResetPassword { name } => {
                require_scopes(caller, Scopes::ALL)?;
                self.reset_password(origin, name).await
            }
            AccountCommand::Consent { asp, granted } => {
                let step = Consent {
                    origin,
                    asp: asp.to_string(),
                    granted,
                    now: unix_now(),
                };
                match self.store().commit(step).await.map_err(store_problem)? {
                    true => Ok(Reply::Done),
                    false => Err(Problem::new(
                        ResultCode::ParameterPolicy,
                        format!("there is no application service provider {asp}"),
                    )),
                }
            }
        }
    }

    /// Makes an account with one token, which is shown in this answer only.
    async fn create_account(
        &self,
        origin: Origin,
        name: AccountName,
        role: Role,
    ) -> Result<Reply, Problem> {
        if name.as_str() == REGISTRY_ITSELF {
            let reason = format!("{name} is how the registry calls itself; choose another name");
            return Err(Problem::new(ResultCode::ParameterPolicy, reason).at("$.name"));
        }
        let (token, now) = (new_token(), unix_now());
        let step = CreateAccount {
            origin,
            name: name.to_string(),
            role,
            token: NewToken {
                token: token.clone(),
                scopes: Scopes::ALL,
                expires_at: now + FIRST_TOKEN_SECS,
            },
            now,
        };
        if !self.store().commit(step).await.map_err(store_problem)? {
            let reason = format!("there is an account {name} already; choose another name");
            return Err(Problem::new(ResultCode::ObjectExists, reason).at("$.name"));
        }
        Ok(Reply::AccountCreated { name, token })
    }

    async fn accounts(&self) -> Result<Reply, Problem> {
        let rows = self.store().accounts().await.map_err(store_problem)?;
        let infos = rows.iter().map(|row| brief(row, &Grants::default()));
        let infos = infos.collect::<Result<_, _>>().map_err(inconsistent)?;
        Ok(Reply::Accounts(infos))
    }

    async fn account_info(&self, row: &AccountRow) -> Result<AccountInfo, Problem> {
        let (store, now) = (self.store(), unix_now());
        let grants = store.grants(&row.name).await.map_err(store_problem)?;
        let tokens = store.tokens(&row.name, now).await.map_err(store_problem)?;
        let certificates = store.certificates(&row.name, now).await;
        let certificates = certificates.map_err(store_problem)?;
        let tokens = tokens.into_iter().map(|token| TokenInfo {
            token_id: token.token_id,
            scopes: token.scopes.to_string(),
            created_at: calendar(token.created_at),
            expires_at: calendar(token.expires_at),
        });
        let certificates = certificates.into_iter().map(|one| ClientCertificateInfo {
            certificate_id: one.certificate_id,
            fingerprint: one.fingerprint,
            not_after: calendar(one.not_after),
        });
        Ok(AccountInfo {
            tokens: tokens.collect(),
            certificates: certificates.collect(),
            ..brief(row, &grants).map_err(inconsistent)?
        })
    }

    async fn change_account(
        &self,
        origin: Origin,
        name: AccountName,
        change: iot_epp_api::command::AccountChange,
    ) -> Result<Reply, Problem> {
        use iot_epp_api::command::AccountChange;
        if change == AccountChange::Disable && name.as_str() == origin.account {
            return Err(Problem::new(
                ResultCode::ParameterPolicy,
                "an account cannot disable itself; use another operator's account",
            ));
        }
        let step = ChangeAccount {
            origin,
            name: name.to_string(),
            change,
            now: unix_now(),
        };
        let row = self.store().commit(step).await;
        // Before the answer: from then on a disabled account and a void credential are refused.
        self.inner.recognition.forget();
        let row = row.map_err(store_problem)?;
        let row = row.ok_or_else(Problem::object_does_not_exist)?;
        Ok(Reply::Account(Box::new(self.account_info(&row).await?)))
    }

    async fn import_ids(
        &self,
        origin: Origin,
        name: AccountName,
        device_ids: Vec<DeviceId>,
    ) -> Result<Reply, Problem> {
        let step = ImportIds {
            origin,
            name: name.to_string(),
            device_ids,
            now: unix_now(),
        };
        match self.store().commit(step).await.map_err(store_problem)? {
            Imported::Added(added) => Ok(Reply::Imported { added }),
            Imported::NoAccount => Err(Problem::object_does_not_exist()),
            Imported::OfOther(device_id) => {
                let reason = format!(
                    "the id {device_id} is in another account's list; nothing was imported"
                );
                Err(Problem::new(ResultCode::AssociationProhibits, reason))
            }
        }
    }

    async fn issue_token(
        &self,
        origin: Origin,
        name: AccountName,
        scopes: Scopes,
        lifetime_secs: u32,
    ) -> Result<Reply, Problem> {
        if !(1..=TOKEN_SECS_MAX).contains(&lifetime_secs) {
            return Err(Problem::new(
                ResultCode::ParameterRange,
                format!("a token is valid for 1 to {TOKEN_SECS_MAX} seconds"),
            ));
        }
        let (token, now) = (new_token(), unix_now());
        let step = AddToken {
            origin,
            name: name.to_string(),
            token: NewToken {
                token: token.clone(),
                scopes,
                expires_at: now + u64::from(lifetime_secs),
            },
            now,
        };
        let added = self.store().commit(step).await.map_err(store_problem)?;
        let token_id = added.ok_or_else(Problem::object_does_not_exist)?;
        Ok(Reply::TokenIssued { token_id, token })
    }

    async fn issue_client_certificate(
        &self,
        origin: Origin,
        name: AccountName,
        csr: Vec<u8>,
    ) -> Result<Reply, Problem> {
        let csr = csr::accept_of_account(&csr)
            .map_err(|error| Problem::new(ResultCode::ParameterPolicy, error.to_string()))?;
        let now = unix_now();
        let issued = self.trust().account.issue(&csr, name.as_str(), now);
        let issued = issued.map_err(|error| client_certificate_problem(&error))?;
        let step = AddCertificate {
            origin,
            name: name.to_string(),
            certificate: ClientCertificate {
                issuer_key: issued.keys.issuer,
                subject_key: issued.keys.subject,
                fingerprint: *Fingerprint::of_certificate(&issued.der).as_octets(),
                not_after: issued.not_after,
            },
            now,
        };
        match self.store().commit(step).await.map_err(store_problem)? {
            CertificateAdded::Number(certificate_id) => Ok(Reply::ClientCertificate {
                certificate_id,
                certificate: issued.der,
                root: self.trust().account.root().to_vec(),
            }),
            CertificateAdded::NoAccount => Err(Problem::object_does_not_exist()),
            CertificateAdded::KeyKnown => Err(Problem::new(
                ResultCode::AssociationProhibits,
                "there is, or was, a certificate for this key; make a new key pair",
            )),
        }
    }

    /// Makes a password for EPP logins, which is shown in this answer only.
    async fn reset_password(&self, origin: Origin, name: AccountName) -> Result<Reply, Problem> {
        let password = passwords::new_password();
        let step = SetPassword {
            origin,
            name: name.to_string(),
            password: passwords::record_of(password.clone()).await,
            replacing: None,
        };
        let set = self.store().commit(step).await;
        // Before the answer: from then on sessions of the password before are refused.
        self.inner.recognition.forget();
        match set.map_err(store_problem)? {
            true => Ok(Reply::Password(password)),
            false => Err(Problem::object_does_not_exist()),
        }
    }
}

/// A token makes no credential that may do more than itself: passwords and certificates may everything.
fn require_scopes(caller: &Caller, scopes: Scopes) -> Result<(), Problem> {
    if caller.scopes.covers(scopes) {
        return Ok(());
    }
    let reason = format!(
        "this token may not make a credential that may do more than itself; it would need the scopes {scopes}"
    );
    Err(Problem::new(ResultCode::AuthorizationError, reason))
}

fn brief(row: &AccountRow, grants: &Grants) -> Result<AccountInfo, Inconsistent> {
    let prefixes = grants.prefixes.iter().map(|text| IdPrefix::parse(text));
    let prefixes = prefixes.collect::<Result<_, _>>();
    let consents = grants.consents.iter().map(|name| account_name(name));
    Ok(AccountInfo {
        name: account_name(&row.name)?,
        role: row.role,
        disabled: row.disabled_at.is_some(),
        created_at: calendar(row.created_at),
        prefixes: prefixes.map_err(|_| Inconsistent("a prefix"))?,
        imported_ids: grants.imported_ids,
        iccids_allowed: row.iccids_allowed,
        devices_max: row.devices_max,
        devices: row.devices,
        strict_transaction_ids: row.strict_transaction_ids,
        tokens: Vec::new(),
        certificates: Vec::new(),
        consents: consents.collect::<Result<_, _>>()?,
    })
}

fn client_certificate_problem(error: &AccountIssueError) -> Problem {
    tracing::warn!(%error, "no client certificate was made");
    Problem::new(ResultCode::CommandFailed, error.to_string())
}
