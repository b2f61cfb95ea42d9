//! What must hold of a hull at any instant, and between two instants.
//!
//! Checked after every step. A broken invariant is a bug of this library: the hull stops with a
//! report, it does not panic. `--cfg no_invariants` compiles all of this out, so that the
//! simulator can be measured by its own checks alone.

use crate::hull::Hull;
use crate::ids::{Boot, LogIndex, NodeId, Term};
use crate::states::Role;
use crate::time::Time;

/// Stops the hull when an invariant does not hold. States the invariant positively, with values.
macro_rules! invariant {
    ($common:expr, $holds:expr, $($statement:tt)+) => {
        if !$holds {
            let statement = alloc::format!($($statement)+);
            let last_inputs = $common.events.last_inputs();
            $common.stop(crate::error::Fault::Invariant(crate::error::BrokenInvariant {
                statement,
                last_inputs,
            }));
        }
    };
}

/// What is compared before and after a step.
#[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is compared"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    boot: Boot,
    term: Term,
    vote: Option<NodeId>,
    role: Role,
    commit_index: LogIndex,
    applied_index: LogIndex,
    last_index: LogIndex,
    transferring_to: Option<NodeId>,
    forgotten: LogIndex,
    promised_until: Time,
}

impl Before {
    pub(crate) fn of(hull: &Hull) -> Self {
        Self {
            boot: hull.boot(),
            term: hull.term(),
            vote: hull.vote(),
            role: hull.role(),
            commit_index: hull.commit_index(),
            applied_index: hull.applied_index(),
            last_index: hull.last().index,
            transferring_to: hull.transferring_to(),
            forgotten: hull.forgotten().index,
            promised_until: hull.parts().0.promised_until,
        }
    }
}

#[cfg(no_invariants)]
pub(crate) fn check(_hull: &mut Hull, _before: &Before) {}

#[cfg(no_invariants)]
pub(crate) fn arrow(_common: &mut crate::common::Common, _from: Role, _to: Role) {}

#[cfg(no_invariants)]
pub(crate) fn follows(
    _common: &mut crate::common::Common,
    _next: &crate::configuration::Configuration,
) {
}

#[cfg(not(no_invariants))]
pub(crate) use checks::{arrow, check, follows};

#[cfg(not(no_invariants))]
mod checks {
    use alloc::vec::Vec;

    use super::Before;
    use crate::common::Common;
    use crate::configuration::Configuration;
    use crate::hull::Hull;
    use crate::ids::{LogIndex, NodeId, Peer};
    use crate::rules::reconfigure;
    use crate::states::leader::parts::Transfer;
    use crate::states::leader::progress::{Mode, Progress};
    use crate::states::leader::{Leader, is_quorum_alone};
    use crate::states::{Role, State};

    /// Checks everything after a step.
    pub(crate) fn check(hull: &mut Hull, before: &Before) {
        between_instants(hull, before);
        log_between_instants(hull, before);
        at_an_instant(hull);
        promises_hold(hull.common_mut());
        role_holds(hull);
        memory_holds(hull);
        let (_, state) = hull.parts();
        if let State::Leader(leader) = state {
            if let Err(statement) = leader_holds(hull, leader) {
                invariant!(hull.common_mut(), false, "{statement}");
            }
        }
        let (common, state) = hull.parts();
        if let State::Leader(leader) = state {
            let holds = reads_hold(common, leader).and_then(|()| lease_holds(common, leader));
            if let Err(statement) = holds {
                invariant!(hull.common_mut(), false, "{statement}");
            }
        }
        let (common, state) = hull.parts();
        if let Err(statement) = quiet_holds(common, state) {
            invariant!(hull.common_mut(), false, "{statement}");
        }
    }

    /// The role changes along Figure 4's arrows.
    pub(crate) fn arrow(common: &mut Common, from: Role, to: Role) {
        invariant!(
            common,
            from.may_become(to),
            "Figure 4 has an arrow from {from:?} to {to:?}"
        );
    }

    /// A leader appends a configuration only when the one before it is committed, and only one
    /// whose quorums have a node in common with each of that one's.
    pub(crate) fn follows(common: &mut Common, next: &Configuration) {
        let active = common.configuration();
        let fits = reconfigure::may_follow(active, next);
        let committed = common.is_configuration_committed();
        let active = active.clone();
        invariant!(
            common,
            fits && committed,
            "{next:?} may follow {active:?}, which is committed: {committed}"
        );
    }

