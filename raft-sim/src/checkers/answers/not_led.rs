//! Why a node neither leads nor hears a leader.

use raft_core::configuration::MemberRole;
use raft_core::explain::{Ballot, HullStatus, NoLeader, OldestWrite};
use raft_core::ids::{NodeId, Term};
use raft_core::states::Role;

use super::{Seen, halves, unless};

/// What is wrong with the reasons that a node gives for having no leader.
pub(super) fn wrong(seen: &Seen<'_>, status: &HullStatus, why: &[NoLeader]) -> Option<String> {
    if let Some(fault) = &status.fault {
        let told = matches!(why, [NoLeader::Stopped(told)] if told == fault);
        return unless(told, || format!("has stopped, and says of that: {why:?}"));
    }
    all_is_well(seen, status, why)
        .or_else(|| {
            let is_wrong = |reason: &&NoLeader| !holds(seen, status, reason, why);
            why.iter().find(is_wrong).map(|reason| {
                format!("says that {reason}, which is not so: {reason:?} of {status:?}, of whom is known {:?}", seen.ear)
            })
        })
}

/// Whether there is a leader that it hears is not what it says.
fn all_is_well(seen: &Seen<'_>, status: &HullStatus, why: &[NoLeader]) -> Option<String> {
    let mut other = why.iter();
    let content = other.all(|reason| matches!(reason, NoLeader::NotDriven { .. }));
    let well = match status.role {
        Role::Leader => true,
        Role::PreCandidate | Role::Candidate => false,
        Role::Follower => seen.ear.quiet || hears(seen, status.leader),
    };
    unless(content == well, || match well {
        true => format!("hears its leader or leads, and complains: {why:?} of {status:?}"),
        false => format!(
            "says nothing of having no leader: {status:?}, of whom is known {:?}",
            seen.ear
        ),
    })
}

/// Whether the leader was heard within an election timeout, or it has so long to say a word since it
/// was called.
fn hears(seen: &Seen<'_>, leader: Option<NodeId>) -> bool {
    let ear = seen.ear;
    let patience = seen.hull.settings().election_timeout;
    let lately = |at| seen.now.since(at) < patience;
    let spoke = ear
        .word
        .is_some_and(|(from, at)| leader == Some(from) && lately(at) && !ear.cut);
    spoke || (leader.is_some() && ear.roused.is_some_and(lately))
}

fn holds(seen: &Seen<'_>, status: &HullStatus, reason: &NoLeader, why: &[NoLeader]) -> bool {
    let (ear, settings) = (seen.ear, seen.hull.settings());
    let in_term = |term: Term| term == status.term;
    match reason {
        NoLeader::Stopped(_) => false,
        NoLeader::NotDriven { overdue } => status.deadline.is_some_and(|deadline| {
            let longest = settings.election_timeout;
            *overdue == seen.now.since(deadline)
                && *overdue >= longest
                && ear.stepped.since(deadline) < longest
        }),
        NoLeader::BootNotDurable(write) => !ear.named && waits(status, *write),
        NoLeader::DiskStalled { outstanding, limit } => {
            status.oldest_write == Some(*outstanding)
                && outstanding >= limit
                && *limit == settings.stalled_write_after
                && seen.own.writes_under_way() > 0
        }
        NoLeader::InRepair { last, lost_through } => {
            *last == status.last && status.lost_through == Some(*lost_through)
        }
        NoLeader::Promised { left } => settings.lease.is_some() && !left.is_zero(),
        NoLeader::MayNotLead { role } => {
            let witness = seen.own.witness || *role != Some(MemberRole::Voter);
            *role == status.member && witness
        }
        NoLeader::GaveUp { term } => in_term(*term) && ear.led == Some(*term),
        NoLeader::Removed { configuration } => {
            let (surely, perhaps) = ear.removed_by;
            (surely..=perhaps).contains(configuration)
        }
        NoLeader::NoneHeard { term } => in_term(*term) && status.leader.is_none(),
        NoLeader::LeaderSilent {
            leader,
            term,
            silent,
        } => {
            let heard = ear.word.map(|(_, at)| at).max(ear.roused);
            let named = status.leader == Some(*leader) && in_term(*term);
            named && heard.is_some_and(|at| *silent == seen.now.since(at))
        }
        NoLeader::ConnectionLost { leader, term } => {
            ear.cut && status.leader == Some(*leader) && in_term(*term)
        }
        NoLeader::VoteGiven { candidate, term } => {
            status.vote == Some(*candidate) && *candidate != status.me.id && in_term(*term)
        }
        NoLeader::Refused { by } => !by.is_empty() && by.iter().all(|id| ear.refused.has(*id)),
        NoLeader::RefusedByWitness { witness } => refused_by_witness(seen, *witness, why),
        NoLeader::Waits { after } => waits_for(seen, status, *after, why),
        NoLeader::OwnVoteNotDurable { term, write } => {
            let hard = seen.own.durable.hard;
            let durable = hard.term == *term && hard.vote == Some(status.me.id);
            status.role == Role::Candidate && in_term(*term) && !durable && waits(status, *write)
        }
        NoLeader::VotesMissing { .. } => votes_missing(seen, status, reason),
    }
}

