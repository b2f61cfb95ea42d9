//! Spies: what stands between a node's parts and writes down what passes, changing nothing.
//!
//! A [`SpyLog`] wraps a node's log, a [`SpyMachine`] its state machine; both write [`Fact`]s into
//! the node's [`Journal`], which [`crate::checkers::Checks`] empties after each step. A spy takes
//! part in nothing: with or without it the node does the same.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use raft_core::chunk::Chunk;
use raft_core::configuration::Configuration;
use raft_core::ids::{EntryId, LogIndex, NodeId, Peer, Term};
use raft_core::log::{
    BatchNumber, Durable, HardState, Loading, Log, LogError, Recovered, SnapshotMark, Write,
};
use raft_core::message::{AppendVerdict, Body, InstallVerdict, Message};
use raft_core::record::{Entry, Record};
use raft_core::snapshot::SnapshotId;
use raft_core::time::LogTime;

use crate::trace::Recorder;

mod machine;
mod store;
mod talk;

pub use machine::{SpyMachine, Watched};
pub use store::SpyStore;
pub use talk::{Answered, Says, Talk};

/// A log that is watched. Behaves as the log inside.
#[derive(Debug)]
pub struct SpyLog<L> {
    inner: L,
    journal: Journal,
    recorder: Option<(NodeId, Recorder)>,
}

impl<L> SpyLog<L> {
    /// Watches `inner`, which was just opened and found `recovered`.
    pub fn new(inner: L, recovered: &Recovered, journal: Journal) -> Self {
        journal.note(Fact::Opened(Box::new(Found {
            hard: recovered.hard,
            base: base_of(recovered.snapshot.as_ref()),
            stored: recovered.stored.as_ref().map(|stored| stored.id),
            runs: recovered.runs.clone(),
            last: recovered.last,
            lost_through: recovered.lost_through,
        })));
        Self {
            inner,
            journal,
            recorder: None,
        }
    }

    /// Tells a recorder of all writes as well.
    #[must_use]
    pub(crate) fn recorded_by(mut self, node: NodeId, recorder: Option<&Recorder>) -> Self {
        self.recorder = recorder.map(|recorder| (node, recorder.clone()));
        self
    }

    /// The log inside.
    pub const fn inner(&self) -> &L {
        &self.inner
    }
}

impl<L: Log> Log for SpyLog<L> {
    fn begin(&mut self, write: Write) {
        self.journal
            .note(Fact::Begun(Box::new(WriteFact::of(&write))));
        if let Some(mark) = &write.snapshot {
            let stands = StandsFor::of(Bearer::Log, mark, None);
            self.journal.note(Fact::StandsFor(Box::new(stands)));
        }
        if let Some((node, recorder)) = &self.recorder {
            recorder.wrote(*node, &write);
        }
        self.inner.begin(write);
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        self.journal.looked_up();
        let answer = self.inner.poll_durable(cx);
        match &answer {
            Poll::Ready(Ok(durable)) => self.journal.note(Fact::Durable(durable.batch())),
            Poll::Ready(Err(_)) => self.journal.note(Fact::LogFailed),
            Poll::Pending => {}
        }
        answer
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        self.journal.passed(Passing::Read);
        self.inner.load(range, max_bytes)
    }
}

/// What one node's spies saw and nobody has read yet. Cheap to clone; all clones are one journal.
///
/// It is emptied after every step, so that it never holds more than one step's facts.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Pages>>);

/// What a journal holds.
#[derive(Debug, Default)]
struct Pages {
    facts: Vec<Fact>,
    passings: Vec<Passing>,
    /// How long replies to commands were, by their entries.
    replies: Vec<(LogIndex, u64)>,
    /// Letters taken in since the log was last asked for news, and the most there were.
    in_a_row: usize,
    most_in_a_row: usize,
    /// Whether the log was asked since the last step.
    looked: bool,
    /// Whether letters were left when the log was asked.
    left: bool,
    /// Whether the node's log was opened, and nothing that this boot wrote is durable yet.
    nameless: bool,
    /// Who the node takes itself for, once it has a hull.
    me: Option<Peer>,
}

