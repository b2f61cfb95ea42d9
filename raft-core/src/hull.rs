//! The hull: the shell that owns the current state and speaks to the outside.
//!
//! Here is what comes in, which role answers which message, the one place where the state is
//! replaced, and what goes out. No rule of a single role stands here: those are in
//! [`crate::states`] and [`crate::rules`].

use alloc::boxed::Box;

use crate::chunk::Chunk;
use crate::common::Common;
use crate::configuration::Configuration;
use crate::error::{Dropped, Fault, OpenError};
use crate::ids::{Boot, EntryId, LogIndex, NodeId, Peer, Term};
use crate::invariants::{self, Before};
use crate::log::{LogError, Recovered};
use crate::message::{
    AppendEntriesReply, AppendVerdict, Body, HeartbeatReply, InstallSnapshotReply, InstallVerdict,
    Lane, Message, RequestVote, RequestVoteReply, TimeoutNow,
};
use crate::rules::term::{self, TermVerdict};
use crate::rules::vote;
use crate::settings::Settings;
use crate::states::candidate::Candidate;
use crate::states::follower::Follower;
use crate::states::leader::Leader;
use crate::states::pre_candidate::PreCandidate;
use crate::states::{Next, Role, State, voter};
use crate::time::Time;
use crate::trace::{Event, EventKind, RuleKey};

mod apply;
mod commands;
mod explain;
mod fingerprint;
mod input;
mod membership;
mod open;
mod output;
mod quiet;
mod snapshot_job;
mod snapshots;
mod writes;

pub use input::{Input, Loaded, Proposals, Reconfigure, Transfer};
pub use open::Setup;
pub use output::{Apply, Doubt, Load, NotHandedOver, Outcome, Refusal, Resolved, Withdrawal};
pub use snapshot_job::{SnapshotAnswer, SnapshotDone, SnapshotJob, SnapshotWork};

/// One node's Raft: hand in what happened with [`Hull::step`], then pull what is to be done until
/// nothing is left, in any order.
///
/// ```text
/// loop {
///     wait for a message, a completion, a command, or hull.deadline()
///     hull.step(now, input)
///     while let Some(write)    = hull.next_write()            { log.begin(write) }
///     while let Some(message)  = hull.next_send(to, lane, ..) { comms.send(to, lane, message) }
///     while let Some(load)     = hull.next_load()             { read, then step Loaded }
///     while let Some(resolved) = hull.next_resolved()         { answer who waits for the ticket }
///     while let Some(apply)    = hull.next_apply(..)          { apply, then step Applied }
/// }
/// ```
///
/// Any order is safe because what must wait waits inside: a message that promises durability
/// comes out only after the write it depends on came back as [`Input::Durable`].
///
/// A clone is a second node under the same name. Tests and explorations go on from one state in
/// several ways with it; two that run side by side break every promise of Raft.
#[derive(Clone, Debug)]
pub struct Hull {
    common: Common,
    state: State,
    /// Names this boot's attempts to be elected.
    attempts: u64,
}

/// What happens.
impl Hull {
    /// Takes one input, at `now`: sample the clock after the input was taken. A time before an
    /// earlier one counts as that earlier one.
    pub fn step(&mut self, now: Time, input: Input) {
        self.common.now = self.common.now.max(now);
        let note = input.note(self.common.now);
        self.common.out.needed().events.note_input(note);
        self.common.forget_old_promises();
        // These mostly change so little that what they change is all there is to check.
        let is_all = match input {
            Input::Applied(index) => self.on_applied(index),
            Input::Durable(durable) => self.follow_disk(durable),
            _ => false,
        };
        if is_all {
            return self.forget_old_payloads();
        }
        let before = Before::of(self);
        self.rouse_for(&input);
        let next = if self.common.fault.is_some() {
            self.decline(input)
        } else {
            self.take(input)
        };
        if next != Next::Stay {
            self.transition(next);
        }
        self.tend_snapshots();
        self.forget_old_payloads();
        invariants::check(self, &before);
        if self.common.fault.is_some() && self.role() != Role::Follower {
            self.transition(Next::Follower);
        }
    }

