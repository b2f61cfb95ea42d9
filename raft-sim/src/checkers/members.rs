//! Who decides, counted from the entries in the logs and not from what hulls say of it (paper 6;
//! thesis 4.1 to 4.3).
//!
//! - The configuration in force on a node is the latest in its log, committed or not, and what it
//!   was founded with while there is none.
//! - No log holds two configurations that are not committed, and who appends one has committed an
//!   entry of its own term before.
//! - Of two that follow each other no two sets of nodes could decide, one in the one and one in the
//!   other, without a node in common.
//! - Who campaigns may lead by a configuration that may count.
//! - Who asked for a change and is told that it is made finds the wanted members, and no others, in
//!   that entry.
//!
//! With this, what the other checks count by a hull's configuration is counted by the log's.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::configuration::{Configuration, MemberRole, Members as MemberSet};
use raft_core::hull::Hull;
use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId, Peer, Term};
use raft_core::states::Role;

use super::timers::Wrong;
use super::{LogModel, Model, NodeModel, property};
use crate::by_node::ByNode;
use crate::markers::{Marker, Reached};
use crate::spy::Fact;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// What the cluster was founded with.
    founding: Option<Configuration>,
    /// All configurations that some log was asked to keep.
    entries: BTreeMap<EntryId, Configuration>,
    /// What is known to be committed somewhere.
    commit: LogIndex,
    /// The terms whose leaders have committed an entry of their own.
    terms: BTreeSet<Term>,
    /// The last configuration known to be committed.
    settled: Option<EntryId>,
    /// All whom somebody was asked to make a member. Who was one for a moment can't be told from
    /// outside: in one step a leader may append a configuration, tell who is in it, and be deposed.
    wanted: BTreeSet<(NodeId, Incarnation)>,
    /// By node: the configuration last seen in force, and whether it led.
    seen: ByNode<(EntryId, Role)>,
}

impl Members {
    /// Who knows these.
    #[cfg(test)]
    pub(super) fn knowing(founding: &Configuration, entries: &[(EntryId, Configuration)]) -> Self {
        Self {
            founding: Some(founding.clone()),
            entries: entries.iter().cloned().collect(),
            ..Self::default()
        }
    }

    /// Looks at a node after a step in which its spies saw these facts.
    pub(crate) fn step(
        &mut self,
        hull: &Hull,
        model: &Model,
        facts: &[Fact],
        reached: &mut Reached,
    ) -> Option<Wrong> {
        // What a log failed to keep may be there all the same when it is opened again.
        let appended = self.learn_entries(facts);
        // And whoever stops in this step may have committed and answered something in it before.
        self.learn_commit(hull);
        if hull.fault().is_some() {
            return None;
        }
        let (me, by) = (hull.me().id, hull.configured_by());
        if self.founding.is_none() && by == EntryId::ORIGIN {
            self.founding = Some(hull.configuration().clone());
        }
        let was = self.seen.insert(me, (by, hull.role()));
        self.mark(hull, was, reached);
        let campaigns = matches!(hull.role(), Role::Candidate | Role::PreCandidate);
        if campaigns && was.is_some_and(|(_, role)| role == Role::Follower) {
            if let Some(wrong) = self.has_no_right(hull, model.node(me)?) {
                return Some(wrong);
            }
        }
        let moved = was.is_none_or(|(known, _)| known != by);
        if !moved && appended.is_empty() && !facts.iter().any(changes_log) {
            return None;
        }
        let own = model.node(me)?;
        let force = self.wrong_in_force(hull, own, by);
        force.or_else(|| {
            let wrong = |id: &EntryId| self.wrong_entry(hull, own, *id);
            appended.iter().find_map(wrong)
        })
    }

    /// Whether this node is a member of the last configuration that is known to be committed: in
    /// this life, if that is known.
    pub(crate) fn belongs(&self, node: NodeId, life: Option<Incarnation>) -> bool {
        self.settled_or_founding().is_none_or(|configuration| {
            let mut halves = configuration.halves();
            halves.any(|half| {
                let member = half.get(&node);
                member.is_some_and(|member| life.is_none_or(|life| life == member.incarnation))
            })
        })
    }

    /// A node is asked to make these the members.
    pub(super) fn want(&mut self, members: &MemberSet) {
        let lives = members.iter();
        self.wanted
            .extend(lives.map(|(id, member)| (*id, member.incarnation)));
    }

