//! Everything under way at a node, and what has become of it.
//!
//! A request is a command or a read, asked for here or forwarded by another node. It is handed to
//! the own hull or forwarded to the leader, rests when it was refused, is sent again when nothing
//! was heard, and ends once: when this node applies it (a read: when this node has applied up to
//! the index that a leader has confirmed for it), or when its time is over. A retry of a command
//! has the same session and serial, so that sending too often is never wrong; one of a read is
//! confirmed anew.
//!
//! ```text
//!             ┌───────────── refused, lost, leader changed ─────────────┐
//!             ▼                                                         │
//! asked ─▶ Ready ─▶ Proposed (own hull) ─▶ Committed ─▶ applied: answered
//!             └───▶ Forwarded (leader) ──────────────▶ applied: answered
//! ```
//!
//! - A request stands in `ready` exactly when its state is `Ready`.
//! - A command stands in `by_command` as long as it is under way; one of session 0 only when it
//!   was asked for here.
//! - Every ask is answered exactly once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use raft_core::hull::{Outcome, Refusal, Resolved};
use raft_core::ids::{Boot, LogIndex, Peer};
use raft_core::record::ClientHeader;
use raft_core::time::Time;

use crate::desk::{Answered, Ask, Settled};
use crate::error::{NotSent, SubmitError, Uncertain};
use crate::letter::ForwardReply;
use crate::session::{Answer, CONTROL_SESSION, Opener};
use crate::settings::NodeSettings;

mod asked;
mod forward;
mod overdue;
mod own;
mod restored;
mod slab;

use asked::unsent;
pub(crate) use forward::{Batch, BatchLimits};
use own::OwnSession;
use slab::{Key, Slab};

/// See the module.
#[derive(Debug)]
pub(crate) struct Tickets {
    slab: Slab,
    by_command: BTreeMap<(u64, u64), Key>,
    by_read: BTreeMap<u64, Key>,
    ready: VecDeque<Key>,
    own: OwnSession,
    limits: TicketLimits,
    /// Bytes proposed at the own hull and not resolved.
    proposed_bytes: usize,
    /// Requests forwarded to this node.
    forwarded_here: usize,
    next_sweep: Option<Time>,
    /// What to tell those who asked.
    pub(crate) outcomes: Vec<Settled>,
    /// What became of reads asked for here.
    pub(crate) reads: Vec<(u64, ReadVerdict)>,
    /// What to tell those who forwarded.
    pub(crate) replies: BTreeMap<(Peer, Boot), ForwardReply>,
}

/// The bounds of what is under way, and how long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TicketLimits {
    pub(crate) request_timeout: Duration,
    pub(crate) forward_retry: Duration,
    pub(crate) refused_pause: Duration,
    pub(crate) sweep_interval: Duration,
    pub(crate) max_forwarded: usize,
    pub(crate) max_payload_bytes: usize,
}

impl TicketLimits {
    pub(crate) const fn new(settings: &NodeSettings) -> Self {
        Self {
            request_timeout: settings.request_timeout,
            forward_retry: settings.forward_retry,
            refused_pause: settings.refused_pause,
            sweep_interval: settings.sweep_interval,
            max_forwarded: settings.max_forwarded,
            max_payload_bytes: settings.raft.max_payload_bytes,
        }
    }
}

/// One command or read under way.
#[derive(Debug)]
struct Request {
    work: Work,
    source: Source,
    state: State,
    /// When the time of the last who waits for it is over.
    deadline: Time,
    /// A copy may stand in some log because of an attempt that is over.
    exposed: bool,
    /// How often it was sent since the leader was last heard to change.
    attempts: u8,
}

#[derive(Debug)]
enum Work {
    Command {
        header: ClientHeader,
        payload: Bytes,
    },
    Read {
        number: u64,
    },
}

#[derive(Debug)]
enum Source {
    /// Someone at the desk, by this node's session (`own`) or by another.
    Desk {
        own: bool,
        /// Who asked first, until it is told.
        first: Option<Asker>,
        joined: Vec<Asker>,
    },
    /// This node, which needs a session.
    OwnSession,
    /// A read of this node.
    Read,
    /// Another node.
    Node { from: Peer, boot: Boot },
}

/// Who waits, and until when.
#[derive(Clone, Copy, Debug)]
struct Asker {
    ask: Ask,
    until: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Ready,
    Resting {
        until: Time,
    },
    Proposed,
    Forwarded {
        until: Time,
    },
    /// In the log for good, still to be applied here; a read: confirmed, and what it must see still
    /// to be applied here.
    Committed,
}

