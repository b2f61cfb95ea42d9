//! The clauses that can be asked for without a failure, and the table of boundary cases.

use std::error::Error;
use std::ops::Range;

use raft_core::chunk::Chunk;
use raft_core::ids::LogIndex;
use raft_core::log::{Log, LogError};

use super::crashes::expect_no_failure;
use super::faults::is_final;
use super::life::{self, Life, after};
use super::workload::{self, Draft, chunk, plain};
use super::{Broken, Clause, LogKit, Opened, Report, judge};
use crate::conformance::disk::TestDisk;

/// See [`LogKit::clauses`].
pub(super) fn check<L, E, O>(kit: &LogKit<O>) -> Result<Report, Broken>
where
    L: Log,
    E: Into<Box<dyn Error>>,
    O: Fn(TestDisk) -> Result<Opened<L>, E>,
{
    let cases: [Case<'_, L>; 9] = [
        ("the standard writes, read back after each", &reads_all),
        (
            "writes that nobody polled for yet are read back",
            &reads_what_was_begun,
        ),
        (
            "a read is of the entries as they were when it was asked for",
            &reads_as_of_the_call,
        ),
        ("the log is empty", &boundaries_of_nothing),
        ("the log holds 1 to 3", &boundaries_of_three),
        (
            "the log holds a snapshot of 1 to 3",
            &boundaries_of_a_snapshot,
        ),
        ("reads of at most so many bytes", &reads_are_bounded),
        ("a write leaves a gap", &refuses_a_gap),
        (
            "a write truncates into a snapshot",
            &refuses_to_truncate_into_a_snapshot,
        ),
    ];
    let mut report = Report::default();
    for (name, case) in cases {
        let mut life = kit.born()?;
        case(&mut life).map_err(|broken| broken.after(name))?;
        report.points += 1;
        if kit.in_memory {
            continue;
        }
        // Whoever stops a log orderly finds it as it was.
        let (states, durable) = (life.states().to_vec(), life.durable());
        let disk = TestDisk::of(life.disk.image());
        drop(life);
        let opened = kit.opened(&disk);
        let found = opened.and_then(|opened| life::Found::of(&opened));
        let found = found.map_err(|broken| broken.after(name))?;
        report.openings += 1;
        judge::is_one_of(&found, &states, durable).map_err(|broken| broken.after(name))?;
    }
    Ok(report)
}

/// What is asked of a new log, and what for.
type Case<'a, L> = (&'static str, &'a dyn Fn(&mut Life<L>) -> Result<(), Broken>);

fn reads_all<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    for draft in workload::standard() {
        life.begin(&draft)?;
        expect_no_failure(life.finish()?)?;
        life.check_loads()?;
    }
    Ok(())
}

fn reads_what_was_begun<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    for draft in workload::standard() {
        life.begin(&draft)?;
        life.check_loads()?;
    }
    expect_no_failure(life.finish()?)?;
    life.check_loads()
}

fn reads_as_of_the_call<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    write(life, &plain(1, vec![chunk(1, 1, &[10; 4])]))?;
    let reading = life.log.load(index(1)..index(5), 10_000);
    let rewritten = plain(2, vec![chunk(2, 2, &[10; 3])]).truncate(2);
    write(life, &rewritten)?;
    let found = life::wait(reading).map_err(|error| {
        let found = format!("reading 1 to 4 fails: {error}");
        Broken::new(Clause::SeesWhatWasBegun, found, "entries of T1")
    })?;
    let last = found.last().map(|chunk| chunk.term().get());
    if last == Some(1) {
        return Ok(());
    }
    let text = "entries 1 to 4 of T1 were asked for, and then 2 to 4 were written anew in T2";
    let text = format!("{text}: {} were read", life::spans(&found));
    let expected = "those of T1, as they were when they were asked for";
    Err(Broken::new(Clause::SeesWhatWasBegun, text, expected))
}

fn boundaries_of_nothing<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    reads(life, 1..5, &[])?;
    let truncated = plain(1, vec![]).truncate(1);
    write(life, &truncated)?;
    reads(life, 1..5, &[])?;
    write(life, &plain(1, vec![chunk(1, 1, &[5])]))?;
    reads(life, 1..5, &[1])
}

fn boundaries_of_three<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    write(life, &plain(1, vec![chunk(1, 1, &[5; 3])]))?;
    reads(life, 1..5, &[1, 2, 3])?;
    reads(life, 2..3, &[2])?;
    reads(life, 4..9, &[])?;
    let beyond = plain(2, vec![]).truncate(4);
    write(life, &beyond)?;
    reads(life, 1..5, &[1, 2, 3])?;
    let everything = plain(3, vec![]).truncate(1);
    write(life, &everything)?;
    reads(life, 1..5, &[])?;
    write(life, &plain(3, vec![chunk(3, 1, &[5])]))?;
    reads(life, 1..5, &[1])
}