/// Whether the oldest write is what the figures say of it.
pub(super) fn waits(status: &HullStatus, write: OldestWrite) -> bool {
    match write {
        OldestWrite::Outstanding(since) => status.oldest_write == Some(since),
        OldestWrite::NotBegun => status.oldest_write.is_none(),
    }
}

fn refused_by_witness(seen: &Seen<'_>, witness: NodeId, why: &[NoLeader]) -> bool {
    let listed = why.iter().any(|reason| match reason {
        NoLeader::Refused { by } | NoLeader::VotesMissing { refused: by, .. } => {
            by.contains(&witness)
        }
        _ => false,
    });
    listed && seen.hull.configuration().is_witness(witness)
}

/// Who says that it will campaign may do so then.
fn waits_for(
    seen: &Seen<'_>,
    status: &HullStatus,
    after: std::time::Duration,
    why: &[NoLeader],
) -> bool {
    let due = status.deadline.map(|deadline| deadline.since(seen.now));
    let able = why.iter().all(|reason| match reason {
        NoLeader::DiskStalled { .. }
        | NoLeader::InRepair { .. }
        | NoLeader::Removed { .. }
        | NoLeader::MayNotLead { .. } => false,
        NoLeader::Promised { left } => *left <= after,
        _ => true,
    });
    status.role == Role::Follower && able && due.is_some_and(|due| due <= after)
}

/// Everybody is named once, and who is said to have answered has.
fn votes_missing(seen: &Seen<'_>, status: &HullStatus, reason: &NoLeader) -> bool {
    let NoLeader::VotesMissing {
        ballot,
        half,
        needed,
        granted,
        refused,
        silent,
    } = reason
    else {
        return false;
    };
    let (ear, me) = (seen.ear, status.me.id);
    let (asks, grants) = match ballot {
        Ballot::PreVote => (Role::PreCandidate, &ear.would_grant),
        Ballot::Vote { term } if *term == status.term => (Role::Candidate, &ear.granted),
        Ballot::Vote { .. } => return false,
    };
    let said = [granted, refused, silent];
    let times = |id: &NodeId| said.iter().filter(|list| list.contains(id)).count();
    let voters = half.voters();
    let once = voters
        .iter()
        .all(|id| times(id) == 1 || (*id == me && times(id) == 0));
    let counted = granted.iter().all(|id| *id == me || grants.has(*id));
    let known = refused.iter().all(|id| ear.refused.has(*id));
    let in_this_life = |id: &&NodeId| {
        let there = seen.model.node(**id);
        there.is_some_and(|node| node.lives_before == 0)
    };
    let counts_all = status.role != Role::Candidate
        || silent
            .iter()
            .filter(in_this_life)
            .all(|id| !grants.has(*id));
    status.role == asks
        && once
        && counted
        && known
        && counts_all
        && halves::is_so(seen, half, *needed, granted)
}