    /// Whether anybody was ever asked to make this life of a node a member.
    pub(super) fn was_wanted(&self, peer: Peer) -> bool {
        self.wanted.contains(&(peer.id, peer.incarnation))
    }

    /// All configurations that may yet decide: the last one that is known to be committed, and all
    /// after it that some log was asked to keep.
    pub(crate) fn in_question(&self) -> impl Iterator<Item = &Configuration> {
        let settled = self.settled.map_or(LogIndex::ZERO, |id| id.index);
        let later = self.entries.iter();
        let later = later.filter(move |(id, _)| id.index > settled);
        let later = later.map(|(_, configuration)| configuration);
        self.settled_or_founding().into_iter().chain(later)
    }

    fn settled_or_founding(&self) -> Option<&Configuration> {
        let settled = self.settled.and_then(|id| self.entries.get(&id));
        settled.or(self.founding.as_ref())
    }

    /// A change to these members is said to be made since this entry.
    pub(crate) fn changed(&self, id: EntryId, target: &MemberSet) -> Result<(), String> {
        let Some(entry) = self.entries.get(&id) else {
            return Err(format!(
                "a change is made since {id}, which is no configuration"
            ));
        };
        if !entry.is_settled() || entry.members != *target {
            let wanted = Configuration::new(target.clone());
            let (is, wanted) = (in_words(entry), in_words(&wanted));
            return Err(format!(
                "a change is made since {id}, where the members are {is}, and wanted are {wanted}"
            ));
        }
        match id.index <= self.commit {
            true => Ok(()),
            false => Err(format!(
                "a change is made since {id}, which nobody has committed"
            )),
        }
    }

    /// The configurations from one entry to another, in any log.
    pub(super) fn configurations(
        &self,
        from: EntryId,
        to: EntryId,
    ) -> impl Iterator<Item = (&EntryId, &Configuration)> {
        self.entries.range(from..=to)
    }

    fn learn_commit(&mut self, hull: &Hull) {
        let commit = hull.commit_index();
        self.terms.extend(hull.term_at(commit));
        if commit <= self.commit {
            return;
        }
        self.commit = commit;
        let committed = self.entries.keys().rev();
        let there = |id: &&EntryId| id.index <= commit && hull.term_at(id.index) == Some(id.term);
        let latest = committed.filter(there).max_by_key(|id| id.index);
        self.settled = latest.copied().or(self.settled);
    }

    /// The configurations that a log was asked to append in this step.
    fn learn_entries(&mut self, facts: &[Fact]) -> Vec<EntryId> {
        let mut appended = Vec::new();
        for fact in facts {
            let Fact::Begun(write) = fact else {
                continue;
            };
            for (id, configuration) in &write.configurations {
                self.entries.insert(*id, configuration.clone());
                appended.push(*id);
            }
        }
        appended
    }

    /// [S6.21] seen from outside. What the hull holds and no log was asked to keep yet, nobody else
    /// can know.
    fn wrong_in_force(&self, hull: &Hull, own: &NodeModel, by: EntryId) -> Option<Wrong> {
        let in_both = |id: &&EntryId| {
            holds(own, **id)
                && hull.term_at(id.index) == Some(id.term)
                && id.index <= hull.last().index
        };
        let latest = self
            .entries
            .keys()
            .filter(in_both)
            .max_by_key(|id| id.index);
        if let Some(latest) = latest.filter(|latest| latest.index > by.index) {
            return Some(wrong(format!(
                "goes by the configuration of {by}, though {latest} stands in its log"
            )));
        }
        if by.index > hull.last().index {
            let last = hull.last();
            return Some(wrong(format!(
                "goes by the configuration of {by}, though its log ends at {last}"
            )));
        }
        // What a snapshot stands for is still there for who looks from outside.
        let known = match by == hull.forgotten() {
            true => self.as_of(&own.log, by),
            false => self.entries.get(&by),
        };
        if known.is_none() && by != hull.forgotten() && holds(own, by) {
            return Some(wrong(format!(
                "goes by the configuration of {by}, which is none"
            )));
        }
        let known = known?;
        (known != hull.configuration()).then(|| {
            let (is, should) = (in_words(hull.configuration()), in_words(known));
            wrong(format!(
                "goes by {is}, though by {by} the members are {should}"
            ))
        })
    }

