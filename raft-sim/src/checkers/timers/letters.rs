//! What letters that a node took in say to it.

use raft_core::ids::{NodeId, Term};

use super::{Stand, Step};
use crate::spy::{Passing, Says, Talk};

/// Whether a follower answers its leader so.
pub(super) const fn is_answer(says: Says) -> bool {
    matches!(
        says,
        Says::AppendReply(_) | Says::HeartbeatReply { .. } | Says::InstallReply(_)
    )
}

/// The sender, if this is the word of a leader of this term that was taken in.
pub(super) const fn leader_of(passing: &Passing, term: Term) -> Option<NodeId> {
    match passing {
        Passing::Taken(Talk {
            peer,
            term: of,
            says: Says::Append { .. } | Says::Heartbeat { .. } | Says::Install { .. },
        }) if of.get() == term.get() => Some(*peer),
        Passing::Taken(_)
        | Passing::Sent(_)
        | Passing::ConnectionLost(_)
        | Passing::Read
        | Passing::Resumed
        | Passing::Garbled
        | Passing::NamedItself => None,
    }
}

/// Who asked for a vote in a later term, if nothing else of a later term was taken in.
pub(super) fn only_asked_for_votes(passings: &[Passing], term: Term) -> Option<NodeId> {
    let mut asked = None;
    for passing in passings {
        match passing {
            Passing::Taken(talk) if talk.term > term => match talk.says {
                Says::RequestVote {
                    transfer: false, ..
                } => asked = Some(talk.peer),
                _ => return None,
            },
            Passing::Taken(_)
            | Passing::Sent(_)
            | Passing::ConnectionLost(_)
            | Passing::Read
            | Passing::Resumed
            | Passing::Garbled
            | Passing::NamedItself => {}
        }
    }
    asked
}

/// Whether a connection was lost in this step of a node that stood so before it, which may have been
/// the one to its leader. A lost one to another says nothing of that.
pub(super) fn lost_leader(was: Stand, step: &Step<'_>) -> bool {
    let lost = |passing: &Passing| match passing {
        Passing::ConnectionLost(node) => Some(*node),
        _ => None,
    };
    let mut lost = step.passings.iter().filter_map(lost).peekable();
    if lost.peek().is_none() {
        return false;
    }
    let is = step.after;
    let leaders = [was.leader, is.leader];
    let known = was.term == is.term && leaders.iter().any(Option::is_some);
    !known || lost.any(|node| leaders.contains(&Some(node)))
}
