//! Sessions in a snapshot: they are part of the replicated state, as the machine inside them is.
//!
//! The content of a snapshot, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this layout: 1 |
//! | 8 | the last entry applied |
//! | 4 | how many sessions; for each, in the order of their numbers: |
//! | 8 | its number |
//! | 16, 8, 8 | who opened it: incarnation, boot, serial |
//! | 8, 8, 8 | the entry it was last used by, and that one's log time; `settled` |
//! | 4, 4 | how many answers, how many serials whose answers were forgotten |
//! | 8, 4, n | each answer: serial, length, bytes |
//! | 8 | each forgotten serial |
//! | the rest | the state machine's own content |
//!
//! Who writes and who reads hold a session's answers at a time, not a copy of the whole.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use raft_core::ids::{Boot, Incarnation, LogIndex};
use raft_core::time::LogTime;

use super::{Opener, Session, SessionLimits, Sessions};
use crate::state_machine::{StateError, StateMachine, StateReader, StateWriter};

impl<S: StateMachine> Sessions<S> {
    /// The whole replicated state as it is now, to be read while more is applied.
    ///
    /// # Errors
    ///
    /// The machine's can't be written down.
    pub fn snapshot(&self) -> Result<SessionsReader, StateError> {
        let machine = self.machine.snapshot()?;
        let mut head = vec![VERSION];
        head.extend_from_slice(&self.applied.get().to_le_bytes());
        head.extend_from_slice(&count(self.sessions.len()));
        let sessions = self.sessions.iter();
        Ok(SessionsReader {
            ready: head.into(),
            sessions: sessions
                .map(|(number, session)| (*number, session.clone()))
                .collect(),
            machine,
        })
    }

    /// What makes sessions, with a machine inside, of a snapshot's content.
    pub fn restore(&self) -> SessionsWriter<S> {
        SessionsWriter {
            limits: self.limits,
            pending: Vec::new(),
            stage: Stage::Head,
            applied: LogIndex::ZERO,
            sessions: VecDeque::new(),
            left: 0,
            machine: self.machine.restore(),
        }
    }
}

/// Reads sessions, and then the machine in them.
pub struct SessionsReader {
    /// What comes next.
    ready: Bytes,
    sessions: VecDeque<(u64, Session)>,
    machine: Box<dyn StateReader>,
}

impl StateReader for SessionsReader {
    fn next_part(&mut self, max_bytes: usize) -> Option<Bytes> {
        if self.ready.is_empty() {
            let Some((number, session)) = self.sessions.pop_front() else {
                return self.machine.next_part(max_bytes);
            };
            self.ready = encode(number, &session).into();
        }
        let length = self.ready.len().min(max_bytes.max(1));
        Some(self.ready.split_to(length))
    }
}

/// Makes sessions, and the machine in them, of a snapshot's content.
pub struct SessionsWriter<S> {
    limits: SessionLimits,
    /// Bytes that do not make a whole item yet.
    pending: Vec<u8>,
    stage: Stage,
    applied: LogIndex,
    sessions: VecDeque<(u64, Session)>,
    /// Sessions still to come.
    left: u32,
    machine: Box<dyn StateWriter<S>>,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Head,
    Session,
    /// Of the last session: so many answers, then so many forgotten serials.
    Answers {
        answers: u32,
        forgotten: u32,
    },
    Machine,
}

impl<S> SessionsWriter<S> {
    /// Takes the next item out of `bytes`, if it is there as a whole.
    fn take_item(&mut self, bytes: &mut &[u8]) -> Result<bool, StateError> {
        match self.stage {
            Stage::Head => self.take_head(bytes),
            Stage::Session => Ok(self.take_session(bytes)),
            Stage::Answers { answers, forgotten } => {
                Ok(self.take_answer(bytes, answers, forgotten))
            }
            Stage::Machine => Ok(false),
        }
    }

    fn take_head(&mut self, bytes: &mut &[u8]) -> Result<bool, StateError> {
        if let Some(version) = bytes.first().copied().filter(|version| *version != VERSION) {
            return Err(StateError::UnknownVersion { version });
        }
        if bytes.len() < HEAD_BYTES {
            return Ok(false);
        }
        bytes.advance(1);
        self.applied = LogIndex::new(bytes.get_u64_le());
        self.left = bytes.get_u32_le();
        self.next_session();
        Ok(true)
    }

