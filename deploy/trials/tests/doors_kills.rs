//! The run `doors-kills`, small; and proof that it notices what is lost or doubled.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod program;

use std::time::Duration;

use iot_dns_zone::Profile;
use iot_epp_api::Role;
use iot_registry::https_client::HttpsClient;
use iot_registry::start::Running;
use iot_trials::accounts::{self, certificate_request};
use iot_trials::device_ids::DeviceIds;
use iot_trials::doors::{Addresses, Member};
use iot_trials::doors_kills::DoorsKills;
use iot_trials::doors_kills::device::Device;
use iot_trials::doors_kills::recovery::Witnesses;
use iot_trials::doors_kills::wish::{Asked, MEMBERS, Wish};
use iot_trials::doors_kills::worker::{Lines, Worker};
use iot_trials::draws::Draws;
use iot_trials::inside::audit;
use iot_trials::names::Names;
use program::{has_strace, registry_program};

/// The program is not optimised here, and other tests run beside it.
const READY_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_on_both_doors_lose_nothing_and_double_nothing() {
    let kills = DoorsKills {
        count: 8,
        seed: 20_261_122,
        program: registry_program(),
        with_points: has_strace(),
        ready_max: READY_MAX,
    };
    let report = kills.run().await.unwrap();
    print!("{report}");
    for kind in [
        "kills under load",
        "answers through JSON",
        "answers through EPP",
        "acknowledged: registrations",
        "acknowledged: transfers begun",
        "messages",
    ] {
        assert!(report.counts.contains_key(kind), "{kind}: {report}");
    }
}

/// A registry in the test's own process, and a client with one device.
struct Scene {
    scratch: tempfile::TempDir,
    running: Running,
    registry: HttpsClient,
    names: Names,
    lines: Lines,
    worker: Worker,
}