fn boundaries_of_a_snapshot<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    write(life, &plain(1, vec![chunk(1, 1, &[5; 3])]))?;
    let compacted = plain(1, vec![]).compact(1, 3);
    write(life, &compacted)?;
    is_compacted(life, 1..5)?;
    reads(life, 4..5, &[])?;
    let beyond = plain(2, vec![]).truncate(4);
    write(life, &beyond)?;
    write(life, &plain(2, vec![chunk(2, 4, &[5])]))?;
    is_compacted(life, 3..5)?;
    reads(life, 4..5, &[4])?;
    let only_the_snapshot = plain(3, vec![]).truncate(4);
    write(life, &only_the_snapshot)?;
    is_compacted(life, 1..5)?;
    reads(life, 4..9, &[])
}

fn reads_are_bounded<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    write(life, &plain(1, vec![chunk(1, 1, &[2_000; 20])]))?;
    write(life, &plain(1, vec![chunk(1, 21, &[2_000; 20])]))?;
    for (most, least, limit) in [(0, 1, 2), (1, 1, 2), (9_000, 1, 8), (60_000, 8, 40)] {
        let range = index(1)..index(41);
        let expected = format!("{least} to {limit} entries");
        let found = life::wait(life.log.load(range, most)).map_err(|error| {
            let text = format!("reading at most {most} bytes from 1 on fails: {error}");
            Broken::new(Clause::Bounded, text, &expected)
        })?;
        let count: usize = found.iter().map(Chunk::len).sum();
        if !(least..=limit).contains(&count) {
            let text = format!(
                "of entries of 2,000 bytes, at most {most} bytes were asked for: {count} were read"
            );
            return Err(Broken::new(Clause::Bounded, text, expected));
        }
    }
    Ok(())
}

fn refuses_a_gap<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    write(life, &plain(1, vec![chunk(1, 1, &[5; 2])]))?;
    refuses(life, &plain(1, vec![chunk(1, 4, &[5])]), Clause::Contiguous)
}

fn refuses_to_truncate_into_a_snapshot<L: Log>(life: &mut Life<L>) -> Result<(), Broken> {
    write(life, &plain(1, vec![chunk(1, 1, &[5; 4])]))?;
    let compacted = plain(1, vec![]).compact(1, 3);
    write(life, &compacted)?;
    let into = plain(2, vec![]).truncate(3);
    refuses(life, &into, Clause::TruncationFirst)
}

/// A write that no hull makes is refused, for ever.
fn refuses<L: Log>(life: &mut Life<L>, draft: &Draft, clause: Clause) -> Result<(), Broken> {
    let number = life.begun() + 1;
    life.log.begin(draft.write(number));
    let found = match life.answer() {
        Some(Err(error @ LogError::Impossible { .. })) => return is_final(life, &error),
        Some(other) => format!("to {} it answers {other:?}", draft.shown()),
        None => format!("to {} it answers nothing", draft.shown()),
    };
    let expected = "the error that it is impossible (LogError::Impossible), now and ever after";
    Err(Broken::new(clause, found, expected))
}

fn write<L: Log>(life: &mut Life<L>, draft: &Draft) -> Result<(), Broken> {
    life.begin(draft)?;
    expect_no_failure(life.finish()?)
}

/// Reads all of this range: these entries must be there, and no others.
fn reads<L: Log>(life: &Life<L>, range: Range<u64>, expected: &[u64]) -> Result<(), Broken> {
    let mut found = Vec::new();
    let mut next = index(range.start);
    loop {
        let part = life::wait(life.log.load(next..index(range.end), 1_000)).map_err(|error| {
            let text = format!("reading {range:?} fails: {error}");
            Broken::new(Clause::Bounded, text, format!("entries {expected:?}"))
        })?;
        let Some(last) = part.last() else {
            break;
        };
        next = after(last.last_index());
        let entries = part.iter().flat_map(Chunk::entries);
        found.extend(entries.map(|entry| entry.id.index.get()));
        if next >= index(range.end) {
            break;
        }
    }
    if found == expected {
        return Ok(());
    }
    let text = format!("reading {range:?} finds entries {found:?}");
    let expected = format!("entries {expected:?}");
    Err(Broken::new(Clause::Bounded, text, expected))
}

fn is_compacted<L: Log>(life: &Life<L>, range: Range<u64>) -> Result<(), Broken> {
    let read = life::wait(life.log.load(index(range.start)..index(range.end), 1_000));
    match read {
        Err(LogError::Compacted { first }) if first == index(4) => Ok(()),
        other => {
            let text = format!("reading {range:?} answers {other:?}");
            let expected = "that a snapshot stands for 1 to 3, and the first entry is 4 \
                            (LogError::Compacted)";
            Err(Broken::new(Clause::Bounded, text, expected))
        }
    }
}

const fn index(index: u64) -> LogIndex {
    LogIndex::new(index)
}
