//! The files of a job: its rows as they came, its results as they are given out. What counts of them
//! stands in the database; what lies behind that is written again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use iot_epp_api::command::JOB_ROW_OCTETS_MAX;

/// Octets that are read at once.
const READ_OCTETS: usize = 64 * 1024;

/// The directory with the files of all jobs.
#[derive(Clone, Debug)]
pub struct Spool {
    directory: PathBuf,
}

/// One row as it came, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRow {
    /// The line without its end; none when it is longer than a row may be.
    pub line: Option<Vec<u8>>,
    /// Octets up to and with its end.
    pub end: u64,
}

impl Spool {
    /// The spool in a directory, which is made where it is missing.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let directory = directory.to_owned();
        Ok(Self { directory })
    }

    fn path(&self, job_id: u64, kind: &str) -> PathBuf {
        self.directory.join(format!("{job_id}.{kind}"))
    }

    fn file(&self, job_id: u64, kind: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        options.open(self.path(job_id, kind))
    }

    /// Writes rows at this place, durably.
    ///
    /// # Errors
    /// They are not written, or not durable: nothing of them counts.
    pub fn write_rows(&self, job_id: u64, offset: u64, rows: &[u8]) -> io::Result<()> {
        self.write(job_id, "rows", offset, rows)
    }

    /// Writes results at this place, durably.
    ///
    /// # Errors
    /// They are not written, or not durable: nothing of them counts.
    pub fn write_results(&self, job_id: u64, offset: u64, results: &[u8]) -> io::Result<()> {
        self.write(job_id, "results", offset, results)
    }

    fn write(&self, job_id: u64, kind: &str, offset: u64, octets: &[u8]) -> io::Result<()> {
        let file = self.file(job_id, kind)?;
        file.write_all_at(octets, offset)?;
        file.sync_data()?;
        if offset == 0 {
            // The file's name is durable with its first octets.
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }

    /// Whether the last row is not longer than a row may be, once these octets stand at the end of the
    /// others: rows without an end would be read again whenever something is added to them.
    ///
    /// # Errors
    /// What is there cannot be read.
    pub fn ends_soon(
        &self,
        job_id: u64,
        (begin, end): (u64, u64),
        rows: &[u8],
    ) -> io::Result<bool> {
        let mut open = octets_behind_line(rows);
        if open == rows.len() && end > begin {
            let before = (end - begin).min(JOB_ROW_OCTETS_MAX as u64 + 1);
            let mut tail = vec![0; usize::try_from(before).unwrap_or(JOB_ROW_OCTETS_MAX + 1)];
            let file = self.file(job_id, "rows")?;
            file.read_exact_at(&mut tail, end - before)?;
            open += octets_behind_line(&tail);
        }
        Ok(open <= JOB_ROW_OCTETS_MAX)
    }

    /// Whole rows from this place, at most so many; with `is_closed` the end of the file ends a row too.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn rows(
        &self,
        job_id: u64,
        (begin, end): (u64, u64),
        is_closed: bool,
        count_max: usize,
    ) -> io::Result<Vec<RawRow>> {
        if begin == end {
            return Ok(Vec::new());
        }
        let file = self.file(job_id, "rows")?;
        let mut reader = Reader::new(&file, begin, end);
        let mut rows = Vec::new();
        while rows.len() < count_max {
            match reader.row(is_closed)? {
                Some(row) => rows.push(row),
                None => break,
            }
        }
        Ok(rows)
    }

    /// Results between two places.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn results(&self, job_id: u64, (begin, end): (u64, u64)) -> io::Result<impl Read> {
        let mut file = self.file(job_id, "results")?;
        file.seek(SeekFrom::Start(begin))?;
        Ok(file.take(end - begin.min(end)))
    }

    /// Removes the rows of a job that has ended: authorization information may be among them.
    pub fn remove_rows(&self, job_id: u64) {
        // What cannot be removed now goes with the results.
        let _ = std::fs::remove_file(self.path(job_id, "rows"));
    }

    /// Removes the files of a job.
    pub fn remove(&self, job_id: u64) {
        for kind in ["rows", "results"] {
            // What cannot be removed is removed by hand: it does not count any more.
            let _ = std::fs::remove_file(self.path(job_id, kind));
        }
    }
}

/// Octets behind the last end of a line.
fn octets_behind_line(octets: &[u8]) -> usize {
    let last = octets.iter().rposition(|octet| *octet == b'\n');
    octets.len() - last.map_or(0, |last| last + 1)
}

/// Takes lines out of a file, no longer ones than a row may be.
struct Reader<'a> {
    file: &'a File,
    /// Where `buffer` begins in the file, and where the file ends.
    offset: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Octets of `buffer` that were taken out.
    taken: usize,
}

