//! Signed fleets that topics share: each is signed once, and every server gets a copy of its own.
//! Only for topics that do not look at how old the signatures are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use iot_dns_zone::Profile;

use crate::ours;
use crate::population::Population;
use crate::zone::unix_now;

/// Written last, with the time of signing: without it a directory is not complete.
const STAMP: &str = "signed-at";
const MASTER: &str = "zone.db";
/// Life that signatures have left at least when a topic begins.
const LEFT_MIN_SECS: u64 = 3600;
/// How long ago an expired fleet was signed.
const EXPIRED_SECS_AGO: u64 = 3 * 3600;

/// A signed fleet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed {
    pub(crate) population: Population,
    pub(crate) profile: Profile,
    /// Every signature has run out; the profile has to be one of at most an hour.
    pub(crate) expired: bool,
}

impl Signed {
    fn directory(&self) -> PathBuf {
        let Population { ids, devices } = self.population;
        let state = if self.expired { "expired" } else { "valid" };
        root().join(format!("{}-{}-{devices}-{state}", self.profile, ids.word()))
    }

    fn is_usable(&self, directory: &Path, master: bool) -> bool {
        let stamp = fs::read_to_string(directory.join(STAMP)).unwrap_or_default();
        let Ok(signed_at) = stamp.trim().parse::<u64>() else {
            return false;
        };
        let until = signed_at + u64::from(self.profile.validity_secs());
        let fresh = self.expired || until > unix_now() + LEFT_MIN_SECS;
        fresh && (!master || directory.join(MASTER).exists())
    }

    /// The directory of the fleet, signed now unless it was before.
    fn ready(&self, master: bool) -> anyhow::Result<PathBuf> {
        let directory = self.directory();
        if self.is_usable(&directory, master) {
            return Ok(directory);
        }
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let secs_ago = if self.expired { EXPIRED_SECS_AGO } else { 0 };
        let signed_at = unix_now() - secs_ago;
        let path = directory.join(MASTER);
        let path = master.then_some(path.as_path());
        let fleet = directory.join("fleet");
        ours::sign(&fleet, self.population, self.profile, secs_ago, path)?;
        fs::write(directory.join(STAMP), signed_at.to_string())?;
        Ok(directory)
    }

    /// Copies the fleet into a new directory, and its master file where one is wanted.
    pub(crate) fn copy(&self, into: &Path, master: Option<&Path>) -> anyhow::Result<()> {
        let directory = self.ready(master.is_some())?;
        copy_directory(&directory.join("fleet"), into)
            .with_context(|| format!("copy of {}", directory.display()))?;
        if let Some(path) = master {
            copy_durably(&directory.join(MASTER), path)?;
        }
        Ok(())
    }
}

/// Where signed fleets are kept.
fn root() -> PathBuf {
    if let Some(path) = std::env::var_os("IOT_BENCH_ZONES") {
        return path.into();
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(home).unwrap_or_else(std::env::temp_dir);
    cache.join("iot-bench").join("zones")
}

fn copy_directory(from: &Path, into: &Path) -> std::io::Result<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = into.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            copy_durably(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Durable, so that what is measured does not wait for the copy to be written.
fn copy_durably(from: &Path, into: &Path) -> std::io::Result<()> {
    fs::copy(from, into)?;
    fs::File::open(into)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_copied_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let from = scratch.path().join("from");
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner").join("file"), b"octets").unwrap();
        let into = scratch.path().join("into");
        copy_directory(&from, &into).unwrap();
        assert_eq!(
            fs::read(into.join("inner").join("file")).unwrap(),
            b"octets"
        );
    }
}