    /// What a hull that goes on makes of an input.
    fn take(&mut self, input: Input) -> Next {
        match input {
            Input::Message(message) => self.on_message(message),
            Input::ConnectionLost(node) => self.on_connection_lost(node),
            Input::DeadlinePassed => self.on_deadline(),
            Input::Rouse | Input::Applied(_) => Next::Stay,
            Input::Propose(proposals) => self.on_propose(proposals),
            Input::Read(tickets) => self.on_read(tickets),
            Input::Transfer(request) => self.on_transfer(request),
            Input::Reconfigure(wish) => self.on_reconfigure(wish),
            Input::CancelReconfigure(ticket) => self.on_cancel_reconfigure(ticket),
            Input::Durable(durable) => self.on_durable(durable),
            Input::WriteFailed(error) => self.stop(error),
            Input::Loaded(loaded) => self.on_loaded(loaded),
            Input::TakeSnapshot => {
                self.common.snapshots.want();
                Next::Stay
            }
            Input::Snapshot(done) => self.on_snapshot_done(done),
        }
    }

    /// The state machine is further on. Whether that is all there is to do: it changes nothing else,
    /// unless there are snapshots that stand for what was applied.
    fn on_applied(&mut self, index: LogIndex) -> bool {
        let common = &mut self.common;
        if common.fault.is_some() {
            return true;
        }
        let before = common.applying.applied();
        common.applying.on_applied(index);
        invariants::applied(common, before);
        common.fault.is_none() && !common.stands_on_snapshot()
    }

    fn stop(&mut self, error: LogError) -> Next {
        self.common.stop(Fault::Log(error));
        Next::Stay
    }

    fn on_message(&mut self, message: Message) -> Next {
        if let Err(why) = self.admit(&message) {
            return self.drop_message(message.from, why, "");
        }
        let (from, term, body) = (message.from, message.term, &message.body);
        self.rouse_by(body);
        if body.seeks_leader() {
            self.tell_removed(from);
        }
        if let Body::PreVote(request) = body {
            let keeps_faith = self.keeps_faith();
            voter::on_pre_vote(&mut self.common, from, term, *request, keeps_faith);
            return Next::Stay;
        }
        // [T4.2.3.23] Who hears a leader neither votes nor takes over the candidate's term,
        // [T4.2.3.28] unless that leader wants the election.
        if matches!(
            body,
            Body::RequestVote(RequestVote {
                transfer: false,
                ..
            })
        ) && self.keeps_faith()
        {
            self.common
                .event("T4.2.3.23", EventKind::VoteRefused { candidate: from.id });
            return Next::Stay;
        }
        match term::compare(self.common.term(), term) {
            // It answers an attempt, not a term: who is behind in term speaks in its own. And what
            // is committed is so in every term.
            TermVerdict::Stale if matches!(body, Body::PreVoteReply(_) | Body::Removed(_)) => {}
            TermVerdict::Stale => return self.answer_stale(from, body),
            TermVerdict::Newer => self.follow_term(term),
            TermVerdict::Current => {}
        }
        self.dispatch(message)
    }

    /// Who answers what. The message is of the current term.
    fn dispatch(&mut self, message: Message) -> Next {
        let from = message.from;
        // [F2.FOL.1] Followers answer candidates and leaders; the others, what is below.
        match message.body {
            Body::PreVote(_) => Next::Stay, // answered before terms are compared
            Body::Removed(removed) => self.on_removed(from, removed),
            Body::RequestVote(request) => self.on_request_vote(from, request),
            Body::AppendEntries(request) => {
                if let Some((follower, common)) = self.follow(from) {
                    follower.on_append_entries(common, from, request);
                }
                Next::Stay
            }
            Body::Heartbeat(heartbeat) => {
                if let Some((follower, common)) = self.follow(from) {
                    follower.on_heartbeat(common, from, heartbeat);
                }
                Next::Stay
            }
            Body::InstallSnapshot(request) => {
                if let Some((follower, common)) = self.follow(from) {
                    follower.on_install_snapshot(common, from, *request);
                }
                Next::Stay
            }
            Body::PreVoteReply(reply) => match &mut self.state {
                State::PreCandidate(candidate) => candidate.on_reply(&mut self.common, from, reply),
                State::Follower(_) | State::Candidate(_) | State::Leader(_) => {
                    self.drop_message(from, Dropped::StaleReply, "T9.6.8a")
                }
            },
            Body::RequestVoteReply(reply) => match &mut self.state {
                State::Candidate(candidate) => candidate.on_reply(&self.common, from, reply),
                State::Follower(_) | State::PreCandidate(_) | State::Leader(_) => {
                    self.drop_message(from, Dropped::StaleReply, "F2.CAN.5")
                }
            },
            Body::AppendEntriesReply(reply) => self.lead(from, "F2.LEAD.4", |leader, common| {
                leader.on_append_reply(common, from, reply)
            }),
            Body::HeartbeatReply(reply) => self.lead(from, "F2.LEAD.1", |leader, common| {
                leader.on_heartbeat_reply(common, from, reply);
                Next::Stay
            }),
            Body::InstallSnapshotReply(reply) => self.lead(from, "F13.IS.10", |leader, common| {
                leader.on_install_reply(common, from, reply)
            }),
            Body::TimeoutNow(request) => self.on_timeout_now(from, request),
        }
    }

