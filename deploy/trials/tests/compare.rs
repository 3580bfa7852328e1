//! The run `compare`, small.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

use std::collections::BTreeSet;

use iot_trials::compare::reasons::REASONS;
use iot_trials::compare::{Brand, Compare};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_servers_with_the_same_zone_answer_the_same() {
    let missing = Brand::ALL
        .into_iter()
        .find(|brand| brand.version().is_none());
    if let Some(brand) = missing {
        let skip = std::env::var("IOT_SKIP_INTEROP").is_ok_and(|value| value == "1");
        assert!(skip, "{} is needed; ./test installs it", brand.program());
        return;
    }
    let compare = Compare {
        count: 1_000,
        seed: 20_261_122,
        keep_going: true,
    };
    let report = compare.run().await.unwrap();
    print!("{report}");
    let responses: u64 = report
        .counts
        .iter()
        .filter(|(name, _)| name.starts_with("responses"))
        .map(|(_, number)| number)
        .sum();
    assert_eq!(responses, 6_000, "three servers, over UDP and over TCP");
    assert!(report.counts["responses the same"] >= 4_000, "{report}");
}

#[test]
fn every_reason_says_what_the_standards_say_of_it() {
    let names: BTreeSet<&str> = REASONS.iter().map(|reason| reason.name).collect();
    assert_eq!(names.len(), REASONS.len(), "two reasons have one name");
    for reason in REASONS {
        let cited = reason.text.contains("RFC ") || reason.text.contains("class");
        assert!(cited, "{}: {}", reason.name, reason.text);
    }
}
