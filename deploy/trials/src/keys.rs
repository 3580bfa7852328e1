//! Whose keys a trial signs with. Most sign by digests: which signatures are made and kept is what
//! is tried, and they are deterministic and cheap. One in [`REAL_EVERY`] has real keys, so that also
//! validators can look at it.

use iot_dns_zone::{KeyFileError, ZoneKeys};
use tempfile::TempDir;

/// One trial in so many has real keys.
pub(crate) const REAL_EVERY: u32 = 21;

/// Real keys, made once for many trials.
pub(crate) struct Keys {
    directory: TempDir,
}

impl Keys {
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        ZoneKeys::generate()?.save(directory.path())?;
        Ok(Self { directory })
    }

    /// The keys of the trial with this number.
    pub(crate) fn of_trial(&self, number: u32) -> KeysOfTrial<'_> {
        let real = number.is_multiple_of(REAL_EVERY);
        KeysOfTrial(real.then_some(self))
    }
}

/// The same keys at every start of a trial; real ones, if any.
#[derive(Clone, Copy)]
pub(crate) struct KeysOfTrial<'a>(Option<&'a Keys>);

impl KeysOfTrial<'_> {
    pub(crate) fn are_real(self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn load(self) -> Result<ZoneKeys, KeyFileError> {
        match self.0 {
            Some(keys) => ZoneKeys::load(keys.directory.path()),
            None => Ok(ZoneKeys::digesting()),
        }
    }
}
