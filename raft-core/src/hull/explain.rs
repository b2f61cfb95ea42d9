//! Computing what [`crate::explain`] says. Nothing here changes anything, and each reason is decided
//! by what decides the matter itself: [`Common::may_campaign`], the votes as they are counted, what
//! a follower is known to hold.

mod change;

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::Hull;
use crate::common::Common;
use crate::configuration::{MemberRole, Members};
use crate::explain::{
    Ballot, Half, HullStatus, Lag, NoLeader, NotCommitted, NotReadable, OldestWrite,
};
use crate::ids::{EntryId, LogIndex, NodeId};
use crate::quorum;
use crate::rules::vote;
use crate::states::State;
use crate::states::candidate::Candidate;
use crate::states::follower::Follower;
use crate::states::leader::Leader;
use crate::states::leader::progress::Progress;
use crate::time::Time;

/// How it stands.
impl Hull {
    /// The figures of this hull, by value. `now` is what ages are told by.
    pub fn status(&self, now: Time) -> HullStatus {
        let common = &self.common;
        let now = common.now.max(now);
        let leader = self.as_leader();
        let follower = |progress: &Progress| progress.status(now);
        HullStatus {
            me: common.me,
            role: self.role(),
            term: self.term(),
            vote: self.vote(),
            leader: self.leader(),
            boot: self.boot(),
            is_boot_durable: self.is_boot_durable(),
            commit_index: self.commit_index(),
            handed_out_index: common.applying.handed_out(),
            applied_index: self.applied_index(),
            durable_index: self.durable_index(),
            last: self.last(),
            lost_through: common.lost_through(),
            member: member_role(common),
            configuration_index: common.configurations.active_since(),
            is_joint: common.configuration().is_joint(),
            writes_in_flight: common.disk.writes_in_flight(),
            oldest_write: age_of_oldest_write(common, now),
            applying_bytes: common.applying.bytes(),
            uncommitted_bytes: leader.map_or(0, Leader::uncommitted_bytes),
            transferring_to: self.transferring_to(),
            lease: self.lease_end().map(|end| end.since(now)),
            followers: leader.map_or_else(Vec::new, |leader| {
                leader.followers().values().map(follower).collect()
            }),
            deadline: self.deadline(),
            fault: common.fault.as_deref().cloned(),
        }
    }

    /// Why this node neither leads nor hears a leader: all that is known of it here. Empty when it
    /// does. `now` is what ages are told by.
    pub fn why_no_leader(&self, now: Time) -> Vec<NoLeader> {
        let common = &self.common;
        let now = common.now.max(now);
        if let Some(fault) = common.fault.as_deref() {
            return vec![NoLeader::Stopped(fault.clone())];
        }
        let mut why = self.not_driven(now);
        match &self.state {
            State::Leader(_) => return why,
            State::Follower(follower) => {
                let patience = common.settings.election_timeout;
                // Nor does one miss its leader that was told to expect nothing of it.
                if follower.is_quiet() || vote::hears_leader(follower.heard(), now, patience) {
                    return why;
                }
                why.extend(unable(common, now));
                why.extend(of_follower(common, follower, now));
            }
            State::PreCandidate(candidate) => {
                why.extend(unable(common, now));
                why.extend(votes_missing(common, Ballot::PreVote, |id| {
                    candidate.vote_of(common, id)
                }));
            }
            State::Candidate(candidate) => {
                why.extend(unable(common, now));
                why.extend(of_candidate(common, candidate, now));
            }
        }
        why
    }