impl Journal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// A message that names this boot of the node leaves it, or one whose answer does.
    pub(crate) fn named_itself(&self) {
        let mut pages = self.pages();
        if pages.nameless {
            pages.passings.push(Passing::NamedItself);
        }
    }

    /// Writes down a message as it leaves the node.
    pub fn sent(&self, message: &Message) {
        self.passed(Passing::Sent(Talk::of(message, message.to.id)));
        let promise = match &message.body {
            Body::RequestVote(ask) => {
                return self.note(Fact::Asked {
                    term: message.term,
                    last: ask.last,
                });
            }
            Body::RequestVoteReply(reply) if reply.granted => Promise::Vote,
            Body::AppendEntriesReply(reply) => match reply.verdict {
                AppendVerdict::Matched(index) => Promise::Holds(index),
                AppendVerdict::Conflict { .. }
                | AppendVerdict::StaleTerm
                | AppendVerdict::Lost { .. } => return,
            },
            Body::InstallSnapshotReply(reply) => match reply.verdict {
                InstallVerdict::Matched(index) => Promise::Holds(index),
                InstallVerdict::Stored(_) | InstallVerdict::StaleTerm => return,
            },
            Body::PreVote(_)
            | Body::PreVoteReply(_)
            | Body::RequestVoteReply(_)
            | Body::AppendEntries(_)
            | Body::Heartbeat(_)
            | Body::HeartbeatReply(_)
            | Body::TimeoutNow(_)
            | Body::Removed(_)
            | Body::InstallSnapshot(_) => return,
        };
        self.note(Fact::Promised {
            to: message.to.id,
            term: message.term,
            promise,
        });
    }

    /// From now on what is meant for another life of the node's folder passes it by.
    pub(crate) fn be(&self, me: Option<Peer>) {
        self.pages().me = me;
    }

    /// Writes down a message as the node takes it in.
    pub fn taken(&self, message: &Message) {
        let me = self.pages().me;
        if me.is_some_and(|me| me != message.to) {
            return;
        }
        self.passed(Passing::Taken(Talk::of(message, message.from.id)));
    }

    /// Counts something that the node took in from the network.
    pub fn took_in(&self) {
        let mut pages = self.pages();
        pages.in_a_row += 1;
        pages.left |= pages.looked;
        pages.most_in_a_row = pages.most_in_a_row.max(pages.in_a_row);
    }

    /// The node looks at something else than the network.
    fn looked_up(&self) {
        let mut pages = self.pages();
        pages.in_a_row = 0;
        pages.looked = true;
    }

    /// Writes down what passes by.
    pub fn passed(&self, passing: Passing) {
        self.pages().passings.push(passing);
    }

    /// Writes down that the user's state machine applied a command.
    pub fn applied(&self, id: EntryId, time: LogTime, payload: &[u8]) {
        self.note(Fact::Applied(AppliedFact {
            id,
            time,
            payload: fingerprint(payload),
        }));
    }

    /// Writes down how long the reply to the command of this entry was.
    pub(crate) fn replied(&self, index: LogIndex, bytes: u64) {
        self.pages().replies.push((index, bytes));
    }

    /// Moves the lengths of replies out.
    pub(crate) fn take_replies(&self) -> Vec<(LogIndex, u64)> {
        std::mem::take(&mut self.pages().replies)
    }

    /// Writes down one fact.
    pub fn note(&self, fact: Fact) {
        let mut pages = self.pages();
        match &fact {
            Fact::Opened(_) => pages.nameless = true,
            // What the founding writes comes before the first boot's own number.
            Fact::Durable(batch) => pages.nameless &= *batch == BatchNumber::default(),
            Fact::Begun(_)
            | Fact::LogFailed
            | Fact::Asked { .. }
            | Fact::Promised { .. }
            | Fact::Applied(_)
            | Fact::Stored(_)
            | Fact::LetGo(_)
            | Fact::StandsFor(_)
            | Fact::StoreFailed
            | Fact::Restored(_) => {}
        }
        pages.facts.push(fact);
    }

    /// Moves everything to the ends of `facts` and `passings`.
    pub(crate) fn drain_into(&self, facts: &mut Vec<Fact>, passings: &mut Vec<Passing>) -> Habits {
        let mut pages = self.pages();
        take_all(&mut pages.facts, facts);
        take_all(&mut pages.passings, passings);
        pages.looked = false;
        Habits {
            left_letters: std::mem::take(&mut pages.left),
            most_in_a_row: pages.most_in_a_row,
            replied: !pages.replies.is_empty(),
        }
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        // A poisoned journal still holds what was written before the panic, which is what a
        // report about that panic wants.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves everything to the end of `to`. Into nothing, nothing needs to be copied.
fn take_all<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if to.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.append(from);
    }
}