/// What became of a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadVerdict {
    /// It may be answered when this index has been applied.
    At(LogIndex),
    /// Its time is over.
    TimedOut,
    /// The node was removed.
    Removed,
}

impl Tickets {
    pub(crate) const fn new(limits: TicketLimits) -> Self {
        Self {
            slab: Slab::new(),
            by_command: BTreeMap::new(),
            by_read: BTreeMap::new(),
            ready: VecDeque::new(),
            own: OwnSession::new(),
            limits,
            proposed_bytes: 0,
            forwarded_here: 0,
            next_sweep: None,
            outcomes: Vec::new(),
            reads: Vec::new(),
            replies: BTreeMap::new(),
        }
    }

    /// Who this node is, once that is known: how it recognises the session it opens.
    pub(crate) fn set_opener(&mut self, me: Peer, boot: Boot, max_answers: u32) {
        self.own.set_opener(me.incarnation, boot, max_answers);
    }

    /// The hull has resolved a ticket.
    pub(crate) fn on_resolved(&mut self, resolved: Resolved, now: Time) {
        let key = Key::of_ticket(resolved.ticket);
        let Some(request) = self.request_mut(key) else {
            return;
        };
        if request.state != State::Proposed {
            return;
        }
        // The hull has it no longer, whatever becomes of it: nobody takes it off once more.
        request.state = State::Resting { until: now };
        let bytes = request.bytes();
        self.proposed_bytes = self.proposed_bytes.saturating_sub(bytes);
        match resolved.outcome {
            Outcome::Committed(_) => self.on_committed(key),
            Outcome::ReadAt(index) => self.on_confirmed(key, index),
            Outcome::Refused(Refusal::TooLarge { payload_bytes }) => {
                self.on_too_large(key, payload_bytes);
            }
            // Only changes of members are withdrawn; of a command it would say that it is in no log.
            Outcome::Refused(_) | Outcome::Withdrawn(_) => self.on_refused(key, now),
            Outcome::Unknown { .. } => self.on_unknown(key),
            // Of requests to hand over, which are no tickets of these.
            Outcome::HandedOver { .. } | Outcome::NotHandedOver(_) => {}
        }
    }

    /// A command was applied here.
    pub(crate) fn on_applied(&mut self, session: u64, serial: u64, answer: Answer) {
        let Some(key) = self.by_command.get(&(session, serial)).copied() else {
            return;
        };
        let own = self.own.is(session);
        if own && answer == Answer::Expired {
            self.on_own_session_ended(session);
            if self.request(key).is_none() {
                return;
            }
        }
        if own {
            self.own.settle_abandoned(serial);
        }
        let outcome = match answer {
            Answer::Reply(reply) => Ok(Answered::Reply(reply)),
            Answer::Expired => Err(SubmitError::SessionExpired { session, serial }),
            Answer::Settled => Err(SubmitError::Settled { session, serial }),
            Answer::Forgotten => Err(SubmitError::ReplyForgotten { session, serial }),
        };
        self.finish(key, outcome);
    }

    /// A session was opened.
    pub(crate) fn on_opened(&mut self, opener: Opener, session: u64) {
        if !self.own.is_opener(opener) {
            return;
        }
        let name = (CONTROL_SESSION, opener.serial);
        if let Some(key) = self.by_command.get(&name).copied() {
            let source = self.request(key).map(|request| &request.source);
            if matches!(source, Some(Source::OwnSession)) {
                self.own.opened(session);
            }
            self.finish(key, Ok(Answered::Session(session)));
        }
    }

    /// Another leader, or another term: what was forwarded or refused is sent anew, in order.
    pub(crate) fn on_leader(&mut self) {
        let commands = self.by_command.values();
        let keys: Vec<Key> = commands.chain(self.by_read.values()).copied().collect();
        for key in keys {
            let Some(request) = self.request_mut(key) else {
                continue;
            };
            request.attempts = 0;
            if matches!(
                request.state,
                State::Resting { .. } | State::Forwarded { .. }
            ) {
                self.make_ready(key);
            }
        }
    }

