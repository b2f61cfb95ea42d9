//! What one node could know, by the letters that it took in.

use std::collections::BTreeMap;

use raft_core::configuration::Configuration;
use raft_core::hull::Hull;
use raft_core::ids::{Boot, EntryId, LogIndex, NodeId, Peer, Term};
use raft_core::log::BatchNumber;
use raft_core::states::Role;
use raft_core::time::Time;

use super::super::timers::Step;
use crate::spy::{Answered, Fact, Passing, Says, Talk};

/// What is remembered of one node since its hull opened. Times are of its own clock.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    boot: Boot,
    term: Term,
    role: Role,
    configured_by: EntryId,
    /// The configuration in force after its last step.
    configuration: Configuration,
    /// Its clock at its last step.
    pub(super) stepped: Time,
    /// When it last went on after having been stopped for longer than a heartbeat interval.
    pub(super) woke: Time,
    /// Whether it expects nothing of its leader, or has nothing to say.
    pub(super) quiet: bool,
    /// When it last ceased to be so.
    pub(super) roused: Option<Time>,
    /// The last word of a leader of its term.
    pub(super) word: Option<(NodeId, Time)>,
    /// Whether the connection to that one was lost since.
    pub(super) cut: bool,
    /// Whether the number of its start is durable.
    pub(super) named: bool,
    /// Who has ever refused it a vote, or a pre-vote.
    pub(super) refused: Nodes,
    /// Who has granted it a vote in its term.
    pub(super) granted: Nodes,
    /// Who would grant it one in the next.
    pub(super) would_grant: Nodes,
    /// The last term that it led.
    pub(super) led: Option<Term>,
    /// The last committed configuration by which it was told that it is no member: the last that it
    /// believed, and the last that it may have believed. These differ where its own configuration
    /// changed in the step in which it was told, and that knows the teller or does not.
    pub(super) removed_by: (LogIndex, LogIndex),
    /// Since when it leads as it does: the same members, and awake.
    pub(super) leads_since: Time,
    /// What others have said to it as the leader of its term.
    pub(super) heard: BTreeMap<NodeId, Heard>,
}

/// What a follower has said to the leader of its term.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    /// When it last said anything.
    pub(super) at: Time,
    /// The most that it has said it holds, and when.
    pub(super) holds: Option<(LogIndex, Time)>,
    /// The last round of heartbeats that it has answered, and when first.
    pub(super) round: Option<(u64, Time)>,
}

/// A set of nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes(Vec<NodeId>);

impl Nodes {
    fn add(&mut self, node: NodeId) {
        if !self.has(node) {
            self.0.push(node);
        }
    }

    pub(super) fn has(&self, node: NodeId) -> bool {
        self.0.contains(&node)
    }
}

impl Ear {
    pub(super) fn new(step: &Step<'_>, hull: &Hull) -> Self {
        Self {
            boot: step.after.boot,
            term: step.after.term,
            role: step.after.role,
            configured_by: hull.configured_by(),
            configuration: hull.configuration().clone(),
            stepped: step.local,
            woke: step.local,
            quiet: step.after.quiet,
            roused: None,
            word: None,
            cut: false,
            named: false,
            refused: Nodes::default(),
            granted: Nodes::default(),
            would_grant: Nodes::default(),
            led: None,
            removed_by: (LogIndex::ZERO, LogIndex::ZERO),
            leads_since: step.local,
            heard: BTreeMap::new(),
        }
    }

    pub(super) const fn boot(&self) -> Boot {
        self.boot
    }

