//! Standard output: everything that the commands print goes through here.
//!
//! Who reads may go before the end (`iot-registry device list | head -1`). That is no failure: nothing
//! more is written, and the command goes on, since what it does is more than what it prints. Any other
//! error, such as a full disk, is told once the command is done.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Octets that are collected before something long is shown.
const SHOWN_OCTETS: usize = 64 * 1024;

/// Why nothing is written any more.
static ENDED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line, in the manner of `println!`.
macro_rules! print_line {
    ($($text:tt)*) => {
        $crate::cli::output::write(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints text as it is, in the manner of `print!`.
macro_rules! print_text {
    ($($text:tt)*) => {
        $crate::cli::output::write(format_args!($($text)*))
    };
}

pub(crate) use {print_line, print_text};

fn ended() -> MutexGuard<'static, Option<io::Error>> {
    ENDED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the macros end in.
pub(crate) fn write(text: fmt::Arguments<'_>) {
    let mut ended = ended();
    if ended.is_none() {
        *ended = io::stdout().write_fmt(text).err();
    }
}

/// Whether printing more is of any use.
pub(super) fn is_open() -> bool {
    ended().is_none()
}

/// Whether an error says that whoever read has seen enough.
pub(super) fn is_of_no_reader(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

/// Prints something long for as long as somebody reads it.
pub(super) fn show(content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut shown = BufWriter::with_capacity(SHOWN_OCTETS, io::stdout().lock());
    let result = content(&mut shown).and_then(|()| shown.flush());
    // What is still in the buffer is of no use where writing failed.
    let _ = shown.into_parts();
    result.or_else(unless_no_reader)
}

/// Ends printing: why something that somebody waits for was not printed.
pub(super) fn finish() -> io::Result<()> {
    let result = match ended().take() {
        Some(error) => Err(error),
        None => io::stdout().flush(),
    };
    result.or_else(unless_no_reader)
}

fn unless_no_reader(error: io::Error) -> io::Result<()> {
    if is_of_no_reader(&error) {
        return Ok(());
    }
    Err(io::Error::new(
        error.kind(),
        format!("standard output: {error}"),
    ))
}