    /// The configuration as of this entry of this log, as far as it is known.
    pub(super) fn as_of(&self, log: &LogModel, id: EntryId) -> Option<&Configuration> {
        if id == EntryId::ORIGIN {
            return self.founding.as_ref();
        }
        let there = |id: EntryId| log.entry(id.index).map(|found| found.entry.id) == Some(id);
        let known = self.entries.range(..=id);
        let until =
            |known: &(&EntryId, &Configuration)| known.0.index <= id.index && there(*known.0);
        let latest = known.filter(until).max_by_key(|(known, _)| known.index);
        let known = latest.map(|(_, known)| known).or(self.founding.as_ref());
        known.filter(|_| there(id))
    }

    /// Who campaigns may lead by a configuration that may count: the last one it knows to be
    /// committed, or one after it in its log.
    fn has_no_right(&self, hull: &Hull, own: &NodeModel) -> Option<Wrong> {
        let (me, commit) = (hull.me(), hull.commit_index());
        if may_lead(hull.configuration(), me) {
            return None;
        }
        let settled = self.entries.keys().filter(|id| id.index <= commit);
        let settled = settled
            .filter(|id| holds(own, **id))
            .max_by_key(|id| id.index);
        let later = self.entries.iter().filter(|(id, _)| id.index > commit);
        let later = later
            .filter(|(id, _)| holds(own, **id))
            .map(|(_, known)| known);
        let settled = settled.map_or(self.founding.as_ref(), |id| self.entries.get(id));
        let may = settled.into_iter().chain(later);
        let may = may.into_iter().any(|known| may_lead(known, me));
        (!may).then(|| {
            wrong(format!(
                "campaigns, though it may not lead: the members are {}",
                in_words(hull.configuration())
            ))
        })
    }

    /// What is wrong with a configuration that a log was asked to append.
    fn wrong_entry(&self, hull: &Hull, own: &NodeModel, id: EntryId) -> Option<Wrong> {
        let entry = self.entries.get(&id)?;
        let before = self
            .entries
            .keys()
            .filter(|other| other.index < id.index && holds(own, **other));
        let before = before.max_by_key(|other| other.index);
        if let Some(before) = before.filter(|before| before.index > self.commit) {
            return Some(wrong(format!(
                "has the configurations of {before} and of {id} in its log, and neither is committed"
            )));
        }
        let leads = hull.role() == Role::Leader && hull.term() == id.term;
        if leads && !self.terms.contains(&id.term) {
            return Some(wrong(format!(
                "appended the configuration of {id} before anything was committed in {}",
                id.term
            )));
        }
        let before = before.map_or(self.founding.as_ref(), |before| self.entries.get(before))?;
        let (one, other) = apart(before, entry)?;
        Some(wrong(format!(
            "has {} followed by {} in its log: {one:?} could decide in the one, {other:?} in the \
             other",
            in_words(before),
            in_words(entry)
        )))
    }

    fn mark(&self, hull: &Hull, was: Option<(EntryId, Role)>, reached: &mut Reached) {
        let by = hull.configured_by();
        let Some((known, role)) = was else {
            return;
        };
        let configuration = hull.configuration();
        let elected = hull.role() == Role::Leader && role != Role::Leader;
        reached.mark_if(elected && configuration.is_joint(), Marker::ElectedInJoint);
        let unfinished = elected && configuration.target.is_some();
        reached.mark_if(unfinished, Marker::ElectedWhileCatchingUp);
        reached.mark_if(by.index < known.index, Marker::ConfigurationCut);
        let removed = !configuration.may_lead(hull.me());
        let gives_up = role == Role::Leader && hull.role() != Role::Leader;
        if known != by {
            let witnesses = |configuration: &Configuration| {
                let members = configuration.members.values();
                members.filter(|member| member.role.is_witness()).count()
            };
            let before = self.entries.get(&known).or(self.founding.as_ref());
            let fewer = before.is_some_and(|before| witnesses(configuration) < witnesses(before));
            reached.mark_if(fewer && by.index > known.index, Marker::WitnessRemoved);
            let count = |configuration: &Configuration| {
                let members = configuration.members.values();
                members.filter(|member| member.role.votes()).count()
            };
            let was_alone = before.is_some_and(|before| count(before) == 1);
            let leads = role == Role::Leader && hull.role() == Role::Leader;
            let joined = leads && was_alone && count(configuration) > 1;
            reached.mark_if(joined, Marker::LoneLeaderJoined);
        }
        reached.mark_if(removed && gives_up, Marker::RemovedLeaderSteppedDown);
        let stands =
            matches!(hull.role(), Role::Candidate | Role::PreCandidate) && role == Role::Follower;
        reached.mark_if(removed && stands, Marker::RemovedNodeCampaigned);
    }
}