    /// Why the entry at `index` does not count as committed on this node: all that is known of it
    /// here. Empty when it does. `now` is what ages are told by.
    pub fn why_not_committed(&self, index: LogIndex, now: Time) -> Vec<NotCommitted> {
        let common = &self.common;
        let now = common.now.max(now);
        if index <= common.commit_index {
            return Vec::new();
        }
        if let Some(fault) = common.fault.as_deref() {
            return vec![NotCommitted::Stopped(fault.clone())];
        }
        let last = common.last().index;
        let mut why = Vec::new();
        if index > last {
            why.push(NotCommitted::NotInLog { last });
        }
        if let Some(to) = self.transferring_to().filter(|_| index > last) {
            why.push(NotCommitted::HandingOver { to });
        }
        match (&self.state, self.leader()) {
            (State::Leader(_), _) if index > last => {}
            (State::Leader(leader), _) => why.extend(of_leader(common, leader, index, now)),
            (_, Some(leader)) => why.push(NotCommitted::LeaderDecides { leader }),
            (_, None) => why.push(NotCommitted::NobodyLeads),
        }
        why
    }

    /// Why a linearizable read that is handed in now would wait or be refused: all that is known of
    /// it here. Empty when a round of heartbeats is all that it takes; with leases, when it is answered
    /// at once.
    pub fn why_not_readable(&self) -> Vec<NotReadable> {
        let common = &self.common;
        if let Some(fault) = common.fault.as_deref() {
            return vec![NotReadable::Stopped(fault.clone())];
        }
        if common.witness {
            return vec![NotReadable::Witness];
        }
        let mut why = match (&self.state, self.leader()) {
            (State::Leader(leader), _) => of_reads(common, leader),
            (_, Some(leader)) => vec![NotReadable::LeaderConfirms { leader }],
            (_, None) => vec![NotReadable::NobodyLeads],
        };
        let (commit, applied) = (common.commit_index, common.applying.applied());
        if applied < commit {
            why.push(NotReadable::Applying { commit, applied });
        }
        why
    }

    fn not_driven(&self, now: Time) -> Vec<NoLeader> {
        let overdue = self.deadline().map(|deadline| now.since(deadline));
        let late = overdue.filter(|overdue| *overdue >= self.common.settings.election_timeout);
        late.into_iter()
            .map(|overdue| NoLeader::NotDriven { overdue })
            .collect()
    }

    const fn as_leader(&self) -> Option<&Leader> {
        match &self.state {
            State::Leader(leader) => Some(leader),
            State::Follower(_) | State::PreCandidate(_) | State::Candidate(_) => None,
        }
    }
}

/// What keeps a node from campaigning or from being heard, whatever its role.
fn unable(common: &Common, now: Time) -> Vec<NoLeader> {
    let mut why = Vec::new();
    if !common.is_boot_durable() {
        why.push(NoLeader::BootNotDurable(oldest_write(common, now)));
    }
    let outstanding = age_of_oldest_write(common, now).unwrap_or_default();
    let limit = common.settings.stalled_write_after;
    if outstanding >= limit {
        why.push(NoLeader::DiskStalled { outstanding, limit });
    }
    if let Some(lost_through) = common.lost_through() {
        let last = common.last();
        why.push(NoLeader::InRepair { last, lost_through });
    }
    let left = common.promised_until.since(now);
    if !left.is_zero() {
        why.push(NoLeader::Promised { left });
    }
    if common.is_removed() {
        let configuration = common.configurations.told_removed();
        why.push(NoLeader::Removed { configuration });
    } else if !common.may_lead() {
        let role = member_role(common);
        why.push(NoLeader::MayNotLead { role });
    }
    why
}

/// Whom a follower waits for, and for how long still.
fn of_follower(common: &Common, follower: &Follower, now: Time) -> Vec<NoLeader> {
    let term = common.term();
    let mut why = Vec::new();
    match (follower.leader(), follower.heard()) {
        (Some(leader), Some(heard)) => why.push(NoLeader::LeaderSilent {
            leader,
            term,
            silent: now.since(heard),
        }),
        (Some(leader), None) => why.push(NoLeader::ConnectionLost { leader, term }),
        (None, _) => why.push(match common.hard.vote {
            _ if follower.gave_up() => NoLeader::GaveUp { term },
            Some(candidate) if candidate != common.me.id => NoLeader::VoteGiven { candidate, term },
            Some(_) | None => NoLeader::NoneHeard { term },
        }),
    }
    if !follower.refused_by().is_empty() {
        let by = follower.refused_by().to_vec();
        let by_witness = refused_by_witness(common, &by);
        why.push(NoLeader::Refused { by });
        why.extend(by_witness);
    }
    let able = common.may_lead() && common.repair.is_none();
    let waits = able && !common.is_disk_stalled_at(now);
    if let Some(deadline) = follower.deadline().filter(|_| waits) {
        // Whose promise lasts longer waits for its end.
        let after = deadline.max(common.promised_until).since(now);
        why.push(NoLeader::Waits { after });
    }
    why
}

