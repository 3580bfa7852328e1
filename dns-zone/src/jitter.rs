//! Pseudo-random numbers that pick samples for the gate.
//!
//! Not for secrets: a value seeded from outside, so that deciding code stays a pure function.

/// A sequence of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Jitter {
    state: u64,
}

impl Jitter {
    /// The sequence that a seed determines.
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number from 0 to `limit` - 1; 0 for a limit of 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        // The upper half of a 64-bit product is evenly spread enough for samples.
        ((u64::from(self.next() as u32) * u64::from(limit)) >> 32) as u32
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_over_the_whole_range() {
        let mut jitter = Jitter::seeded(7);
        let mut buckets = [0_u32; 10];
        for _ in 0..10_000 {
            buckets[jitter.below(10) as usize] += 1;
        }
        assert!(
            buckets.iter().all(|count| (800..1200).contains(count)),
            "{buckets:?}"
        );
        assert_eq!(jitter.below(0), 0);
        assert_eq!(jitter.below(1), 0);
    }
}
