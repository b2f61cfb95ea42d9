//! The states a node can be in, and the ways between them (Figure 4; thesis 9.6).
//!
//! ```text
//!              times out                a majority would grant          a majority granted
//!  ┌──────────┐ ───────────▶ ┌──────────────┐ ─────────▶ ┌───────────┐ ──────────▶ ┌────────┐
//!  │ Follower │              │ PreCandidate │            │ Candidate │             │ Leader │
//!  └──────────┘ ◀─────────── └──────────────┘ ◀───────── └───────────┘             └────────┘
//!    ▲  ▲  ▲     hears a leader,    │  ▲ times out          │ times out      │
//!    │  │  │     later term, lost   └──┘ (asks again)       │                │
//!    │  │  └────────────────────────────────────────────────┘                │
//!    │  └── hears a leader, or learns a later term                           │
//!    └────── learns a later term, or no longer hears a quorum ───────────────┘
//! ```
//!
//! Without PreVote the pre-candidate is passed over. Handlers return `Next`; only
//! `Hull::transition` replaces the state.

use alloc::boxed::Box;

use crate::common::Common;
use crate::ids::{NodeId, Term};

pub(crate) mod candidate;
pub(crate) mod follower;
pub(crate) mod leader;
pub(crate) mod pre_candidate;
pub(crate) mod voter;

use candidate::Candidate;
use follower::Follower;
use leader::Leader;
use pre_candidate::PreCandidate;

/// Which state a node is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Answers leaders and candidates (paper 5.2).
    Follower,
    /// Asks whether it would be elected, disturbing nobody (thesis 9.6).
    PreCandidate,
    /// Asks for votes in a new term (paper 5.2).
    Candidate,
    /// Serves clients and replicates its log (paper 5.3).
    Leader,
}

impl Role {
    /// Whether Figure 4 (with the pre-candidate between follower and candidate) has an arrow from
    /// this role to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        // [F4.1] These arrows and no others.
        match self {
            Self::Follower => matches!(next, Self::PreCandidate | Self::Candidate),
            Self::PreCandidate => !matches!(next, Self::Leader),
            Self::Candidate => true,
            Self::Leader => matches!(next, Self::Follower),
        }
    }
}

/// The state itself. What only one role has lives only in that role.
// [S5.1.2] At any time a node is in exactly one of these.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Follower(Follower),
    /// Aside, because it is larger than a follower, which nearly all are nearly always.
    PreCandidate(Box<PreCandidate>),
    Candidate(Candidate),
    /// Aside, because it is far larger than the others, and most nodes never lead.
    Leader(Box<Leader>),
}

impl State {
    pub(crate) const fn role(&self) -> Role {
        match self {
            Self::Follower(_) => Role::Follower,
            Self::PreCandidate(_) => Role::PreCandidate,
            Self::Candidate(_) => Role::Candidate,
            Self::Leader(_) => Role::Leader,
        }
    }

    /// The latest round of heartbeats that was heard in this term.
    fn round_heard(&self, term: Term) -> Option<u64> {
        match self {
            Self::Follower(follower) => follower.round_heard(),
            Self::PreCandidate(candidate) => candidate.round_heard(term),
            Self::Candidate(_) | Self::Leader(_) => None,
        }
    }

    /// Who leads, as far as this node knows.
    pub(crate) fn leader(&self, common: &Common) -> Option<NodeId> {
        match self {
            Self::Follower(follower) => follower.leader(),
            // [T6.2.23] Who campaigns has given up on the leader.
            Self::PreCandidate(_) | Self::Candidate(_) => None,
            Self::Leader(_) => Some(common.me.id),
        }
    }

    /// What followers' windows keep alive beside the entries in memory.
    pub(crate) fn bytes_under_way(&self, common: &Common) -> usize {
        match self {
            Self::Leader(leader) => leader.bytes_under_way(common),
            Self::Follower(_) | Self::PreCandidate(_) | Self::Candidate(_) => 0,
        }
    }
}

/// What a handler wants the hull to become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// What it is.
    Stay,
    /// A follower that knows no leader yet.
    Follower,
    /// A node that asks whether it would be elected.
    PreCandidate,
    /// A candidate in a new term.
    Candidate,
    /// A candidate in a new term, by the leader's own wish.
    TakeOver,
    /// The leader of the current term.
    Leader,
}

impl Next {
    /// How a node starts to campaign: it asks first, unless PreVote is off.
    pub(crate) fn campaign(common: &Common) -> Self {
        // [T9.6.8a] The term is raised only after a majority said that it would vote.
        if common.settings.pre_vote {
            Self::PreCandidate
        } else {
            Self::Candidate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role::{self, Candidate, Follower, Leader, PreCandidate};
    use super::{State, follower};

    /// [F4.1]
    #[test]
    fn the_whole_table_of_arrows() {
        const ROLES: [Role; 4] = [Follower, PreCandidate, Candidate, Leader];
        let arrows: Vec<(Role, Role)> = ROLES
            .into_iter()
            .flat_map(|from| ROLES.into_iter().map(move |to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .collect();
        let expected = [
            (Follower, PreCandidate),
            (Follower, Candidate),
            (PreCandidate, Follower),
            (PreCandidate, PreCandidate),
            (PreCandidate, Candidate),
            (Candidate, Follower),
            (Candidate, PreCandidate),
            (Candidate, Candidate),
            (Candidate, Leader),
            (Leader, Follower),
        ];
        assert_eq!(arrows, expected);
    }

    /// Nearly all are followers: what makes room for others costs each of those.
    #[test]
    fn no_state_takes_more_room_than_a_follower() {
        assert_eq!(size_of::<State>(), size_of::<follower::Follower>());
        assert!(size_of::<State>() <= 56);
    }

    use alloc::vec::Vec;
}