/// How a node went about its last step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// Whether it left letters for later: it looked at something else before it had taken in all.
    pub(crate) left_letters: bool,
    /// The most that it ever took in from the network in a row.
    pub(crate) most_in_a_row: usize,
    /// Whether there are replies to take ([`Journal::take_replies`]).
    pub(crate) replied: bool,
}

/// One thing that a spy saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The log was opened and found this.
    Opened(Box<Found>),
    /// A write was begun.
    Begun(Box<WriteFact>),
    /// The log says that this write, and all before it, are durable.
    Durable(BatchNumber),
    /// The log failed for good.
    LogFailed,
    /// A request for votes left the node.
    Asked {
        /// In which term.
        term: Term,
        /// The last entry that it names as its sender's.
        last: EntryId,
    },
    /// A promise left the node.
    Promised {
        /// To whom.
        to: NodeId,
        /// In which term.
        term: Term,
        /// What is promised.
        promise: Promise,
    },
    /// The user's state machine applied a command.
    Applied(AppliedFact),
    /// The store says that this snapshot is durable.
    Stored(SnapshotId),
    /// The store is told to let go of this one.
    LetGo(SnapshotId),
    /// The user's state machine was replaced by one out of a snapshot.
    Restored(RestoredFact),
    /// Something is written down that stands for the beginning of the log.
    StandsFor(Box<StandsFor>),
    /// The store could not do something.
    StoreFailed,
}

/// Something that passed between a node and what is around it, and that proves nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passing {
    /// A message left the node.
    Sent(Talk),
    /// The node took a message in.
    Taken(Talk),
    /// The node was told that its connection to another is lost.
    ConnectionLost(NodeId),
    /// The node asked its log for entries.
    Read,
    /// The node goes on receiving a snapshot of which it had a part.
    Resumed,
    /// The node has received all of a snapshot, and its content is another than it was said to be.
    Garbled,
    /// The node sent something in the name of its boot before that boot was durable.
    NamedItself,
}

/// What a message can promise for ever, also across a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Promise {
    /// My vote in this term is yours.
    Vote,
    /// My log holds what yours does up to this index.
    Holds(LogIndex),
}

/// What opening a log found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The hard state.
    pub hard: HardState,
    /// What the log begins after.
    pub base: EntryId,
    /// The newest snapshot that the store found.
    pub stored: Option<SnapshotId>,
    /// The terms of the entries as runs, each run's first entry.
    pub runs: Vec<EntryId>,
    /// The last entry's index.
    pub last: LogIndex,
    /// How far the log says that it reached before some of it was lost.
    pub lost_through: Option<EntryId>,
}

/// What is said of the entries that something stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandsFor {
    /// What says it.
    pub bearer: Bearer,
    /// The last of them.
    pub last: EntryId,
    /// The configuration as of that one.
    pub configuration: Configuration,
    /// The highest log time up to there, where that is said.
    pub time: Option<LogTime>,
}

/// What stands for the beginning of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bearer {
    /// A snapshot that is begun to be taken.
    Taken,
    /// A snapshot that was received, and is about to count.
    Received,
    /// The log's own mark of what it begins after.
    Log,
}

impl StandsFor {
    fn of(bearer: Bearer, mark: &SnapshotMark, time: Option<LogTime>) -> Self {
        Self {
            bearer,
            last: mark.last,
            configuration: mark.configuration.clone(),
            time,
        }
    }
}

/// A write as the spy saw it begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteFact {
    /// Its number.
    pub batch: BatchNumber,
    /// The hard state it stores.
    pub hard: HardState,
    /// The first index it removes.
    pub truncate_from: Option<LogIndex>,
    /// The entries it appends.
    pub append: Vec<EntryFact>,
    /// What the log begins after from then on, if that changes.
    pub base: Option<EntryId>,
    /// The memory that they keep alive.
    pub pinned: usize,
    /// What those of them say that are configurations.
    pub configurations: Vec<(EntryId, Configuration)>,
}

impl WriteFact {
    /// What a spy remembers of `write`.
    pub fn of(write: &Write) -> Self {
        Self {
            batch: write.receipt.batch(),
            hard: write.hard,
            truncate_from: write.truncate_from,
            append: write
                .append
                .iter()
                .flat_map(Chunk::entries)
                .map(|entry| EntryFact::of(&entry))
                .collect(),
            base: write.snapshot.as_ref().map(|mark| mark.last),
            pinned: write.append.iter().map(Chunk::pinned_bytes).sum(),
            configurations: write
                .append
                .iter()
                .filter(|chunk| chunk.is_config())
                .flat_map(Chunk::entries)
                .filter_map(|entry| match entry.record {
                    Record::Config(bytes) => Some((entry.id, Configuration::decode(bytes).ok()?)),
                    _ => None,
                })
                .collect(),
        }
    }
}

