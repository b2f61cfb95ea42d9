//! The node's own session, for commands submitted without one.
//!
//! It is opened in the log when the first such command comes, anew in each boot. Serials rise by
//! one; what waits for the session, or for room in its window, waits here in order.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use raft_core::ids::{Boot, Incarnation};
use raft_core::record::ClientHeader;
use raft_core::time::Time;

use super::Work;
use crate::desk::Ask;
use crate::session::{CONTROL_SESSION, Control, Opener};

/// See the module.
///
/// - The serials from the lowest unsettled one to the next are fewer than the answers that the
///   sessions keep.
#[derive(Debug)]
pub(super) struct OwnSession {
    /// In whose name sessions are opened; nobody's before the cluster is founded.
    name: Option<(Incarnation, Boot)>,
    max_answers: u64,
    number: Option<u64>,
    opening: bool,
    /// Counts the sessions this boot has asked for.
    opened: u64,
    next_serial: u64,
    /// Serials whose outcome was given as unknown. They hold back `settled` for a while, so that
    /// a retry under the same serial can still be told what became of it.
    abandoned: BTreeSet<u64>,
    waiting: VecDeque<Waiting>,
    /// Clients that asked for a session too early, and until when they wait.
    early: VecDeque<(Ask, Time)>,
}

/// A command without a serial yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ask: Ask,
    pub(super) payload: Bytes,
    pub(super) deadline: Time,
}

impl OwnSession {
    pub(super) const fn new() -> Self {
        Self {
            name: None,
            max_answers: 1,
            number: None,
            opening: false,
            opened: 0,
            next_serial: 1,
            abandoned: BTreeSet::new(),
            waiting: VecDeque::new(),
            early: VecDeque::new(),
        }
    }

    pub(super) fn set_opener(&mut self, incarnation: Incarnation, boot: Boot, max_answers: u32) {
        self.name = Some((incarnation, boot));
        self.max_answers = u64::from(max_answers).max(1);
    }

    pub(super) fn wait(&mut self, ask: Ask, payload: Bytes, deadline: Time) {
        self.waiting.push_back(Waiting {
            ask,
            payload,
            deadline,
        });
    }

    pub(super) fn wait_first(&mut self, ask: Ask, payload: Bytes, deadline: Time) {
        self.waiting.push_front(Waiting {
            ask,
            payload,
            deadline,
        });
    }

    /// The command that opens a session, this node's or a client's; `None` while this node has no
    /// name to recognise it by.
    pub(super) fn opening_command(&mut self) -> Option<Work> {
        let (incarnation, boot) = self.name?;
        self.opened = self.opened.saturating_add(1);
        let control = Control::Open { incarnation, boot };
        Some(Work::Command {
            header: ClientHeader {
                session: CONTROL_SESSION,
                serial: self.opened,
                settled: 0,
            },
            payload: control.encode(),
        })
    }

    pub(super) fn open(&mut self) -> Option<Work> {
        let command = self.opening_command()?;
        self.opening = true;
        Some(command)
    }

    /// Takes note of a client that wants a session before this node has a name.
    pub(super) fn wait_for_name(&mut self, ask: Ask, deadline: Time) {
        self.early.push_back((ask, deadline));
    }

    /// The next client that can have its session now.
    pub(super) fn take_early(&mut self) -> Option<(Ask, Time)> {
        self.name?;
        self.early.pop_front()
    }

    pub(super) fn opened(&mut self, number: u64) {
        self.opening = false;
        self.number = Some(number);
        self.next_serial = 1;
        self.abandoned.clear();
    }

    /// The session asked for is not waited for any more. Should it be opened all the same, it goes
    /// unused, and the next has another name.
    pub(super) const fn give_up_opening(&mut self) {
        self.opening = false;
    }

    pub(super) fn ended(&mut self) {
        self.number = None;
        self.abandoned.clear();
    }

    pub(super) fn needs_session(&self) -> bool {
        !self.waiting.is_empty() && self.number.is_none() && !self.opening
    }

    pub(super) const fn number(&self) -> Option<u64> {
        self.number
    }

    pub(super) fn is(&self, session: u64) -> bool {
        self.number == Some(session)
    }

    pub(super) fn is_opener(&self, opener: Opener) -> bool {
        self.name == Some((opener.incarnation, opener.boot))
    }

    /// Takes the next command that the window has room for. `lowest` is the lowest serial under
    /// way.
    pub(super) fn assign_next(&mut self, lowest: Option<u64>) -> Option<(u64, Waiting)> {
        let mut settled = self.settled(lowest);
        // A retry of what was given up may come or not; it may not hold up half the window.
        while self.next_serial.saturating_sub(settled) > self.max_answers / 2
            && self.abandoned.first() == Some(&settled)
        {
            self.abandoned.pop_first();
            settled = self.settled(lowest);
        }
        if self.next_serial.saturating_sub(settled) >= self.max_answers {
            return None;
        }
        let waiting = self.waiting.pop_front()?;
        // [S8.9] A serial is given once, and stays with its command however often that is sent.
        let serial = self.next_serial;
        self.next_serial = serial.saturating_add(1);
        Some((serial, waiting))
    }

    /// All serials below this one need no answer any more.
    pub(super) fn settled(&self, lowest: Option<u64>) -> u64 {
        let abandoned = self.abandoned.first().copied();
        lowest
            .into_iter()
            .chain(abandoned)
            .min()
            .unwrap_or(self.next_serial)
    }

    pub(super) fn abandon(&mut self, serial: u64) {
        self.abandoned.insert(serial);
    }

    pub(super) fn settle_abandoned(&mut self, serial: u64) {
        self.abandoned.remove(&serial);
    }

    /// Takes someone whose time was over before anything was sent.
    pub(super) fn take_overdue(&mut self, now: Time) -> Option<Ask> {
        if self.early.front().is_some_and(|(_, until)| *until <= now) {
            return self.early.pop_front().map(|(ask, _)| ask);
        }
        let overdue = self.waiting.front()?.deadline <= now;
        overdue
            .then(|| self.waiting.pop_front())?
            .map(|waiting| waiting.ask)
    }

    /// Takes everyone for whom nothing was sent yet.
    pub(super) fn take_all_waiting(&mut self) -> impl Iterator<Item = Ask> + use<> {
        let early = core::mem::take(&mut self.early);
        let waiting = core::mem::take(&mut self.waiting);
        let early = early.into_iter().map(|(ask, _)| ask);
        early.chain(waiting.into_iter().map(|waiting| waiting.ask))
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len().saturating_add(self.early.len())
    }
}
