//! A look at every page of the database, a while after the start and then once a day: a damaged page
//! is to be known before the row on it is needed.

use std::time::Duration;

use crate::store::Store;

/// From the start to the first look, so that neither is in the other's way.
const DELAY: Duration = Duration::from_secs(60);
/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Looks for ever.
pub(super) async fn run(store: Store) {
    tokio::time::sleep(DELAY).await;
    loop {
        match store.damage().await {
            Ok(None) => tracing::info!("the pages of the database are whole"),
            Ok(Some(damage)) => tracing::error!(
                alarm = true,
                damage,
                "the database is damaged; restore it from a backup"
            ),
            Err(error) => tracing::error!(
                alarm = true, %error,
                "the pages of the database cannot be looked at"
            ),
        }
        tokio::time::sleep(PERIOD).await;
    }
}