    pub(super) fn step(&mut self, step: &Step<'_>, hull: &Hull, facts: &[Fact]) {
        let is = step.after;
        let now = self.stepped.max(step.local);
        if now.since(self.stepped) > step.pace.heartbeat_interval * 2 {
            self.woke = now;
        }
        self.stepped = now;
        if self.term != is.term {
            self.term = is.term;
            (self.word, self.cut) = (None, false);
            self.granted = Nodes::default();
            self.would_grant = Nodes::default();
            self.heard.clear();
        }
        let was_cut = self.cut;
        for passing in step.passings {
            match passing {
                Passing::Taken(talk) => self.take(talk, hull, now),
                // Who campaigns without asking before waits for its timeout whatever is lost.
                Passing::ConnectionLost(node) if hull.settings().pre_vote => {
                    self.cut |= self.word.is_some_and(|(leader, _)| leader == *node);
                }
                _ => {}
            }
        }
        let first = BatchNumber::default();
        self.named |= facts
            .iter()
            .any(|fact| matches!(fact, Fact::Durable(batch) if *batch > first));
        if self.cut && !was_cut {
            self.roused = None;
        } else if self.quiet && !is.quiet {
            self.roused = Some(now);
        }
        let configured_by = hull.configured_by();
        let same = self.role == is.role && self.configured_by == configured_by;
        if is.role == Role::Leader {
            self.led = Some(is.term);
            if !same || self.quiet {
                self.leads_since = now;
            }
        }
        self.role = is.role;
        if self.configured_by != configured_by {
            self.configured_by = configured_by;
            self.configuration = hull.configuration().clone();
        }
        self.quiet = is.quiet;
    }

    fn take(&mut self, talk: &Talk, hull: &Hull, now: Time) {
        match talk.says {
            Says::RequestVoteReply { granted: false }
            | Says::PreVoteReply { granted: false, .. } => {
                self.refused.add(talk.peer);
            }
            Says::PreVoteReply { asked, .. } if asked == self.term.next() => {
                self.would_grant.add(talk.peer);
            }
            Says::Removed { configuration, by } => {
                let teller = Peer::new(talk.peer, by);
                self.hear_of_removal(configuration, teller, hull.configuration());
            }
            _ => {}
        }
        if talk.term != self.term {
            return;
        }
        match talk.says {
            Says::Append { .. } | Says::Heartbeat { .. } | Says::Install { .. } => {
                self.word = Some((talk.peer, now));
                self.cut = false;
            }
            Says::RequestVoteReply { granted: true } => self.granted.add(talk.peer),
            Says::AppendReply(_) | Says::InstallReply(_) | Says::HeartbeatReply { .. } => {
                self.answer(talk, now);
            }
            _ => {}
        }
    }

    /// A node believes a member what it says of its removal, and no other life of one.
    fn hear_of_removal(&mut self, removed_by: LogIndex, teller: Peer, after: &Configuration) {
        let (before, after) = (self.configuration.admits(teller), after.admits(teller));
        let (surely, perhaps) = &mut self.removed_by;
        if before && after {
            *surely = (*surely).max(removed_by);
        }
        if before || after {
            *perhaps = (*perhaps).max(removed_by);
        }
    }

    fn answer(&mut self, talk: &Talk, now: Time) {
        let heard = self.heard.entry(talk.peer).or_default();
        heard.at = now;
        let more = |index: LogIndex| heard.holds.is_none_or(|(held, _)| index > held);
        match talk.says {
            Says::AppendReply(Answered::Matched(index)) | Says::InstallReply(Some(index))
                if more(index) =>
            {
                heard.holds = Some((index, now));
            }
            Says::HeartbeatReply {
                round: Some(round), ..
            } if heard.round.is_none_or(|(answered, _)| round > answered) => {
                heard.round = Some((round, now));
            }
            _ => {}
        }
    }

    /// What a follower has said that it holds.
    pub(super) fn held_by(&self, node: NodeId) -> LogIndex {
        let holds = self.heard.get(&node).and_then(|heard| heard.holds);
        holds.map_or(LogIndex::ZERO, |(index, _)| index)
    }

    /// The last round of heartbeats that a follower has answered.
    pub(super) fn round_of(&self, node: NodeId) -> u64 {
        let round = self.heard.get(&node).and_then(|heard| heard.round);
        round.map_or(0, |(round, _)| round)
    }
}
