//! How accounts prove who they are: bearer tokens, client certificates, passwords.

use iot_epp_api::{BearerToken, Role, Scopes};
use ring::digest;
use serde_json::json;

use super::audit::write_audit_text;
use super::audited_account::{about_certificate, about_token, audited_account};
use super::rows::{corrupt, fingerprint, named, sql_time, unix};
use super::sql::{self, Connection, Row};
use super::{Origin, Step, Store, StoreError, accounts};

/// Who was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Name of the account.
    pub account: String,
    /// Its role.
    pub role: Role,
    /// What it may be used for this way.
    pub scopes: Scopes,
    /// Last second at which this credential is valid.
    pub valid_until: u64,
}

/// A token to be kept: of the secret only the hash is.
pub struct NewToken {
    /// The secret.
    pub token: BearerToken,
    /// What it may be used for.
    pub scopes: Scopes,
    /// It is void after this second.
    pub expires_at: u64,
}

/// A token as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its number.
    pub token_id: u64,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: u64,
    /// It is void after this second.
    pub expires_at: u64,
}

/// A client certificate: it is known by the two keys, never by names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the issuer's SubjectPublicKeyInfo.
    pub issuer_key: [u8; 32],
    /// SHA-256 of its own SubjectPublicKeyInfo.
    pub subject_key: [u8; 32],
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// Last second of its validity.
    pub not_after: u64,
}

/// A client certificate as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRow {
    /// Its number.
    pub certificate_id: u64,
    /// SHA-256 of its DER.
    pub fingerprint: iot_identity::Fingerprint,
    /// Last second of its validity.
    pub not_after: u64,
}

/// What is kept of a password: PBKDF2-HMAC-SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRecord {
    /// The derived key.
    pub hash: [u8; 32],
    /// Its salt.
    pub salt: [u8; 16],
    /// Its iterations.
    pub iterations: u32,
    /// When it was set.
    pub set_at: u64,
}

/// What the database keeps of a token.
fn token_hash(token: &str) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    hash.as_ref().to_vec()
}

pub(super) fn insert_token(
    connection: &Connection,
    account: &str,
    token: &NewToken,
    now: u64,
) -> Result<u64, StoreError> {
    let token_id: i64 = sql::query(
        "INSERT INTO token (hash, account, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
         RETURNING token_id",
    )
    .bind(token_hash(token.token.expose()))
    .bind(account)
    .bind(token.scopes.to_string())
    .bind(sql_time(now))
    .bind(sql_time(token.expires_at))
    .one(connection, sql::scalar)?;
    u64::try_from(token_id).map_err(corrupt)
}

/// Adds a token to an account; `None` when there is no such account.
pub struct AddToken {
    /// Who asks.
    pub origin: Origin,
    /// The account.
    pub name: String,
    /// The token.
    pub token: NewToken,
    /// The present time.
    pub now: u64,
}

impl Step for AddToken {
    type Output = Option<u64>;

    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError> {
        let (origin, name, now) = (&self.origin, &self.name, self.now);
        accounts::require_enabled(connection, &origin.account)?;
        let Some(account) = accounts::read(connection, name)? else {
            return Ok(None);
        };
        let token_id = insert_token(connection, name, &self.token, now)?;
        let before = audited_account(&account, json!({}));
        let after = audited_account(&account, about_token(connection, name, token_id)?);
        write_audit_text(connection, origin, name, Some(&before), Some(&after), now)?;
        Ok(Some(token_id))
    }
}

/// Adds a client certificate to an account.
#[derive(Debug)]
pub struct AddCertificate {
    /// Who asks.
    pub origin: Origin,
    /// The account.
    pub name: String,
    /// The certificate.
    pub certificate: ClientCertificate,
    /// The present time.
    pub now: u64,
}

/// What came of [`AddCertificate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateAdded {
    /// It has this number.
    Number(u64),
    /// There is no such account.
    NoAccount,
    /// The key is, or was, another certificate's.
    KeyKnown,
}

impl Step for AddCertificate {
    type Output = CertificateAdded;

    fn run(self, connection: &Connection) -> Result<Self::Output, StoreError> {
        let (origin, name, now) = (&self.origin, &self.name, self.now);
        accounts::require_enabled(connection, &origin.account)?;
        let Some(account) = accounts::read(connection, name)? else {
            return Ok(CertificateAdded::NoAccount);
        };
        let number: Option<i64> = sql::query(
            "INSERT INTO account_certificate (account, issuer_key, subject_key, fingerprint,
                                              not_after, created_at)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING certificate_id",
        )
        .bind(name)
        .bind(self.certificate.issuer_key.as_slice())
        .bind(self.certificate.subject_key.as_slice())
        .bind(self.certificate.fingerprint.as_slice())
        .bind(sql_time(self.certificate.not_after))
        .bind(sql_time(now))
        .optional(connection, sql::scalar)?;
        let Some(number) = number else {
            return Ok(CertificateAdded::KeyKnown);
        };
        let number = u64::try_from(number).map_err(corrupt)?;
        let before = audited_account(&account, json!({}));
        let after = audited_account(&account, about_certificate(connection, name, number)?);
        write_audit_text(connection, origin, name, Some(&before), Some(&after), now)?;
        Ok(CertificateAdded::Number(number))
    }
}