    fn between_instants(hull: &mut Hull, before: &Before) {
        let (term, vote) = (hull.term(), hull.vote());
        let (commit, applied) = (hull.commit_index(), hull.applied_index());
        let boot = hull.boot();
        let common = hull.common_mut();
        invariant!(
            common,
            boot == before.boot,
            "the boot stays {}: {boot}",
            before.boot
        );
        invariant!(
            common,
            term >= before.term,
            "the term {term} is no less than {}",
            before.term
        );
        invariant!(
            common,
            term > before.term || before.vote.is_none() || vote == before.vote,
            "the vote of {term} stays {:?}: {vote:?}",
            before.vote
        );
        invariant!(
            common,
            commit >= before.commit_index,
            "the commit index {commit} is no less than {}",
            before.commit_index
        );
        invariant!(
            common,
            applied >= before.applied_index,
            "the applied index {applied} is no less than {}",
            before.applied_index
        );
    }

    fn log_between_instants(hull: &mut Hull, before: &Before) {
        let (last, forgotten) = (hull.last().index, hull.forgotten().index);
        let led = before.role == Role::Leader && hull.role() == Role::Leader;
        let transferring_to = hull.transferring_to();
        let hands_over = transferring_to.is_some() && transferring_to == before.transferring_to;
        let common = hull.common_mut();
        invariant!(
            common,
            forgotten >= before.forgotten,
            "what was forgotten, up to {}, does not come back: {forgotten}",
            before.forgotten
        );
        invariant!(
            common,
            !led || last >= before.last_index,
            "a leader's log only grows: {last} is no less than {}",
            before.last_index
        );
        invariant!(
            common,
            !hands_over || last == before.last_index,
            "who hands over appends nothing: {last} is {}",
            before.last_index
        );
        let promised_until = common.promised_until;
        invariant!(
            common,
            promised_until >= before.promised_until,
            "what was promised until {:?} is kept: {promised_until:?}",
            before.promised_until
        );
        invariant!(
            common,
            last >= before.commit_index,
            "what was committed stays: {last} is no less than {}",
            before.commit_index
        );
    }

    fn promises_hold(common: &mut Common) {
        let (promised, kept) = (common.promised_until, common.hard.promise);
        invariant!(
            common,
            promised <= common.now.after(kept),
            "after a crash now, what is promised until {promised:?} would be kept: {kept:?}"
        );
    }

    fn at_an_instant(hull: &mut Hull) {
        let common = hull.common_mut();
        let (last, commit) = (common.last(), common.commit_index);
        let (handed_out, applied) = (common.applying.handed_out(), common.applying.applied());
        let durable = common.disk.durable_index();
        let forgotten = common.entries.snapshot().index;
        invariant!(
            common,
            commit <= last.index,
            "commit {commit} lies in the log, to {last}"
        );
        invariant!(
            common,
            durable <= last.index,
            "durable {durable} lies in the log, to {last}"
        );
        invariant!(
            common,
            applied <= handed_out && handed_out <= commit.min(durable.max(forgotten)),
            "applied {applied} <= handed out {handed_out} <= commit {commit}, durable {durable}"
        );
        invariant!(
            common,
            common.term() >= last.term,
            "the term {} is no less than the last entry's, {last}",
            common.term()
        );
        let (chunks, _) = common.entries.cache();
        let ends_at = chunks.back().map(crate::chunk::Chunk::last_id);
        invariant!(
            common,
            ends_at.is_none_or(|id| id == last),
            "what is in memory ends at the last entry {last}: {ends_at:?}"
        );
        let stored = common
            .snapshots
            .stored()
            .map(|snapshot| snapshot.id.last.index);
        let is_stored = forgotten <= handed_out && forgotten <= stored.unwrap_or(LogIndex::ZERO);
        invariant!(
            common,
            is_stored || (common.witness && forgotten <= commit),
            "what was forgotten, up to {forgotten}, was handed out, up to {handed_out}, and is in \
             the snapshot stored, up to {stored:?}"
        );
        let since = common.configurations.active_since();
        invariant!(
            common,
            since.is_none_or(|index| forgotten < index && index <= last.index),
            "the configuration of {since:?} stands in the log, to {last}"
        );
        let (longest, limit) = (common.outbox.longest(), control_limit(common));
        invariant!(
            common,
            longest <= limit,
            "{longest} messages wait, of at most {limit}"
        );
    }

