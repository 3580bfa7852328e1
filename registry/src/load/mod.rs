//! Loading a file of credentials that were issued elsewhere: a migration, or a measurement.
//!
//! The whole file is read, checked and held against the database before anything is written. Then it
//! goes into the database in transactions of some thousand lines, each of which also writes down how
//! far it came: after a crash, the same command goes on there. The zone is built anew at the end.

mod duplicates;
mod line;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use thiserror::Error;

pub(crate) use line::LoadedCredential;
use line::{LINE_OCTETS_MAX, LineError};

use crate::lifecycle;
use crate::store::{
    BeginLoad, CheckLines, LoadLines, LoadProgress, LoadRefusal, Origin, Store, StoreError,
};
use duplicates::Seen;

/// Lines in one transaction.
const TRANSACTION_LINES: u64 = 10_000;
/// Wrong lines that are reported before the reading is given up.
const REPORTED_MAX: usize = 20;

/// Why a file was not loaded, or not to its end.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It can be read once only, and has to be read several times.
    #[error("{} is not a file but a pipe or a device: save what it gives to a file first", .0.display())]
    NotAFile(PathBuf),
    /// Lines that cannot be read, or that say what others say; nothing was loaded.
    #[error("{}; nothing was loaded", .0.join("; "))]
    Lines(Vec<String>),
    /// The file became another while it was read.
    #[error("the file has changed since it was checked; load it again")]
    Changed,
    /// A line does not go together with what the database has.
    #[error("{refusal}; {}", what_stays(*.loaded))]
    Refused {
        /// Which line, and why.
        refusal: LoadRefusal,
        /// Lines at the beginning that an earlier attempt has loaded; they stay.
        loaded: u64,
    },
    /// The database failed; what was reported as progress stays, and the same command goes on there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn what_stays(loaded: u64) -> String {
    if loaded == 0 {
        return "nothing was loaded".to_owned();
    }
    format!(
        "lines 1 to {loaded} of this file are loaded and stay; load the corrected rest (from line {}) \
         as a file of its own",
        loaded + 1
    )
}

/// A file that was read to its end and found to be right.
#[derive(Debug)]
pub struct Checked {
    path: PathBuf,
    digest: [u8; 32],
    /// Lines in it, empty ones included.
    pub lines: u64,
    /// Credentials in it.
    pub credentials: u64,
}

/// Reads a file to its end and checks every line, also against all others. Takes sixteen octets of
/// memory a credential.
///
/// # Errors
/// [`LoadError::Io`], [`LoadError::NotAFile`] or [`LoadError::Lines`].
pub fn check(path: &Path) -> Result<Checked, LoadError> {
    let mut lines = Lines::open(path, 0, 0)?;
    let mut credentials = 0;
    let mut wrong = Vec::new();
    let mut seen = Seen::default();
    while let Some(line) = lines.next()? {
        match line {
            Ok(None) => {}
            Ok(Some(credential)) => {
                credentials += 1;
                seen.note(&credential);
            }
            Err(error) => wrong.push(format!("line {}: {error}", lines.number)),
        }
        if wrong.len() == REPORTED_MAX {
            break;
        }
    }
    if wrong.is_empty() {
        wrong = repeated_lines(path, seen)?;
    }
    if wrong.len() == REPORTED_MAX {
        wrong.push("and perhaps more".to_owned());
    }
    if !wrong.is_empty() {
        return Err(LoadError::Lines(wrong));
    }
    let digest = lines.digest.finish();
    Ok(Checked {
        path: path.to_owned(),
        digest: digest.as_ref().try_into().expect("SHA-256 has 32 octets"),
        lines: lines.number,
        credentials,
    })
}

/// The lines whose device and slot, or fingerprint, an earlier line has.
fn repeated_lines(path: &Path, seen: Seen) -> Result<Vec<String>, LoadError> {
    let mut wrong = Vec::new();
    let Some(mut suspects) = seen.suspects() else {
        return Ok(wrong);
    };
    let mut lines = Lines::open(path, 0, 0)?;
    while let Some(line) = lines.next()? {
        match line {
            Ok(None) => {}
            Ok(Some(credential)) => wrong.extend(suspects.look(lines.number, &credential)),
            Err(_) => return Err(LoadError::Changed),
        }
        if wrong.len() == REPORTED_MAX {
            break;
        }
    }
    Ok(wrong)
}