    /// Looks through all that is under way for what has waited too long. Requests without an
    /// outcome by now get the one that is certain.
    pub(crate) fn sweep(&mut self, now: Time) {
        if self.next_sweep.is_none_or(|due| due > now) {
            return;
        }
        while let Some(ask) = self.own.take_overdue(now) {
            let error = SubmitError::NotSent(NotSent::NoLeader);
            self.outcomes.push((ask, Err(error)));
        }
        for slot in 0..self.slab.slots() {
            let Some(key) = self.slab.key_at(slot) else {
                continue;
            };
            let Some(request) = self.request(key) else {
                continue;
            };
            let state = request.state;
            let is_over = request.deadline <= now;
            if !is_over && request.is_joined() {
                self.tell_overdue(key, now);
            }
            match state {
                _ if is_over => self.end_overdue(key, Uncertain::TimedOut),
                State::Resting { until } if until <= now => self.make_ready(key),
                State::Forwarded { until } if until <= now => self.make_ready(key),
                State::Ready
                | State::Resting { .. }
                | State::Proposed
                | State::Forwarded { .. }
                | State::Committed => {}
            }
        }
        // While nobody leads, nothing takes from the queue what has ended meanwhile.
        if self.ready.len() > self.slab.slots() {
            let slab = &self.slab;
            let is_ready = |key: &Key| slab.get(*key).is_some_and(Request::is_ready);
            self.ready.retain(is_ready);
        }
        let idle = self.under_way() == 0;
        self.next_sweep = (!idle).then(|| now.after(self.limits.sweep_interval));
    }

    /// When to come back with [`Tickets::sweep`].
    pub(crate) const fn deadline(&self) -> Option<Time> {
        self.next_sweep
    }

    /// All requests under way.
    pub(crate) fn under_way(&self) -> usize {
        self.slab.requests().saturating_add(self.own.waiting())
    }

    /// How many may be ready to go out.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether nobody here waits for any command: nothing applied need be looked up.
    pub(crate) fn awaits_no_command(&self) -> bool {
        self.by_command.is_empty()
    }

    /// A leader has confirmed a read: it may be answered from this index on.
    fn on_confirmed(&mut self, key: Key, index: LogIndex) {
        let Some(request) = self.request_mut(key) else {
            return;
        };
        request.state = State::Committed;
        match (&request.source, &request.work) {
            (Source::Read, Work::Read { number }) => {
                let number = *number;
                self.reads.push((number, ReadVerdict::At(index)));
            }
            (Source::Node { .. }, Work::Read { .. }) => {
                self.answer_read(key, Some(index));
                self.remove(key);
            }
            (_, Work::Command { .. }) | (Source::Desk { .. } | Source::OwnSession, _) => {}
        }
    }

    fn on_committed(&mut self, key: Key) {
        let Some(request) = self.request_mut(key) else {
            return;
        };
        request.state = State::Committed;
        match (&request.source, &request.work) {
            // Whoever opens a session does so rarely, and recognises it by more than its name.
            (Source::Node { .. }, Work::Command { header, .. })
                if header.session == CONTROL_SESSION =>
            {
                self.remove(key);
            }
            // Those who forwarded will see it applied. It stays until it is applied here, so that
            // a copy of it meets it and is not proposed again.
            (Source::Node { .. }, _)
            | (Source::Desk { .. } | Source::OwnSession | Source::Read, _) => {}
        }
    }

    fn on_refused(&mut self, key: Key, now: Time) {
        let pause = self.limits.refused_pause;
        let Some(request) = self.request_mut(key) else {
            return;
        };
        if matches!(request.source, Source::Node { .. }) {
            self.refuse_forwarded(key);
        } else {
            let until = now.after(request.backed_off(pause));
            request.state = State::Resting { until };
            self.sweep_by(now);
        }
    }

    /// The settings keep commands below what a chunk takes, so this is not expected; but a
    /// command that can never be proposed must not be tried for ever.
    fn on_too_large(&mut self, key: Key, bytes: usize) {
        let limit = self.limits.max_payload_bytes;
        if self.request(key).is_some_and(|request| request.exposed) {
            self.end_overdue(key, Uncertain::TimedOut);
            return;
        }
        self.finish(key, Err(SubmitError::TooLarge { bytes, limit }));
    }

    fn on_unknown(&mut self, key: Key) {
        let Some(request) = self.request_mut(key) else {
            return;
        };
        request.exposed = true;
        if matches!(request.source, Source::Node { .. }) {
            self.remove(key);
        } else {
            self.make_ready(key);
        }
    }

