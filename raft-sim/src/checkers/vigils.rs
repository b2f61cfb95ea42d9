//! Nobody waits for ever: who runs has something to wait for, and soon; who sleeps was told that it
//! may, by the leader that it still has; and who could lead and hears nobody finds out whether it can.
//!
//! Where the others go on without it, a node that does none of this harms nobody, and nothing comes to
//! light in the end: it is missed when it is needed. So each node is asked, step by step, by its own
//! clock and by the letters that it took in.
//!
//! What is demanded is less than what the code does. Timeouts may be several times as long as the
//! settings say; who was stopped, whose disk may hang and who lost a part of its log has time.

use std::collections::BTreeMap;
use std::time::Duration;

use raft_core::hull::Hull;
use raft_core::ids::{Boot, LogIndex, NodeId};
use raft_core::states::Role;
use raft_core::time::Time;

use super::property;
use super::timers::{Pace, Stand, Step, Wrong};
use crate::by_node::ByNode;
use crate::script::print::role;
use crate::spy::{Passing, Says, Talk};

/// Follows every node's waits from outside.
#[derive(Debug, Default)]
pub(super) struct Vigils {
    nodes: ByNode<Vigil>,
    /// Whether nodes have clocks, and look at them by themselves.
    timed: bool,
}

/// What a hull waits for after a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    deadline: Option<Time>,
    /// Whether anybody may fall silent in this cluster.
    may_rest: bool,
    /// Whether it takes all that it has to be committed.
    agreed: bool,
    /// Whether it keeps payloads, and lacks nothing of what it once held.
    whole: bool,
}

/// What is remembered of one node since its hull opened. Times are of its own clock.
#[derive(Debug)]
struct Vigil {
    boot: Boot,
    stand: Stand,
    /// The latest time that its clock has shown.
    latest: Time,
    /// When it last went on after having been stopped for longer than a heartbeat interval.
    woke: Time,
    /// When all that its log was asked for was last durable.
    written: Time,
    /// When it last had a reason to wait for others, or was nobody who could lead.
    patient: Time,
    /// The last committed configuration by which it was told that it is no member.
    removed_by: LogIndex,
    /// The last round of heartbeats heard of the present leader, and whether that was its farewell.
    heard: (u64, bool),
    /// While it leads: to whom it has said farewell since it last said anything else, in which round
    /// first, and whether that was answered.
    farewells: BTreeMap<NodeId, (u64, bool)>,
}

impl Outlook {
    pub(super) fn of(hull: &Hull) -> Self {
        Self {
            deadline: hull.deadline(),
            may_rest: hull.settings().quiescent_after.is_some(),
            agreed: hull.commit_index() == hull.last().index,
            whole: !hull.is_witness() && hull.lost_through().is_none(),
        }
    }
}

impl Vigils {
    /// Nodes have clocks that they look at by themselves.
    pub(super) const fn time(&mut self) {
        self.timed = true;
    }

    /// The node was stopped.
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Looks at a step, after which the hull waits for this. Who else it sends the log to is asked only
    /// when that matters.
    pub(super) fn step(
        &mut self,
        step: &Step<'_>,
        outlook: Outlook,
        others: impl Fn() -> Vec<NodeId>,
    ) -> Option<Wrong> {
        let is_new = |known: &Vigil| known.boot != step.after.boot;
        let begins = self.nodes.find(&step.node).is_none_or(is_new);
        if begins {
            self.nodes.insert(step.node, Vigil::new(step));
        }
        let vigil = self.nodes.find_mut(&step.node)?;
        let was = vigil.stand;
        // Who has just started may have taken in a word already.
        vigil.remember(step, outlook);
        if begins || step.after.stopped {
            return None;
        }
        let fell_quiet = step.after.quiet && !was.quiet;
        let wrong = vigil
            .waits_for_nothing(step, outlook)
            .or_else(|| vigil.sleeps_unasked(step, outlook))
            .or_else(|| fell_quiet.then(|| vigil.leaves_unheard(step, others))?);
        if !step.after.quiet {
            vigil.heard.1 = false;
        }
        if !self.timed {
            return wrong;
        }
        wrong
            .or_else(|| vigil.waits_too_long(step, outlook))
            .or_else(|| vigil.waits_for_nobody(step))
    }
}

impl Vigil {
    fn new(step: &Step<'_>) -> Self {
        Self {
            boot: step.after.boot,
            stand: step.after,
            latest: step.local,
            woke: step.local,
            written: step.local,
            patient: step.local,
            removed_by: LogIndex::ZERO,
            heard: (0, false),
            farewells: BTreeMap::new(),
        }
    }

    fn remember(&mut self, step: &Step<'_>, outlook: Outlook) {
        let (was, is) = (self.stand, step.after);
        let now = self.latest.max(step.local);
        if now.since(self.latest) > step.pace.heartbeat_interval {
            self.woke = now;
        }
        self.latest = now;
        if step.written {
            self.written = now;
        }
        if was.term != is.term {
            self.heard = (0, false);
        }
        let speaks = is.role != Role::Leader || !is.quiet && was.quiet;
        if speaks && !self.farewells.is_empty() {
            self.farewells.clear();
        }
        for passing in step.passings {
            self.pass(passing, is);
        }
        let hangs = now.since(self.written) * 2 >= step.pace.stalled_write_after;
        let removed = self.removed_by > is.configured_by.index || !is.may_lead;
        let gave_vote = (was.term, was.vote) != (is.term, is.vote);
        let slept = was.quiet || is.quiet;
        let waits_anew = was.role != Role::Follower;
        if is.role != Role::Follower
            || waits_anew
            || slept
            || hangs
            || removed
            || gave_vote
            || !outlook.whole
        {
            self.patient = now;
        }
        self.stand = is;
    }