/// Loads a checked file into the database, from where an earlier attempt came to, unless one of its
/// lines does not go together with what the database has. `account` will sponsor the devices, whose
/// registrations last so many months; `progress` is told the number of lines that are durable.
///
/// # Errors
/// [`LoadError`]; what was reported as progress stays.
pub async fn load(
    store: &Store,
    origin: Origin,
    account: &str,
    file: &Checked,
    (now, months): (u64, u32),
    mut progress: impl FnMut(u64),
) -> Result<(), LoadError> {
    let (account, digest) = (account.to_owned(), file.digest);
    let mut before = store
        .commit(BeginLoad {
            origin,
            account: account.clone(),
            digest,
            now,
        })
        .await?;
    let begun = before;
    let refused = |error| match error {
        StoreError::Load(refusal) => LoadError::Refused {
            refusal,
            loaded: begun.lines,
        },
        error => LoadError::Store(error),
    };
    let mut lines = Lines::open(&file.path, before.octets, before.lines)?;
    while lines.number < file.lines {
        let (account, credentials) = (account.clone(), lines.some(file)?);
        let check = CheckLines {
            account,
            credentials,
            begun_at: begun.begun_at,
        };
        store.commit(check).await.map_err(refused)?;
    }
    let mut lines = Lines::open(&file.path, before.octets, before.lines)?;
    let expires_at = lifecycle::months_after(before.begun_at, months).unwrap_or(u64::MAX);
    progress(before.lines);
    while before.lines < file.lines {
        let credentials = lines.some(file)?;
        let after = LoadProgress {
            lines: lines.number,
            octets: lines.octets,
            begun_at: before.begun_at,
        };
        store
            .commit(LoadLines {
                account: account.clone(),
                digest,
                credentials,
                before,
                after,
                expires_at,
                now,
            })
            .await
            .map_err(refused)?;
        before = after;
        progress(before.lines);
    }
    Ok(())
}

/// The lines of a file, with their numbers, and where they end.
struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    digest: Context,
    /// Number of the line that was read last, from 1.
    number: u64,
    /// Octets up to its end.
    octets: u64,
    buffer: Vec<u8>,
}

impl Lines {
    fn open(path: &Path, octets: u64, number: u64) -> Result<Self, LoadError> {
        let open = || {
            // Asked before it is opened: opening a pipe would wait for somebody to write.
            if !std::fs::metadata(path)?.is_file() {
                return Ok(None);
            }
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(octets))?;
            Ok(Some(file))
        };
        let file = open().map_err(|source| LoadError::Io {
            path: path.to_owned(),
            source,
        })?;
        let file = file.ok_or_else(|| LoadError::NotAFile(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, file),
            digest: Context::new(&SHA256),
            number,
            octets,
            buffer: Vec::with_capacity(LINE_OCTETS_MAX + 2),
        })
    }

    /// The next line; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Result<Option<LoadedCredential>, LineError>>, LoadError> {
        self.buffer.clear();
        // One octet more than a line and its end: longer ones are seen without being read whole.
        let limit = LINE_OCTETS_MAX as u64 + 2;
        let read = self
            .reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.buffer);
        let count = read.map_err(|source| LoadError::Io {
            path: self.path.clone(),
            source,
        })?;
        if count == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.octets += count as u64;
        self.digest.update(&self.buffer);
        if count as u64 == limit && !self.buffer.ends_with(b"\n") {
            return Ok(Some(Err(LineError::NotALine)));
        }
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        Ok(Some(LoadedCredential::parse(line)))
    }

    /// The credentials of the next lines of a checked file, as many as are one transaction, with the
    /// lines' numbers.
    fn some(&mut self, file: &Checked) -> Result<Vec<(u64, LoadedCredential)>, LoadError> {
        let mut credentials = Vec::new();
        for _ in 0..TRANSACTION_LINES.min(file.lines.saturating_sub(self.number)) {
            match self.next()? {
                Some(Ok(None)) => {}
                Some(Ok(Some(credential))) => credentials.push((self.number, credential)),
                None | Some(Err(_)) => return Err(LoadError::Changed),
            }
        }
        Ok(credentials)
    }
}