fn of_candidate(common: &Common, candidate: &Candidate, now: Time) -> Vec<NoLeader> {
    let term = common.term();
    let mut why = Vec::new();
    if !candidate.has_own_vote(common) {
        let write = oldest_write(common, now);
        why.push(NoLeader::OwnVoteNotDurable { term, write });
    }
    let ballot = Ballot::Vote { term };
    why.extend(votes_missing(common, ballot, |id| {
        candidate.vote_of(common, id)
    }));
    why
}

/// Which half of the configuration has not granted enough.
fn votes_missing(
    common: &Common,
    ballot: Ballot,
    vote: impl Fn(NodeId) -> Option<bool>,
) -> Vec<NoLeader> {
    let mut why = Vec::new();
    let mut by_witness = None;
    for half in halves(common) {
        let needed = quorum::majority(half.voters().len());
        let said = |answer: Option<bool>| -> Vec<NodeId> {
            let voters = half.voters().iter().copied();
            voters.filter(|id| vote(*id) == answer).collect()
        };
        let granted = said(Some(true));
        if granted.len() < needed {
            let mut silent = said(None);
            silent.retain(|id| *id != common.me.id);
            let refused = said(Some(false));
            by_witness = by_witness.or_else(|| refused_by_witness(common, &refused));
            why.push(NoLeader::VotesMissing {
                ballot,
                needed,
                granted,
                refused,
                silent,
                half,
            });
        }
    }
    // Once, though both halves may count it.
    why.extend(by_witness);
    why
}

/// A witness among those who refused: it may know of more than anybody who is left.
fn refused_by_witness(common: &Common, refused: &[NodeId]) -> Option<NoLeader> {
    let mut refused = refused.iter().copied();
    let witness = refused.find(|id| common.configuration().is_witness(*id))?;
    Some(NoLeader::RefusedByWitness { witness })
}

/// Why a leader has not committed an entry that its log holds.
fn of_leader(common: &Common, leader: &Leader, index: LogIndex, now: Time) -> Vec<NotCommitted> {
    let mut why = Vec::new();
    let mut needs = index;
    if let (Some(term), Some(with)) = (common.entries.term_at(index), own_first(common)) {
        if term < common.term() {
            let entry = EntryId::new(term, index);
            why.push(NotCommitted::EarlierTerm { entry, with });
            needs = with;
        }
    }
    let mut lagging = BTreeSet::new();
    for half in halves(common) {
        let holds = |id: &NodeId| leader.matched(common, *id) >= needs;
        let (holders, others): (Vec<NodeId>, Vec<NodeId>) =
            half.voters().iter().copied().partition(holds);
        let needed = quorum::majority(half.voters().len());
        if holders.len() < needed {
            lagging.extend(others);
            why.push(NotCommitted::TooFewHold {
                index: needs,
                half,
                needed,
                holders,
            });
        }
    }
    if why
        .iter()
        .all(|why| matches!(why, NotCommitted::EarlierTerm { .. }))
    {
        let since = common.configurations.active_since();
        let since = since.unwrap_or(LogIndex::ZERO);
        why.push(NotCommitted::NotCounted { since });
    }
    for voter in lagging {
        let lag = match leader.followers().find(&voter) {
            Some(progress) if leader.withholds(progress, needs) => Lag::Withheld {
                next: progress.next(),
                awaited: leader.awaited_by_witnesses(common, needs),
            },
            Some(progress) => progress.lag(common, now, needs),
            None => Lag::OwnDisk(oldest_write(common, now)),
        };
        let matched = leader.matched(common, voter);
        why.push(NotCommitted::Lags {
            voter,
            matched,
            lag,
        });
    }
    why
}

