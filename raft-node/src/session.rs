//! Exactly-once sessions around the user's state machine (thesis 6.3).
//!
//! A command is named by (session, serial). The wrapper is part of the replicated state, so every
//! node decides alike whether a command is new: it keeps each session's answers until the client
//! has said that they are settled, and gives the kept answer to a command that comes again.
//!
//! Session 0 is no session: its entries are addressed to the wrapper itself, and their payload is
//! a [`Control`]. A session is opened by such an entry and its number is the entry's index.
//!
//! Everything is bounded, and what has to go goes by the order of the log and the leaders' stamps in
//! it, never by a clock of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use raft_core::ids::{Boot, EntryId, Incarnation, LogIndex};
use raft_core::record::{ClientHeader, Entry, Record};
use raft_core::time::LogTime;

use crate::state_machine::{Command, StateMachine};

mod content;

pub use content::{SessionsReader, SessionsWriter};

/// The user's state machine and the sessions of its clients.
///
/// - A session's answers have serials at or above its `settled`, which never falls.
/// - There are at most `max_sessions` sessions, each with at most `max_answers` answers, whose
///   replies weigh at most `max_answer_bytes`.
/// - `by_use` names each session once, by the entry that used it last.
/// - A session that has ended never comes back: its number was an index of the log.
#[derive(Debug)]
pub struct Sessions<S> {
    machine: S,
    limits: SessionLimits,
    sessions: BTreeMap<u64, Session>,
    by_use: BTreeMap<LogIndex, u64>,
    applied: LogIndex,
}

impl<S> Sessions<S> {
    /// No sessions yet, around a machine that has applied nothing.
    pub const fn new(machine: S, limits: SessionLimits) -> Self {
        Self {
            machine,
            limits,
            sessions: BTreeMap::new(),
            by_use: BTreeMap::new(),
            applied: LogIndex::ZERO,
        }
    }

    /// The user's machine.
    pub const fn machine(&self) -> &S {
        &self.machine
    }

    /// The last entry applied.
    pub const fn applied(&self) -> LogIndex {
        self.applied
    }

    /// Sets the bounds that the genesis record names, before anything is applied.
    pub(crate) const fn set_limits(&mut self, limits: SessionLimits) {
        self.limits = limits;
    }
}

impl<S: StateMachine> Sessions<S> {
    /// Applies the next entry.
    ///
    /// # Errors
    ///
    /// The entry is of a kind that this build does not know. It was not applied, and nothing
    /// after it may be: skipping would let replicas diverge.
    pub fn apply(&mut self, entry: Entry<'_>) -> Result<Applied, Halt> {
        self.expire(entry.time);
        let applied = match entry.record {
            Record::NoOp | Record::Config(_) => Applied::Nothing,
            Record::Client { header, payload } if header.session == CONTROL_SESSION => {
                self.apply_control(&entry, header, payload)?
            }
            Record::Client { header, payload } => {
                let command = Command {
                    id: entry.id,
                    time: entry.time,
                    payload,
                };
                Applied::Command {
                    session: header.session,
                    serial: header.serial,
                    answer: self.apply_command(header, command),
                }
            }
            Record::Unknown { kind, .. } => return Err(Halt::UnknownKind { id: entry.id, kind }),
            Record::Absent { kind } => return Err(Halt::Absent { id: entry.id, kind }),
        };
        self.applied = entry.id.index;
        Ok(applied)
    }

    /// The number of sessions open.
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// What applying this command came to, as far as it is still known. After a snapshot this
    /// is how a command is found that stands in none of the entries applied here.
    pub fn recall(&self, session: u64, serial: u64) -> Recalled {
        let Some(found) = self.sessions.get(&session) else {
            return match session > self.applied.get() {
                true => Recalled::NotYet,
                false => Recalled::SessionGone,
            };
        };
        if let Some(reply) = found.answers.get(&serial) {
            return Recalled::Answered(Answer::Reply(reply.clone()));
        }
        if found.forgotten.contains(&serial) {
            return Recalled::Answered(Answer::Forgotten);
        }
        match serial < found.settled {
            true => Recalled::Answered(Answer::Settled),
            false => Recalled::NotYet,
        }
    }

