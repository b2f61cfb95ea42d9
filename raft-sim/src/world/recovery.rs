//! Whether progress is owed at the end, and if it fails to come, who owes it.
//!
//! Faults are over, so whatever can run does, hears everyone and has a working disk. Progress is
//! then owed if a majority is not lost for good: a lost node (its disk was found damaged, or lost
//! as a whole) never returns, and with a majority of them nobody can promise anything but to tell no
//! lie. Such a world is counted, not failed. (The atlas of faults keeps the default swarm from it,
//! but for disks that are lost beyond it.)
//!
//! Who could be elected is computed here from the logs alone: whoever ends in no earlier term than
//! a majority, and among those of the same term is no shorter.

use std::fmt::Write as _;

use raft_core::ids::{LogIndex, Term};
use raft_core::states::Role;
use raft_node::clock::Clock as _;
use raft_node::state_machine::StateMachine;

use super::World;
use super::progress::{Found, Sight};
use crate::network::{node_id, node_number};
use crate::process::{Node, Process};
use crate::script::print;
use crate::subject::Subject;

impl<S: Subject> World<'_, S> {
    /// Whether a majority of the nodes can still have everything that was promised.
    pub(super) fn is_progress_owed(&self) -> bool {
        let lost = self.nodes.iter().filter(|node| node.is_gone()).count();
        if self.plan.founders > 0 {
            return lost == 0 || self.can_decide_without(None);
        }
        // Who lacks a part waits for somebody who has it: that may be the one who is lost.
        let lacking = self
            .nodes
            .iter()
            .filter(|node| node.spoiled && !node.is_gone());
        // Who was never told of the cluster is missed at its founding, which needs all of them.
        let founded = self.nodes.iter().all(|node| node.founded);
        lost == 0 || (founded && lost + lacking.count() <= self.plan.minority())
    }

    /// What there is to see of how far nodes and clients are.
    pub(super) fn sight(&self) -> Sight {
        let mut sight = Sight {
            answered: self.counters.answered,
            ..Sight::default()
        };
        for node in &self.nodes {
            let Some(hull) = node.hull() else {
                continue;
            };
            sight
                .nodes
                .push((node.id(), hull.last().index, hull.applied_index()));
            if hull.role() != Role::Leader {
                continue;
            }
            for id in (0..self.nodes.len()).map(node_id) {
                let known = hull.match_index(id).zip(hull.next_index(id));
                let sent = hull.snapshot_sent(id);
                let sent = sent.map(|(snapshot, stored)| (snapshot.last.index, stored));
                let found = known.map(|(matched, next)| Found {
                    matched,
                    next,
                    sent,
                });
                sight
                    .leaders
                    .extend(found.map(|found| (hull.term(), id, found)));
            }
        }
        sight
    }

    /// What each node and client is at, who could lead, and what each waits for.
    pub(super) fn describe(&self) -> String {
        let mut text = String::from("faults are over, yet not all is done:");
        for node in &self.nodes {
            // Writing to a string can't fail.
            let _ = write!(text, "\n  {}: {}", node.id(), self.waits_for(node));
            for why in explain(node) {
                let _ = write!(text, "\n    {why}");
            }
        }
        let electable: Vec<String> = (self.nodes.iter())
            .filter(|node| self.is_electable(node))
            .map(|node| node.id().to_string())
            .collect();
        let _ = match electable.as_slice() {
            [] => write!(text, "\n  nobody's log is as good as a majority's"),
            some => write!(
                text,
                "\n  by their logs these could lead: {}",
                some.join(", ")
            ),
        };
        for (number, client) in self.clients.iter().enumerate() {
            let needs = self
                .healing
                .as_ref()
                .is_some_and(|healing| healing.needs(number));
            if needs || client.current.is_some() {
                let _ = write!(text, "\n  client {number} waits: {}", client.describe());
            }
        }
        text
    }

    /// Whether a majority would find this node's log good enough, itself included.
    fn is_electable(&self, node: &Node<S::Machine>) -> bool {
        let Some(own) = last_of(node) else {
            return false;
        };
        let others = self.nodes.iter().filter_map(last_of);
        others.filter(|other| *other <= own).count() * 2 > self.nodes.len()
    }

    fn waits_for(&self, node: &Node<S::Machine>) -> String {
        let hull = match (node.hull(), node.is_up()) {
            (Some(hull), _) => hull,
            (None, true) => return "up, without a hull: its log is being opened, or it waits for the other founders".to_owned(),
            (None, false) if matches!(node.process, Process::Lost) => return "lost for good".to_owned(),
            (None, false) => return "down, and not needed".to_owned(),
        };
        let now = node.clock.now();
        let timer = match hull.deadline() {
            None => "never".to_owned(),
            Some(at) if at <= now => "overdue".to_owned(),
            Some(at) => format!("in {:?}", at.since(now)),
        };
        let (last, commit, applied) = (hull.last(), hull.commit_index(), hull.applied_index());
        let what = match (hull.role(), hull.leader()) {
            (Role::Leader, _) => self.leader_waits_for(node),
            (Role::Follower, Some(leader)) => format!("follows {leader}"),
            (Role::Follower, None) => "knows no leader".to_owned(),
            (Role::PreCandidate, _) => "waits for pre-votes".to_owned(),
            (Role::Candidate, _) => "waits for votes".to_owned(),
        };
        let disk = match hull.durable_index() < last.index {
            true => format!(", its disk is at {}", hull.durable_index()),
            false => String::new(),
        };
        format!(
            "{} in {}, last {last}{disk}, commit {commit}, applied {applied}; {what}; its timer fires {timer}",
            print::role(hull.role()),
            hull.term()
        )
    }

    /// What a leader knows of the others.
    fn leader_waits_for(&self, node: &Node<S::Machine>) -> String {
        let mut text = String::from("waits for answers:");
        let Some(hull) = node.hull() else {
            return text;
        };
        for id in (0..self.nodes.len()).map(node_id) {
            let Some((matched, next)) = hull.match_index(id).zip(hull.next_index(id)) else {
                continue;
            };
            let up = self.nodes.get(node_number(id)).is_some_and(Node::is_up);
            let there = if up { "" } else { " (not there)" };
            let _ = write!(text, " {id} holds {matched}, next {next}{there},");
        }
        text.trim_end_matches(',').to_owned()
    }
}

/// What a node itself says of why it has no leader, and of why its first entry that is not
/// committed is not.
fn explain<M: StateMachine>(node: &Node<M>) -> Vec<String> {
    let Some(hull) = node.hull() else {
        return Vec::new();
    };
    let now = node.clock.now();
    let no_leader = hull.why_no_leader(now);
    let mut lines: Vec<String> = no_leader.iter().map(ToString::to_string).collect();
    let first = hull.commit_index().next();
    if first <= hull.last().index {
        let reasons = hull.why_not_committed(first, now);
        lines.extend(reasons.iter().map(|why| format!("{first}: {why}")));
    }
    lines
}

/// The last entry of a node that runs, the term first.
fn last_of<M: StateMachine>(node: &Node<M>) -> Option<(Term, LogIndex)> {
    let last = node.hull()?.last();
    Some((last.term, last.index))
}
