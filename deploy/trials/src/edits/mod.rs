//! Random sequences of edits on the signed zone itself, with its own clock: whatever order changes
//! and re-signing come in, the zone has to be the one that a full signing of the same state makes.
//!
//! Every sequence has a zone and a model of its own and follows from the seed and its number alone;
//! one in 21 has real keys, the others digests in place of signatures. After every batch nothing may
//! be signed anew that did not change; after every sequence the records equal those of a full
//! signing, no signature or NSEC is left over, and every signature verifies. Some sequences end
//! before the outside judges.
//!
//! In reading order: [`steps`] (what a sequence does), `zone` (the writer, and nothing else knows
//! it), `sequence` (playing it), `history` (what was released, and until when it can be replayed).

mod history;
mod sequence;
pub mod steps;
mod zone;

use std::time::Instant;

use crate::lanes;
use crate::report::Report;

/// A run to come.
#[derive(Clone, Copy, Debug)]
pub struct Edits {
    /// Sequences.
    pub count: u32,
    /// Determines all of them.
    pub seed: u64,
    /// Number of the first sequence: repeats a single one of a longer run.
    pub first: u32,
}

impl Edits {
    /// Runs the sequences on all cores.
    ///
    /// # Errors
    /// The first breach, with the number of its sequence.
    pub fn run(self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let counts = lanes::play(sequence::play, self.seed, self.first, self.count)?;
        Ok(Report {
            topic: "edits",
            seed: self.seed,
            count: self.count,
            counts,
            took: begin.elapsed(),
        })
    }
}