    /// The sessions open, each with who opened it.
    pub fn opened(&self) -> impl Iterator<Item = (Opener, u64)> + '_ {
        let sessions = self.sessions.iter();
        sessions.map(|(number, session)| (session.opener, *number))
    }

    /// The session that this opener has opened, if it is open.
    pub fn opened_by(&self, opener: Opener) -> Option<u64> {
        let mut sessions = self.sessions.iter();
        let (number, _) = sessions.find(|(_, session)| session.opener == opener)?;
        Some(*number)
    }

    fn apply_command(&mut self, header: ClientHeader, command: Command<'_>) -> Answer {
        // [T6.3.45] Without its session nobody can say whether a command is new.
        let Some(session) = self.sessions.get_mut(&header.session) else {
            return Answer::Expired;
        };
        // [T6.3.33] Who was here last is told by the log, so that it is the same everywhere.
        self.by_use.remove(&session.last_used);
        self.by_use.insert(command.id.index, header.session);
        (session.last_used, session.used_at) = (command.id.index, command.time);
        session.settle(header.settled);
        // [T6.3.38] It says that its client is there, and nothing else.
        if header.serial == NO_SERIAL {
            return Answer::Settled;
        }
        if header.serial < session.settled {
            return Answer::Settled;
        }
        // [S8.11] Answered before: the same answer, and the machine hears nothing of it.
        if let Some(reply) = session.answers.get(&header.serial) {
            return Answer::Reply(reply.clone());
        }
        if session.forgotten.contains(&header.serial) {
            return Answer::Forgotten;
        }
        // A client that lets more answers stand than it may loses its session whole. Refusing the
        // command alone would leave open what a doubled copy of it does later.
        if session.is_full(self.limits) {
            self.end(header.session);
            return Answer::Expired;
        }
        let reply = self.machine.apply(command);
        session.keep(header.serial, reply.clone(), self.limits);
        Answer::Reply(reply)
    }

    fn apply_control(
        &mut self,
        entry: &Entry<'_>,
        header: ClientHeader,
        payload: &[u8],
    ) -> Result<Applied, Halt> {
        let control = Control::decode(payload).ok_or(Halt::UnknownControl {
            id: entry.id,
            tag: payload.first().copied(),
        })?;
        match control {
            Control::Open { incarnation, boot } => {
                let opener = Opener {
                    incarnation,
                    boot,
                    serial: header.serial,
                };
                let session = self.open(opener, entry.id.index, entry.time);
                Ok(Applied::Opened { opener, session })
            }
        }
    }

    /// Opens a session, or finds the one that this opener has opened before: the entry may come
    /// twice.
    fn open(&mut self, opener: Opener, index: LogIndex, time: LogTime) -> u64 {
        if let Some(number) = self.opened_by(opener) {
            return number;
        }
        // [T6.3.34] There is room for so many and no more.
        while self.sessions.len() >= self.limits.max_sessions.max(1) as usize {
            self.evict();
        }
        // [T6.3.44] Its number is its entry's, so that there is no second one of that number.
        self.sessions
            .insert(index.get(), Session::new(opener, index, time));
        self.by_use.insert(index, index.get());
        index.get()
    }

    /// Ends the sessions that nobody has used for too long.
    fn expire(&mut self, now: LogTime) {
        let Some(idle_time) = self.limits.idle_time else {
            return;
        };
        while let Some((_, number)) = self.by_use.first_key_value() {
            let number = *number;
            // [T6.3.37] The stamps of the log say how long, so that it is the same everywhere. Who
            // was used last was used latest: stamps never fall.
            let is_over = self
                .sessions
                .get(&number)
                .is_none_or(|session| session.used_at.after(idle_time) < now);
            if !is_over {
                return;
            }
            self.end(number);
        }
    }

    /// Ends the session that was used least recently, by the order of the log.
    fn evict(&mut self) {
        let oldest = self.by_use.first_key_value().map(|(_, number)| *number);
        if let Some(number) = oldest {
            self.end(number);
        }
    }

    fn end(&mut self, number: u64) {
        if let Some(session) = self.sessions.remove(&number) {
            self.by_use.remove(&session.last_used);
        }
    }
}

