//! Why a change of members is not over.

use raft_core::explain::{HullStatus, NotChanged};
use raft_core::states::Role;

use super::{Seen, unless};

/// What is wrong with the reasons that a node gives for a change's not being over.
pub(super) fn wrong(seen: &Seen<'_>, status: &HullStatus, why: &[NotChanged]) -> Option<String> {
    let configured_by = seen.hull.configured_by().index;
    let over = seen.hull.configuration().is_settled() && configured_by <= status.commit_index;
    if over != why.is_empty() {
        return Some(format!(
            "has {:?} in force since {configured_by}, and says of a change: {why:?}",
            seen.hull.configuration()
        ));
    }
    if let Some(fault) = status.fault.as_ref().filter(|_| !over) {
        let told = matches!(why, [NotChanged::Stopped(told)] if told == fault);
        return unless(told, || {
            format!("has stopped, and says of a change: {why:?}")
        });
    }
    let is_wrong = |reason: &&NotChanged| !holds(seen, status, reason);
    why.iter().find(is_wrong).map(|reason| {
        format!("says of a change that {reason}, which is not so: {reason:?} of {status:?}")
    })
}

fn holds(seen: &Seen<'_>, status: &HullStatus, reason: &NotChanged) -> bool {
    let leads = status.role == Role::Leader;
    match reason {
        NotChanged::Stopped(_) => false,
        NotChanged::LeaderDrives { leader } => !leads && status.leader == Some(*leader),
        NotChanged::NobodyLeads => !leads && status.leader.is_none(),
        NotChanged::HandingOver { to } => leads && status.transferring_to == Some(*to),
        NotChanged::NewLeader { first } => {
            let is_first = seen.hull.term_at(*first) == Some(status.term);
            leads && is_first && *first > status.commit_index
        }
        NotChanged::GivenUp(_) => leads,
        NotChanged::NotCommitted { index } => {
            leads && *index == seen.hull.configured_by().index && *index > status.commit_index
        }
        NotChanged::CatchingUp {
            node,
            matched,
            last,
            long_rounds,
            limit,
            ..
        } => {
            let mut followers = status.followers.iter();
            let known = followers.find(|known| known.peer.id == *node);
            let held = match *node == status.me.id {
                true => Some(status.durable_index),
                false => known.map(|known| known.matched),
            };
            let target = seen.hull.configuration().target.as_ref();
            let comes = target.is_some_and(|target| target.contains_key(node));
            leads
                && comes
                && *last == status.last.index
                && held == Some(*matched)
                && long_rounds <= limit
        }
    }
}
