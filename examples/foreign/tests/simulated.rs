//! The job queue and its log in simulated worlds: they hold, and plausible mistakes are found.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use job_queue::log::Flaw;
use job_queue::queue::JobQueue;
use quorate::raft_core::time::LogTime;
use quorate::raft_sim::checkers::property;
use quorate::raft_sim::sim::Sim;
use quorate::{Command, StateError, StateMachine, StateReader, StateWriter, WholeWriter};

mod jobs;

use jobs::{command, jobs};

#[test]
fn jobs_survive_crashes_partitions_and_lost_writes() {
    let report = jobs(None).check(0..40);
    // A single seed that is run again may be a calm one.
    if report.seeds >= 40 {
        assert!(report.totals.answered > 1_000, "the worlds are empty");
        assert!(report.totals.crashes > 10, "the worlds are harmless");
    }
}

/// The property that some seed finds violated, as one must.
fn violated(sim: &Sim) -> &'static str {
    let failed = sim.run(0..200).expect_err("no seed finds it");
    println!("{failed}");
    failed.violation.property
}

#[test]
fn a_log_that_acknowledges_early_is_caught() {
    assert_eq!(
        violated(&jobs(Some(Flaw::AcknowledgesEarly))),
        property::DURABILITY
    );
}

#[test]
fn a_log_that_forgets_truncation_is_caught() {
    assert_eq!(
        violated(&jobs(Some(Flaw::ForgetsTruncation))),
        property::DURABILITY
    );
}

/// A queue that looks at the clock on the wall, which shows each node another time.
#[derive(Clone, Default)]
struct WallClock(JobQueue);

impl StateMachine for WallClock {
    fn apply(&mut self, command: Command<'_>) -> Bytes {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = now.map_or(0, |since| since.as_micros() as u64);
        let time = LogTime::from_millis(micros);
        self.0.apply(Command { time, ..command })
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        self.0.snapshot()
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        let queue = self.0.clone();
        Box::new(WholeWriter::new(move |bytes: &[u8]| {
            let mut writer = queue.restore();
            writer.write(bytes)?;
            Ok(Self(writer.finish()?))
        }))
    }
}

#[test]
fn a_queue_that_looks_at_the_wall_clock_is_caught() {
    let sim = Sim::machine_with_state(WallClock::default, command, |queue| queue.0.state().into());
    assert_eq!(
        violated(&sim.lasting(Duration::from_secs(20))),
        property::APP_DETERMINISM
    );
}
