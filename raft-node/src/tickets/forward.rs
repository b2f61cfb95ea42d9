//! Sending what is ready: to the own hull when this node leads, otherwise to the leader.

use raft_core::hull::Proposals;
use raft_core::ids::{Boot, LogIndex, NodeId, Peer, Ticket};
use raft_core::record::ClientHeader;
use raft_core::time::Time;

use super::{Key, Request, Source, State, Tickets, Work};
use crate::letter::{Forward, ForwardReply, ForwardedCommand};
use crate::session::{CONTROL_SESSION, Control};

/// What goes to the own hull at once.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) proposals: Proposals,
    pub(crate) reads: Vec<Ticket>,
}

/// What one batch may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    /// Commands and reads.
    pub(crate) entries: usize,
    /// Bytes; a single larger command still goes alone.
    pub(crate) bytes: usize,
    /// Bytes proposed and not resolved, over all batches.
    pub(crate) unresolved_bytes: usize,
}

impl Tickets {
    /// Takes what is ready as one batch for the own hull, which leads; `None` when there is nothing, or no
    /// room for it now.
    pub(crate) fn take_batch(&mut self, limits: BatchLimits) -> Option<Batch> {
        let mut taken = Vec::new();
        let mut bytes = 0usize;
        while let Some(key) = self.next_ready() {
            let size = self.request(key).map_or(0, Request::bytes);
            let total = bytes.saturating_add(size);
            let unresolved = self.proposed_bytes.saturating_add(total);
            let full = taken.len() >= limits.entries || total > limits.bytes;
            if !taken.is_empty() && full {
                break;
            }
            if unresolved > limits.unresolved_bytes && unresolved > size {
                break;
            }
            self.ready.pop_front();
            bytes = total;
            taken.push(key);
        }
        if taken.is_empty() {
            return None;
        }
        let settled = self.own_settled();
        let mut batch = Batch {
            proposals: Proposals::with_capacity(taken.len(), bytes),
            reads: Vec::new(),
        };
        for key in taken {
            self.hand_in(key, settled, &mut batch);
        }
        Some(batch)
    }

    /// Takes what is ready as one letter for the leader, of `max_bytes` and what the lane has `room`
    /// for, or a single larger command, so that it gets through at all; `None` when there is
    /// nothing, or no room now.
    pub(crate) fn take_forward(
        &mut self,
        room: usize,
        max_bytes: usize,
        now: Time,
    ) -> Option<Forward> {
        if room == 0 {
            return None;
        }
        let settled = self.own_settled();
        let retry = self.limits.forward_retry;
        let mut forward = Forward::default();
        let mut bytes = 0usize;
        while let Some(key) = self.next_ready() {
            let Some(request) = self.request_mut(key) else {
                continue;
            };
            let size = request.bytes().saturating_add(FORWARD_OVERHEAD);
            bytes = bytes.saturating_add(size);
            let first = forward.commands.is_empty() && forward.reads.is_empty();
            if !first && bytes > max_bytes.min(room) {
                break;
            }
            if matches!(request.source, Source::Node { .. }) {
                // It was forwarded to a leader that leads no more. Its sender knows better.
                self.refuse_forwarded(key);
                continue;
            }
            match &request.work {
                Work::Command { header, payload } => {
                    let header = with_settled(*header, &request.source, settled);
                    forward.commands.push(ForwardedCommand {
                        session: header.session,
                        serial: header.serial,
                        settled: header.settled,
                        payload: payload.clone(),
                    });
                }
                // [T6.4.31] A node that does not lead asks for the index only.
                Work::Read { number } => forward.reads.push(*number),
            }
            request.exposed = true;
            request.attempts = request.attempts.saturating_add(1);
            let until = now.after(request.backed_off(retry));
            request.state = State::Forwarded { until };
            self.ready.pop_front();
        }
        let empty = forward.commands.is_empty() && forward.reads.is_empty();
        (!empty).then_some(forward)
    }