    /// A witness leads nobody and applies nothing, and has no payload; the others have all.
    fn role_holds(hull: &mut Hull) {
        let role = hull.role();
        let common = hull.common_mut();
        let (witness, handed_out) = (common.witness, common.applying.handed_out());
        let (chunks, _) = common.entries.cache();
        let last = chunks.back().is_none_or(|chunk| common.keeps_form(chunk));
        let forgotten = common.entries.snapshot().index;
        invariant!(
            common,
            last && (!witness || (role == Role::Follower && handed_out <= forgotten)),
            "with payloads: {}, a node's last entry is so: {last}; it is {role:?} and has applied \
             up to {handed_out}",
            !witness
        );
    }

    /// What is in memory beyond the budget waits for the disk.
    fn memory_holds(hull: &mut Hull) {
        let common = hull.common_mut();
        let durable = common.disk.durable_index();
        let (chunks, bytes) = common.entries.cache();
        let limit = common.settings.max_memory_bytes;
        let needed = chunks
            .front()
            .is_none_or(|chunk| chunk.last_index() > durable);
        invariant!(
            common,
            bytes <= limit || needed,
            "of {bytes} bytes in memory, with {limit} allowed, all wait for the disk"
        );
    }

    /// One message of each kind for a peer, and an acknowledgement for each batch under way.
    fn control_limit(common: &Common) -> usize {
        common.settings.max_writes_in_flight.saturating_add(10)
    }

    fn leader_holds(hull: &Hull, leader: &Leader) -> Result<(), alloc::string::String> {
        let (common, _) = hull.parts();
        let last = common.last();
        let require = |holds: bool, statement: &dyn Fn() -> alloc::string::String| {
            if holds { Ok(()) } else { Err(statement()) }
        };
        require(hull.vote() == Some(hull.me().id), &|| {
            alloc::format!("a leader voted for itself: {:?}", hull.vote())
        })?;
        require(last.term == hull.term(), &|| {
            alloc::format!(
                "a leader's log ends in its own term {}: {last}",
                hull.term()
            )
        })?;
        let to = leader.transferring_to();
        require(
            to.is_none_or(|to| leader.followers().contains_key(&to)),
            &|| alloc::format!("who is handed over to is followed: {to:?}"),
        )?;
        let (followers, configuration) = (leader.followers(), common.configuration());
        require(sends_to_all(common, leader), &|| {
            let followed: Vec<_> = followers.keys().collect();
            alloc::format!(
                "a leader sends to all of {configuration:?} and nobody else: {followed:?}"
            )
        })?;
        for progress in leader.followers().values() {
            let (matched, next) = (progress.matched(), progress.next());
            require(matched < next && next <= last.index.next(), &|| {
                alloc::format!("matched {matched} < next {next} <= one past {last}")
            })?;
            witness_holds(common, progress)?;
            if let Mode::Snapshot(transfer) = progress.mode() {
                transfer_holds(common, transfer)?;
            }
            if let Mode::Replicate { in_flight, bytes } = progress.mode() {
                let pinned = in_flight
                    .iter()
                    .map(|sent| sent.bytes)
                    .fold(0, usize::saturating_add);
                require(pinned == *bytes, &|| {
                    alloc::format!("{bytes} bytes in flight are counted, {pinned} pinned")
                })?;
            }
        }
        Ok(())
    }

    /// What is sent of a snapshot is stored here, and no more of it is under way than may be.
    fn transfer_holds(common: &Common, transfer: &Transfer) -> Result<(), alloc::string::String> {
        let (id, stored, bytes) = (transfer.id(), transfer.stored(), transfer.bytes());
        let limits = &common.settings;
        let most = limits.max_bytes_in_flight.max(limits.max_append_bytes);
        let is_there = common.snapshots.has(id) && stored <= id.length;
        if is_there && transfer.is_in_order() && bytes <= most {
            return Ok(());
        }
        Err(alloc::format!(
            "{id:?}, which a follower has {stored} bytes of, is stored, and parts of {bytes} bytes \
             follow each other to it; {most} may be under way"
        ))
    }