    /// A leader of the current term speaks: whoever is not its follower becomes so.
    fn follow(&mut self, from: Peer) -> Option<(&mut Follower, &mut Common)> {
        self.yield_to_leader();
        match &mut self.state {
            State::Follower(follower) => Some((follower, &mut self.common)),
            State::PreCandidate(_) | State::Candidate(_) | State::Leader(_) => {
                let (from, why) = (from.id, Dropped::Impossible);
                self.common
                    .event("F3.ES", EventKind::MessageDropped { from, why });
                None
            }
        }
    }

    /// A follower answers: that is for the leader only.
    fn lead(
        &mut self,
        from: Peer,
        rule: RuleKey,
        learn: impl FnOnce(&mut Leader, &mut Common) -> Next,
    ) -> Next {
        match &mut self.state {
            State::Leader(leader) => learn(leader, &mut self.common),
            State::Follower(_) | State::PreCandidate(_) | State::Candidate(_) => {
                self.drop_message(from, Dropped::StaleReply, rule)
            }
        }
    }

    fn on_timeout_now(&mut self, from: Peer, request: TimeoutNow) -> Next {
        match &self.state {
            State::Follower(follower) => follower.on_timeout_now(&mut self.common, from, request),
            // Who campaigns already has given that leader up: if it leads on, it says so.
            State::PreCandidate(_) | State::Candidate(_) => {
                self.drop_message(from, Dropped::LateTakeover, "T3.10.18")
            }
            State::Leader(_) => self.drop_message(from, Dropped::Impossible, "F3.ES"),
        }
    }

    fn on_request_vote(&mut self, from: Peer, request: RequestVote) -> Next {
        let term = self.common.term();
        let granted = voter::on_request_vote(&mut self.common, from, term, request);
        match &mut self.state {
            State::Follower(follower) if granted => {
                follower.restart_timer(&mut self.common);
                Next::Stay
            }
            // Whoever gave the vote waits for its winner, instead of campaigning against it.
            State::PreCandidate(_) if granted => Next::Follower,
            State::Follower(_)
            | State::PreCandidate(_)
            | State::Candidate(_)
            | State::Leader(_) => Next::Stay,
        }
    }

    fn on_connection_lost(&mut self, node: NodeId) -> Next {
        match &mut self.state {
            State::Follower(follower) => follower.on_connection_lost(&mut self.common, node),
            State::Leader(leader) => leader.on_connection_lost(&self.common, node),
            State::PreCandidate(_) | State::Candidate(_) => {}
        }
        Next::Stay
    }

    fn on_deadline(&mut self) -> Next {
        match &mut self.state {
            State::Follower(follower) => follower.on_deadline(&mut self.common),
            State::PreCandidate(candidate) => candidate.on_deadline(&mut self.common),
            State::Candidate(candidate) => candidate.on_deadline(&mut self.common),
            State::Leader(leader) => leader.on_deadline(&mut self.common),
        }
    }

    fn on_loaded(&mut self, loaded: Loaded) -> Next {
        let applying = &mut self.common.applying;
        if applying.end_load(loaded.number) {
            match loaded.result {
                Ok(chunks) => applying.on_loaded(chunks),
                Err(error) => return self.stop(error),
            }
        } else if let State::Leader(leader) = &mut self.state {
            leader.on_loaded(&mut self.common, loaded);
        }
        Next::Stay
    }

