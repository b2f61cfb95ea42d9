//! A state machine that is watched: each command it applies, and each state that goes into a snapshot
//! or comes out of one.

use bytes::Bytes;
use raft_core::ids::{EntryId, LogIndex, NodeId, Term};
use raft_node::state_machine::{Command, StateError, StateMachine, StateReader, StateWriter};

use super::{Fact, Journal, RestoredFact};
use crate::subject::StateLook;
use crate::witness::{Applicant, Place, Witness};

/// A state machine that is watched. Behaves as the one inside; a snapshot of it begins with how many
/// commands the one inside has applied, and with the last one's entry.
#[derive(Debug)]
pub struct SpyMachine<S> {
    inner: S,
    watched: Watched<S>,
    /// How many commands it has applied.
    applied: usize,
    /// The entry of the last.
    last: Option<EntryId>,
}

/// What watches a state machine.
#[derive(Debug)]
pub struct Watched<S> {
    pub(crate) journal: Journal,
    pub(crate) node: NodeId,
    pub(crate) witness: Witness,
    /// How to look at the state after each command.
    pub(crate) look: Option<StateLook<S>>,
    /// How to look at a state that goes into a snapshot or comes out of one.
    pub(crate) look_at_snapshots: Option<StateLook<S>>,
}

impl<S> SpyMachine<S> {
    /// Watches `inner`, which has applied nothing yet.
    pub(crate) const fn new(inner: S, watched: Watched<S>) -> Self {
        Self {
            inner,
            watched,
            applied: 0,
            last: None,
        }
    }

    /// The state machine inside.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// How many commands it has applied.
    pub(crate) const fn applied(&self) -> usize {
        self.applied
    }

    fn look_at_snapshot(&self) {
        let place = Place {
            applicant: Applicant::Node(self.watched.node),
            number: self.applied,
            look: self.watched.look_at_snapshots.as_ref(),
        };
        self.watched
            .witness
            .snapshot(&self.inner, self.last, &place);
    }
}

impl<S: StateMachine> StateMachine for SpyMachine<S> {
    fn apply(&mut self, command: Command<'_>) -> Bytes {
        let Watched {
            journal,
            node,
            witness,
            look,
            ..
        } = &self.watched;
        journal.applied(command.id, command.time, command.payload);
        let place = Place {
            applicant: Applicant::Node(*node),
            number: self.applied,
            look: look.as_ref(),
        };
        self.applied += 1;
        self.last = Some(command.id);
        let index = command.id.index;
        let reply = witness.apply(&mut self.inner, command, &place);
        journal.replied(index, reply.len() as u64);
        reply
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        self.look_at_snapshot();
        let mut head = Vec::new();
        let last = self.last.unwrap_or(EntryId::ORIGIN);
        for number in [self.applied as u64, last.term.get(), last.index.get()] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        Ok(Box::new(SpyReader {
            head: head.into(),
            inner: self.inner.snapshot()?,
        }))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(SpyWriter {
            head: Vec::new(),
            inner: self.inner.restore(),
            watched: self.watched.clone(),
        })
    }
}

/// What the spy has noted of a machine, and then the machine.
struct SpyReader {
    head: Bytes,
    inner: Box<dyn StateReader>,
}

impl StateReader for SpyReader {
    fn next_part(&mut self, max_bytes: usize) -> Option<Bytes> {
        if self.head.is_empty() {
            return self.inner.next_part(max_bytes);
        }
        let length = self.head.len().min(max_bytes.max(1));
        Some(self.head.split_to(length))
    }
}

/// Reads what [`SpyReader`] gave.
struct SpyWriter<S> {
    head: Vec<u8>,
    inner: Box<dyn StateWriter<S>>,
    watched: Watched<S>,
}

impl<S: StateMachine> StateWriter<SpyMachine<S>> for SpyWriter<S> {
    fn write(&mut self, part: &[u8]) -> Result<(), StateError> {
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(part.len());
        let (head, rest) = part.split_at(missing);
        self.head.extend_from_slice(head);
        self.inner.write(rest)
    }

    fn finish(self: Box<Self>) -> Result<SpyMachine<S>, StateError> {
        let mut numbers = self.head.chunks_exact(8).map(|bytes| {
            let bytes = <[u8; 8]>::try_from(bytes);
            bytes.map_or(0, u64::from_le_bytes)
        });
        let mut next = || numbers.next().ok_or(StateError::Length);
        let (applied, term, index) = (next()?, next()?, next()?);
        let last = EntryId::new(Term::new(term), LogIndex::new(index));
        let mut machine = SpyMachine::new(self.inner.finish()?, self.watched);
        machine.applied = usize::try_from(applied).unwrap_or(usize::MAX);
        machine.last = (last != EntryId::ORIGIN).then_some(last);
        machine.watched.journal.note(Fact::Restored(RestoredFact {
            commands: machine.applied,
            last: machine.last,
        }));
        machine.look_at_snapshot();
        Ok(machine)
    }
}

impl<S> Clone for Watched<S> {
    fn clone(&self) -> Self {
        Self {
            journal: self.journal.clone(),
            node: self.node,
            witness: self.witness.clone(),
            look: self.look.clone(),
            look_at_snapshots: self.look_at_snapshots.clone(),
        }
    }
}

const HEAD_BYTES: usize = 3 * 8;
