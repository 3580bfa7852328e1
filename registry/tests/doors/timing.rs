//! What who has no part in a device learns from the time that an answer takes: nothing.
//!
//! Both cases are asked for in turn and their medians compared, which other work on the machine slows
//! alike. A difference counts when it is large in itself, against the answer, and against what the same
//! case differs from itself, three times in a row: a key derivation or a second commit is that, noise is
//! not.

use std::time::{Duration, Instant};

use iot_epp_api::command::{Command, DeviceChange, DeviceCommand, TransferCommand};
use iot_epp_api::secret::Secret;
use iot_epp_api::transfer::Arrival;
use iot_epp_api::{Door, ResultCode};
use iot_identity::DeviceId;

use crate::stage::*;

/// Times that each case is asked for.
const ROUNDS: usize = 120;
/// The same for authorization information, which an account may guess at 100 times.
const GUESS_ROUNDS: usize = 60;
/// Guesses of one account at each case, and at a device before it is given new authorization information.
const ROUNDS_OF_ACCOUNT: usize = 30;
const GUESSES_BEFORE_VOID: usize = 15;
const ATTEMPTS: usize = 3;
/// On a machine that is busy, fewer rounds are enough, from this many on.
const ROUNDS_LEAST: usize = 40;
const LONG: Duration = Duration::from_secs(1);
/// Differences below this are never counted.
const LEAST: Duration = Duration::from_micros(300);
/// One part in so many of the faster case's median.
const SHARE: u32 = 4;
/// So many times what the same case differs from itself.
const OF_NOISE: u32 = 2;

/// A device of somebody else, and one that never was.
fn cases() -> [DeviceId; 2] {
    [eid(1), eid(2)]
}

struct Cast {
    stage: Stage,
    sponsor: Party,
    met: usize,
}

impl Cast {
    async fn open() -> Self {
        let stage = Stage::open().await;
        let sponsor = stage.mno("mno-sponsor").await;
        sponsor.issued(create(eid(1))).await;
        sponsor.changed(set_auth_info(eid(1))).await;
        Self {
            stage,
            sponsor,
            met: 0,
        }
    }

    /// A stranger at a door, by whom nothing has been guessed yet.
    async fn stranger(&mut self, door: Door) -> Line {
        self.met += 1;
        let mut stranger = self.stage.mno(&format!("stranger-{}", self.met)).await;
        match door {
            Door::Epp => {
                stranger.enrol(&self.stage).await;
                Line::Epp(Box::new(RawTalk::begin(&self.stage, &stranger).await))
            }
            _ => Line::Json(Box::new(stranger)),
        }
    }
}

/// A connection that stays open.
enum Line {
    Json(Box<Party>),
    Epp(Box<RawTalk>),
}

impl Line {
    /// How long the answer takes, which has to have this code.
    async fn time(&mut self, command: Command, code: ResultCode) -> Duration {
        let begin = Instant::now();
        match self {
            Self::Json(party) => {
                let given = party.code(command).await;
                let elapsed = begin.elapsed();
                assert_eq!(given, code);
                elapsed
            }
            Self::Epp(talk) => {
                let answer = talk.give(&command, "TIMED-1").await;
                let elapsed = begin.elapsed();
                let code = format!("code=\"{}\"", code.number());
                assert!(answer.contains(&code), "{answer}");
                elapsed
            }
        }
    }
}

/// How long each answer took: of what is there, and of what is not.
struct Times {
    begun: Instant,
    of: [Vec<Duration>; 2],
}

impl Times {
    fn begin() -> Self {
        let (begun, of) = (Instant::now(), Default::default());
        Self { begun, of }
    }

    fn are_enough(&self) -> bool {
        self.of[0].len() >= ROUNDS_LEAST && self.begun.elapsed() > LONG
    }

    /// Asks for both once. Neither is always first.
    async fn round(&mut self, line: &mut Line, asked: [Command; 2], code: ResultCode) {
        let [there, absent] = asked;
        let mut turns = [(0, there), (1, absent)];
        if self.of[0].len() % 2 == 1 {
            turns.reverse();
        }
        for (case, command) in turns {
            let time = line.time(command, code).await;
            self.of[case].push(time);
        }
    }