/// Whether a fact says that a log is another than before.
fn changes_log(fact: &Fact) -> bool {
    match fact {
        Fact::Opened(_) => true,
        Fact::Begun(write) => write.truncate_from.is_some(),
        _ => false,
    }
}

fn holds(own: &NodeModel, id: EntryId) -> bool {
    own.log.entry(id.index).map(|found| found.entry.id) == Some(id)
}

fn wrong(text: String) -> Wrong {
    (property::MEMBERSHIP, text)
}

/// Whether this very life of a node is a voter with a log, in either half.
fn may_lead(configuration: &Configuration, peer: Peer) -> bool {
    let mut halves = configuration.halves();
    halves.any(|half| {
        let member = half.get(&peer.id);
        member.is_some_and(|member| {
            member.role == MemberRole::Voter && member.incarnation == peer.incarnation
        })
    })
}

/// The voters of each half.
fn voters(configuration: &Configuration) -> Vec<Vec<NodeId>> {
    let half = |half: &MemberSet| {
        let voters = half.iter().filter(|(_, member)| member.role.votes());
        voters.map(|(id, _)| *id).collect()
    };
    configuration.halves().map(half).collect()
}

/// Two sets of nodes without a common one, one of which could decide in the one and the other in
/// the other configuration; if there are any. All sets are tried.
fn apart(one: &Configuration, other: &Configuration) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
    let (one, other) = (voters(one), voters(other));
    let all: BTreeSet<NodeId> = one.iter().chain(&other).flatten().copied().collect();
    let all: Vec<NodeId> = all.into_iter().collect();
    (0..1_u32 << all.len().min(MOST_VOTERS)).find_map(|set| {
        let (inside, outside): (Vec<_>, Vec<_>) =
            (all.iter().copied().enumerate()).partition(|(place, _)| set >> place & 1 == 1);
        let nodes = |set: Vec<(usize, NodeId)>| set.into_iter().map(|(_, id)| id).collect();
        let (inside, outside): (Vec<NodeId>, Vec<NodeId>) = (nodes(inside), nodes(outside));
        (decides(&one, &inside) && decides(&other, &outside)).then_some((inside, outside))
    })
}

fn decides(halves: &[Vec<NodeId>], set: &[NodeId]) -> bool {
    let of =
        |half: &Vec<NodeId>| half.iter().filter(|id| set.contains(id)).count() * 2 > half.len();
    halves.iter().all(of)
}

