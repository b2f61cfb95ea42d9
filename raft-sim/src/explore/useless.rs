//! Messages that make no difference, or no more than others: fewer messages are fewer states.
//!
//! Four things are said here about what hulls do, as Raft has it:
//!
//! - an answer that its receiver has given up for good does nothing ([`Standing`]);
//! - a refusal tells its term, and nothing else ([`Simpler::simplify`]);
//! - a request from an earlier term than its receiver's durable one is answered with the present
//!   term, whatever else it says ([`Simpler::late`]);
//! - terms only rise when an election timeout passes, by one. So nobody tells a node a later term
//!   that is at the latest there can be already.
//!
//! None of it is taken for granted: in the end [`Table::confirm`] asks each hull in each state that
//! was met about each message for which one of these was used. If one does otherwise (a hull with a
//! mistake), the world is explored anew without any of this.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use raft_core::ids::{EntryId, Term};
use raft_core::message::{
    AppendEntriesReply, AppendVerdict, Body, Message, RequestVote, RequestVoteReply,
};
use raft_core::states::Role;

use super::World;
use super::node::{Act, Node};
use super::search::side_by_side;
use super::table::{Deed, Local, Table, View, fingerprint};

/// Which messages stand for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Simpler {
    /// None, and none is left out.
    Nothing,
    /// None, but what does nothing is left out.
    Useless,
    /// Those that are answered alike: where no answer waits for a disk, and there are no pre-votes.
    Alike,
}

impl Simpler {
    pub(super) const fn of(world: &World) -> Self {
        if world.stalls == 0 && !world.pre_vote {
            Self::Alike
        } else {
            Self::Useless
        }
    }

    /// Leaves out of a message what nobody minds: how a refusal is worded.
    pub(super) fn simplify(self, message: &mut Message) {
        let is_refusal = matches!(
            message.body,
            Body::AppendEntriesReply(AppendEntriesReply {
                verdict: AppendVerdict::StaleTerm,
                ..
            })
        );
        if is_refusal && self == Self::Alike {
            message.body = Body::RequestVoteReply(RequestVoteReply { granted: false });
        }
    }

    /// What stands for a message once its receiver's term is later for good.
    pub(super) fn late(self, message: &Message) -> Option<Message> {
        let is_request = matches!(message.body, Body::RequestVote(_) | Body::AppendEntries(_));
        (is_request && self == Self::Alike).then(|| Message {
            term: Term::ZERO.next(),
            body: Body::RequestVote(RequestVote {
                last: EntryId::default(),
                transfer: false,
            }),
            ..message.clone()
        })
    }
}

/// All of a node that decides what it has no use for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Standing {
    term: u64,
    durable_term: u64,
    is_candidate: bool,
    is_leader: bool,
    counts_contact: bool,
    counts_answers: bool,
}

impl Standing {
    /// Whether a message will never make a difference to this node again: it answers what this
    /// node has given up for good, or refuses what it asked for and tells no later term.
    fn has_no_use_for(&self, message: &Message) -> bool {
        let term = message.term.get();
        let may_lead = self.term == term && (self.is_leader || self.is_candidate);
        term <= self.durable_term
            && match message.body {
                Body::HeartbeatReply(_) => !(self.counts_answers && may_lead),
                Body::RequestVoteReply(RequestVoteReply { granted }) => {
                    !(granted && self.is_candidate && self.term == term)
                }
                Body::AppendEntriesReply(_) | Body::InstallSnapshotReply(_) => !may_lead,
                Body::PreVote(_)
                | Body::PreVoteReply(_)
                | Body::RequestVote(_)
                | Body::AppendEntries(_)
                | Body::Heartbeat(_)
                | Body::InstallSnapshot(_)
                | Body::TimeoutNow(_)
                | Body::Removed(_) => false,
            }
    }
}

impl View {
    pub(super) fn has_no_use_for(&self, message: &Message) -> bool {
        self.standing().has_no_use_for(message)
    }

    fn standing(&self) -> Standing {
        Standing {
            term: self.term,
            durable_term: self.durable_term,
            is_candidate: self.role == Role::Candidate,
            is_leader: self.role == Role::Leader,
            counts_contact: self.counts_contact,
            counts_answers: self.counts_answers,
        }
    }

    /// Whether this node can only tell the sender its term: the request is of an earlier one.
    pub(super) fn is_past(&self, message: &Message) -> bool {
        message.term.get() < self.durable_term
            && matches!(message.body, Body::RequestVote(_) | Body::AppendEntries(_))
    }

    /// Whether this node can only refuse its vote, because it gave it to another.
    pub(super) fn has_voted_against(&self, message: &Message) -> bool {
        message.term.get() == self.durable_term
            && matches!(message.body, Body::RequestVote(_))
            && self
                .durable_vote
                .is_some_and(|vote| vote != message.from.id)
    }
}

