//! Two moments at which a hull is said to go on alike ([`Hull::fingerprint`]): then its figures are the
//! same, but for what only has become older.
//!
//! Whoever explores all that can happen goes on from one of such moments only. There the clusters are
//! small; here nodes have snapshots, leases, witnesses and other members as well.

use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use raft_core::explain::{FollowerStatus, HullStatus, Sending};
use raft_core::hull::Hull;
use raft_core::ids::Boot;
use raft_core::time::Time;

/// What was last seen of a node.
#[derive(Debug)]
pub(super) struct Likeness {
    boot: Boot,
    fingerprint: u64,
    figures: HullStatus,
}

impl Likeness {
    pub(super) fn of(hull: &Hull, status: &HullStatus) -> Self {
        let mut hasher = DefaultHasher::new();
        hull.fingerprint(&mut hasher);
        Self {
            boot: hull.boot(),
            fingerprint: hasher.finish(),
            figures: without_ages(status),
        }
    }

    /// What tells a moment from a later one that it is said to be like.
    pub(super) fn wrong(&self, later: &Self) -> Option<String> {
        (self.is_like(later) && self.figures != later.figures).then(|| {
            format!(
                "has the same fingerprint twice, and other figures: {:?}, and then {:?}",
                self.figures, later.figures
            )
        })
    }

    /// Whether they are said to go on alike.
    pub(super) fn is_like(&self, later: &Self) -> bool {
        (self.boot, self.fingerprint) == (later.boot, later.fingerprint)
    }
}

fn without_ages(status: &HullStatus) -> HullStatus {
    let whether = |age: Option<Duration>| age.map(|_| Duration::ZERO);
    let sending = |sending: Sending| match sending {
        Sending::Probe { unanswered } => Sending::Probe {
            unanswered: whether(unanswered),
        },
        Sending::Replicate {
            requests,
            bytes,
            unanswered,
        } => Sending::Replicate {
            requests,
            bytes,
            unanswered: whether(unanswered),
        },
        Sending::Snapshot {
            last,
            stored,
            length,
            unanswered,
        } => Sending::Snapshot {
            last,
            stored,
            length,
            unanswered: whether(unanswered),
        },
    };
    let follower = |follower: &FollowerStatus| FollowerStatus {
        sending: sending(follower.sending),
        silent: Duration::ZERO,
        ..*follower
    };
    HullStatus {
        oldest_write: whether(status.oldest_write),
        lease: whether(status.lease),
        followers: status.followers.iter().map(follower).collect(),
        deadline: status.deadline.map(|_| Time::ZERO),
        ..status.clone()
    }
}
