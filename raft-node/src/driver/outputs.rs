//! Between the hull and the log, the state machine, the clock and the way out.

use std::task::{Context, Poll};

use raft_core::comms::Comms;
use raft_core::hull::{Hull, Input, Loaded};
use raft_core::log::{Log, LogError};
use raft_core::message::Lane;
use raft_core::states::Role;
use raft_core::trace::Event;

use super::Driver;
use crate::clock::Clock;
use crate::error::{Exit, NodeFault, Uncertain};
use crate::letter::{Letter, Packet};
use crate::rare::Site;
use crate::state_machine::StateMachine;
use crate::tickets::{Batch, BatchLimits};

impl<L: Log, C: Comms<Letter>, K: Clock, S: StateMachine> Driver<L, C, K, S> {
    /// Takes the log's acknowledgements, up to a bound; whether there may be more.
    pub(super) fn take_durable(&mut self, cx: &mut Context<'_>) -> Result<bool, Exit> {
        for _ in 0..MAX_DURABLE_PER_TURN {
            let result = match self.log.poll_durable(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(result) => result,
            };
            self.touched = true;
            match result {
                Ok(durable) => {
                    let now = self.clock.now();
                    match &mut self.hull {
                        Some(hull) => hull.step(now, Input::Durable(durable)),
                        None => self.genesis.on_durable(),
                    }
                }
                Err(error) => {
                    self.on_log_failure(error)?;
                    return Ok(true);
                }
            }
            if self.clock.rarely(Site::OneDurable) {
                break;
            }
        }
        Ok(true)
    }

    /// Takes entries that were read back; whether there were any.
    pub(super) fn take_loaded(&mut self, cx: &mut Context<'_>) -> bool {
        if self.loading.is_empty() {
            return false;
        }
        if self.clock.rarely(Site::LoadLater) {
            return true;
        }
        let mut still_loading = Vec::new();
        let mut again = false;
        for (number, mut loading) in core::mem::take(&mut self.loading) {
            let Poll::Ready(result) = loading.as_mut().poll(cx) else {
                still_loading.push((number, loading));
                continue;
            };
            again = true;
            let now = self.clock.now();
            if let Some(hull) = &mut self.hull {
                hull.step(now, Input::Loaded(Loaded { number, result }));
            }
        }
        self.loading = still_loading;
        again
    }

    /// Hands what is ready to the own hull or to the leader, up to a bound; whether there may be
    /// more.
    pub(super) fn propose(&mut self) -> bool {
        let Some(hull) = &mut self.hull else {
            return false;
        };
        // Nobody answers it any more; only its time would end what waits here.
        if hull.removed_by().is_some() && self.tickets.under_way() > 0 {
            self.tickets.end_all(Uncertain::Removed);
            self.touched |= !self.tickets.reads.is_empty();
            return false;
        }
        let leader = (hull.leader(), hull.term());
        let waits = self.tickets.under_way() > 0;
        if leader != self.leader || (waits && self.clock.rarely(Site::SendAgain)) {
            self.leader = leader;
            self.tickets.on_leader();
        }
        let settings = &self.setup.settings;
        if hull.role() == Role::Leader {
            // Whoever hands over takes nothing: it waits here, for this node to lead on or for the
            // next leader to be known.
            if hull.transferring_to().is_some() {
                return false;
            }
            let raft = &settings.raft;
            let batch_of_one = self.tickets.ready() > 1 && self.clock.rarely(Site::BatchOfOne);
            let limits = BatchLimits {
                entries: match batch_of_one {
                    true => 1,
                    false => raft.chunk_limits.max_entries as usize,
                },
                bytes: raft
                    .max_append_bytes
                    .min(raft.chunk_limits.max_payload_bytes as usize),
                unresolved_bytes: raft.max_uncommitted_bytes,
            };
            for _ in 0..MAX_BATCHES_PER_TURN {
                let Some(Batch { proposals, reads }) = self.tickets.take_batch(limits) else {
                    return false;
                };
                if !reads.is_empty() {
                    hull.step(self.clock.now(), Input::Read(reads));
                }
                if !proposals.is_empty() {
                    hull.step(self.clock.now(), Input::Propose(proposals));
                }
                self.touched = true;
            }
            return true;
        }
        self.forward()
    }