/// What holds up reads at a leader.
fn of_reads(common: &Common, leader: &Leader) -> Vec<NotReadable> {
    let mut why = Vec::new();
    let first = leader.first();
    if common.commit_index < first {
        why.push(NotReadable::NewLeader { first });
    }
    let (pending, limit) = (leader.pending_reads(), common.settings.max_pending_reads);
    if pending >= limit {
        why.push(NotReadable::Full { pending, limit });
    }
    why.extend(of_lease(common, leader));
    let Some(round) = leader.oldest_read_round() else {
        return why;
    };
    for half in halves(common) {
        let has_answered = |id: &NodeId| leader.has_answered(common, *id, round);
        let (answered, silent): (Vec<NodeId>, Vec<NodeId>) =
            half.voters().iter().copied().partition(has_answered);
        let needed = quorum::majority(half.voters().len());
        if answered.len() < needed {
            why.push(NotReadable::Unconfirmed {
                round,
                half,
                needed,
                answered,
                silent,
            });
        }
    }
    why
}

/// What keeps a leader with leases from answering reads at once.
fn of_lease(common: &Common, leader: &Leader) -> Vec<NotReadable> {
    let now = common.now;
    if common.settings.lease.is_none() || leader.holds_lease(common, now) {
        return Vec::new();
    }
    if leader.gave_up_lease() {
        return vec![NotReadable::LeaseGivenUp];
    }
    let mut why = Vec::new();
    for half in halves(common) {
        let has_promised = |id: &NodeId| leader.promised_until(common, *id) > now;
        let voters = half.voters().iter().copied();
        let promised: Vec<NodeId> = voters.filter(has_promised).collect();
        let needed = quorum::majority(half.voters().len());
        if promised.len() < needed {
            why.push(NotReadable::NoLease {
                half,
                needed,
                promised,
            });
        }
    }
    why
}

/// The first entry of the current term, of which a leader always has one.
fn own_first(common: &Common) -> Option<LogIndex> {
    common.entries.first_of(common.term())
}

fn halves(common: &Common) -> Vec<Half> {
    let configuration = common.configuration();
    let names: [fn(Vec<NodeId>) -> Half; 2] = if configuration.is_joint() {
        [Half::Incoming, Half::Outgoing]
    } else {
        [Half::All, Half::All]
    };
    let halves = configuration.halves().zip(names);
    halves
        .map(|(half, name)| name(quorum::voters(half).collect()))
        .collect()
}

/// What this node takes part in: it votes if either half counts its vote. Who is only to become a
/// voter receives the log and counts for nothing, as a learner does.
fn member_role(common: &Common) -> Option<MemberRole> {
    let (me, configuration) = (common.me, common.configuration());
    let role_in = |members: &Members| {
        let member = members.get(&me.id)?;
        (member.incarnation == me.incarnation).then_some(member.role)
    };
    let mut roles = configuration.halves().filter_map(role_in);
    let first = roles.next();
    let voting = first.into_iter().chain(roles).find(|role| role.votes());
    let comes = || match configuration.target.as_ref().and_then(role_in)? {
        MemberRole::Voter | MemberRole::Learner => Some(MemberRole::Learner),
        MemberRole::Witness => Some(MemberRole::Witness),
    };
    voting.or(first).or_else(comes)
}

fn oldest_write(common: &Common, now: Time) -> OldestWrite {
    age_of_oldest_write(common, now).map_or(OldestWrite::NotBegun, OldestWrite::Outstanding)
}

fn age_of_oldest_write(common: &Common, now: Time) -> Option<Duration> {
    common.disk.oldest_write().map(|since| now.since(since))
}
