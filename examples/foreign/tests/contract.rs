//! The log held to the contract of `Log`, clause by clause: it keeps it, and each of its mistakes is named.

use job_queue::log::{FileLog, Flaw};
use quorate::raft_core::log::{Log, LogError, Recovered};
use quorate::raft_sim::conformance::{Clause, LogKit, TestDisk, wait};
use quorate::raft_sim::log_conformance;

fn open(disk: TestDisk) -> Result<(impl Log, Recovered), LogError> {
    wait(FileLog::open(disk))
}

log_conformance!(open);

/// The clause that the log breaks with this mistake: as soon as it is asked, or when the disk answers late and
/// the power fails.
fn broken(flaw: Flaw) -> Option<Clause> {
    let kit = LogKit::new(move |disk: TestDisk| wait(FileLog::open_with(disk, Some(flaw))));
    let broken = kit.clauses().and_then(|_| kit.late_answers());
    let broken = broken.expect_err("nothing is found");
    println!("{broken}");
    broken.clause
}

#[test]
fn an_early_acknowledgement_breaks_the_third_clause() {
    assert_eq!(broken(Flaw::AcknowledgesEarly), Some(Clause::Durable));
}

#[test]
fn a_forgotten_truncation_breaks_the_fourth_clause() {
    assert_eq!(
        broken(Flaw::ForgetsTruncation),
        Some(Clause::TruncationFirst)
    );
}

#[test]
fn a_torn_tail_left_in_place_breaks_the_second_clause() {
    assert_eq!(broken(Flaw::LeavesTheTornTail), Some(Clause::InOrder));
}