    /// Hands what is ready to the leader, up to a bound; whether there may be more.
    fn forward(&mut self) -> bool {
        let Some(hull) = &mut self.hull else {
            return false;
        };
        // The leader may have been lost while nobody wanted anything of it.
        if hull.is_quiet() && self.tickets.ready() > 0 {
            hull.step(self.clock.now(), Input::Rouse);
            self.touched = true;
        }
        // What is forwarded names this boot, which a crash could still take back: the next start
        // would have it again, and take the answers for its own.
        if !hull.is_boot_durable() {
            return false;
        }
        let Some(leader) = hull.leader().filter(|leader| *leader != self.setup.id) else {
            return false;
        };
        for _ in 0..MAX_BATCHES_PER_TURN {
            let room = self.comms.room(leader, Lane::Entries);
            let now = self.clock.now();
            let mut max_bytes = self.setup.settings.max_forward_bytes;
            if self.tickets.ready() > 1 && self.clock.rarely(Site::ForwardOne) {
                max_bytes = 1;
            }
            let Some(forward) = self.tickets.take_forward(room, max_bytes, now) else {
                return false;
            };
            self.send(leader, Packet::Forward(forward));
        }
        true
    }

    /// Pulls everything out of the hull; whether to look at what became of it.
    pub(super) fn pull(&mut self) -> Result<bool, Exit> {
        if self.clock.rarely(Site::PullLater) {
            self.touched = true;
            return Ok(true);
        }
        // Before anything is sent: what was just appended may name whom it is to be sent to.
        let configured_by = self.hull.as_ref().map(Hull::configured_by);
        if configured_by != self.reached {
            self.reach_members();
        }
        let mut again = self.pull_writes();
        if again && self.clock.rarely(Site::OneWrite) {
            self.touched = true;
            return Ok(true);
        }
        self.pull_messages();
        again |= self.pull_applies()?;
        again |= self.pull_snapshot_jobs();
        // Last, since pulling messages and applies is what asks for loads.
        again |= self.pull_loads();
        self.send_replies();
        // What was left for later is there still.
        again |= self.touched;
        self.pull_events();
        match self.hull.as_ref().and_then(Hull::fault) {
            Some(fault) => Err(Exit::Fault(NodeFault::Hull(fault.clone()))),
            None => Ok(again),
        }
    }

    /// Steps what has timed out, and sets the timer for what comes next. Whether anything had.
    pub(super) fn take_time(&mut self, cx: &mut Context<'_>) -> bool {
        let hull = self.hull.as_ref().and_then(Hull::deadline);
        let others = [self.genesis.deadline(), self.tickets.deadline()];
        let Some(deadline) = hull.into_iter().chain(others.into_iter().flatten()).min() else {
            return false;
        };
        let passed = self.clock.poll_until(deadline, cx).is_ready();
        if !passed && !self.clock.rarely(Site::EarlyDeadline) {
            return false;
        }
        let now = self.clock.now();
        if !passed || hull.is_some_and(|due| due <= now) {
            if let Some(hull) = &mut self.hull {
                hull.step(now, Input::DeadlinePassed);
            }
        }
        self.genesis.on_time(now);
        self.tickets.sweep(now);
        self.touched = true;
        true
    }

    fn on_log_failure(&mut self, error: LogError) -> Result<(), Exit> {
        let now = self.clock.now();
        match &mut self.hull {
            // The hull latches; what it says of it is found when its outputs are pulled.
            Some(hull) => {
                hull.step(now, Input::WriteFailed(error));
                Ok(())
            }
            None => Err(Exit::Fault(NodeFault::Log(error))),
        }
    }

    fn pull_writes(&mut self) -> bool {
        let Some(hull) = &mut self.hull else {
            return false;
        };
        let mut busy = false;
        while let Some(write) = hull.next_write() {
            self.log.begin(write);
            busy = true;
        }
        busy
    }

