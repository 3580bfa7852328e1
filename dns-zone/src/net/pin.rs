//! The cores that this process may use, and threads that stay on one of them.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Numbers of the allowed cores, ascending; empty when the system does not tell.
pub(super) fn allowed_cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|core| set.is_set(*core))
        .collect()
}

/// Keeps the calling thread on one core.
///
/// # Errors
/// The core is not there or not allowed, or the system does not let threads be moved.
pub(super) fn stay_on(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_on_the_core_it_was_given() {
        let cores = allowed_cores();
        assert!(!cores.is_empty());
        let last = cores[cores.len() - 1];
        let pinned = std::thread::spawn(move || {
            stay_on(last).unwrap();
            allowed_cores()
        });
        assert_eq!(pinned.join().unwrap(), [last]);
        assert_eq!(allowed_cores(), cores, "other threads move as before");
        assert!(stay_on(CpuSet::MAX_CPU).is_err());
    }
}
