//! Taking in what is asked for, here or by another node.

use std::time::Duration;

use bytes::Bytes;
use raft_core::record::ClientHeader;
use raft_core::time::Time;

use super::slab::Key;
use super::{Asker, NEVER, Request, Source, State, Tickets, Work};
use crate::desk::Ask;
use crate::error::{NotSent, SubmitError, Uncertain};
use crate::handle::{STOPPED, SessionCommand};
use crate::session::CONTROL_SESSION;

impl Tickets {
    /// Takes a command for the node's own session.
    pub(crate) fn submit(&mut self, ask: Ask, payload: Bytes, now: Time) {
        let deadline = now.after(self.limits.request_timeout);
        self.own.wait(ask, payload, deadline);
        self.sweep_by(now);
    }

    /// Takes a command of another session. One that is under way already is joined.
    pub(crate) fn submit_as(&mut self, ask: Ask, command: SessionCommand, now: Time) {
        let deadline = now.after(self.limits.request_timeout);
        let name = (command.session, command.serial);
        if let Some(key) = self.by_command.get(&name).copied() {
            self.join(key, ask, deadline);
            return;
        }
        let header = ClientHeader {
            session: command.session,
            serial: command.serial,
            settled: command.settled,
        };
        let work = Work::Command {
            header,
            payload: command.payload,
        };
        self.begin(work, desk_source(ask, deadline, false), deadline, now);
    }

    /// Takes a request to open a session.
    pub(crate) fn open_session(&mut self, ask: Ask, now: Time) {
        let deadline = now.after(self.limits.request_timeout);
        match self.own.opening_command() {
            Some(work) => self.begin(work, desk_source(ask, deadline, false), deadline, now),
            None => {
                self.own.wait_for_name(ask, deadline);
                self.sweep_by(now);
            }
        }
    }

    /// Takes a read that was asked for at `since`; its verdict comes in `reads`, and it ends with
    /// [`Tickets::end_read`].
    pub(crate) fn read(&mut self, number: u64, since: Time, now: Time) {
        let deadline = since.after(self.limits.request_timeout);
        self.begin(Work::Read { number }, Source::Read, deadline, now);
    }

    /// For how long a read is tried.
    pub(crate) const fn read_timeout(&self) -> Duration {
        self.limits.request_timeout
    }

    /// Whether another read may join this one: nothing was sent for it yet, so that whatever index
    /// it gets is committed after the newcomer began; and it has time left for both.
    pub(crate) fn may_join_read(&self, number: u64, now: Time) -> bool {
        let key = self.by_read.get(&number);
        key.and_then(|key| self.request(*key))
            .is_some_and(|request| {
                let left = request.deadline.since(now);
                !request.is_exposed() && left >= self.limits.request_timeout / 2
            })
    }

    /// A read was answered.
    pub(crate) fn end_read(&mut self, number: u64) {
        if let Some(key) = self.by_read.get(&number).copied() {
            self.remove(key);
        }
    }

    /// Ends everything that somebody here waits for, since the node stops or was removed. One that was removed
    /// goes on with what is on its way here all the same: what is committed is applied here, and what became
    /// of the rest that it appended comes back from its hull.
    pub(crate) fn end_all(&mut self, why: Uncertain) {
        for ask in self.own.take_all_waiting() {
            self.outcomes.push((ask, Err(unsent(why))));
        }
        for slot in 0..self.slab.slots() {
            let Some(key) = self.slab.key_at(slot) else {
                continue;
            };
            let Some(request) = self.request(key) else {
                continue;
            };
            let is_over = match why {
                Uncertain::Removed => !matches!(request.state, State::Proposed | State::Committed),
                Uncertain::TimedOut | Uncertain::Stopped | Uncertain::Skipped => true,
            };
            match request.source {
                Source::Desk { .. } | Source::Read if is_over => self.end_overdue(key, why),
                // Nobody waits for it any more. Whoever asks when this node was added again has
                // another one opened.
                Source::OwnSession if is_over => {
                    self.remove(key);
                    self.own.give_up_opening();
                }
                Source::Desk { .. } | Source::OwnSession | Source::Read | Source::Node { .. } => {}
            }
        }
    }

    /// Gives serials to what waits for the own session, opening it when needed.
    pub(crate) fn assign(&mut self, now: Time) {
        while let Some((ask, deadline)) = self.own.take_early() {
            if let Some(work) = self.own.opening_command() {
                self.begin(work, desk_source(ask, deadline, false), deadline, now);
            }
        }
        if self.own.needs_session() {
            if let Some(work) = self.own.open() {
                self.begin(work, Source::OwnSession, NEVER, now);
            }
        }
        let Some(session) = self.own.number() else {
            return;
        };
        let mut lowest = self.lowest_under_way(session);
        while let Some((serial, waiting)) = self.own.assign_next(lowest) {
            lowest = lowest.or(Some(serial));
            let header = ClientHeader {
                session,
                serial,
                settled: 0,
            };
            let work = Work::Command {
                header,
                payload: waiting.payload,
            };
            let source = desk_source(waiting.ask, waiting.deadline, true);
            self.begin(work, source, waiting.deadline, now);
        }
    }

    fn join(&mut self, key: Key, newcomer: Ask, until: Time) {
        let Some(request) = self.request_mut(key) else {
            return;
        };
        request.deadline = request.deadline.max(until);
        match &mut request.source {
            Source::Desk { joined, .. } => joined.push(Asker {
                ask: newcomer,
                until,
            }),
            source => {
                // A command that another node forwarded is now wanted here too.
                let forwarded = matches!(source, Source::Node { .. });
                *source = desk_source(newcomer, until, false);
                if forwarded {
                    self.forwarded_here = self.forwarded_here.saturating_sub(1);
                }
            }
        }
    }

    pub(super) fn begin(&mut self, work: Work, source: Source, deadline: Time, now: Time) {
        let name = match &work {
            Work::Command { header, .. } => Some((header.session, header.serial)),
            Work::Read { .. } => None,
        };
        let number = match &work {
            Work::Read { number } => Some(*number),
            Work::Command { .. } => None,
        };
        let forwarded = matches!(source, Source::Node { .. });
        let key = self.slab.insert(Request {
            work,
            source,
            state: State::Ready,
            deadline,
            exposed: false,
            attempts: 0,
        });
        if forwarded {
            self.forwarded_here = self.forwarded_here.saturating_add(1);
        }
        if let Some(name) = name.filter(|name| !forwarded || name.0 != CONTROL_SESSION) {
            self.by_command.insert(name, key);
        }
        if let Some(number) = number.filter(|_| !forwarded) {
            self.by_read.insert(number, key);
        }
        self.ready.push_back(key);
        self.sweep_by(now);
    }
}

const fn desk_source(ask: Ask, until: Time, own: bool) -> Source {
    Source::Desk {
        own,
        first: Some(Asker { ask, until }),
        joined: Vec::new(),
    }
}

/// What is said of a command that was never sent.
pub(super) const fn unsent(why: Uncertain) -> SubmitError {
    match why {
        Uncertain::TimedOut | Uncertain::Skipped => SubmitError::NotSent(NotSent::NoLeader),
        Uncertain::Stopped => STOPPED,
        Uncertain::Removed => SubmitError::NotSent(NotSent::Removed),
    }
}