/// Sets the password of an account; false when there is no such account, or it has another password
/// than the one that is to be replaced.
#[derive(Debug)]
pub struct SetPassword {
    /// Who asks.
    pub origin: Origin,
    /// The account.
    pub name: String,
    /// What is kept of the password.
    pub password: PasswordRecord,
    /// Salt of the password in whose place it comes; whichever there is when none.
    pub replacing: Option<[u8; 16]>,
}

impl Step for SetPassword {
    type Output = bool;

    fn run(self, connection: &Connection) -> Result<bool, StoreError> {
        let (origin, name, now) = (&self.origin, &self.name, self.password.set_at);
        accounts::require_enabled(connection, &origin.account)?;
        let Some(before) = accounts::read(connection, name)? else {
            return Ok(false);
        };
        let changed = sql::query(
            "UPDATE account SET password_hash = ?1, password_salt = ?2, password_iterations = ?3,
                    password_set_at = ?4
             WHERE name = ?5 AND (?6 IS NULL OR password_salt = ?6)",
        )
        .bind(self.password.hash.as_slice())
        .bind(self.password.salt.as_slice())
        .bind(i64::from(self.password.iterations))
        .bind(sql_time(now))
        .bind(name)
        .bind(self.replacing.as_ref().map(<[u8; 16]>::as_slice))
        .execute(connection)?;
        if changed == 0 {
            return Ok(false);
        }
        let before = audited_account(&before, json!({}));
        let after = audited_account(&accounts::required(connection, name)?, json!({}));
        write_audit_text(connection, origin, name, Some(&before), Some(&after), now)?;
        Ok(true)
    }
}

fn recognised(row: &Row<'_>) -> Result<Recognised, StoreError> {
    Ok(Recognised {
        account: row.get("name")?,
        role: named(row, "role", |name| name.parse().ok())?,
        scopes: named(row, "scopes", |names| names.parse().ok())?,
        valid_until: unix(row, "valid_until")?,
    })
}

impl Store {
    /// The enabled account that a token belongs to, when the token is valid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_token(&self, token: &str, now: u64) -> Result<Option<Recognised>, StoreError> {
        sql::query(
            "SELECT account.name, account.role, token.scopes, token.expires_at AS valid_until
             FROM token JOIN account ON account.name = token.account
             WHERE token.hash = ? AND account.disabled_at IS NULL AND token.revoked_at IS NULL
                   AND token.expires_at >= ?",
        )
        .bind(token_hash(token))
        .bind(sql_time(now))
        .optional(&*self.reader().await?, recognised)
    }

    /// The enabled account that a client certificate belongs to, when the certificate is valid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_certificate(
        &self,
        issuer_key: &[u8; 32],
        subject_key: &[u8; 32],
        now: u64,
    ) -> Result<Option<Recognised>, StoreError> {
        sql::query(
            "SELECT account.name, account.role, ?3 AS scopes,
                    certificate.not_after AS valid_until
             FROM account_certificate AS certificate
                  JOIN account ON account.name = certificate.account
             WHERE certificate.issuer_key = ?1 AND certificate.subject_key = ?2
                   AND account.disabled_at IS NULL AND certificate.revoked_at IS NULL
                   AND certificate.not_after >= ?4",
        )
        .bind(issuer_key.as_slice())
        .bind(subject_key.as_slice())
        .bind(Scopes::ALL.to_string())
        .bind(sql_time(now))
        .optional(&*self.reader().await?, recognised)
    }

    /// What is kept of the password of an enabled account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn password(&self, account: &str) -> Result<Option<PasswordRecord>, StoreError> {
        sql::query(
            "SELECT password_hash, password_salt, password_iterations, password_set_at FROM account
             WHERE name = ? AND disabled_at IS NULL AND password_hash IS NOT NULL",
        )
        .bind(account)
        .optional(&*self.reader().await?, |row| {
            let iterations = unix(row, "password_iterations")?;
            let octets = |column| sql::octets(row, column);
            Ok(PasswordRecord {
                hash: octets("password_hash")?.try_into().map_err(corrupt)?,
                salt: octets("password_salt")?.try_into().map_err(corrupt)?,
                iterations: u32::try_from(iterations).map_err(corrupt)?,
                set_at: unix(row, "password_set_at")?,
            })
        })
    }

    /// The valid tokens of an account, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(&self, account: &str, now: u64) -> Result<Vec<TokenRow>, StoreError> {
        sql::query(
            "SELECT * FROM token WHERE account = ? AND revoked_at IS NULL AND expires_at >= ?
             ORDER BY token_id",
        )
        .bind(account)
        .bind(sql_time(now))
        .all(&*self.reader().await?, |row| {
            Ok(TokenRow {
                token_id: unix(row, "token_id")?,
                scopes: named(row, "scopes", |names| names.parse().ok())?,
                created_at: unix(row, "created_at")?,
                expires_at: unix(row, "expires_at")?,
            })
        })
    }

    /// The valid client certificates of an account, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn certificates(
        &self,
        account: &str,
        now: u64,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        sql::query(
            "SELECT * FROM account_certificate
             WHERE account = ? AND revoked_at IS NULL AND not_after >= ? ORDER BY certificate_id",
        )
        .bind(account)
        .bind(sql_time(now))
        .all(&*self.reader().await?, |row| {
            Ok(CertificateRow {
                certificate_id: unix(row, "certificate_id")?,
                fingerprint: fingerprint(sql::octets(row, "fingerprint")?)?,
                not_after: unix(row, "not_after")?,
            })
        })
    }
}