    /// What tells the cases apart, if anything does.
    fn difference(&self) -> Option<String> {
        let [there, absent] = [0, 1].map(|case| median(self.of[case].iter()));
        // What was asked for first is compared with what was asked for second.
        let noise = [0, 1].map(|case| {
            let halves = [0, 1].map(|half| median(self.of[case].iter().skip(half).step_by(2)));
            halves[0].abs_diff(halves[1])
        });
        let noise = noise[0].max(noise[1]);
        let found = there.abs_diff(absent);
        let told = format!("there {there:?}, absent {absent:?}, by itself {noise:?}");
        let counts = found > LEAST && found > there.min(absent) / SHARE && found > noise * OF_NOISE;
        counts.then_some(told)
    }
}

fn median<'a>(times: impl Iterator<Item = &'a Duration>) -> Duration {
    let mut times: Vec<Duration> = times.copied().collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Commands to which a device of somebody else is not there.
fn blind(device_id: DeviceId) -> [(&'static str, Command); 4] {
    let removed = vec![DeviceChange::ClearAuthInfo];
    [
        ("info", info(device_id)),
        ("hold", hold(device_id)),
        (
            "update",
            Command::Device(DeviceCommand::Update {
                device_id,
                changes: removed,
            }),
        ),
        ("delete", delete(device_id)),
    ]
}

async fn foreign_and_absent_take_the_same_time(door: Door) {
    let mut cast = Cast::open().await;
    let mut line = cast.stranger(door).await;
    for nth in 0..blind(eid(1)).len() {
        let asked = || cases().map(|id| blind(id)[nth].1.clone());
        let mut found = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut times = Times::begin();
            for _ in 0..ROUNDS {
                let code = ResultCode::ObjectDoesNotExist;
                times.round(&mut line, asked(), code).await;
                if times.are_enough() {
                    break;
                }
            }
            match times.difference() {
                Some(difference) => found.push(difference),
                None => break,
            }
        }
        let verb = blind(eid(1))[nth].0;
        assert!(found.len() < ATTEMPTS, "{verb}: {found:#?}");
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_device_takes_the_time_of_an_absent_one_at_the_json_door() {
    foreign_and_absent_take_the_same_time(Door::Json).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_device_takes_the_time_of_an_absent_one_at_the_epp_door() {
    foreign_and_absent_take_the_same_time(Door::Epp).await;
}

/// Commands with wrong authorization information.
fn guesses(device_id: DeviceId) -> [(&'static str, Command); 3] {
    let presented = "some-wrong-auth-info-1";
    let query = TransferCommand::Query {
        device_id,
        auth_info: Some(Secret::new(presented)),
    };
    [
        ("info", info_with(device_id, Some(presented))),
        ("pull", pull(device_id, presented, Arrival::AsIs)),
        ("query", Command::Transfer(query)),
    ]
}

async fn wrong_and_absent_take_the_same_time(door: Door) {
    let mut cast = Cast::open().await;
    for nth in 0..guesses(eid(1)).len() {
        let asked = || cases().map(|id| guesses(id)[nth].1.clone());
        let mut found = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut times = Times::begin();
            let mut line = cast.stranger(door).await;
            for round in 0..GUESS_ROUNDS {
                if round > 0 && round % ROUNDS_OF_ACCOUNT == 0 {
                    line = cast.stranger(door).await;
                }
                if round % GUESSES_BEFORE_VOID == 0 {
                    cast.sponsor.changed(set_auth_info(eid(1))).await;
                }
                let code = ResultCode::InvalidAuthorizationInformation;
                times.round(&mut line, asked(), code).await;
                if times.are_enough() {
                    break;
                }
            }
            match times.difference() {
                Some(difference) => found.push(difference),
                None => break,
            }
        }
        let verb = guesses(eid(1))[nth].0;
        assert!(found.len() < ATTEMPTS, "{verb}: {found:#?}");
    }
    cast.stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_authorization_information_takes_the_time_of_an_absent_device_at_the_json_door() {
    wrong_and_absent_take_the_same_time(Door::Json).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_authorization_information_takes_the_time_of_an_absent_device_at_the_epp_door() {
    wrong_and_absent_take_the_same_time(Door::Epp).await;
}
