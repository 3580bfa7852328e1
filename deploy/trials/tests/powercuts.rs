//! The run `powercuts`, small.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

use iot_trials::powercuts::PowerCuts;

#[test]
fn after_every_power_cut_the_zone_is_the_acknowledged_one_or_the_next() {
    let cuts = PowerCuts {
        count: 150,
        seed: 20_261_122,
        first: 0,
    };
    let report = cuts.run().unwrap();
    print!("{report}");
    assert_eq!(report.counts["cuts"], 150);
    for (what, fewest) in [
        ("versions acknowledged", 500),
        ("failures that ended the writer", 20),
        ("found: the acknowledged version", 50),
        ("found: the version on its way", 5),
        ("cuts while it opened or was built", 1),
    ] {
        let found = report.counts.get(what).copied().unwrap_or(0);
        assert!(found >= fewest, "{what}: {report}");
    }
}
