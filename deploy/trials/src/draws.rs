//! Random choices that a seed determines.

use iot_dns_zone::Jitter;

/// A sequence of choices: the same seed makes the same ones.
#[derive(Clone, Debug)]
pub struct Draws(Jitter);

impl Draws {
    /// The sequence of a seed; `stream` tells apart those who draw at the same time.
    pub fn seeded(seed: u64, stream: u64) -> Self {
        let apart = stream.wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self(Jitter::seeded(seed ^ apart))
    }

    /// A number from 0 to `limit` - 1; 0 for a limit of 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0.below(limit)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of them, when there is any.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        let count = u32::try_from(among.len()).unwrap_or(u32::MAX);
        among.get(self.below(count) as usize)
    }

    /// One of them, each as often as its weight says; the weights add up to more than 0.
    pub fn weighted<T: Copy>(&mut self, among: &[(u32, T)]) -> T {
        let sum = among.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.below(sum);
        for (weight, choice) in among {
            match drawn.checked_sub(*weight) {
                None => return *choice,
                Some(rest) => drawn = rest,
            }
        }
        panic!("the weights add up to {sum}, and less was drawn")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_sequence_and_streams_differ() {
        let sequence = |seed, stream| {
            let mut draws = Draws::seeded(seed, stream);
            (0..20).map(|_| draws.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(sequence(1, 0), sequence(1, 0));
        assert_ne!(sequence(1, 0), sequence(2, 0));
        assert_ne!(sequence(1, 0), sequence(1, 1));
    }

    #[test]
    fn weights_are_kept() {
        let mut draws = Draws::seeded(3, 0);
        let rare = (0..1000).filter(|_| draws.weighted(&[(9, false), (1, true)]));
        assert!((60..150).contains(&rare.count()));
    }
}
