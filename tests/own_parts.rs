//! A user's own parts in simulated worlds: good ones pass, bad ones are found out by name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use raft_core::ids::LogIndex;
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, Loading, Log, LogError, Recovered, Write};
use raft_node::codec::PayloadCodec;
use raft_node::state_machine::{
    App, Command, StateError, StateMachine, StateReader, StateWriter, WholeReader, WholeWriter,
};
use raft_sim::checkers::property;
use raft_sim::lot::Lot;
use raft_sim::sim::{Failed, Sim};
use raft_sim::workload::{OperationPlan, Step, Workload};
use serde::{Deserialize, Serialize};

/// Runs seeds until one fails, which one must.
#[expect(clippy::expect_used, reason = "a test whose seeds all pass fails")]
fn failure(sim: &Sim) -> Failed {
    sim.run(0..60).expect_err("no seed finds it")
}

fn short(sim: Sim) -> Sim {
    sim.lasting(Duration::from_secs(8))
}

fn key(lot: &mut Lot) -> u64 {
    lot.below(12)
}

/// Counts keys in a map of random order, which is no fault as long as the order is not seen.
#[derive(Default, Serialize, Deserialize)]
struct Counts {
    counts: HashMap<u64, u64>,
    seen: HashSet<u64>,
}

impl App for Counts {
    type Command = u64;
    type Reply = u64;
    fn apply(&mut self, key: u64) -> u64 {
        self.seen.insert(key);
        let count = self.counts.entry(key).or_default();
        *count += 1;
        *count
    }
}

#[test]
fn a_map_of_random_order_is_no_fault_by_itself() {
    for codec in [PayloadCodec::Bincode, PayloadCodec::Postcard] {
        let report = short(Sim::new(Counts::default, key)).codec(codec).run(0..4);
        let report = report.expect("nobody looks at the order");
        assert!(report.totals.answered > 100);
        assert_eq!(report.undecided, 0);
    }
}

/// Answers with the first key that iteration meets.
#[derive(Default, Serialize, Deserialize)]
struct FirstMet(HashMap<u64, u64>);

impl App for FirstMet {
    type Command = u64;
    type Reply = Option<u64>;
    fn apply(&mut self, key: u64) -> Option<u64> {
        *self.0.entry(key).or_default() += 1;
        self.0.keys().next().copied()
    }
}

#[test]
fn an_app_that_answers_from_the_order_of_a_hash_map_is_found_at_one_index() {
    let failed = failure(&short(Sim::new(FirstMet::default, key)));
    assert_eq!(failed.violation.property, property::APP_DETERMINISM);
    let text = &failed.violation.text;
    assert!(text.contains("answered differently at index "), "{text}");
    assert!(text.contains(", command "), "{text}");
}

/// Remembers what iteration meets first, and never tells.
#[derive(Default, Serialize, Deserialize)]
struct Silent {
    #[serde(skip)]
    counts: HashMap<u64, u64>,
    first: Option<u64>,
}

impl App for Silent {
    type Command = u64;
    type Reply = ();
    fn apply(&mut self, key: u64) {
        *self.counts.entry(key).or_default() += 1;
        self.first = self.counts.keys().next().copied();
    }
}