    /// A witness, and nobody else, is told of what is durable here and of nothing more.
    fn witness_holds(common: &Common, progress: &Progress) -> Result<(), alloc::string::String> {
        let (told, durable) = (progress.witness(), common.disk.durable_index());
        let is_one = common.configuration().is_witness(progress.peer().id);
        let sent = progress.sent_through();
        if told.is_some() == is_one && (!is_one || sent <= durable) {
            return Ok(());
        }
        Err(alloc::format!(
            "{:?}, a witness: {is_one}, may be told of {told:?}, was of {sent}; durable: {durable}",
            progress.peer()
        ))
    }

    /// Whether the leader has a progress for each other member, in the life that was admitted, and
    /// for nobody else.
    fn sends_to_all(common: &Common, leader: &Leader) -> bool {
        let (followers, configuration) = (leader.followers(), common.configuration());
        let is_other = |id: NodeId| id != common.me.id;
        if configuration.is_settled() {
            // Both ascend by id: nobody need be searched for.
            let members = configuration.members.iter();
            let others = members.filter(|(id, _)| is_other(**id));
            let others = others.map(|(id, member)| Peer::new(*id, member.incarnation));
            return others.eq(followers.values().map(Progress::peer));
        }
        let mut sets = configuration.sets();
        let mut followed = followers.values();
        followed.all(|progress| configuration.admits(progress.peer()))
            && sets.all(|set| {
                let mut others = set.keys().filter(|id| is_other(**id));
                others.all(|id| followers.contains_key(id))
            })
    }

    /// Whoever waits for nothing has nothing to wait for.
    fn quiet_holds(common: &Common, state: &State) -> Result<(), alloc::string::String> {
        let (commit, last) = (common.commit_index, common.last().index);
        let holds = match state {
            State::Leader(leader) if leader.is_quiet() => {
                let farewell = leader.farewell();
                let mut followers = leader.followers().values();
                farewell.is_some_and(|farewell| farewell <= leader.round())
                    && followers.all(|progress| progress.matched() == last)
                    && commit == last
            }
            State::Follower(follower) if follower.is_quiet() => {
                follower.leader().is_some() && commit == last
            }
            State::Follower(_)
            | State::PreCandidate(_)
            | State::Candidate(_)
            | State::Leader(_) => true,
        };
        match holds {
            true => Ok(()),
            false => Err(alloc::format!(
                "who is quiet has committed {commit} of {last}, all its followers hold that, and \
                 its leader took leave: {state:?}"
            )),
        }
    }

    /// No lease lasts longer than what is promised, and none after the word to take over.
    fn lease_holds(common: &Common, leader: &Leader) -> Result<(), alloc::string::String> {
        let told = leader.has_told_to_take_over() && !leader.gave_up_lease();
        if common.settings.lease.is_none() && !told {
            return Ok(());
        }
        let end = leader.lease_end(common);
        let asked = leader
            .followers()
            .values()
            .map(|one| one.promised().until());
        let longest = asked.max().unwrap_or_default();
        if told || (end > longest && !is_quorum_alone(common)) {
            return Err(alloc::format!(
                "a lease until {end:?} stands on promises until {longest:?}; told another: {told}"
            ));
        }
        Ok(())
    }

    /// What is known of reads, and of who has answered which round.
    fn reads_hold(common: &Common, leader: &Leader) -> Result<(), alloc::string::String> {
        let (round, commit) = (leader.round(), common.commit_index);
        for progress in leader.followers().values() {
            let answered = progress.answered();
            if answered > round {
                return Err(alloc::format!("round {answered} is answered, of {round}"));
            }
        }
        if leader.reads().pending() == 0 {
            return Ok(());
        }
        let asked = leader.reads().asked();
        if !asked.clone().is_sorted_by(|one, next| one.0 < next.0) {
            return Err("each round has one batch of reads, in their order".into());
        }
        let foreseen = asked
            .clone()
            .find(|(at, index)| *at > round || *index > commit);
        if let Some((at, index)) = foreseen {
            return Err(alloc::format!(
                "reads wait for round {at} of {round}, at {index}, committed to {commit}"
            ));
        }
        let (pending, limit) = (leader.reads().pending(), common.settings.max_pending_reads);
        if pending > limit {
            return Err(alloc::format!("{pending} reads wait, of at most {limit}"));
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(not(no_invariants))]
mod tests;