    /// Whether a message is for this node and from someone who can be what they say.
    fn admit(&self, message: &Message) -> Result<(), Dropped> {
        let (from, term) = (message.from, message.term);
        // No log holds an entry of a term that its node has not reached.
        let boasts = message
            .body
            .named_entry()
            .is_some_and(|entry| entry.term > term);
        if message.to != self.common.me {
            Err(Dropped::NotForMe)
        } else if from.id == self.common.me.id
            // [T3.8.11] Another life of a member is not that member: it answers nothing in its place.
            // [T4.1.37] [T4.1.39] Who is no member here may be one already where it leads or
            // campaigns, also if this node still knows it by an earlier life.
            || (!message.body.is_request() && self.common.is_other_life(from))
        {
            Err(Dropped::Stranger)
        } else if !term::is_plausible(term) || boasts {
            Err(Dropped::Impossible)
        } else {
            Ok(())
        }
    }

    /// A message of an earlier term: its sender learns the present one, and nothing else happens.
    fn answer_stale(&mut self, from: Peer, body: &Body) -> Next {
        let reply = match body {
            // [F2.AE.1] Refuse a leader whose term is over; [S5.2.17] a candidate goes on.
            Body::AppendEntries(request) => Body::AppendEntriesReply(AppendEntriesReply {
                request: request.request,
                verdict: AppendVerdict::StaleTerm,
            }),
            // It answers in this term, whose leader counts rounds of its own.
            Body::Heartbeat(_) => Body::HeartbeatReply(HeartbeatReply::NO_ROUND),
            Body::RequestVote(_) => Body::RequestVoteReply(RequestVoteReply { granted: false }),
            // [F13.IS.1] Refuse a leader whose term is over.
            Body::InstallSnapshot(install) => Body::InstallSnapshotReply(InstallSnapshotReply {
                request: install.request,
                verdict: InstallVerdict::StaleTerm,
            }),
            Body::PreVote(_)
            | Body::PreVoteReply(_)
            | Body::RequestVoteReply(_)
            | Body::AppendEntriesReply(_)
            | Body::HeartbeatReply(_)
            | Body::TimeoutNow(_)
            | Body::Removed(_)
            | Body::InstallSnapshotReply(_) => {
                return self.drop_message(from, Dropped::StaleTerm, "F2.ALL.2");
            }
        };
        // Whatever of its kind waits already tells the term too, and says more.
        let out = self.common.out.there();
        if !out.is_some_and(|out| out.outbox.holds(from.id, &reply)) {
            self.common.say(from, reply);
        }
        Next::Stay
    }

    /// Takes over a later term.
    fn follow_term(&mut self, term: Term) {
        // [F2.ALL.2] Whatever carries a later term makes this node a follower in it.
        self.common.adopt_term(term);
        match &mut self.state {
            State::Follower(follower) => follower.forget_leader(&mut self.common),
            State::PreCandidate(_) | State::Candidate(_) | State::Leader(_) => {
                self.transition(Next::Follower);
            }
        }
    }

    /// A leader of the current term speaks.
    fn yield_to_leader(&mut self) {
        match self.state {
            // [F2.CAN.6] The election is decided, [T9.6.13] or needless.
            State::Candidate(_) | State::PreCandidate(_) => self.transition(Next::Follower),
            State::Follower(_) | State::Leader(_) => {}
        }
    }

    /// Whether this node gives its vote to nobody, unless its leader wants it to.
    fn keeps_faith(&self) -> bool {
        self.hears_leader() || self.common.is_promised()
    }

    /// Whether this node has a leader that it heard lately, or is one.
    fn hears_leader(&self) -> bool {
        let common = &self.common;
        common.settings.check_quorum
            && match &self.state {
                State::Follower(follower) => vote::hears_leader(
                    follower.heard(),
                    common.now,
                    common.settings.election_timeout,
                ),
                State::Leader(_) => true,
                State::PreCandidate(_) | State::Candidate(_) => false,
            }
    }

    fn drop_message(&mut self, from: Peer, why: Dropped, rule: RuleKey) -> Next {
        self.common
            .event(rule, EventKind::MessageDropped { from: from.id, why });
        Next::Stay
    }

