//! The run `edits`, small.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

use iot_trials::edits::Edits;

#[test]
fn every_sequence_of_edits_ends_in_the_zone_of_a_full_signing() {
    let edits = Edits {
        count: 60,
        seed: 20_261_122,
        first: 0,
    };
    let report = edits.run().unwrap();
    print!("{report}");
    assert_eq!(report.counts["sequences"], 60);
    for (what, fewest) in [
        ("batches", 300),
        ("changes", 600),
        ("signatures made again", 100),
        ("signatures verified", 2_000),
        ("sequences with real keys", 3),
    ] {
        assert!(report.counts[what] >= fewest, "{what}: {report}");
    }
}
