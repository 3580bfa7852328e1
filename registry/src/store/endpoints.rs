//! Where the devices of providers connect.

use iot_epp_api::endpoint::EndpointProfile;

use super::audit::write_audit_text;
use super::rows::{corrupt, sql_time};
use super::sql::{self, Connection};
use super::{Origin, Step, Store, StoreError, accounts};

/// Sets or removes the profile of the asking provider.
#[derive(Debug)]
pub struct SetEndpoint {
    /// Who asks: the provider whose profile it is.
    pub origin: Origin,
    /// The profile; none removes it.
    pub profile: Option<Box<EndpointProfile>>,
    /// The present time.
    pub now: u64,
}

impl Step for SetEndpoint {
    type Output = ();

    fn run(self, connection: &Connection) -> Result<(), StoreError> {
        let asp = &self.origin.account;
        accounts::require_enabled(connection, asp)?;
        let before: Option<String> = sql::query("SELECT document FROM endpoint WHERE asp = ?")
            .bind(asp)
            .optional(connection, sql::scalar)?;
        let after = match &self.profile {
            Some(profile) => Some(serde_json::to_string(profile).map_err(corrupt)?),
            None => None,
        };
        let statement = match &after {
            Some(document) => sql::query(
                "INSERT INTO endpoint (asp, document, updated_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (asp) DO UPDATE SET document = ?2, updated_at = ?3",
            )
            .bind(asp)
            .bind(document)
            .bind(sql_time(self.now)),
            None => sql::query("DELETE FROM endpoint WHERE asp = ?1").bind(asp),
        };
        statement.execute(connection)?;
        let (before, after) = (before.as_deref(), after.as_deref());
        write_audit_text(connection, &self.origin, asp, before, after, self.now)
    }
}

impl Store {
    /// The profile of a provider.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn endpoint(&self, asp: &str) -> Result<Option<EndpointProfile>, StoreError> {
        let document: Option<String> = sql::query("SELECT document FROM endpoint WHERE asp = ?")
            .bind(asp)
            .optional(&*self.reader().await?, sql::scalar)?;
        let read = |text: String| serde_json::from_str(&text).map_err(corrupt);
        document.map(read).transpose()
    }
}