/// One client's session.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Session {
    opener: Opener,
    last_used: LogIndex,
    /// The log time of that entry.
    used_at: LogTime,
    settled: u64,
    /// [T6.3.26] By serial, in whatever order they came.
    answers: BTreeMap<u64, Bytes>,
    answer_bytes: u64,
    /// Serials that were applied, but whose replies were too much to keep.
    forgotten: BTreeSet<u64>,
}

impl Session {
    const fn new(opener: Opener, opened: LogIndex, time: LogTime) -> Self {
        Self {
            opener,
            last_used: opened,
            used_at: time,
            settled: 0,
            answers: BTreeMap::new(),
            answer_bytes: 0,
            forgotten: BTreeSet::new(),
        }
    }

    /// [T6.3.27] Forgets the answers below `settled`. An older command may come later with a lower
    /// value.
    fn settle(&mut self, settled: u64) {
        self.settled = self.settled.max(settled);
        while let Some(first) = self.answers.first_entry() {
            if *first.key() >= self.settled {
                break;
            }
            let bytes = first.remove().len() as u64;
            self.answer_bytes = self.answer_bytes.saturating_sub(bytes);
        }
        while self
            .forgotten
            .first()
            .is_some_and(|serial| *serial < self.settled)
        {
            self.forgotten.pop_first();
        }
    }

    /// Keeps a reply for whoever asks again. What is beyond the bytes that may be kept goes, lowest
    /// serial first: its client has most likely heard it. That it was applied stays known, so that
    /// large replies cost only those whose first answer was lost, and never exactly-once.
    fn keep(&mut self, serial: u64, reply: Bytes, limits: SessionLimits) {
        self.answer_bytes = self.answer_bytes.saturating_add(reply.len() as u64);
        // [S8.10] What was answered is part of the replicated state.
        self.answers.insert(serial, reply);
        while self.answer_bytes > limits.max_answer_bytes {
            let Some((serial, reply)) = self.answers.pop_first() else {
                break;
            };
            self.answer_bytes = self.answer_bytes.saturating_sub(reply.len() as u64);
            self.forgotten.insert(serial);
        }
    }

    fn is_full(&self, limits: SessionLimits) -> bool {
        let known = self.answers.len().saturating_add(self.forgotten.len());
        known as u64 >= u64::from(limits.max_answers)
    }
}

/// Who opened a session: what its own node recognises its entry by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Opener {
    /// The life of the node it was opened on.
    pub incarnation: Incarnation,
    /// The boot of that life.
    pub boot: Boot,
    /// Counts within that boot.
    pub serial: u64,
}

/// What applying an entry came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Applied {
    /// Nothing that anyone waits for.
    Nothing,
    /// A session was opened, or had been by the same opener.
    Opened {
        /// Who opened it.
        opener: Opener,
        /// The session's number.
        session: u64,
    },
    /// A command, applied now or before, or refused.
    Command {
        /// Its session.
        session: u64,
        /// Its number in the session.
        serial: u64,
        /// What its client is told.
        answer: Answer,
    },
}

/// What a client is told of its command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The state machine's reply, from now or from the first time.
    Reply(Bytes),
    /// The session is not (or no longer) open. The command was not applied.
    Expired,
    /// The client has said that it knows this command's answer, or the serial is no command's
    /// ([`NO_SERIAL`]). It was not applied.
    Settled,
    /// The command was applied before, and its reply was too much to keep. It was not applied
    /// again.
    Forgotten,
}

