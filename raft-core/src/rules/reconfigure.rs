//! Changing the members: which configuration may follow which, and what a change goes through
//! (paper 6; thesis 4.1, 4.2, 4.3).
//!
//! ```text
//!              new voters to wait for            caught up
//!  ┌─────────┐ ─────────────────────▶ ┌──────────┐ ─────▶ ┌────────────┐ committed ┌─────────┐
//!  │ settled │                        │ catch up │        │ joint      │ ────────▶ │ settled │
//!  │ C_old   │ ◀───────────────────── │ C_old (T)│        │ T and C_old│           │ T       │
//!  └─────────┘   cancelled, too slow  └──────────┘        └────────────┘           └─────────┘
//!       │ no new voter: at once                             ▲      the same voters: at once ▲
//!       └───────────────────────────────────────────────────┴───────────────────────────────┘
//! ```
//!
//! Each arrow is one entry of the log, appended only when the entry before it is committed. What
//! stands in the log says all: any later leader goes on from there.

use alloc::collections::BTreeSet;

use crate::configuration::{Configuration, MAX_ADDRESS_BYTES, Member, Members};
use crate::ids::{Incarnation, NodeId};
use crate::rules::witness;

/// Why members can't become what is wanted. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum TargetProblem {
    /// Nobody could ever lead. Name at least one voter.
    #[error("no member of the target may lead")]
    NobodyMayLead,
    /// The target names another life of a present member. Remove the node, and then add its new
    /// life: one name means one life in a configuration.
    #[error("{node} is a member in another life of its data folder; remove it first")]
    OtherLife {
        /// The node.
        node: NodeId,
    },
    /// The target makes a witness of a member that keeps payloads, or the other way round. Remove
    /// the node, and then add it with an empty data folder.
    #[error("{node} can't become a witness, nor can one become anything else; remove it first")]
    OtherRole {
        /// The node.
        node: NodeId,
    },
    /// As many witnesses as voters that keep payloads, or more: failures that leave a majority could
    /// leave nobody who can lead. Name fewer witnesses, or more voters.
    #[error("of the voters of the target {witnesses} are witnesses; more must keep payloads")]
    TooManyWitnesses {
        /// How many.
        witnesses: usize,
    },
    /// More than [`MAX_MEMBERS`].
    #[error("the target has {members} members, of at most {MAX_MEMBERS}")]
    TooMany {
        /// How many.
        members: usize,
    },
    /// An address is longer than [`MAX_ADDRESS_BYTES`].
    #[error("the address of {node} is longer than {MAX_ADDRESS_BYTES} bytes")]
    AddressTooLong {
        /// Whose.
        node: NodeId,
    },
}

/// What speaks against `target` as the next members, if anything.
pub fn objection(current: &Members, target: &Members) -> Option<TargetProblem> {
    if !target.values().any(|member| member.role.may_lead()) {
        return Some(TargetProblem::NobodyMayLead);
    }
    if target.len() > MAX_MEMBERS {
        let members = target.len();
        return Some(TargetProblem::TooMany { members });
    }
    if !witness::are_few(target) {
        let witnesses = target.values().filter(|member| member.role.is_witness());
        let witnesses = witnesses.count();
        return Some(TargetProblem::TooManyWitnesses { witnesses });
    }
    target.iter().find_map(|(id, member)| {
        let known = current.get(id);
        let node = *id;
        if known.is_some_and(|known| known.incarnation != member.incarnation) {
            Some(TargetProblem::OtherLife { node })
        } else if known.is_some_and(|known| known.role.is_witness() != member.role.is_witness()) {
            Some(TargetProblem::OtherRole { node })
        } else if member.address.len() > MAX_ADDRESS_BYTES {
            Some(TargetProblem::AddressTooLong { node })
        } else {
            None
        }
    })
}

/// The first configuration on the way from `current` to `target`.
pub fn begin(current: &Members, target: &Members) -> Configuration {
    if newcomers(current, target).is_empty() {
        return enter(current, target);
    }
    // [S6.33a] New voters first receive the log and count for nothing.
    Configuration {
        members: current.clone(),
        outgoing: None,
        target: Some(target.clone()),
    }
}

/// The configuration right after the catch-up, or the first one if there is nobody to wait for.
fn enter(current: &Members, target: &Members) -> Configuration {
    // The same voters decide before and after: their majorities intersect without more ado.
    let outgoing = (voters(current) != voters(target)).then(|| current.clone());
    // [S6.20] Otherwise both the present and the new members must agree for a while.
    Configuration {
        members: target.clone(),
        outgoing,
        target: None,
    }
}

/// What is appended next, once `active` is committed. `caught_up`: whether everyone in
/// [`awaited`] is close enough to the leader's log.
pub fn next(active: &Configuration, caught_up: bool) -> Option<Configuration> {
    match (&active.outgoing, &active.target) {
        // [S6.26] The joint configuration is committed: the new members alone go on.
        (Some(_), _) => Some(Configuration::new(active.members.clone())),
        // [S6.34] Once they have caught up, the change goes on.
        (None, Some(target)) => caught_up.then(|| enter(&active.members, target)),
        (None, None) => None,
    }
}

/// The way back from a catch-up: the members as they were.
pub fn withdraw(active: &Configuration) -> Option<Configuration> {
    // Past the catch-up there is no way back: the joint configuration leads on to the new one.
    active
        .target
        .as_ref()
        .map(|_| Configuration::new(active.members.clone()))
}

/// The nodes that a change waits for before their votes may count.
pub fn awaited(active: &Configuration) -> BTreeSet<NodeId> {
    let target = active.target.as_ref();
    target.map_or_else(BTreeSet::new, |target| newcomers(&active.members, target))
}

/// Whether `next` may stand in force right after `active`, which is committed: every quorum of
/// the one then has a node in common with every quorum of the other.
pub fn may_follow(active: &Configuration, next: &Configuration) -> bool {
    let [old, new] = [&active.members, &next.members].map(voters);
    // [S6.12] From one set of voters to another only by way of the joint configuration of both.
    match (&active.outgoing, &next.outgoing) {
        (None, None) | (Some(_), None) => old == new,
        (None, Some(outgoing)) => old == voters(outgoing),
        (Some(_), Some(_)) => false,
    }
}

/// Those of `target` whose votes count there and don't in `current`.
fn newcomers(current: &Members, target: &Members) -> BTreeSet<NodeId> {
    let votes = |id| current.get(id).is_some_and(|known| known.role.votes());
    target
        .iter()
        .filter(|(id, member)| member.role.votes() && !votes(id))
        .map(|(id, _)| *id)
        .collect()
}

/// The lives whose votes count.
fn voters(members: &Members) -> BTreeSet<(NodeId, Incarnation)> {
    let votes = |(_, member): &(&NodeId, &Member)| member.role.votes();
    members
        .iter()
        .filter(votes)
        .map(|(id, member)| (*id, member.incarnation))
        .collect()
}

/// The most members a change may ask for. Every quorum costs a look at each.
pub const MAX_MEMBERS: usize = 128;

#[cfg(test)]
mod tests;