    /// Takes what another node has forwarded; returns how many of it were dropped for want of
    /// room, or because they make no sense.
    pub(crate) fn accept(&mut self, from: Peer, boot: Boot, forward: Forward, now: Time) -> usize {
        let deadline = now.after(self.limits.request_timeout);
        let mut dropped = 0usize;
        for command in forward.commands {
            let sensible = command.payload.len() <= self.limits.max_payload_bytes
                && (command.session != CONTROL_SESSION
                    || Control::decode(&command.payload).is_some());
            if !sensible || self.forwarded_here >= self.limits.max_forwarded {
                dropped = dropped.saturating_add(1);
                continue;
            }
            let name = (command.session, command.serial);
            let under_way =
                command.session != CONTROL_SESSION && self.by_command.contains_key(&name);
            if under_way {
                continue;
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
            self.begin(work, Source::Node { from, boot }, deadline, now);
        }
        for number in forward.reads {
            if self.forwarded_here >= self.limits.max_forwarded {
                dropped = dropped.saturating_add(1);
                continue;
            }
            let work = Work::Read { number };
            self.begin(work, Source::Node { from, boot }, deadline, now);
        }
        dropped
    }

    /// Takes the answer to what this boot had forwarded.
    pub(crate) fn on_forward_reply(&mut self, reply: &ForwardReply, now: Time) {
        let pause = self.limits.refused_pause;
        let refused = reply.refused.iter();
        let commands = refused.filter_map(|name| self.by_command.get(name).copied());
        let unknown = reply.reads.iter().filter(|(_, index)| index.is_none());
        let reads = unknown.filter_map(|(number, _)| self.by_read.get(number).copied());
        let keys: Vec<Key> = commands.chain(reads).collect();
        for key in keys {
            let request = self.request_mut(key);
            if let Some(request) = request.filter(|request| request.is_forwarded()) {
                let until = now.after(request.backed_off(pause));
                request.state = State::Resting { until };
            }
        }
        for (number, index) in &reply.reads {
            let (Some(index), Some(key)) = (index, self.by_read.get(number).copied()) else {
                continue;
            };
            // Any attempt's index will do, however late or often its answer comes: whichever leader
            // gave it was confirmed after the attempt was sent, and nobody joined the read since.
            let request = self.request(key);
            if request.is_some_and(|request| request.state != State::Committed) {
                self.on_confirmed(key, *index);
            }
        }
    }

    pub(super) fn answer_read(&mut self, key: Key, index: Option<LogIndex>) {
        let Some(request) = self.request(key) else {
            return;
        };
        if let (Source::Node { from, boot }, Work::Read { number }) =
            (&request.source, &request.work)
        {
            let (from, boot, number) = (*from, *boot, *number);
            self.reply_to(from, boot).reads.push((number, index));
        }
    }

    /// Tells whoever forwarded it that nothing was appended, and forgets it.
    pub(super) fn refuse_forwarded(&mut self, key: Key) {
        let Some(request) = self.request(key) else {
            return;
        };
        match (&request.source, &request.work) {
            (Source::Node { from, boot }, Work::Command { header, .. }) => {
                let (from, boot) = (*from, *boot);
                let name = (header.session, header.serial);
                self.reply_to(from, boot).refused.push(name);
            }
            (Source::Node { .. }, Work::Read { .. }) => self.answer_read(key, None),
            (Source::Desk { .. } | Source::OwnSession | Source::Read, _) => return,
        }
        self.remove(key);
    }

    pub(super) fn lowest_under_way(&self, session: u64) -> Option<u64> {
        let mut serials = self.by_command.range((session, 0)..=(session, u64::MAX));
        serials.next().map(|((_, serial), _)| *serial)
    }

    fn reply_to(&mut self, to: Peer, boot: Boot) -> &mut ForwardReply {
        self.replies
            .entry((to, boot))
            .or_insert_with(|| ForwardReply {
                to,
                boot,
                refused: Vec::new(),
                reads: Vec::new(),
                leader: None::<NodeId>,
            })
    }

    fn own_settled(&self) -> u64 {
        self.own.number().map_or(0, |session| {
            self.own.settled(self.lowest_under_way(session))
        })
    }

    /// The first request that is ready, left in the queue; what has ended meanwhile goes.
    fn next_ready(&mut self) -> Option<Key> {
        while let Some(key) = self.ready.front().copied() {
            if self.request(key).is_some_and(Request::is_ready) {
                return Some(key);
            }
            self.ready.pop_front();
        }
        None
    }

    fn hand_in(&mut self, key: Key, settled: u64, batch: &mut Batch) {
        let Some(request) = self.request_mut(key) else {
            return;
        };
        let pushed = match &request.work {
            Work::Command { header, payload } => {
                let header = with_settled(*header, &request.source, settled);
                let pushed = batch.proposals.push_client(key.ticket(), header, payload);
                pushed.is_ok()
            }
            Work::Read { .. } => {
                batch.reads.push(key.ticket());
                true
            }
        };
        if pushed {
            request.state = State::Proposed;
            request.attempts = request.attempts.saturating_add(1);
            let bytes = request.bytes();
            self.proposed_bytes = self.proposed_bytes.saturating_add(bytes);
        } else {
            // The batch limits are far below what a chunk takes; it goes with the next batch.
            self.ready.push_back(key);
        }
    }
}

impl Request {
    const fn is_forwarded(&self) -> bool {
        matches!(self.state, State::Forwarded { .. })
    }
}

/// The own session settles as far as it is when the command is sent.
const fn with_settled(header: ClientHeader, source: &Source, settled: u64) -> ClientHeader {
    match source {
        Source::Desk { own: true, .. } => ClientHeader { settled, ..header },
        Source::Desk { .. } | Source::OwnSession | Source::Read | Source::Node { .. } => header,
    }
}

/// What a forwarded command takes on the wire beside its bytes, at most.
const FORWARD_OVERHEAD: usize = 48;
