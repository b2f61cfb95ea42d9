//! A node's figures, beside what its log, its disk and its letters say.

use raft_core::explain::{FollowerStatus, HullStatus, Sending};
use raft_core::ids::LogIndex;
use raft_core::states::Role;

use super::{Seen, unless};

/// What is wrong with the figures of a node.
pub(super) fn wrong(seen: &Seen<'_>, status: &HullStatus) -> Option<String> {
    of_disk(seen, status)
        .or_else(|| of_role(seen, status))
        .or_else(|| {
            let mut followers = status.followers.iter();
            followers.find_map(|follower| of_follower(seen, status, follower))
        })
}

fn of_disk(seen: &Seen<'_>, status: &HullStatus) -> Option<String> {
    let durable = seen.own.durable.last_index();
    let ordered = status.applied_index <= status.handed_out_index
        && status.handed_out_index <= status.commit_index
        && status.commit_index <= status.last.index
        && status.durable_index <= status.last.index;
    unless(ordered, || format!("its indexes do not ascend: {status:?}"))
        .or_else(|| {
            unless(status.durable_index <= durable, || {
                let says = status.durable_index;
                format!("says that its log is durable up to {says}, and its disk has {durable}")
            })
        })
        .or_else(|| {
            unless(status.is_boot_durable == seen.ear.named, || {
                let is = status.is_boot_durable;
                format!("says whether the number of its start is durable: {is}, which is not so")
            })
        })
        .or_else(|| {
            let waits = status.oldest_write.is_some();
            let under_way = seen.own.writes_under_way() > 0;
            unless(
                waits == (status.writes_in_flight > 0) && (!waits || under_way),
                || {
                    format!(
                        "says that {} writes are in flight, the oldest since {:?}: {} are",
                        status.writes_in_flight,
                        status.oldest_write,
                        seen.own.writes_under_way()
                    )
                },
            )
        })
        .or_else(|| {
            let damaged = seen.own.damaged.is_some() || seen.own.rotten;
            unless(status.lost_through.is_none() || damaged, || {
                format!(
                    "says that it lost entries up to {:?}, and its disk is whole",
                    status.lost_through
                )
            })
        })
}

fn of_role(seen: &Seen<'_>, status: &HullStatus) -> Option<String> {
    let (me, configuration) = (status.me, seen.hull.configuration());
    if status.role == Role::Leader {
        let others = configuration.ids().into_iter().filter(|id| *id != me.id);
        let followers = status.followers.iter().map(|follower| follower.peer.id);
        let its_own = status.leader == Some(me.id) && seen.ear.led == Some(status.term);
        return unless(its_own && others.eq(followers), || {
            format!("leads {configuration:?}, and says something else: {status:?}")
        });
    }
    let none = status.followers.is_empty()
        && status.uncommitted_bytes == 0
        && status.transferring_to.is_none()
        && status.lease.is_none()
        && status.leader != Some(me.id);
    unless(none, || {
        format!("does not lead, and says what only a leader has: {status:?}")
    })
}

fn of_follower(seen: &Seen<'_>, status: &HullStatus, follower: &FollowerStatus) -> Option<String> {
    let &FollowerStatus {
        peer,
        matched,
        next,
        sending,
        silent,
    } = follower;
    let there = seen.model.node(peer.id);
    // It may have removed that since, for another leader.
    let longest_log = there.map_or(LogIndex::ZERO, |node| node.longest);
    let sound = match sending {
        Sending::Probe { .. } => true,
        Sending::Replicate {
            requests,
            bytes,
            unanswered,
        } => (requests > 0) == unanswered.is_some() && (requests > 0 || bytes == 0),
        Sending::Snapshot { stored, length, .. } => stored <= length,
    };
    let ends = status.last.index.next();
    unless(matched < next && next <= ends && sound, || {
        format!("says of a follower what can not be: {follower:?}")
    })
    .or_else(|| {
        unless(matched <= longest_log, || {
            format!(
                "says that {peer:?} holds up to {matched}: it never held more than {longest_log}"
            )
        })
    })
    .or_else(|| {
        let heard = seen.ear.heard.get(&peer.id);
        let lives = there.map_or(0, |node| node.lives_before);
        // What another life of it said is no word of this one.
        let said = heard.filter(|_| lives == 0).map(|heard| heard.at);
        let latest = said.map_or(seen.ear.leads_since, |at| at.max(seen.ear.leads_since));
        let longest = seen.now.since(said.unwrap_or_default());
        let least = seen.now.since(latest);
        unless(silent <= longest && (lives > 0 || silent >= least), || {
            format!(
                "says that {peer:?} is silent for {silent:?}: it was heard {latest:?}, now is {:?}",
                seen.now
            )
        })
    })
}
