//! One node's hull after a step, as plain data.

use std::sync::Arc;

use raft_core::configuration::{MemberRole, Members};
use raft_core::error::Fault;
use raft_core::hull::Hull;
use raft_core::ids::{Boot, EntryId, LogIndex, NodeId, Peer, Term};
use raft_core::states::Role;

/// What the getters of one hull say after a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// The node in this life of its folder.
    pub me: Peer,
    /// Which start of that folder this is.
    pub boot: Boot,
    /// Whether it is set up as a witness.
    pub witness: bool,
    /// What the node is.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Its vote in that term.
    pub vote: Option<NodeId>,
    /// The leader it knows of.
    pub leader: Option<NodeId>,
    /// The highest index known to be committed.
    pub commit: LogIndex,
    /// The highest index known to be applied.
    pub applied: LogIndex,
    /// The last entry, durable or not.
    pub last: EntryId,
    /// What the log begins after.
    pub forgotten: EntryId,
    /// The newest snapshot that the hull takes to be stored.
    pub stored: Option<EntryId>,
    /// For a leader: its last entry that each follower is known to hold, in order of id.
    pub matches: Vec<(NodeId, EntryId)>,
    /// The ids of the entries that became known as committed in this step.
    pub committed: Vec<EntryId>,
    /// The entry of the configuration in force.
    pub configured_by: EntryId,
    /// When some became so, or the node became leader, or the configuration is another: the voters of each half of the
    /// configuration in force, a majority of each of which decides.
    pub voters: Vec<Vec<NodeId>>,
    /// For a leader: which life of each member the configuration in force means.
    pub lives: Arc<[Peer]>,
    /// When the node became leader in this step: its log from what it begins after on, as runs of
    /// equal terms.
    pub elected_with: Option<Runs>,
    /// Whether it sends no heartbeats, or waits for none, because nobody wants anything.
    pub quiet: bool,
    /// What stopped the hull.
    pub fault: Option<Fault>,
}

impl Observation {
    /// Reads a hull. `before` is the same node's previous observation; of another boot, it counts
    /// as none.
    pub fn of(hull: &Hull, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.boot == hull.boot());
        let led =
            before.is_some_and(|before| before.role == Role::Leader && before.term == hull.term());
        let elected = hull.role() == Role::Leader && !led;
        let commit = hull.commit_index();
        let known = before.map_or(LogIndex::ZERO, |before| before.commit);
        let committed = ids_between(hull, known, commit);
        let configured_by = hull.configured_by();
        let same = before.is_some_and(|before| before.configured_by == configured_by);
        let known = before.filter(|before| same && !before.lives.is_empty());
        let lives = match (hull.role(), known) {
            (Role::Leader, Some(known)) => known.lives.clone(),
            (Role::Leader, None) => lives_of(hull),
            _ => Arc::default(),
        };
        let voters = if committed.is_empty() && !elected && same {
            Vec::new()
        } else {
            voters_of(hull)
        };
        Self {
            me: hull.me(),
            boot: hull.boot(),
            witness: hull.is_witness(),
            role: hull.role(),
            term: hull.term(),
            vote: hull.vote(),
            leader: hull.leader(),
            commit,
            applied: hull.applied_index(),
            last: hull.last(),
            forgotten: hull.forgotten(),
            stored: hull.stored_snapshot().map(|stored| stored.id.last),
            matches: matches_of(hull),
            committed,
            configured_by,
            voters,
            lives,
            elected_with: elected.then(|| Runs::of(hull)),
            quiet: hull.is_quiet(),
            fault: hull.fault().cloned(),
        }
    }

    /// Whether the hull still looks the same, without building what it looks like: most steps
    /// change nothing of all this.
    pub(crate) fn is_still(&self, hull: &Hull) -> bool {
        let matched = |&(id, held): &(NodeId, EntryId)| {
            hull.match_index(id) == Some(held.index) && hull.term_at(held.index) == Some(held.term)
        };
        self.boot == hull.boot()
            && self.me == hull.me()
            && self.role == hull.role()
            && self.term == hull.term()
            && self.vote == hull.vote()
            && self.leader == hull.leader()
            && self.quiet == hull.is_quiet()
            && self.commit == hull.commit_index()
            && self.applied == hull.applied_index()
            && self.last == hull.last()
            && self.forgotten == hull.forgotten()
            && self.stored == hull.stored_snapshot().map(|stored| stored.id.last)
            && self.fault.as_ref() == hull.fault()
            && self.configured_by == hull.configured_by()
            && self.matches.iter().all(matched)
            && (self.role != Role::Leader || self.knows_all_followers(hull))
    }

    /// Whether each follower has an entry among the matches. One whose match can't be named,
    /// because the log begins later, could move unseen.
    fn knows_all_followers(&self, hull: &Hull) -> bool {
        let members: usize = hull.configuration().halves().map(Members::len).sum();
        self.matches.len() + 1 >= members
    }

    /// Forgets what happened in the step that it was taken after, and keeps what is.
    pub(crate) fn settle(&mut self) {
        self.committed.clear();
        self.voters.clear();
        self.elected_with = None;
    }
}

