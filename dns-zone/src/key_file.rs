//! Key files: PKCS#8 in PEM, readable by their owner alone.
//!
//! A file is written under another name, made durable, then renamed, so that a crash leaves either
//! no key or a whole one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::key::{KeyError, Role, ZoneKeys};

/// File of the key signing key.
pub const KSK_FILE: &str = "ksk.pk8.pem";
/// File of the zone signing key.
pub const ZSK_FILE: &str = "zsk.pk8.pem";

/// A P-256 key takes about 250 octets; anything near this limit is another file.
const FILE_OCTETS_MAX: u64 = 4096;
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Why keys were not loaded or saved.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "{}: mode {mode:04o} lets others than the owner at the private key; chmod 600 it",
        path.display()
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not exactly one PEM block with a private key.
    #[error("{}: not one PEM block of a private key (PKCS#8)", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
    },
    /// Saving would replace a key.
    #[error("{}: exists already and is never replaced", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The octets are not usable as keys.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl ZoneKeys {
    /// Reads both keys from a directory.
    ///
    /// # Errors
    /// A file is missing, open to others, malformed, or not a P-256 key.
    pub fn load(dir: &Path) -> Result<Self, KeyFileError> {
        let ksk = read(&dir.join(KSK_FILE))?;
        let zsk = read(&dir.join(ZSK_FILE))?;
        Ok(Self::from_pkcs8(ksk, zsk)?)
    }

    /// Writes both keys into a directory that exists.
    ///
    /// # Errors
    /// A key file exists already, or the system refused.
    pub fn save(&self, dir: &Path) -> Result<(), KeyFileError> {
        write(dir, KSK_FILE, self.pkcs8(Role::Ksk))?;
        write(dir, ZSK_FILE, self.pkcs8(Role::Zsk))
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let io_error = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io_error)?;
    let mode = file.metadata().map_err(io_error)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_OCTETS_MAX as usize));
    file.take(FILE_OCTETS_MAX)
        .read_to_string(&mut text)
        .map_err(io_error)?;
    decode_pem(&text).ok_or_else(|| KeyFileError::Pem {
        path: path.to_owned(),
    })
}

fn write(dir: &Path, name: &str, pkcs8: &[u8]) -> Result<(), KeyFileError> {
    let path = dir.join(name);
    let temporary = dir.join(format!("{name}.new"));
    let io_error = |source| KeyFileError::Io {
        path: path.clone(),
        source,
    };
    if path.try_exists().map_err(io_error)? {
        return Err(KeyFileError::Exists { path });
    }
    // A crash may have left an unfinished file; nobody has used it.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(io_error)?;
    file.write_all(encode_pem(pkcs8).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, &path))
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(io_error)
}

fn encode_pem(der: &[u8]) -> Zeroizing<String> {
    // Sized ahead, so that no half-filled copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(FILE_OCTETS_MAX as usize));
    text.push_str(BEGIN);
    let body = Zeroizing::new(STANDARD.encode(der));
    for (index, character) in body.chars().enumerate() {
        if index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

fn decode_pem(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    if body.contains("-----") {
        return None;
    }
    let mut compact = Zeroizing::new(String::with_capacity(body.len()));
    compact.extend(body.chars().filter(|character| !character.is_whitespace()));
    STANDARD.decode(compact.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_keys_are_loaded_again_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let keys = ZoneKeys::generate().unwrap();
        keys.save(dir.path()).unwrap();
        let loaded = ZoneKeys::load(dir.path()).unwrap();
        assert_eq!(loaded.public(), keys.public());
        assert!(matches!(
            keys.save(dir.path()),
            Err(KeyFileError::Exists { .. })
        ));
        let mode = |name| {
            let metadata = fs::metadata(dir.path().join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!((mode(KSK_FILE), mode(ZSK_FILE)), (0o600, 0o600));
    }

    #[test]
    fn a_file_left_by_a_crash_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ksk.pk8.pem.new"), "half").unwrap();
        ZoneKeys::generate().unwrap().save(dir.path()).unwrap();
        ZoneKeys::load(dir.path()).unwrap();
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        ZoneKeys::generate().unwrap().save(dir.path()).unwrap();
        let path = dir.path().join(ZSK_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = ZoneKeys::load(dir.path()).unwrap_err();
        assert!(matches!(error, KeyFileError::Mode { mode: 0o640, .. }));
        assert!(error.to_string().contains("0640"), "{error}");
    }

    #[test]
    fn two_blocks_or_broken_text_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let keys = ZoneKeys::generate().unwrap();
        keys.save(dir.path()).unwrap();
        let path = dir.path().join(KSK_FILE);
        let good = fs::read_to_string(&path).unwrap();
        for bad in [
            good.repeat(2),
            good.replace("PRIVATE", "PUBLIC"),
            good[..good.len() / 2].to_owned(),
            String::new(),
        ] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(
                ZoneKeys::load(dir.path()),
                Err(KeyFileError::Pem { .. })
            ));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            ZoneKeys::load(dir.path()),
            Err(KeyFileError::Io { .. })
        ));
    }
}