/// A configuration, such as `n1 n2 (from n1; to n1 n2 n3)`; learners in brackets.
pub(crate) fn in_words(configuration: &Configuration) -> String {
    let set = |members: &MemberSet| {
        let name = |(id, member): (&NodeId, &raft_core::configuration::Member)| match member
            .role
            .votes()
        {
            true => id.to_string(),
            false => format!("[{id}]"),
        };
        members.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    let from = configuration
        .outgoing
        .as_ref()
        .map(|half| format!(", jointly with {}", set(half)));
    let to = configuration
        .target
        .as_ref()
        .map(|target| format!(", on the way to {}", set(target)));
    let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
    format!("{}{from}{to}", set(&configuration.members))
}

/// As many nodes as a world has at most, and two of them in other lives.
const MOST_VOTERS: usize = 9;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use raft_core::hull::{Input, Setup};
    use raft_core::log::LogError;
    use raft_core::log::memory::MemoryLog;
    use raft_core::time::Time;

    use super::*;

    fn of(ids: &[u64]) -> Configuration {
        let peer = |id: &u64| Peer::new(NodeId::new(*id), Incarnation::new(1));
        Configuration::of_voters(ids.iter().map(peer))
    }

    fn joint(from: &[u64], to: &[u64]) -> Configuration {
        Configuration {
            outgoing: Some(of(from).members),
            ..of(to)
        }
    }

    #[test]
    fn configurations_that_could_decide_side_by_side_are_found() {
        for (one, other, are) in [
            (of(&[1, 2, 3]), of(&[1, 2, 3]), false),
            (of(&[1, 2, 3]), of(&[1, 2, 3, 4]), false),
            (of(&[1, 2, 3]), of(&[1, 2, 3, 4, 5]), true),
            (of(&[1, 2, 3]), of(&[4, 5, 6]), true),
            (of(&[1, 2, 3]), joint(&[1, 2, 3], &[4, 5, 6]), false),
            (joint(&[1, 2, 3], &[4, 5, 6]), of(&[4, 5, 6]), false),
            (joint(&[1, 2, 3], &[4, 5, 6]), of(&[1, 5]), true),
        ] {
            assert_eq!(apart(&one, &other).is_some(), are, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_change_that_is_said_to_be_made_must_be() {
        let id = EntryId::new(Term::new(2), LogIndex::new(7));
        let mut members = Members::default();
        let target = of(&[1, 2]).members;
        assert!(members.changed(id, &target).is_err());
        members.entries.insert(id, of(&[1, 2]));
        assert!(members.changed(id, &target).is_err(), "not committed");
        members.commit = id.index;
        assert_eq!(members.changed(id, &target), Ok(()));
        assert!(members.changed(id, &of(&[1]).members).is_err());
        members.entries.insert(id, joint(&[1], &[1, 2]));
        assert!(members.changed(id, &target).is_err(), "joint");
    }

    /// The only member of its cluster, which has committed its first entry and whose disk then fails.
    fn stopped_after_committing() -> Hull {
        let founding = of(&[1]);
        let setup = Setup {
            me: Peer::new(NodeId::new(1), Incarnation::new(1)),
            founding,
            settings: Arc::default(),
            seed: 1,
            checksum: crc32c::crc32c_append,
            witness: false,
        };
        let now = Time::from_millis(1_000);
        let mut log = MemoryLog::new();
        let mut hull = Hull::open(setup, log.recovered(), now).unwrap();
        let mut sync = |hull: &mut Hull, now| {
            while let Some(write) = hull.next_write() {
                hull.step(now, Input::Durable(log.write(write).unwrap()));
            }
        };
        sync(&mut hull, now);
        while hull.role() != Role::Leader {
            let at = hull.deadline().unwrap();
            hull.step(at, Input::DeadlinePassed);
            sync(&mut hull, at);
        }
        let detail = String::new();
        hull.step(now, Input::WriteFailed(LogError::Full { detail }));
        hull
    }

    #[test]
    fn what_was_committed_right_before_a_disk_failed_is_known() {
        let hull = stopped_after_committing();
        assert_eq!(hull.commit_index(), LogIndex::new(1));
        let mut members = Members::default();
        members.step(&hull, &Model::default(), &[], &mut Reached::default());
        assert_eq!(members.commit, LogIndex::new(1));
    }

    /// Another node leads a later term already, of which this one has not heard.
    #[test]
    fn what_is_committed_behind_others_counts_for_its_term() {
        let hull = stopped_after_committing();
        let mut members = Members {
            commit: LogIndex::new(9),
            ..Members::default()
        };
        members.step(&hull, &Model::default(), &[], &mut Reached::default());
        assert!(members.terms.contains(&hull.term()));
    }

    #[test]
    fn who_belongs_is_told_by_what_is_committed() {
        let mut members = Members::default();
        assert!(members.belongs(NodeId::new(4), None), "nothing is known");
        members.founding = Some(of(&[1, 2]));
        assert!(!members.belongs(NodeId::new(4), None));
        let id = EntryId::new(Term::new(2), LogIndex::new(7));
        members.entries.insert(id, of(&[1, 4]));
        assert!(!members.belongs(NodeId::new(4), None));
        members.settled = Some(id);
        assert!(members.belongs(NodeId::new(4), None));
        assert!(!members.belongs(NodeId::new(2), None));
    }

    #[test]
    fn learners_and_other_lives_may_not_lead() {
        let mut configuration = joint(&[1, 3], &[1, 2]);
        let learner = configuration.members.named_mut(&NodeId::new(2)).unwrap();
        learner.role = MemberRole::Learner;
        let may = |id, life| {
            let peer = Peer::new(NodeId::new(id), Incarnation::new(life));
            may_lead(&configuration, peer)
        };
        assert!(may(1, 1) && may(3, 1));
        assert!(!may(2, 1) && !may(1, 2) && !may(4, 1));
    }

    #[test]
    fn learners_are_told_from_voters() {
        let mut configuration = joint(&[1], &[1, 2]);
        let learner = configuration.members.named_mut(&NodeId::new(2)).unwrap();
        learner.role = MemberRole::Learner;
        assert_eq!(in_words(&configuration), "n1 [n2], jointly with n1");
        assert_eq!(
            voters(&configuration),
            [vec![NodeId::new(1)], vec![NodeId::new(1)]]
        );
    }
}
