//! Why a read would wait at a node, or be refused.

use raft_core::explain::{HullStatus, NotReadable};
use raft_core::ids::NodeId;
use raft_core::states::Role;

use super::{Seen, halves, unless};

/// What is wrong with the reasons that a node gives for not answering a read at once.
pub(super) fn wrong(seen: &Seen<'_>, status: &HullStatus, why: &[NotReadable]) -> Option<String> {
    if let Some(fault) = &status.fault {
        let told = matches!(why, [NotReadable::Stopped(told)] if told == fault);
        return unless(told, || format!("has stopped, and says of reads: {why:?}"));
    }
    if seen.own.witness {
        let told = matches!(why, [NotReadable::Witness]);
        return unless(told, || format!("is a witness, and says of reads: {why:?}"));
    }
    let may = status.role == Role::Leader
        && status.applied_index == status.commit_index
        && seen.hull.term_at(status.commit_index) == Some(status.term);
    unless(may || !why.is_empty(), || {
        format!("says that it may be read from: {status:?}")
    })
    .or_else(|| {
        let is_wrong = |reason: &&NotReadable| !holds(seen, status, reason);
        why.iter().find(is_wrong).map(|reason| {
            format!(
                "says of reads that {reason}, which is not so: {reason:?} of {status:?}, of whom is \
                 known {:?}",
                seen.ear
            )
        })
    })
}

fn holds(seen: &Seen<'_>, status: &HullStatus, reason: &NotReadable) -> bool {
    let (leads, settings) = (status.role == Role::Leader, seen.hull.settings());
    let no_lease = status.lease.is_some_and(|left| left.is_zero());
    match reason {
        NotReadable::Stopped(_) | NotReadable::Witness => false,
        NotReadable::LeaderConfirms { leader } => !leads && status.leader == Some(*leader),
        NotReadable::NobodyLeads => !leads && status.leader.is_none(),
        NotReadable::NewLeader { first } => {
            let is_first = seen.hull.term_at(*first) == Some(status.term);
            leads && is_first && *first > status.commit_index
        }
        NotReadable::Full { pending, limit } => {
            leads && *limit == settings.max_pending_reads && pending >= limit
        }
        NotReadable::LeaseGivenUp => leads && no_lease,
        NotReadable::NoLease {
            half,
            needed,
            promised,
        } => leads && no_lease && halves::is_so(seen, half, *needed, promised),
        NotReadable::Unconfirmed {
            round,
            half,
            needed,
            answered,
            silent,
        } => {
            let me = status.me.id;
            let all = answered.len() + silent.len() == half.voters().len();
            let has = |id: &NodeId| *id == me || seen.ear.round_of(*id) >= *round;
            let has_not = |id: &NodeId| seen.ear.round_of(*id) < *round || !in_one_life(seen, *id);
            let told = answered.iter().all(has) && silent.iter().all(has_not);
            leads && all && told && halves::is_so(seen, half, *needed, answered)
        }
        NotReadable::Applying { commit, applied } => {
            (*commit, *applied) == (status.commit_index, status.applied_index) && applied < commit
        }
    }
}

/// Whether what a node said is surely meant by what is known of it: it never lost its disk, and is a
/// member since before it said so.
fn in_one_life(seen: &Seen<'_>, id: NodeId) -> bool {
    let there = seen.model.node(id);
    let round = seen.ear.heard.get(&id).and_then(|heard| heard.round);
    there.is_some_and(|node| node.lives_before == 0)
        && round.is_some_and(|(_, at)| at >= seen.ear.leads_since)
}