    fn pass(&mut self, passing: &Passing, is: Stand) {
        match passing {
            Passing::Taken(talk) => self.take(talk, is),
            Passing::Sent(talk) if is.role == Role::Leader => {
                let Talk { peer, says, .. } = talk;
                match says {
                    Says::Heartbeat {
                        round, quiet: true, ..
                    } => {
                        self.farewells.entry(*peer).or_insert((*round, false));
                    }
                    Says::Heartbeat { .. } | Says::Append { .. } | Says::Install { .. } => {
                        self.farewells.remove(peer);
                    }
                    _ => {}
                }
            }
            Passing::Sent(Talk {
                says: Says::RequestVoteReply { granted: true },
                ..
            }) => self.patient = self.latest,
            Passing::Sent(_)
            | Passing::ConnectionLost(_)
            | Passing::Read
            | Passing::Resumed
            | Passing::Garbled
            | Passing::NamedItself => {}
        }
    }

    fn take(&mut self, talk: &Talk, is: Stand) {
        if let Says::Removed { configuration, .. } = talk.says {
            self.removed_by = self.removed_by.max(configuration);
        }
        if talk.term != is.term {
            return;
        }
        match talk.says {
            Says::Heartbeat { round, quiet, .. } => {
                self.patient = self.latest;
                if round > self.heard.0 {
                    self.heard = (round, quiet);
                }
            }
            Says::Append { .. } | Says::Install { .. } => self.patient = self.latest,
            Says::HeartbeatReply {
                round: Some(round), ..
            } => {
                if let Some((first, answered)) = self.farewells.get_mut(&talk.peer) {
                    *answered |= round >= *first;
                }
            }
            _ => {}
        }
    }

    /// Who runs comes back to itself at some time, unless it sleeps.
    fn waits_for_nothing(&self, step: &Step<'_>, outlook: Outlook) -> Option<Wrong> {
        let is = step.after;
        let sleeps = is.quiet && matches!(is.role, Role::Follower | Role::Leader);
        (outlook.deadline.is_some() == sleeps).then(|| {
            let at = match outlook.deadline {
                Some(at) => format!("waits until {at:?}"),
                None => "waits for no time".to_owned(),
            };
            let text = format!(
                "is {} of {}, quiet: {}, and {at}",
                role(is.role),
                is.term,
                is.quiet
            );
            (property::LIVENESS, text)
        })
    }

    /// Who sleeps has a leader, whose last word was a farewell, and there is nothing that only one of
    /// them has.
    fn sleeps_unasked(&self, step: &Step<'_>, outlook: Outlook) -> Option<Wrong> {
        let is = step.after;
        if !is.quiet {
            return None;
        }
        let told = is.role == Role::Leader || (is.leader.is_some() && self.heard.1);
        if told && outlook.agreed && outlook.may_rest {
            return None;
        }
        let text = match told {
            false => format!(
                "sleeps as {} of {}, and the last that it heard of its leader ({:?}) was no farewell",
                role(is.role),
                is.term,
                is.leader
            ),
            true => format!(
                "rests in {}, though it knows entries of which it does not know that they are \
                 committed, or nobody may rest here",
                is.term
            ),
        };
        Some((property::LIVENESS, text))
    }

    /// A leader that stops speaking has said so to all, and been answered by all.
    fn leaves_unheard(&self, step: &Step<'_>, others: impl Fn() -> Vec<NodeId>) -> Option<Wrong> {
        if step.after.role != Role::Leader {
            return None;
        }
        let knows = |id: &NodeId| {
            self.farewells
                .get(id)
                .is_some_and(|(_, answered)| *answered)
        };
        let missing = others().into_iter().find(|id| !knows(id))?;
        let text = format!(
            "leads {} and fell silent, though {missing} has not answered a farewell",
            step.after.term
        );
        Some((property::LIVENESS, text))
    }

    /// What is waited for lies no farther away than the longest timeout, and is not long past.
    fn waits_too_long(&self, step: &Step<'_>, outlook: Outlook) -> Option<Wrong> {
        let deadline = outlook.deadline?;
        let timeout = step.pace.election_timeout;
        let ahead = deadline.since(self.latest);
        let behind = self.latest.since(deadline);
        let late = behind > timeout && self.is_awake(step.pace) && !step.left_letters;
        (ahead > timeout * LONGEST || late).then(|| {
            let text = format!(
                "is {} of {} and waits until {deadline:?}; its clock shows {:?}, and its election \
                 timeout is {timeout:?}",
                role(step.after.role),
                step.after.term,
                self.latest
            );
            (property::LIVENESS, text)
        })
    }

    /// A follower that may lead, and that neither a leader nor a vote given holds back, asks to be
    /// elected.
    fn waits_for_nobody(&self, step: &Step<'_>) -> Option<Wrong> {
        let waited = self.latest.since(self.patient);
        let most = step.pace.election_timeout * (LONGEST + 1);
        if waited <= most || !self.is_awake(step.pace) {
            return None;
        }
        let text = format!(
            "is a follower in {} that hears nobody and has given no vote for {waited:?}, and does \
             not campaign: its election timeout is {:?}",
            step.after.term, step.pace.election_timeout
        );
        Some((property::LIVENESS, text))
    }

    /// Whether it was not stopped for an election timeout or so: before that, it may have had no chance.
    fn is_awake(&self, pace: Pace) -> bool {
        self.latest.since(self.woke) >= pace.election_timeout.max(Duration::from_millis(1)) * 2
    }
}

/// As many election timeouts may pass before a timer fires: twice the least one where it is drawn, half
/// as much again where somebody draws others, one more out of deference to who is preferred, and one
/// while a promise holds.
const LONGEST: u32 = 5;

#[cfg(test)]
mod tests;