    fn pull_loads(&mut self) -> bool {
        let Some(hull) = &mut self.hull else {
            return false;
        };
        let mut busy = false;
        while let Some(load) = hull.next_load() {
            let loading = self.log.load(load.range, load.max_bytes);
            self.loading.push((load.number, loading));
            busy = true;
        }
        busy
    }

    fn pull_messages(&mut self) {
        let Some(hull) = &mut self.hull else {
            return;
        };
        for lane in Lane::ALL {
            let mut after = None;
            while let Some(to) = hull.next_destination(after) {
                after = Some(to);
                loop {
                    let mut room = self.comms.room(to, lane);
                    if self.clock.rarely(Site::NoRoom) {
                        self.touched = true;
                        room = 0;
                    }
                    let message = match room {
                        0 => None,
                        room => hull.next_send(to, lane, room),
                    };
                    let Some(message) = message else {
                        break;
                    };
                    let letter = Letter {
                        cluster: self.cluster,
                        from: message.from,
                        boot: hull.boot(),
                        to,
                        packet: Packet::Raft(message),
                    };
                    self.comms.send(to, lane, letter);
                    if self.clock.rarely(Site::OneSend) {
                        self.touched = true;
                        return;
                    }
                }
            }
        }
    }

    fn send_replies(&mut self) {
        let waiting = !self.tickets.replies.is_empty();
        if waiting && self.clock.rarely(Site::ReplyLater) {
            self.touched = true;
            return;
        }
        for ((to, _), reply) in core::mem::take(&mut self.tickets.replies) {
            let leader = self.leader.0;
            let reply = crate::letter::ForwardReply { leader, ..reply };
            self.send(to.id, Packet::ForwardReply(reply));
        }
    }

    fn pull_applies(&mut self) -> Result<bool, Exit> {
        let Some(hull) = &mut self.hull else {
            let now = self.clock.now();
            return Ok(self.applier.answer_reads(&mut self.tickets, now));
        };
        let mut again = false;
        // First what became of the tickets: then a committed one is known when it is applied.
        while let Some(resolved) = hull.next_resolved() {
            again = true;
            let known =
                self.transfers.on_resolved(&resolved) || self.changes.on_resolved(&resolved);
            if !known {
                self.tickets.on_resolved(resolved, self.clock.now());
            }
        }
        let mut most = self.setup.settings.max_apply_bytes_per_turn;
        if hull.applied_index() < hull.commit_index() {
            if self.clock.rarely(Site::ApplyLater) {
                self.touched = true;
                return Ok(true);
            }
            if self.clock.rarely(Site::ApplyOne) {
                most = 1;
            }
        }
        // A snapshot that takes the place of the state comes before the entries after it.
        let apply = match self.snapshots.is_restoring() {
            true => None,
            false => hull.next_apply(most),
        };
        if let Some(apply) = apply {
            let last = self
                .applier
                .apply(&apply, &mut self.tickets)
                .map_err(|halt| Exit::Fault(NodeFault::Apply(halt)))?;
            hull.step(self.clock.now(), Input::Applied(last));
            if self.clock.rarely(Site::TakeSnapshot) {
                hull.step(self.clock.now(), Input::TakeSnapshot);
            }
            self.touched = true;
            again = true;
        }
        let now = self.clock.now();
        again |= self.applier.answer_reads(&mut self.tickets, now);
        Ok(again)
    }

    fn pull_events(&mut self) {
        let Some(hull) = &mut self.hull else {
            return;
        };
        let kept = self.setup.settings.kept_events;
        while let Some(event) = hull.next_event() {
            let Event { rule, kind } = event;
            tracing::trace!(node = %self.setup.id, rule, ?kind);
            if kept > 0 {
                if self.events.len() >= kept {
                    self.events.pop_front();
                }
                self.events.push_back(event);
            }
        }
    }
}

const MAX_DURABLE_PER_TURN: usize = 64;
const MAX_BATCHES_PER_TURN: usize = 16;