#[test]
fn a_state_that_differs_is_found_though_all_answers_are_alike() {
    let failed = failure(&short(Sim::new(Silent::default, key)));
    assert_eq!(failed.violation.property, property::APP_DETERMINISM);
    let text = &failed.violation.text;
    assert!(
        text.contains("have different states after index "),
        "{text}"
    );
    assert!(text.contains(r#"{"first":"#), "{text}");
}

/// Numbers its answers from a counter that all nodes of the process share.
#[derive(Clone, Default)]
struct Numbered;

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl StateMachine for Numbered {
    fn apply(&mut self, _command: Command<'_>) -> Bytes {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        number.to_string().into()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        Ok(Box::new(WholeReader::new(Bytes::new())))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|_: &[u8]| Ok(Self)))
    }
}

#[test]
fn a_machine_with_a_global_counter_is_found_even_on_a_single_node() {
    for nodes in [1, 3] {
        let calm = short(Sim::machine(|| Numbered, |_| "next".into())).faults(false);
        let failed = failure(&calm.nodes(nodes));
        assert_eq!(failed.violation.property, property::APP_DETERMINISM);
        assert_eq!(failed.seed, 0);
    }
}

/// Counts keys, and forgets the highest one in a snapshot.
#[derive(Default, Deserialize)]
struct Forgetful(BTreeMap<u64, u64>);

impl Serialize for Forgetful {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut kept = self.0.clone();
        kept.pop_last();
        serializer.serialize_newtype_struct("Forgetful", &kept)
    }
}

impl App for Forgetful {
    type Command = u64;
    type Reply = u64;
    fn apply(&mut self, key: u64) -> u64 {
        let count = self.0.entry(key).or_default();
        *count += 1;
        *count
    }
}

#[test]
fn an_app_that_forgets_in_a_snapshot_is_told_so_even_where_no_snapshot_was_taken() {
    for sim in [
        Sim::new(Forgetful::default, key).faults(false),
        Sim::new(Forgetful::default, key),
    ] {
        let failed = failure(&short(sim));
        assert_eq!(failed.violation.property, property::APP_SNAPSHOTS);
        let text = &failed.violation.text;
        for part in [
            " answered 2 at index ",
            ", command ",
            "read back before each command answers 1",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
}

/// Counts what it was asked, and can't be read back.
#[derive(Clone, Default)]
struct OneWay(u64);

impl StateMachine for OneWay {
    fn apply(&mut self, _command: Command<'_>) -> Bytes {
        self.0 += 1;
        self.0.to_string().into()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        let text = self.0.to_string();
        Ok(Box::new(WholeReader::new(text.into())))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|_: &[u8]| {
            Err(StateError::Machine("a number was expected"))
        }))
    }
}

#[test]
fn a_machine_whose_snapshot_cannot_be_read_back_is_told_so() {
    let sim = Sim::machine(OneWay::default, |_| "next".into()).faults(false);
    let failed = failure(&short(sim).nodes(1));
    assert_eq!(failed.violation.property, property::APP_SNAPSHOTS);
    let text = &failed.violation.text;
    assert!(
        text.contains("can't be read back: a number was expected"),
        "{text}"
    );
}

/// A machine that never writes its state down: no snapshot is taken of it, which is allowed.
#[derive(Clone, Default)]
struct Unwritten(u64);

impl StateMachine for Unwritten {
    fn apply(&mut self, _command: Command<'_>) -> Bytes {
        self.0 += 1;
        self.0.to_string().into()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        Err(StateError::Machine("not yet"))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|_: &[u8]| Err(StateError::Length)))
    }
}

#[test]
fn a_machine_without_snapshots_is_not_tried_on_them() {
    let sim = Sim::machine(Unwritten::default, |_| "next".into()).faults(false);
    assert!(short(sim).nodes(1).run(0..2).is_ok());
}

/// Divides; nobody thought of zero.
#[derive(Default, Serialize, Deserialize)]
struct Divider(u64);

impl App for Divider {
    type Command = u64;
    type Reply = u64;
    fn apply(&mut self, by: u64) -> u64 {
        self.0 += 1_000;
        self.0 / by
    }
}

#[test]
fn a_panic_of_the_app_is_the_users_with_index_command_and_place() {
    let failed = failure(&short(Sim::new(Divider::default, key)));
    assert_eq!(failed.violation.property, property::APP_PANIC);
    let text = &failed.violation.text;
    for part in [
        "panicked at index ",
        "command 0: ",
        "divide by zero",
        "own_parts.rs:",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

/// Answers with the log time of the command before.
#[derive(Clone, Default)]
struct Stopwatch(u64);

impl StateMachine for Stopwatch {
    fn apply(&mut self, command: Command<'_>) -> Bytes {
        let before = std::mem::replace(&mut self.0, command.time.as_millis());
        before.to_string().into()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        let bytes = self.0.to_le_bytes().to_vec();
        Ok(Box::new(WholeReader::new(bytes.into())))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|bytes: &[u8]| {
            let bytes = bytes.try_into().map_err(|_| StateError::Length)?;
            Ok(Self(u64::from_le_bytes(bytes)))
        }))
    }
}

#[test]
fn a_machine_may_answer_from_log_time() {
    let report = short(Sim::machine(Stopwatch::default, |_| "lap".into())).run(0..6);
    let report = report.expect("log time is the same everywhere");
    assert!(report.totals.answered > 100);
}

/// A log in memory that outlives its node's processes.
#[derive(Default)]
struct Kept(std::sync::Arc<Mutex<MemoryLog>>);

impl Kept {
    fn log(&self) -> std::sync::MutexGuard<'_, MemoryLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Kept {
    fn begin(&mut self, write: Write) {
        self.log().begin(write);
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        self.log().poll_durable(cx)
    }

    fn load(&self, range: std::ops::Range<LogIndex>, max_bytes: usize) -> Loading {
        self.log().load(range, max_bytes)
    }
}

/// Adds up.
#[derive(Default, Serialize, Deserialize)]
struct Sums(BTreeMap<u64, u64>);

impl App for Sums {
    type Command = u64;
    type Reply = u64;
    fn apply(&mut self, key: u64) -> u64 {
        let sum = self.0.entry(key % 3).or_default();
        *sum += key;
        *sum
    }
}

