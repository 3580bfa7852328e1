//! Spreads work over all cores.

use std::num::NonZero;
use std::thread::{self, ScopedJoinHandle};

/// Below this many items a thread costs more than it saves: a signature takes some 40 µs, starting
/// a thread about as much.
const ITEMS_OF_A_THREAD_MIN: usize = 16;

/// Applies `work` to consecutive parts of `items`, in parallel when there are many; the results
/// are in the order of the parts.
pub(crate) fn map_parts<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let part = items.len().div_ceil(cores).max(ITEMS_OF_A_THREAD_MIN);
    if items.len() <= part {
        return vec![work(items)];
    }
    thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = items
            .chunks(part)
            .map(|part| {
                let thread = thread::Builder::new().spawn_scoped(scope, move || work(part));
                (part, thread)
            })
            .collect();
        parts
            .into_iter()
            .map(|(part, thread)| match thread.map(ScopedJoinHandle::join) {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // The system gives no more threads: slower, not wrong.
                Err(_) => work(part),
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        let parts = map_parts(&items, <[u32]>::to_vec);
        assert_eq!(parts.concat(), items);
        assert_eq!(map_parts(&items[..3], <[u32]>::len), [3]);
    }
}
