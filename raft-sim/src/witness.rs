//! Whether a user's state machine is deterministic: the same commands in the same order must give
//! the same answers and the same state on every node, after every restart, and on a fresh copy.
//!
//! A [`Witness`] stands beside every state machine of a world. It keeps what the first node to
//! apply a command answered, and compares what each later one answers, one command at a time: a
//! difference has one index, the first at which it can be seen. It also knows at which command a
//! state machine panicked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use raft_core::ids::{EntryId, NodeId};
use raft_core::time::{LogTime, Time};
use raft_node::state_machine::{Command, StateMachine};

use crate::panics::caught;
use crate::spy::fingerprint;
use crate::subject::StateLook;

mod restored;

/// What all nodes' state machines of one world answered. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// By how many commands were applied: the first state that went into a snapshot there.
    snapshots: BTreeMap<usize, (NodeId, State)>,
    /// What was answered, in the order of the log.
    answers: Vec<Answer>,
    /// The first thing that went wrong.
    finding: Option<Finding>,
    now: Time,
    /// How long the last state was that was looked at: long ones are not looked at each time.
    state_bytes: usize,
}

/// A command, and what the first node that applied it answered.
#[derive(Clone, Debug)]
struct Answer {
    node: NodeId,
    /// When, on the world's clock.
    at: Time,
    id: EntryId,
    time: LogTime,
    command: Bytes,
    reply: Bytes,
    state: Option<State>,
}

/// A state machine's state after a command.
#[derive(Clone, Debug)]
struct State {
    length: usize,
    print: u64,
    /// The same whatever the order of the bytes.
    jumbled: u64,
    /// The state itself, if it is short.
    bytes: Option<Bytes>,
}

impl Answer {
    fn command(&self) -> Command<'_> {
        Command {
            id: self.id,
            time: self.time,
            payload: &self.command,
        }
    }
}

/// What went wrong in a state machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Finding {
    /// It answered otherwise, or came to another state, than one before it.
    Differs {
        /// Where both stood.
        id: EntryId,
        /// The command.
        command: Bytes,
        /// Who was first, and what it had.
        first: (NodeId, Bytes),
        /// Who differed, and what it had.
        second: (Applicant, Bytes),
        /// Whether what they had is a reply; a state otherwise, empty if it is a long one.
        reply: bool,
    },
    /// Its state in a snapshot, or out of one, is another than a snapshot of the same commands had
    /// before.
    OtherSnapshot {
        /// The last command's entry.
        id: EntryId,
        /// How many commands.
        commands: usize,
        /// Who was first.
        first: NodeId,
        /// Who differed.
        second: NodeId,
    },
    /// A copy that went through snapshots answers otherwise.
    LostInSnapshot {
        /// The node whose machine answered first.
        node: NodeId,
        /// Where the command stands.
        id: EntryId,
        /// The command.
        command: Bytes,
        /// What was answered.
        reply: Bytes,
        /// What the copy answers, or what it said when it panicked or could not be made.
        restored: Result<Bytes, String>,
    },
    /// It panicked.
    Panicked {
        /// Where.
        node: NodeId,
        /// At which entry.
        id: EntryId,
        /// The command.
        command: Bytes,
        /// What it said, and where in the code.
        text: String,
    },
}

/// Who applies a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Applicant {
    /// A node.
    Node(NodeId),
    /// A fresh copy, after the world's end.
    Copy,
}

impl Witness {
    /// Applies a command, and compares. A panic goes on to whoever polls the node.
    pub(crate) fn apply<S: StateMachine>(
        &self,
        machine: &mut S,
        command: Command<'_>,
        place: &Place<'_, S>,
    ) -> Bytes {
        match caught(|| machine.apply(command)) {
            Ok(reply) => {
                self.compare(machine, command, &reply, place);
                reply
            }
            Err(text) => {
                self.panicked(command, place.applicant, text.clone());
                std::panic::resume_unwind(Box::new(text))
            }
        }
    }

    /// Looks at a state that goes into a snapshot, or has come out of one.
    pub(crate) fn snapshot<S>(&self, machine: &S, last: Option<EntryId>, place: &Place<'_, S>) {
        let Applicant::Node(node) = place.applicant else {
            return;
        };
        let Some((look, state)) = place
            .look
            .and_then(|look| Some((look, State::of(machine, look)?)))
        else {
            return;
        };
        let mut seen = self.seen();
        let Some((first, known)) = seen.snapshots.get(&place.number) else {
            seen.snapshots.insert(place.number, (node, state));
            return;
        };
        if known.differs_from(&state, look) && seen.finding.is_none() {
            seen.finding = Some(Finding::OtherSnapshot {
                id: last.unwrap_or(EntryId::ORIGIN),
                commands: place.number,
                first: *first,
                second: node,
            });
        }
    }

    /// What went wrong, if anything did.
    pub(crate) fn finding(&self) -> Option<Finding> {
        self.seen().finding.clone()
    }

