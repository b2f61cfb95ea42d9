//! Whoever operates the cluster of a world: asks for other members, and waits for what is said of
//! it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use raft_core::configuration::{Member, MemberRole, Members};
use raft_core::hull::Refusal;
use raft_core::ids::{EntryId, LogIndex, NodeId, Term};
use raft_node::error::{PlanError, ReconfigureError};
use raft_node::membership::{Planning, Reconfiguring};

use super::World;
use crate::checkers::plans::{self, Promised};
use crate::checkers::{Violation, property};
use crate::markers::Marker;
use crate::network::{node_id, node_number};
use crate::process::Node;
use crate::subject::Subject;

/// What was asked for and not answered yet.
#[derive(Debug, Default)]
pub(super) struct Operator(Vec<Asked>);

/// A request under way.
#[derive(Debug)]
struct Asked {
    request: Reconfiguring,
    /// What it is to go through, which was asked just before.
    planning: Option<Planning>,
    /// Where the log of the node that was asked ended then.
    since: LogIndex,
    /// The members that are wanted; none, to give a change up.
    target: Option<Members>,
}

impl<S: Subject> World<'_, S> {
    /// Asks a node to make these nodes (as bits) the members.
    pub(super) fn ask_for_members(&mut self, number: usize, voters: u8, learners: u8) {
        let role = |number: usize| {
            let bit = 1_u8.checked_shl(number as u32).unwrap_or(0);
            match (voters & bit != 0, learners & bit != 0) {
                (true, _) if self.plan.is_witness(number) => Some(MemberRole::Witness),
                (true, _) => Some(MemberRole::Voter),
                // A witness has nothing to learn.
                (false, true) if !self.plan.is_witness(number) => Some(MemberRole::Learner),
                (false, _) => None,
            }
        };
        let wanted = self.nodes.iter();
        let wanted = wanted.filter_map(|node| Some((node, role(node.number)?)));
        // A node that has never run has no life that could be admitted.
        let member = |(node, role): (&Node<S::Machine>, MemberRole)| {
            node.as_member(role, self.plan.priority_of(node.number))
        };
        let target: Option<Members> = wanted.map(member).collect();
        let handle = self.nodes.get(number).and_then(Node::handle);
        if let (Some(target), Some(handle)) = (target, handle) {
            self.checks.wanted(&target);
            let planning = Some(handle.plan(target.clone()));
            let request = handle.reconfigure(target.clone());
            let hull = self.nodes.get(number).and_then(Node::hull);
            let since = hull.map_or(LogIndex::ZERO, |hull| hull.last().index);
            self.operator.0.push(Asked {
                request,
                planning,
                since,
                target: Some(target),
            });
        }
    }

    /// Asks a node to give up the change under way.
    pub(super) fn ask_to_cancel(&mut self, number: usize) {
        if let Some(handle) = self.nodes.get(number).and_then(Node::handle) {
            let request = handle.cancel_reconfigure();
            self.operator.0.push(Asked {
                request,
                planning: None,
                since: LogIndex::ZERO,
                target: None,
            });
        }
    }

    /// Takes in what was said of the requests.
    pub(super) fn hear_operator(&mut self) -> Result<(), Violation> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiting = Vec::new();
        for mut asked in std::mem::take(&mut self.operator.0) {
            let Poll::Ready(outcome) = Pin::new(&mut asked.request).poll(&mut cx) else {
                waiting.push(asked);
                continue;
            };
            self.judge_plan(&mut asked, &outcome)?;
            match (outcome, &asked.target) {
                (Ok(entry), Some(target)) => {
                    let wrong = self.checks.changed(entry, target);
                    wrong.map_err(|text| self.violation(property::MEMBERSHIP, text))?;
                    self.checks.mark(Marker::MembersChanged);
                    self.mark_voters(target);
                }
                (Ok(_), None) => self.checks.mark(Marker::ChangeCancelled),
                (Err(ReconfigureError::Refused(Refusal::ChangeUnderWay { .. })), _) => {
                    self.checks.mark(Marker::ChangeRefused);
                }
                (Err(ReconfigureError::Refused(Refusal::Target(_))), Some(target)) => {
                    self.mark_refused(target);
                }
                (Err(ReconfigureError::Unknown(_)), _) => {
                    self.checks.mark(Marker::ChangeUnknown);
                }
                (Err(_), _) => {}
            }
        }
        self.operator.0 = waiting;
        Ok(())
    }

    /// Compares what was planned with what became of it.
    fn judge_plan(
        &mut self,
        asked: &mut Asked,
        outcome: &Result<EntryId, ReconfigureError>,
    ) -> Result<(), Violation> {
        let (Some(target), Some(planning)) = (&asked.target, &mut asked.planning) else {
            return Ok(());
        };
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(plan) = Pin::new(planning).poll(&mut cx) else {
            let text = "a change was answered, and what was asked before it was not".to_owned();
            return Err(self.violation(property::MEMBERSHIP, text));
        };
        let refused = match outcome {
            Err(ReconfigureError::Refused(Refusal::Target(problem))) => Some(problem),
            _ => None,
        };
        let wrong = match (&plan, refused) {
            (Err(PlanError::Target(planned)), Some(refused)) => (planned != refused).then(|| {
                format!("a plan was refused since {planned}, and the change since {refused}")
            }),
            (Err(PlanError::Target(planned)), None) => outcome
                .is_ok()
                .then(|| format!("a change was made, and its plan refused since {planned}")),
            (Err(_), _) => None,
            (Ok(_), Some(refused)) => Some(format!("what was planned was refused since {refused}")),
            (Ok(plan), None) => {
                let phases = plan.phases.iter();
                let promised = phases.map(|phase| Promised {
                    configuration: phase.configuration.clone(),
                    quorums: (phase.quorums.iter())
                        .map(|half| (half.needed, half.voters))
                        .collect(),
                    tolerated: phase.tolerated,
                });
                let phases: Vec<Promised> = promised.collect();
                let made = outcome.as_ref().ok();
                let went = made.map_or(Ok(()), |id| self.checks.went_as(&phases, asked.since, *id));
                plans::wrong(&phases, target).or(went.err())
            }
        };
        let wrong = wrong.map(|text| self.violation(property::MEMBERSHIP, text));
        if plan.is_ok() && outcome.is_ok() {
            self.checks.mark(Marker::ChangedAsPlanned);
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Whether a node is a member, by the last configuration known to be committed: this life of it,
    /// and no other that is lost.
    pub(super) fn is_member(&self, number: usize) -> bool {
        let life = self.nodes.get(number).and_then(Node::incarnation);
        self.checks.belongs(node_id(number), life)
    }

    /// Whether all configurations that may yet decide can, without this node and all whose disks are
    /// lost or damaged.
    pub(super) fn can_decide_without(&self, number: Option<usize>) -> bool {
        let sound = |id: &NodeId, member: &Member| {
            let node = self.nodes.get(node_number(*id));
            node.is_some_and(|node| {
                let same = node.incarnation() == Some(member.incarnation);
                same && !node.is_gone() && !node.spoiled && Some(node.number) != number
            })
        };
        let enough = |members: &Members| {
            let voters = members.iter().filter(|(_, member)| member.role.votes());
            let (sound, lost): (Vec<_>, Vec<_>) = voters.partition(|(id, one)| sound(id, one));
            sound.len() > lost.len()
        };
        self.to_decide().all(enough)
    }

    /// Notes why these members can't be, as far as it can be told from outside.
    fn mark_refused(&mut self, target: &Members) {
        let of = |wanted: fn(MemberRole) -> bool| {
            let roles = target.values().map(|member| member.role);
            roles.filter(|role| wanted(*role)).count()
        };
        let witnesses = of(MemberRole::is_witness);
        let another = |(id, member): (&NodeId, &Member)| {
            let mut known = self.checks.in_question();
            known.any(|known| {
                let mut halves = known.halves();
                halves.any(|half| {
                    let there = half.get(id);
                    there.is_some_and(|there| there.incarnation != member.incarnation)
                })
            })
        };
        if witnesses > 0 && witnesses * 2 >= of(MemberRole::votes) {
            self.checks.mark(Marker::TooManyWitnessesRefused);
        } else if target.iter().any(another) {
            self.checks.mark(Marker::OtherLifeRefused);
        }
    }

    /// Notes that nodes whose disks were lost vote again, by a change that was made.
    fn mark_voters(&mut self, target: &Members) {
        let back = self.nodes.iter().filter(|node| node.wipes > 0);
        let votes = |node: &&Node<S::Machine>| {
            let member = target.get(&node.id());
            member.is_some_and(|member| {
                member.role.votes() && node.incarnation() == Some(member.incarnation)
            })
        };
        let times = back.filter(votes).count() as u64;
        self.checks.mark_times(Marker::WipedVotes, times);
    }

    /// The nodes that run and are members.
    pub(super) fn running_members(&self) -> impl Iterator<Item = &Node<S::Machine>> + Clone {
        let running = self.nodes.iter().filter(|node| node.is_up());
        running.filter(|node| self.is_member(node.number))
    }

    /// Whether somebody runs whom no witness refuses: who holds all that any witness may know of, also if a bit
    /// of its disk is flipped and it has not found that yet.
    pub(super) fn has_heir(&self) -> bool {
        self.is_held_by(|node| node.is_up() && !node.spoiled && !node.is_in_repair())
    }

    /// Whether somebody would be left who holds all that any witness may know of, if this node lost
    /// all that it holds, and who votes however the changes under way end: what this node has said
    /// of its log, and is still on its way, may commit one that leaves out who only votes by now.
    pub(super) fn has_heir_beside(&self, number: usize) -> bool {
        if !self.has_witnesses() || self.plan.is_witness(number) {
            return true;
        }
        let model = self.checks.model();
        let led = self.nodes.get(number).map_or(Term::ZERO, |node| node.led);
        let numbers = 0..self.nodes.len();
        let mut witnesses = numbers.filter(|number| self.plan.is_witness(*number));
        // What it says as a leader may be on its way, and nobody else need have it.
        let over = witnesses.all(|witness| {
            let term = model
                .node(node_id(witness))
                .map(|own| own.durable.hard.term);
            term.is_some_and(|term| term > led)
        });
        over && self.is_held_by(|node| {
            node.number != number && !node.spoiled && !node.is_gone() && self.votes_throughout(node)
        })
    }

    /// Whether this node votes in all configurations that may yet decide, as it is now.
    fn votes_throughout(&self, node: &Node<S::Machine>) -> bool {
        self.to_decide().all(|members| {
            let member = members.get(&node.id());
            member.is_some_and(|member| {
                member.role.votes() && node.incarnation() == Some(member.incarnation)
            })
        })
    }

    /// The members of all configurations that may yet decide: those in the logs, and those that
    /// somebody has asked for.
    fn to_decide(&self) -> impl Iterator<Item = &Members> {
        let asked = self.operator.0.iter();
        let asked = asked.filter_map(|asked| asked.target.as_ref());
        let known = self.checks.in_question();
        let known = known.flat_map(|known| known.halves().chain(known.target.as_ref()));
        known.chain(asked)
    }

    /// Whether there are witnesses.
    pub(super) fn has_witnesses(&self) -> bool {
        (0..self.nodes.len()).any(|number| self.plan.is_witness(number))
    }

    /// Whether one of these nodes holds all that any witness may know of.
    fn is_held_by(&self, counts: impl Fn(&Node<S::Machine>) -> bool) -> bool {
        let model = self.checks.model();
        let numbers = || 0..self.nodes.len();
        let witnesses = numbers().filter(|number| self.plan.is_witness(*number));
        let known = witnesses.filter_map(|number| model.node(node_id(number)));
        // What a damaged one held is what it still judges by.
        let known = known.map(|node| node.log.last_id().max(node.damaged.unwrap_or_default()));
        let Some(known) = known.max() else {
            return true;
        };
        let others = self.nodes.iter().filter(|node| counts(node));
        let mut others = others.filter(|node| !self.plan.is_witness(node.number));
        others.any(|node| {
            let own = model.node(node_id(node.number));
            own.is_some_and(|own| own.durable.last_id() >= known)
        })
    }

    /// Whether no change of members is under way, as far as any member knows, and who asked for one
    /// has an answer.
    pub(super) fn is_settled(&self) -> bool {
        let settled = |node: &Node<S::Machine>| {
            node.hull().is_some_and(|hull| {
                let committed = hull.configured_by().index <= hull.commit_index();
                committed && hull.configuration().is_settled()
            })
        };
        self.operator.0.is_empty() && self.running_members().all(settled)
    }
}
