//! The publisher turn by turn, over a journal that was written before.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use iot_dns_zone::{Ceiling, Entry, Opening, Profile, Start, StaticRecords, ZoneConfig, ZoneKeys};
use iot_identity::{Fingerprint, Publication, ZoneName};
use tempfile::TempDir;
use tracing::field::{Field, Visit};

use super::*;
use crate::store::{StartUp, Step, sql};

const ACTIVE: &str = "activate";
const HOLD: &str = "deactivate";

fn eid(number: u64) -> DeviceId {
    let stem = format!("890490320000{number:018}");
    let rest = stem.bytes().fold(0_u64, |rest, digit| {
        (rest * 10 + u64::from(digit - b'0')) % 97
    });
    DeviceId::parse(&format!("{stem}{:02}", 98 - rest * 100 % 97)).unwrap()
}

fn fingerprint(number: u64) -> Fingerprint {
    Fingerprint::of_certificate(&number.to_be_bytes())
}

fn active(number: u64) -> Publication {
    Publication::Active(fingerprint(number))
}

/// Appends rows to the journal: device and kind.
struct Append(Vec<(u64, &'static str)>);

impl Step for Append {
    type Output = ();

    fn run(self, connection: &sql::Connection) -> Result<(), StoreError> {
        for (number, kind) in self.0 {
            let active = kind == ACTIVE;
            sql::query(
                "INSERT INTO journal
                 (seq, device_id, slot, kind, publication, fingerprint, committed_at)
                 SELECT journal_head + 1, ?, 1, ?, ?, ?, seen_at FROM registry",
            )
            .bind(eid(number).as_str())
            .bind(kind)
            .bind(if active { "active" } else { "inactive" })
            .bind(active.then(|| fingerprint(number).as_octets().to_vec()))
            .execute(connection)?;
            sql::query("UPDATE registry SET journal_head = journal_head + 1")
                .execute(connection)?;
        }
        Ok(())
    }
}

/// A database with a journal, and a zone beside it.
struct Place {
    dir: TempDir,
    store: Store,
    config: ZoneConfig,
    /// Tokens of the processes that were.
    token: u64,
    /// How long ago the zone is built.
    secs_ago: u64,
}

impl Place {
    async fn new(journal: Vec<(u64, &'static str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("registry.db")).await.unwrap();
        let apex = ZoneName::parse("iotregistry.example").unwrap();
        let step = StartUp {
            zone: apex.clone(),
            ksk_hash: [0; 32],
            new_database_id: [1; 16],
            now: unix_now(),
        };
        store.commit(step).await.unwrap();
        store.commit(Append(journal)).await.unwrap();
        ZoneKeys::generate().unwrap().save(dir.path()).unwrap();
        let config = ZoneConfig {
            apex,
            profile: Profile::Standard,
            name_servers: vec!["ns.example.net".into()],
            contact: "h@example.net".into(),
            static_records: StaticRecords::default(),
        };
        Self {
            dir,
            store,
            config,
            token: 0,
            secs_ago: 0,
        }
    }

    fn start(&mut self, applied: u64) -> Start {
        self.token += 1;
        Start {
            database_id: [1; 16],
            fencing_token: self.token,
            applied,
            serial_above: 0,
            ceiling: Ceiling::for_start(Profile::Standard, 0, unix_now()),
            released_until: 0,
            lost_until: 0,
        }
    }

    fn task(&self, writer: ZoneWriter) -> Task {
        let applied = writer.snapshot().applied();
        let shared = Shared::new(applied, 0);
        Task::new(writer, self.store.clone(), Arc::new(shared), applied)
    }

    fn keys(&self) -> ZoneKeys {
        ZoneKeys::load(self.dir.path()).unwrap()
    }

    /// The first process, over a zone of these devices.
    fn first(&mut self, numbers: std::ops::Range<u64>) -> Task {
        let entries = numbers.map(|number| {
            Ok::<_, std::convert::Infallible>(Entry {
                device_id: eid(number),
                slot: Slot::FIRST,
                publication: active(number),
                released_until: None,
            })
        });
        let (start, keys) = (self.start(0), self.keys());
        let config = self.config.clone();
        let (zone, now) = (self.dir.path(), unix_now() - self.secs_ago);
        let writer = ZoneWriter::build(zone, config, keys, entries, start, now);
        self.task(writer.unwrap())
    }

    /// Another process over the zone of the one before, which has ended.
    async fn next(&mut self) -> Task {
        let head = self.store.journal_head().await.unwrap();
        let (start, keys) = (self.start(head), self.keys());
        let opening = ZoneWriter::open(self.dir.path(), &self.config, keys, start, unix_now());
        let Opening::Ready(writer) = opening.unwrap() else {
            panic!("the zone is there");
        };
        self.task(*writer)
    }

    async fn row(&self, seq: u64) -> JournalRow {
        self.store.journal_row(seq).await.unwrap().unwrap()
    }

    /// Waits until what came of a row is written down.
    async fn written_down(&self, seq: u64, expected: impl Fn(&JournalRow) -> bool) {
        for _ in 0..500 {
            if expected(&self.row(seq).await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.row(seq).await);
    }
}

fn said(task: &Task, number: u64) -> Publication {
    let snapshot = task.writer.snapshot();
    snapshot.publication(eid(number), Slot::FIRST).unwrap()
}

async fn turn(task: &mut Task) -> bool {
    match task.turn().await {
        Ok(busy) => busy,
        Err(Failure::Zone(error) | Failure::Signing(error)) => panic!("{error}"),
        Err(Failure::Store(error)) => panic!("{error}"),
        Err(Failure::Clock(error)) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_jumped_before_a_restart_is_not_undone_on_the_way() {
    // Each device is activated, the two that are looked at twice as late; at the end come holds:
    // one device's is among the first that jump, the other's is not.
    let (early, late) = (5_000, 6_000);
    let mut journal: Vec<_> = (1..=1_900).map(|number| (number, ACTIVE)).collect();
    (journal[1_399], journal[1_499]) = ((early, ACTIVE), (late, ACTIVE));
    journal.extend((1..=100).map(|number| match number {
        10 => (early, HOLD),
        90 => (late, HOLD),
        number => (number, HOLD),
    }));
    let mut place = Place::new(journal).await;
    let mut first = place.first(0..0);
    while first.applied < 1024 {
        turn(&mut first).await;
    }
    for number in [early, late] {
        assert_eq!(said(&first, number), Publication::Inactive, "it jumped");
    }
    drop(first);

    let mut second = place.next().await;
    while second.applied < 2_000 {
        turn(&mut second).await;
        for number in [early, late] {
            let applied = second.applied;
            assert_eq!(said(&second, number), Publication::Inactive, "at {applied}");
        }
    }
    assert_eq!(said(&second, 700), active(700));
    assert_eq!(said(&second, 50), Publication::Inactive);
    for seq in [1_400, 1_500] {
        place.written_down(seq, |row| row.superseded).await;
    }
}

/// Counts the alarms of one thread, and what else it says.
#[derive(Clone, Default)]
struct Alarms {
    alarms: Arc<Mutex<Vec<String>>>,
    others: Arc<Mutex<Vec<String>>>,
}

impl Alarms {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.alarms.lock().unwrap())
    }

    fn take_others(&self) -> Vec<String> {
        std::mem::take(&mut self.others.lock().unwrap())
    }
}

#[derive(Default)]
struct Seen {
    alarm: bool,
    message: String,
}

impl Visit for Seen {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.alarm |= field.name() == "alarm" && value;
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Alarms {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        let said = if seen.alarm {
            &self.alarms
        } else {
            &self.others
        };
        said.lock().unwrap().push(seen.message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_rises_when_signatures_come_close_to_their_end() {
    use tracing_subscriber::layer::SubscriberExt as _;

    let alarms = Alarms::default();
    let subscriber = tracing_subscriber::registry().with(alarms.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut place = Place::new(Vec::new()).await;
    let begin = unix_now();
    let mut task = place.first(1..65);
    // While all goes well, 900 s of 3,600 are left at the worst.
    let mut said = |age_secs| {
        task.health.look(&task.writer, begin + age_secs);
        let alarms = alarms.take();
        assert!(
            alarms
                .iter()
                .all(|alarm| alarm.contains("close to their end"))
        );
        alarms.len()
    };
    assert_eq!(said(1_800), 0);
    assert_eq!(said(3_100), 0);
    assert_eq!(said(3_200), 1, "less than half");
    assert_eq!(said(3_300), 0, "is said once");
    assert_eq!(said(3_450), 1, "less than a quarter");
    assert_eq!(said(3_700), 0);
    let late = begin + 3_700;
    while task.writer.next_work_at() <= late {
        task.writer.work(late, 1_000).unwrap();
    }
    let mut said = |age_secs| {
        task.health.look(&task.writer, begin + age_secs);
        alarms.take().len()
    };
    assert_eq!(said(3_720), 0);
    assert_eq!(said(3_700 + 3_200), 1, "again");
}

/// A statement that takes the journal away, or gives it back.
struct Statement(&'static str);

const BREAK: Statement = Statement("ALTER TABLE journal RENAME TO broken");
const REPAIR: Statement = Statement("ALTER TABLE broken RENAME TO journal");

impl Step for Statement {
    type Output = ();

    fn run(self, connection: &sql::Connection) -> Result<(), StoreError> {
        sql::query(self.0).execute(connection)?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_repeats_is_said_once_and_that_it_works_again_too() {
    use tracing_subscriber::layer::SubscriberExt as _;

    let said = Alarms::default();
    let subscriber = tracing_subscriber::registry().with(said.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut place = Place::new(vec![(100, ACTIVE)]).await;
    let task = place.first(1..65);
    let store = place.store.clone();
    store.commit(BREAK).await.unwrap();
    let publishing = async {
        tokio::time::sleep(FAILURE_PAUSE * 5).await;
        let alarms = said.take();
        store.commit(REPAIR).await.unwrap();
        place.written_down(1, |row| row.published.is_some()).await;
        (alarms, said.take_others(), said.take())
    };
    // The task has ended before anything is judged: it ends the process where it sees a panic.
    let (before, others, after) = tokio::select! {
        () = task.run() => unreachable!("nobody has stopped it"),
        seen = publishing => seen,
    };
    assert_eq!(before, ["the publisher cannot reach the database"]);
    let again = |message: &&String| message.contains("reaches the database again");
    assert_eq!(others.iter().filter(again).count(), 1, "{others:?}");
    assert_eq!(after, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_are_kept_fresh_while_the_database_refuses() {
    let mut place = Place::new(vec![(100, ACTIVE)]).await;
    place.secs_ago = 3_000;
    let mut task = place.first(1..65);
    place.store.commit(BREAK).await.unwrap();
    let mut refusals = 0;
    for _ in 0..100 {
        refusals += u32::from(matches!(task.turn().await, Err(Failure::Store(_))));
        task.look = true;
    }
    assert!(refusals > 0, "the journal is gone");
    let freshness = task.writer.freshness(unix_now()).unwrap();
    assert!(freshness.remaining_secs > 3_500, "{freshness:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_does_not_starve_signing_again() {
    let journal = (10_001..=12_000).map(|number| (number, ACTIVE));
    let mut place = Place::new(journal.collect()).await;
    place.secs_ago = 3_000;
    let mut task = place.first(1..1_001);
    let mut behind_secs = task.writer.sweep_behind(unix_now());
    assert!(behind_secs > 2_000);
    while task.applied < 2_000 {
        turn(&mut task).await;
        let now_secs = task.writer.sweep_behind(unix_now());
        let applied = task.applied;
        assert!(
            now_secs < behind_secs || now_secs == 0,
            "at {applied}: {now_secs} s behind, {behind_secs} s before"
        );
        behind_secs = now_secs;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_backlog_are_asked_ahead_and_none_is_left_out() {
    let journal = (10_001..=11_500).map(|number| (number, ACTIVE));
    let mut place = Place::new(journal.collect()).await;
    let mut task = place.first(1..2);
    while task.applied == 0 {
        turn(&mut task).await;
    }
    assert_eq!(task.applied, 512);
    assert!(task.asking.is_some(), "the next rows are being read");
    // As if what was read meanwhile were to follow on rows that could not be published.
    let ahead = Wanted {
        rows_after: Some(1_200),
        ..Wanted::default()
    };
    task.asking = Some(Asking::begin(task.store.clone(), ahead));
    while task.applied < 1_500 {
        turn(&mut task).await;
    }
    for number in 10_001..=11_500 {
        assert_eq!(said(&task, number), active(number), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_small_while_changes_come_and_the_lag_is_told() {
    let mut place = Place::new(vec![(10_001, ACTIVE)]).await;
    place.secs_ago = 3_000;
    let mut task = place.first(1..1_001);
    assert_eq!(task.unit(), ZoneWriter::WORK_SIGNATURES);
    let signed = task.writer.snapshot().serial();
    turn(&mut task).await;
    assert_eq!(said(&task, 10_001), active(10_001));
    assert!(task.writer.snapshot().serial() > signed + 1, "it signs too");
    assert_eq!(task.unit(), ZoneWriter::WORK_SIGNATURES_AMONG_CHANGES);
    let told = |task: &Task| task.shared.behind_secs.load(Ordering::Relaxed);
    assert!(told(&task) > 60, "{}", told(&task));
    while told(&task) > 0 {
        turn(&mut task).await;
    }
    task.changed_at = task.changed_at.and_then(|at| at.checked_sub(AMONG_CHANGES));
    assert_eq!(task.unit(), ZoneWriter::WORK_SIGNATURES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_wait_waits_while_signing_is_far_behind_and_no_longer() {
    let mut place = Place::new(Vec::new()).await;
    place.secs_ago = 3_000;
    let mut task = place.first(1..1_001);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    task.lag.note(86_400, long_ago);
    turn(&mut task).await;
    let is_too_late = |task: &Task| task.shared.is_too_late.load(Ordering::Relaxed);
    assert!(is_too_late(&task));
    while task.shared.behind_secs.load(Ordering::Relaxed) > 0 {
        turn(&mut task).await;
    }
    assert!(!is_too_late(&task));
}