/// The terms of a log: each run's first entry, and the last index. What it begins after is part of
/// it; of what lies before that, nothing is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Runs {
    /// Each run's first entry, in order.
    pub firsts: Vec<EntryId>,
    /// The last entry's index.
    pub last: LogIndex,
}

impl Runs {
    /// The runs of the hull's log.
    pub fn of(hull: &Hull) -> Self {
        let before = hull.forgotten().index.previous();
        Self::gather(ids_between(hull, before, hull.last().index))
    }

    /// Whether the log begins after `index`.
    pub fn has_forgotten(&self, index: LogIndex) -> bool {
        self.firsts.first().is_some_and(|first| index < first.index)
    }

    /// The runs of a log that holds these entries, in order.
    pub fn gather(ids: impl IntoIterator<Item = EntryId>) -> Self {
        let mut runs = Self::default();
        for id in ids {
            if runs.firsts.last().is_none_or(|first| first.term != id.term) {
                runs.firsts.push(id);
            }
            runs.last = id.index;
        }
        runs
    }

    /// The term of the entry at `index`, if the log holds it.
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index > self.last {
            return None;
        }
        let after = self.firsts.partition_point(|first| first.index <= index);
        let run = after.checked_sub(1)?;
        self.firsts.get(run).map(|first| first.term)
    }
}

fn ids_between(hull: &Hull, after: LogIndex, to: LogIndex) -> Vec<EntryId> {
    (after.next().get()..=to.get())
        .map(LogIndex::new)
        .filter_map(|index| hull.term_at(index).map(|term| EntryId::new(term, index)))
        .collect()
}

fn matches_of(hull: &Hull) -> Vec<(NodeId, EntryId)> {
    if hull.role() != Role::Leader {
        return Vec::new();
    }
    let configuration = hull.configuration();
    let sets = configuration.halves().chain(&configuration.target);
    let mut members: Vec<NodeId> = sets.flat_map(|set| set.keys().copied()).collect();
    members.sort_unstable();
    members.dedup();
    let matched = |id| {
        let index = hull.match_index(id)?;
        Some((id, EntryId::new(hull.term_at(index)?, index)))
    };
    members.into_iter().filter_map(matched).collect()
}

/// Which life of each member the configuration in force means.
fn lives_of(hull: &Hull) -> Arc<[Peer]> {
    let members = hull.configuration().halves().flatten();
    members
        .map(|(id, member)| Peer::new(*id, member.incarnation))
        .collect()
}

/// The voters of each half of the configuration in force.
pub(crate) fn voters_of(hull: &Hull) -> Vec<Vec<NodeId>> {
    let ids = |half: Vec<Peer>| half.into_iter().map(|voter| voter.id).collect();
    voting_lives_of(hull).into_iter().map(ids).collect()
}

/// The voters of each half of the configuration in force, in the lives that it means.
pub(crate) fn voting_lives_of(hull: &Hull) -> Vec<Vec<Peer>> {
    let voters = |half: &Members| {
        half.iter()
            .filter(|(_, member)| member.role != MemberRole::Learner)
            .map(|(id, member)| Peer::new(*id, member.incarnation))
            .collect()
    };
    hull.configuration().halves().map(voters).collect()
}

pub(crate) fn unchanged(before: Option<&Observation>, hull: Option<&Hull>) -> bool {
    match (before, hull) {
        (None, None) => true,
        (Some(before), Some(hull)) => before.is_still(hull),
        (None, Some(_)) | (Some(_), None) => false,
    }
}
