//! Whose turn it is, where not everybody who is ready has one in a round.

/// Goes around those that are ready, a few a round. The kernel tells them in the same order again and
/// again: with the first few of every round, those who are always ready would keep out all others.
#[derive(Debug, Default)]
pub(super) struct Turns {
    next: usize,
}

impl Turns {
    /// Those of `ready` that have their turn now, at most `most`.
    pub(super) fn some<T>(&mut self, mut ready: Vec<T>, most: usize) -> Vec<T> {
        if ready.len() > most {
            let first = self.next % ready.len();
            self.next = first + most;
            ready.rotate_left(first);
            ready.truncate(most);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_stays_ready_has_a_turn_within_one_way_around() {
        for count in 1..=40 {
            let mut turns = Turns { next: 5 };
            let mut missing: Vec<usize> = (0..count).collect();
            for _ in 0..count.div_ceil(8) {
                let now = turns.some((0..count).collect(), 8);
                assert_eq!(now.len(), count.min(8));
                missing.retain(|number| !now.contains(number));
            }
            assert_eq!(missing, [], "of {count}");
        }
    }

    /// Eight who are always ready, and others of whom one leaves when it had its turn.
    #[test]
    fn nobody_is_kept_out_by_those_who_are_always_ready() {
        let mut turns = Turns::default();
        let mut honest: Vec<usize> = (100..130).collect();
        for _ in 0..100 {
            let ready = (0..8).chain(honest.iter().copied()).collect();
            let now = turns.some(ready, 8);
            honest.retain(|number| !now.contains(number));
        }
        assert_eq!(honest, []);
        assert_eq!(turns.some(Vec::<usize>::new(), 8), []);
    }
}
