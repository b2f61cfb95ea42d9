//! The kit on a log that keeps the contract, and on the same with each of the mistakes that logs make.

use std::io;
use std::ops::Range;
use std::task::{Context, Poll};

use bytes::Bytes;
use raft_core::chunk::{Chunk, ChunkLimits};
use raft_core::ids::LogIndex;
use raft_core::log::{Durable, HardState, Loading, LogError, Receipt, SnapshotMark, Write};
use raft_node::codec::{BincodeCodec, Codec};
use serde::{Deserialize, Serialize};

use super::*;
use crate::conformance::disk::TestFile;

mod told;

/// A log in one file: each write is a record at its end; one sync makes all of them durable that are there.
struct SmallLog {
    flaw: Flaw,
    file: TestFile,
    votes: TestFile,
    end: u64,
    held: MemoryLog,
    written: Option<Durable>,
    failure: Option<LogError>,
}

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flaw {
    None,
    AcknowledgesBeforeTheSync,
    AcknowledgesAnotherWrite,
    KeepsVotesApart,
    WritesEntriesAfterTheRest,
    ForgetsTruncation,
    RemovesBeforeItReplaces,
    ClearsBeforeASnapshot,
    ForgetsIdentity,
    SaysThatItLost,
    TakesTornRecords,
    LeavesTheTornTail,
    OpensWithoutSync,
    TriesTheSyncAgain,
    GoesOnAfterAFailure,
    FailsInOtherWords,
    ForgetsWhatItRefused,
    TakesGaps,
    ReadsAllAtOnce,
    ReadsNothing,
    ReadsBelowTheSnapshot,
    NeverAnswers,
    MiscountsTime,
}

/// A write on the disk.
#[derive(Serialize, Deserialize)]
struct Record {
    hard: HardState,
    truncate_from: Option<LogIndex>,
    append: Vec<(bool, Vec<u8>)>,
    snapshot: Option<SnapshotMark>,
    identity: Option<Vec<u8>>,
}

impl SmallLog {
    fn open(disk: &TestDisk, flaw: Flaw) -> io::Result<(Self, Recovered)> {
        let (file, votes) = (disk.file("log"), disk.file("votes"));
        let mut bytes = vec![0; file.length()? as usize];
        file.read(0, &mut bytes)?;
        let mut held = MemoryLog::new();
        let mut end = 0;
        while let Some((record, length)) = next_record(&bytes[end..], flaw) {
            replay(&mut held, record, flaw);
            end += length;
        }
        if flaw != Flaw::LeavesTheTornTail {
            file.set_length(end as u64)?;
        }
        if flaw != Flaw::OpensWithoutSync {
            file.sync()?;
        }
        let mut recovered = held.recovered();
        if flaw == Flaw::KeepsVotesApart {
            recovered.hard = voted(&votes)?.unwrap_or(recovered.hard);
        }
        if flaw == Flaw::ForgetsIdentity {
            recovered.identity = None;
        }
        if flaw == Flaw::MiscountsTime {
            recovered.time = raft_core::time::LogTime::from_millis(3);
        }
        if flaw == Flaw::SaysThatItLost {
            recovered.lost_through = Some(held.last_id());
        }
        let (end, written, failure) = (end as u64, None, None);
        Ok((
            Self {
                flaw,
                file,
                votes,
                end,
                held,
                written,
                failure,
            },
            recovered,
        ))
    }

    fn write(&mut self, mut write: Write) -> io::Result<Durable> {
        let next = self.held.last_id().index.get() + 1;
        let first = write
            .append
            .iter()
            .next()
            .map(|chunk| chunk.first_index().get());
        let is_gap = write.truncate_from.is_none() && first > Some(next);
        if self.flaw == Flaw::TakesGaps && is_gap {
            write.append.retain(|_| false);
        }
        let (bytes, rest) = (record_of(&write), without_entries(&write));
        let removes = write.truncate_from.is_some();
        let cleared = self.cleared_for(&write);
        let hard = encoded(&write.hard);
        let durable = self.held.write(write).map_err(io::Error::other)?;
        match self.flaw {
            Flaw::WritesEntriesAfterTheRest => self.append(&rest)?,
            Flaw::RemovesBeforeItReplaces if removes => self.append(&rest)?,
            Flaw::ClearsBeforeASnapshot => self.append(&cleared)?,
            Flaw::KeepsVotesApart => {
                self.votes.set_length(0)?;
                self.votes.write(0, &hard)?;
                self.votes.sync()?;
            }
            _ => {}
        }
        self.append(&bytes)?;
        Ok(durable)
    }

    /// The record of a removal of all that there is, if this write brings a snapshot beyond it.
    fn cleared_for(&self, write: &Write) -> Vec<u8> {
        let Recovered { hard, snapshot, .. } = self.held.recovered();
        let first = snapshot.map_or(1, |mark| mark.last.index.get() + 1);
        let mark = write.snapshot.as_ref().map(|mark| mark.last.index);
        if mark <= Some(self.held.last_id().index) || !write.append.is_empty() {
            return Vec::new();
        }
        let mut clearing = Write::of_identity(hard, Bytes::new());
        clearing.truncate_from = Some(LogIndex::new(first));
        without_entries(&clearing)
    }