    /// The own session has ended before the commands still under way in it were applied. This
    /// node has applied every entry up to here, and a session's number never comes back: none of
    /// their copies was applied or ever will be. So they may go under a new session.
    fn on_own_session_ended(&mut self, session: u64) {
        let range = (session, 0)..=(session, u64::MAX);
        let keys: Vec<Key> = self.by_command.range(range).map(|(_, key)| *key).collect();
        for key in keys.into_iter().rev() {
            let is_own = self
                .request(key)
                .is_some_and(|request| matches!(request.source, Source::Desk { own: true, .. }));
            let request = if is_own { self.take(key) } else { None };
            if let Some(Request {
                work: Work::Command { header, payload },
                source: Source::Desk { first, joined, .. },
                ..
            }) = request
            {
                if let Some(Asker { ask, until }) = first {
                    self.own.wait_first(ask, payload, until);
                }
                for Asker { ask, .. } in joined {
                    let serial = header.serial;
                    let error = SubmitError::SessionExpired { session, serial };
                    self.outcomes.push((ask, Err(error)));
                }
            }
        }
        self.own.ended();
    }

    /// Tells all who asked, and forgets the request.
    fn finish(&mut self, key: Key, outcome: Result<Answered, SubmitError>) {
        let Some(request) = self.take(key) else {
            return;
        };
        if let Source::Desk { first, joined, .. } = request.source {
            for Asker { ask, .. } in joined {
                self.outcomes.push((ask, outcome.clone()));
            }
            if let Some(Asker { ask, .. }) = first {
                self.outcomes.push((ask, outcome));
            }
        }
    }

    fn make_ready(&mut self, key: Key) {
        if let Some(request) = self.request_mut(key) {
            request.exposed = request.is_exposed();
            if request.state != State::Ready {
                request.state = State::Ready;
                self.ready.push_back(key);
            }
        }
    }

    /// Makes sure that a sweep is due.
    fn sweep_by(&mut self, now: Time) {
        if self.next_sweep.is_none() {
            self.next_sweep = Some(now.after(self.limits.sweep_interval));
        }
    }

    fn take(&mut self, key: Key) -> Option<Request> {
        let request = self.slab.take(key)?;
        if request.state == State::Proposed {
            self.proposed_bytes = self.proposed_bytes.saturating_sub(request.bytes());
        }
        let forwarded = matches!(request.source, Source::Node { .. });
        if forwarded {
            self.forwarded_here = self.forwarded_here.saturating_sub(1);
        }
        match &request.work {
            Work::Command { header, .. } => {
                let name = (header.session, header.serial);
                if self.by_command.get(&name) == Some(&key) {
                    self.by_command.remove(&name);
                }
            }
            Work::Read { number } if !forwarded => {
                self.by_read.remove(number);
            }
            Work::Read { .. } => {}
        }
        Some(request)
    }

    fn remove(&mut self, key: Key) {
        let _ = self.take(key);
    }

    fn request(&self, key: Key) -> Option<&Request> {
        self.slab.get(key)
    }

    fn request_mut(&mut self, key: Key) -> Option<&mut Request> {
        self.slab.edit(key)
    }
}

impl Request {
    /// The bytes of a command, with what its record carries beside them.
    fn bytes(&self) -> usize {
        match &self.work {
            Work::Command { payload, .. } => payload.len().saturating_add(ClientHeader::BYTES),
            Work::Read { .. } => 0,
        }
    }

    const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    const fn is_committed(&self) -> bool {
        matches!(self.state, State::Committed)
    }

    /// How long to wait before the next attempt: double with each, up to a point, since many who
    /// try again must not drown the one leader they all try. What opens the own session is one
    /// request a node, for which all others there wait.
    fn backed_off(&self, wait: Duration) -> Duration {
        if matches!(self.source, Source::OwnSession) {
            return wait;
        }
        let doublings = u32::from(self.attempts.saturating_sub(1)).min(MAX_DOUBLINGS);
        wait.saturating_mul(1 << doublings)
    }

    /// Whether a copy may stand in some log.
    const fn is_exposed(&self) -> bool {
        match self.state {
            State::Ready | State::Resting { .. } => self.exposed,
            State::Proposed | State::Forwarded { .. } | State::Committed => true,
        }
    }
}

const MAX_DOUBLINGS: u32 = 3;
const NEVER: Time = Time::from_nanos(u64::MAX);

#[cfg(test)]
mod tests;