impl Scene {
    async fn open() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("data");
        let directory = accounts::initialise(&path, Profile::Standard).unwrap();
        let running = Running::start(&directory).await.unwrap();
        let token = accounts::registry_token(&directory).unwrap();
        let registry = accounts::client(&directory, running.listen.api, token).unwrap();
        let mut members = Vec::new();
        for (name, role) in MEMBERS.iter().zip([Role::Mno, Role::Mno, Role::Asp]) {
            let member = Member::enrol(&directory, &registry, name, role).await;
            members.push(member.unwrap());
        }
        let addresses = Addresses {
            json: running.listen.api,
            epp: running.listen.epp.unwrap(),
        };
        let mut ids = DeviceIds::new(1, 0, 1, 20);
        let mut draws = Draws::seeded(1, 0);
        let device_id = std::iter::repeat_with(|| ids.next(&mut draws))
            .find(|id| id.kind() == iot_identity::DeviceIdKind::Eid)
            .unwrap();
        let mut worker = Worker::new(ids, draws, "scene".to_owned());
        worker.devices.push(Device::new(device_id, 0));
        let mut scene = Self {
            names: Names::at(&directory, running.listen.dot[0]).unwrap(),
            lines: Lines::new(addresses, &members, 0),
            scratch,
            running,
            registry,
            worker,
        };
        let csr = certificate_request().unwrap();
        let is_bound = true;
        scene
            .carry_out(Wish::Create { csr, is_bound })
            .await
            .unwrap();
        scene
    }

    /// Something was asked, and no answer came: as after a kill.
    fn leave_open(&mut self, wish: Wish) -> Asked {
        let id = self.worker.transactions.new_id();
        let mut asked = Asked::new(wish, 0, id);
        asked.attempts = 1;
        self.worker.devices[0].open = Some(asked.clone());
        asked
    }

    async fn settle(&mut self) -> anyhow::Result<()> {
        let witnesses = Witnesses {
            registry: &self.registry,
            names: &self.names,
        };
        self.worker.settle(0, &mut self.lines, &witnesses).await
    }

    /// Asked without an answer, and settled.
    async fn carry_out(&mut self, wish: Wish) -> anyhow::Result<()> {
        self.leave_open(wish);
        self.settle().await
    }

    /// Carried out so often under the same name, and nobody heard of it.
    async fn carry_out_unheard(&mut self, wish: Wish, times: u32) -> anyhow::Result<()> {
        let device_id = self.worker.devices[0].device_id;
        let command = wish.command(device_id, 0);
        let asked = self.leave_open(wish);
        for _ in 0..times {
            let line = self.lines.draw(0, &mut self.worker.draws);
            let answer = line.give(&command, &asked.id).await.unwrap();
            assert!(answer.code.is_success(), "{answer:?}");
        }
        self.settle().await
    }

    /// What settling says when something else is known than is true.
    async fn breach(&mut self, change: impl FnOnce(&mut Device)) -> String {
        let known = self.worker.devices[0].clone();
        change(&mut self.worker.devices[0]);
        let error = self.settle().await.unwrap_err();
        self.worker.devices[0] = known;
        self.settle().await.unwrap();
        format!("{error:#}")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_heard_of_is_settled_whether_it_was_carried_out_or_not() {
    let mut scene = Scene::open().await;
    for was_carried_out in [false, true] {
        let end = scene.worker.devices[0].expires_at.unwrap();
        let csr = certificate_request().unwrap();
        let slot = iot_identity::Slot::FIRST;
        for wish in [
            Wish::SetHold(true),
            Wish::SetHold(false),
            Wish::Unbind(slot),
            Wish::Bind(slot),
            Wish::SetAuthInfo,
            Wish::Renew(end.date()),
            Wish::Push,
            Wish::Cancel,
            Wish::NewSlot {
                csr,
                is_bound: true,
            },
            Wish::Delete,
            Wish::Restore,
        ] {
            let asked = format!("{wish:?}");
            let settled = match was_carried_out {
                true => scene.carry_out_unheard(wish, 1).await,
                false => scene.carry_out(wish).await,
            };
            settled.unwrap_or_else(|error| panic!("{asked}: {error:#}"));
        }
    }
    let found = scene.worker.counts["unanswered and found whole"];
    assert_eq!(found, 11, "{:?}", scene.worker.counts);
    let doubled = scene.carry_out_unheard(Wish::SetHold(true), 2).await;
    let error = doubled.unwrap_err().to_string();
    assert!(error.contains("carried out 2 times, at most 1"), "{error}");
    scene.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_not_as_it_was_acknowledged_is_a_breach() {
    let mut scene = Scene::open().await;
    let lost = scene.breach(|device| device.version += 1).await;
    assert!(lost.contains("acknowledged and lost"), "{lost}");
    let doubled = scene.breach(|device| device.version -= 1).await;
    assert!(doubled.contains("at most 0 were asked for"), "{doubled}");
    for change in [
        (|device| device.is_held = true) as fn(&mut Device),
        |device| device.is_deleted = true,
        |device| device.sponsor = 1,
        |device| device.slots[0].is_withdrawn = true,
        |device| device.slots[0].is_bound = false,
        |device| device.slots.clear(),
        |device| device.expires_at = Some(device.expires_at.unwrap() + Duration::from_secs(1)),
    ] {
        let breach = scene.breach(change).await;
        assert!(breach.contains("known is"), "{breach}");
    }

    // A retry that makes a second device, or says that it did something anew that it had done.
    let open = scene.leave_open(Wish::SetHold(true));
    scene.worker.devices[0].open = Some(Asked {
        is_acknowledged: true,
        ..open
    });
    let error = scene.settle().await.unwrap_err().to_string();
    assert!(error.contains("acknowledged and lost"), "{error}");
    scene.worker.devices[0].open = None;

    let directory = iot_registry::directory::Directory::new(scene.scratch.path().join("data"));
    let audited = audit(&directory, None).await.unwrap();
    audit(&directory, Some(audited.head)).await.unwrap();
    let error = audit(&directory, Some([7; 32])).await.unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
    for (change, effects) in &scene.worker.effects {
        assert_eq!(audited.changes.get(change), Some(effects), "{change:?}");
    }
    scene.running.stop().await;
}