    fn append(&mut self, record: &[u8]) -> io::Result<()> {
        self.file.write(self.end, record)?;
        self.end += record.len() as u64;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        match self.flaw {
            Flaw::AcknowledgesBeforeTheSync => Ok(()),
            Flaw::TriesTheSyncAgain => self.file.sync().or_else(|_| self.file.sync()),
            _ => self.file.sync(),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let is_ours = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<LogError>());
        let storage = || LogError::Storage {
            action: "write",
            detail: error.to_string(),
        };
        self.written = None;
        self.failure = Some(is_ours.cloned().unwrap_or_else(storage));
    }
}

impl Log for SmallLog {
    fn begin(&mut self, write: Write) {
        if self.failure.is_some() && self.flaw != Flaw::GoesOnAfterAFailure {
            return;
        }
        match self.write(write) {
            Ok(durable) => self.written = Some(durable),
            Err(error) => self.fail(&error),
        }
    }

    fn poll_durable(&mut self, _: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        if self.written.is_some() {
            if let Err(error) = self.sync() {
                self.fail(&error);
            }
        }
        let durable = self
            .written
            .take()
            .filter(|_| self.flaw != Flaw::NeverAnswers);
        match (durable, &mut self.failure) {
            (Some(_), _) if self.flaw == Flaw::AcknowledgesAnotherWrite => {
                Poll::Ready(Ok(Receipt::of_no_hull(1).synced()))
            }
            (Some(durable), _) => Poll::Ready(Ok(durable)),
            (None, Some(failure)) => {
                let said = failure.clone();
                if let (Flaw::FailsInOtherWords, LogError::Storage { detail, .. }) =
                    (self.flaw, failure)
                {
                    detail.push('!');
                }
                let refused = matches!(said, LogError::Impossible { .. });
                if refused && self.flaw == Flaw::ForgetsWhatItRefused {
                    self.failure = None;
                }
                Poll::Ready(Err(said))
            }
            (None, None) => Poll::Pending,
        }
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        let first = self
            .held
            .recovered()
            .snapshot
            .map_or(1, |mark| mark.last.index.get() + 1);
        let answer = match self.flaw {
            Flaw::ReadsAllAtOnce => self.held.read(range, usize::MAX),
            Flaw::ReadsNothing => Ok(Vec::new()),
            Flaw::ReadsBelowTheSnapshot => self
                .held
                .read(range.start.max(LogIndex::new(first))..range.end, max_bytes),
            _ => self.held.read(range, max_bytes),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn voted(file: &TestFile) -> io::Result<Option<HardState>> {
    let mut bytes = vec![0; file.length()? as usize];
    file.read(0, &mut bytes)?;
    Ok(BincodeCodec.decode(&bytes).ok())
}

fn without_entries(write: &Write) -> Vec<u8> {
    let mut rest = Write::of_identity(write.hard, Bytes::new());
    rest.identity = None;
    rest.truncate_from = write.truncate_from;
    record_of(&rest)
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    BincodeCodec.encode(value, &mut bytes).unwrap();
    bytes
}

fn record_of(write: &Write) -> Vec<u8> {
    let chunks = write.append.iter();
    let append = chunks.map(|chunk| {
        (
            chunk.is_ids_only(),
            chunk.encode(crc32c::crc32c_append).to_vec(),
        )
    });
    let record = Record {
        hard: write.hard,
        truncate_from: write.truncate_from,
        append: append.collect(),
        snapshot: write.snapshot.as_deref().cloned(),
        identity: write.identity.as_ref().map(|bytes| bytes.to_vec()),
    };
    let body = encoded(&record);
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend(crc32c::crc32c(&body).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn next_record(bytes: &[u8], flaw: Flaw) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length)?;
    let is_right = crc32c::crc32c(body) == u32::from_le_bytes(*checksum);
    if !is_right && flaw == Flaw::TakesTornRecords {
        let record = Record {
            hard: HardState::default(),
            truncate_from: None,
            append: Vec::new(),
            snapshot: None,
            identity: None,
        };
        return Some((record, length + 8));
    }
    let record = BincodeCodec.decode(body).ok().filter(|_| is_right)?;
    Some((record, length + 8))
}

fn replay(held: &mut MemoryLog, record: Record, flaw: Flaw) {
    let limits = ChunkLimits {
        max_entries: u32::MAX,
        max_payload_bytes: u32::MAX,
    };
    let mut write = Write::of_identity(record.hard, Bytes::new());
    write.identity = record.identity.map(Bytes::from);
    write.truncate_from = record.truncate_from;
    write.snapshot = record.snapshot.map(Box::new);
    for (_, bytes) in record.append {
        write
            .append
            .push(Chunk::parse(bytes.into(), limits, crc32c::crc32c_append).unwrap());
    }
    if flaw == Flaw::ForgetsTruncation {
        write.truncate_from = None;
        let next = LogIndex::new(held.last_id().index.get() + 1);
        let new = |chunk: Chunk| chunk.slice(next..LogIndex::new(u64::MAX));
        write.append = write.append.into_iter().filter_map(new).collect();
    }
    held.write(write).unwrap();
}

/// Which clause a part of the kit finds broken.
fn found(flaw: Flaw, part: Part) -> Option<Clause> {
    broken(flaw, part).map(|broken| broken.clause.unwrap())
}

/// What a part of the kit says.
fn broken(flaw: Flaw, part: Part) -> Option<Broken> {
    let kit = LogKit::new(move |disk: TestDisk| SmallLog::open(&disk, flaw)).samples(4);
    let found = match part {
        Part::Clauses => kit.clauses(),
        Part::CrashPoints => kit.crash_points(),
        Part::LateAnswers => kit.late_answers(),
        Part::Faults => kit.faults(),
    };
    found.err()
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Clauses,
    CrashPoints,
    LateAnswers,
    Faults,
}

#[test]
fn fewer_points_are_tried_when_asked_for() {
    let kit = LogKit::new(|disk: TestDisk| SmallLog::open(&disk, Flaw::None)).samples(1);
    let (all, some) = (
        kit.crash_points().unwrap(),
        kit.points(4).crash_points().unwrap(),
    );
    assert!((17..=17 * 8).contains(&some.points), "{some} of {all}");
    assert!(all.points > 2 * some.points, "{some} of {all}");
}

#[test]
fn a_log_that_does_not_open_again_is_told_after_what() {
    // Each case opens a log twice: at its beginning and at its end. The second case's does not open again.
    let openings = std::cell::Cell::new(0);
    let kit = LogKit::new(|disk: TestDisk| {
        openings.set(openings.get() + 1);
        match openings.get() {
            4 => Err(io::Error::other("it can't be read")),
            _ => SmallLog::open(&disk, Flaw::None),
        }
    });
    let text = kit.clauses().unwrap_err().to_string();
    assert!(
        text.contains("it does not open: it can't be read"),
        "{text}"
    );
    assert!(
        text.ends_with("writes that nobody polled for yet are read back"),
        "{text}"
    );
}

#[test]
fn a_log_without_a_mistake_passes() {
    for part in [
        Part::Clauses,
        Part::CrashPoints,
        Part::LateAnswers,
        Part::Faults,
    ] {
        assert_eq!(found(Flaw::None, part), None, "{part:?}");
    }
}

#[test]
fn each_mistake_is_found_and_the_clause_named() {
    for (flaw, part, clause) in MISTAKES {
        assert_eq!(found(flaw, part), Some(clause), "{flaw:?}");
    }
}

/// Each mistake, the part of the kit that finds it, and the clause that it breaks.
const MISTAKES: [(Flaw, Part, Clause); 22] = [
    (Flaw::TakesGaps, Part::Clauses, Clause::Contiguous),
    (
        Flaw::ForgetsTruncation,
        Part::Clauses,
        Clause::TruncationFirst,
    ),
    (Flaw::ForgetsIdentity, Part::Clauses, Clause::Atomic),
    (Flaw::SaysThatItLost, Part::Clauses, Clause::Durable),
    (Flaw::MiscountsTime, Part::Clauses, Clause::InOrder),
    (
        Flaw::AcknowledgesAnotherWrite,
        Part::Clauses,
        Clause::InOrder,
    ),
    (Flaw::NeverAnswers, Part::Clauses, Clause::Durable),
    (
        Flaw::ForgetsWhatItRefused,
        Part::Clauses,
        Clause::FailureIsFinal,
    ),
    (Flaw::ReadsNothing, Part::Clauses, Clause::SeesWhatWasBegun),
    (Flaw::ReadsAllAtOnce, Part::Clauses, Clause::Bounded),
    (Flaw::ReadsBelowTheSnapshot, Part::Clauses, Clause::Bounded),
    (
        Flaw::AcknowledgesBeforeTheSync,
        Part::CrashPoints,
        Clause::Durable,
    ),
    (Flaw::KeepsVotesApart, Part::CrashPoints, Clause::Atomic),
    (
        Flaw::WritesEntriesAfterTheRest,
        Part::CrashPoints,
        Clause::Atomic,
    ),
    (
        Flaw::RemovesBeforeItReplaces,
        Part::CrashPoints,
        Clause::Atomic,
    ),
    (
        Flaw::ClearsBeforeASnapshot,
        Part::CrashPoints,
        Clause::Durable,
    ),
    (Flaw::TakesTornRecords, Part::CrashPoints, Clause::Atomic),
    (Flaw::LeavesTheTornTail, Part::CrashPoints, Clause::InOrder),
    (Flaw::OpensWithoutSync, Part::CrashPoints, Clause::InOrder),
    (Flaw::TriesTheSyncAgain, Part::Faults, Clause::Durable),
    (
        Flaw::GoesOnAfterAFailure,
        Part::Faults,
        Clause::FailureIsFinal,
    ),
    (
        Flaw::FailsInOtherWords,
        Part::Faults,
        Clause::FailureIsFinal,
    ),
];
