//! Whom a leader speaks to: members, and for a successor one that it has heard of late.
//!
//! Who is no member takes in nothing, and who is gone takes nothing over: words to them are lost, and
//! with the one the time in which no proposals are taken. Both are seldom missed by anybody.

use raft_core::hull::Hull;
use raft_core::states::Role;

use super::office::Office;
use super::transfers::UnderWay;
use super::{Stand, Step, Wrong};
use crate::checkers::property;
use crate::spy::{Passing, Says};

/// Looks at what a leader sent in a step, before and after which the same configuration was in force.
pub(super) fn speaks_to_strangers(was: Stand, step: &Step<'_>, hull: &Hull) -> Option<Wrong> {
    let is = step.after;
    let led = was.role == Role::Leader && is.role == Role::Leader && was.term == is.term;
    if !led || was.configured_by != is.configured_by {
        return None;
    }
    let stranger = step.passings.iter().find_map(|passing| match passing {
        Passing::Sent(talk) if is_for_followers(talk.says) => {
            let known = hull.configuration().member(talk.peer).is_some();
            (!known).then_some(talk.peer)
        }
        _ => None,
    })?;
    let text = format!(
        "leads {} and goes on speaking to {stranger}, which is no member since {}",
        is.term, is.configured_by
    );
    Some((property::MEMBERSHIP, text))
}

/// Looks at a leader that hands over: to one that was heard when that began, so that no more than two
/// election timeouts have passed since.
pub(super) fn hands_over_to_nobody(
    office: Option<&Office>,
    step: &Step<'_>,
    under_way: Option<UnderWay>,
) -> Option<Wrong> {
    let (office, UnderWay { to, .. }) = (office?, under_way?);
    if office.silence.is_ending() || step.after.stopped {
        return None;
    }
    let heard = office.heard.get(&to).copied().unwrap_or(office.since);
    let silent = step.local.since(heard.max(office.since));
    let patience = step.pace.election_timeout * 5 / 2;
    (silent > patience).then(|| {
        let text = format!("hands over to {to}, of which it has heard nothing for {silent:?}");
        (property::LEADER_TRANSFER, text)
    })
}

/// Whether a leader says so to those only that receive its log.
const fn is_for_followers(says: Says) -> bool {
    matches!(
        says,
        Says::Append { .. } | Says::Heartbeat { .. } | Says::Install { .. }
    )
}