impl<'a> Reader<'a> {
    fn new(file: &'a File, begin: u64, end: u64) -> Self {
        Self {
            file,
            offset: begin,
            end,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    fn row(&mut self, is_closed: bool) -> io::Result<Option<RawRow>> {
        let mut line = Vec::new();
        let mut is_too_long = false;
        loop {
            let rest = &self.buffer[self.taken..];
            let found = rest.iter().position(|octet| *octet == b'\n');
            let part = &rest[..found.unwrap_or(rest.len())];
            if line.len() + part.len() > JOB_ROW_OCTETS_MAX {
                is_too_long = true;
                line.clear();
            } else if !is_too_long {
                line.extend_from_slice(part);
            }
            let has_octets = !part.is_empty();
            self.taken += part.len() + usize::from(found.is_some());
            if found.is_some() {
                return Ok(Some(self.finished(line, is_too_long)));
            }
            if !self.fill()? {
                let begun = has_octets || !line.is_empty() || is_too_long;
                return Ok((is_closed && begun).then(|| self.finished(line, is_too_long)));
            }
        }
    }

    fn finished(&self, line: Vec<u8>, is_too_long: bool) -> RawRow {
        RawRow {
            line: (!is_too_long).then_some(line),
            end: self.offset + self.taken as u64,
        }
    }

    /// False at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.offset += self.buffer.len() as u64;
        self.taken = 0;
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        self.buffer.resize(READ_OCTETS.min(left), 0);
        self.file.read_exact_at(&mut self.buffer, self.offset)?;
        Ok(!self.buffer.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, is_closed: bool) -> Vec<(Option<String>, u64)> {
        let scratch = tempfile::tempdir().unwrap();
        let spool = Spool::open(scratch.path()).unwrap();
        spool.write_rows(1, 0, text.as_bytes()).unwrap();
        let range = (0, text.len() as u64);
        let rows = spool.rows(1, range, is_closed, 100).unwrap();
        let text = |line: Vec<u8>| String::from_utf8(line).unwrap();
        rows.into_iter()
            .map(|row| (row.line.map(text), row.end))
            .collect()
    }

    fn line(text: &str, end: u64) -> (Option<String>, u64) {
        (Some(text.to_owned()), end)
    }

    #[test]
    fn a_row_ends_with_its_line_or_with_a_closed_file() {
        assert_eq!(lines("a\nbc\nd", false), [line("a", 2), line("bc", 5)]);
        let closed = [line("a", 2), line("bc", 5), line("d", 6)];
        assert_eq!(lines("a\nbc\nd", true), closed);
        assert_eq!(lines("\n\n", true), [line("", 1), line("", 2)]);
        assert_eq!(lines("", true), []);
    }

    #[test]
    fn a_row_that_is_too_long_is_passed_over_whole() {
        let long = "x".repeat(3 * READ_OCTETS);
        let text = format!("{long}\nnext\n");
        let end = long.len() as u64 + 1;
        assert_eq!(lines(&text, false), [(None, end), line("next", end + 5)]);
        assert_eq!(lines(&long, false), []);
        assert_eq!(lines(&long, true), [(None, end - 1)]);
    }

    #[test]
    fn a_row_that_does_not_end_is_known_over_parts() {
        let scratch = tempfile::tempdir().unwrap();
        let spool = Spool::open(scratch.path()).unwrap();
        let part = "x".repeat(JOB_ROW_OCTETS_MAX);
        spool.write_rows(1, 0, b"{}\n").unwrap();
        assert!(spool.ends_soon(1, (0, 3), part.as_bytes()).unwrap());
        spool.write_rows(1, 3, part.as_bytes()).unwrap();
        let end = 3 + part.len() as u64;
        assert!(!spool.ends_soon(1, (0, end), b"y").unwrap());
        assert!(spool.ends_soon(1, (0, end), b"\n").unwrap());
        assert!(spool.ends_soon(1, (0, end), b"y\nnext").unwrap());
        assert!(spool.ends_soon(1, (end, end), b"y").unwrap());
        let long = format!("{part}y\n");
        assert!(spool.ends_soon(1, (0, 0), long.as_bytes()).unwrap());
    }

    #[test]
    fn rows_go_on_where_the_last_ones_ended() {
        let scratch = tempfile::tempdir().unwrap();
        let spool = Spool::open(scratch.path()).unwrap();
        spool.write_rows(1, 0, b"one\ntw").unwrap();
        spool.write_rows(1, 6, b"o\nthree\n").unwrap();
        let first = spool.rows(1, (0, 14), false, 2).unwrap();
        assert_eq!(first.len(), 2);
        let rest = spool.rows(1, (first[1].end, 14), false, 2).unwrap();
        assert_eq!(rest[0].line.as_deref(), Some(b"three".as_slice()));
    }
}