fn base_of(mark: Option<&SnapshotMark>) -> EntryId {
    mark.map_or(EntryId::ORIGIN, |mark| mark.last)
}

/// An entry as a spy remembers it: who it is, and a fingerprint of what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryFact {
    /// What identifies it.
    pub id: EntryId,
    /// A fingerprint of its kind, log time, header and payload.
    pub content: u64,
    /// A fingerprint of the payload alone; zero when it is no client's command.
    pub payload: u64,
    /// The client's session; zero when it is no client's command.
    pub session: u64,
    /// The command's number within the session.
    pub serial: u64,
    /// The lowest serial whose answer its client does not know.
    pub settled: u64,
    /// What its payload weighs.
    pub bytes: u64,
    /// The log time it is stamped with.
    pub time: LogTime,
    /// Whether its payload was left out, as on a witness.
    pub absent: bool,
}

impl EntryFact {
    /// What a spy remembers of `entry`.
    pub fn of(entry: &Entry<'_>) -> Self {
        let kind = u64::from(entry.record.kind());
        let stamped = mix(mix(SEED, kind), entry.time.as_millis());
        let (mut settled, mut bytes) = (0, 0);
        let (content, payload, session, serial) = match &entry.record {
            Record::NoOp | Record::Absent { .. } => (stamped, 0, 0, 0),
            Record::Config(bytes) | Record::Unknown { payload: bytes, .. } => {
                (mix(stamped, fingerprint(bytes)), 0, 0, 0)
            }
            Record::Client { header, payload } => {
                bytes = payload.len() as u64;
                let payload = fingerprint(payload);
                settled = header.settled;
                let content = [header.session, header.serial, header.settled, payload]
                    .into_iter()
                    .fold(stamped, mix);
                (content, payload, header.session, header.serial)
            }
        };
        Self {
            id: entry.id,
            content,
            payload,
            session,
            serial,
            settled,
            bytes,
            time: entry.time,
            absent: matches!(entry.record, Record::Absent { .. }),
        }
    }
}

/// A command as the user's state machine met it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AppliedFact {
    /// The entry it came from.
    pub id: EntryId,
    /// The log time it was applied at.
    pub time: LogTime,
    /// A fingerprint of the payload.
    pub payload: u64,
}

/// A state machine out of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestoredFact {
    /// How many commands it has applied.
    pub commands: usize,
    /// The entry of the last of them, if there is one.
    pub last: Option<EntryId>,
}

/// A number that differs for different bytes, but for bad luck. The same on every platform.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks_of_eight();
    let mut tail = [0; 8];
    for (to, from) in tail.iter_mut().zip(rest) {
        *to = *from;
    }
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let all = words.fold(mix(SEED, length), |hash, word| {
        mix(hash, u64::from_le_bytes(word))
    });
    mix(all, u64::from_le_bytes(tail))
}

/// Folds one more word into a fingerprint.
pub const fn mix(hash: u64, word: u64) -> u64 {
    let folded = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    folded ^ (folded >> 29)
}

/// Cuts bytes into words.
trait Words {
    fn as_chunks_of_eight(&self) -> (impl Iterator<Item = [u8; 8]>, &[u8]);
}

impl Words for [u8] {
    fn as_chunks_of_eight(&self) -> (impl Iterator<Item = [u8; 8]>, &[u8]) {
        let chunks = self.chunks_exact(8);
        let rest = chunks.remainder();
        (
            chunks.filter_map(|chunk| <[u8; 8]>::try_from(chunk).ok()),
            rest,
        )
    }
}

const SEED: u64 = 0x5175_6f72_6174_6531;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_bytes_and_lengths_apart() {
        let inputs: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"a", b"aaaaaaaa", b"aaaaaaaaa"];
        for (at, one) in inputs.iter().enumerate() {
            for other in &inputs[at + 1..] {
                assert_ne!(fingerprint(one), fingerprint(other), "{one:?} {other:?}");
            }
        }
        assert_eq!(fingerprint(b"the same"), fingerprint(b"the same"));
    }
}