/// Half of what clients do is to read a sum; the other half is to add to it. A read stands for the
/// command that adds the key: only for key 0 does that change nothing.
struct AddAndRead {
    keys_read: u64,
}

impl Workload<Sums> for AddAndRead {
    fn step(&mut self, _number: u64, _operation: &OperationPlan, mut lot: Lot) -> Step<Sums> {
        let key = key(&mut lot);
        match lot.chance(500) {
            true => Step::Submit(key + 3),
            false => Step::Read(key % self.keys_read, |app, key| {
                let sum = app.0.get(key).copied();
                sum.unwrap_or_default() + key
            }),
        }
    }

    fn partition(&self, key: &u64) -> Option<u64> {
        Some(key % 3)
    }
}

#[test]
fn a_workload_may_read_and_a_read_must_answer_as_its_command_would() {
    let sim = |keys_read| {
        let workload = move || AddAndRead { keys_read };
        short(Sim::with_workload(Sums::default, workload))
    };
    let report = sim(1).run(0..6).expect("these reads change nothing");
    assert!(report.totals.answered > 100);
    let failed = failure(&sim(3));
    assert_eq!(failed.violation.property, property::LINEARIZABILITY);
    // In the app's own words, and of the part of it that is wrong.
    let text = &failed.violation.text;
    assert!(text.starts_with("under key "), "{text}");
    assert!(text.contains("the state is {"), "{text}");
}

#[test]
fn a_log_that_keeps_all_in_memory_that_lasts_passes() {
    let sim = short(Sim::new(Sums::default, key)).log(|disk| async move {
        let kept = Kept(disk.lasting());
        let recovered = kept.log().recovered();
        Ok((kept, recovered))
    });
    let report = sim.run(0..6).expect("nothing is ever lost");
    assert!(report.totals.starts > 25, "nobody was restarted");
}

#[test]
fn a_log_that_keeps_nothing_is_found() {
    let sim = short(Sim::new(Sums::default, key))
        .log(|_disk| async { Ok((MemoryLog::new(), Recovered::default())) });
    let failed = failure(&sim);
    assert_eq!(failed.violation.property, property::DURABILITY);
}

#[test]
fn the_first_failing_seed_is_the_same_however_many_run_at_a_time() {
    let sim = short(Sim::new(Divider::default, |lot| u64::from(!lot.chance(4)))).nodes(3);
    let jobs = |count| std::num::NonZeroUsize::new(count).expect("not zero");
    let alone = sim.clone().jobs(jobs(1)).run(0..60);
    assert!(alone.is_err());
    assert_eq!(alone, sim.jobs(jobs(5)).run(0..60));
}

#[test]
fn a_finding_says_how_to_see_it_again_and_leaves_its_files() {
    let sim = short(Sim::new(Divider::default, key)).nodes(3);
    let Err(finding) = sim.try_check(0..20) else {
        unreachable!("some seed divides by zero");
    };
    let violation = finding.violation.as_ref().expect("a property is violated");
    assert_eq!(violation.property, property::APP_PANIC);
    let text = finding.to_string();
    let name = "a_finding_says_how_to_see_it_again_and_leaves_its_files";
    let again = format!("RAFT_SIM_SEED={} cargo test {name}", finding.seed);
    assert!(text.contains(&again), "{text}");
    assert!(!finding.also.is_empty(), "{text}");
    for also in &finding.also {
        assert!(also.failed.seed > finding.seed);
        assert!(text.contains(&format!(
            "RAFT_SIM_SEED={} cargo test {name}",
            also.failed.seed
        )));
        let page = format!("seed-{}.html", also.failed.seed);
        assert!(
            also.files
                .as_ref()
                .is_some_and(|files| files.page.ends_with(page))
        );
    }
    let files = finding.files.as_ref().expect("files are written");
    let read = |path| std::fs::read_to_string(path).expect("it is there");
    assert!(read(&files.page).contains("app_panic"));
    let small = raft_sim::plan::Plan::parse(&read(&files.plan)).expect("it reads back");
    assert!(small.operations.len() < sim.plan(finding.seed).operations.len());
    let shown = sim.run_plan(small).violation.expect("it fails again");
    assert_eq!(shown.property, property::APP_PANIC);
    let called = format!("seed-{}.shrunk.plan", finding.seed);
    assert!(files.plan.ends_with(called), "{text}");
    let small = format!("RAFT_SIM_PLAN={} cargo test {name}", files.plan.display());
    assert!(text.contains(&small), "{text}");
    let report = files.page.with_file_name("report.json");
    assert!(read(&report).contains(r#""property":"app_panic""#));
}
