//! The run `resolvers`, small.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

use std::process::Command;

use iot_trials::compare::resolvers::Resolvers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unbound_and_delv_believe_what_we_say_and_nothing_that_has_expired() {
    let missing = ["unbound", "delv"].into_iter().find(|program| {
        let started = Command::new(program).arg("-h").output();
        started.is_err()
    });
    if let Some(program) = missing {
        let skip = std::env::var("IOT_SKIP_INTEROP").is_ok_and(|value| value == "1");
        assert!(skip, "{program} is needed; ./test installs it");
        return;
    }
    let resolvers = Resolvers {
        count: 200,
        seed: 20_261_122,
    };
    let report = resolvers.run().await.unwrap();
    print!("{report}");
    for state in [
        "asked: absent names",
        "asked: active credentials",
        "asked: texts, inactive credentials among them",
        "asked: other records",
        "asked: types that a name lacks",
        "asked: empty non-terminals",
        "expired answers that unbound calls bogus",
        "expired answers that delv calls bogus",
    ] {
        assert!(
            report.counts.get(state).is_some_and(|count| *count > 0),
            "{state}: {report}"
        );
    }
    assert_eq!(report.counts["answers of unbound, validated"], 600);
}
