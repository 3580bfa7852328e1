//! Making a new registry: directory, trust roots, zone keys, configuration, the operators' token.

use iot_dns_zone::{KeyFileError, ZoneKeys};
use thiserror::Error;

use crate::ca::{TrustError, TrustRoots};
use crate::clock::unix_now;
use crate::config::{ConfigError, InitialConfig};
use crate::directory::{self, Directory, DirectoryError};
use crate::service::new_token;

/// Name of the account that `init` makes for the registry's own operators.
pub const OPERATOR_ACCOUNT: &str = "operator";

/// Why no registry was made.
#[derive(Debug, Error)]
pub enum InitError {
    /// There is one already.
    #[error("{0} already holds a registry; nothing was changed")]
    Exists(String),
    /// Files.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Trust roots.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Zone keys.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// Zone keys.
    #[error("zone keys: {0}")]
    KeyGeneration(#[from] iot_dns_zone::KeyError),
}

/// Makes a registry in an empty directory.
///
/// The configuration is written last: a directory without it was not finished and is made anew.
///
/// # Errors
/// [`InitError`]; an existing registry is never touched.
pub fn init(directory: &Directory, initial: &InitialConfig) -> Result<(), InitError> {
    directory.create()?;
    let _lock = directory.lock()?;
    if directory.is_initialised() || directory.database().exists() {
        return Err(InitError::Exists(directory.root().display().to_string()));
    }
    let config_text = initial.config_text();
    let static_records = initial.static_records_text();
    crate::config::Config::parse(&config_text, &static_records)?;

    let mut server_names = initial.name_servers();
    server_names.push("localhost".to_owned());
    TrustRoots::create(directory, &initial.zone, &server_names, unix_now())?;
    ZoneKeys::generate()?.save(&directory.zone())?;
    directory::write_public(&directory.static_records(), static_records.as_bytes())?;
    directory::write_secret(&directory.operator_token(), new_token().expose().as_bytes())?;
    directory::write_public(&directory.config(), config_text.as_bytes())?;
    Ok(())
}
