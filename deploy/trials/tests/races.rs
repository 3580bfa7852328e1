//! The run `races`, small; and proof that it notices what a race must never give.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod program;

use iot_dns_zone::Profile;
use iot_epp_api::command::DeviceCommand;
use iot_epp_api::{Command, Role};
use iot_identity::{DeviceId, Fingerprint, Publication, Slot};
use iot_registry::start::Running;
use iot_trials::accounts::{self, Transactions, certificate_request};
use iot_trials::device_ids::DeviceIds;
use iot_trials::doors::{Addresses, Answer, Door, Line, Member};
use iot_trials::draws::Draws;
use iot_trials::inside::Inside;
use iot_trials::names::Names;
use iot_trials::races::judges::{Baselines, require_one, winner};
use iot_trials::races::{REPETITIONS, Races};
use program::registry_program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_race_for_an_id_one_has_it() {
    let races = Races {
        count: 40,
        seed: 20_261_122,
        program: registry_program(),
    };
    let report = races.run().await.unwrap();
    print!("{report}");
    let won = |name: &str| report.counts.get(name).copied().unwrap_or(0);
    for doors in ["JSON against JSON", "EPP against EPP"] {
        let [first, second] =
            ["first", "second"].map(|who| won(&format!("{doors}, won by the {who}")));
        assert_eq!(first + second, 10, "{report}");
    }
    let mixed = won("JSON against EPP, won by JSON") + won("JSON against EPP, won by EPP");
    assert_eq!(mixed, 20, "{report}");
    let firsts =
        won("JSON against JSON, won by the first") + won("EPP against EPP, won by the first");
    assert!((1..20).contains(&firsts), "it is no race: {report}");
    let repeated = won("repetitions of one registration");
    assert_eq!(repeated, u64::from(4 * REPETITIONS), "{report}");
}

/// A registry in the test's own process, and two operators at its doors.
struct Scene {
    _scratch: tempfile::TempDir,
    running: Running,
    names: Names,
    inside: Inside,
    /// Each operator's lines, in the order of [`Door::ALL`].
    lines: [[Line; 2]; 2],
    ids: DeviceIds,
    draws: Draws,
    transactions: Transactions,
}

impl Scene {
    async fn open() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("data");
        let directory = accounts::initialise(&path, Profile::Standard).unwrap();
        let running = Running::start(&directory).await.unwrap();
        let token = accounts::registry_token(&directory).unwrap();
        let registry = accounts::client(&directory, running.listen.api, token).unwrap();
        let addresses = Addresses {
            json: running.listen.api,
            epp: running.listen.epp.unwrap(),
        };
        let mut lines = Vec::new();
        for name in accounts::OPERATORS {
            let member = Member::enrol(&directory, &registry, name, Role::Mno);
            let member = member.await.unwrap();
            lines.push(Door::ALL.map(|door| Line::new(door, addresses, &member)));
        }
        Self {
            names: Names::at(&directory, running.listen.dot[0]).unwrap(),
            inside: Inside::open(&directory).unwrap(),
            lines: lines.try_into().ok().unwrap(),
            ids: DeviceIds::new(1, 0, 1, 20),
            draws: Draws::seeded(1, 0),
            transactions: Transactions::new("scene"),
            running,
            _scratch: scratch,
        }
    }

    fn new_id(&mut self) -> DeviceId {
        self.ids.next(&mut self.draws)
    }

    async fn give(&mut self, by: usize, door: Door, command: DeviceCommand) -> Answer {
        let id = self.transactions.new_id();
        let line = &mut self.lines[by][door as usize];
        line.give(&Command::Device(command), &id).await.unwrap()
    }

    async fn create(&mut self, by: usize, door: Door, device_id: DeviceId) -> Answer {
        let create = DeviceCommand::Create {
            device_id,
            csr: certificate_request().unwrap(),
            period: None,
            asp: None,
            auth_info: None,
        };
        self.give(by, door, create).await
    }

    async fn info(&mut self, by: usize, door: Door, device_id: DeviceId) -> Answer {
        let auth_info = None;
        let info = DeviceCommand::Info {
            device_id,
            auth_info,
        };
        self.give(by, door, info).await
    }
}

fn message(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_winners_none_a_second_certificate_and_a_told_owner_are_breaches() {
    let mut scene = Scene::open().await;
    let (first, other, absent) = (scene.new_id(), scene.new_id(), scene.new_id());
    let mut baselines = Baselines::default();
    for door in Door::ALL {
        let won = scene.create(0, door, first).await;
        let again = scene.create(0, door, first).await;
        let lost = scene.create(1, door, first).await;
        if door == Door::Json {
            assert_eq!(winner(&[won.clone(), lost.clone()]).unwrap(), 0);
            assert_eq!(winner(&[lost.clone(), won.clone()]).unwrap(), 1);
            let second = scene.create(1, door, other).await;
            let error = winner(&[won, second]).unwrap_err();
            assert!(message(&error).contains("2 of two won"), "{error:#}");
        }
        let error = winner(&[again.clone(), lost.clone()]).unwrap_err();
        assert!(message(&error).contains("0 of two won"), "{error:#}");

        baselines.exists.insert(door, (first, again.said));
        let gone = scene.info(1, door, absent).await;
        baselines.absent.insert(door, (absent, gone.said));
        baselines.require_exists(door, first, &lost.said).unwrap();
        let owner = lost.said.replace("already", "already by mno-a");
        assert_ne!(owner, lost.said);
        let error = baselines.require_exists(door, first, &owner).unwrap_err();
        assert!(message(&error).contains("mno-a"), "{error:#}");

        let foreign = scene.info(1, door, first).await;
        baselines
            .require_absent(door, first, &foreign.said)
            .unwrap();
        let own = scene.info(0, door, first).await;
        let error = baselines.require_absent(door, first, &own.said);
        assert!(message(&error.unwrap_err()).contains("who lost learns"));
    }

    let kept = scene.inside.kept(first).unwrap();
    let certificate = kept.credentials[0].1.clone();
    require_one(&kept, "mno-a", &certificate).unwrap();
    assert!(
        require_one(&kept, "mno-b", &certificate).is_err(),
        "another owner"
    );
    assert!(
        require_one(&kept, "mno-a", b"another").is_err(),
        "another certificate"
    );
    let new_slot = DeviceCommand::NewSlot {
        device_id: first,
        csr: certificate_request().unwrap(),
        asp: None,
    };
    assert!(scene.give(0, Door::Epp, new_slot).await.code.is_success());
    let kept = scene.inside.kept(first).unwrap();
    assert!(
        require_one(&kept, "mno-a", &certificate).is_err(),
        "two certificates"
    );
    let second = Slot::new(2).unwrap();
    let published = scene.names.expect(first, second, Publication::Absent).await;
    assert!(message(&published.unwrap_err()).contains("the DNS says"));
    let wrong = Publication::Active(Fingerprint::of_certificate(b"another"));
    assert!(scene.names.expect(first, Slot::FIRST, wrong).await.is_err());
    scene.running.stop().await;
}
