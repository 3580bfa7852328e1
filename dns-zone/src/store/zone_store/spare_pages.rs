//! How many free pages nobody has needed for a while: only those are given back to the file system.
//!
//! The number of free pages swings with the checkpoints: each lets go what was given up since the one
//! before, and the commits after it take that again. What stays free at the bottom of every swing is
//! too much; the rest would be punched and filled again with every commit.

/// The fewest free pages since the last checkpoint, and between that one and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SparePages {
    since_checkpoint: Option<usize>,
    /// None until a checkpoint was seen.
    before: Option<usize>,
}

impl SparePages {
    /// After a commit has taken its pages.
    pub(super) fn note(&mut self, free: usize) {
        self.since_checkpoint = Some(self.since_checkpoint.unwrap_or(free).min(free));
    }

    /// After a checkpoint has become durable.
    pub(super) fn note_checkpoint(&mut self) {
        self.before = self.since_checkpoint.take();
    }

    /// Pages that stayed free for more than the time between two checkpoints.
    pub(super) fn unused(&self) -> usize {
        match (self.before, self.since_checkpoint) {
            (Some(before), Some(since)) => before.min(since),
            _ => 0,
        }
    }

    /// So many of them were given back.
    pub(super) fn note_given(&mut self, pages: usize) {
        for least in [&mut self.before, &mut self.since_checkpoint] {
            *least = least.map(|least| least.saturating_sub(pages));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stayed_free_between_two_checkpoints_is_unused() {
        let mut spare = SparePages::default();
        spare.note(900);
        assert_eq!(spare.unused(), 0, "nothing is known yet");
        spare.note(300);
        spare.note_checkpoint();
        assert_eq!(spare.unused(), 0);
        spare.note(800);
        assert_eq!(spare.unused(), 300);
        spare.note(200);
        assert_eq!(spare.unused(), 200);
        spare.note_given(150);
        assert_eq!(spare.unused(), 50);
        spare.note_checkpoint();
        spare.note(700);
        assert_eq!(spare.unused(), 50);
        spare.note_checkpoint();
        spare.note(600);
        assert_eq!(spare.unused(), 600);
    }
}
