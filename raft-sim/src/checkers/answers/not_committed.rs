//! Why an entry does not count as committed on a node.

use raft_core::explain::{FollowerStatus, Half, HullStatus, Lag, NotCommitted, Sending};
use raft_core::ids::{EntryId, LogIndex, NodeId};
use raft_core::states::Role;

use super::not_led::waits;
use super::{Seen, halves, unless};

/// What is wrong with the reasons that a node gives for an entry's not being committed.
pub(super) fn wrong(
    seen: &Seen<'_>,
    status: &HullStatus,
    index: LogIndex,
    why: &[NotCommitted],
) -> Option<String> {
    let committed = index <= status.commit_index;
    if committed != why.is_empty() {
        let commit = status.commit_index;
        return Some(format!(
            "knows entries up to {commit} to be committed, and says of {index}: {why:?}"
        ));
    }
    if let Some(fault) = status.fault.as_ref().filter(|_| !committed) {
        let told = matches!(why, [NotCommitted::Stopped(told)] if told == fault);
        return unless(told, || {
            format!("has stopped, and says of {index}: {why:?}")
        });
    }
    let decides = status.role == Role::Leader && !committed && index <= status.last.index;
    let too_few = |reason: &NotCommitted| {
        matches!(
            reason,
            NotCommitted::TooFewHold { .. } | NotCommitted::NotCounted { .. }
        )
    };
    let judged = unless(!decides || why.iter().any(too_few), || {
        format!("leads, and does not say who lacks {index}: {why:?}")
    });
    judged.or_else(|| {
        let is_wrong = |reason: &&NotCommitted| !holds(seen, status, index, reason, why);
        why.iter().find(is_wrong).map(|reason| {
            format!(
                "says of {index} that {reason}, which is not so: {reason:?} of {status:?}, of whom \
                 is known {:?}",
                seen.ear
            )
        })
    })
}

fn holds(
    seen: &Seen<'_>,
    status: &HullStatus,
    asked: LogIndex,
    reason: &NotCommitted,
    why: &[NotCommitted],
) -> bool {
    let leads = status.role == Role::Leader;
    match reason {
        NotCommitted::Stopped(_) => false,
        NotCommitted::NotInLog { last } => *last == status.last.index && *last < asked,
        NotCommitted::HandingOver { to } => status.transferring_to == Some(*to),
        NotCommitted::LeaderDecides { leader } => !leads && status.leader == Some(*leader),
        NotCommitted::NobodyLeads => !leads && status.leader.is_none(),
        NotCommitted::EarlierTerm { entry, with } => {
            leads && entry.index == asked && is_earlier(seen, status, *entry, *with)
        }
        NotCommitted::TooFewHold {
            index,
            half,
            needed,
            holders,
        } => {
            leads
                && *index == needed_entry(asked, why)
                && halves::is_so(seen, half, *needed, holders)
                && are_holders(seen, *index, half, holders)
        }
        NotCommitted::NotCounted { since } => {
            let configured_by = seen.hull.configured_by().index;
            leads && *since == configured_by && *since > status.commit_index
        }
        NotCommitted::Lags {
            voter,
            matched,
            lag,
        } => {
            leads
                && lags(
                    seen,
                    status,
                    needed_entry(asked, why),
                    (*voter, *matched),
                    *lag,
                )
        }
    }
}

/// The entry that must be held for the one asked about to be committed.
fn needed_entry(asked: LogIndex, why: &[NotCommitted]) -> LogIndex {
    let with = why.iter().find_map(|reason| match reason {
        NotCommitted::EarlierTerm { with, .. } => Some(*with),
        _ => None,
    });
    with.unwrap_or(asked)
}

/// Whether the one is of an earlier term, and the other the first of this.
fn is_earlier(seen: &Seen<'_>, status: &HullStatus, entry: EntryId, with: LogIndex) -> bool {
    let term_at = |index| seen.hull.term_at(index);
    entry.term < status.term
        && term_at(entry.index) == Some(entry.term)
        && term_at(with) == Some(status.term)
        && term_at(with.previous()) != Some(status.term)
}

/// Whether these have said that they hold it, and of the others of the half nobody has.
fn are_holders(seen: &Seen<'_>, index: LogIndex, half: &Half, holders: &[NodeId]) -> bool {
    let me = seen.hull.me().id;
    let has_said = |id: &NodeId| seen.ear.held_by(*id) >= index;
    let own = seen.own.durable.last_index() >= index;
    let mut others = half.voters().iter().filter(|id| !holders.contains(id));
    holders.iter().all(|id| match *id == me {
        true => own,
        false => has_said(id),
    }) && others.all(|id| *id == me || !has_said(id) || !is_counted(seen, *id))
}

/// Whether what a follower has said of its log counts still: it is the same node in the same life, and a
/// member since before that.
fn is_counted(seen: &Seen<'_>, id: NodeId) -> bool {
    let there = seen.model.node(id);
    let heard = seen.ear.heard.get(&id).and_then(|heard| heard.holds);
    there.is_some_and(|node| node.lives_before == 0 && node.damages == 0)
        && heard.is_some_and(|(_, at)| at >= seen.ear.leads_since)
}

/// Whether a voter lacks an entry, and for this reason.
fn lags(
    seen: &Seen<'_>,
    status: &HullStatus,
    index: LogIndex,
    (voter, matched): (NodeId, LogIndex),
    lag: Lag,
) -> bool {
    if let Lag::OwnDisk(write) = lag {
        // A leader that is no member counts for nothing, and is not asked about.
        let own = voter == status.me.id && matched == status.durable_index;
        return own && matched < index && waits(status, write);
    }
    let known = status.followers.iter().find(|known| known.peer.id == voter);
    known.is_some_and(|known| {
        matched == known.matched && matched < index && is_why(seen, index, known, lag)
    })
}

fn is_why(seen: &Seen<'_>, index: LogIndex, known: &FollowerStatus, lag: Lag) -> bool {
    let settings = seen.hull.settings();
    match (lag, known.sending) {
        (Lag::Silent { silent }, _) => {
            silent == known.silent && silent >= settings.election_timeout
        }
        (Lag::NeedsSnapshot { next }, _) => {
            next == known.next && next <= seen.hull.forgotten().index
        }
        (
            Lag::ReceivesSnapshot {
                last,
                stored,
                length,
            },
            Sending::Snapshot {
                last: last_sent,
                stored: stored_there,
                length: whole,
                ..
            },
        ) => (last, stored, length) == (last_sent, stored_there, whole),
        (
            Lag::Probing {
                previous,
                unanswered,
            },
            Sending::Probe { unanswered: since },
        ) => previous == known.next.previous() && unanswered == since,
        (Lag::Loading { next } | Lag::NotSent { next }, Sending::Replicate { .. }) => {
            next == known.next && next <= index
        }
        (Lag::Withheld { next, awaited }, _) => {
            let configuration = seen.hull.configuration();
            let keeps = awaited.is_none_or(|id| !configuration.is_witness(id));
            next == known.next && configuration.is_witness(known.peer.id) && keeps
        }
        (
            Lag::WindowFull {
                requests,
                bytes,
                unanswered,
            },
            Sending::Replicate {
                requests: sent,
                bytes: kept,
                unanswered: since,
            },
        ) => {
            let most = settings.max_appends_in_flight;
            let same = (requests, bytes, Some(unanswered)) == (sent, kept, since);
            same && requests > 0 && requests <= most && known.next <= index
        }
        (
            Lag::Unanswered { unanswered },
            Sending::Replicate {
                unanswered: since, ..
            },
        ) => known.next > index && since == Some(unanswered),
        _ => false,
    }
}
