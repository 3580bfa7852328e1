//! A look at every page of the database, a while after the start and then once a day: a damaged page
//! is to be known before the row on it is needed.

use std::time::Duration;

use crate::service::Service;

/// From the start to the first look, so that neither is in the other's way.
const DELAY: Duration = Duration::from_secs(60);
/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(24 * 3600);
/// The same while something is wrong.
const PERIOD_OF_DAMAGE: Duration = Duration::from_secs(600);

/// Looks for ever.
pub(super) async fn run(service: Service) {
    tokio::time::sleep(DELAY).await;
    loop {
        let found = service.store().damage().await;
        let is_damaged = !matches!(found, Ok(None));
        service.note_damage(is_damaged);
        match found {
            Ok(None) => tracing::info!("the pages of the database are whole"),
            Ok(Some(damage)) => tracing::error!(
                alarm = true,
                damage,
                "the database is damaged; no device is registered; restore it from a backup"
            ),
            Err(error) => tracing::error!(
                alarm = true, %error,
                "the pages of the database cannot be looked at; no device is registered"
            ),
        }
        let period = if is_damaged { PERIOD_OF_DAMAGE } else { PERIOD };
        tokio::time::sleep(period).await;
    }
}