    /// Replaces the state: Figure 4. The only place that does.
    fn transition(&mut self, next: Next) {
        let mut next = next;
        loop {
            let common = &mut self.common;
            let (state, following) = match next {
                Next::Stay => return,
                Next::Follower => {
                    let follower = Follower::after(common, &self.state);
                    (State::Follower(follower), Next::Stay)
                }
                Next::PreCandidate => {
                    self.attempts = self.attempts.saturating_add(1);
                    let candidate = PreCandidate::new(common, self.attempts, &self.state);
                    // Whoever is a majority alone need not wait for answers.
                    let following = candidate.count(common);
                    (State::PreCandidate(Box::new(candidate)), following)
                }
                Next::Candidate => {
                    let candidate = Candidate::new(common, false);
                    (State::Candidate(candidate), Next::Stay)
                }
                Next::TakeOver => (State::Candidate(Candidate::new(common, true)), Next::Stay),
                Next::Leader => (State::Leader(Box::new(Leader::new(common))), Next::Stay),
            };
            let (from, to) = (self.state.role(), state.role());
            invariants::arrow(common, from, to);
            let term = common.term();
            common.event("F4.1", EventKind::BecameRole { role: to, term });
            if let State::Leader(leader) = core::mem::replace(&mut self.state, state) {
                leader.resign(&mut self.common);
            }
            next = following;
        }
    }
}

/// What is to be done.
impl Hull {
    /// The next message for `to` in `lane`, given that the lane takes `room` more bytes. A request
    /// with entries may exceed the room by one entry, so that a large one gets through at all.
    #[inline]
    pub fn next_send(&mut self, to: NodeId, lane: Lane, room: usize) -> Option<Message> {
        let speaks = match &self.state {
            State::Leader(leader) => leader.may_send(&self.common, to, lane),
            State::Follower(_) | State::PreCandidate(_) | State::Candidate(_) => false,
        };
        if speaks || (lane == Lane::Control && self.common.messages_waiting() > 0) {
            return self.pull_send(to, lane, room);
        }
        None
    }

    #[inline(never)]
    fn pull_send(&mut self, to: NodeId, lane: Lane, room: usize) -> Option<Message> {
        let common = &mut self.common;
        if room == 0 || common.fault.is_some() {
            return None;
        }
        if lane == Lane::Control {
            let ready = common.out.there_mut().and_then(|out| {
                let is_durable = |batch| common.disk.is_durable(batch);
                out.outbox.take(to, is_durable)
            });
            if let Some(waiting) = ready {
                return Some(common.message(waiting.to, waiting.body));
            }
        }
        // [S5.1.4] Only a leader speaks unasked from here on; others have said all they have to.
        let State::Leader(leader) = &mut self.state else {
            return None;
        };
        leader.next_send(common, to, lane, room)
    }

    /// The next node after `after` (the first one, for `None`) that there may be something to send
    /// to.
    #[inline]
    pub fn next_destination(&self, after: Option<NodeId>) -> Option<NodeId> {
        let out = self.common.out.there();
        let out = out.filter(|out| out.outbox.waiting() > 0);
        let waiting = out.and_then(|out| out.outbox.next_destination(after));
        let State::Leader(leader) = &self.state else {
            return waiting;
        };
        // [S5.1.24] Each follower on its own: none waits for another.
        let follower = leader.next_follower(&self.common, after);
        waiting.into_iter().chain(follower).min()
    }

    /// The next read from the log; the answer comes back as [`Input::Loaded`].
    pub fn next_load(&mut self) -> Option<Load> {
        if self.common.fault.is_some() {
            None
        } else {
            self.common.out.there_mut()?.loads.next()
        }
    }

    /// The next ticket whose fate is decided. Take these before [`Hull::next_apply`], so that the
    /// answer's owner is known when its entry is applied.
    #[inline]
    pub fn next_resolved(&mut self) -> Option<Resolved> {
        self.common.out.there_mut()?.resolved.next()
    }

    /// The next thing that happened inside. The last 256 are kept.
    pub fn next_event(&mut self) -> Option<Event> {
        let out = self.common.out.there_mut();
        let next = out.and_then(|out| out.events.next());
        if next.is_none() && self.common.is_at_rest() {
            self.rest();
        }
        next
    }

    /// When to come back with [`Input::DeadlinePassed`], whatever else happens; `None` for never:
    /// after a fault, and while this node [is quiet](Hull::is_quiet).
    pub fn deadline(&self) -> Option<Time> {
        if self.common.fault.is_some() {
            return None;
        }
        match &self.state {
            State::Follower(follower) => follower.deadline(),
            State::PreCandidate(candidate) => Some(candidate.deadline()),
            State::Candidate(candidate) => Some(candidate.deadline()),
            State::Leader(leader) => leader.deadline(),
        }
    }
}