/// What is still known of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recalled {
    /// It was applied, or refused for good.
    Answered(Answer),
    /// It was not applied.
    NotYet,
    /// Its session has ended: before the command was applied or after that.
    SessionGone,
}

/// Why an entry can't be applied. Apply stands still before it until a build that knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halt {
    /// A later version of this library wrote the entry. Update this node.
    #[error("entry {id} has record kind {kind}, which this build does not know: update this node")]
    UnknownKind {
        /// The entry.
        id: EntryId,
        /// Its kind.
        kind: u8,
    },
    /// Only the entry's id is here.
    #[error("entry {id} of kind {kind} has no payload here")]
    Absent {
        /// The entry.
        id: EntryId,
        /// Its kind.
        kind: u8,
    },
    /// A later version of this library wrote the entry. Update this node.
    #[error("entry {id} is a session command that this build does not know ({tag:?})")]
    UnknownControl {
        /// The entry.
        id: EntryId,
        /// The command's first byte.
        tag: Option<u8>,
    },
}

/// What may be kept for clients. The same on all nodes: part of the genesis record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLimits {
    /// Sessions open at once. One more ends the one used least recently. At least 1; choose
    /// several for each node and each remote client.
    pub max_sessions: u32,
    /// Answers kept for one session until its client says they are settled; one more ends the
    /// session. At least 1; no client may submit a serial that is further beyond the lowest one
    /// it has not settled.
    pub max_answers: u32,
    /// Bytes of replies kept for one session until its client says they are settled. Of more, those
    /// with the lowest serials are forgotten: who asks for one again is told that the command was
    /// applied, and not what it replied.
    pub max_answer_bytes: u64,
    /// How long a session may be unused before it ends, by the stamps that leaders put into the log;
    /// `None` for as long as there is room. Whole milliseconds count. Longer than
    /// [`NodeSettings::request_timeout`](crate::settings::NodeSettings::request_timeout), or what is
    /// still being tried finds its session gone. Choose longer than a client is silent that does not
    /// say it is there ([`Handle::keep_session`](crate::handle::Handle::keep_session)).
    pub idle_time: Option<Duration>,
}

impl SessionLimits {
    /// The limits as the genesis record has them: times in whole milliseconds.
    #[must_use]
    pub fn as_recorded(self) -> Self {
        let whole = |time: Duration| {
            Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        };
        Self {
            idle_time: self.idle_time.map(whole),
            ..self
        }
    }
}

impl SessionLimits {
    /// What is meant to suit most clusters.
    pub const DEFAULT: Self = Self {
        max_sessions: 4_096,
        max_answers: 65_536,
        max_answer_bytes: 64 << 20,
        idle_time: Some(Duration::from_secs(3_600)),
    };
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What an entry of session 0 asks of the sessions. Encoded as a tag (u8) and the fields,
/// little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Open a session; with the entry's serial this names the opener.
    Open {
        /// The life of the node it is opened on.
        incarnation: Incarnation,
        /// The boot of that life.
        boot: Boot,
    },
}

impl Control {
    /// The entry's payload.
    pub fn encode(self) -> Bytes {
        let Self::Open { incarnation, boot } = self;
        let mut bytes = Vec::with_capacity(25);
        bytes.push(OPEN);
        bytes.extend_from_slice(&incarnation.get().to_le_bytes());
        bytes.extend_from_slice(&boot.get().to_le_bytes());
        bytes.into()
    }

    /// Reads what [`Control::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        let (incarnation, rest) = rest.split_first_chunk()?;
        let boot = rest.try_into().ok()?;
        (tag == OPEN).then_some(Self::Open {
            incarnation: Incarnation::new(u128::from_le_bytes(*incarnation)),
            boot: Boot::new(u64::from_le_bytes(boot)),
        })
    }
}

/// The session whose entries are addressed to the sessions themselves.
pub const CONTROL_SESSION: u64 = 0;
/// The serial of no command: what comes under it only says that its session's client is there.
pub const NO_SERIAL: u64 = 0;
const OPEN: u8 = 1;

#[cfg(test)]
mod tests;