    /// Applies everything once more on a fresh copy.
    pub(crate) fn replay<S: StateMachine>(&self, mut copy: S, look: Option<&StateLook<S>>) {
        let answers = self.seen().answers.clone();
        for (number, answer) in answers.iter().enumerate() {
            let command = answer.command();
            let place = Place {
                applicant: Applicant::Copy,
                number,
                look,
            };
            match caught(|| copy.apply(command)) {
                Ok(reply) => self.compare(&copy, command, &reply, &place),
                Err(text) => self.panicked(command, Applicant::Node(answer.node), text),
            }
            if self.seen().finding.is_some() {
                return;
            }
        }
    }

    /// All commands that were applied, in the order of the log.
    pub(crate) fn applied(&self) -> Vec<Applied> {
        let applied = |answer: &Answer| Applied {
            stamp: (answer.id, answer.time),
            at: answer.at,
            command: answer.command.clone(),
            reply: answer.reply.clone(),
        };
        self.seen().answers.iter().map(applied).collect()
    }

    /// What the world's clock shows, until it is told otherwise.
    pub(crate) fn set_time(&self, now: Time) {
        self.seen().now = now;
    }

    fn compare<S>(&self, machine: &S, command: Command<'_>, reply: &Bytes, place: &Place<'_, S>) {
        let mut seen = self.seen();
        let Some(first) = seen.answers.get(place.number) else {
            let Applicant::Node(node) = place.applicant else {
                return;
            };
            let stride = 1 + seen.state_bytes / OFTEN;
            let look = place.look.filter(|_| place.number % stride == 0);
            let state = look.and_then(|look| State::of(machine, look));
            if let Some(state) = &state {
                seen.state_bytes = state.length;
            }
            let at = seen.now;
            seen.answers.push(Answer {
                node,
                at,
                id: command.id,
                time: command.time,
                command: Bytes::copy_from_slice(command.payload),
                reply: reply.clone(),
                state,
            });
            return;
        };
        // Other commands at this place are no fault of the state machine, and for others to find.
        if first.id != command.id || first.command != command.payload {
            return;
        }
        let differs = |one: Bytes, other: Bytes, reply: bool| Finding::Differs {
            id: first.id,
            command: first.command.clone(),
            first: (first.node, one),
            second: (place.applicant, other),
            reply,
        };
        let finding = if first.reply != *reply {
            Some(differs(first.reply.clone(), reply.clone(), true))
        } else if let (Some(known), Some(look)) = (&first.state, place.look) {
            State::of(machine, look)
                .filter(|state| known.differs_from(state, look))
                .map(|state| {
                    let short = |state: &State| state.bytes.clone().unwrap_or_default();
                    differs(short(known), short(&state), false)
                })
        } else {
            None
        };
        if seen.finding.is_none() {
            seen.finding = finding;
        }
    }

    fn panicked(&self, command: Command<'_>, applicant: Applicant, text: String) {
        let Applicant::Node(node) = applicant else {
            return;
        };
        self.seen().finding.get_or_insert(Finding::Panicked {
            node,
            id: command.id,
            command: Bytes::copy_from_slice(command.payload),
            text,
        });
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who applies the command of this number, and how to look at its state.
#[derive(Debug)]
pub(crate) struct Place<'a, S> {
    pub(crate) applicant: Applicant,
    /// How many commands it has applied before, since it was made.
    pub(crate) number: usize,
    pub(crate) look: Option<&'a StateLook<S>>,
}

/// A command that was applied.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) stamp: Stamp,
    /// When the first node applied it, on the world's clock.
    pub(crate) at: Time,
    pub(crate) command: Bytes,
    pub(crate) reply: Bytes,
}

/// Where a command stands in the log, and the log time it was taken at.
pub(crate) type Stamp = (EntryId, LogTime);

impl State {
    fn of<S>(machine: &S, look: &StateLook<S>) -> Option<Self> {
        let bytes = look.write(machine)?;
        let jumbled = bytes.iter().fold(0_u64, |sum, &byte| {
            let word = u64::from(byte) + 1;
            sum.wrapping_add(crate::lot::mix(word))
        });
        Some(Self {
            length: bytes.len(),
            print: fingerprint(&bytes),
            jumbled,
            bytes: (bytes.len() <= SHORT).then(|| bytes.into()),
        })
    }

    /// Whether the states are not the same. The same state can be written in another order if it
    /// holds a map or a set with a random one; that alone is no difference.
    fn differs_from<S>(&self, other: &Self, look: &StateLook<S>) -> bool {
        if self.print == other.print {
            return false;
        }
        if self.jumbled != other.jumbled {
            return true;
        }
        let written = other.bytes.as_ref().or(self.bytes.as_ref());
        written.is_some_and(|bytes| look.is_written_one_way(bytes))
    }
}

/// States up to this many bytes are kept, to be shown.
const SHORT: usize = 2_048;

/// States up to this many bytes are compared after every command, longer ones more seldom.
const OFTEN: usize = 1 << 16;
