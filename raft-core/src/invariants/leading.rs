//! What must hold of a leader: of its followers, its reads, its lease and its tickets.

use alloc::vec::Vec;

use super::{Before, Telling};
use crate::common::Common;
use crate::ids::{NodeId, Peer};
use crate::states::leader::parts::Transfer;
use crate::states::leader::progress::{Mode, Progress};
use crate::states::leader::{Leader, is_quorum_alone};

pub(super) fn leader_holds<T: Telling>(
    common: &Common,
    leader: &Leader,
    before: &Before,
) -> Result<(), T> {
    let (vote, term, last) = (common.hard.vote, common.hard.term, common.last());
    require!(
        vote == Some(common.me.id),
        "a leader voted for itself: {vote:?}"
    );
    require!(
        last.term == term,
        "a leader's log ends in its own term {term}: {last}"
    );
    let to = leader.transferring_to();
    require!(
        leader.hands_over_to_whom_it_may(common),
        "who is handed over to is followed, and may lead: {to:?}"
    );
    let tickets = leader.tickets();
    require!(
        tickets.is_counted_right(),
        "{} bytes that are proposed and not committed are counted right: {tickets:?}",
        tickets.bytes()
    );
    // A leader's configuration changes as its log does, and whom it sends to with that.
    let led = before.leads && before.last == last;
    let others = common.configurations.standing().others as usize;
    require!(
        leader.followers().len() == others && (led || sends_to_all(common, leader)),
        "a leader sends to all of {:?} and nobody else: {:?}",
        common.configuration(),
        leader.followers().keys().collect::<Vec<_>>()
    );
    Ok(())
}

pub(super) fn followers_hold<T: Telling>(common: &Common, leader: &Leader) -> Result<(), T> {
    let (last, round) = (common.last(), leader.round());
    let durable = common.disk.durable_index();
    for progress in leader.followers().values() {
        let (matched, next) = (progress.matched(), progress.next());
        require!(
            matched < next && next <= last.index.next(),
            "matched {matched} < next {next} <= one past {last}"
        );
        let answered = progress.answered();
        require!(
            answered <= round,
            "round {answered} is answered, of {round}"
        );
        // A witness is told of what is durable here and of nothing more.
        let (told, sent) = (progress.witness(), progress.sent_through());
        require!(
            told.is_none() || sent <= durable,
            "{:?}, a witness, may be told of {told:?}, was of {sent}; durable: {durable}",
            progress.peer()
        );
        match progress.mode() {
            Mode::Probe { .. } => {}
            Mode::Snapshot(transfer) => transfer_holds(common, transfer)?,
            Mode::Replicate { in_flight, bytes } => {
                let pinned = in_flight.iter().map(|sent| sent.bytes);
                let pinned = pinned.fold(0, usize::saturating_add);
                require!(
                    pinned == *bytes,
                    "{bytes} bytes in flight are counted, {pinned} pinned"
                );
            }
        }
    }
    Ok(())
}

/// What is sent of a snapshot is stored here, and no more of it is under way than may be.
#[inline(never)]
fn transfer_holds<T: Telling>(common: &Common, transfer: &Transfer) -> Result<(), T> {
    let (id, stored, bytes) = (transfer.id(), transfer.stored(), transfer.bytes());
    let limits = &common.settings;
    let most = limits.max_bytes_in_flight.max(limits.max_append_bytes);
    let is_there = common.snapshots.has(id) && stored <= id.length;
    require!(
        is_there && transfer.is_in_order() && bytes <= most,
        "{id:?}, which a follower has {stored} bytes of, is stored, and parts of {bytes} bytes \
         follow each other to it; {most} may be under way"
    );
    Ok(())
}

/// Whether the leader has a progress for each other member, in the life that was admitted, as the
/// witness that it is or is not and with the vote that it has or has not, and for nobody else.
#[inline(never)]
fn sends_to_all(common: &Common, leader: &Leader) -> bool {
    let (followers, configuration) = (leader.followers(), common.configuration());
    let is_other = |id: NodeId| id != common.me.id;
    if configuration.is_settled() {
        // Both ascend by id: nobody need be searched for.
        let members = configuration.members.iter();
        let others = members.filter(|(id, _)| is_other(**id));
        let others = others.map(|(id, member)| {
            let peer = Peer::new(*id, member.incarnation);
            (peer, member.role.is_witness(), member.role.votes())
        });
        let followed = followers.values();
        return others.eq(followed.map(|one| (one.peer(), one.witness().is_some(), one.votes())));
    }
    let mut sets = configuration.sets();
    let mut followed = followers.values();
    let fits = |one: &Progress| {
        configuration.admits(one.peer())
            && one.witness().is_some() == configuration.is_witness(one.peer().id)
            && one.votes() == configuration.votes(one.peer().id)
    };
    followed.all(fits)
        && sets.all(|set| {
            let mut others = set.keys().filter(|id| is_other(**id));
            others.all(|id| followers.contains_key(id))
        })
}

/// No lease lasts longer than what is promised, and none after the word to take over.
#[inline(always)]
pub(super) fn lease_holds<T: Telling>(common: &Common, leader: &Leader) -> Result<(), T> {
    let told = leader.has_told_to_take_over() && !leader.gave_up_lease();
    if common.settings.lease.is_none() && !told {
        return Ok(());
    }
    lease_of_promises_holds(common, leader, told)
}

#[inline(never)]
fn lease_of_promises_holds<T: Telling>(
    common: &Common,
    leader: &Leader,
    told: bool,
) -> Result<(), T> {
    let end = leader.lease_end(common);
    let asked = leader
        .followers()
        .values()
        .map(|one| one.promised().until());
    let longest = asked.max().unwrap_or_default();
    require!(
        !told && (end <= longest || is_quorum_alone(common)),
        "a lease until {end:?} stands on promises until {longest:?}; told another: {told}"
    );
    Ok(())
}

/// What is known of reads.
#[inline(always)]
pub(super) fn reads_hold<T: Telling>(common: &Common, leader: &Leader) -> Result<(), T> {
    if leader.reads().pending() == 0 {
        return Ok(());
    }
    pending_reads_hold(common, leader)
}

#[inline(never)]
fn pending_reads_hold<T: Telling>(common: &Common, leader: &Leader) -> Result<(), T> {
    let (round, commit) = (leader.round(), common.commit_index);
    let asked = leader.reads().asked();
    require!(
        asked.clone().is_sorted_by(|one, next| one.0 < next.0),
        "each round has one batch of reads, in their order"
    );
    let foreseen = asked
        .clone()
        .find(|(at, index)| *at > round || *index > commit);
    require!(
        foreseen.is_none(),
        "reads wait for round {round} at most, committed to {commit}: {foreseen:?}"
    );
    let (pending, limit) = (leader.reads().pending(), common.settings.max_pending_reads);
    require!(pending <= limit, "{pending} reads wait, of at most {limit}");
    Ok(())
}
