//! Passwords of EPP logins: kept as PBKDF2-HMAC-SHA-256, made and verified on the pool for blocking work.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iot_epp_api::Problem;
use iot_epp_api::epp::ServerTransactionId;
use iot_epp_api::epp::session::LoginCheck;
use iot_epp_api::secret::Secret;
use iot_epp_api::server::epp::PasswordMark;
use ring::pbkdf2;

use super::{Service, store_problem};
use crate::clock::unix_now;
use crate::store::{Origin, PasswordRecord, SetPassword};

/// Iterations of new passwords.
const ITERATIONS: u32 = 210_000;
/// Random octets of a password that the registry makes.
const MADE_OCTETS: usize = 18;

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// The password is right, and the new one is set; what marks the one that the account has now.
    Right(PasswordMark),
    /// Wrong password, no password, or no such account.
    Wrong,
}

/// A new password, of random characters.
pub(super) fn new_password() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(super::random_octets::<MADE_OCTETS>()))
}

/// What is kept of a password that is set now.
pub(super) async fn record_of(password: Secret) -> PasswordRecord {
    let salt = super::random_octets();
    let set_at = unix_now();
    let derived = tokio::task::spawn_blocking(move || {
        let mut hash = [0; 32];
        let iterations = NonZeroU32::new(ITERATIONS).expect("not zero");
        let secret = password.expose().as_bytes();
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            &salt,
            secret,
            &mut hash,
        );
        hash
    });
    PasswordRecord {
        hash: derived.await.expect("deriving a key does not panic"),
        salt,
        iterations: ITERATIONS,
        set_at,
    }
}

/// What marks a password: its salt is random, and another one for each.
pub(super) fn mark_of(record: &PasswordRecord) -> PasswordMark {
    PasswordMark(record.salt)
}

/// Whether a password is the one that is kept. Without one the same work is done.
async fn is_right(kept: Option<PasswordRecord>, password: Secret) -> bool {
    let verified = tokio::task::spawn_blocking(move || {
        let record = kept.unwrap_or(PasswordRecord {
            hash: [0; 32],
            salt: [0; 16],
            iterations: ITERATIONS,
            set_at: 0,
        });
        let Some(iterations) = NonZeroU32::new(record.iterations) else {
            return false;
        };
        let secret = password.expose().as_bytes();
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        let equal = pbkdf2::verify(algorithm, iterations, &record.salt, secret, &record.hash);
        equal.is_ok() && kept.is_some()
    });
    verified.await.unwrap_or(false)
}

impl Service {
    /// Looks into a login, and sets the new password where one is given and the present one is right.
    ///
    /// # Errors
    /// The database cannot say.
    pub(super) async fn log_in(
        &self,
        login: LoginCheck,
        server_transaction_id: &ServerTransactionId,
    ) -> Result<Login, Problem> {
        let account = &login.account;
        let verifying = self.inner.logins.turn(account.as_str()).await;
        let kept = self.store().password(account.as_str()).await;
        let kept = kept.map_err(store_problem)?;
        let is_right = is_right(kept, login.password).await;
        verifying.end(is_right);
        let Some(present) = kept.filter(|_| is_right) else {
            return Ok(Login::Wrong);
        };
        let Some(new_password) = login.new_password else {
            return Ok(Login::Right(mark_of(&present)));
        };
        let password = record_of(new_password).await;
        let step = SetPassword {
            origin: Origin {
                account: account.to_string(),
                door: iot_epp_api::Door::Epp.as_str(),
                verb: "session.login",
                client_transaction_id: login.client_transaction_id.map(|id| id.to_string()),
                server_transaction_id: server_transaction_id.to_string(),
                digest: [0; 32],
            },
            name: account.to_string(),
            password,
            // One that was reset since it was looked at stays.
            replacing: Some(present.salt),
        };
        let set = self.store().commit(step).await;
        // Before the answer: from then on sessions of the password before are refused.
        self.inner.recognition.forget();
        Ok(match set.map_err(store_problem)? {
            true => Login::Right(mark_of(&password)),
            false => Login::Wrong,
        })
    }
}