    fn take_session(&mut self, bytes: &mut &[u8]) -> bool {
        if bytes.len() < SESSION_BYTES {
            return false;
        }
        let number = bytes.get_u64_le();
        let opener = Opener {
            incarnation: Incarnation::new(bytes.get_u128_le()),
            boot: Boot::new(bytes.get_u64_le()),
            serial: bytes.get_u64_le(),
        };
        let last_used = LogIndex::new(bytes.get_u64_le());
        let used_at = LogTime::from_millis(bytes.get_u64_le());
        let mut session = Session::new(opener, last_used, used_at);
        session.settled = bytes.get_u64_le();
        self.sessions.push_back((number, session));
        let (answers, forgotten) = (bytes.get_u32_le(), bytes.get_u32_le());
        self.left = self.left.saturating_sub(1);
        self.expect(answers, forgotten);
        true
    }

    fn take_answer(&mut self, bytes: &mut &[u8], answers: u32, forgotten: u32) -> bool {
        let Some((_, session)) = self.sessions.back_mut() else {
            return false;
        };
        if answers == 0 {
            if bytes.len() < 8 {
                return false;
            }
            session.forgotten.insert(bytes.get_u64_le());
            self.expect(0, forgotten.saturating_sub(1));
            return true;
        }
        let mut peeked = *bytes;
        if peeked.len() < ANSWER_BYTES {
            return false;
        }
        let serial = peeked.get_u64_le();
        let length = peeked.get_u32_le() as usize;
        let Some((reply, rest)) = peeked.split_at_checked(length) else {
            return false;
        };
        session.answer_bytes = session.answer_bytes.saturating_add(length as u64);
        let reply = Bytes::copy_from_slice(reply);
        session.answers.insert(serial, reply);
        *bytes = rest;
        self.expect(answers.saturating_sub(1), forgotten);
        true
    }

    const fn expect(&mut self, answers: u32, forgotten: u32) {
        self.stage = Stage::Answers { answers, forgotten };
        if answers == 0 && forgotten == 0 {
            self.next_session();
        }
    }

    const fn next_session(&mut self) {
        self.stage = match self.left {
            0 => Stage::Machine,
            _ => Stage::Session,
        };
    }
}

impl<S> StateWriter<Sessions<S>> for SessionsWriter<S> {
    fn write(&mut self, part: &[u8]) -> Result<(), StateError> {
        if matches!(self.stage, Stage::Machine) {
            return self.machine.write(part);
        }
        let mut pending = core::mem::take(&mut self.pending);
        pending.extend_from_slice(part);
        let mut rest = pending.as_slice();
        while self.take_item(&mut rest)? {}
        if matches!(self.stage, Stage::Machine) {
            return self.machine.write(rest);
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Sessions<S>, StateError> {
        if !matches!(self.stage, Stage::Machine) {
            return Err(StateError::Length);
        }
        let by_use = self.sessions.iter();
        Ok(Sessions {
            machine: self.machine.finish()?,
            limits: self.limits,
            by_use: by_use
                .map(|(number, session)| (session.last_used, *number))
                .collect(),
            sessions: self.sessions.into_iter().collect(),
            applied: self.applied,
        })
    }
}

fn encode(number: u64, session: &Session) -> Vec<u8> {
    let Session {
        opener,
        last_used,
        used_at,
        settled,
        answers,
        answer_bytes: _,
        forgotten,
    } = session;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&opener.incarnation.get().to_le_bytes());
    bytes.extend_from_slice(&opener.boot.get().to_le_bytes());
    bytes.extend_from_slice(&opener.serial.to_le_bytes());
    bytes.extend_from_slice(&last_used.get().to_le_bytes());
    bytes.extend_from_slice(&used_at.as_millis().to_le_bytes());
    bytes.extend_from_slice(&settled.to_le_bytes());
    bytes.extend_from_slice(&count(answers.len()));
    bytes.extend_from_slice(&count(forgotten.len()));
    for (serial, reply) in answers {
        bytes.extend_from_slice(&serial.to_le_bytes());
        bytes.extend_from_slice(&count(reply.len()));
        bytes.extend_from_slice(reply);
    }
    for serial in forgotten {
        bytes.extend_from_slice(&serial.to_le_bytes());
    }
    bytes
}

/// The limits keep all that is counted here far below 2^32.
fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

impl core::fmt::Debug for SessionsReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SessionsReader")
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl<S> core::fmt::Debug for SessionsWriter<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SessionsWriter")
            .field("stage", &self.stage)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8 + 4;
const SESSION_BYTES: usize = 8 + 16 + 8 + 8 + 8 + 8 + 8 + 4 + 4;
const ANSWER_BYTES: usize = 8 + 4;

#[cfg(test)]
mod tests;