impl Table {
    /// Whether hulls do as this file says, in all states that were met; of those that differ by
    /// names only, in one. On so many threads.
    pub(super) fn confirm(&self, jobs: usize) -> bool {
        if self.simpler == Simpler::Nothing {
            return true;
        }
        let mut changes = BTreeSet::new();
        for number in 0..self.steps() as u32 {
            let (before, step) = self.step_from(number);
            let after = &self.local(step.next).view;
            if !self.is_orderly(&before.view, self.deed_of(number), after) {
                return false;
            }
            changes.insert((before.view.standing(), after.standing()));
        }
        let next = AtomicU32::new(0);
        let locals = self.locals() as u32;
        let stands_for_others = |number| {
            let mut images = 1..self.renamings.count();
            images.all(|renaming| self.local_image(number, renaming) >= number)
        };
        let work = || loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= locals {
                return true;
            }
            if stands_for_others(number) && !self.confirms(self.local(number)) {
                next.store(locals, Ordering::Relaxed);
                return false;
            }
        };
        self.stays(&changes)
            && side_by_side(jobs, work)
                .into_iter()
                .all(|confirmed| confirmed)
    }

    /// Whether a hull does as this file says about all messages.
    fn confirms(&self, local: &Local) -> bool {
        let me = local.node.hull().me();
        let (view, before) = (&local.view, fingerprint(&local.node));
        let changes_nothing = |node: &Node| fingerprint(node) == before;
        let messages = self.all_messages().iter();
        messages.filter(|message| message.to == me).all(|message| {
            if view.has_no_use_for(message) {
                let (node, sent) = self.answer(local, message);
                return sent.is_empty() && changes_nothing(&node);
            }
            if self.simpler != Simpler::Alike {
                return true;
            }
            if view.is_past(message) {
                let (node, sent) = self.answer(local, message);
                let late = self.simpler.late(message);
                let same = late.is_none_or(|late| self.answer(local, &late).1 == sent);
                return same && changes_nothing(&node) && self.only_refuses(view, &sent);
            }
            if view.has_voted_against(message) {
                let (node, sent) = self.answer(local, message);
                return changes_nothing(&node) && self.only_refuses(view, &sent);
            }
            self.refuses_alike(local, message)
        })
    }

    /// Whether refusals of all kinds do the same.
    fn refuses_alike(&self, local: &Local, message: &Message) -> bool {
        let refused = Body::RequestVoteReply(RequestVoteReply { granted: false });
        if message.body != refused {
            return true;
        }
        let stale = |request| {
            let verdict = AppendVerdict::StaleTerm;
            let body = Body::AppendEntriesReply(AppendEntriesReply { request, verdict });
            let (node, sent) = self.answer(
                local,
                &Message {
                    body,
                    ..message.clone()
                },
            );
            (fingerprint(&node), sent)
        };
        let (node, sent) = self.answer(local, message);
        let answer = (fingerprint(&node), sent);
        [0, 1, 2]
            .into_iter()
            .all(|request| stale(request) == answer)
    }

    /// Whether all that is said is that something is refused, in no later term than the node's.
    fn only_refuses(&self, view: &View, sent: &[Message]) -> bool {
        sent.iter().all(|message| {
            let refuses = match &message.body {
                Body::RequestVoteReply(reply) => !reply.granted,
                Body::AppendEntriesReply(reply) => reply.verdict == AppendVerdict::StaleTerm,
                _ => false,
            };
            refuses && message.term.get() <= view.term
        })
    }

    /// Whether terms go on as they should: none goes back on a disk, and none rises but by what is
    /// heard or, by one, when an election timeout passes.
    fn is_orderly(&self, before: &View, deed: Deed, after: &View) -> bool {
        let most = match deed {
            Deed::Receive(message) => before.term.max(self.message(message).term.get()),
            Deed::TimeOut if before.role != Role::Leader => before.term.saturating_add(1),
            _ => before.term,
        };
        // With pre-votes a term may rise when they are answered; there nothing rests on it.
        let rises_orderly = after.term <= most || after.counts_contact;
        rises_orderly && after.durable_term >= before.durable_term
    }

    /// Whether a message that may be left out in one state may be in the next.
    fn stays(&self, changes: &BTreeSet<(Standing, Standing)>) -> bool {
        self.all_messages().iter().all(|message| {
            changes.iter().all(|(before, after)| {
                !before.has_no_use_for(message) || after.has_no_use_for(message)
            })
        })
    }

    fn answer(&self, local: &Local, message: &Message) -> (Node, Vec<Message>) {
        let mut node = local.node.clone();
        let mut sent = node.act(Act::Receive(message)).sent;
        for message in &mut sent {
            self.simpler.simplify(message);
        }
        (node, sent)
    }
}
